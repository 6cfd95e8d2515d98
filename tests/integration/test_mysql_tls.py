"""TLS and logins on MariaDB and MySQL, with an authority of the test's own."""
import os

import pytest

from lab.authority import Authority
from lab.daemon import document, pace
from lab.engines import new_cluster
from lab.mysql import PASSWORD, TEST_SETTINGS, run_as
from lab.mysql_database import full_speed, make_database, make_table
from lab.mysql_fixtures import FLAVOURS
from lab.mysql_wire import Wire, without_tls

ENCRYPTED = ("required", "verify_ca", "verify_identity")


def counted(**more):
    return document("counted", {"n": "n + 1"}, again=True, **more)


@pytest.fixture(scope="module", params=FLAVOURS)
def tls_cluster(request):
    """A server with a certificate for 127.0.0.1 of a private authority."""
    cluster = new_cluster(request.param, replica=False)
    cluster.directory.chmod(0o755)
    cluster.authority, cluster.stranger = (Authority(cluster.directory / name, name) for name in ("right", "wrong"))
    certificate, key = cluster.authority.issue("server", "IP:127.0.0.1,DNS:elsewhere.example", run_as())
    cluster.settings = {**TEST_SETTINGS, "ssl-ca": cluster.authority.certificate, "ssl-cert": certificate, "ssl-key": key}
    with cluster:
        for name, demand in (("plain", "NONE"), ("safe", "SSL"), ("known", "X509")):
            cluster.primary.sql(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE {demand}",
                                f"GRANT ALL ON *.* TO {name}@'%'")
        yield cluster


@pytest.fixture
def tls_database(tls_cluster):
    made = make_database(tls_cluster)
    make_table(made, 20)
    yield made
    made.drop()


def options(cluster, mode, authority=None) -> str:
    verify = mode.startswith("verify")
    return f"ssl-mode={mode}" + (f"&ssl-ca={(authority or cluster.authority).certificate}" if verify else "")


def url(database, user, mode, authority=None, host="127.0.0.1", more="") -> str:
    return (f"mysql://{user}@{host}:{database.server.port}/{database.name}"
            f"?{options(database.cluster, mode, authority)}{more}")


def works(daemon, database):
    daemon.wait(daemon.submit(counted()), "completed")
    assert database.value("SELECT MIN(n) FROM counted") == 1


def refused(daemon, *words):
    answer = daemon.post("/v1/jobs", counted())
    assert answer.status == 503 and all(word in answer.text for word in words), answer.text
    assert PASSWORD not in answer.text
    return answer.text


@pytest.mark.parametrize("mode", ["preferred", *ENCRYPTED])
def test_an_account_that_demands_tls(mode, tls_database, make_daemon):
    works(make_daemon(url(tls_database, "safe", mode), **tls_database.target), tls_database)


@pytest.mark.parametrize("mode", ["preferred", "verify_ca"])
def test_the_system_s_authorities_are_not_read(mode, tls_database, make_daemon, tmp_path):
    """Nobody asks them: whose certificates are verified is named. Whoever opens this pipe waits for ever."""
    pipe = tmp_path / "authorities"
    os.mkfifo(pipe)
    daemon = make_daemon(url(tls_database, "safe", mode), start=False, **tls_database.target)
    daemon.environment["SSL_CERT_FILE"] = str(pipe)
    works(daemon.start(), tls_database)


def test_an_account_that_demands_tls_is_not_reached_without(tls_database, make_daemon):
    refused(make_daemon(url(tls_database, "safe", "disabled"), **tls_database.target), "denied", "may demand TLS")


def test_a_server_that_demands_tls(tls_database, make_daemon):
    server = tls_database.server
    server.sql("SET GLOBAL require_secure_transport = ON")
    try:
        refused(make_daemon(url(tls_database, "plain", "disabled"), **tls_database.target), "may demand TLS")
        works(make_daemon(url(tls_database, "plain", "verify_identity"), **tls_database.target), tls_database)
    finally:
        server.sql("SET GLOBAL require_secure_transport = OFF")


def test_an_account_that_demands_a_certificate(tls_database, make_daemon, tmp_path):
    certificate, key = tls_database.cluster.authority.issue("client", "DNS:backfilld")
    daemon = make_daemon(url(tls_database, "known", "verify_ca", more=f"&ssl-cert={certificate}&ssl-key={key}"),
                         **tls_database.target)
    works(daemon, tls_database)
    refused(make_daemon(url(tls_database, "known", "verify_ca"), **tls_database.target), "denied")


