"""Importing events: what goes in and on which channel, lists in lines, translated words, and what is rejected."""

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text

from db.engine import Database
from db.models.channels import Audience, Channel
from db.models.events import Event
from jobs.imports import mapping, translating
from jobs.imports.errors import ImportFailedError
from jobs.imports.events import EVENTS
from jobs.imports.run import Counts, Job, Outcome, Progress, import_file
from tests.imported import rejects

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADER = "key,type,occurredAt,userId,value,currency\n"
EMPTY = "This must not be empty."
TIME = "This is not a time as RFC 3339 writes it, nor seconds or milliseconds since 1970."
MakeJob = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path, campaign: int) -> MakeJob:
    """A job over a file of events of the given content."""

    def make(
        content: str | bytes, *maps: str, name: str = "log", translate: tuple[str, ...] = (), **options: Any
    ) -> Job:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        tables = translating.parse(EVENTS.fields, translate)
        options = {"campaign": "spring", "translations": tables, "kind": EVENTS, **options}
        return Job(path, mapping.parse(EVENTS.fields, maps), **options)

    return make


async def stored(database: Database, workspace: int, *names: str) -> list[tuple[Any, ...]]:
    """Attributes of all events, and of ``channel`` and ``audience`` the names, by key."""
    named = {"channel": Channel.name, "audience": Audience.name}
    statement = (
        select(Event.key, *(named[name] if name in named else getattr(Event, name) for name in names))
        .outerjoin(Channel, (Channel.workspace_id == Event.workspace_id) & (Channel.id == Event.channel_id))
        .outerjoin(Audience, (Audience.workspace_id == Event.workspace_id) & (Audience.id == Event.audience_id))
        .order_by(Event.key)
    )
    async with database.write(workspace) as transaction:
        return [tuple(row) for row in await transaction.rows(statement)]


async def totals(database: Database, workspace: int) -> tuple[int, ...]:
    """Impressions, clicks, conversions, users."""
    sums = "sum(impressions), sum(clicks), sum(conversions), sum(campaign_unique_users)"
    async with database.write(workspace) as transaction:
        row = await transaction.row(text(f"SELECT {sums} FROM event_totals"))
        return tuple(int(value or 0) for value in row)


async def count(database: Database, workspace: int, table: str) -> int:
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text(f"SELECT count(*) FROM {table}")))


async def test_a_csv_file_becomes_events(database: Database, workspace: int, job: MakeJob) -> None:
    content = (
        "key,type,occurred_at,userId,value,currency,data\n"
        'a,IMPRESSION,2026-03-02T10:00:00+01:00,ada,,EUR,"{""page"": [1, null]}"\n'
        "b,clicks,1772442000000,,,,\n"
        "c, Conversions ,1772442000,ada,12.50,USD,7\n"
    )
    result = await import_file(database, workspace, job(content))
    assert (result.outcome, result.counts) == (Outcome.FINISHED, Counts(rows_read=3, accepted=3))
    names = ("type", "occurred_at", "user_id", "value_amount", "value_currency", "data", "channel", "audience")
    assert await stored(database, workspace, *names) == [
        ("a", "IMPRESSION", NINE, "ada", None, None, {"page": [1, None]}, None, None),
        ("b", "CLICK", NINE, None, None, None, None, None, None),
        ("c", "CONVERSION", NINE, "ada", Decimal("12.50"), "USD", 7, None, None),
    ]
    assert await totals(database, workspace) == (1, 1, 1, 1)


async def test_json_lines_in_gzip_keep_what_data_holds(database: Database, workspace: int, job: MakeJob) -> None:
    rows = [
        {
            "key": 1,
            "type": "click",
            "occurredAt": 1772442000,
            "data": "text, not JSON",
            "value": 0.5,
            "currency": "EUR",
        },
        {"key": "2", "type": "Click", "occurredAt": "1772442000", "data": {"a": 1}, "value": None},
    ]
    result = await import_file(database, workspace, job(gzip.compress(b"\n".join(map(orjson.dumps, rows)))))
    assert result.counts == Counts(rows_read=2, accepted=2)
    assert await stored(database, workspace, "data", "value_amount") == [
        ("1", "text, not JSON", Decimal("0.5")),
        ("2", {"a": 1}, None),
    ]


