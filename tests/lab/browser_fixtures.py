"""Fixtures of the tests that look at the dashboard: one browser for a file."""
import pytest

from .browser import browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(autouse=True)
def blank(request):
    """No page of a daemon that is gone stays open, and none leaves a script error or a breach of the policy behind."""
    yield
    if "page" in request.fixturenames:
        seen = request.getfixturevalue("page")
        complaints = seen.complaints()
        seen.driver.get("about:blank")
        seen.view(1440)
        assert not complaints, "\n".join(complaints)