@pytest.mark.parametrize("mode", ["verify_ca", "verify_identity"])
def test_a_certificate_of_another_authority_is_refused(mode, tls_database, make_daemon):
    """Before the password goes out, and with a word that says what to look at."""
    with Wire(tls_database.server) as wire:
        strange = options(tls_database.cluster, mode, tls_database.cluster.stranger)
        refused(make_daemon(wire.url(tls_database.name, "plain", strange), **tls_database.target), "certificate", "ssl-ca")
        right = options(tls_database.cluster, mode)
        works(make_daemon(wire.url(tls_database.name, "plain", right), **tls_database.target), tls_database)


def test_a_certificate_for_another_host(tls_database, make_daemon):
    """The certificate says 127.0.0.1, the URL localhost: only verify_identity looks at the name."""
    refused(make_daemon(url(tls_database, "plain", "verify_identity", host="localhost"), **tls_database.target), "must name this host")
    works(make_daemon(url(tls_database, "plain", "verify_ca", host="localhost"), **tls_database.target), tls_database)


@pytest.mark.parametrize("mode", ENCRYPTED)
def test_somebody_who_takes_tls_out_of_the_greeting_hears_nothing(mode, tls_database, make_daemon):
    with Wire(tls_database.server, without_tls) as wire:
        daemon = make_daemon(wire.url(tls_database.name, "plain", options(tls_database.cluster, mode)), **tls_database.target)
        refused(daemon, "SSL")
        assert wire.said and not any(wire.said), wire.said


@pytest.fixture
def sha2(tls_database):
    name = f"sha2_{tls_database.name}"
    tls_database.execute(f"CREATE USER {name}@'%' IDENTIFIED WITH caching_sha2_password BY '{PASSWORD}'")
    tls_database.execute(f"GRANT ALL ON *.* TO {name}@'%'")
    # the server forgets what it knew of passwords: the next login is a full one
    tls_database.execute("FLUSH PRIVILEGES")
    yield name
    tls_database.execute(f"DROP USER {name}")


# MariaDB 10.11 has no caching_sha2_password
@pytest.mark.parametrize("tls_cluster", ["mysql"], indirect=True)
@pytest.mark.parametrize("mode", ["disabled", "preferred", "verify_identity"])
def test_caching_sha2_password(mode, sha2, tls_database, make_daemon):
    """The full exchange, over TLS or with the server's public key, then the short one; never the password in clear."""
    ask_for_key = b"\x01\x00\x00\x03\x02"
    with Wire(tls_database.server) as wire:
        daemon = make_daemon(wire.url(tls_database.name, sha2, options(tls_database.cluster, mode)), **tls_database.target)
        works(daemon, tls_database)
        said = b"".join(bytes(each) for each in wire.said)
        assert PASSWORD.encode() not in said
        assert (sha2.encode() in said) == (mode == "disabled"), "is it encrypted?"
        assert said.count(ask_for_key) == (1 if mode == "disabled" else 0), "only the first login is a full one"


def test_the_password_file_is_read_at_each_connect(tls_database, make_daemon, tmp_path):
    """The password is changed while a job runs: its next connection has the new one, without a word to the daemon."""
    database, name = tls_database, f"rotated_{tls_database.name}"
    password = tmp_path / "password"
    password.write_text("first-one\n")
    password.chmod(0o600)
    database.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'first-one'")
    database.execute(f"GRANT ALL ON *.* TO {name}@'%'")
    database.execute(f"CREATE TRIGGER slow BEFORE UPDATE ON counted FOR EACH ROW BEGIN "
                     f"IF USER() LIKE '{name}@%' THEN DO SLEEP(0.3); END IF; END")
    daemon = make_daemon(url(database, name, "required"), password_file=password)
    job = daemon.submit(counted(pace=pace(1)))
    daemon.wait_progress(job, 2)
    database.execute(f"ALTER USER {name}@'%' IDENTIFIED BY 'second-one'")
    for number in database.sessions(job):
        database.execute(f"KILL CONNECTION {number}")
    reason = daemon.wait_reason(job, "connect_refused")["reason"]["text"]
    assert "denied" in reason and "first-one" not in reason and "second-one" not in reason, reason
    password.write_text("second-one\n")
    full_speed(database)
    daemon.wait(job, "completed")
    assert dict(database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: 20}
    password.unlink()
    refused(daemon, "password file", str(password))
