"""Pages of other origins in Chromium: what an allowed one may do, and that all others can do nothing at all."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.browser import CHROMIUM, opened
from tests.live import Server, eventually

PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!DOCTYPE html><title>Another</title><body>"
CREATE = 'mutation { createBrand(input: {name: "B"}) { brand { id } } }'
BRANDS = "{ viewer { workspace { brands { totalCount } } } }"
READY = "document.title === 'Another' && document.body"
# What a promise comes to, or the name of what it fails with.
OUTCOME = "const outcome = (promise) => promise.then((found) => found, (error) => error.name);"
IMAGE = "const image = (src) => new Promise((kept) => { const one = new Image(); one.onload = () => kept(one.naturalWidth); one.onerror = () => kept('failed'); one.src = src; });"
SOCKET = "const socket = (url) => new Promise((kept) => { const one = new WebSocket(url, 'graphql-transport-ws'); one.onopen = () => kept('open'); one.onerror = () => kept('failed'); });"


@pytest.fixture
async def other() -> AsyncIterator[int]:
    """The port of a server of pages of somebody else."""
    if CHROMIUM is None:
        pytest.skip("foreign pages are looked at in Chromium, which is not here")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGE)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def environment(other: int) -> dict[str, str]:
    """Pages that come from 127.0.0.1 are allowed. Those that come from localhost are somebody else's."""
    return {"ALLOWED_ORIGINS": f"http://127.0.0.1:{other}", "WORKER": "off"}


async def test_a_page_that_is_allowed_asks_as_all_clients_do(server: Server, other: int) -> None:
    credential = json.dumps(f"Bearer {server.credential}")
    async with opened(f"http://127.0.0.1:{other}/") as page:
        await page.until(READY)
        found = await page.run(f"""(async () => {{ {OUTCOME} {SOCKET}
          const url = '{server.address}/graphql', authorization = {credential};
          const posted = await fetch(url, {{ method: 'POST', body: JSON.stringify({{ query: '{{ viewer {{ subject }} }}' }}),
            headers: {{ authorization, 'content-type': 'application/json', 'idempotency-key': '1', traceparent: 'x' }} }});
          const got = await fetch(url + '?query={{__typename}}');
          const reserved = await fetch(url, {{ method: 'PUT', headers: {{ authorization }} }});
          return [await posted.json(), await got.json(), reserved.status, await socket(url.replace('http', 'ws'))]; }})()""")
    assert found == [{"data": {"viewer": {"subject": "ada"}}}, {"data": {"__typename": "Query"}}, 201, "open"]


async def test_any_other_page_can_do_nothing(server: Server, other: int) -> None:
    """Not even with a token that it has from somewhere; but pictures of mails are shown."""
    credential = json.dumps(f"Bearer {server.credential}")
    async with opened(f"http://localhost:{other}/") as page:
        await page.until(READY)
        found = await page.run(f"""(async () => {{ {OUTCOME} {SOCKET} {IMAGE}
          const url = '{server.address}/graphql', authorization = {credential}, query = {json.dumps(CREATE)};
          const body = JSON.stringify({{ query }});
          return [
            await outcome(fetch(url, {{ method: 'POST', body, headers: {{ authorization, 'content-type': 'application/json' }} }})),
            await outcome(fetch(url, {{ method: 'POST', body }})),
            await outcome(fetch(url, {{ method: 'POST', body, mode: 'no-cors' }})),
            await outcome(fetch(url + '?query={{__typename}}')),
            await outcome(fetch('{server.address}/health/live', {{ mode: 'no-cors' }})),
            await image(url + '?query=' + encodeURIComponent(query)),
            await image('{server.address}/t/o/x.gif'),
            await socket(url.replace('http', 'ws')),
          ]; }})()""")
        form = f"""(() => {{ const form = document.body.appendChild(document.createElement('form'));
          Object.assign(form, {{ action: '{server.address}/graphql', method: 'POST' }});
          form.innerHTML = '<input name="query">';
          form.elements.query.value = {json.dumps(CREATE)};
          form.submit(); }})()"""
        before = len(page.answers)
        await page.run(form)
        assert await eventually(lambda: (f"{server.address}/graphql", 415) in page.answers[before:])
    assert found == [*["TypeError"] * 5, "failed", 1, "failed"]
    assert (await server.api.data(BRANDS))["viewer"]["workspace"]["brands"] == {"totalCount": 0}
