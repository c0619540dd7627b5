"""What becomes of mails is recorded once, changes what follows from it, and nothing else."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.errors import Problem
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import FIRSTS, EmailEventType
from db.queries.email_events import recording
from db.queries.email_events.recording import NOT_SENT, UNKNOWN, UNKNOWN_LINK, Recorded, is_hard
from tests.facts import NOON
from tests.mailings import Made, mailing_of

T = EmailEventType
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
URL, OTHER_URL = "https://groundswell.example/a", "https://groundswell.example/{{ name }}"


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, Made]:
    """A mailing sent to three of four, one of a second campaign with a link of its own, and another workspace's."""
    return {
        "mailing": await mailing_of(database, workspace, 4, sent=3, links=[URL, OTHER_URL]),
        "second": await mailing_of(database, workspace, 2, sent=2, name="Second", links=[URL]),
        "foreign": await mailing_of(database, other_workspace, 1, sent=1),
    }


@pytest.fixture
def made(filled: tuple[str, dict[str, Made]]) -> Made:
    """The first mailing."""
    return filled[1]["mailing"]


def did(key: str, recipient: int, kind: EmailEventType, seconds: float = 60, **values: Any) -> NewEmailEvent:
    """An event, so many seconds after the mail was sent."""
    return NewEmailEvent(key, recipient, kind, NOON + timedelta(seconds=seconds), **values)


async def record(database: Database, workspace: int, *items: NewEmailEvent) -> Recorded:
    """Records some events in one transaction."""
    async with database.write(workspace) as transaction:
        return await recording.record(transaction, items)


