"""A real browser (Debian's chromium by its own driver) that looks at the dashboard of a daemon."""
import os
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from .wait import until


class Browser:
    def __init__(self, directory, width=1440, height=900, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        # as root there is no sandbox, and a container's /dev/shm is small; nothing is fetched but from the daemon
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={directory}/profile"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(30)
        self.view(width, height, dark)

    def view(self, width, height=900, dark=False):
        command = self.driver.execute_cdp_cmd
        command("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def open(self, daemon, fragment=""):
        self.driver.get(f"http://{daemon.listen}/{fragment}")

    def find(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css) -> str:
        """What is read there at this moment; "" where there is nothing. Pages change while they are looked at."""
        return self.driver.execute_script("return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText).join('\\n')", css)

    def button(self, name):
        """The visible button of that accessible name or text."""
        def found():
            return self.driver.execute_script("""
                return [...document.querySelectorAll('button')].find(b => b.checkVisibility()
                    && [b.innerText, b.getAttribute('aria-label')].includes(arguments[0])) ?? null""", name)
        return until(found, 30, f"there is a button {name}")

    def press(self, name):
        self.button(name).click()

    def type(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def wait(self, css, part, seconds=30):
        return until(lambda: part in self.text(css), seconds, lambda _: f"{css} says {part!r}: it says {self.text(css)!r}")

    @contextmanager
    def before_scripts(self, source):
        """Every page that is opened meanwhile runs this first."""
        made = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def complaints(self) -> list:
        """What the browser itself found wrong (scripts, policy), but for requests to a daemon that was stopped."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]]

    def quit(self):
        self.driver.quit()


KEYS = Keys


@contextmanager
def browser(directory, **arguments):
    os.environ.setdefault("SE_OFFLINE", "true")
    made = Browser(directory, **arguments)
    try:
        yield made
    finally:
        made.quit()
