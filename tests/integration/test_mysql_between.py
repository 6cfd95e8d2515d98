"""A pooler or load balancer between the daemon and MariaDB or MySQL is found: at the login, or as soon as it hands what was
sent to another session. And a plain proxy, which keeps each connection together, is none."""
import pytest

from lab.daemon import document, pace
from lab.mysql_database import make_table
from lab.things import careless
from lab.wait import until
from lab.mysql_wire import Balancer, Pooler, Wire


def counted(**more):
    return document("counted", {"n": "n + 1"}, **more)


@pytest.fixture
def open_database(my_database):
    """With an account that has no password, whose login a pooler can repeat."""
    my_database.execute("CREATE USER IF NOT EXISTS open@'%'")
    my_database.execute("GRANT ALL ON *.* TO open@'%'")
    make_table(my_database, 200)
    yield my_database
    my_database.execute("DROP USER open@'%'")


def test_one_that_answers_with_another_session_is_found_at_the_login(open_database, my_cluster, make_daemon):
    with Pooler(my_cluster.primary) as pooler:
        answer = make_daemon(pooler.url(open_database.name)).post("/v1/jobs", counted())
    assert answer.status == 503 and "pooler" in answer.text and "name the server itself" in answer.text, answer.text
    assert not open_database.rows("SHOW DATABASES LIKE 'backfilld'"), "something was written through it"


@pytest.mark.parametrize("after", [10, 14, 17])
def test_one_that_changes_sessions_later(after, open_database, my_cluster, make_daemon):
    """The job pauses and says why; what it did is done once, and with the server's own address it goes on."""
    with Pooler(my_cluster.primary, after=1000) as pooler:
        daemon = make_daemon(pooler.url(open_database.name))
        assert daemon.post("/v1/pause-all", {}).status == 200
        job = daemon.submit(counted(pace=pace(20)))
        pooler.after = after  # not while the plan is made
        assert daemon.post("/v1/resume-all", {}).status == 200
        paused = daemon.wait_stored(job, "paused")
        assert paused["reason"]["code"] == "proxy_between_us", paused["reason"]
        assert pooler.handed.is_set()
    done = open_database.value("SELECT SUM(n) FROM counted")
    print(f"after {after} commands: {done} rows of 200 were done")
    assert done < 200 and open_database.value("SELECT MAX(n) FROM counted") <= 1
    own = open_database.server.url(open_database.name, "open")
    daemon.configure({"shop": {"primary": own, "require_approval": "none"}})
    daemon.restart()
    assert daemon.job(job)["state"] == "paused"
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert dict(open_database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: 200}


def test_one_that_changes_sessions_right_before_the_start(open_database, my_cluster, make_daemon):
    """While the table is measured once more: the job pauses and says why, and goes on when that is put right."""
    with Pooler(my_cluster.primary, after=1000) as pooler:
        daemon = make_daemon(pooler.url(open_database.name), require_approval="all")
        job = daemon.submit(counted())
        assert job["state"] == "awaiting_approval"
        pooler.after = 8
        daemon.approve(job, confirm="job")
        paused = daemon.wait(job, "paused")
        assert paused["reason"]["code"] == "proxy_between_us" and paused["started_at"] is None, paused["reason"]
        assert pooler.handed.is_set() and open_database.value("SELECT SUM(n) FROM counted") == 0
        pooler.after = 1000
        daemon.resume(job)
        daemon.wait(job, "completed")


@pytest.fixture
def before_balancer(own_my_cluster):
    """The database exists on the primary alone, or on both servers."""
    def made(on_both):
        if not on_both:
            own_my_cluster.replica.sql("STOP REPLICA")
        database = own_my_cluster.make_database()
        make_table(database, 20)
        if on_both:
            until(lambda: own_my_cluster.replica.sql(f"SHOW DATABASES LIKE '{database.name}'"), 60, "the replica has it, too")
        return database
    return made


@pytest.mark.parametrize("on_both, said", [(True, "came to two servers"), (False, "refused, as by another server")])
def test_a_balancer_over_two_servers_is_found(on_both, said, before_balancer, own_my_cluster, make_daemon):
    """One of them may have nothing of what is looked for: then it refuses what the other let in."""
    my_database = before_balancer(on_both)
    with Balancer(own_my_cluster.primary, own_my_cluster.replica) as balancer:
        daemon = make_daemon(balancer.url(my_database.name), **my_database.target)
        answers = []

        def found():
            # each try makes two connections; others that are made meanwhile may turn their order, or send both to one server
            answers.append(daemon.post("/v1/jobs?dry_run=true", counted()))
            return answers[-1].status == 503 and said in answers[-1].text
        until(found, 20, lambda _: [answer.text for answer in answers])
        assert "load balancer" in answers[-1].text and "name the server itself" in answers[-1].text
    assert not my_database.rows("SHOW DATABASES LIKE 'backfilld'"), "something was written through it"


def test_a_plain_proxy_is_none(my_database, my_cluster, make_daemon):
    make_table(my_database, 200)
    with Wire(my_cluster.primary) as wire:
        daemon = make_daemon(wire.url(my_database.name), **my_database.target)
        daemon.wait(daemon.submit(counted(pace=pace(20))), "completed")
    assert dict(my_database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: 200}


@pytest.mark.parametrize("after", [14, 26, 38, 50])
def test_one_that_changes_sessions_among_tries(after, open_database, my_cluster, make_daemon):
    """A text that goes back to a savepoint asks nothing else in front of it: there is none in another session."""
    bad = list(range(900, 1300, 10))
    with careless(open_database):
        open_database.execute("ALTER TABLE counted ADD CHECK (n < 1000)")
    open_database.execute(f"UPDATE counted SET n = 999 WHERE id IN ({', '.join(map(str, bad))})")
    with Pooler(my_cluster.primary, after=1000) as pooler:
        daemon = make_daemon(pooler.url(open_database.name))
        assert daemon.post("/v1/pause-all", {}).status == 200
        job = daemon.submit(counted(pace=pace(200), limits={"bad_rows": 50}))
        pooler.after = after
        assert daemon.post("/v1/resume-all", {}).status == 200
        paused = daemon.wait_stored(job, "paused")
        assert paused["reason"]["code"] == "proxy_between_us", paused["reason"]
        assert pooler.handed.is_set() and paused["progress"]["rows_scanned"] < 200
    assert open_database.value("SELECT MAX(n) FROM counted WHERE n < 999") <= 1
    own = open_database.server.url(open_database.name, "open")
    daemon.configure({"shop": {"primary": own, "require_approval": "none"}})
    daemon.restart()
    assert daemon.job(job)["state"] == "paused"
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert dict(open_database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: 160, 999: 40}