async def test_data_made_of_columns_is_json(database: Database, workspace: int, job: MakeJob) -> None:
    rows: list[dict[str, Any]] = [{"key": "a", "n": 17}, {"key": "b", "n": "x"}]
    maps = ("type=type", "occurredAt=at", 'data={{"n": {n}}}')
    content = b"\n".join(orjson.dumps(row | {"type": "CLICK", "at": 1772442000}) for row in rows)
    result = await import_file(database, workspace, job(content, *maps))
    assert await stored(database, workspace, "data") == [("a", {"n": 17})]
    assert [found for _, found, _ in rejects(result)] == [[("data", "This is not JSON.")]]


NO_TYPE = (
    "'carts' is no type: there are IMPRESSION, CLICK and CONVERSION. --translate type:carts=CLICK would make it one."
)


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"key": ""}, [("key", EMPTY)]),
        ({"type": "carts"}, [("type", NO_TYPE)]),
        ({"type": ""}, [("type", EMPTY)]),
        ({"occurredAt": "9999-01-01T00:00:00Z"}, [("occurredAt", "This has not happened yet: the time lies ahead.")]),
        ({"occurredAt": "1999-12-31T23:59:59Z"}, [("occurredAt", "Times begin with the year 2000.")]),
        ({"value": "1"}, [("currency", "A value needs a currency; --currency says which one, where a row does not.")]),
        ({"value": "-1", "currency": "EUR"}, [("value", "This must be zero or more.")]),
        ({"value": "1.5.0", "currency": "EUR"}, [("value", "This must be a decimal number.")]),
        ({"value": "1", "currency": "eur"}, [("value", "A currency is three capital letters, ISO 4217.")]),
        ({"userId": "u" * 201}, [("userId", "At most 200 characters; there are 201.")]),
        ({"channel": "Nowhere"}, [("channel", "No channel has the name 'Nowhere'.")]),
        ({"audience": "Nobody"}, [("audience", "No audience has the name 'Nobody'.")]),
        ({"channel": "c" * 201}, [("channel", "At most 200 characters; there are 201.")]),
        ({"data": "{"}, [("data", "This is not JSON.")]),
        (
            {"key": "", "type": "carts", "occurredAt": "x", "channel": "Nowhere"},
            [
                ("channel", "No channel has the name 'Nowhere'."),
                ("key", EMPTY),
                ("occurredAt", TIME),
                ("type", NO_TYPE),
            ],
        ),
    ],
)
async def test_a_row_is_rejected_with_all_its_problems(
    database: Database, workspace: int, job: MakeJob, fields: dict[str, str], problems: list[Any]
) -> None:
    row = {"key": "bad", "type": "CLICK", "occurredAt": "1772442000", **fields}
    good = dict.fromkeys(row, "") | {"key": "good", "type": "CLICK", "occurredAt": "1772442000"}
    content = "\n".join(",".join(line) for line in (row, good.values(), row.values()))
    result = await import_file(database, workspace, job(content))
    assert result.counts == replace(Counts(2, 1, 0, 1), rejects_bytes=result.rejects.stat().st_size)
    assert [(line, sorted(found), whole) for line, found, whole in rejects(result)] == [(2, problems, row)]
    assert await stored(database, workspace) == [("good",)]


async def test_a_value_without_a_currency_takes_the_one_that_is_given(
    database: Database, workspace: int, job: MakeJob
) -> None:
    content = HEADER + "a,CONVERSION,1772442000,,5,\nb,CONVERSION,1772442000,,5,USD\nc,CLICK,1772442000,,,\n"
    await import_file(database, workspace, job(content, currency="CHF"))
    assert await stored(database, workspace, "value_currency") == [("a", "CHF"), ("b", "USD"), ("c", None)]


