"""The picture, the links and unsubscribing, as mail programs, people and scanners use them."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import make_url, text

from db.engine import Database
from db.models.email_words import EmailEventType
from graph.routes.tracking import PIXEL, Tracking, location_of
from jobs.mailings.keys import tokens_of
from jobs.mailings.spool import Hit, new_key
from jobs.mailings.tokens import Kind, Token, Tokens
from tests.api import Api, build
from tests.facts import NOON
from tests.mailings import Made, mailing_of

SHOP = "https://shop.example/?who=k%201&x=\u00fc"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EVENTS = "SELECT type, recipient_id, link_id, user_agent, host(ip_address) AS ip, is_machine, key FROM email_events ORDER BY type, recipient_id, id"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def fill_database(database: Database, workspace: int, _other: int) -> Made:
    """A mailing with one link that four got, and a fifth recipient to whom nothing was sent."""
    return await mailing_of(database, workspace, 5, sent=4, links=[SHOP])


class Mails:
    """What is in the mails, and what came of it."""

    def __init__(self, database: Database, workspace: int, made: Made, tokens: Tokens) -> None:
        self.database, self.workspace, self.made, self.tokens = database, workspace, made, tokens

    def token(self, kind: Kind, number: int, url: str | None = None) -> str:
        """The token of a recipient."""
        link = self.made.link_ids[0] if kind is Kind.CLICK else None
        said = Token(kind, self.workspace, self.made.recipient_ids[number], link, url)
        return self.tokens.sign(said)

    def open(self, number: int) -> str:
        """Where the picture is."""
        return f"/t/o/{self.token(Kind.OPEN, number)}.gif"

    def click(self, number: int, url: str = SHOP) -> str:
        """Where the link leads."""
        return f"/t/c/{self.token(Kind.CLICK, number, url)}"

    def unsubscribe(self, number: int) -> str:
        """Where one unsubscribes."""
        return f"/t/u/{self.token(Kind.UNSUBSCRIBE, number)}"

    async def rows(self, sql: str) -> list[Any]:
        """Rows of the workspace."""
        async with self.database.write(self.workspace) as transaction:
            return list(await transaction.rows(text(sql)))

    async def events(self, count: int) -> list[Any]:
        """The events, once there are so many."""
        async with asyncio.timeout(20):
            while len(rows := await self.rows(EVENTS)) < count:  # noqa: ASYNC110 - by the recorder, wherever it is
                await asyncio.sleep(0.02)
        return rows

    async def unsubscribed(self) -> list[int]:
        """Which recipients have unsubscribed."""
        rows = await self.rows("SELECT id FROM recipients WHERE unsubscribed_at IS NOT NULL ORDER BY id")
        return [self.made.recipient_ids.index(row.id) for row in rows]


@pytest.fixture
async def mails(database: Database, workspace: int, filled: tuple[str, Any]) -> Mails:
    """The mails of this test's database."""
    return Mails(database, workspace, filled[1], await tokens_of(database))


async def test_what_people_do_is_recorded(api: Api, mails: Mails) -> None:
    first, second, *_ = mails.made.recipient_ids
    [link] = mails.made.link_ids
    asked = {"user-agent": FIREFOX}
    picture = await api.client.get(mails.open(0), headers=asked)
    clicked = await api.client.get(mails.click(1), headers=asked)
    scanned = await api.client.head(mails.click(0), headers={b"user-agent": b"Scanner\x01 \xfc"})
    done = await api.client.post(mails.unsubscribe(1), data=ONE_CLICK, headers=asked)
    assert [one.status_code for one in (picture, clicked, scanned, done)] == [200, 302, 302, 200]
    assert (picture.content, picture.headers["content-type"]) == (PIXEL, "image/gif")
    assert clicked.headers["location"] == "https://shop.example/?who=k%201&x=%C3%BC"
    for response in (picture, clicked, scanned, done):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-robots-tag"] == "noindex, nofollow"
        assert "set-cookie" not in response.headers
    found = await mails.events(4)
    assert [tuple(row)[:-1] for row in found] == [
        ("CLICK", first, link, "Scanner  \u00fc", "127.0.0.1", True),
        ("CLICK", second, link, FIREFOX, "127.0.0.1", False),
        ("OPEN", first, None, FIREFOX, "127.0.0.1", False),
        ("UNSUBSCRIBE", second, None, FIREFOX, "127.0.0.1", False),
    ]
    assert all(re.fullmatch("t:[0-9a-f]{32}", row.key) for row in found)
    assert await mails.unsubscribed() == [1]
    assert [tuple(row) for row in await mails.rows("SELECT address, reason FROM suppressions")] == [
        ("lead1@news.example", "UNSUBSCRIBED")
    ]


