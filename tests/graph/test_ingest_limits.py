"""POST /ingest/events: what is not taken changes nothing, what fails is to be sent again, and neither loses nor doubles."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url
from starlette.types import Message

from db.engine import Database
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.queries.events import recording
from graph import ids
from tests.api import Api, build, token
from tests.facts import NOON
from tests.ingest import (
    NDJSON,
    PATH,
    accepted,
    clicks,
    clicks_counted,
    counts,
    create_spring,
    duplicate,
    error_of,
    event,
    lines_of,
    rejected,
    send,
    sent,
    written,
)
from tests.live import WAIT

Environment = dict[str, str]


@pytest.fixture
def environment() -> Environment:
    """More of what the settings are read from."""
    return {}


@pytest.fixture
async def spring(database: Database, workspace: int) -> str:
    """The id of the campaign ``spring``."""
    async with database.write(workspace) as transaction:
        return await create_spring(transaction)


@pytest.fixture
async def api(database_url: str, spring: str, tmp_path: Path, environment: Environment) -> AsyncIterator[Api]:
    """The application in an environment."""
    async with build(database_url, tmp_path, **environment) as api:
        yield api


def limited(**limits: Any) -> pytest.MarkDecorator:
    """Marks a test that is run with these settings."""
    return pytest.mark.parametrize("environment", [{name: str(value) for name, value in limits.items()}])


class Upload:
    """A body that comes in two halves, the second when it is let go."""

    def __init__(self, *halves: bytes) -> None:
        self._halves = halves
        self.begun, self.rest = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun.set()
        yield self._halves[0]
        await self.rest.wait()
        for half in self._halves[1:]:
            yield half


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_events_are_sent_by_post_only(api: Api, method: str) -> None:
    response = await api.client.request(method, PATH)
    assert error_of(response) == (405, "METHOD_NOT_ALLOWED", f"Events are sent by POST, not by {method}.")
    assert response.headers["allow"] == "POST"


async def test_nobody_may_send_events(api: Api) -> None:
    response = await api.client.post(PATH, content=written(event("a")), headers={"content-type": NDJSON})
    assert error_of(response) == (401, "UNAUTHENTICATED", "Send a token: Authorization: Bearer ...")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("credential", ["nonsense", "gs_nonsense", token("nowhere")])
async def test_a_bad_credential_is_refused(api: Api, credential: str) -> None:
    response = await send(api, written(event("a")), credential)
    assert error_of(response)[:2] == (401, "UNAUTHENTICATED")
    assert await clicks_counted(api.database) == (0, 0)


async def test_the_scope_ingest_or_write_is_needed(api: Api) -> None:
    for scope in ("ingest", "write"):
        response = await send(api, written(event(scope)), token(scopes=(scope,)))
        assert lines_of(response) == [accepted(1, scope), counts(accepted=1)]
    response = await send(api, written(event("c")), token(scopes=("read", "live", "admin")))
    message = "Sending events needs a token with the scope ingest or write."
    assert error_of(response) == (403, "FORBIDDEN", message)


TYPE = "Send events as application/x-ndjson, one JSON object a line, or one as application/json."


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content_type": "text/csv"}, TYPE),
        ({"content_type": ""}, TYPE),
        ({"content_type": "application/x-ndjson; charset=latin1"}, "JSON is UTF-8."),
        ({"content_encoding": "br"}, "A body may be packed with gzip, and in no other way."),
        ({"content_encoding": "gzip, gzip"}, "A body may be packed with gzip, and in no other way."),
    ],
)
async def test_other_types_and_encodings_are_not_taken(api: Api, headers: dict[str, str], message: str) -> None:
    response = await send(api, written(event("a")), **headers)
    assert error_of(response) == (415, "UNSUPPORTED_TYPE", message)


@pytest.mark.parametrize("kind", ["application/jsonl", "Application/X-NDJSON; charset=UTF-8", "application/ndjson"])
async def test_lines_have_many_names(api: Api, kind: str) -> None:
    response = await send(api, written(event("a")), content_type=kind)
    assert lines_of(response)[-1] == counts(accepted=1)


LARGE = "A body has at most 2,048 bytes. Nothing was recorded: send it in parts."


@limited(INGEST_BODY_BYTES=2048)
async def test_a_body_that_says_it_is_too_large_is_not_read(api: Api) -> None:
    upload = Upload(b"", b"")
    response = await send(api, aiter(upload), content_length="2049")
    assert error_of(response) == (413, "TOO_LARGE", LARGE)
    assert not upload.begun.is_set()


@limited(INGEST_BODY_BYTES=2048)
async def test_of_a_body_that_is_too_large_nothing_is_recorded(api: Api) -> None:
    upload = Upload(written(*clicks(1, 10)), b"\n" * 2048, b"never read")
    upload.rest.set()
    response = await send(api, aiter(upload))
    assert error_of(response) == (413, "TOO_LARGE", LARGE)
    assert await clicks_counted(api.database) == (0, 0)


@limited(INGEST_UNPACKED_BYTES=10_000_000)
async def test_a_bomb_does_not_go_off(api: Api) -> None:
    bomb = gzip.compress(written(event("a"))) + gzip.compress(b" " * 50_000_000, 1)
    response = await send(api, bomb, content_encoding="gzip")
    message = "A body has at most 10,000,000 bytes when it is unpacked. Nothing was recorded: send it in parts."
    assert error_of(response) == (413, "TOO_LARGE", message)
    assert await clicks_counted(api.database) == (0, 0)


@limited(INGEST_LINES=3)
@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_lines_are_counted_before_they_are_recorded(api: Api, end: bytes) -> None:
    assert lines_of(await send(api, written(*clicks(1, 3)).strip() + end))[-1] == counts(accepted=3)
    response = await send(api, written(*clicks(4, 6), b"").strip() + b"\n{}" + end)
    assert error_of(response)[:2] == (413, "TOO_LARGE")
    assert await clicks_counted(api.database) == (3, 3)


@limited(INGEST_LINE_BYTES=1024)
async def test_a_line_that_is_too_long_is_rejected_by_itself(api: Api) -> None:
    fits = event("fits", data="")
    fits["data"] = "x" * (1024 - len(json.dumps(fits)))
    answer = await sent(api, event("a"), event("b", data="x" * 100_000), fits, {**fits, "key": "fits!"})
    assert answer == [
        accepted(1, "a"),
        rejected(2, None, "TOO_LARGE", "At most 1,024 bytes in a line."),
        accepted(3, "fits"),
        rejected(4, None, "TOO_LARGE", "At most 1,024 bytes in a line."),
        counts(accepted=2, rejected=2),
    ]


@limited(INGEST_BODY_SECONDS=1)
async def test_a_body_that_does_not_come_is_not_waited_for(api: Api) -> None:
    response = await send(api, aiter(Upload(written(event("a")))))
    message = "A body has to come within 1 s. Nothing was recorded."
    assert error_of(response) == (408, "TIMED_OUT", message)
    assert await clicks_counted(api.database) == (0, 0)


@limited(INGEST_CONCURRENCY=2)
async def test_too_many_at_once_are_sent_away_before_their_bodies_are_read(api: Api) -> None:
    body = written(event("a"))
    held = [Upload(body[:9], body[9:]) for _ in range(2)]
    running = [asyncio.create_task(send(api, aiter(upload))) for upload in held]
    for upload in held:
        await upload.begun.wait()
    late = Upload(body)
    response = await send(api, aiter(late))
    assert error_of(response) == (429, "LIMIT_REACHED", "Too many requests send events just now. Send it again.")
    assert response.headers["retry-after"] == "1"
    assert not late.begun.is_set()
    for upload in held:
        upload.rest.set()
    answers = [lines_of(await one)[0] for one in running]
    assert sorted(answer["status"] for answer in answers) == ["accepted", "duplicate"]
    assert lines_of(await send(api, body))[0] == duplicate(1, "a")


async def exchange(api: Api, receive: Callable[[], Awaitable[Message]]) -> list[Message]:
    """What the application sends on a request of which the test plays the connection."""
    headers = {"authorization": f"Bearer {token()}", "content-type": NDJSON}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await api.client._transport.app(scope, receive, keep)  # type: ignore[attr-defined]
    return messages


async def test_of_a_client_that_leaves_while_it_sends_nothing_is_recorded(api: Api) -> None:
    came = iter([{"type": "http.request", "body": written(*clicks(1, 3)), "more_body": True}])

    async def receive() -> Message:
        return next(came, {"type": "http.disconnect"})

    assert await exchange(api, receive) == []
    assert await clicks_counted(api.database) == (0, 0)


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection that may do everything."""
    url = make_url(database_url).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False))


