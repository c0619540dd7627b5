"""POST /ingest/events: every line has its answer, what is acknowledged is there, and nothing counts twice."""

import asyncio
import gzip
import random
from typing import Any

import pytest

from db.queries import channels
from graph import ids
from tests.api import Api, token
from tests.ingest import (
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
    rows,
    send,
    sent,
    written,
)


@pytest.fixture(autouse=True)
async def spring(api: Api, workspace: int) -> str:
    """The id of the campaign ``spring``."""
    async with api.database.write(workspace) as transaction:
        return await create_spring(transaction)


@pytest.fixture
async def search(api: Api, workspace: int) -> str:
    """The id of the channel ``Search``."""
    async with api.database.write(workspace) as transaction:
        return ids.encode("Channel", await channels.create_channel(transaction, "Search", "ADS", None))


@pytest.fixture
async def families(api: Api, workspace: int) -> str:
    """The id of the audience ``Families``."""
    async with api.database.write(workspace) as transaction:
        return ids.encode("Audience", await channels.create_audience(transaction, "Families", None))


async def test_each_line_has_its_answer(api: Api) -> None:
    await sent(api, event("known"))
    answer = await sent(
        api,
        event("new"),
        b"",
        event("known"),
        event("new"),
        b"{oops}",
        event("late", occurredAt="1999-12-31T23:59:59Z"),
        b"  \r",
        event("unknown", campaign="autumn"),
        event("last"),
    )
    assert answer == [
        accepted(1, "new"),
        duplicate(3, "known"),
        duplicate(4, "new"),
        rejected(5, None, "INVALID", "This is not JSON in UTF-8: look at character 2."),
        rejected(6, "late", "INVALID", "Times begin with the year 2000.", "occurredAt"),
        rejected(8, "unknown", "NOT_FOUND", "No such campaign.", "campaign"),
        accepted(9, "last"),
        counts(accepted=2, duplicates=2, rejected=3),
    ]
    assert await clicks_counted(api.database) == (3, 3)


async def test_all_that_a_line_says_is_kept(api: Api, spring: str, search: str, families: str) -> None:
    whole = event(
        "a",
        type="CONVERSION",
        campaign=None,
        campaignId=spring,
        channelId=search,
        audienceId=families,
        userId="u1",
        occurredAt="2026-03-01T13:00:00.5+01:00",
        value={"amount": "1.50", "currency": "EUR"},
        data={"länge": [1, 2.5, None]},
    )
    by_name = {**whole, "key": "b", "campaignId": None, "channelId": None, "audienceId": None}
    by_name |= {"campaign": "spring", "channel": "Search", "audience": "Families"}
    assert await sent(api, whole, by_name) == [accepted(1, "a"), accepted(2, "b"), counts(accepted=2)]
    found = await rows(
        api.database,
        "SELECT key, type, campaign_id, channel_id, audience_id, user_id, occurred_at::text, value_amount::text, "
        "value_currency, data::text FROM events ORDER BY key",
    )
    known = [ids.key_of(kind, one) for kind, one in (("Campaign", spring), ("Channel", search), ("Audience", families))]
    rest = ("u1", "2026-03-01 12:00:00.5+00", "1.50", "EUR", '{"länge":[1,2.5,null]}')
    assert found == [(key, "CONVERSION", *known, *rest) for key in "ab"]


async def test_what_is_named_must_be_there(api: Api, spring: str) -> None:
    answer = await sent(
        api,
        event("a", campaign=None, campaignId=ids.encode("Campaign", 999)),
        event("b", channel="Radio", audience="Nobody"),
        event("c", channelId=spring),
        event("d", campaignId=spring),
    )
    assert answer == [
        rejected(1, "a", "NOT_FOUND", "No such campaign.", "campaignId"),
        {
            "line": 2,
            "key": "b",
            "status": "rejected",
            "errors": [
                {"code": "NOT_FOUND", "message": "No such channel.", "field": ["channel"]},
                {"code": "NOT_FOUND", "message": "No such audience.", "field": ["audience"]},
            ],
        },
        rejected(3, "c", "INVALID", "This is the id of a Campaign; a Channel is needed.", "channelId"),
        rejected(4, "d", "INVALID", "Give campaignId or campaign, not both.", "campaign"),
        counts(rejected=4),
    ]


