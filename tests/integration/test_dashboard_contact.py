"""Whether the dashboard is in touch with its daemon: one that answers nothing, a stream that died without a word, an order into
the void. Nobody tells a browser that a way is cut off."""
import pytest

from lab.browser import KEYS
from lab.browser_fixtures import blank, page  # noqa: F401
from lab.daemon import document, pace
from lab.wait import until


@pytest.fixture
def job(daemon, database):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT generate_series(1, 20000)")
    return daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))


def test_a_daemon_that_says_nothing_is_away(page, daemon, job):
    """Its connections stand, as they do where a network drops what is sent; the page does not call that live."""
    page.open(daemon, "#/jobs/first")
    page.wait(".title .state", "running")
    page.wait("#contact", "live")
    daemon.sigstop()
    try:
        page.wait("#alarm", "Disconnected. The daemon does not answer", 60)
        page.wait("#alarm", " old.")
        page.wait("#contact", "disconnected")
    finally:
        daemon.sigcont()
    page.wait("#contact", "live", 60)
    assert page.text("#alarm") == ""
    daemon.pause(job, "back again")
    page.wait("p.reason", "back again")


DEAF = """
const Own = window.EventSource;
window.made = 0;
window.EventSource = class extends Own {
  constructor(...all) { super(...all); this.number = window.made++; }
  addEventListener(type, listener) {
    super.addEventListener(type, (message) => (this.number < (window.deaf ?? 0) ? null : listener(message)));
  }
};"""


@pytest.mark.parametrize("at_work", [False, True])
def test_a_stream_that_died_without_a_word_begins_anew(page, daemon, job, at_work):
    """The daemon answers what it is asked, and the stream never says anything again: a job at work that is not told of, or an event,
    gives it away."""
    if not at_work:
        daemon.pause(job, "for now")
    with page.before_scripts(DEAF):
        page.open(daemon, "#/jobs/first")
    page.wait("#contact", "live")
    page.wait(".title .state", "running" if at_work else "paused")
    if not at_work:
        looked = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/v1/events?limit')).length"
        until(lambda: page.driver.execute_script(looked), 60, "the quiet daemon was asked once")
    page.driver.execute_script("window.deaf = window.made")
    if not at_work:
        daemon.abort(job, "not heard")
        page.wait(".title .state", "aborted", 60)
    until(lambda: page.driver.execute_script("return window.made > window.deaf"), 60, "there is another stream")
    page.wait("#contact", "live")
    if at_work:
        daemon.pause(job, "heard again")
        page.wait("p.reason", "heard again")


def test_a_page_that_is_seen_again_is_not_live_before_it_was_told_so(page, daemon, job):
    """A hidden page takes no connection: what it shows may be hours old when somebody comes back to it."""
    hide = """Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});
              document.dispatchEvent(new Event('visibilitychange'));
              return document.getElementById('contact').innerText"""
    page.open(daemon, "#/jobs/first")
    page.wait(".title .state", "running")
    page.wait("#contact", "live")
    page.driver.execute_script(hide, True)
    daemon.pause(job, "while nobody looked")
    daemon.sigstop()
    try:
        assert page.driver.execute_script(hide, False) == "connecting"
        page.wait("#alarm", "Disconnected.")
    finally:
        daemon.sigcont()
    page.wait("#contact", "live", 60)
    page.wait("p.reason", "while nobody looked")


def test_an_order_into_the_void(page, daemon, job):
    page.open(daemon, "#/jobs/first")
    page.press("Pause first")
    page.wait("dialog", "Pause first?")
    daemon.kill9()
    page.type("lunch", KEYS.ENTER)
    page.wait("dialog .trouble", "The daemon does not answer. Whether it heard of this is not known")
    daemon.start()
    page.find("dialog button[type=submit]")[0].click()
    page.wait(".title .state", "paused")
    page.wait("p.reason", "lunch")
