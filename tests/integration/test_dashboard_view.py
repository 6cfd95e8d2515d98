"""What the dashboard's pages look and read like: a hold in the list, on the job's page and on that of its target; names and
contrast of what is on a page, in both schemes; many jobs; nothing is read aloud over and over."""
import json

import pytest

from lab.browser import KEYS
from lab.browser_fixtures import blank, page  # noqa: F401
from lab.daemon import document, pace
from lab.wait import until

HOSTILE = "<b>\"it's\"</b>"
WIDTHS = (1440, 1024, 390)

# Every visible text that has less contrast to what lies behind it than WCAG 2.1 AA asks for; what is disabled is exempt.
PALE = """
const part = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
const read = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
function ground(element) {
  if (!element) return [255, 255, 255];
  const colour = read(getComputedStyle(element).backgroundColor);
  return colour[3] === 1 ? colour.slice(0, 3) : over(colour, ground(element.parentElement));
}
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), pale = [];
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
  if (!text || !element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
  if (element.closest(':disabled, script, style, noscript, .visually-hidden')) continue;
  const style = getComputedStyle(element), size = parseFloat(style.fontSize);
  let opacity = 1;
  for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
  const below = ground(element), [r, g, b, a] = read(style.color);
  const [one, other] = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => y - x);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < (large ? 3 : 4.5)) pale.push(`${ratio.toFixed(2)}: ${text.slice(0, 60)}, ${style.color} on ${below} in ${element.className}`);
}
return pale;"""

NAMED = {"button", "link", "textbox", "searchbox", "progressbar", "table", "dialog", "image", "img", "heading", "alertdialog"}


def nameless(page) -> list:
    """What a screen reader would have no word for, as the browser itself sees it."""
    page.driver.execute_cdp_cmd("Accessibility.enable", {})
    try:
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    finally:
        page.driver.execute_cdp_cmd("Accessibility.disable", {})
    seen = [node for node in nodes if not node.get("ignored") and node["role"]["value"] in NAMED]
    assert len(seen) > 3
    return [node["role"]["value"] for node in seen if not node.get("name", {}).get("value", "").strip()]


def look(page, *fragments):
    """The page as it is, in both schemes and at three widths."""
    for dark in (False, True):
        for width in WIDTHS:
            page.view(width, 844, dark)
            until(lambda width=width: page.driver.execute_script("return document.documentElement.scrollWidth") <= width, 30,
                  f"nothing is wider than {width}")  # charts follow a moment later
            pale = page.driver.execute_script(PALE)
            assert not pale, f"{'dark' if dark else 'light'}, {width}: {pale}"
    page.view(320, 640)  # WCAG 1.4.10: a page of 1280 at four times its size
    until(lambda: page.driver.execute_script("return document.documentElement.scrollWidth") <= 320, 30, "nothing is wider than 320")
    page.view(1440)
    assert not nameless(page)
    assert page.driver.execute_script("const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
                                      "return ids.filter((id, at) => ids.indexOf(id) !== at)") == []


def table(database, name="orders", rows=20000):
    database.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute(f"INSERT INTO {name} SELECT generate_series(1, {rows})")


@pytest.fixture
def held(make_daemon, database):
    """A daemon, and a job that has moved and holds now, since a signal is over its limit; it is far from its end."""
    table(database, rows=400000)
    database.execute("CREATE TABLE queue (n int)")
    database.execute("INSERT INTO queue VALUES (1)")
    daemon = make_daemon(database, replicas="auto")
    signals = [{"name": "queue", "sql": "SELECT n FROM queue", "limit": 10}]
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=20), signals=signals,
                                 description=HOSTILE, owner="team-orders"))
    until(lambda: daemon.job(job)["progress"]["eta_seconds"] is not None, 20, "there is an ETA")
    database.execute("UPDATE queue SET n = 20")
    daemon.wait_holding(job, "signal")
    return daemon, job


