"""Importing impressions: what goes in, what is rejected and why, and what an interruption leaves behind."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from db.engine import Database
from jobs.imports import mapping, translating
from jobs.imports.errors import ImportFailedError
from jobs.imports.impressions import FIELDS
from jobs.imports.run import Counts, Job, Outcome, import_file
from tests.imported import HEADER, rejects, stored

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def test_a_csv_file_becomes_rows(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    content = (
        "key,occurredAt,user_id,isViewable,viewableDurationMs,clickedAt,cpiRate,chargedAt,ipAddress,placement\n"
        'a,2026-03-02T10:00:00+01:00,ada,yes,1500,2026-03-02T09:00:05Z,0.0035,1772442000,2001:db8::1,"feed, top"\r\n'
        "b,1772442000000,,,,,,,,\n"
    )
    result = await import_file(database, workspace, job(content))
    assert result.outcome is Outcome.FINISHED
    assert result.counts == Counts(rows_read=2, accepted=2)
    assert not result.rejects.exists()
    names = ("occurred_at", "user_id", "is_viewable", "viewable_duration_ms", "cpi_rate", "charged_at", "placement")
    assert await stored(database, workspace, *names) == [
        ("a", NINE, "ada", True, 1500, Decimal("0.0035"), NINE, "feed, top"),
        ("b", NINE, None, None, None, None, None, None),
    ]


async def test_json_lines_and_gzip_are_told_by_content(
    database: Database, workspace: int, job: Callable[..., Job]
) -> None:
    rows = [
        {"key": "a", "occurredAt": "2026-03-02 09:00:00.5+00:00", "userId": 17, "clicked": True, "more": [1]},
        {"key": "b", "occurredAt": 1772442000, "cpiRate": 0.0035, "charged": 1, "converted": None},
    ]
    content = b"\xef\xbb\xbf" + b"\n\n".join(map(orjson.dumps, rows))
    result = await import_file(database, workspace, job(gzip.compress(content), name="plain.txt"))
    assert result.counts == Counts(rows_read=2, accepted=2)
    half = NINE.replace(microsecond=500_000)
    assert await stored(database, workspace, "user_id", "clicked_at", "charged_at", "cpi_rate") == [
        ("a", "17", half, None, None),
        ("b", None, None, NINE, Decimal("0.0035")),
    ]


async def test_templates_make_fields_of_columns(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    content = "timestamp,f0,f1,place\n2026-03-02T09:00Z,x,y,100%\n2026-03-02T09:00Z,x,,\n2026-03-02T09:00Z,,,{}\n"
    maps = ("key=ob-{line}", "occurred_at=timestamp", "userId={f0}-{f1}", "placement={{{place}}}")
    result = await import_file(database, workspace, job(content, *maps))
    assert result.counts.accepted == 3
    assert await stored(database, workspace, "user_id", "placement") == [
        ("ob-1", "x-y", "{100%}"),
        ("ob-2", "x-", None),
        ("ob-3", None, "{{}}"),
    ]


async def test_flags_happen_at_the_time_of_the_impression(
    database: Database, workspace: int, job: Callable[..., Job]
) -> None:
    content = (
        "key,occurredAt,clicked,clickedAt,converted,charged\na,1772442000,T,1772442060,0,YES\nb,1772442000,,,no,\n"
    )
    await import_file(database, workspace, job(content))
    assert await stored(database, workspace, "clicked_at", "converted_at", "charged_at", "cpi_rate") == [
        ("a", NINE.replace(minute=1), None, NINE, Decimal("0.5")),
        ("b", None, None, None, None),
    ]


TIME = "This is not a time as RFC 3339 writes it, nor seconds or milliseconds since 1970."
RANGE = "Times reach from the year 2000 to a year ahead."
EMPTY = "This must not be empty."
NOT_BOOLEAN = "This must be true or false (or 1, 0, yes, no, t, f)."


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"key": ""}, [("key", EMPTY)]),
        ({"key": "k" * 201}, [("key", "At most 200 characters; there are 201.")]),
        ({"occurredAt": ""}, [("occurredAt", EMPTY)]),
        ({"occurredAt": "yesterday"}, [("occurredAt", TIME)]),
        ({"occurredAt": "9" * 400}, [("occurredAt", TIME)]),
        ({"occurredAt": "1999-12-31T23:59:59Z"}, [("occurredAt", RANGE)]),
        (
            {"occurredAt": "2026-03-02 09:00:00"},
            [("occurredAt", "A time without an offset; --time-zone says which zone it is in.")],
        ),
        ({"clicked": "maybe"}, [("clicked", NOT_BOOLEAN)]),
        (
            {"clicked": "no", "clickedAt": "1772442000"},
            [("clicked", "This is false, but clickedAt is given.")],
        ),
        ({"isViewable": "2"}, [("isViewable", NOT_BOOLEAN)]),
        ({"viewableDurationMs": "1.5"}, [("viewableDurationMs", "This must be a whole number.")]),
        ({"viewableDurationMs": "-1"}, [("viewableDurationMs", "Milliseconds from 0 to 2147483647.")]),
        ({"cpiRate": "1_0"}, [("cpiRate", "This must be a decimal number.")]),
        ({"cpiRate": "-1"}, [("cpiRate", "This must be zero or more.")]),
        ({"ipAddress": "10.0.0.256"}, [("ipAddress", "This is not an IP address.")]),
        ({"userAgent": "a\0b"}, [("userAgent", "A text cannot hold the character U+0000.")]),
        ({"profileId": "p"}, [("userId", "A profile needs a user.")]),
        (
            {"key": "", "occurredAt": "x", "cpiRate": "x"},
            [
                ("occurredAt", TIME),
                ("cpiRate", "This must be a decimal number."),
                ("key", EMPTY),
            ],
        ),
    ],
)
async def test_a_row_is_rejected_with_all_its_problems(
    database: Database, workspace: int, job: Callable[..., Job], fields: dict[str, str], problems: list[Any]
) -> None:
    row = {"key": "bad", "occurredAt": "1772442000", **fields}
    good = dict.fromkeys(row, "") | {"key": "good", "occurredAt": "1772442000"}
    content = "\n".join(",".join(line) for line in (row, good.values(), row.values()))
    result = await import_file(database, workspace, job(content))
    assert result.counts == replace(Counts(2, 1, 0, 1), rejects_bytes=result.rejects.stat().st_size)
    found = rejects(result)
    assert [(line, sorted(found)) for line, found, _ in found] == [(2, sorted(problems))]
    assert found[0][2] == row
    assert await stored(database, workspace) == [("good",)]


async def test_broken_csv_costs_the_broken_lines_only(
    database: Database, workspace: int, job: Callable[..., Job]
) -> None:
    lines = [b"a,1772442000,ada,", b"b,1772442000", b'c,1772442000,"never closed,', b"d,1772442000,\xff\xfe,", b"",
             b"e,1772442000,eva,,,", b'f,1772442000,"x"y,', b'g,1772442000,"two\nlines",']  # fmt: skip
    result = await import_file(database, workspace, job(HEADER.encode() + b"\n".join(lines)))
    assert await stored(database, workspace, "user_id") == [("a", "ada"), ("g", "two\nlines")]
    assert rejects(result) == [
        (2, [(None, "2 fields where the header has 4.")], {"text": "b,1772442000"}),
        (
            3,
            [(None, "This is not CSV: the quote that opens here is not closed as it should.")],
            {"text": 'c,1772442000,"never closed,'},
        ),
        (4, [(None, "This is not text in UTF-8.")], {"text": r"d,1772442000,\xff\xfe,"}),
        (5, [(None, "6 fields where the header has 4.")], {"text": "e,1772442000,eva,,,"}),
        (6, [(None, "This is not CSV: ',' expected after '\"'.")], {"text": 'f,1772442000,"x"y,'}),
    ]


async def test_broken_json_costs_its_line(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    lines = [b'{"key": "a", "occurredAt": 1772442000}', b'{"key": "b",', b"[1]", b'{"key": "\xff"}',
             b'{"key": true, "occurredAt": {}}', b'{"key": ' + b"[" * 400 + b"]" * 400 + b"}"]  # fmt: skip
    result = await import_file(database, workspace, job(b"\n".join(lines)))
    found = rejects(result)
    assert result.counts.accepted == 1
    assert [line for line, _, _ in found] == [2, 3, 4, 5, 6]
    assert found[0][1][0][1].startswith("This is not JSON: ")
    assert found[1] == (3, [(None, "This is not a JSON object.")], {"text": "[1]"})
    assert found[3][1:] == ([("key", "This must be a text."), ("occurredAt", TIME)], {"key": True, "occurredAt": {}})


async def test_times_without_offset_take_the_zone(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    content = HEADER + "a,2026-03-02 10:00:00,,\nb,2026-03-02 09:00:00Z,,\n"
    await import_file(database, workspace, job(content, time_zone="Europe/Berlin"))
    assert await stored(database, workspace, "occurred_at") == [("a", NINE), ("b", NINE)]


async def test_campaigns_by_column(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    content = "key,occurredAt,campaign\na,1772442000,spring\nb,1772442000,autumn\nc,1772442000,\nd,x,winter\n"
    result = await import_file(database, workspace, job(content, campaign=None))
    assert [(line, problems) for line, problems, _ in rejects(result)] == [
        (2, [("campaign", "No campaign has the key 'autumn'.")]),
        (3, [("campaign", EMPTY)]),
        (4, [("occurredAt", TIME), ("campaign", "No campaign has the key 'winter'.")]),
    ]
    result = await import_file(database, workspace, job(content, campaign=None, create_campaigns=True))
    assert result.counts == replace(Counts(4, 1, 1, 2), rejects_bytes=result.counts.rejects_bytes)
    async with database.write(workspace) as transaction:
        statement = text("SELECT key, name, status, currency, created_by FROM campaigns WHERE key <> 'spring'")
        made = [tuple(row) for row in await transaction.rows(statement)]
    assert made == [("autumn", "autumn", "ACTIVE", "EUR", "import")]


@pytest.mark.parametrize(
    ("content", "maps", "options", "message"),
    [
        ("id,when\n1,2\n", (), {}, "Nothing in the file gives key and occurredAt. It has the columns id, when."),
        ('{"id": 1}', ("key=id",), {}, "Nothing in the file gives occurredAt. It has the columns id."),
        ("id,when\n1,2\n", ("key=nr", "occurredAt=when"), {}, "--map key=nr: the file has no column 'nr'."),
        ("id,id,occurredAt\n", ("key=id",), {}, "The file has several columns named 'id'."),
        (HEADER, (), {"campaign": None}, "Nothing in the file gives campaign."),
        (HEADER, (), {"campaign": "nobody's"}, 'No campaign has the key "nobody\'s".'),
        (HEADER, (), {"time_zone": "Mars/Olympus"}, "No such time zone: Mars/Olympus."),
        ("", (), {}, "The file is empty."),
        ('[{"key": 1}]', (), {}, "The file starts like a JSON array."),
        (HEADER.encode("utf-16"), (), {}, "The file is not text in UTF-8."),
    ],
)
async def test_what_cannot_work_is_said_before_anything_is_written(
    database: Database, workspace: int, job: Callable[..., Job],
    content: str | bytes, maps: Sequence[str], options: dict[str, Any], message: str,
) -> None:  # fmt: skip
    with pytest.raises(ImportFailedError) as error:
        await import_file(database, workspace, job(content, *maps, **options))
    assert str(error.value).startswith(message)
    async with database.write(workspace) as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM import_runs")) == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("key", "it must read field=column"),
        ("nothing=x", "no field 'nothing'. There are: key, userId,"),
        ("key={a", "expected '}' before end of string."),
        ("key={a!r}", "a placeholder is the name of a column in braces"),
    ],
)
def test_a_wrong_mapping_is_refused(option: str, message: str) -> None:
    with pytest.raises(ImportFailedError, match=f"^--map {option}: ".replace("{", r"\{")) as error:
        mapping.parse(FIELDS, [option])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("clicked=x",), "--translate clicked=x: it must read field:value=new-value."),
        (("clicked:x",), "--translate clicked:x: it must read field:value=new-value."),
        (("kind:x=y",), "--translate kind:x=y: no field 'kind'. There are: key, userId,"),
        (("clicked:x=CLICK", "clicked:x=y"), "--translate clicked:x=y: 'x' of clicked is translated twice."),
    ],
)
def test_a_wrong_translation_is_refused(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ImportFailedError) as error:
        translating.parse(FIELDS, options)
    assert str(error.value).startswith(message)