async def test_unsubscribing_takes_a_post_and_nothing_else(api: Api, mails: Mails) -> None:
    asking = await api.client.get(mails.unsubscribe(0))
    assert asking.status_code == 200
    assert '<form method="post">' in asking.text
    assert (await api.client.head(mails.unsubscribe(0))).status_code == 200
    assert (await api.client.put(mails.unsubscribe(0))).status_code == 405
    policy = asking.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
    for unwanted in ("<script", "@", "src=", "href=", "http"):
        assert unwanted not in asking.text
    assert await mails.rows(EVENTS) == []
    posted = [
        await api.client.post(mails.unsubscribe(0), data=ONE_CLICK),
        await api.client.post(mails.unsubscribe(1), files={"List-Unsubscribe": (None, "One-Click")}),
        await api.client.post(mails.unsubscribe(2)),
        await api.client.post(mails.unsubscribe(3), content=b"x" * 200_000),
        await api.client.post(mails.unsubscribe(0), data=ONE_CLICK),
        await api.client.post(mails.unsubscribe(4), data=ONE_CLICK),  # who got nothing, and whose event is dropped
    ]
    assert [(one.status_code, "You are unsubscribed" in one.text) for one in posted] == [(200, True)] * 6
    assert [one.headers.get("connection") for one in posted] == [None, None, None, "close", None, None]
    assert await mails.unsubscribed() == [0, 1, 2, 3]
    assert len(await mails.rows(EVENTS)) == 5


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: Api, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.routes.tracking.BODY_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"List-"
        await asyncio.Event().wait()

    response = await api.client.post(mails.unsubscribe(0), content=slow())
    assert (response.status_code, response.headers["connection"]) == (200, "close")
    assert await mails.unsubscribed() == [0]


async def test_wrong_tokens_have_no_effect(api: Api, mails: Mails) -> None:
    good = {kind: mails.token(kind, 0, SHOP if kind is Kind.CLICK else None) for kind in Kind}
    stranger = Tokens(b"another secret").sign(Token(Kind.CLICK, mails.workspace, 1, 1, "https://evil.example/"))
    for path, kind in (("o", Kind.OPEN), ("c", Kind.CLICK), ("u", Kind.UNSUBSCRIBE)):
        token = good[kind]
        payload, signature = token[:-43], token[-43:]
        wrong = [other for other_kind, other in good.items() if other_kind is not kind]
        wrong += [
            token[:-1],
            token[1:],
            f"{payload}=",
            payload,
            f"{payload}{signature[::-1]}",
            f"{payload}.{signature}",
            f"{token}A",
        ]
        wrong += [stranger, "x" * 20_000, "", "a/b", "%00%ff", "%2F%2Fevil.example", "https://evil.example/"]
        for one in wrong:
            got = await api.client.get(f"/t/{path}/{one}")
            assert (got.status_code, "location" in got.headers) == (200 if path == "o" else 404, False), one
            assert (got.content == PIXEL) == (path == "o")
    assert (await api.client.post(f"/t/u/{good[Kind.OPEN]}", data=ONE_CLICK)).status_code == 404
    for url in (
        "javascript:alert(1)",
        "//evil.example/",
        "https:///x",
        "https://a.example/\r\nX-Y: z",
        "mailto:a@b.example",
    ):
        assert (await api.client.get(mails.click(0, url))).status_code == 404
    assert await mails.rows(EVENTS) == []


