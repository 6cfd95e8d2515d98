"""A certificate authority of the test's own, in a directory."""
import os
import pwd
import subprocess
from pathlib import Path


class Authority:
    def __init__(self, directory: Path, name: str):
        self.directory, self.name = Path(directory), name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        self._openssl("req", "-x509", "-subj", f"/CN=authority {name}", "-days", "30", "-keyout", self.key, "-out",
                      self.certificate, *self._new_key())

    @staticmethod
    def _new_key() -> list:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr

    def issue(self, name: str, names: str, owner=None):
        """A certificate for `names` (as in "IP:127.0.0.1,DNS:db1"); its path and that of its key."""
        request, certificate, key = (self.directory / f"{name}.{end}" for end in ("csr", "crt", "key"))
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        self._openssl("req", "-new", "-subj", f"/CN={name}", "-keyout", key, "-out", request, *self._new_key())
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                      "-days", "30", "-extfile", extensions, "-out", certificate)
        self._give(owner, certificate, key)
        return certificate, key

    def issue_expired(self, name: str, names: str):
        """The same, of a certificate that was valid in January 2020."""
        request, certificate, key = (self.directory / f"{name}.{end}" for end in ("csr", "crt", "key"))
        folder = self.directory / f"{name}.ca"
        folder.mkdir()
        (folder / "index").touch()
        (folder / "serial").write_text("4096\n")
        (folder / "names").write_text(f"subjectAltName={names}\n")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=a\n[a]\nserial={folder}/serial\ndatabase={folder}/index\nnew_certs_dir={folder}\npolicy=p\n"
            "default_md=sha256\n[p]\ncommonName=supplied\n")
        self._openssl("req", "-new", "-subj", f"/CN={name}", "-keyout", key, "-out", request, *self._new_key())
        self._openssl("ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-in", request, "-out", certificate, "-cert",
                      self.certificate, "-keyfile", self.key, "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
                      "-extfile", folder / "names")
        return certificate, key

    @staticmethod
    def _give(owner, *paths):
        if owner and os.getuid() == 0:
            user = pwd.getpwnam(owner)
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)