CHART = """
const canvas = [...document.querySelectorAll('.charts canvas')].find(c => c.getAttribute('aria-label').startsWith(arguments[0]));
const chart = canvas && window.Chart.getChart(canvas);
return chart && {label: canvas.getAttribute('aria-label'), spans: chart.options.plugins.holds.spans.length,
                 last: Object.fromEntries(chart.data.datasets.map(set => [set.label, set.data.at(-1)?.y ?? null]))};"""


def test_a_hold_is_seen_in_the_list_on_the_job_and_on_the_target(page, held, database):
    daemon, job = held
    page.open(daemon)
    page.wait(".jobs tbody .state", "running: holding")
    row = " ".join(page.text(".jobs tbody tr").split())
    assert "signal queue is 20 (limit 10) · " in row and "orders · shop" in row and " rows/s" in row and " %" in row, row
    look(page)
    page.find(".jobs a.name")[0].click()
    page.wait("p.reason", "signal queue is 20 (limit 10)\u00a0· for ")
    page.wait(".charts", "Signal queue value 20, limit 10")
    chart = until(lambda: (lambda seen: seen and seen["spans"] and seen)(page.driver.execute_script(CHART, "Signal queue")), 20,
                  "the hold is shaded")
    assert chart["last"] == {"value": 20, "limit": 10} and chart["label"] == "Signal queue: newest value 20, limit 10"
    for title in ("Rows a second", "Rows of a batch", "Time of a batch"):
        assert page.driver.execute_script(CHART, title)["spans"], f"{title}: the hold is shaded in every chart"
    page.wait("section[aria-label='Where the time went']", "holding, signal queue: ")
    page.wait(".description", HOSTILE)
    look(page)
    page.press("Abort first")
    page.wait("dialog", "first ends for good")
    look(page)
    page.type(KEYS.ESCAPE)
    page.driver.execute_script("location.hash = '#/targets'")
    page.wait("section[aria-label='Target shop']", "signal:queue\t20\t10")
    page.wait("section[aria-label='Target shop'] tr.over", "signal:queue")
    for waiting in (5, 7):  # the bar moves, and the policy allows how
        database.execute("UPDATE queue SET n = %s", (waiting,))
        page.wait("section[aria-label='Target shop']", f"signal:queue\t{waiting}\t10")
    replica = daemon.get("/v1/targets/shop").json["replicas"][0]["name"]
    assert daemon.post(f"/v1/targets/shop/replicas/{replica}/ignore", {"for": "1h", "reason": f"rebuilt {HOSTILE}"}).status == 200
    page.wait("section[aria-label='Target shop']", f"rebuilt {HOSTILE} · until 20")
    page.wait("section[aria-label='Target shop'] tr.over", "ignored")
    look(page)
    page.view(390, 844)
    cells = """
        const row = [...document.querySelectorAll('.signals tbody tr')].find(e => e.textContent.includes('active_sessions'));
        return row ? [row.cells[0].getBoundingClientRect(), row.cells[1].getBoundingClientRect(), row.cells[4].innerText] : null;"""
    row = until(lambda: page.driver.execute_script(cells), 20, lambda _: page.text("main"))
    assert row[0]["height"] < 30 and row[1]["top"] >= row[0]["bottom"] and row[2].endswith(" s"), "a name has a line of its own on a phone"


