"""Every number of mailings, links and campaigns equals a recount of the rows, whatever came twice, late, at once or in another order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import BY_MACHINES, FIRSTS, EmailEventType, RecipientStatus
from db.queries import workspaces
from db.queries.email_events import recording
from db.queries.mailings import numbers
from tests.facts import NOON
from tests.mailings import Made, mailing_of

T, S = EmailEventType, RecipientStatus
MAILINGS, PEOPLE = 3, 6
"""Two mailings of one campaign and one of another, with two links each."""
WHO = st.tuples(st.integers(0, MAILINGS - 1), st.integers(0, PEOPLE - 1))
EVENTS = st.fixed_dictionaries(
    {
        "key": st.integers(0, 60).map("k{}".format),
        "who": WHO,
        "type": st.sampled_from([*T, T.OPEN, T.CLICK, T.CLICK]),
        "seconds": st.integers(-5, 90),
        "machine": st.booleans(),
        "link": st.sampled_from([None, 0, 1]),
        "hard": st.booleans(),
    }
)
BATCHES = st.lists(st.lists(st.lists(EVENTS, max_size=14), min_size=1, max_size=3), max_size=5)
"""Rounds of batches; those of a round are written at once."""
STEPS = {
    "claim": "queued_at = :at, claimed_by = 1, claimed_until = :at",
    "give back": "queued_at = NULL, claimed_by = NULL, claimed_until = NULL, attempts = attempts + 1",
    "intend": "queued_at = :at, intent_at = :at",
    "take": "queued_at = :at, intent_at = :at, sent_at = coalesce(sent_at, :at), claimed_by = NULL, claimed_until = NULL",
    "fail": "failed_at = :at, error_message = 'no'",
    "suppress": "failed_at = :at, is_suppressed = true",
    "lose": "intent_at = :at, uncertain_at = :at",
}
"""What a sender does to a recipient."""
OPEN_TO = {
    "suppress": "sent_at IS NULL AND intent_at IS NULL",
    "take": "NOT is_suppressed",
    "intend": "NOT is_suppressed",
}
SENDING = st.lists(st.tuples(st.sampled_from([*STEPS, "take", "take", "add"]), WHO), max_size=30)
WORKSPACES = iter(range(10_000))
NEEDS = frozenset(numbers.NUMBERS)
TIMES = tuple(FIRSTS.values())


async def start(database: Database) -> tuple[int, list[Made]]:
    """A new workspace with the mailings, half of whose mails are sent."""
    workspace = await workspaces.create(database, f"w{next(WORKSPACES)}", "W", "UTC", "EUR")
    urls = ["https://groundswell.example/a", "https://groundswell.example/b"]
    made: list[Made] = []
    for n in range(MAILINGS):
        campaign = made[0].campaign_id if n == 1 else None
        one = await mailing_of(database, workspace, PEOPLE, sent=3, links=urls, name=f"M{n}", campaign_id=campaign)
        made.append(one)
    return workspace, made


async def send(database: Database, workspace: int, made: Sequence[Made], steps: Any) -> None:
    """What a sender does, each in a transaction of its own; adding somebody and removing again included."""
    for step, (mailing, person) in steps:
        async with database.write(workspace) as transaction:
            if step == "add":
                await _add(transaction, made[mailing], person)
                continue
            change = f"UPDATE recipients SET {STEPS[step]} WHERE id = :id AND {OPEN_TO.get(step, 'true')}"
            values = {"at": NOON, "id": made[mailing].recipient_ids[person]}
            names = {name: value for name, value in values.items() if f":{name}" in change}
            await transaction.run(text(change), names)


async def _add(transaction: Any, made: Made, person: int) -> None:
    """Adds a lead of the mailing to it once more, after taking it out, if nothing became of it yet."""
    gone = await transaction.rows(
        text(
            "DELETE FROM recipients WHERE id = :id AND sent_at IS NULL "
            "AND NOT EXISTS (SELECT FROM email_events WHERE recipient_id = recipients.id) RETURNING *"
        ),
        {"id": made.recipient_ids[person]},
    )
    for row in gone:
        again = "INSERT INTO recipients (workspace_id, mailing_id, lead_id, email_address, address) VALUES (:w, :m, :l, :e, :e)"
        values = {"w": row.workspace_id, "m": row.mailing_id, "l": row.lead_id, "e": row.email_address}
        made.recipient_ids[person] = await transaction.scalar(text(f"{again} RETURNING id"), values)


def item(one: Any, made: Sequence[Made]) -> NewEmailEvent:
    """An event of a history."""
    mailing, person = one["who"]
    kind: EmailEventType = one["type"]
    return NewEmailEvent(
        one["key"],
        made[mailing].recipient_ids[person],
        kind,
        NOON + timedelta(seconds=one["seconds"]),
        data={"status": "5.1.1" if one["hard"] else "4.2.2"},
        is_machine=one["machine"] and kind in BY_MACHINES,
        link_id=made[mailing].link_ids[one["link"]] if kind is T.CLICK and one["link"] is not None else None,
    )


async def record(database: Database, workspace: int, items: Sequence[NewEmailEvent]) -> recording.Recorded:
    """Records some events in a transaction of their own."""
    async with database.write(workspace) as transaction:
        done = await recording.record(transaction, items)
    assert done.accepted + done.duplicates + len(done.rejected) == len(items)
    return done


async def compare(database: Database, workspace: int, made: Sequence[Made]) -> None:
    """Compares all numbers with a recount of the rows."""
    reads = database.reads(workspace)
    try:
        people = await reads.rows(text("SELECT * FROM recipients WHERE workspace_id = :w"), {"w": workspace})
        events = await reads.rows(text("SELECT * FROM email_events WHERE workspace_id = :w"), {"w": workspace})
        ids = [one.mailing_id for one in made]
        campaigns = sorted({one.campaign_id for one in made})
        found = {row.id: row._asdict() for row in await numbers.of_mailings(reads, NEEDS, [*ids, 2**60])}
        whole = {row.id: row._asdict() for row in await numbers.of_campaigns(reads, NEEDS, campaigns)}
        statuses = await numbers.statuses_of(reads, ids)
        links = {
            row.link_id: (row.clicks, row.unique_clicks)
            for row in await numbers.link_numbers(reads, [link for one in made for link in one.link_ids])
        }
    finally:
        await reads.close()
    of: Callable[[Iterable[int]], dict[str, int]] = lambda mine: recount(people, events, set(mine))  # noqa: E731
    assert found == {one: {"id": one, **of([one])} for one in [*ids, 2**60]}
    theirs = {one: [each.mailing_id for each in made if each.campaign_id == one] for one in campaigns}
    assert whole == {one: {"id": one, **of(theirs[one])} for one in campaigns}
    counts = [Counter(status(row) for row in people if row.mailing_id == one) for one in ids]
    assert statuses == [[numbers.StatusCount(kind, count[kind]) for kind in S] for count in counts]
    clicks = [(row.link_id, row.recipient_id) for row in events if row.type == "CLICK" and not row.is_machine]
    assert links == {
        link: (len(mine), len(set(mine)))
        for one in made
        for link in one.link_ids
        for mine in [[whose for clicked, whose in clicks if clicked == link]]
    }


def status(row: Any) -> RecipientStatus:
    """A recipient's, by the times."""
    times = ("unsubscribed_at", "bounced_at", "failed_at", "sent_at", "uncertain_at", "queued_at")
    kinds = (S.UNSUBSCRIBED, S.BOUNCED, S.FAILED, S.SENT, S.UNCERTAIN, S.QUEUED)
    return next((kind for kind, name in zip(kinds, times, strict=True) if getattr(row, name) is not None), S.PENDING)


