"""The explorer of a server that shows its schema to nobody, or to who has a token, says so."""

from collections.abc import AsyncIterator

import pytest

from graph.explorer import build
from tests.browser import CHROMIUM, Page, opened
from tests.live import Server

SHOWN = "(document.querySelector('.graphiql-response .view-lines')?.innerText || '').replace(/\\s+/g, ' ')"


@pytest.fixture(params=["off", "token"])
def setting(request: pytest.FixtureRequest) -> str:
    """The setting INTROSPECTION."""
    return str(request.param)


@pytest.fixture
def environment(setting: str) -> dict[str, str]:
    if CHROMIUM is None or not (build.DIST / "manifest.json").exists():
        pytest.skip("the explorer is looked at in Chromium, when it is built")
    return {"INTROSPECTION": setting, "WORKER": "off"}


@pytest.fixture
async def page(server: Server) -> AsyncIterator[Page]:
    """The explorer, as it looks at first."""
    async with opened(f"{server.address}/graphql") as page:
        yield page


async def test_who_looks_is_told_why_there_is_no_schema(page: Page, setting: str) -> None:
    said = {
        "off": "The schema is not shown here: INTROSPECTION is off.",
        "token": "The schema is shown to who has a token",
    }
    await page.until(f"{SHOWN}.includes({said[setting]!r})")
