"""https: what is spoken and what is not, whom clients trust, another certificate without a restart, and connections that never
come to the point."""
import json
import os
import shutil
import socket
import ssl
import subprocess

import pytest

from lab.authority import Authority
from lab.daemon import Client, Daemon, document, pace
from lab.stream import Stream
from lab.wait import until
from lab.web import Web

NOWHERE = {"shop": {"primary": "postgresql://nobody@127.0.0.1:1/none", "require_approval": "none"}}
NAMES = "IP:127.0.0.1,DNS:localhost,DNS:backfilld.example"
SILENT = 100  # connections that never shake hands


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


class Secure(Daemon):
    """With a certificate in files of its own, which `show` replaces."""

    def __init__(self, build, directory, authority, issued, targets=None, settings=None):
        self.certificate, self.key = directory / "shown.crt", directory / "shown.key"
        directory.mkdir(parents=True, exist_ok=True)
        self.show(*issued)
        super().__init__(build, directory, targets or NOWHERE, settings={
            "tls_certificate": self.certificate, "tls_key": self.key, **(settings or {})})
        self.trust(authority.certificate)

    def show(self, certificate, key):
        shutil.copy(certificate, self.certificate)
        shutil.copy(key, self.key)
        os.chmod(self.key, 0o600)

    def connect(self, context=None, timeout=20) -> ssl.SSLSocket:
        host, port = self.listen.rsplit(":", 1)
        return (context or self.context).wrap_socket(socket.create_connection((host, int(port)), timeout), server_hostname=host)

    def shown(self) -> bytes:
        with self.connect() as connection:
            return connection.getpeercert(binary_form=True)

    @property
    def port(self) -> int:
        return int(self.listen.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue("first", NAMES)


@pytest.fixture(scope="module")
def secure(build, tmp_path_factory, authority, issued):
    daemon = Secure(build, tmp_path_factory.mktemp("secure"), authority, issued).start()
    yield daemon
    daemon.finish()


@pytest.fixture(scope="module")
def held(build, secure):
    """Connections that are opened first and looked at last: silent ones, one that stops in its handshake, one that shook hands
    and stops in its headers, and a client that speaks http. The other tests run beside them."""
    address = ("127.0.0.1", secure.port)
    silent = [socket.create_connection(address, 60) for _ in range(SILENT)]
    stopped = socket.create_connection(address, 60)
    stopped.sendall(bytes.fromhex("160301010001"))  # a record of 256 bytes begins, and a ClientHello in it
    half = secure.connect(timeout=60)
    half.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    plain = Client(build, secure.url.replace("https", "http")).start("targets")
    yield silent, stopped, half, plain
    plain.kill()
    for each in (*silent, stopped, half):
        each.close()


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "20", *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


def test_curl_is_answered_where_it_trusts(secure, held, authority):
    trusting = ("--cacert", authority.certificate, "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}")
    assert curl(*trusting, f"{secure.url}/healthz").stdout == "200 0"
    assert curl(f"{secure.url}/healthz").returncode == 60  # nobody vouches for it
    named = ("--resolve", f"backfilld.example:{secure.port}:127.0.0.1", "--resolve", f"other.example:{secure.port}:127.0.0.1")
    by_name = f"https://backfilld.example:{secure.port}/healthz"
    assert curl(*trusting, *named, by_name).stdout == "200 0", "what the certificate names is the daemon's host"
    assert curl(*trusting, *named, "-k", f"https://other.example:{secure.port}/healthz").stdout.startswith("403")
    assert curl(*trusting, "-H", f"Origin: {secure.url}", f"{secure.url}/healthz").stdout == "200 0"
    assert curl(*trusting, *named, "-H", f"Origin: https://backfilld.example:{secure.port}", by_name).stdout == "200 0"
    for origin in (secure.url.replace("https", "http"), "https://other.example"):
        assert curl(*trusting, "-H", f"Origin: {origin}", f"{secure.url}/healthz").stdout == "403 0", origin


def test_the_client_verifies_and_says_why_not(build, secure, held, authority, tmp_path):
    client = Client(build, secure.url)
    client("--cacert", authority.certificate, "targets", code=0)
    client("targets", code=0, environment={"BACKFILLD_CACERT": str(authority.certificate)})
    said = client("targets", code=5).stderr
    assert "cannot be verified" in said and "--cacert" in said
    other = Authority(tmp_path, "other")
    assert "cannot be verified" in client("--cacert", other.certificate, "targets", code=5).stderr
    assert "cannot be read" in client("--cacert", tmp_path / "none", "targets", code=2).stderr
    assert f"{authority.key}, the file of --cacert or BACKFILLD_CACERT, holds no certificate" in client("--cacert", authority.key, "targets", code=5).stderr
    by_name = f"https://elsewhere.localhost:{secure.port}"
    assert "cannot be verified" in client("-u", by_name, "--cacert", authority.certificate, "targets", code=5).stderr


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_what_is_old_is_not_spoken(secure, held, authority):
    def handshake(version, ciphers):
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        with secure.connect(context) as connection:
            return connection.version(), connection.cipher()[0]
    assert handshake(ssl.TLSVersion.TLSv1_3, None)[0] == "TLSv1.3"
    assert handshake(ssl.TLSVersion.TLSv1_2, None)[0] == "TLSv1.2"
    for version, ciphers in ((ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256")):
        with pytest.raises(ssl.SSLError, match="alert|ALERT|closed|EOF"):
            handshake(version, ciphers)


def test_another_certificate_takes_its_place_without_a_restart(secure, held, authority, issued, tmp_path):
    before = secure.shown()
    stream = Stream(secure)
    second = authority.issue("second", NAMES)
    secure.show(*second)
    secure.hang_up("tls_certificate: CN=first", "1 change")
    after = secure.shown()
    until_then = [line for line in secure.get("/metrics").text.splitlines() if line.startswith("backfilld_certificate_until")]
    assert len(until_then) == 1 and int(until_then[0].split()[1]) > 1e9
    assert after == ssl.PEM_cert_to_DER_cert(second[0].read_text()) != before
    assert secure.post("/v1/pause-all").status == 200  # an event, which who listened before hears
    until(lambda: stream.of("event"), 30, "the stream goes on over the other certificate")
    assert not stream.ended and secure.post("/v1/resume-all").status == 200
    stream.close()
    # what was missing behind it is put there: the same certificate, and another chain
    secure.certificate.write_text(second[0].read_text() + authority.certificate.read_text())
    secure.hang_up("tls_certificate: CN=second", "1 more behind it", "1 change")
    chain = subprocess.run(["openssl", "s_client", "-showcerts", "-connect", f"127.0.0.1:{secure.port}"], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=30).stdout
    assert chain.count("BEGIN CERTIFICATE") == 2

    secure.show(second[0], issued[1])
    secure.hang_up("is not that of the certificate", "nothing changed")
    assert secure.shown() == after
    secure.show(*authority.issue_expired("old", NAMES))
    secure.hang_up("the one before stays", "has expired at 2020-02-01")
    assert secure.shown() == after
    os.chmod(secure.key, 0o604)
    secure.hang_up("is open to everyone", "nothing changed")
    assert secure.shown() == after and secure.get("/healthz").status == 200


def test_faults_of_the_certificate_are_named(build, authority, issued, tmp_path):
    other, expired = authority.issue("third", NAMES), authority.issue_expired("past", NAMES)
    locked, chain = tmp_path / "locked.key", tmp_path / "chain.crt"
    subprocess.run(["openssl", "pkey", "-in", issued[1], "-aes256", "-passout", "pass:x", "-out", locked], check=True)
    chain.write_text(authority.certificate.read_text() + issued[0].read_text())

    def faults(listen="127.0.0.1:8420", **settings) -> str:
        path = tmp_path / "backfilld.ini"
        lines = ["[daemon]", f"listen = {listen}", *(f"{key} = {value}" for key, value in settings.items())]
        path.write_text("\n".join(lines) + "\n")
        done = subprocess.run([build / "daemon/backfilld", "--check-config", "-c", path], capture_output=True, text=True, check=False)
        assert done.returncode == (1 if done.stderr else 0)
        return done.stderr
    assert faults(tls_certificate=issued[0], tls_key=issued[1]) == ""
    good_chain = tmp_path / "good.crt"
    good_chain.write_text(issued[0].read_text() + authority.certificate.read_text())
    assert faults(tls_certificate=good_chain, tls_key=issued[1]) == ""
    for part, certificate, key in (
            (":3: tls_certificate: /nowhere.crt cannot be read: No such file", "/nowhere.crt", issued[1]),
            (":4: tls_key: /nowhere.key cannot be read: No such file", issued[0], "/nowhere.key"),
            (f":3: tls_certificate: the key in {other[1]} is not that of the certificate in {issued[0]}", issued[0], other[1]),
            (f":3: tls_certificate: {issued[1]} holds no certificate", issued[1], issued[1]),
            (f":3: tls_certificate: {issued[0]} holds no private key", issued[0], tmp_path / "as.key"),
            ("is locked with a passphrase", issued[0], locked),
            ("the certificates are not in order", chain, issued[1]),
            (f":3: tls_certificate: {expired[0]}: the certificate has expired at 2020-02-01T00:00:00.000Z", *expired)):
        if key == tmp_path / "as.key":
            key = shutil.copy(issued[0], key)
            os.chmod(key, 0o600)
            part = part.replace(str(issued[0]), str(key))
        said = faults(tls_certificate=certificate, tls_key=key)
        assert part in said and "1 fault in" in said, said
    assert ":3: tls_certificate: its key is missing" in faults(tls_certificate=issued[0])
    assert ":3: tls_key: its certificate is missing" in faults(tls_key=issued[1])
    assert ":4: tls_key: credential:key: there are no credentials" in faults(tls_certificate=issued[0], tls_key="credential:key")
    assert "a Unix socket is not encrypted" in faults("unix:/run/x.sock", tls_certificate=issued[0], tls_key=issued[1])


def test_with_an_expired_certificate_it_starts_and_says_so(build, tmp_path, authority):
    daemon = Secure(build, tmp_path / "d", authority, authority.issue_expired("gone", NAMES))
    daemon.context.check_hostname, daemon.context.verify_mode = False, ssl.CERT_NONE
    daemon.start()
    try:
        assert "clients that verify it cannot connect" in daemon.log.read_text()
        client = Client(build, daemon.url)
        assert "has expired" in client("--cacert", authority.certificate, "targets", code=5).stderr
    finally:
        daemon.finish()


def test_a_job_over_https(build, database, tmp_path, authority, issued):
    database.make_counted(2000)
    with Web({"/hook": 200}) as web:
        targets = {"shop": {"primary": database.url, "require_approval": "none", "webhook": f"{web.url}/hook"}}
        daemon = Secure(build, tmp_path / "d", authority, issued, targets).start()
        try:
            client = Client(build, daemon.url)
            client.environment["BACKFILLD_CACERT"] = str(authority.certificate)
            job = document(database.table("counted"), {"n": "n + 1"}, pace=pace(500))
            path = tmp_path / "job.json"
            path.write_text(json.dumps(job))
            client("submit", path, "--watch", code=0)  # asks, and listens to the stream
            assert "completed" in client("events", "job", code=0).stdout
            until(lambda: web.asked, 30, "the webhook is told")
            assert web.asked[0].json["link"].startswith(daemon.url), web.asked[0].json
        finally:
            daemon.finish()


def test_who_never_comes_to_the_point_is_dropped(secure, held):
    silent, stopped, half, plain = held
    assert secure.get("/healthz", timeout=5).status == 200  # beside all of them
    for each in (*silent, stopped):
        try:
            assert each.recv(1) in (b"", b"\x15")  # the end, or an alert before it
        except ConnectionResetError:
            pass
    answer = half.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408"), answer  # encrypted, like everything
    assert half.recv(4096) == b""
    said = plain.communicate(timeout=30)[1]
    assert plain.returncode == 5 and "does it speak https?" in said, said
    assert secure.get("/healthz").status == 200
