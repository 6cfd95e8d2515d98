"""The dashboard in a real browser, against a real daemon and a real server."""
import re
from pathlib import Path

from lab.browser import KEYS
from lab.browser_fixtures import blank, page  # noqa: F401
from lab.daemon import Client, document, pace
from lab.wait import until

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "daemon/dashboard"
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\"'&{{7*7}}"


def table(database, name="orders", rows=20000):
    database.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute(f"INSERT INTO {name} SELECT generate_series(1, {rows})")


def done(page) -> int:
    return int(page.find(".progress-line .bar")[0].get_attribute("aria-valuenow") or 0)


def test_a_job_from_its_submission_to_its_end(page, make_daemon, database):
    table(database)
    daemon = make_daemon(database, require_approval="all")
    page.open(daemon)
    page.wait("main", "No jobs yet")
    page.wait("#contact", "live")
    trigger = {"name": "errors", "signal": "error_rate", "above": 0.9, "for": "30s"}
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(200, nice=100), triggers=[trigger]))
    page.wait(".jobs tbody", "awaiting approval")
    page.find(".jobs a.name")[0].click()
    page.wait("h1", "first")
    page.press("Approve first")
    page.wait("dialog", "first will change rows of orders on shop")
    page.type("first", KEYS.TAB, "looked at it", KEYS.ENTER)  # the plan is RED
    page.wait(".title .state", "running")
    began = done(page)
    until(lambda: done(page) > began, 20, "the bar moves")
    page.wait("section[aria-label=Triggers]", "errors error_rate above 0.9 for 30s: pause · is 0")
    page.press("Pause first")
    page.wait("dialog", "writes nothing until somebody resumes it")
    page.type("lunch", KEYS.ENTER)
    page.wait(".title .state", "paused")
    page.wait("p.reason", "lunch")
    assert daemon.job(job)["state"] == "paused"
    page.press("Resume first")
    page.wait("dialog", "goes on from where it stands")
    page.type(KEYS.ENTER)
    until(lambda: page.text(".title .state") in ("running", "completed"), 30, "it goes on")
    assert daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": {"nice": 0}}).status == 200
    page.wait(".title .state", "completed", 60)
    page.wait(".progress-line", "100.0 %")
    assert "20,000 rows changed" in page.text(".numbers")
    for part in ("lunch", "awaiting approval → queued", "verifying → completed", "operator"):
        page.wait(".events", part)
    page.wait("section[aria-label='Where the time went']", "sleeping")
    page.wait("section[aria-label=Plan] .estimate", " of work (")  # what it took beside the estimate
    assert "20,000" in page.text("section[aria-label=Plan] .estimate")
    assert "UPDATE" in page.text("section[aria-label=Plan]") and '"name": "first"' in page.text("section[aria-label=Document]")
    assert len(page.find(".charts canvas")) >= 3
    until(lambda: "newest" in page.find(".charts canvas")[0].get_attribute("aria-label"), 30, "the chart says its newest numbers")


def test_an_address_that_is_none(page, daemon):
    """A broken escape is a name that nothing has; the page goes on from there."""
    page.open(daemon, "#/jobs/%E0%A4%A")
    page.wait("main", "there is no job")
    page.driver.execute_script("location.hash = '#/targets'")
    page.wait("h1", "Targets")


def test_a_job_that_the_list_does_not_hold(page, daemon, database):
    """The page knows the newest jobs; an older one whose page is open goes on being shown, and can be given orders."""
    table(database)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))
    with page.before_scripts("""
            const parse = Response.prototype.text;
            Response.prototype.text = async function () {
              const text = await parse.call(this);
              return this.url.includes("/v1/jobs?") ? '{"jobs":[],"next":null}' : text;
            };"""):
        page.open(daemon, f"#/jobs/{job['id']}")
    page.wait(".title .state", "running")
    page.wait("#contact", "live")
    daemon.pause(job, "a look")
    page.wait("p.reason", "a look")
    daemon.restart()
    page.wait("#contact", "live")
    page.press("Resume first")
    page.wait("dialog", "goes on from where it stands")
    page.type(KEYS.ENTER)
    page.wait(".title .state", "running")


def test_away_and_back(page, daemon, database):
    table(database)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(100, nice=50)))
    page.open(daemon, "#/jobs/first")
    page.wait(".title .state", "running")
    page.wait("#contact", "live")
    daemon.kill9()
    page.wait("#alarm", "Disconnected.")
    until(lambda: re.search(r"What you see is as of \d{4}-[-0-9: ]+\. That is \d+ s old\.", page.text("#alarm")), 30,
          lambda _: page.text("#alarm"))
    assert page.text("#contact") == "disconnected"
    daemon.start()
    page.wait("#contact", "live")
    assert page.text("#alarm") == ""
    daemon.pause(job, "back again")
    page.wait("p.reason", "back again")