async def test_another_workspace_s_things_are_not_there(
    api: Api, other_workspace: int, search: str, families: str
) -> None:
    async with api.database.write(other_workspace) as transaction:
        foreign = await create_spring(transaction, "theirs")
    own = token("other")
    assert await sent(
        api,
        event("a", campaign="spring"),
        event("b", campaign="theirs", channelId=search),
        event("c", campaign="theirs", audienceId=families),
        event("d", campaign="theirs", channel="Search", audience="Families"),
        event("e", campaign="theirs"),
        credential=own,
    ) == [
        rejected(1, "a", "NOT_FOUND", "No such campaign.", "campaign"),
        rejected(2, "b", "NOT_FOUND", "No such channel.", "channelId"),
        rejected(3, "c", "NOT_FOUND", "No such audience.", "audienceId"),
        {
            "line": 4,
            "key": "d",
            "status": "rejected",
            "errors": [
                {"code": "NOT_FOUND", "message": "No such channel.", "field": ["channel"]},
                {"code": "NOT_FOUND", "message": "No such audience.", "field": ["audience"]},
            ],
        },
        accepted(5, "e"),
        counts(accepted=1, rejected=4),
    ]
    assert (await sent(api, event("e", campaign=None, campaignId=foreign)))[0] == rejected(
        1, "e", "NOT_FOUND", "No such campaign.", "campaignId"
    )


async def test_what_is_rejected_is_kept_as_it_came(api: Api, workspace: int) -> None:
    for _ in range(2):
        await sent(api, b"\xff{", b'{"key": "a", "colour": "red"}', b"\xff{", event("good"))
    found = await rows(
        api.database,
        "SELECT workspace_id, api_client_id, key, payload, received, jsonb_array_length(problems) "
        "FROM dead_letters ORDER BY payload",
    )
    assert found == [
        (workspace, None, None, "\\xff{", 4, 1),
        (workspace, None, "a", '{"key": "a", "colour": "red"}', 2, 4),
    ]


async def test_of_those_with_one_key_the_first_stays(api: Api) -> None:
    kinds = ("CONVERSION", "CLICK", "IMPRESSION")
    answer = await sent(api, *[event("a", type=kind) for kind in kinds], event("A"))
    assert answer[:-1] == [accepted(1, "a"), duplicate(2, "a"), duplicate(3, "a"), accepted(4, "A")]
    assert await rows(api.database, "SELECT type FROM events WHERE key = 'a'") == [("CONVERSION",)]


async def test_what_postgresql_cannot_hold_is_rejected_and_kept(api: Api) -> None:
    lines = [
        event("a\0"),
        event("b", data="\0"),
        event("c", **{"\0": 1}),
        event("d", channel="\0"),
        event("e", type="\0"),
    ]
    answer = await sent(api, *lines, event("good"))
    assert [line["status"] for line in answer[:-1]] == [*["rejected"] * 5, "accepted"]
    assert await rows(api.database, "SELECT count(*) FROM dead_letters") == [(5,)]


async def partner(api: Api, spring: str) -> str:
    """The secret of an API client to which only the campaign ``spring`` is granted."""
    made = await api.as_(token(scopes=("admin",))).data(
        'mutation ($ids: [ID!]) { createApiClient(input: {name: "P", scopes: [INGEST], campaignIds: $ids}) { secret } }',
        ids=[spring],
    )
    secret: str = made["createApiClient"]["secret"]
    return secret


async def test_a_restricted_client_reaches_its_own_campaigns(
    api: Api, workspace: int, spring: str, search: str, families: str
) -> None:
    async with api.database.write(workspace) as transaction:
        hidden = await create_spring(transaction, "hidden")
    secret = await partner(api, spring)
    answer = await sent(
        api,
        event("a"),
        event("b", campaign="hidden"),
        event("c", campaign=None, campaignId=hidden),
        event("d", channelId=search),
        event("e", audienceId=families),
        event("f", audience="Families"),
        credential=secret,
    )
    assert answer == [
        accepted(1, "a"),
        rejected(2, "b", "NOT_FOUND", "No such campaign.", "campaign"),
        rejected(3, "c", "NOT_FOUND", "No such campaign.", "campaignId"),
        rejected(4, "d", "NOT_FOUND", "No such channel.", "channelId"),
        rejected(5, "e", "NOT_FOUND", "No such audience.", "audienceId"),
        rejected(6, "f", "NOT_FOUND", "No such audience.", "audience"),
        counts(accepted=1, rejected=5),
    ]
    [(letters,)] = await rows(api.database, "SELECT count(*) FROM dead_letters WHERE api_client_id IS NOT NULL")
    assert letters == 5


