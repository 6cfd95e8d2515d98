"""A private MariaDB or MySQL primary and one GTID replica in a directory of their own.

MariaDB is Debian's (mariadb-server-core: programs only). MySQL is Oracle's current LTS from Debian sid, unpacked beside the
system by tests/lab/mysql-root, which needs the mirror once; where it cannot be made, mysql_missing() says why. Nothing of
the system's own servers is touched; as root the servers run as user `postgres` or `nobody` (they refuse root). They
listen on 127.0.0.1 and a unix socket; root has no password, backfill has one."""
import atexit
import fcntl
import functools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .ports import free_port
from .rights import least, narrow_account
from .wait import until

PASSWORD = "bf-secret"
MYSQL_ROOT = Path(os.environ.get("BACKFILLD_MYSQL_ROOT", "/var/tmp/backfilld-lab/mysql-sid"))
TEST_SETTINGS = {"innodb_flush_log_at_trx_commit": "0", "sync_binlog": "0", "innodb_doublewrite": "0",
                 "innodb_flush_method": "fsync"}
_missing = None


def run_as() -> str:
    for name in ("mysql", "postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise RuntimeError("no user to run a server as")


def mysql_missing() -> str:
    """Why real MySQL cannot be had here; "" when it can. Unpacks it at the first call."""
    global _missing
    if _missing is None:
        made = subprocess.run([str(Path(__file__).with_name("mysql-root")), str(MYSQL_ROOT)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        _missing = "" if made.returncode == 0 else f"MySQL could not be unpacked: {made.stderr.strip()[-500:]}"
    return _missing


def _dropped(pdeathsig=False) -> list:
    command = ["setpriv"]
    if os.getuid() == 0:
        user = pwd.getpwnam(run_as())
        command += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if pdeathsig:
        command += ["--pdeathsig", "KILL"]
    return command + ["env", "HOME=/tmp", "LC_ALL=C"] if len(command) > 1 else ["env", "LC_ALL=C"]


def _run(*arguments):
    done = subprocess.run([*_dropped(), *arguments], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} failed: {done.stdout.strip()[-3000:]}")


@functools.cache
def _kept_directory() -> Path:
    """Of the whole test run where it names one, else of this process."""
    named = os.environ.get("BACKFILLD_KEPT")
    kept = Path(named or tempfile.mkdtemp(prefix="backfilld-kept-"))
    kept.mkdir(parents=True, exist_ok=True)
    if not named:
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
    if os.getuid() == 0:
        user = pwd.getpwnam(run_as())
        os.chown(kept, user.pw_uid, user.pw_gid)
    return kept


class MyServer:
    """One mysqld or mariadbd."""

    def __init__(self, directory: Path, name: str, flavour: str, number: int, detached=False):
        self.directory, self.name, self.flavour, self.number = directory, name, flavour, number
        self.detached = detached
        self.data, self.socket = directory / name, directory / f"{name}.sock"
        self.log, self.configuration = directory / f"{name}.err", directory / f"{name}.cnf"
        ports = directory / f"{name}.port"
        self.port = int(ports.read_text()) if ports.exists() else 0
        self.settings = {}
        self._process = None

    @property
    def program(self) -> str:
        return "/usr/sbin/mariadbd" if self.flavour == "mariadb" else str(MYSQL_ROOT / "usr/sbin/mysqld")

    def url(self, database, user="backfill") -> str:
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database=None, user="root", password="", **more):
        import pymysql
        more.setdefault("autocommit", True)
        return pymysql.connect(unix_socket=str(self.socket), user=user, password=password, database=database,
                               charset="utf8mb4", **more)

    def sql(self, *statements, database=None) -> list:
        """Runs them as root; the rows of the last one."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def version(self) -> str:
        return self.sql("SELECT VERSION()")[0][0]

    def configure(self, **settings):
        self.settings.update(settings)
        own = {"datadir": self.data, "socket": self.socket, "pid-file": f"{self.data}.pid", "log-error": self.log,
               "port": self.port, "bind-address": "127.0.0.1", "server-id": self.number, "log-bin": "bin",
               "character-set-server": "utf8mb4", "innodb-buffer-pool-size": "256M", "max-connections": 200,
               "tmpdir": self.directory, "report-host": "127.0.0.1", "report-port": self.port}
        lines = ["[mysqld]", "skip-name-resolve"]
        if self.flavour == "mysql":
            own |= {"mysqlx": 0, "gtid-mode": "ON", "enforce-gtid-consistency": "ON", "basedir": MYSQL_ROOT / "usr",
                    "lc-messages-dir": MYSQL_ROOT / "usr/share/mysql", "plugin-dir": MYSQL_ROOT / "usr/lib/mysql/plugin",
                    "secure-file-priv": "NULL", "innodb-redo-log-capacity": "100M"}
            lines.append("skip-replica-start")
        else:
            own |= {"gtid-strict-mode": 1, "log-slave-updates": 1, "binlog-format": "ROW",
                    "innodb-log-file-size": "96M"}
            lines.append("skip-slave-start")
        own.update(self.settings)
        self.configuration.write_text("\n".join(lines + [f"{key}={value}" for key, value in own.items()]) + "\n")
        (self.directory / f"{self.name}.port").write_text(f"{self.port}\n")

    def pid(self) -> int:
        """0 when it does not run; never a foreign process that got the number."""
        try:
            pid = int((self.directory / f"{self.name}.number").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = re.search(r"^State:\s+(\S)", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)
        except (OSError, ValueError):
            return 0
        return pid if str(self.configuration).encode() in command and state not in "ZX" else 0

    def start(self, seconds=90):
        import pymysql
        stopped = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            with open(self.directory / f"{self.name}.out", "ab") as out:
                self._process = subprocess.Popen(
                    [*_dropped(pdeathsig=not self.detached), self.program, f"--defaults-file={self.configuration}"],
                    cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            (self.directory / f"{self.name}.number").write_text(f"{self._process.pid}\n")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, stopped)

        def up():
            if self._process.poll() is not None:
                return True
            try:
                self.connect().close()
                return True
            except pymysql.err.OperationalError:
                return False
        until(up, seconds, lambda _: f"{self.flavour} ({self.name}) answers:\n{self.tail()}", every=0.03)
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.flavour} ({self.name}) did not start:\n{self.tail()}")
        return self

    def tail(self) -> str:
        texts = [path.read_text(errors="replace") for path in (self.log, self.directory / f"{self.name}.out")
                 if path.exists()]
        return "\n".join("\n".join(text.splitlines()[-15:]) for text in texts)

    def stop(self, mode="fast", seconds=90):
        """fast: an ordered stop; immediate: SIGKILL."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL if mode == "immediate" else signal.SIGTERM)
            until(lambda: (self._process and self._process.poll() is not None) or not self.pid(), seconds,
                  f"{self.flavour} ({self.name}, process {pid}) ends")
        if self._process:
            self._process.wait()
            self._process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()


class MyCluster:
    """Primary and replica of one flavour ("mariadb" or "mysql")."""

    def __init__(self, flavour, directory=None, replica=True, settings=None, detached=False):
        self.engine = self.flavour = flavour
        self.temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"backfilld-{flavour[:3]}-"))
        self.settings = TEST_SETTINGS if settings is None else settings
        self.primary = MyServer(self.directory, "p", flavour, 1, detached)
        self.replica = MyServer(self.directory, "r", flavour, 2, detached) if replica else None
        self.password_file = self.directory / "password"
        self.said = False  # that the replica stands still

    def _initialise(self):
        if len(str(self.primary.socket)) > 100:
            raise RuntimeError(f"{self.primary.socket} is too long for a unix socket: set TMPDIR to a shorter directory")
        os.chmod(self.directory, 0o755)
        if os.getuid() == 0:
            user = pwd.getpwnam(run_as())
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        for server in filter(None, (self.primary, self.replica)):
            server.port = free_port()
            server.configure(**self.settings)
        if self.settings == TEST_SETTINGS:
            _run("cp", "-a", "--reflink=auto", str(self._installed()), str(self.primary.data))
        else:
            self._install(self.primary.data)
        if self.replica:
            # a cold copy of the primary that never ran for anyone; auto.cnf holds MySQL's server_uuid
            _run("cp", "-a", str(self.primary.data), str(self.replica.data))
            for path in [self.replica.data / "auto.cnf", *self.replica.data.glob("bin.*")]:
                path.unlink(missing_ok=True)
        self.password_file.write_text(f"{PASSWORD}\n")
        self.password_file.chmod(0o600)

    def _install(self, data: Path):
        if self.flavour == "mariadb":
            _run("mariadb-install-db", "--no-defaults", f"--datadir={data}",
                 "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=96M",
                 f"--tmpdir={self.directory}",  # two that run at once meet in /tmp
                 "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0")
        else:
            _run(self.primary.program, f"--defaults-file={self.primary.configuration}", f"--datadir={data}", "--initialize-insecure")
            (data / "auto.cnf").unlink(missing_ok=True)  # the server's UUID, which each makes for itself

    def _installed(self) -> Path:
        """Data that no server has run on yet. It is made once for all clusters of a test run, for that takes longer than the rest."""
        kept = _kept_directory()
        made = kept / self.flavour
        with open(kept / f"{self.flavour}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                begun = kept / f"{self.flavour}.begun"
                shutil.rmtree(begun, ignore_errors=True)
                self._install(begun)
                begun.rename(made)
        return made

    def start(self):
        try:
            self._initialise()
            self.primary.start()
            self.primary.sql(f"CREATE USER backfill@'%' IDENTIFIED BY '{PASSWORD}'",
                             *(narrow_account(self.flavour) if least() else ["GRANT ALL ON *.* TO backfill@'%' WITH GRANT OPTION"]),
                             "CREATE USER repl@'%' IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
                             "CREATE DATABASE ready")
            if self.replica:
                self.replica.start()
                self.follow()
        except BaseException:
            self.stop()
            raise
        return self

    def follow(self, server=None, delay=0):
        """The server (the replica) replicates from the primary, read-only; `delay`: seconds that it stays behind."""
        follower = server or self.replica
        if self.flavour == "mariadb":
            follower.sql("SET GLOBAL read_only = 1", f"CHANGE MASTER TO master_host='127.0.0.1', "
                         f"master_port={self.primary.port}, master_user='repl', master_password='repl', "
                         f"master_use_gtid=slave_pos, master_connect_retry=1, master_delay={delay}", "START SLAVE")
        else:
            follower.sql("SET GLOBAL read_only = 1", f"CHANGE REPLICATION SOURCE TO source_host='127.0.0.1', "
                         f"source_port={self.primary.port}, source_user='repl', source_password='repl', "
                         f"source_auto_position=1, get_source_public_key=1, source_connect_retry=1, source_delay={delay}",
                         "START REPLICA")
        until(lambda: follower.sql("SHOW DATABASES LIKE 'ready'"), 60,
              lambda _: f"the replica follows:\n{follower.tail()}")

    # replicas

    def replicas_setting(self, *more) -> str:
        """`replicas` of the daemon's target: those that it is to ask."""
        return ", ".join(f"mysql://backfill@127.0.0.1:{server.port}" for server in (self.replica, *more))

    def replica_name(self, server=None) -> str:
        """As the daemon calls it."""
        return f"127.0.0.1:{(server or self.replica).port}"

    def replication(self, verb, what="", server=None):
        """START or STOP, all of it or one thread."""
        (server or self.replica).sql(f"{verb} {'SLAVE' if self.flavour == 'mariadb' else 'REPLICA'} {what}")

    def check_replication(self):
        """A replica that many tests share still applies what it gets, or the first to notice says what stopped it."""
        from pymysql.cursors import DictCursor
        if self.said or not self.replica or not self.replica.pid():
            return
        connection = self.replica.connect(cursorclass=DictCursor)
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SHOW {'SLAVE' if self.flavour == 'mariadb' else 'REPLICA'} STATUS")
                trouble = (cursor.fetchone() or {}).get("Last_SQL_Error")
        finally:
            connection.close()
        self.said = bool(trouble)
        assert not trouble, f"the shared replica of {self.flavour} stands still: {trouble}"

    def pause_replay(self, server=None):
        """It receives the log and does not apply it."""
        self.replication("STOP", "SQL_THREAD", server)

    def resume_replay(self, server=None):
        self.replication("START", "SQL_THREAD", server)

    def keep_replayed(self):
        """From here on a killed replica knows how far it had come."""
        self.replica.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL sync_binlog = 1")

    def restart_replica(self):
        """One that was stopped or killed."""
        self.replica.start()
        self.replica.sql("SET GLOBAL read_only = 1")
        self.replication("START")

    def add_replica(self, name, delay=0) -> MyServer:
        """One more, a copy of the first one, which stands still for it; `delay`: seconds that it stays behind."""
        added = MyServer(self.directory, name, self.flavour, 3)
        added.port = free_port()
        self.replica.stop()
        _run("cp", "-a", str(self.replica.data), str(added.data))
        for pattern in ("auto.cnf", "master.info", "relay-log.info", "*-relay-bin.*", "multi-master.info"):
            for path in added.data.glob(pattern):
                path.unlink()
        added.configure(**self.settings)
        self.restart_replica()
        added.start()
        if self.flavour == "mysql":
            added.sql("RESET REPLICA ALL")
        self.follow(added, delay)
        return added

    def keep_commits(self):
        """From here on a killed primary loses nothing that it committed."""
        self.primary.configure(innodb_flush_log_at_trx_commit=1, sync_binlog=1, innodb_doublewrite=1)
        self.primary.restart()

    def make_database(self):
        from .mysql_database import make_database
        return make_database(self)

    def url(self, database) -> str:
        """Of whichever of the two is the primary."""
        return f"mysql://backfill@127.0.0.1:{self.primary.port},127.0.0.1:{self.replica.port}/{database}"

    def on_replica(self, database):
        """The same database, on the replica."""
        return type(database)(self, database.name, self.replica)

    def cut_replica(self):
        """From here on the replica hears nothing more."""
        self.replica.sql("STOP SLAVE" if self.flavour == "mariadb" else "STOP REPLICA")

    def promote(self):
        self.replica.sql("SET GLOBAL read_only = 0")

    def stop(self):
        for server in (self.replica, self.primary):
            if server:
                server.stop("immediate")
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
