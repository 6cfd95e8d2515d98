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
        if owner and os.getuid() == 0:
            user = pwd.getpwnam(owner)
            for path in (certificate, key):
                os.chown(path, user.pw_uid, user.pw_gid)
        return certificate, key