def recount(people: Iterable[Any], events: Iterable[Any], mailings: set[int]) -> dict[str, int]:
    """The numbers of some mailings together. What became of a mail is counted by the events, not by what was kept of them."""
    mine = [row for row in people if row.mailing_id in mailings]
    did = [row for row in events if row.mailing_id in mailings and not row.is_machine]
    who = {kind: {row.recipient_id for row in did if row.type == kind} for kind in T}
    opened = who[T.OPEN] | who[T.CLICK]
    sent = {row.id for row in mine if row.sent_at is not None}
    return {
        "total_recipients": len(mine),
        "emails_sent": len(sent),
        "emails_delivered": len(sent - who[T.BOUNCE]),
        "emails_opened": len(opened),
        "emails_clicked": len(who[T.CLICK]),
        "emails_replied": len(who[T.REPLY]),
        "emails_bounced": len(who[T.BOUNCE]),
        "emails_failed": sum(row.failed_at is not None for row in mine),
        "emails_suppressed": sum(row.is_suppressed for row in mine),
        "emails_unopened": len(sent - opened - who[T.BOUNCE]),
        "emails_uncertain": sum(status(row) is S.UNCERTAIN for row in mine),
        "unsubscribed": len(who[T.UNSUBSCRIBE]),
        "complained": len(who[T.COMPLAIN]),
        "forwarded": len(who[T.FORWARD]),
        "opens_total": sum(row.type == "OPEN" for row in did),
        "clicks_total": sum(row.type == "CLICK" for row in did),
    }


