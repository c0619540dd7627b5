"""The explorer in Chromium: the examples run, what is live appears and is drawn, and nothing comes from elsewhere."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from db.engine import Database
from graph.explorer import build
from jobs import demo
from tests.api import Api
from tests.browser import CHROMIUM, Page, opened
from tests.live import Server, eventually

RUN = "document.querySelector('.graphiql-execute-button').click()"
READY = "document.querySelector('.graphiql-query-editor .view-line span span') && !document.querySelector('.graphiql-spinner')"
WORKERS = {"editor.worker", "graphql.worker", "json.worker"}
# What the page is answered is noted, to be looked at in full: the editor shows some lines of it.
NOTE_ANSWERS = """(() => { const real = window.fetch; window.answers = [];
  window.fetch = async (...asked) => {
    const answer = await real(...asked); window.answers.push(await answer.clone().json()); return answer; } })()"""
SHARE = """mutation ($id: ID!) { share(input: { campaignId: $id, actor: { userId: "ada" } }) { created } }"""
CAMPAIGN = (
    "{ campaigns(first: 1, filter: { status: [ACTIVE] }, orderBy: OLDEST) { nodes { id name metrics { shares } } } }"
)


async def fill_database(database: Database, _workspace: int, _other: int) -> None:
    await demo.load(database)


@pytest.fixture
def environment() -> dict[str, str]:
    """In development: without a secret of its own."""
    return {"JWT_SECRET": "", "WORKER": "off"}


@pytest.fixture(scope="module")
def built() -> None:
    """The page, built. Skips, with the reason, where that cannot be, or there is no browser."""
    if CHROMIUM is None:
        pytest.skip("the explorer is looked at in Chromium, which is not here")
    if not (build.DIST / "manifest.json").exists():
        try:
            build.build()
        except build.BuildError as error:
            pytest.skip(f"the explorer could not be built: {error}")


def kinds_of(workers: list[str]) -> set[str]:
    return {urlsplit(one).path.removeprefix("/explorer/").partition("-")[0] for one in workers}


@pytest.fixture
async def page(built: None, server: Server) -> AsyncIterator[Page]:
    """The explorer, as it looks at first. In the end it must have had no problem, and have asked this server alone."""
    async with opened(f"{server.address}/graphql") as page:
        await page.until(READY)
        yield page
        assert await eventually(lambda: kinds_of(page.workers) == WORKERS)
        assert page.problems == []
        assert {urlsplit(one).netloc for one in page.requests} == {urlsplit(server.address).netloc}


async def developer(page: Page, server: Server) -> Api:
    """The API, asked with the token that the page was given."""
    return server.api.as_(await page.run("document.querySelector('#token').value"))


async def test_every_example_is_answered(page: Page) -> None:
    await page.run(RUN)
    await page.until("document.querySelectorAll('.chart polyline').length === 5")
    label = await page.run("document.querySelector('.plot').ariaLabel")
    assert label.startswith("Line chart of Cold Brew Spring Launch: metricSeries, ")
    await page.run("document.querySelector('.chart summary').click()")
    heads = await page.until("[...document.querySelectorAll('.chart thead th')].map((one) => one.innerText)")
    assert heads == ["time", "impressions", "clicks", "conversions", "engagements", "clickThroughRate"]
    await page.run(NOTE_ANSWERS)
    titles = await page.run("[...document.querySelectorAll('.examples li')].map((one) => one.innerText)")
    assert len(titles) == 11
    for title in [one for one in titles if "(live" not in one]:
        tabs = await page.run("document.querySelectorAll('.graphiql-tab').length")
        await page.click(title)
        await page.until(f"document.querySelectorAll('.graphiql-tab').length === {tabs + 1}")
        await page.run("window.answers = []")
        await page.run(RUN)
        [answer] = await page.until("window.answers.length ? window.answers : null")
        assert ("errors" in answer, bool(answer["data"])) == (False, True), (title, answer)


async def test_live_numbers_are_drawn(page: Page, server: Server) -> None:
    api = await developer(page, server)
    [campaign] = (await api.data(CAMPAIGN))["campaigns"]["nodes"]
    await page.click("Watch a campaign's numbers (live chart)")
    await page.until("document.querySelectorAll('.graphiql-tab').length === 2")
    await page.run(RUN)
    await page.until("document.querySelector('.chart .live')")
    before = campaign["metrics"]["shares"]
    assert await page.run("document.querySelector('.legend button b').innerText") == str(before)
    await api.data(SHARE, id=campaign["id"])
    await page.until(f"document.querySelector('.legend button b').innerText === '{before + 1}'")
    points = await page.run("document.querySelector('[data-series=shares] polyline').getAttribute('points')")
    assert len(points.split(" ")) == 2


async def test_live_events_are_shown(page: Page, server: Server) -> None:
    api = await developer(page, server)
    [campaign] = (await api.data(CAMPAIGN))["campaigns"]["nodes"]
    await page.click("Watch engagements (live)")
    await page.until("document.querySelectorAll('.graphiql-tab').length === 2")
    await page.run(RUN)
    await page.until("document.querySelector('.graphiql-execute-button').ariaLabel.startsWith('Stop')")
    assert await eventually(lambda: server.state.live.hub.is_listened_to)
    await api.data(SHARE, id=campaign["id"])
    await page.until(
        "document.querySelector('.result-window').innerText.replaceAll('\\u00a0', ' ').includes('\"SHARE\"')"
    )