@settings(max_examples=200)
@given(st.text() | st.from_regex(r"https?:[/\\]{0,3}[^a]{0,20}", fullmatch=True))
@example("https://[::1/")
def test_links_lead_into_the_web_or_nowhere(url: str) -> None:
    location = location_of(url)
    assert location is None or re.fullmatch(rb"(?i:https?)://[!-~]+", location)


def test_hosts_are_written_as_all_clients_find_them() -> None:
    urls = (
        "https://a@münchen.example:80/ü",
        "https://faß.example/",
        "https://ü..example/",
        "https://a.example\uff0fb/",
    )
    assert [location_of(url) for url in urls] == [
        b"https://a@xn--mnchen-3ya.example:80/%C3%BC",
        b"https://fa%C3%9F.example/",
        b"https://%C3%BC..example/",
        None,
    ]


@settings(max_examples=200)
@given(st.text() | st.binary().map(lambda raw: f"{raw.hex()}.{raw.hex()}"), st.sampled_from(Kind))
def test_nobody_guesses_a_token(garbage: str, kind: Kind) -> None:
    assert Tokens(b"a secret").read(garbage, kind) is None


def test_the_picture_cannot_be_seen() -> None:
    picture = Image.open(io.BytesIO(PIXEL))
    assert (picture.format, picture.size, picture.convert("RGBA").getpixel((0, 0))) == ("GIF", (1, 1), (0, 0, 0, 0))


