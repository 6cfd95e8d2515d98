"""The grants of config/grants, given to a role of a test's own, or with pytest's option --least-rights to the one that every
daemon comes as; the names in them are examples, and others are put in."""
import os
import re
import subprocess
from pathlib import Path

GRANTS = Path(__file__).resolve().parents[2] / "config/grants"


def sections(engine) -> dict:
    """Name to (required, statements), in the file's order."""
    found = {}
    for kind, name, body in re.findall(r"^-- (required|optional) (\w+): [^\n]*\n((?:[^\n]+\n)+)", (GRANTS / f"{engine}.sql").read_text(), re.M):
        found[name] = (kind == "required", [statement.strip() for statement in body.split(";") if statement.strip()])
    return found


def least() -> bool:
    """Daemons come with these rights and no others (--least-rights)."""
    return bool(os.environ.get("BACKFILLD_LEAST_RIGHTS"))


def narrow_url(url) -> str:
    """Of a PostgreSQL server: the daemon does not come as its superuser. Elsewhere its account has the same name."""
    return url.replace("postgresql://postgres@", "postgresql://narrow@") if least() else url


def narrow_role(server):
    """On a new PostgreSQL server, for every database and table that a test makes later: what `table` and `sight` give, and what
    the SQL of documents asks; the control schema is the daemon's own, see narrow_database."""
    server.psql("CREATE ROLE narrow LOGIN; GRANT pg_monitor TO narrow")
    server.psql("ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON TABLES TO narrow; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS "
                "TO narrow; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO narrow", database="template1")


def narrow_database(connection, name):
    connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO narrow')


def narrow_account(flavour) -> list:
    """Statements for the account backfill of a MariaDB or MySQL server: every section, on the databases of tests."""
    made = []
    for name, (_, statements) in sections(flavour).items():
        for statement in statements if name != "login" else []:
            databases = ("`test\\_%`", "shop") if "shop." in statement else ("",)
            made += [re.sub(r"\bshop\.(?:orders|\*)", f"{database}.*", statement) for database in databases]
    return made


def make_schema(database, build):
    """As a DBA does: running it again does no harm."""
    printed = subprocess.run([build / "daemon/backfilld", f"--print-schema={database.engine}"], capture_output=True, text=True,
                             check=True).stdout
    for statement in [printed] if database.engine == "postgresql" else printed.strip().split(";\n"):
        database.execute(statement.rstrip(";"))


class Role:
    """With the required rights on one table; `optional`: sections."""

    def __init__(self, database, build, table, *optional):
        self.database, self.name, self._table = database, f"least_{database.name}", table
        self._sections = sections(database.engine)
        make_schema(database, build)
        for name, (required, _) in self._sections.items():
            if required or name in optional:
                self.grant(name)

    def _of_test(self, statement) -> str:
        statement = re.sub(r"\bshop\b", self.database.name, statement)
        statement = re.sub(r"\borders\b", self._table, statement)
        return re.sub(r"\bbackfill\b", self.name, statement).replace("'secret'", "'bf-secret'")

    def grant(self, section, execute=None):
        """`execute`: on another server."""
        for statement in self._sections[section][1]:
            (execute or self.database.execute)(self._of_test(statement))

    @property
    def url(self) -> str:
        return re.sub(r"//\w+@", f"//{self.name}@", self.database.url)

    def drop(self):
        if self.database.engine == "postgresql":
            self.database.execute(f"DROP OWNED BY {self.name} CASCADE")
            self.database.execute(f"DROP ROLE {self.name}")
        else:
            self.database.execute(f"DROP USER {self.name}@'%'")