def test_nothing_is_read_aloud_over_and_over(page, held, database):
    """Ages count on beside what is read aloud; what is drawn anew and the same keeps its elements, and who has the focus."""
    daemon, job = held
    watch = """
        window.loud = [];
        new MutationObserver(seen => seen.forEach(one => {
            const region = (one.target.closest ? one.target : one.target.parentElement)?.closest('[role=status], [role=alert], [aria-live]');
            if (region) window.loud.push(region.textContent);
        })).observe(document.body, {subtree: true, childList: true, characterData: true});
        window.kept = document.querySelector(arguments[0]);"""
    page.open(daemon, f"#/jobs/{job['id']}")
    page.wait("p.reason", "signal queue")
    page.wait(".charts", "Signal queue value 20")
    page.wait("section[aria-label=Charts] p.quiet", "Shaded")
    page.driver.execute_script(watch, ".details dd")
    before = page.text("p.reason")
    until(lambda: page.text("p.reason") != before, 30, "the age counts on")
    before = page.text("p.reason")
    until(lambda: page.text("p.reason") != before, 30, "and on")
    database.execute("UPDATE queue SET n = 21")
    page.wait("p.reason", "signal queue is 21")  # a value that moves is no other reason
    assert page.driver.execute_script("return window.loud") == []
    assert page.driver.execute_script("return window.kept === document.querySelector('.details dd')")
    page.driver.execute_script("location.hash = '#/targets'")
    page.wait("section[aria-label='Target shop']", "signal:queue")
    page.driver.execute_script(watch, "section.target th")
    age = "section[aria-label='Target shop'] tr td:last-child"
    before = page.text(age)
    until(lambda: page.text(age) != before, 30, "the ages are others")
    assert page.driver.execute_script("return window.kept === document.querySelector('section.target th')")
    daemon.kill9()
    page.wait("#alarm", "Disconnected.")
    page.driver.execute_script(watch, "#alarm")
    before = page.text("#alarm")
    until(lambda: page.text("#alarm") != before, 30, "the age of what is shown counts on")
    assert page.driver.execute_script("return window.loud") == []
    look(page)
    daemon.start()
    page.wait("#contact", "live")


def test_who_gives_orders_by_keyboard_goes_on_from_the_page(page, held):
    daemon, job = held
    page.open(daemon, f"#/jobs/{job['id']}")
    page.button("Pause first")
    page.type(KEYS.TAB)
    assert page.driver.switch_to.active_element.text == "Skip to the content"
    page.type(KEYS.ENTER)
    assert page.driver.execute_script("return document.activeElement.id") == "main" and page.text("h1") == "first"
    page.type(KEYS.TAB, KEYS.TAB)
    assert page.driver.switch_to.active_element.get_attribute("aria-label") == "Pause first", "behind the link to all jobs"
    page.driver.execute_script("document.querySelector(\"button[aria-label='Pause first']\").focus()")
    page.type(KEYS.ENTER)
    page.wait("dialog", "Pause first?")
    page.type(KEYS.ENTER)
    page.wait(".title .state", "paused")
    until(lambda: page.driver.execute_script("return document.activeElement.id") == "main", 30, "the button is gone, the page has the focus")


def made(number, **more):
    """A job as the daemon tells it."""
    progress = {"rows_scanned": number, "rows_changed": number, "rows_bad": 0, "rows_set_aside": 0, "rows_estimated": None, "fraction": 1,
                "rate": None, "eta_seconds": None, "batches": 1, "batch_rows": 1, "pass": 1, "positions": [], "seconds": {}, "resumed": 0}
    return {"id": f"{number:026}", "name": f"job-{number}", "target": "shop", "table": "public.orders", "state": "completed", "activity": None,
            "direction": "forward", "reason": None, "ended_at": "2026-01-01T00:00:00.000Z", "progress": progress, **more}