PLACES = (
    "key,type,occurredAt,channel,audience\n"
    "a,CLICK,1772442000,Search,Young\nb,CLICK,1772442000,,\nc,CLICK,1772442000,Social,Young\nd,x,1772442000,Lost,Lost\n"
)


async def test_missing_channels_and_audiences_are_rejects_and_none_is_made(
    database: Database, workspace: int, job: MakeJob
) -> None:
    result = await import_file(database, workspace, job(PLACES))
    assert (result.counts.accepted, result.counts.rejected) == (1, 3)
    assert rejects(result)[0][1] == [
        ("channel", "No channel has the name 'Search'."),
        ("audience", "No audience has the name 'Young'."),
    ]
    assert [await count(database, workspace, table) for table in ("channels", "audiences")] == [0, 0]


async def test_channels_and_audiences_are_made_for_rows_that_go_in(
    database: Database, workspace: int, other_workspace: int, job: MakeJob
) -> None:
    async with database.write(other_workspace) as transaction:
        await transaction.run(
            text("INSERT INTO channels (workspace_id, name, kind) VALUES (:workspace, 'Search', 'ADS')"),
            {"workspace": other_workspace},
        )
    result = await import_file(database, workspace, job(PLACES, create_channels=True, chunk=1))
    assert (result.counts.accepted, result.counts.rejected) == (3, 1)
    assert await stored(database, workspace, "channel", "audience") == [
        ("a", "Search", "Young"),
        ("b", None, None),
        ("c", "Social", "Young"),
    ]
    async with database.write(workspace) as transaction:
        made = [tuple(row) for row in await transaction.rows(text("SELECT name, kind FROM channels ORDER BY name"))]
    assert made == [("Search", "OTHER"), ("Social", "OTHER")]
    assert await count(database, workspace, "audiences") == 1
    assert await count(database, workspace, "campaign_channels") == 2


async def test_no_campaign_is_made_for_a_row_whose_channel_is_missing(
    database: Database, workspace: int, job: MakeJob
) -> None:
    content = "key,type,occurredAt,campaign,channel\na,CLICK,1772442000,autumn,Nowhere\n"
    result = await import_file(database, workspace, job(content, campaign=None, create_campaigns=True))
    assert [found for _, found, _ in rejects(result)] == [[("channel", "No channel has the name 'Nowhere'.")]]
    assert await count(database, workspace, "campaigns") == 1


async def test_one_channel_for_all_rows(database: Database, workspace: int, job: MakeJob) -> None:
    content = HEADER + "a,CLICK,1772442000,,,\n"
    with pytest.raises(ImportFailedError, match=r"^No channel has the name 'Shop'\. --create-channels makes it\.$"):
        await import_file(database, workspace, job(content, channel="Shop"))
    await import_file(database, workspace, job(content, channel="Shop", create_channels=True))
    assert await stored(database, workspace, "channel") == [("a", "Shop")]


SESSIONS = b"\n".join(
    (
        b'{"session": 1, "ts": 5, "events": [{"ts": 1772442000, "type": "clicks"}, {"ts": 1772442001, "type": "carts"}]}',
        b'{"session": 2, "events": []}',
        b'{"session": 3, "events": 4}',
        b'{"session": 4, "events": [{"ts": 1772442002, "type": "orders"}, 5]}',
        b'{"session": 5}',
        b"[]",
        b'{"session": 6, "events": [{"ts": 1772442003, "type": "orders", "session": 7}]}',
    )
)
SESSION_MAPS = ("key=s-{line}", "userId=session", "occurredAt=ts")
NO_LIST = "This has no list of objects named 'events'."


