"""Mailings are sent to everyone once, whatever servers and databases do meanwhile: a real sender, server and database."""

import asyncio
import mailbox
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import EmailEventType
from db.queries.email_events.recording import record
from db.queries.mailings import moving, outcomes, sending
from db.queries.mailings.outcomes import Outcome, OutcomeKind
from jobs.mailings.keys import tokens_of
from jobs.mailings.options import MailOptions
from jobs.mailings.sending import Sender
from jobs.objects import Objects
from jobs.worker import Worker
from tests.mail import Faults, MailServer
from tests.senders import BASE, leads, mailing_to_all, start, workers

WORKER, LEASE = 7, 60.0
FAULTY = ("bounce-550-", "temporary-451-", "content-554-", "lead-")


@dataclass(frozen=True)
class Drafts:
    """A mailing to twenty, and the other workspace's, to one address of each kind in FAULTY."""

    plain: int
    faulty: int


async def fill_database(database: Database, workspace: int, other_workspace: int) -> Drafts:
    await leads(database, workspace, 20)
    await leads(database, other_workspace, 4, FAULTY)
    return Drafts(await mailing_to_all(database, workspace), await mailing_to_all(database, other_workspace))


@pytest.fixture
def drafts(filled: tuple[str, Drafts]) -> Drafts:
    return filled[1]


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@asynccontextmanager
async def sender(
    database: Database, url: str | None, folder: Path = Path("unused"), **options: Any
) -> AsyncIterator[Sender]:
    """A sender at work."""
    quick: dict[str, Any] = {"poll": 0.02, "first_retry": timedelta(milliseconds=10), "timeout": 20}
    sender = Sender(database, MailOptions(smtp_url=url, maildir=folder, **(quick | options)), BASE)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        sender.stop()
        await task


async def read(database: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    async with database.everywhere() as transaction:
        return [tuple(row) for row in await transaction.rows(text(sql), values)]


async def run(database: Database, sql: str, **values: Any) -> None:
    async with database.everywhere() as transaction:
        await transaction.run(text(sql), values)


async def owner(database: Database, *statements: str) -> None:
    """Runs statements as who owns the tables."""
    async with database.engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def until(database: Database, condition: str, **values: Any) -> None:
    """Waits until a condition is true."""
    async with asyncio.timeout(20):
        while not (await read(database, f"SELECT {condition}", **values))[0][0]:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)


async def ended(database: Database, mailing: int, status: str = "COMPLETED") -> None:
    await until(database, "status = :status FROM mailings WHERE id = :id", id=mailing, status=status)


async def statuses(database: Database, mailing: int) -> dict[str, int]:
    sql = "SELECT status, count(*) FROM recipients WHERE mailing_id = :id GROUP BY status"
    return dict(await read(database, sql, id=mailing))


async def claimed(database: Database, workspace: int, mailing: int, most: int) -> list[int]:
    async with database.write(workspace) as transaction:
        rows = await sending.claim(transaction, mailing, WORKER, LEASE, most)
        return [row.id for row in rows if not row.is_suppressed]


async def intended(database: Database, workspace: int, ids: list[int], *mailings: int) -> dict[int, Any]:
    async with database.transaction(outcomes.begin(mailings), workspace) as transaction:
        return await outcomes.intend(transaction, ids, WORKER, LEASE)


async def write(database: Database, workspace: int, *known: Outcome) -> None:
    async with database.write(workspace) as transaction:
        await outcomes.write(transaction, known, WORKER)


async def settled(database: Database) -> sending.Leases:
    async with database.everywhere() as transaction:
        return await sending.settle(transaction)