@asynccontextmanager
async def blocked(
    database: Database, database_url: str, workspace: int, key: str
) -> AsyncIterator[tuple[asyncpg.Connection, Callable[[], Awaitable[int]]]]:
    """Holds up whoever records a key: a connection, and what answers the backend that waits. Records nothing itself."""
    connection = await connect(database_url)

    async def waiting() -> int:
        who = "SELECT min(pid) FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        async with asyncio.timeout(WAIT):
            while (pid := await connection.fetchval(who)) is None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        return int(pid)

    class Enough(Exception):
        pass

    try:
        async with database.write(workspace) as transaction:
            other = ids.key_of(
                "Campaign", await create_spring(transaction, "other")
            )  # whose numbers are not waited for
            await recording.record(transaction, [NewEvent(key, EventType.CLICK, other, NOON)])
            yield connection, waiting
            raise Enough
    except Enough:
        pass
    finally:
        await connection.close()


async def test_a_database_that_goes_away_in_the_middle_loses_and_doubles_nothing(
    api: Api, database: Database, database_url: str, workspace: int
) -> None:
    body = written(*clicks(1, 1000), *clicks(1001, 1999), b"{", event("last"))
    async with blocked(database, database_url, workspace, "k1500") as (connection, waiting):
        asked = asyncio.create_task(send(api, body))
        await connection.execute(f"SELECT pg_terminate_backend({await waiting()})")
        response = await asked
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    *lines, last = lines_of(response)
    assert last == counts(accepted=1000, retry=1001)
    assert lines[:1000] == [accepted(n, f"k{n}") for n in range(1, 1001)]
    keys = [*[f"k{n}" for n in range(1001, 2000)], None, "last"]
    assert lines[1000:] == [{"line": 1001 + n, "key": key, "status": "retry"} for n, key in enumerate(keys)]
    assert await clicks_counted(api.database) == (1000, 1000)
    assert lines_of(await send(api, body))[-1] == counts(accepted=1000, duplicates=1000, rejected=1)
    assert await clicks_counted(api.database) == (2000, 2000)


