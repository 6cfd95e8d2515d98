"""The commands of a document, run as they stand there: fenced blocks of `sh` and `sql`, in their order. `sql mysql` is for
MariaDB and MySQL in place of a block of `sql` beside it; what is READ is not run."""
import os
import re
import signal
import subprocess
from pathlib import Path

from .ports import free_port
from .wait import until

READ = {"text", "ini", "json", "yaml", ""}
TYPED = ("sh", "sql", "sql mysql")
PACKAGE = ("sh build", "sh install", "sh restart", "sh https")  # run by tests/package


def blocks(document: Path, heading=None, kinds=TYPED) -> list:
    """(kind, text) of each block of these kinds, of one chapter or of all."""
    text = document.read_text()
    if heading:
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        assert found, f"{document.name} has no chapter {heading!r}"
        text = found.group(1)
    made = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    unknown = {kind for kind, _ in made} - {*TYPED, *PACKAGE, *READ}
    assert not unknown, f"{document.name}: nobody knows how to run {unknown}"
    return [(kind, block) for kind, block in made if kind in kinds]


class Reader:
    """Somebody who types what stands there. `places`: what is said of one machine there, and is so here."""

    def __init__(self, directory: Path, database, build, places: dict, environment=None):
        self.directory, self.database, self.places = directory, database, places
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {}),
                            "PATH": f"{build}/daemon:{build}/client:{os.environ['PATH']}"}
        self.said = ""  # in the chapter
        self._groups = []

    def run(self, kind, block):
        for there, here in self.places.items():
            block = block.replace(there, here)
        if kind != "sh":
            self.sql(block)
            return
        # its words go to a file: what a block leaves running, a daemon, goes on to write there
        log = self.directory / f"said-{len(self._groups)}"
        with open(log, "w") as words:
            process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", block], cwd=self.directory, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, start_new_session=True)
        self._groups.append(process.pid)
        status = process.wait(timeout=150)
        self.said += log.read_text()
        assert status == 0, f"{block}\nended with {status}:\n{log.read_text()}"

    def sql(self, block):
        if self.database.engine == "postgresql":
            with self.database.connect() as connection:
                connection.execute(block)
            return
        connection = self.database.connect()
        for statement in re.split(r";\n", block):
            if statement.strip():
                connection.cursor().execute(statement)
        connection.close()

    def run_all(self, found):
        self.said = ""
        mine = "sql" if self.database.engine == "postgresql" else "sql mysql"
        other = {"sql", "sql mysql"} - {mine}
        for kind, block in found:
            if kind not in other:
                self.run(kind, block)

    def leave(self):
        """Ends what was left running."""
        def alive(group) -> bool:
            """Who has ended and was not waited for yet does not count."""
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
                except OSError:
                    continue
                if int(of_group) == group and state not in "ZX":
                    return True
            return False
        for group in self._groups:
            if alive(group):
                os.killpg(group, signal.SIGTERM)
                until(lambda: not alive(group), 20, "what a command left running has ended")


def address() -> dict:
    """The daemon's address in the documents, and one that is free."""
    return {"127.0.0.1:8420": f"127.0.0.1:{free_port()}"}