SUPPRESS = (
    "INSERT INTO suppressions (workspace_id, address, reason, since) "
    "SELECT workspace_id, address, 'UNSUBSCRIBED', now() FROM recipients WHERE id = :id"
)
OTHERS_ARE_LOST = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$
"""
NO_ROOM_NOW = "CREATE TRIGGER no_room BEFORE UPDATE ON recipients FOR EACH ROW EXECUTE FUNCTION no_room()"
LEASES_ARE_OVER = "UPDATE recipients SET claimed_until = now() - interval '1 second' WHERE claimed_until IS NOT NULL"


async def test_two_senders_send_to_everyone_once(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url, claim=3), sender(database, server.url, claim=3):
        await ended(database, drafts.plain)
    assert sorted(Counter(one.recipient for one in server.received).values()) == [1] * 20
    assert await statuses(database, drafts.plain) == {"SENT": 20}
    tokens = await tokens_of(database)
    rows = await read(database, "SELECT id, email_address FROM recipients WHERE mailing_id = :id", id=drafts.plain)
    wanted = {mail: tokens.message_id(workspace, one, "groundswell.example") for one, mail in rows}
    assert {one.recipient: one.message_id for one in server.received} == wanted
    times = "bool_and(queued_at <= intent_at AND intent_at <= sent_at AND num_nonnulls(claimed_by, claimed_until) = 0)"
    assert await read(database, f"SELECT {times} FROM recipients WHERE mailing_id = :id", id=drafts.plain) == [(True,)]


async def test_a_message_costs_a_fraction_of_a_statement(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    await run(
        database,
        "INSERT INTO leads (workspace_id, email, address) SELECT :id, n || '@a.example', n || '@a.example' "
        "FROM generate_series(1, 200) n",
        id=workspace,
    )
    mailing = await mailing_to_all(database, workspace)
    await start(database, workspace, mailing)
    seen: list[str] = []
    with database.watched(lambda sql, _: seen.append(sql)):
        async with sender(database, server.url, poll=0.2):
            await ended(database, mailing)
    assert len(server.received) == 220
    assert sum("recipients" in sql for sql in seen) < 220


async def test_what_a_server_refuses(
    database: Database, other_workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.faults = Faults(temporary=2)
    await start(database, other_workspace, drafts.faulty)
    async with sender(database, server.url):
        await ended(database, drafts.faulty)
    assert sorted(one.recipient for one in server.received) == ["lead-3@news.example", "temporary-451-1@news.example"]
    columns = "split_part(address, '@', 1), status, attempts, error_message, sent_at IS NOT NULL, is_suppressed"
    assert sorted(
        await read(database, f"SELECT {columns} FROM recipients WHERE mailing_id = :id", id=drafts.faulty)
    ) == [
        ("bounce-550-4", "BOUNCED", 0, "550 5.1.1 No such user here", True, False),
        ("content-554-2", "FAILED", 0, "554 5.7.1 Refused", False, False),
        ("lead-3", "SENT", 0, None, True, False),
        ("temporary-451-1", "SENT", 2, None, True, False),
    ]
    bounced = [("bounce-550-4@news.example", "BOUNCED")]
    assert await read(database, "SELECT address, reason FROM suppressions") == bounced
    event = "SELECT key = 'smtp:' || recipient_id, data ->> 'errorMessage' FROM email_events"
    assert await read(database, event) == [(True, "550 5.1.1 No such user here")]


async def test_a_server_that_is_never_ready_is_not_asked_for_ever(
    database: Database, other_workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.replies["DATA"] = "451 4.3.0 Not now"
    await start(database, other_workspace, drafts.faulty)
    async with sender(database, server.url, most_attempts=2):
        await ended(database, drafts.faulty)
    rows = "SELECT count(*) FROM recipients WHERE status = 'FAILED' AND attempts = 2 AND error_message = '451 4.3.0 Not now'"
    assert await read(database, rows) == [(3,)]


async def test_retries_wait_longer_each_time(database: Database, workspace: int, drafts: Drafts) -> None:
    await start(database, workspace, drafts.plain)
    (one,) = await claimed(database, workspace, drafts.plain, 1)
    at = (await intended(database, workspace, [one]))[one]
    await write(database, workspace, Outcome(one, at, OutcomeKind.RETRY, 3, "451 Later", delay=240))
    columns = "status, attempts, error_message, intent_at, try_after BETWEEN now() + interval '230 s' AND now() + interval '240 s'"
    found = await read(database, f"SELECT {columns} FROM recipients WHERE id = :id", id=one)
    assert found == [("PENDING", 3, "451 Later", None, True)]
    assert one not in await claimed(database, workspace, drafts.plain, 100)


@pytest.mark.parametrize("stage", ["MAIL", "LOGIN"])
async def test_a_sender_that_is_refused_ends_its_mailing(
    database: Database, workspace: int, drafts: Drafts, stage: str
) -> None:
    login = ("ada", "right") if stage == "LOGIN" else None
    async with MailServer(login=login) as server:
        server.replies |= {"MAIL": "550 5.7.1 Not you"} if stage == "MAIL" else {}
        await start(database, workspace, drafts.plain)
        wrong = server.url if login is None else server.url.replace("//", "//ada:wr0ng@")
        async with sender(database, wrong):
            await ended(database, drafts.plain, "FAILED")
        assert await statuses(database, drafts.plain) == {"PENDING": 20}
        ((reason,),) = await read(database, "SELECT status_reason FROM mailings WHERE id = :id", id=drafts.plain)
        assert ("550 5.7.1 Not you" if stage == "MAIL" else "user and password") in reason
        assert "wr0ng" not in reason
        server.replies.clear()
        await start(database, workspace, drafts.plain)
        async with sender(database, wrong.replace("wr0ng", "right")):
            await ended(database, drafts.plain)
    assert len(server.received) == 20


async def test_a_server_that_was_away_costs_nobody_an_attempt(
    database: Database, workspace: int, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.mailings.gates.FIRST_DELAY", 0.2)
    server = MailServer()
    async with server:
        pass  # from now on its port is known, and nobody listens there
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url):
        await until(
            database,
            "status_reason LIKE 'It waits%' AND send_after > started_at FROM mailings WHERE id = :id",
            id=drafts.plain,
        )
        await until(
            database, "count(*) = 20 FROM recipients WHERE mailing_id = :id AND status = 'PENDING'", id=drafts.plain
        )
        async with server:
            await ended(database, drafts.plain)
    assert await read(database, "SELECT status_reason FROM mailings WHERE id = :id", id=drafts.plain) == [(None,)]
    assert (len(server.received), await read(database, "SELECT sum(attempts) FROM recipients")) == (20, [(0,)])


async def test_a_connection_that_is_lost_behind_the_message_leaves_it_uncertain(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.faults = Faults(cut_before=7, cut_after=5)
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url):
        await ended(database, drafts.plain)
    assert await statuses(database, drafts.plain) == {"SENT": 20 - server.cuts, "UNCERTAIN": server.cuts}
    assert server.cuts == 6
    assert max(Counter(one.recipient for one in server.received).values()) == 1
    messages = "SELECT DISTINCT error_message FROM recipients WHERE status = 'UNCERTAIN'"
    assert [message[:36] for (message,) in await read(database, messages)] == ["Not known whether it was sent: the m"]


async def test_after_a_pause_nothing_is_begun(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.taking.clear()
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url, connections=2):
        await server.arrived.wait()
        async with database.write(workspace) as transaction:
            await moving.pause(transaction, drafts.plain)
        begun = await read(database, "SELECT email_address FROM recipients WHERE intent_at IS NOT NULL")
        server.taking.set()
        await until(database, "count(*) = 0 FROM recipients WHERE status = 'QUEUED'")
        assert sorted(one.recipient for one in server.received) == sorted(mail for (mail,) in begun)
        assert len(begun) <= 4  # one for each connection, and one ahead
        async with database.write(workspace) as transaction:
            await moving.resume(transaction, drafts.plain)
        await ended(database, drafts.plain)
    assert sorted(Counter(one.recipient for one in server.received).values()) == [1] * 20


async def test_what_was_to_come_next_is_taken_back_when_it_waited_long(
    database: Database, workspace: int, drafts: Drafts, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.mailings.delivering._STALE", 0.1)
    server.taking.clear()
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url, connections=1):
        await until(database, "count(*) = 2 FROM recipients WHERE intent_at < now() - interval '150 ms'")
        async with database.write(workspace) as transaction:
            await moving.pause(transaction, drafts.plain)
        server.taking.set()
        await until(database, "count(*) = 0 FROM recipients WHERE status = 'QUEUED'")
    assert await statuses(database, drafts.plain) == {"SENT": 1, "PENDING": 19}
    assert len(server.received) == 1


async def test_who_is_stopped_ends_dialogues_and_gives_the_rest_back(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.answering.clear()
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url, connections=2) as working:
        await server.arrived.wait()
        working.stop()
        await until(database, "count(*) >= 16 FROM recipients WHERE status = 'PENDING'")
        server.answering.set()
    sent = len(server.received)
    assert 1 <= sent <= 2
    assert await statuses(database, drafts.plain) == {"SENT": sent, "PENDING": 20 - sent}


async def test_a_database_that_goes_away_loses_no_outcome(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.answering.clear()
    await start(database, workspace, drafts.plain)
    async with sender(database, server.url):
        await server.arrived.wait()
        async with database.engine.connect() as connection:
            await connection.execute(text(OTHERS_ARE_LOST))
            server.answering.set()
            for _ in range(20):
                await connection.execute(text(OTHERS_ARE_LOST))
        await ended(database, drafts.plain)
    assert await statuses(database, drafts.plain) == {"SENT": 20}
    assert sorted(Counter(one.recipient for one in server.received).values()) == [1] * 20


async def test_a_database_without_room_loses_no_outcome(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    server.answering.clear()
    await start(database, workspace, drafts.plain)
    tried = asyncio.Event()
    async with sender(database, server.url, connections=1):
        await until(database, "count(*) = 2 FROM recipients WHERE intent_at IS NOT NULL")
        await owner(database, NO_ROOM, NO_ROOM_NOW)
        seen: list[str] = []

        def watch(sql: str, _: object) -> None:
            seen.extend([sql] if "intent_at = clock_timestamp()" in sql or "decided" in sql else [])
            if len(seen) > 3:
                tried.set()

        with database.watched(watch):
            server.answering.set()
            await tried.wait()
        await owner(database, "DROP TRIGGER no_room ON recipients")
        await ended(database, drafts.plain)
    assert await statuses(database, drafts.plain) == {"SENT": 20}
    assert sorted(Counter(one.recipient for one in server.received).values()) == [1] * 20


async def test_a_worker_that_slept_longer_than_its_lease_sends_nothing_twice(
    database_url: str, database: Database, workspace: int, drafts: Drafts, server: MailServer, tmp_path: Path
) -> None:
    server.answering.clear()
    await start(database, workspace, drafts.plain)
    async with workers(database_url, server.url, tmp_path, connections=2, claim=20, poll=0.02) as started:
        slow = await started.start()
        await until(database, "count(*) >= 4 FROM recipients WHERE intent_at IS NOT NULL")
        os.kill(slow, signal.SIGSTOP)
        await run(database, LEASES_ARE_OVER)
        server.answering.set()
        async with sender(database, server.url):
            await ended(database, drafts.plain)
        assert (await statuses(database, drafts.plain))["UNCERTAIN"] >= 2
        os.kill(slow, signal.SIGCONT)
        await until(database, "count(*) = 0 FROM recipients WHERE status = 'UNCERTAIN'")
        await started.stop(slow)
    found = await statuses(database, drafts.plain)
    assert sorted(Counter(one.recipient for one in server.received).values()) == [1] * found["SENT"]
    # The intents that were written ahead are too old to be used.
    assert found["SENT"] + found.get("FAILED", 0) == 20


async def test_what_a_bounce_has_said_stays(database: Database, workspace: int, drafts: Drafts) -> None:
    await start(database, workspace, drafts.plain)
    ids = await claimed(database, workspace, drafts.plain, 3)
    quick, lost, late = ids
    intents = await intended(database, workspace, ids)
    await run(database, "UPDATE recipients SET error_message = '451 Later' WHERE id = :id", id=quick)
    await run(database, f"{LEASES_ARE_OVER} AND id = :id", id=lost)
    await settled(database)
    now, data = datetime.now(UTC), {"bounceType": "Permanent", "errorMessage": "No such user"}
    bounces = [NewEmailEvent(f"b{one}", one, EmailEventType.BOUNCE, now, data) for one in (quick, lost)]
    async with database.write(workspace) as transaction:
        assert (await record(transaction, bounces)).accepted == 2
    await write(
        database,
        workspace,
        Outcome(quick, intents[quick], OutcomeKind.SENT, 0),
        Outcome(late, intents[late], OutcomeKind.BOUNCED, 0, "550 No", elapsed=2, code=550),
    )
    rows = "SELECT status, error_message FROM recipients WHERE id = ANY(:ids) ORDER BY id"
    assert await read(database, rows, ids=ids) == [*[("BOUNCED", "No such user")] * 2, ("BOUNCED", "550 No")]
    since = "SELECT bounced_at - intent_at FROM recipients WHERE id = :id"
    assert await read(database, since, id=late) == [(timedelta(seconds=2),)]


async def test_who_waits_for_a_mailing_sees_what_happened_meanwhile(
    database: Database, workspace: int, drafts: Drafts
) -> None:
    await start(database, workspace, drafts.plain)
    ids = await claimed(database, workspace, drafts.plain, 2)
    async with database.write(workspace) as transaction:
        await moving.locked(transaction, drafts.plain)
        task = asyncio.create_task(intended(database, workspace, ids, drafts.plain))
        await until(database, "count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        await run(database, SUPPRESS, id=ids[0])
    assert list(await task) == [ids[1]]


async def test_who_waits_for_the_next_attempt_is_not_asked_for_meanwhile(
    database: Database, workspace: int, drafts: Drafts
) -> None:
    await start(database, workspace, drafts.plain)
    await run(
        database, "UPDATE recipients SET try_after = now() + interval '1 hour' WHERE mailing_id = :id", id=drafts.plain
    )
    async with database.everywhere() as transaction:
        (one,) = await sending.running(transaction)
    assert 3590 < one.wait <= 3600


async def test_a_worker_that_reaches_the_server_says_so_for_others(
    database: Database, workspace: int, drafts: Drafts, server: MailServer
) -> None:
    await start(database, workspace, drafts.plain)
    await run(database, "UPDATE recipients SET try_after = now() + interval '1 hour' WHERE id > 1")
    await run(database, "UPDATE mailings SET messages_per_minute = 1 WHERE id = :id", id=drafts.plain)
    async with database.write(workspace) as transaction:
        await sending.hold_back(transaction, [drafts.plain], 0.01, "It waits for the mail server. " + "x" * 1000)
    async with sender(database, server.url):
        await until(database, "status_reason IS NULL FROM mailings WHERE id = :id", id=drafts.plain)
        await until(database, "count(*) = 1 FROM recipients WHERE status = 'SENT'")


async def test_what_is_suppressed_is_never_sent(database: Database, workspace: int, drafts: Drafts) -> None:
    await start(database, workspace, drafts.plain)
    rows = await read(database, "SELECT id FROM recipients WHERE mailing_id = :id ORDER BY id LIMIT 3", id=drafts.plain)
    before, between, never = (one for (one,) in rows)
    await run(database, SUPPRESS, id=before)
    assert await claimed(database, workspace, drafts.plain, 3) == [between, never]
    await run(database, SUPPRESS, id=between)
    assert list(await intended(database, workspace, [between, never])) == [never]
    async with database.write(workspace) as transaction:
        assert await outcomes.give_up(transaction, [before, between], WORKER) == set()
    found = await read(database, "SELECT status, is_suppressed, error_message FROM recipients ORDER BY id LIMIT 2")
    assert found == [("FAILED", True, "Not sent: nothing is sent to this address any more (UNSUBSCRIBED).")] * 2


async def test_leases_that_are_over_are_settled_by_what_is_known(
    database: Database, workspace: int, drafts: Drafts
) -> None:
    await start(database, workspace, drafts.plain)
    first, second, third = await claimed(database, workspace, drafts.plain, 3)
    intents = await intended(database, workspace, [second, third])
    assert await settled(database) == sending.Leases(0, 0)
    await run(database, LEASES_ARE_OVER)
    assert await intended(database, workspace, [first]) == {}
    assert await settled(database) == sending.Leases(given_back=1, uncertain=2)
    order = "SELECT id, status FROM recipients WHERE id = ANY(:ids) ORDER BY id"
    ids = [first, second, third]
    assert await read(database, order, ids=ids) == [(first, "PENDING"), (second, "UNCERTAIN"), (third, "UNCERTAIN")]
    # Who was only slow still knows, and resolves it; but what is over is not tried again.
    await write(
        database,
        workspace,
        Outcome(second, intents[second], OutcomeKind.SENT, 0, elapsed=1),
        Outcome(third, intents[third], OutcomeKind.RETRY, 1, "451 Later", delay=1),
    )
    assert await read(database, order, ids=ids) == [(first, "PENDING"), (second, "SENT"), (third, "FAILED")]
    assert await settled(database) == sending.Leases(0, 0)


async def test_an_outcome_belongs_to_its_intent(database: Database, workspace: int, drafts: Drafts) -> None:
    await start(database, workspace, drafts.plain)
    (one,) = await claimed(database, workspace, drafts.plain, 1)
    at = (await intended(database, workspace, [one]))[one]
    assert await intended(database, workspace, [one]) == {}
    await write(database, workspace, Outcome(one, at - timedelta(microseconds=1), OutcomeKind.SENT, 0))
    assert await read(database, "SELECT status FROM recipients WHERE id = :id", id=one) == [("QUEUED",)]


async def test_a_rate_holds_for_all_workers_together(database: Database, workspace: int, drafts: Drafts) -> None:
    await run(database, "UPDATE mailings SET messages_per_minute = 300 WHERE id = :id", id=drafts.plain)
    await start(database, workspace, drafts.plain)

    async def claim() -> tuple[int, float] | None:
        async with database.write(workspace) as transaction:
            found = await sending.claim_limited(transaction, drafts.plain, WORKER, LEASE, 200)
            return None if found is None else (len(found[0]), found[1])

    async with database.write(workspace) as transaction:
        await moving.held(transaction, drafts.plain)
        assert await claim() is None  # somebody else is at it
    assert await claim() == (5, 1.0)
    assert await claim() is None
    # A second late: it is made up for. Five seconds late: only one is.
    for late, wait in ((1, 0.0), (5, 0.0)):
        await run(
            database, f"UPDATE mailings SET send_after = now() - interval '{late} s' WHERE id = :id", id=drafts.plain
        )
        assert await claim() == (5, wait)
        ((ahead,),) = await read(database, "SELECT send_after <= now() FROM mailings WHERE id = :id", id=drafts.plain)
        assert ahead
    await run(
        database, "UPDATE mailings SET send_after = now(), messages_per_minute = 1 WHERE id = :id", id=drafts.plain
    )
    found = await claim()
    assert found is not None
    assert found[0] == 1
    assert 59 < found[1] <= 60


@pytest.mark.parametrize(
    ("prepare", "ago", "status", "reason"),
    [
        ("SELECT 1", 1, "COMPLETED", None),
        ("SELECT 1", 7200, "FAILED", "too late to send it unasked"),
        ("UPDATE campaigns SET status = 'CANCELLED'", 1, "FAILED", "Its campaign is CANCELLED"),
        ("DELETE FROM recipients", 1, "FAILED", "It has no recipients."),
    ],
)
async def test_what_is_due_is_started_or_says_why_not(
    database: Database, drafts: Drafts, server: MailServer, prepare: str, ago: int, status: str, reason: str | None
) -> None:
    await run(database, prepare)
    due = f"UPDATE mailings SET status = 'SCHEDULED', scheduled_at = now() - interval '{ago} s' WHERE id = :id"
    await run(database, due, id=drafts.plain)
    async with sender(database, server.url):
        await ended(database, drafts.plain, status)
    ((said,),) = await read(database, "SELECT status_reason FROM mailings WHERE id = :id", id=drafts.plain)
    assert said is None if reason is None else reason in said
    assert len(server.received) == (20 if status == "COMPLETED" else 0)


async def test_without_a_server_messages_are_in_a_folder(
    database: Database, workspace: int, drafts: Drafts, tmp_path: Path
) -> None:
    await start(database, workspace, drafts.plain)
    async with sender(database, None, tmp_path / "maildir"):
        await ended(database, drafts.plain)
    found = list(mailbox.Maildir(str(tmp_path / "maildir"), create=False))
    assert {message["To"].rpartition("<")[2].rstrip(">") for message in found} == {
        mail
        for (mail,) in await read(
            database, "SELECT email_address FROM recipients WHERE mailing_id = :id", id=drafts.plain
        )
    }
    assert (len(found), (tmp_path / "maildir").stat().st_mode & 0o777) == (20, 0o700)


async def test_the_worker_sends_beside_all_else(
    database_url: str, database: Database, workspace: int, drafts: Drafts, server: MailServer, tmp_path: Path
) -> None:
    await start(database, workspace, drafts.plain)
    sender = Sender(database, MailOptions(server.url, tmp_path, poll=0.02), BASE)
    worker = Worker(database_url, database, Objects.at(tmp_path.as_uri()), timedelta(hours=1), sender=sender)
    task = asyncio.create_task(worker.run())
    await ended(database, drafts.plain)
    worker.stop()
    await task
    assert await statuses(database, drafts.plain) == {"SENT": 20}