def test_three_hundred_jobs(page, daemon):
    """What wants a person stands first; of what has ended the newest, and the rest at one click; the filter finds every one."""
    reason = {"code": "data_error", "signal": None, "value": None, "limit": None, "since": "2026-01-01T00:00:00.000Z", "until": None,
              "text": "a row cannot be changed"}
    jobs = [made(number) for number in range(300)]
    jobs[7] = made(7, state="failed", reason=reason)
    jobs[8] = made(8, state="awaiting_approval", ended_at=None)
    jobs[9] = made(9, state="running", activity="batching", ended_at=None)
    jobs[10] = made(10, name="n" * 63, state="rolling_back", direction="back", activity="batching", ended_at=None)
    with page.before_scripts(f"""
            const text = Response.prototype.text;
            Response.prototype.text = async function () {{
              const own = await text.call(this);
              return this.url.includes("/v1/jobs?") ? {json.dumps(json.dumps({"jobs": jobs[::-1], "next": None}))} : own;
            }};"""):
        page.open(daemon)
    page.wait(".summary", "296 completed")
    names = "return [...document.querySelectorAll('.jobs a.name')].map(e => e.textContent)"
    shown = page.driver.execute_script(names)
    assert shown[:4] == ["job-7", "job-8", "n" * 63, "job-9"] and shown[4] == "job-299" and len(shown) == 29
    assert "a row cannot be changed" in page.text(".jobs tbody tr:first-child")
    look(page)
    page.press("Show 271 more that have ended")
    until(lambda: len(page.driver.execute_script(names)) == 300, 30, "all are shown")
    page.find("#filter")[0].send_keys("job-123")
    until(lambda: page.driver.execute_script(names) == ["job-123"], 30, "the filter finds it")
    page.driver.execute_script("location.hash = '#/targets'")
    page.wait("h1", "Targets")
    assert page.driver.title == "backfilld – targets"
    page.driver.execute_script("location.hash = '#/'")
    until(lambda: page.driver.execute_script(names) == ["job-123"], 30, "the filter stays as it was")


def altered(path, code):
    """A script that gives what the daemon answers to `path` other content: `code` makes `body` of `body` and the `url`."""
    return f"""
        const text = Response.prototype.text;
        Response.prototype.text = async function () {{
          const own = await text.call(this), url = new URL(this.url);
          if (url.pathname !== "{path}" && !url.pathname.endsWith("{path}")) return own;
          let body = JSON.parse(own);
          {code}
          return JSON.stringify(body);
        }};"""


def test_what_is_not_at_its_end_is_listed_however_old_it_is(page, make_daemon, database):
    """Of what has ended the newest thousand are enough."""
    table(database, rows=100)
    daemon = make_daemon(database, require_approval="all")
    daemon.wait(daemon.submit(document("orders", {"n": "n + 1"}, name="old-one")), "awaiting_approval")
    newer = json.dumps([made(number) for number in range(500)])
    with page.before_scripts(altered("/v1/jobs", f"""
            const of = {newer}, page = url.searchParams.get("after");
            if (url.searchParams.has("state")) return own;
            body = {{jobs: of.map((job) => ({{...job, id: (page ?? "newest") + job.id}})), next: "0".repeat(25) + (page ? "2" : "1")}};""")):
        page.open(daemon)
    page.wait(".summary", "1000 completed")
    page.wait(".summary", "1 awaiting approval")
    row = " ".join(page.text(".jobs tbody tr:first-child").split())
    assert "old-one" in row and "the plan is RED · submitted " in row and row.endswith(" ago"), row


SAMPLES = """
    const step = {"1s": 1, "10s": 10, "1m": 60}[url.searchParams.get("step")] * 1000, newest = Date.UTC(2026, 0, 31, 12);
    const kept = {1000: 600, 10000: 8640, 60000: 43200}[step], since = url.searchParams.has("since") ? Date.parse(url.searchParams.get("since")) : 0;
    const limit = Number(url.searchParams.get("limit")), page = [], first = newest - ((since ? kept : Math.min(kept, limit)) - 1) * step;
    for (let at = Math.max(first, since); at <= newest && page.length < limit; at += step) {
      const lone = at % 20000 === 0;
      page.push({at: new Date(at).toISOString(), rows_scanned: step / 100, rows_changed: 0, batches: lone ? 1 : 0, batch_rows: 5,
        batch_seconds: lone ? 0.25 : null, sleep_seconds: 0, hold_seconds: 0, signals: {queue: {value: at === newest - 7200000 ? 9 : 1, limit: 10}}});
    }
    const more = since && page.length === limit;
    body = {step_seconds: step / 1000, samples: page, next: more ? new Date(Date.parse(page.at(-1).at) + step).toISOString() : null};"""

