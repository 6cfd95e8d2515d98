"""Passwords of MariaDB and MySQL stay where they are: planted ones are looked for in everything that the daemon and the
client ever said, and in what the server knows of us."""
from lab.daemon import document, pace
from lab.mysql_database import make_table
from lab.mysql_wire import Wire
from lab.secrets import Ear, secret_file

FIRST, CHANGED, WRONG, IN_URL = "pl4nted-first", "pl4nted-changed", "pl4nted-wrong", "pl4nted-url"


def counted(name, **more):
    return document("counted", {"n": "n + 1"}, name=name, pace=pace(20), **more)


def look_at_everything(ear, build, daemon, database, jobs):
    ear.look_at(build, daemon, jobs)
    for table in ("job", "checkpoint", "control", "meta"):
        ear.hear(f"backfilld.{table}", repr(database.rows(f"SELECT * FROM backfilld.{table}")))
    ear.hear("the process list", repr(database.rows("SHOW FULL PROCESSLIST")))


def test_planted_passwords_are_nowhere(build, make_daemon, my_database, tmp_path):
    ear, database = Ear("pl4nted"), my_database
    keeper = f"keeper_{database.name}"
    make_table(database, 400)
    password = secret_file(tmp_path / "pw", FIRST)
    database.execute(f"CREATE USER {keeper}@'%' IDENTIFIED BY '{FIRST}'")
    database.execute(f"GRANT ALL ON *.* TO {keeper}@'%'")
    url = database.server.url(database.name, keeper)
    with Wire(database.server) as wire:
        daemon = make_daemon(wire.url(database.name, keeper), start=False, password_file=password)
        ear.listen_to(daemon)
        daemon.start()
        jobs = [daemon.submit(counted("first"))]
        daemon.wait(jobs[0], "completed")
        for said in wire.said:
            ear.hear("the wire", bytes(said))
    assert len(ear.heard["the wire"]) > 10_000 and keeper.encode() in ear.heard["the wire"]
    targets = {"shop": {"primary": url, "password_file": password, "require_approval": "none"}}
    daemon.configure(targets)
    daemon.hang_up()
    # while a job runs, its statements stand in the server's lists
    database.execute("CREATE TRIGGER slow BEFORE UPDATE ON counted FOR EACH ROW BEGIN "
                     f"IF USER() LIKE '{keeper}@%' AND new.id % 100 = 0 THEN DO SLEEP(0.05); END IF; END")
    jobs.append(daemon.submit(counted("slow", again=True)))
    daemon.wait_progress(jobs[1], 2)
    look_at_everything(ear, build, daemon, database, jobs)
    database.execute("DROP TRIGGER slow")
    daemon.wait(jobs[1], "completed")
    # a wrong one, then a right one again
    secret_file(password, WRONG)
    refused = daemon.post("/v1/jobs", counted("refused", again=True))
    assert refused.status == 503 and "denied" in refused.json["detail"], refused.text
    database.execute(f"ALTER USER {keeper}@'%' IDENTIFIED BY '{CHANGED}'")
    secret_file(password, CHANGED)
    jobs.append(daemon.submit(counted("changed", again=True)))
    daemon.wait(jobs[2], "completed")
    # an empty file, one that is gone, one that is a directory
    password.write_text("")
    ear.hear("submit", daemon.post("/v1/jobs", counted("empty", again=True)).text)
    password.rename(tmp_path / "gone")
    ear.hear("submit", daemon.post("/v1/jobs", counted("gone", again=True)).text)
    secret_file(password, CHANGED)
    # where it does not belong
    for at_fault in (url.replace(keeper, f"{keeper}:{IN_URL}"), f"{url}?password={IN_URL}", f"{url}?ssl-mode={IN_URL}",
                     f"mariadb://{IN_URL}%zz@db/x", f"mysql://{keeper}:{IN_URL}@127.0.0.1"):
        daemon.configure({"shop": {"primary": at_fault}})
        daemon.hang_up()
        ear.check_config(daemon, 1)
    daemon.configure(targets)
    daemon.hang_up()
    look_at_everything(ear, build, daemon, database, jobs)
    daemon.restart()
    look_at_everything(ear, build, daemon, database, jobs)
    daemon.stop()
    ear.look_at_files(daemon)
    ear.hear("the server's log", database.server.log.read_bytes())
    assert sum(len(said) for said in ear.heard.values()) > 100_000
    ear.check()
    assert database.value("SELECT MIN(n) FROM counted") == 3