async def test_for_a_client_that_has_left_no_further_batch_is_recorded(
    api: Api, database: Database, database_url: str, workspace: int
) -> None:
    gone = asyncio.Event()
    came = iter([{"type": "http.request", "body": written(*clicks(1, 3000))}])

    async def receive() -> Message:
        message = next(came, None)
        if message is None:
            await gone.wait()
        return message or {"type": "http.disconnect"}

    async with blocked(database, database_url, workspace, "k1500") as (_, waiting):
        asked = asyncio.create_task(exchange(api, receive))
        await waiting()
        gone.set()
    assert await asked == []
    assert await clicks_counted(api.database) == (2000, 2000)


@limited(DATABASE_POOL_SIZE=1, DATABASE_POOL_OVERFLOW=0, DATABASE_POOL_TIMEOUT=1)
async def test_a_full_pool_is_no_reason_to_lose_anything(api: Api, workspace: int) -> None:
    await sent(api, event("a"))
    async with api.database.write(workspace):
        known = await send(api, written(event("b"), event("c")))
        unknown = await send(api, written(event("d")), token("other"))
    assert (known.status_code, known.headers["retry-after"]) == (503, "5")
    assert lines_of(known) == [
        {"line": 1, "key": "b", "status": "retry"},
        {"line": 2, "key": "c", "status": "retry"},
        counts(retry=2),
    ]
    assert error_of(unknown) == (503, "UNAVAILABLE", "The database cannot be reached just now. Try again.")
    assert unknown.headers["retry-after"] == "5"
    assert await clicks_counted(api.database) == (1, 1)


async def test_what_is_our_own_fault_is_to_be_sent_again(api: Api, database_url: str) -> None:
    connection = await connect(database_url)
    await connection.execute("ALTER TABLE event_buckets RENAME TO elsewhere")
    response = await send(api, written(event("a")))
    assert response.status_code == 500
    line, last = lines_of(response)
    assert line == {"line": 1, "key": "a", "status": "retry"}
    [error] = last.pop("errors")
    assert (last, error["extensions"]["code"]) == (counts(retry=1), "INTERNAL")
    await connection.execute("ALTER TABLE elsewhere RENAME TO event_buckets")
    await connection.close()
    assert await sent(api, event("a")) == [accepted(1, "a"), counts(accepted=1)]
