"""A private PostgreSQL primary and one streaming replica in a directory of their own, up in about two seconds.

Nothing of the system's own clusters is touched. As root the servers run as user `postgres` (they refuse root). They
listen on 127.0.0.1 and a unix socket only, without passwords. Needs no Python package but the standard library;
connect() alone needs psycopg."""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .ports import free_port
from .rights import least, narrow_role
from .wait import until

RUN_AS = "postgres"
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
TEST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}  # data that is thrown away anyway


def programs() -> str:
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if not found:
        raise RuntimeError("no PostgreSQL server found in /usr/lib/postgresql (package postgresql-15)")
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[4].split(".")[0])))


def _dropped(pdeathsig=False) -> list:
    """The head of a command line that runs something as the servers' user."""
    command = ["setpriv"]
    if os.getuid() == 0:
        command += [f"--reuid={RUN_AS}", f"--regid={pwd.getpwnam(RUN_AS).pw_gid}", "--init-groups"]
    if pdeathsig:
        command += ["--pdeathsig", "QUIT"]
    return command + ["env", "HOME=/tmp", "LC_ALL=C"] if len(command) > 1 else ["env", "LC_ALL=C"]


def _run(*arguments):
    done = subprocess.run([*_dropped(), *arguments], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} failed: {done.stdout.strip()}")


