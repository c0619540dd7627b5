"""Mailings move from status to status as MOVES has it, whoever moves them at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text, update

from db.changes import Outcome, change
from db.engine import Database, Transaction
from db.errors import Refused
from db.models.campaigns import Campaign, CampaignStatus
from db.models.email_words import MailingStatus
from db.models.mailings import Mailing, Recipient
from db.queries.mailings import moving, writing
from tests.facts import NOON
from tests.mailings import Made, mailing_of

LINKS = ("https://example.com/{{ key }}", "http://example.com")
LATER = datetime.now(UTC) + timedelta(hours=1)


def links_of(_subject: str, _html: str, _text: str | None) -> Sequence[str]:
    return LINKS


Move = Callable[[Transaction, int], Awaitable[Any]]
start: Move = partial(moving.start, links_of=links_of)
DONE = {"started": start, "resumed": moving.resume, "paused": moving.pause, "unscheduled": moving.unschedule}
DONE |= {"scheduled": partial(moving.schedule, at=LATER), "failed": partial(moving.fail, reason="The reason")}
WHERE = {
    "started": {"DRAFT": "RUNNING", "SCHEDULED": "RUNNING", "FAILED": "RUNNING"},
    "resumed": {"PAUSED": "RUNNING"},
    "paused": {"RUNNING": "PAUSED"},
    "unscheduled": {"SCHEDULED": "DRAFT"},
    "scheduled": {"DRAFT": "SCHEDULED", "SCHEDULED": "SCHEDULED"},
    "failed": {"SCHEDULED": "FAILED", "RUNNING": "FAILED", "PAUSED": "FAILED"},
}
"""From which statuses what can be done, and where it leads."""


class _Undone(Exception):
    pass


async def tried(database: Database, workspace: int, move: Move, made: Made) -> str:
    """The status after a move that is then undone, or what it was refused with."""
    try:
        async with database.write(workspace) as transaction:
            await move(transaction, made.mailing_id)
            raise _Undone(await transaction.scalar(text(f"SELECT status FROM mailings WHERE id = {made.mailing_id}")))
    except Refused as refused:
        [problem] = refused.problems
        assert (problem.code, problem.field) == ("CONFLICT", ("id",))
        return problem.message
    except _Undone as undone:
        return str(undone)


async def row_of(database: Database, workspace: int, kind: type[Any], key: int) -> Any:
    async with database.write(workspace) as transaction:
        columns = ", ".join(column.name for column in kind.__table__.columns)
        return await transaction.row(text(f"SELECT {columns} FROM {kind.__tablename__} WHERE id = {key}"))


async def active(database: Database, workspace: int, **values: Any) -> int:
    """An ACTIVE campaign."""
    made = await mailing_of(database, workspace, 0, name="Other")
    async with database.write(workspace) as transaction:
        await transaction.run(update(Campaign).where(Campaign.id == made.campaign_id).values(status="ACTIVE", **values))
    return made.campaign_id


async def test_each_move_is_made_from_where_it_may_be_and_refused_from_elsewhere(
    database: Database, workspace: int
) -> None:
    campaign_id = await active(database, workspace)
    for status in MailingStatus:
        made = await mailing_of(database, workspace, 1, name=status, status=status, campaign_id=campaign_id)
        for said, move in DONE.items():
            expected = WHERE[said].get(status, f"A mailing that is {status} cannot be {said}.")
            assert await tried(database, workspace, move, made) == expected


async def test_a_mailing_completes_when_nobody_is_left_and_only_while_it_runs(
    database: Database, workspace: int
) -> None:
    for status in MailingStatus:
        done = await mailing_of(database, workspace, 1, name=f"{status}", status=status, sent=1)
        async with database.write(workspace) as transaction:
            assert await moving.complete_if_done(transaction, done.mailing_id) == (status == "RUNNING")
            assert not await moving.complete_if_done(transaction, done.mailing_id)
    waits = await mailing_of(database, workspace, 2, name="Waits", sent=1)
    async with database.write(workspace) as transaction:
        assert not await moving.complete_if_done(transaction, waits.mailing_id)
        last = update(Recipient).where(Recipient.id == waits.recipient_ids[1])
        await transaction.run(last.values(queued_at=NOON, claimed_by=1, claimed_until=NOON))
        assert not await moving.complete_if_done(transaction, waits.mailing_id)
        await transaction.run(last.values(uncertain_at=NOON, claimed_by=None, claimed_until=None))
        assert await moving.complete_if_done(transaction, waits.mailing_id)
        assert not await moving.complete_if_done(transaction, 999_999)
    row = await row_of(database, workspace, Mailing, waits.mailing_id)
    assert (row.status, row.completed_at is not None) == ("COMPLETED", True)


async def test_a_start_makes_a_campaign_active_that_has_not_begun_and_is_refused_on_others(
    database: Database, workspace: int
) -> None:
    for status in CampaignStatus:
        made = await mailing_of(database, workspace, 1, name=status, status="DRAFT")
        paused = await mailing_of(
            database, workspace, 1, name=f"p{status}", status="PAUSED", campaign_id=made.campaign_id
        )
        async with database.write(workspace) as transaction:
            await transaction.run(update(Campaign).where(Campaign.id == made.campaign_id).values(status=status.value))
        refused = status in {"PAUSED", "COMPLETED", "FAILED", "CANCELLED"}
        expected = f"Its campaign is {status}: its mailings cannot start or go on." if refused else "RUNNING"
        for move, one in ((start, made), (moving.resume, paused)):
            assert await tried(database, workspace, move, one) == expected
        if not refused:
            async with database.write(workspace) as transaction:
                await start(transaction, made.mailing_id)
        campaign = await row_of(database, workspace, Campaign, made.campaign_id)
        assert campaign.status == (status if refused else "ACTIVE")
    async with database.write(workspace) as transaction:
        told = await transaction.rows(text("SELECT topic, kind FROM outbox"))
    assert [tuple(row) for row in told] == [("NUMBERS", "CHANGED")] * 3


async def test_a_start_keeps_what_the_template_says_once(database: Database, workspace: int) -> None:
    made = await mailing_of(database, workspace, 1, status="SCHEDULED", send_after=NOON)
    async with database.write(workspace) as transaction:
        await start(transaction, made.mailing_id)
        links = await transaction.rows(text("SELECT position, url FROM tracked_links ORDER BY position"))
    assert [tuple(row) for row in links] == list(enumerate(LINKS))
    first = await row_of(database, workspace, Mailing, made.mailing_id)
    assert (first.subject, first.html, first.text) == ("Hello", "<p>Hello {{ name }}</p>", None)
    assert (first.send_after, first.scheduled_at is not None) == (None, True)
    async with database.write(workspace) as transaction:
        await moving.fail(transaction, made.mailing_id, "x" * 2_000)
        await transaction.run(text("UPDATE email_templates SET subject = 'Another', deleted_at = now()"))
    failed = await row_of(database, workspace, Mailing, made.mailing_id)
    assert failed.status_reason == "x" * 1_000
    async with database.write(workspace) as transaction:
        await start(transaction, made.mailing_id)
    again = await row_of(database, workspace, Mailing, made.mailing_id)
    assert again.updated_at > failed.updated_at
    assert {**again._asdict(), "updated_at": first.updated_at} == first._asdict()


async def test_a_start_needs_recipients_a_template_and_links_that_can_be_kept(
    database: Database, workspace: int
) -> None:
    made = await mailing_of(database, workspace, 1, status="DRAFT", links=())
    empty = await mailing_of(database, workspace, 0, status="DRAFT", campaign_id=made.campaign_id)
    assert await tried(database, workspace, start, empty) == "It has no recipients."
    many = partial(moving.start, links_of=lambda *_: [f"https://example.com/{n}" for n in range(201)])
    message = "Its template has 201 different links; a mailing has at most 200."
    assert await tried(database, workspace, many, made) == message
    long = partial(moving.start, links_of=lambda *_: ["https://example.com/" + "x" * 1_981])
    message = "A link of its template is longer than 2000 characters."
    assert await tried(database, workspace, long, made) == message
    only_due = partial(moving.start, links_of=links_of, allowed=(MailingStatus.SCHEDULED,))
    assert await tried(database, workspace, only_due, made) == "A mailing that is DRAFT cannot be started."
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE email_templates SET deleted_at = now()"))
    assert await tried(database, workspace, start, made) == "Its template was deleted."


async def test_a_schedule_lies_ahead(database: Database, workspace: int) -> None:
    made, now = await mailing_of(database, workspace, 0, status="DRAFT"), datetime.now(UTC)
    refused = {
        now - timedelta(minutes=2): "This is over: a mailing is scheduled for a time that lies ahead.",
        now + timedelta(days=367): "This is further ahead than a year.",
    }
    for moment, message in refused.items():
        outcome = await change(database, workspace, lambda t, at=moment: moving.schedule(t, made.mailing_id, at))  # type: ignore[misc]
        assert [(one.code, one.message, one.field) for one in outcome.problems] == [
            ("INVALID", message, ("scheduled_at",))
        ]
    for moment in (now - timedelta(seconds=30), LATER):
        async with database.write(workspace) as transaction:
            await moving.schedule(transaction, made.mailing_id, moment)
        assert (await row_of(database, workspace, Mailing, made.mailing_id)).scheduled_at == moment
    async with database.write(workspace) as transaction:
        await moving.unschedule(transaction, made.mailing_id)
    assert (await row_of(database, workspace, Mailing, made.mailing_id)).scheduled_at is None


async def test_what_is_deleted_or_another_workspace_s_is_not_there(
    database: Database, workspace: int, other_workspace: int
) -> None:
    made = await mailing_of(database, workspace, 1, status="DRAFT")
    moves: list[Move] = [*DONE.values(), writing.delete, partial(writing.change, values={"name": "X"})]

    async def missing(owner: int) -> None:
        for move in moves:
            with pytest.raises(Refused, match="No such mailing"):
                async with database.write(owner) as transaction:
                    await move(transaction, made.mailing_id)

    await missing(other_workspace)
    async with database.write(workspace) as transaction:
        await writing.delete(transaction, made.mailing_id)
    await missing(workspace)


async def outcomes(database: Database, workspace: int, *works: Callable[[Transaction], Awaitable[Any]]) -> list[Any]:
    """What came of several changes at once: a value, or what was said."""
    found: list[Outcome[Any]] = await asyncio.gather(*(change(database, workspace, work) for work in works))
    return [one.problems[0].message if one.problems else one.value for one in found]


async def test_of_many_who_start_it_at_once_one_does(database: Database, workspace: int) -> None:
    made = await mailing_of(database, workspace, 1, status="DRAFT")
    found = await outcomes(database, workspace, *([lambda t: start(t, made.mailing_id)] * 8))
    assert sorted(found, key=str) == ["A mailing that is RUNNING cannot be started."] * 7 + [None]
    async with database.write(workspace) as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM tracked_links")) == 2


async def waits(database: Database) -> None:
    """Until somebody waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with database.engine.connect() as connection:
        while not await connection.scalar(waiting):
            await connection.rollback()  # else it would be told the same again


