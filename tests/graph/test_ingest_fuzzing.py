"""POST /ingest/events: whatever is sent has an answer, and never is it our fault."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.engine import Database
from db.queries import workspaces
from graph.gzip import STEP, BrokenGzip, Unpacker
from tests.api import Api, build
from tests.ingest import clicks_counted, counts, create_spring, event, lines_of, send

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DEEP = b"[" * 1000 + b"]" * 1000
"""What can be read, and not be written."""
NAMES = ["key", "type", "campaign", "campaignId", "channel", "channelId", "audience", "audienceId", "userId", "value"]
VALUES = (
    st.sampled_from(["spring", "CLICK", "\0", "deep", "", "2026-03-01T12:00:00Z", {"amount": "1", "currency": "EUR"}])
    | JSON
)
WRONG = st.dictionaries(st.sampled_from([*NAMES, "data", "occurredAt"]), VALUES, max_size=4)
RIGHT = st.builds(lambda n, more: {**event(f"k{n}"), **more}, st.integers(0, 5), WRONG | st.just({}))
LINES = st.builds(lambda one: json.dumps(one).encode().replace(b'"deep"', DEEP), RIGHT | WRONG | JSON)
WRITTEN = LINES | st.binary(max_size=20)
BODIES = st.builds(b"\n".join, st.lists(WRITTEN, max_size=6))


def test_whatever_is_sent_is_answered_line_by_line(database_url: str, tmp_path: Path) -> None:
    async def check(api: Api, body: bytes, packed: bool) -> None:
        headers = {"content_encoding": "gzip"} if packed else {}
        response = await send(api, gzip.compress(body, 1) if packed else body, **headers)
        assert response.status_code == 200
        *lines, last = lines_of(response)
        full = [n for n, line in enumerate(body.split(b"\n"), 1) if line.strip(b" \t\r\v\f")]
        assert [line["line"] for line in lines] == full
        statuses = [line["status"] for line in lines]
        assert last == counts(*[statuses.count(one) for one in ("accepted", "duplicate", "rejected")])
        assert all(line.get("errors") for line in lines if line["status"] == "rejected")

    async def start() -> Any:
        database = Database(database_url)
        workspace = await workspaces.create(database, "test", "Test", "UTC", "EUR")
        async with database.write(workspace) as transaction:
            await create_spring(transaction)
        await database.close()
        application = build(database_url, tmp_path)
        return application, await application.__aenter__()

    with asyncio.Runner() as runner:
        application, api = runner.run(start())

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(BODIES | st.binary(max_size=200), st.booleans())
        def bodies(body: bytes, packed: bool) -> None:
            runner.run(check(api, body, packed))

        try:
            bodies()
            events, counted = runner.run(clicks_counted(api.database))
            assert events == counted
        finally:
            runner.run(application.__aexit__(None, None, None))


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: gzip.compress(b"{}\n")[:20] + rest))
def test_whatever_pretends_to_be_gzip_is_refused_or_unpacked(packed: bytes) -> None:
    unpacker = Unpacker()
    try:
        found = b"".join(unpacker.feed(packed))
        unpacker.finish()
    except BrokenGzip:
        return
    assert found == gzip.decompress(packed)


def test_what_comes_out_at_a_time_is_bounded() -> None:
    packed = gzip.compress(b"a" * 20_000_000) + gzip.compress(b"b" * 3)
    parts = list(Unpacker().feed(packed))
    assert max(map(len, parts)) == STEP
    assert b"".join(parts) == b"a" * 20_000_000 + b"bbb"
