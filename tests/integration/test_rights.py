"""The least rights of config/grants and docs/rights.md: what a job does with them, and what is lost without each optional one."""
import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.rights import Role
from lab.things import journal_there
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 300
PLAN = "/v1/jobs?dry_run=true"
# what a plan does not know, and which signals nobody sees, without the section `sight`
UNSEEN = {
    "postgresql": ("pg_monitor", {"oldest_transaction"}, {"active_sessions", "blocked_sessions", "oldest_snapshot"}),
    "mariadb": ("PROCESS", {"oldest_transaction", "foreign_keys", "other_tools"}, {"active_sessions", "oldest_snapshot", "history_list"}),
    "mysql": ("PROCESS", {"oldest_transaction", "foreign_keys", "other_tools"}, {"active_sessions", "oldest_snapshot", "history_list"}),
}


@pytest.fixture
def role(database, build):
    """role(*sections): an account with the required rights and these."""
    made = []
    make_table(database, ROWS)

    def make(*optional) -> Role:
        made.append(Role(database, build, "counted", *optional))
        return made[-1]
    yield make
    database.wait_quiet()
    for one in made:
        one.drop()


def job_of(database, **more):
    made = document(database.table("counted"), {"n": "n + 1"}, pace=pace(20), **more)
    if more.get("undo") == "journal":
        del made["undo"]
    return made


def measured(daemon, database, **more) -> dict:
    answer = daemon.post(PLAN, job_of(database, **more))
    assert answer.status == 200, answer.text
    return answer.json["measured"]


def test_a_job_from_its_plan_to_the_way_back(role, database, make_daemon):
    """Past a row that somebody holds, past the daemon's death, back, and the journal dropped."""
    daemon = make_daemon(role("journal", "proof").url, **database.target)
    assert measured(daemon, database, undo="journal")["rollback_proven"]["value"] == 1
    with database.person("somebody", autocommit=False) as person:
        person.execute("SELECT n FROM counted WHERE id = 1500 FOR UPDATE")
        job = daemon.submit(job_of(database, undo="journal"))
        until(lambda: daemon.job(job)["progress"]["rows_changed"] == ROWS - 1, 30, lambda _: f"all but one: {daemon.job(job)}")
        daemon.restart()
        daemon.wait(job, "running")
        person.rollback()
    daemon.wait(job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, ROWS)]
    daemon.order(job, "rollback")
    daemon.wait(job, "rolled_back")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(0, ROWS)]
    assert journal_there(database, job)
    answer = daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "job"})
    assert answer.status == 202, answer.text
    until(lambda: not journal_there(database, job), 20, lambda _: daemon.log_tail())


def test_with_the_required_rights_alone(role, database, make_daemon):
    """A job without a way back; one that wants it is refused, and says which right is missing."""
    daemon = make_daemon(role().url, **database.target)
    refused = daemon.post("/v1/jobs", job_of(database, undo="journal"))
    assert refused.status == 422 and refused.json["errors"][0]["pointer"] == "/undo", refused.text
    assert "GRANT CREATE" in refused.json["errors"][0]["detail"]
    daemon.wait(daemon.submit(job_of(database)), "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, ROWS)]


def test_without_a_temporary_table_the_way_back_is_not_proven(role, database, make_daemon):
    account = role("journal")
    if database.engine == "postgresql":
        database.execute(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    daemon = make_daemon(account.url, **database.target)
    proven = measured(daemon, database, undo="journal")["rollback_proven"]
    assert proven["value"] is None and proven["detail"], proven
    account.grant("proof")
    assert measured(daemon, database, undo="journal")["rollback_proven"]["value"] == 1


def test_without_sight_others_are_not_measured(role, database, make_daemon):
    account, (right, facts, signals) = role(), UNSEEN[database.engine]
    daemon = make_daemon(account.url, **database.target)
    before = measured(daemon, database)
    unknown = {name for name, fact in before.items() if fact["value"] is None and right in (fact["detail"] or "")}
    assert unknown == facts, before

    def seen(known) -> bool:
        shown = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
        return all(name in shown and (shown[name]["value"] is not None) == known and
                   (known or right in (shown[name]["text"] or "")) for name in signals)
    with database.person("somebody", autocommit=False) as person:
        person.execute("SELECT n FROM counted WHERE id = 1500 FOR UPDATE")  # the job waits for it at its end, and is watched
        job = daemon.submit(job_of(database))
        until(lambda: seen(False), 20, lambda _: f"unmeasured: {daemon.get('/v1/targets/shop').text}")
        account.grant("sight")
        daemon.restart()  # a right of the whole server counts for sessions that begin
        until(lambda: seen(True), 20, lambda _: f"measured: {daemon.get('/v1/targets/shop').text}")
        after = measured(daemon, database, again=True)
        assert all(after[name]["value"] is not None for name in facts), after
        person.rollback()
    daemon.wait(job, "completed")


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL tells every role which triggers there are")
def test_without_the_right_to_see_triggers_a_plan_does_not_know_of_them(role, database, make_daemon):
    account = role()
    daemon = make_daemon(account.url, **database.target)
    triggers = measured(daemon, database)["triggers"]
    assert triggers["value"] is None and "GRANT TRIGGER" in triggers["detail"], triggers
    account.grant("triggers")
    assert measured(daemon, database)["triggers"]["value"] == 0


@pytest.mark.engines("mariadb", "mysql", because="the primary of PostgreSQL knows its replicas itself, which is the section sight")
def test_replicas_of_a_narrow_account(role, clusters, database, make_daemon):
    """auto takes the right to list them; why one stands still, the right to ask it."""
    account = role("sight")
    daemon = make_daemon(account.url, **{**database.target, "replicas": "auto"})
    refused = daemon.submit(job_of(database))
    assert refused["state"] == "refused" and "unmeasured: replicas" in refused["reason"]["text"], refused["reason"]
    job = daemon.submit(job_of(database, name="accepted", accept=["replicas"]))
    held = daemon.wait_holding(job, "signal_stale", 20, says="denied") # at first it is only not measured yet
    assert held["progress"]["batches"] == 0, held
    account.grant("discovery")
    daemon.restart()
    daemon.wait(job, "completed")
    assert [one["name"] for one in daemon.get("/v1/targets/shop").json["replicas"]] == [clusters(database.engine).replica_name()]