class Server:
    """One postmaster. It is found again by a process of another time through its pid file."""

    def __init__(self, directory: Path, name: str, detached=False):
        self.directory, self.name, self.detached = directory, name, detached
        self.data = directory / name
        self.log = directory / "s" / f"{name}.log"
        self.sockets = directory / "s"
        self._process = None
        ports = directory / f"{name}.port"
        self.port = int(ports.read_text()) if ports.exists() else 0

    def url(self, database="postgres", user="postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="postgres", **arguments):
        import psycopg
        arguments.setdefault("autocommit", True)
        arguments.setdefault("connect_timeout", 10)
        return psycopg.connect(self.url(database), **arguments)

    def psql(self, sql: str, database="postgres") -> str:
        done = subprocess.run([f"{programs()}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql,
                               self.url(database)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"psql on {self.name}: {done.stderr.strip()}")
        return done.stdout.strip()

    def configure(self, **settings):
        """Appends to postgresql.conf; takes effect at the next start or reload."""
        with open(self.data / "postgresql.conf", "a") as out:
            for key, value in settings.items():
                out.write(f"{key} = '{value}'\n")

    def pid(self) -> int:
        """The postmaster's, 0 when it does not run; never a foreign process that got the number."""
        try:
            pid = int((self.directory / f"{self.name}.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = re.search(r"^State:\s+(\S)", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)
        except (OSError, ValueError):
            return 0
        return pid if str(self.data).encode() in command and state not in "ZX" else 0

    def _spawn(self):
        # no signal may come between the birth of the server and the note of its number
        stopped = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            with open(self.log, "ab") as log:
                self._process = subprocess.Popen(
                    [*_dropped(pdeathsig=not self.detached), f"{programs()}/postgres", "-D", str(self.data),
                     "-p", str(self.port)], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True)
            (self.directory / f"{self.name}.pid").write_text(f"{self._process.pid}\n")
            (self.directory / f"{self.name}.port").write_text(f"{self.port}\n")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, stopped)

    def _status(self) -> str:
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")[7].strip()
        except (OSError, IndexError):
            return ""

    def start(self, seconds=60):
        """Starts and waits until connections are accepted."""
        for _ in range(5):
            self.port = self.port or free_port()
            offset = self.log.stat().st_size if self.log.exists() else 0
            (self.data / "postmaster.pid").unlink(missing_ok=True)  # of a killed one: its words would deceive us
            self._spawn()
            until(lambda: self._process.poll() is not None or self._status() == "ready", seconds,
                  f"PostgreSQL ({self.name}) accepts connections, see {self.log}")
            if self._process.poll() is None:
                return self
            said = self.log.read_text(errors="replace")[offset:]
            if "Address already in use" not in said:
                raise RuntimeError(f"PostgreSQL ({self.name}) did not start:\n{said}")
            self.port = 0
        raise RuntimeError(f"PostgreSQL ({self.name}) found no free port")

    def stop(self, mode="fast", seconds=60):
        """Ends the server and waits for its end. Does nothing when it does not run."""
        pid = self.pid()
        if pid:
            os.kill(pid, STOP_SIGNALS[mode])
            until(lambda: (self._process and self._process.poll() is not None) or not self.pid(), seconds,
                  f"PostgreSQL ({self.name}, process {pid}) ends")
        if self._process:
            self._process.wait()
            self._process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def promote(self, seconds=60):
        self.psql(f"SELECT pg_promote(true, {seconds})")


class Cluster:
    """Primary and replica. `detached` servers outlive the process that started them (quickstart)."""
    engine = "postgresql"

    def __init__(self, directory=None, replica=True, settings=None, detached=False):
        self.temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="backfilld-pg-"))
        self.settings = TEST_SETTINGS if settings is None else settings
        self.primary = Server(self.directory, "p", detached)
        self.replica = Server(self.directory, "r", detached) if replica else None

    def _initialise(self):
        sockets = self.primary.sockets
        if len(str(sockets)) > 80:
            raise RuntimeError(f"{sockets} is too long for a unix socket: set TMPDIR to a shorter directory")
        sockets.mkdir()
        self.primary.port = free_port()
        if self.replica:
            self.replica.port = free_port()
        if os.getuid() == 0:
            user = pwd.getpwnam(RUN_AS)
            os.chmod(self.directory, 0o755)
            for path in (self.directory, sockets):
                os.chown(path, user.pw_uid, user.pw_gid)
        _run(f"{programs()}/initdb", "-D", str(self.primary.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-locale", "--no-sync")
        self.primary.configure(
            listen_addresses="127.0.0.1", unix_socket_directories=sockets, cluster_name="backfilld-lab",
            log_min_messages="warning", log_line_prefix="%m [%p] %d %a: ", log_checkpoints="off",
            max_wal_size="2GB", wal_receiver_status_interval="1s", wal_receiver_timeout="10s",
            wal_retrieve_retry_interval="100ms", **self.settings)
        if self.replica:
            # a cold copy of the primary that never ran: the same system identifier, streams from the first WAL on
            _run("cp", "-a", str(self.primary.data), str(self.replica.data))
            _run("touch", f"{self.replica.data}/standby.signal")
            self.replica.configure(primary_conninfo=f"host={sockets} port={self.primary.port} user=postgres "
                                   "application_name=replica", primary_slot_name="replica")

    def start(self):
        try:
            self._initialise()
            port = self.primary.port
            self.primary.start()
            if least():
                narrow_role(self.primary)
            if self.replica:
                if self.primary.port != port:
                    self.replica.configure(primary_conninfo=f"host={self.primary.sockets} port={self.primary.port} "
                                           "user=postgres application_name=replica")
                self.primary.psql("SELECT pg_create_physical_replication_slot('replica', true)")
                self.replica.start()
                self.wait_streaming()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_streaming(self, seconds=30):
        until(lambda: self.primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1",
              seconds, "the replica streams", every=0.02)

    # replicas

    def replicas_setting(self, *_more) -> str:
        """`replicas` of the daemon's target: the primary knows them."""
        return "auto"

    def replica_name(self, server=None) -> str:
        """As the daemon calls it."""
        return "replica" if server in (None, self.replica) else server.name

    def pause_replay(self, server=None):
        """It receives the log and does not replay it."""
        (server or self.replica).psql("SELECT pg_wal_replay_pause()")

    def resume_replay(self, server=None):
        (server or self.replica).psql("SELECT pg_wal_replay_resume()")

    def keep_replayed(self):
        """A killed replica knows how far it had come: the system is not killed with it."""

    def restart_replica(self):
        """One that was stopped or killed."""
        self.replica.start()

    def add_replica(self, name, delay=0) -> Server:
        """One more, a base backup of the running primary; `delay`: seconds that it stays behind."""
        added = Server(self.directory, name)
        _run(f"{programs()}/pg_basebackup", "-D", str(added.data), "-d", self.primary.url(), "-X", "stream", "-c", "fast")
        _run("touch", f"{added.data}/standby.signal")
        added.configure(primary_conninfo=f"host={self.primary.sockets} port={self.primary.port} user=postgres "
                                         f"application_name={name}", primary_slot_name="", recovery_min_apply_delay=f"{delay}s")
        added.start()
        until(lambda: self.primary.psql("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL") == "2",
              20, "both replicas stream")
        return added

    def keep_commits(self):
        """A killed primary loses nothing that it committed: the system is not killed with it."""

    def make_database(self):
        from .postgres_database import make_database
        return make_database(self.primary)

    def url(self, database) -> str:
        """Of whichever of the two is the primary."""
        return (f"postgresql://postgres@127.0.0.1:{self.primary.port},127.0.0.1:{self.replica.port}/{database}"
                "?target_session_attrs=read-write")

    def cut_replica(self):
        """From here on the replica hears nothing more."""
        self.replica.psql("ALTER SYSTEM SET primary_conninfo = ''")
        self.replica.psql("SELECT pg_reload_conf()")
        until(lambda: self.primary.psql("SELECT count(*) FROM pg_stat_replication") == "0", 20, "the replica is cut off")

    def promote(self):
        self.replica.promote()

    def on_replica(self, database):
        """The same database, on the replica."""
        return type(database)(self.replica, database.name)

    def stop(self):
        """Ends both servers at once and removes a directory that was made here."""
        for server in (self.replica, self.primary):
            if server:
                server.stop("immediate")
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