async def test_each_object_of_a_list_is_a_row(database: Database, workspace: int, job: MakeJob) -> None:
    made = job(SESSIONS, *SESSION_MAPS, each="events", translate=("type:orders=CONVERSION",))
    result = await import_file(database, workspace, made)
    assert (result.counts.rows_read, result.counts.accepted, result.counts.rejected) == (7, 2, 5)
    # Of the line's own fields and the object's, the object's are taken.
    assert await stored(database, workspace, "user_id", "type") == [
        ("s-1", "1", "CLICK"),
        ("s-7", "7", "CONVERSION"),
    ]
    lines = SESSIONS.decode().splitlines()
    assert rejects(result) == [
        (2, [("type", NO_TYPE)], {"session": 1, "ts": 1772442001, "type": "carts"}),
        (3, [(None, NO_LIST)], {"text": lines[2]}),
        (4, [(None, NO_LIST)], {"text": lines[3]}),
        (5, [(None, NO_LIST)], {"text": lines[4]}),
        (6, [(None, "This is not a JSON object.")], {"text": "[]"}),
    ]


async def test_words_are_translated_before_they_are_read(database: Database, workspace: int, job: MakeJob) -> None:
    content = HEADER + "a,buy=1,1772442000,none,5,\nb,carts,1772442000,ada,,\nc,,1772442000,Ada,,\n"
    words = ("type:buy=1=CONVERSION", "type:carts=CLICK", "type:=IMPRESSION", "userId:none=", "currency:=EUR")
    result = await import_file(database, workspace, job(content, translate=words))
    assert result.counts == Counts(rows_read=3, accepted=3)
    assert await stored(database, workspace, "type", "user_id", "value_currency") == [
        ("a", "CONVERSION", None, "EUR"),
        ("b", "CLICK", "ada", None),
        ("c", "IMPRESSION", "Ada", None),
    ]


async def test_values_of_json_are_translated_as_they_are_written(
    database: Database, workspace: int, job: MakeJob
) -> None:
    types: tuple[Any, ...] = (1, True, None, 2)
    rows = [{"key": str(n), "type": one, "occurredAt": 1772442000} for n, one in enumerate(types)]
    words = ("type:1=CLICK", "type:true=CONVERSION", "type:=IMPRESSION")
    result = await import_file(database, workspace, job(b"\n".join(map(orjson.dumps, rows)), translate=words))
    assert await stored(database, workspace, "type") == [("0", "CLICK"), ("1", "CONVERSION"), ("2", "IMPRESSION")]
    assert [line for line, _, _ in rejects(result)] == [4]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (HEADER, {"each": "events"}, "--each is for JSON Lines: rows of CSV hold no lists."),
        ('{"event": []}', {"each": "events"}, "--each events: the file begins without a list of objects of that name."),
        (HEADER, {"currency": "euro"}, "--currency: A currency is three capital letters, ISO 4217."),
        (HEADER, {"translate": ("data:a=b",)}, "--translate data: nothing feeds data."),
        (
            HEADER,
            {"translate": ("campaign:a=b",)},
            "Name one campaign for all rows, or map the field campaign: not both.",
        ),
        (HEADER, {"channel": " "}, "--channel: This must not be empty."),
        ("key,occurredAt\n", {}, "Nothing in the file gives type."),
    ],
)
async def test_what_cannot_work_is_said_before_anything_is_written(
    database: Database, workspace: int, job: MakeJob, content: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportFailedError) as error:
        await import_file(database, workspace, job(content, **options))
    assert str(error.value).startswith(message)
    assert await count(database, workspace, "import_runs") == 0


async def test_what_is_twice_counts_once(database: Database, workspace: int, job: MakeJob) -> None:
    content = HEADER + "a,CLICK,1772442000,ada,,\nb,CLICK,1772442000,ada,,\na,IMPRESSION,1772442000,eva,,\n"
    result = await import_file(database, workspace, job(content))
    assert result.counts == Counts(3, 2, 1, 0)
    again = await import_file(database, workspace, replace(job(content), again=True))
    assert again.counts == Counts(3, 0, 3, 0)
    assert await stored(database, workspace, "type", "user_id") == [("a", "CLICK", "ada"), ("b", "CLICK", "ada")]
    assert await totals(database, workspace) == (0, 2, 0, 1)