def test_texts_of_users_stay_texts(page, make_daemon, database):
    table(database, '"<i>t</i>"', 100)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(document('public."<i>t</i>"', {"n": "'7'::int"}, name="first", description=HOSTILE, owner=HOSTILE, labels={"l": HOSTILE[:60]}))
    daemon.abort(job, HOSTILE)
    page.open(daemon)
    page.wait(".jobs", "<i>t</i>")
    page.open(daemon, "#/jobs/first")
    page.wait(".description", HOSTILE)
    page.wait(".events", HOSTILE)
    page.wait(".details", HOSTILE)
    page.open(daemon, f"#/jobs/{HOSTILE}")
    page.wait("main", "there is no job")
    assert page.driver.execute_script("return [document.querySelectorAll('main img, main script, main i').length, window.hacked ?? 0]") == [0, 0]
    answer = daemon.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert daemon.get("/dashboard/app.js", headers={"If-None-Match": daemon.get("/dashboard/app.js").headers["etag"]}).status == 304


def test_a_red_plan_takes_the_typed_name(page, make_daemon, database):
    """"undo": "none" is RED. The plan says why, and has a card for people."""
    table(database, rows=100)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(document("orders", {"n": "1"}, name="first"))
    daemon.wait(job, "awaiting_approval")
    page.open(daemon, "#/jobs/first")
    page.wait("section[aria-label=Plan] .risk.red", "RED")
    page.wait("section[aria-label=Plan]", daemon.job(job)["plan"]["hash"])
    page.wait("section[aria-label=Plan] .risks", "there is no way back")
    assert page.find("section[aria-label=Plan] summary")[0].text == "The card"
    page.press("Approve first")
    page.wait("dialog", "This plan is RED")
    yes = page.find("dialog button[type=submit]")[0]
    assert not yes.is_enabled()
    page.type("firs")
    assert not yes.is_enabled()
    page.type("t", KEYS.ENTER)
    daemon.wait(job, "completed")
    assert daemon.job(job)["approved_by"] == "operator"


def test_on_a_phone_by_keyboard_and_all_at_once(page, daemon, database):
    table(database)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))
    until(lambda: daemon.job(job)["progress"]["eta_seconds"] is not None, 20, "there is an ETA")
    with database.connect() as other, other.transaction():
        other.execute("LOCK TABLE orders IN SHARE MODE")
        page.view(390, 844)
        page.open(daemon, f"#/jobs/{job['id']}")
        page.wait("p.reason", "lock")
        wanted = [page.find(css)[0] for css in (".title .state", "p.reason", ".progress-line .left", ".orders button[aria-label='Pause first']")]
        for element in wanted:
            until(lambda element=element: element.is_displayed(), 30, "it is there")
            box = element.rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844, (element.text, box)
        assert "left" in wanted[2].text
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    # by keyboard alone: from the top of the page to the button, and Escape leaves the question
    page.driver.execute_script("document.activeElement.blur()")
    for _ in range(30):
        page.type(KEYS.TAB)
        if page.driver.switch_to.active_element.get_attribute("aria-label") == "Pause first":
            break
    page.type(KEYS.ENTER)
    page.wait("dialog", "Pause first?")
    page.type(KEYS.ESCAPE)
    until(lambda: not page.find("dialog[open]"), 30, "the question is gone")
    assert daemon.job(job)["state"] == "running"
    page.press("Pause all")
    page.wait("dialog", "One job will stop writing")
    page.type("fire drill", KEYS.ENTER)
    page.wait("#latches", "fire drill")
    page.wait(".title .state", "paused")
    page.driver.execute_script("document.querySelector('#latches button').focus()")
    looked = "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/v1/targets')).length"
    before = page.driver.execute_script(looked)
    until(lambda: page.driver.execute_script(looked) > before, 20, "the latches are read again")
    until(lambda: " s: fire drill" in page.text("#latches") and "for 0 s" not in page.text("#latches"), 30, "and shown")
    assert page.driver.switch_to.active_element.text == "Resume all", "the focus stays where it was"
    page.press("Resume all")
    page.wait("dialog", "goes on; what was paused before stays paused")
    page.type(KEYS.ENTER)
    page.wait(".title .state", "running")