async def test_who_pauses_and_who_completes_come_one_after_the_other(database: Database, workspace: int) -> None:
    made = await mailing_of(database, workspace, 1, sent=1)
    async with database.write(workspace) as transaction:
        assert await moving.complete_if_done(transaction, made.mailing_id)
        pausing = asyncio.create_task(outcomes(database, workspace, lambda t: moving.pause(t, made.mailing_id)))
        await waits(database)
    assert await pausing == ["A mailing that is COMPLETED cannot be paused."]


async def test_nobody_is_left_behind_who_is_added_while_it_completes(database: Database, workspace: int) -> None:
    made = await mailing_of(database, workspace, 1, sent=1)
    complete = partial(moving.complete_if_done, mailing_id=made.mailing_id)
    add = partial(writing.add_recipients, mailing_id=made.mailing_id, lead_ids={}, emails={0: "new@example.com"})
    async with database.write(workspace) as transaction:
        assert (await add(transaction)).accepted == 1
        completing = asyncio.create_task(outcomes(database, workspace, complete))
        await waits(database)
    assert await completing == [False]
    async with database.write(workspace) as transaction:
        await transaction.run(update(Recipient).values(intent_at=NOON, sent_at=NOON))
        assert await complete(transaction)
        adding = asyncio.create_task(outcomes(database, workspace, add))
        await waits(database)
    assert await adding == ["A mailing that is COMPLETED takes no recipients."]


async def test_many_who_add_the_same_people_neither_deadlock_nor_add_anybody_twice(
    database: Database, workspace: int
) -> None:
    made = await mailing_of(database, workspace, 0, status="DRAFT")
    emails = [f"{n}@example.com" for n in range(40)]
    turns = [emails[shift:] + emails[:shift] for shift in range(8)]
    works = [
        partial(writing.add_recipients, mailing_id=made.mailing_id, lead_ids={}, emails=dict(enumerate(turn)))
        for turn in turns
    ]
    found = await outcomes(database, workspace, *works)
    assert sum(one.accepted for one in found) == 40
    assert sum(one.duplicates for one in found) == 7 * 40
    async with database.write(workspace) as transaction:
        counts = text(
            "SELECT (SELECT count(*) FROM leads), (SELECT count(*) FROM recipients), (SELECT sum(status_pending) FROM mailing_totals), "
            "(SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())"
        )
        assert tuple(await transaction.row(counts)) == (40, 40, 40, 0)