async def test_a_key_that_a_restricted_client_cannot_see_is_taken_all_the_same(
    api: Api, workspace: int, spring: str
) -> None:
    async with api.database.write(workspace) as transaction:
        await create_spring(transaction, "hidden")
    await sent(api, event("a", campaign="hidden"))
    answer = await sent(api, event("a"), event("b"), credential=await partner(api, spring))
    assert answer == [duplicate(1, "a"), accepted(2, "b"), counts(accepted=1, duplicates=1)]


async def test_a_channel_that_the_campaign_is_on_is_seen_by_a_restricted_client(
    api: Api, spring: str, search: str
) -> None:
    await sent(api, event("a", channelId=search))
    secret = await partner(api, spring)
    answer = await sent(api, event("b", channel="Search"), event("c", channelId=search), credential=secret)
    assert answer == [accepted(1, "b"), accepted(2, "c"), counts(accepted=2)]


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n\t\n"])
async def test_nothing_is_answered_with_no_lines(api: Api, body: bytes) -> None:
    response = await send(api, body)
    assert (response.status_code, lines_of(response)) == (200, [counts()])


async def test_the_last_line_needs_no_end(api: Api) -> None:
    response = await send(api, written(event("a")).strip())
    assert lines_of(response) == [accepted(1, "a"), counts(accepted=1)]


async def test_one_event_as_json_may_have_many_lines(api: Api) -> None:
    body = b'\n{\n"key": "a", "type": "CLICK",\n "campaign": "spring", "occurredAt": "2026-03-01T12:00:00Z"}\n'
    response = await send(api, body, content_type="application/json; charset=utf-8")
    assert lines_of(response) == [accepted(1, "a"), counts(accepted=1)]


async def test_gzip_is_unpacked_whatever_its_members(api: Api) -> None:
    lines = written(*clicks(1, 3))
    packed = gzip.compress(lines[:50]) + gzip.compress(b"") + gzip.compress(lines[50:])
    response = await send(api, packed, content_encoding="gzip")
    assert lines_of(response)[-1] == counts(accepted=3)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not gzip",
        gzip.compress(written(event("a")))[:-1],
        gzip.compress(written(event("a"))) + b"more",
        gzip.compress(written(event("a")))[:-8] + b"12345678",
    ],
    ids=["empty", "other", "cut", "more", "sum"],  # gzip writes down when it packed
)
async def test_broken_gzip_changes_nothing(api: Api, packed: bytes) -> None:
    response = await send(api, packed, content_encoding="gzip")
    message = "The body is not gzip, or not all of it. Nothing was recorded."
    assert error_of(response) == (400, "BAD_USER_INPUT", message)
    assert await clicks_counted(api.database) == (0, 0)


async def test_batches_are_joined_by_the_answer(api: Api) -> None:
    answer = await sent(api, *clicks(1, 1500), *clicks(1400, 2500))
    assert answer[:-1] == [
        *[accepted(line, f"k{line}") for line in range(1, 1501)],
        *[duplicate(1501 + n, f"k{1400 + n}") for n in range(101)],
        *[accepted(1602 + n, f"k{1501 + n}") for n in range(1000)],
    ]
    assert answer[-1] == counts(accepted=2500, duplicates=101)
    assert await clicks_counted(api.database) == (2500, 2500)


async def test_many_that_send_the_same_at_once_count_once(api: Api) -> None:
    events = [event(f"k{n % 2000}", userId=f"u{n % 70}", type="CLICK" if n % 2 else "IMPRESSION") for n in range(2500)]
    chance = random.Random(6)

    async def deliver() -> list[Any]:
        answers = []
        for _ in range(3):
            answers.append((await sent(api, *events))[-1])
            chance.shuffle(events)
        return answers

    answers = [one for each in await asyncio.gather(*[deliver() for _ in range(8)]) for one in each]
    assert sum(one["accepted"] for one in answers) == 2000
    assert sum(one["duplicates"] for one in answers) == 24 * 2500 - 2000
    found = await rows(
        api.database,
        "SELECT sum(impressions)::int, sum(clicks)::int, sum(unique_users)::int, sum(campaign_unique_users)::int "
        "FROM event_totals",
    )
    assert found == [(1000, 1000, 70, 70)]
    assert await rows(api.database, "SELECT count(*) FROM events") == [(2000,)]


async def test_a_long_answer_leaves_out_what_is_wrong(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.ingest_events.report.ROOM", 100)
    answer = await sent(api, *(event("k", occurredAt="x") for _ in range(3)))
    assert answer[0]["errors"][0]["field"] == ["occurredAt"]
    left_out = "The answer is too long to say what is wrong; the dead letter says it."
    assert answer[2]["errors"] == [{"code": "INVALID", "message": left_out, "field": []}]
    assert answer[3] == counts(rejected=3)