def keyed(database, rows=400):
    """A text as key, and one that is hostile; it sorts first."""
    database.execute("CREATE TABLE things (id text COLLATE \"C\" PRIMARY KEY, n int NOT NULL)")
    database.execute(f"INSERT INTO things SELECT 'k' || lpad(g::text, 4, '0'), g FROM generate_series(2, {rows}) g")
    database.execute("INSERT INTO things VALUES (%s, 1)", (HOSTILE,))
    database.analyze("things")


def test_a_rollback_says_first_what_it_would_do(page, daemon, database):
    """The question with the dry run's numbers, the way back with its reason, the conflicts by key, and the end of the journal."""
    keyed(database)
    job = daemon.submit(document("things", {"n": "n + 1000"}, name="first", undo="journal", pace=pace(100), limits={"lock_timeout": "200ms"}))
    daemon.wait(job, "completed")
    database.execute("UPDATE things SET n = -1 WHERE id < 'k0130'")
    database.execute("DELETE FROM things WHERE id = 'k0400'")
    page.open(daemon, "#/jobs/first")
    page.wait("section[aria-label='Way back']", "400 changes, ")
    page.wait("section[aria-label='Way back']", "(6 d 23 h)")
    with database.connect() as holder, holder.transaction():
        holder.execute("SELECT FROM things WHERE id = 'k0200' FOR UPDATE")
        page.press("Roll back first")
        page.wait("dialog", "first takes back what it changed in things on shop")
        page.wait("dialog .would", "270 rows")
        for part in ("130 (every row was looked at: 129 changed by others since, 1 deleted)", "(6 d 23 h)", "400 changes, "):
            assert part in page.text("dialog .would"), page.text("dialog")
        assert daemon.job(job)["state"] == "completed", "a question changes nothing"
        page.type("the wrong rows", KEYS.ENTER)
        page.wait(".title .state", "rolling back")
        page.wait(".progress-line .share", " back")
        page.wait("p.reason", "lock")
        page.wait(".numbers", "199 changes taken back · 1 conflict left alone · 200 of 400 looked at")
        assert page.find(".progress-line .bar.back")[0].get_attribute("aria-label") == "Progress of the way back"
        page.press("Pause first")
        page.wait("dialog", "first ends or takes back its batch")
        page.type(KEYS.ENTER)
        page.wait(".title .state", "paused (going back)")
        assert "Roll back first" not in page.text(".orders button")
        page.press("Resume first")
        page.wait("dialog", "goes on taking back from where it stands")
        page.type(KEYS.ENTER)
        page.wait(".title .state", "rolling back")
    page.wait(".title .state", "rolled back", 30)
    page.wait(".numbers", "270 changes taken back · 130 conflicts left alone")
    page.wait(".events", "the wrong rows")
    page.wait("section[aria-label=Conflicts]", HOSTILE)
    listed = "section[aria-label=Conflicts] tbody tr"
    assert len(page.find(listed)) == 100
    page.press("Show more")
    until(lambda: len(page.find(listed)) == 130, 30, "the rest is listed, too")
    assert "k0400 deleted since" in " ".join(page.text(f"{listed}:last-child").split())
    assert page.driver.execute_script("return [document.querySelectorAll('main img, main script').length, window.hacked ?? 0]") == [0, 0]
    page.view(390, 844)
    page.press("Drop the way back of first")
    page.wait("dialog", "cannot be rolled back any more")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    assert not page.find("dialog button[type=submit]")[0].is_enabled()
    page.type("first", KEYS.ENTER)
    page.wait("section[aria-label='Way back']", "was dropped")
    assert daemon.job(job)["undo"]["dropped"] and page.text("section[aria-label='Way back'] button") == ""


def test_no_way_back_is_said(page, daemon, database):
    table(database, rows=100)
    job = daemon.submit(document("orders", {"n": "1"}, name="first", undo="none"))
    daemon.wait(job, "completed")
    page.open(daemon, "#/jobs/first")
    page.wait("section[aria-label='Way back']", "There is no way back")
    page.wait("section[aria-label=Plan] .estimate", "Estimate, and what it took")
    assert page.text(".orders button") == ""