class Way:
    """A way to the database that can be cut."""

    def __init__(self, url: str) -> None:
        self._to = make_url(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The database's, this way."""
        way = self._to.set(host="127.0.0.1", port=self._port, query={})
        return way.render_as_string(hide_password=False)

    async def open(self) -> None:
        """Lets whoever comes through."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Lets nobody through, and throws out who is on the way."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder = self._to.query.get("host")
        if folder:
            there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{self._to.port or 5432}")
        else:
            there = await asyncio.open_connection(self._to.host, self._to.port or 5432)
        self._writers |= {writer, there[1]}
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        self._writers -= {writer, there[1]}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()


@pytest.fixture
async def way(database_url: str) -> AsyncIterator[Way]:
    """An open way to this test's database."""
    way = Way(database_url)
    await way.open()
    yield way
    way.cut()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for long, and all is soon tried again."""
    monkeypatch.setattr("graph.routes.tracking.RECORD_SECONDS", 0.2)
    monkeypatch.setattr("graph.routes.tracking.DIRECT_SECONDS", 0.2)
    monkeypatch.setattr("jobs.mailings.recording._LONGEST", 0.2)


async def answers(api: Api, mails: Mails) -> list[int]:
    """What is answered to an open, a click and an unsubscribe."""
    client = api.client
    asked: list[Awaitable[Any]] = [
        client.get(mails.open(0)),
        client.get(mails.click(0)),
        client.post(mails.unsubscribe(0)),
    ]
    return [(await one).status_code for one in asked]


@pytest.mark.usefixtures("impatient")
async def test_while_the_database_is_away_all_is_kept_and_recorded_once(mails: Mails, way: Way, tmp_path: Path) -> None:
    async with build(way.url, tmp_path) as api:
        way.cut()
        for _ in range(3):
            assert await answers(api, mails) == [200, 302, 200]
        await way.open()
        found = await mails.events(9)
        assert sorted(row.type for row in found) == ["CLICK"] * 3 + ["OPEN"] * 3 + ["UNSUBSCRIBE"] * 3
        assert await answers(api, mails) == [200, 302, 200]
        assert len(await mails.events(12)) == 12


@pytest.mark.usefixtures("impatient")
async def test_what_came_while_the_database_was_away_outlives_the_server(
    mails: Mails, way: Way, tmp_path: Path
) -> None:
    async with build(way.url, tmp_path) as api:
        way.cut()
        assert await answers(api, mails) == [200, 302, 200]
    await way.open()
    async with build(way.url, tmp_path):
        assert len(await mails.events(3)) == 3


async def test_links_of_mails_wait_for_a_database_that_was_never_there(mails: Mails, way: Way, tmp_path: Path) -> None:
    way.cut()
    async with build(way.url, tmp_path) as api:
        assert await answers(api, mails) == [200, 503, 503]
        await way.open()
        async with asyncio.timeout(20):
            while await answers(api, mails) != [200, 302, 200]:  # noqa: ASYNC110 - it looks for it again by itself
                await asyncio.sleep(0.02)
        assert len(await mails.events(3)) == 3


@pytest.mark.usefixtures("impatient")
async def test_without_a_disk_all_goes_to_the_database_at_once(mails: Mails, way: Way, tmp_path: Path) -> None:
    (tmp_path / "tracking").write_text("no folder")
    async with build(way.url, tmp_path) as api:
        assert await answers(api, mails) == [200, 302, 200]
        assert sorted(row.type for row in await mails.events(3)) == ["CLICK", "OPEN", "UNSUBSCRIBE"]
        way.cut()
        assert await answers(api, mails) == [200, 302, 503]
        await way.open()
        assert sorted(row.type for row in await mails.events(5)) == ["CLICK"] * 2 + ["OPEN"] * 2 + ["UNSUBSCRIBE"]


async def test_an_unsubscribe_that_the_database_refuses_is_not_said_to_hold(
    mails: Mails, database: Database, tmp_path: Path
) -> None:
    tracking = Tracking(database, tmp_path)
    await tracking.begin()
    running = asyncio.create_task(tracking.run())
    refused = replace(hit_of(mails, 0, key="k" * 201), type=EmailEventType.UNSUBSCRIBE)
    assert not await tracking.unsubscribe(refused)
    assert await tracking.unsubscribe(replace(refused, key="k"))
    running.cancel()
    await tracking.close()
    assert len(list(tmp_path.glob("*/*.rejected"))) == 1  # from where it can be tried again


async def test_what_is_on_disk_is_recorded_by_the_next_start(mails: Mails, database_url: str, tmp_path: Path) -> None:
    kept = [hit_of(mails, number) for number in range(4)]
    lost = hit_of(mails, 0, recipient_id=999_999)
    bad = hit_of(mails, 1, key="k" * 201)
    strange = hit_of(mails, 1, workspace_id=999_999)
    lines = [one.line() for one in (kept[0], lost, kept[1], bad, strange, kept[2], kept[0], kept[3])]
    async with build(database_url, tmp_path) as api:
        await api.client.get(mails.open(1))
        await mails.events(1)
        [folder] = (tmp_path / "tracking").iterdir()
    assert list(folder.iterdir()) == []
    (folder / "1-left.jsonl").write_bytes(b"".join(lines) + bad.line()[:50])
    other = tmp_path / "tracking" / "0123456789abcdef"  # of another database: its ids are none of ours
    other.mkdir()
    (other / "1-left.jsonl").write_bytes(kept[0].line())
    async with build(database_url, tmp_path):
        found = await mails.events(5)
    assert {row.key for row in found} > {one.key for one in kept}
    assert [one.name for one in folder.iterdir()] == ["1-left.rejected"]
    # Once, or twice where it was stopped between setting it aside and writing down that it did.
    assert {Hit.of(line) for line in (folder / "1-left.rejected").read_bytes().splitlines()} == {bad}
    assert [one.name for one in other.iterdir()] == ["1-left.jsonl"]


def hit_of(mails: Mails, number: int, **changed: Any) -> Hit:
    """An open, as it lies on disk."""
    said = {
        "key": new_key(),
        "workspace_id": mails.workspace,
        "recipient_id": mails.made.recipient_ids[number],
        **changed,
    }
    return Hit(type=EmailEventType.OPEN, occurred_at=NOON, user_agent=FIREFOX, **said)