SERIES = """
const canvas = [...document.querySelectorAll('.charts canvas')].find(c => c.getAttribute('aria-label').startsWith(arguments[0]));
const chart = canvas && window.Chart.getChart(canvas), data = chart?.data.datasets[0];
return data?.data.length && {days: (data.data.at(-1).x - data.data[0].x) / 86400000, points: data.data.length, colour: chart.options.scales.x.ticks.color,
        line: data.borderColor, dots: [].concat(data.pointRadius).filter(r => r > 0).length,
        values: [...new Set(data.data.map(p => p.y).filter(y => y !== null))]};"""


def test_charts_show_the_whole_time_and_every_point(page, daemon, database):
    """A page of the series is no month: charts have all of it, in as many points as they have room for. A batch that stands alone is
    a dot, and a page that turns dark while it is open has dark charts."""
    table(database)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))
    with page.before_scripts(altered("/samples", SAMPLES)):
        page.open(daemon, f"#/jobs/{job['id']}")
    page.wait(".charts", "Signal queue")

    def series(title):
        return page.driver.execute_script(SERIES, title) or {}  # a chart is empty while it loads
    lone = series("Time of a batch")
    assert lone["values"] == [0.25] and lone["dots"] == 30, "twenty seconds apart, and no line between them"
    assert series("Rows of a batch")["dots"] == 0
    for name, days in (("a day", 1), ("a month", 30)):
        page.press(name)
        seen = until(lambda days=days: (lambda all: all and all["days"] > 0.98 * days and all)(series("Rows a second")), 60,
                     lambda _: f"{name} is shown: {series('Rows a second')}")
        assert seen["points"] <= 1001 and seen["values"] == [10], "the mean of neighbours"
        assert max(series("Signal queue")["values"]) == 9, "the worst of neighbours"
    seen = []
    for dark in (False, True, False):
        page.view(1440, 900, dark)
        colour = page.driver.execute_script("return getComputedStyle(document.documentElement).getPropertyValue('--quiet').trim()")
        until(lambda colour=colour: series("Rows a second").get("colour") == colour, 30, "the charts are of the same scheme")
        seen.append((colour, series("Signal queue")["line"]))
    assert seen[0] == seen[2] and seen[0][0] != seen[1][0] and seen[0][1] != seen[1][1]


def test_words_that_turn_the_others_round(page, make_daemon, database):
    """Characters that turn the direction of a text, or are not seen, stand there as numbers; right-to-left names are what they are."""
    turned, arabic = "\u202egpj.\u2066\u200fx", "طلبات 🎉"
    table(database, f'"{arabic}"', rows=100)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(document(f'public."{arabic}"', {"n": "n + 1"}, name="first", description=turned, owner=turned + arabic))
    daemon.wait(job, "awaiting_approval")
    daemon.abort(job, turned)
    page.open(daemon)
    page.wait(".jobs", arabic)
    page.wait(".jobs", "\\u202egpj.\\u2066\\u200fx")
    page.open(daemon, "#/jobs/first")
    for css in (".description", "p.reason", ".events", ".details", "section[aria-label=Document]"):
        page.wait(css, "\\u202egpj.\\u2066\\u200fx")
    page.wait(".details", arabic)
    assert not page.driver.execute_script("return /[\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/.test(document.documentElement.outerHTML)")
    look(page)


def test_why_a_signal_is_not_measured_is_read_without_a_mouse(page, daemon, database):
    table(database)
    daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))
    with page.before_scripts(altered("/v1/targets", """
            const signal = (body.targets[0].signals ?? [])[0];
            if (signal) Object.assign(signal, {value: null, age_seconds: null, stale: true, text: "unmeasured: our account lacks pg_monitor"});""")):
        page.open(daemon, "#/targets")
    page.wait("section[aria-label='Target shop'] tbody th", "unmeasured: our account lacks pg_monitor")
    look(page)


def test_no_jobs_and_no_script(page, daemon):
    page.open(daemon)
    page.wait("main", "No jobs yet")
    look(page)
    assert "backfillctl list" in daemon.get("/").text  # what is said where scripts are off