async def read(database: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows, of all workspaces."""
    async with database.everywhere() as transaction:
        return [tuple(row) for row in await transaction.rows(text(sql), values)]


async def recipient(database: Database, recipient_id: int, *columns: str) -> tuple[Any, ...]:
    """Some columns of a recipient; times in seconds after noon."""
    [row] = await read(database, f"SELECT {', '.join(columns)} FROM recipients WHERE id = :id", id=recipient_id)
    return tuple((value - NOON).total_seconds() if hasattr(value, "tzinfo") else value for value in row)


async def test_a_batch_of_all_sorts_is_taken_item_by_item(
    database: Database, workspace: int, filled: tuple[str, dict[str, Made]]
) -> None:
    made, foreign = filled[1]["mailing"], filled[1]["foreign"]
    one, two, _, unsent = made.recipient_ids
    first = await record(database, workspace, did("a", one, T.OPEN), did("a", two, T.REPLY))
    assert first == Recorded(1, 1, {})
    second = await record(
        database,
        workspace,
        did("a", 2**60, T.OPEN),  # known, whatever else it says
        did("b", 2**60, T.OPEN),
        did("c", foreign.recipient_ids[0], T.OPEN),
        did("d", unsent, T.BOUNCE),
        did("e", one, T.CLICK, link_id=filled[1]["second"].link_ids[0]),
        did("b", one, T.CLICK, link_id=made.link_ids[0]),
    )
    rejected: dict[int, list[Problem]] = {1: [UNKNOWN], 2: [UNKNOWN], 3: [NOT_SENT], 4: [UNKNOWN_LINK]}
    assert second == Recorded(1, 1, rejected)
    assert await read(database, "SELECT key, type FROM email_events ORDER BY key") == [("a", "OPEN"), ("b", "CLICK")]
    assert await recipient(database, two, "status", "replied_at") == ("SENT", None)


async def test_of_each_type_the_first_is_kept_in_whatever_order_they_come(
    database: Database, workspace: int, made: Made
) -> None:
    seconds = {kind: 100 + 10 * n for n, kind in enumerate(EmailEventType)}
    items = [
        did(f"{kind}{extra}", made.recipient_ids[0], kind, seconds[kind] + extra) for kind in T for extra in (7, 0, 3)
    ]
    for start in range(0, len(items), 4):
        await record(database, workspace, *items[start : start + 4])
    assert await recipient(database, made.recipient_ids[0], *FIRSTS.values()) == tuple(seconds[kind] for kind in FIRSTS)


async def test_a_click_is_an_open_and_machines_change_nothing(database: Database, workspace: int, made: Made) -> None:
    one, two, three, _ = made.recipient_ids
    before = await read(database, "SELECT id, updated_at FROM recipients ORDER BY id")
    await record(
        database,
        workspace,
        did("scanner", one, T.CLICK, 2.9, link_id=made.link_ids[0]),
        did("proxy", two, T.OPEN, is_machine=True),
    )
    assert await read(database, "SELECT id, updated_at FROM recipients ORDER BY id") == before
    assert await read(database, "SELECT is_machine FROM email_events") == [(True,), (True,)]
    assert await read(database, "SELECT count(*) FROM link_totals") == [(0,)]
    await record(database, workspace, did("person", three, T.CLICK, 3), did("later", three, T.OPEN, 9))
    assert await recipient(database, three, "opened_at", "clicked_at", "status") == (3, 3, "SENT")


async def test_an_event_is_evidence_that_the_mail_was_sent(database: Database, workspace: int, made: Made) -> None:
    unsure = made.recipient_ids[3]
    async with database.write(workspace) as transaction:
        tried = "UPDATE recipients SET intent_at = :at, uncertain_at = :at WHERE id = :id"
        await transaction.run(text(tried), {"at": NOON, "id": unsure})
    await record(database, workspace, did("scanner", unsure, T.OPEN, 1))
    assert await recipient(database, unsure, "status", "sent_at") == ("UNCERTAIN", None)
    await record(database, workspace, did("reply", unsure, T.REPLY, 50))
    assert await recipient(database, unsure, "status", "sent_at", "uncertain_at", "replied_at") == ("SENT", 0, 0, 50)


async def test_who_leaves_complains_or_is_not_there_is_not_sent_to_any_more(
    database: Database, workspace: int, filled: tuple[str, dict[str, Made]]
) -> None:
    one, two, three, _ = filled[1]["mailing"].recipient_ids
    gone = {"bounceType": "Permanent", "diagnostic_code": "smtp; 550 no such user"}
    first = (did("b", one, T.BOUNCE, 70, data=gone), did("s", two, T.BOUNCE, data={"status": "4.2.2"}))
    await record(database, workspace, *first)
    await record(database, workspace, did("u", one, T.UNSUBSCRIBE, 60), did("c", three, T.COMPLAIN, 61))
    found = "SELECT address, reason, recipient_id, since FROM suppressions ORDER BY address"
    assert await read(database, found) == [
        ("lead0@news.example", "BOUNCED", one, NOON + timedelta(seconds=70)),
        ("lead2@news.example", "COMPLAINED", three, NOON + timedelta(seconds=61)),
    ]
    left = "SELECT address, unsubscribed_at FROM leads WHERE unsubscribed_at IS NOT NULL"
    assert await read(database, left) == [("lead0@news.example", NOON + timedelta(seconds=60))]
    await record(database, workspace, did("earlier", one, T.UNSUBSCRIBE, 30), did("late", one, T.UNSUBSCRIBE, 90))
    assert await read(database, left) == [("lead0@news.example", NOON + timedelta(seconds=30))]
    assert await recipient(database, one, "status", "error_message") == ("UNSUBSCRIBED", "smtp; 550 no such user")
    assert await recipient(database, two, "status", "error_message") == ("BOUNCED", None)


async def test_what_a_person_says_holds_for_the_address_that_they_have_by_now(
    database: Database, workspace: int, made: Made
) -> None:
    one, two, three = made.recipient_ids[:3]
    async with database.write(workspace) as transaction:
        moved = "UPDATE leads SET email = 'new' || id || '@news.example', address = 'new' || id || '@news.example'"
        await transaction.run(text(moved))
    gone = {"bounceType": "Permanent"}
    await record(
        database,
        workspace,
        did("a", one, T.UNSUBSCRIBE),
        did("b", two, T.COMPLAIN),
        did("c", three, T.BOUNCE, data=gone),
    )
    first, second = made.lead_ids[:2]
    assert await read(database, "SELECT address, reason FROM suppressions ORDER BY recipient_id, address") == [
        ("lead0@news.example", "UNSUBSCRIBED"),
        (f"new{first}@news.example", "UNSUBSCRIBED"),
        ("lead1@news.example", "COMPLAINED"),
        (f"new{second}@news.example", "COMPLAINED"),
        ("lead2@news.example", "BOUNCED"),
    ]
    left = "SELECT id, unsubscribed_at FROM leads WHERE unsubscribed_at IS NOT NULL"
    assert await read(database, left) == [(first, NOON + timedelta(seconds=60))]


HARD: tuple[Any, ...] = (
    {"bounceType": "Permanent"},
    {"bounce_type": "HARD"},
    {"errorCode": 550},
    {"error_code": "551"},
    {"status": "5.1.1"},
    {"enhancedStatus": "5.0.0 (gone)"},
    {"enhanced_status": "5.1.1"},
)
SOFT: tuple[Any, ...] = (
    None,
    {},
    {"bounceType": "Transient", "status": "5.2.2"},
    {"errorCode": 450},
    {"errorCode": 5500},
    {"status": "4.5.5"},
    {"status": ["5.1.1"]},
    {"bounceType": True},
)


def test_which_bounces_are_final() -> None:
    assert [is_hard(data) for data in (*HARD, *SOFT)] == [True] * len(HARD) + [False] * len(SOFT)


async def test_a_click_is_put_to_the_link_that_it_names(
    database: Database, workspace: int, filled: tuple[str, dict[str, Made]]
) -> None:
    made, second = filled[1]["mailing"], filled[1]["second"]
    names: Sequence[tuple[int, dict[str, str]]] = (
        (made.recipient_ids[0], {"link_url": URL}),
        (made.recipient_ids[0], {"linkUrl": OTHER_URL}),
        (second.recipient_ids[0], {"url": URL}),
        (second.recipient_ids[0], {"url": OTHER_URL}),
    )
    items = [did(f"k{n}", whose, T.CLICK, data=data) for n, (whose, data) in enumerate(names)]
    await record(database, workspace, *items, did("open", made.recipient_ids[0], T.OPEN, data={"url": URL}))
    assert [link for _, link in await read(database, "SELECT key, link_id FROM email_events ORDER BY key")] == [
        *made.link_ids,
        second.link_ids[0],
        None,
        None,
    ]


async def test_a_batch_takes_as_many_statements_whatever_its_size(
    database: Database, workspace: int, made: Made
) -> None:
    seen: list[str] = []
    counts = []
    for size in (10, 20):
        kinds = (T.OPEN, T.CLICK, T.UNSUBSCRIBE, T.BOUNCE)
        items = [
            did(f"{size}.{n}", made.recipient_ids[n % 4], kinds[n % 4], data={"url": URL, "status": "5.1.1"})
            for n in range(size)
        ]
        with database.watched(lambda statement, _: seen.append(statement)):
            await record(database, workspace, *items)
        counts.append(len(seen))
        seen.clear()
    assert counts == [4, 4]  # recipients, links, keys of the rejected, and all the rest


WRITERS, BATCHES, SIZE, KEYS = 20, 20, 8, 600


async def test_twenty_writers_of_the_same_events_neither_deadlock_nor_count_twice(
    database: Database, workspace: int
) -> None:
    mailings = [
        await mailing_of(database, workspace, 8, sent=8, links=[URL, OTHER_URL], name=f"M{n}") for n in range(6)
    ]
    sent: set[int] = set()

    def act(number: int) -> NewEmailEvent:
        made = mailings[number % 6]
        kind = list(T)[number * 5 % 7]
        link = made.link_ids[number % 2] if kind is T.CLICK else None
        whose = made.recipient_ids[number // 6 % 8]
        return did(f"k{number}", whose, kind, number % 50 + 3, link_id=link, data={"status": f"{number % 6}.0.0"})

    async def writer(seed: int) -> int:
        rng, accepted = random.Random(seed), 0
        for _ in range(BATCHES):
            numbers = [rng.randrange(KEYS) for _ in range(SIZE)]
            sent.update(numbers)
            accepted += (await record(database, workspace, *map(act, numbers))).accepted
        return accepted

    assert sum(await asyncio.gather(*map(writer, range(WRITERS)))) == len(sent)
    assert await read(database, DEADLOCKS) == [(0,)]
    clicks = [act(number) for number in sent if act(number).type is T.CLICK]
    by_link = Counter(item.link_id for item in clicks)
    by_person = Counter(link for link, _ in {(item.link_id, item.recipient_id) for item in clicks})
    totals = "SELECT link_id, sum(clicks)::int, sum(unique_clicks)::int FROM link_totals GROUP BY link_id"
    assert await read(database, f"{totals} ORDER BY link_id") == [
        (link, by_link[link], by_person[link]) for link in sorted(link for link in by_link if link is not None)
    ]


async def test_writers_who_share_a_slot_take_the_mailings_of_a_batch_in_one_order(
    database: Database, workspace: int
) -> None:
    # More writers than slots. Clicks are counted with the events, bounces with the recipients: each in its own statement.
    first = await mailing_of(database, workspace, 400, sent=400, links=[URL], name="First")
    other = await mailing_of(database, workspace, 400, sent=400, links=[URL], name="Other")

    async def writer(number: int) -> None:
        clicked, bounced = (first, other) if number % 2 else (other, first)
        for turn in range(20):
            one = number * 20 + turn
            click = did(f"c{one}", clicked.recipient_ids[one], T.CLICK, link_id=clicked.link_ids[0])
            await record(database, workspace, click, did(f"b{one}", bounced.recipient_ids[one], T.BOUNCE))

    await asyncio.gather(*map(writer, range(20)))
    assert await read(database, DEADLOCKS) == [(0,)]
    totals = (
        "SELECT sum(clicked)::int, sum(clicks_total)::int, sum(bounced)::int FROM mailing_totals WHERE mailing_id = :id"
    )
    assert [await read(database, totals, id=made.mailing_id) for made in (first, other)] == [[(200, 200, 200)]] * 2