async def check_times(database: Database, workspace: int) -> None:
    """What is kept of recipients is the earliest of each type; a click counts as an open, and machines as nothing."""
    async with database.write(workspace) as transaction:
        people = await transaction.rows(text("SELECT * FROM recipients WHERE workspace_id = :w"), {"w": workspace})
        events = await transaction.rows(
            text("SELECT * FROM email_events WHERE workspace_id = :w AND NOT is_machine"), {"w": workspace}
        )
    for row in people:
        mine = [one for one in events if one.recipient_id == row.id]
        firsts = {
            column: min((one.occurred_at for one in mine if one.type in _types(kind)), default=None)
            for kind, column in FIRSTS.items()
        }
        assert {column: getattr(row, column) for column in TIMES} == firsts


def _types(kind: EmailEventType) -> set[str]:
    return {"OPEN", "CLICK"} if kind is T.OPEN else {kind.value}


async def check(database: Database, sending: Any, rounds: Any, order: Any) -> None:
    """Plays a history, and its events in another order in another workspace; the numbers are recounted, and the same."""
    workspace, made = await start(database)
    for number, batches in enumerate(rounds):
        await send(database, workspace, made, sending[number::5])
        lists = [[item(one, made) for one in batch] for batch in batches]
        await asyncio.gather(*(record(database, workspace, items) for items in lists))
        await asyncio.gather(*(record(database, workspace, items) for items in lists))
    await compare(database, workspace, made)
    await check_times(database, workspace)
    firsts = {one["key"]: one for batches in rounds for batch in batches for one in batch}
    played = [await _played(database, sending, shuffled) for shuffled in (list(firsts.values()), order(firsts))]
    assert played[0] == played[1]


async def _played(database: Database, sending: Any, events: Sequence[Any]) -> Any:
    """What is kept and counted after all is sent and then these events come, some at a time."""
    workspace, made = await start(database)
    await send(database, workspace, made, sending)
    for start_at in range(0, len(events), 9):
        await record(database, workspace, [item(one, made) for one in events[start_at : start_at + 9]])
    await compare(database, workspace, made)
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(
            text(f"SELECT address, status, {', '.join(TIMES)} FROM recipients ORDER BY address")
        )
        kept = await transaction.rows(text("SELECT key, type, is_machine, occurred_at FROM email_events ORDER BY key"))
    return [tuple(row) for row in rows], [tuple(row) for row in kept]


def test_all_numbers_of_mailings_equal_a_recount_over_random_histories(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)

        @settings(max_examples=20, suppress_health_check=list(HealthCheck))
        @given(SENDING, BATCHES, st.randoms(use_true_random=False))
        def histories(sending: Any, rounds: Any, random: Any) -> None:
            def order(firsts: dict[str, Any]) -> list[Any]:
                events = list(firsts.values())
                random.shuffle(events)
                return events

            runner.run(check(database, sending, rounds, order))

        histories()
        runner.run(database.close())


async def test_deleted_mailings_count_for_no_campaign(database: Database, workspace: int) -> None:
    kept = await mailing_of(database, workspace, 2, sent=1)
    gone = await mailing_of(database, workspace, 3, status="DRAFT", campaign_id=kept.campaign_id, name="Gone")
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE mailings SET deleted_at = now() WHERE id = :id"), {"id": gone.mailing_id})
        reads = transaction
        [row] = await numbers.of_campaigns(reads, frozenset({"total_recipients"}), [kept.campaign_id])  # type: ignore[arg-type]
    assert tuple(row) == (kept.campaign_id, 2)