def test_bad_rows_are_listed_and_tried_again(page, daemon, database):
    keyed(database)
    database.execute("ALTER TABLE things ADD CONSTRAINT small CHECK (n NOT IN (1001, 1003))")
    job = daemon.submit(document("things", {"n": "n + 1000"}, name="first", pace=pace(100), limits={"bad_rows": 5}))
    daemon.wait(job, "completed")
    page.open(daemon, "#/jobs/first")
    page.wait(".numbers", "2 bad")
    page.wait("section[aria-label='Bad rows']", HOSTILE)
    assert len(page.find("section[aria-label='Bad rows'] tbody tr")) == 2
    assert 'violates check constraint "small" (23514)' in " ".join(page.text("section[aria-label='Bad rows']").split())
    assert page.driver.execute_script("return [document.querySelectorAll('main img, main script').length, window.hacked ?? 0]") == [0, 0]
    database.execute("ALTER TABLE things DROP CONSTRAINT small")
    page.press("Try the bad rows of first again")
    page.wait("dialog", "2 rows in quarantine are tried once more by first: it is queued for that.")
    page.type("the constraint is gone", KEYS.ENTER)
    until(lambda: page.text("section[aria-label='Bad rows']") == "", 20, "they have left the quarantine")
    page.wait(".numbers", "400 rows changed")
    page.wait(".events", "the constraint is gone")
    assert daemon.wait(job, "completed")["progress"]["rows_bad"] == 0


def test_signing_in(page, make_daemon, database, build):
    """A token for a cookie; what the role may not do is not offered; and out again."""
    table(database, rows=5000)
    both = Client(build, "unix:/nowhere").json("token", "new", "--name", "otto", "--role", "operator")
    daemon = make_daemon(database, start=False, settings={"tokens": "FILE"}, require_approval="all")
    tokens = daemon.directory / "tokens"
    tokens.write_text(both["line"])
    tokens.chmod(0o600)
    daemon.configuration.write_text(daemon.configuration.read_text().replace("FILE", str(tokens)))
    daemon.start()
    page.open(daemon, "#/jobs/first")
    page.wait("h1", "Sign in")
    assert page.driver.execute_script("return document.activeElement.labels[0].innerText") == "Access token"
    page.type(both["token"][:-1], KEYS.ENTER)
    page.wait(".trouble", "no token that the daemon knows")
    job = daemon.post("/v1/jobs", document("orders", {"n": "n + 1"}, name="first"), headers={"Authorization": f"Bearer {both['token']}"})
    assert job.status == 201
    page.type(both["token"], KEYS.ENTER)
    page.wait(".title .state", "awaiting approval")
    page.wait("#contact", "live")
    page.wait("#who", "otto")
    page.button("Abort first")
    page.button("Pause all")
    assert not any(part in page.text(".orders") for part in ("Approve", "Roll back"))
    cookie = page.driver.get_cookies()[0]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["name"] == f"backfilld-{daemon.listen.rsplit(':')[1]}"
    assert page.driver.execute_script("return document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    page.view(390, 844)
    shown = "return [document.documentElement.scrollWidth, document.getElementById('pause-all').getBoundingClientRect().right]"
    until(lambda: max(page.driver.execute_script(shown)) <= 390, 30, "on a phone there is room for signing out beside it")
    page.view(1440)
    page.press("Abort first")
    page.wait("dialog", "ends for good")
    page.type("not today", KEYS.ENTER)
    page.wait(".title .state", "aborted")
    page.wait(".events", "otto")
    page.press("Sign out")
    page.wait("h1", "Sign in")
    assert page.driver.get_cookies() == []


def luminance(colour):
    parts = [int(colour[at:at + len(colour) // 3], 16) / (255 if len(colour) == 6 else 15) for at in range(0, len(colour), len(colour) // 3)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_colours_have_contrast():
    """WCAG 2.1, level AA: 4.5 to 1, in both schemes."""
    blocks = re.findall(r":root \{(.*?)\}", (FILES / "style.css").read_text(), re.S)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--([\w-]+): #([0-9a-f]+)", block))
        pairs = [(name, f"{name}-ground") for name in ("works", "good", "bad", "waits", "asks", "rests")]
        pairs += [(name, ground) for name in ("text", "quiet", "link") for ground in ("ground", "raised")]
        pairs += [("on-strong", "bad"), ("on-strong", "works"), ("bad", "ground"), ("text", "track")]
        for one, other in pairs:
            light, dark = sorted((luminance(colours[one]), luminance(colours[other])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (one, other)


def test_no_script_makes_markup_of_texts():
    for path in FILES.glob("*.js"):
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://|setAttribute\(.style", path.read_text())
        assert not found, f"{path.name}: {found}"
    assert not re.findall(r"\son\w+=|style=|<script>|https?://", (FILES / "index.html").read_text())