MANY = b"\n".join(
    orjson.dumps(
        {"session": n, "events": [{"ts": 1772442000 + n, "type": kind} for kind in ("clicks", "carts", "orders")]}
    )
    for n in range(10)
)
"""30 rows; every third is rejected."""


@pytest.mark.parametrize("stopped_at", [0, 4, 16, 28])
async def test_a_stopped_import_goes_on_within_a_line(
    database: Database, workspace: int, job: MakeJob, stopped_at: int
) -> None:
    seen: list[Progress] = []
    made = job(MANY, *SESSION_MAPS, each="events", translate=("type:orders=CONVERSION",), chunk=4)
    stopped = await import_file(database, workspace, made, seen.append, lambda: seen[-1].counts.rows_read >= stopped_at)
    assert stopped.outcome is Outcome.STOPPED
    result = await import_file(database, workspace, replace(made, chunk=7))
    assert (result.outcome, result.resumed_from) == (Outcome.FINISHED, max(stopped_at, 4))
    assert (result.counts.rows_read, result.counts.accepted, result.counts.duplicates) == (30, 20, 0)
    assert [line for line, _, _ in rejects(result)] == list(range(2, 30, 3))
    assert {key for (key,) in await stored(database, workspace)} == {f"s-{n}" for n in range(1, 31) if n % 3 != 2}
    assert await totals(database, workspace) == (0, 10, 10, 10)


async def test_options_are_part_of_what_a_run_is(database: Database, workspace: int, job: MakeJob) -> None:
    first = job(MANY, *SESSION_MAPS, each="events")
    assert (await import_file(database, workspace, first)).counts.accepted == 10
    assert (await import_file(database, workspace, first)).outcome is Outcome.KNOWN
    more = job(MANY, *SESSION_MAPS, each="events", translate=("type:orders=CONVERSION", "type:carts=CLICK"))
    result = await import_file(database, workspace, more)
    assert result.counts == Counts(30, 20, 10, 0)


async def test_impressions_have_channels_and_translations_too(
    database: Database, workspace: int, tmp_path: Path, campaign: int
) -> None:
    file = tmp_path / "log.csv"
    file.write_text("key,occurredAt,channel,audience,clicked\na,1772442000,Search,Young,ja\n")
    job = Job(file, campaign="spring", create_channels=True, translations={"clicked": {"ja": "yes"}})
    assert (await import_file(database, workspace, job)).counts == Counts(1, 1)
    async with database.write(workspace) as transaction:
        row = await transaction.row(
            text(
                "SELECT c.name, a.name, i.clicked_at IS NOT NULL FROM impressions i "
                "JOIN channels c ON c.id = i.channel_id JOIN audiences a ON a.id = i.audience_id"
            )
        )
    assert tuple(row) == ("Search", "Young", True)


async def test_two_imports_at_once_make_channels_and_campaigns_once(
    database: Database, workspace: int, job: MakeJob
) -> None:
    rows = [f"k{n},CLICK,1772442000,c{n % 5},channel {n % 7},audience {n % 3}" for n in range(60)]
    header = "key,type,occurredAt,campaign,channel,audience\n"
    options: dict[str, Any] = {"campaign": None, "create_campaigns": True, "create_channels": True, "chunk": 6}
    there = job(header + "\n".join(rows), name="there", **options)
    back = job(header + "\n".join(reversed(rows)), name="back", **options)
    first, second = await asyncio.gather(*(import_file(database, workspace, one) for one in (there, back)))
    assert first.counts.accepted + second.counts.accepted == 60
    assert first.counts.duplicates + second.counts.duplicates == 60
    made = [await count(database, workspace, table) for table in ("campaigns", "channels", "audiences")]
    assert made == [6, 7, 3]
    assert await count(database, workspace, "campaign_channels") == 35
    assert await totals(database, workspace) == (0, 60, 0, 0)
