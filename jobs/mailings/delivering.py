"""Delivering: from a claimed recipient to what is known of the message."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import structlog

from db.changes import change
from db.engine import Database, is_unavailable
from db.queries.mailings import moving, sending
from db.queries.mailings.outcomes import Outcome, OutcomeKind
from jobs.mailings.batches import Claimed, MailingKey, Stock
from jobs.mailings.gates import Gate
from jobs.mailings.messages import Made, Unmailable
from jobs.mailings.options import MailOptions
from jobs.mailings.transports import (
    Accepted,
    Away,
    Bounced,
    Deferred,
    Rejected,
    Result,
    Session,
    Transport,
    TransportAway,
    TransportRefused,
    Uncertain,
    Unsendable,
)
from jobs.mailings.waiting import until
from jobs.mailings.writing import Intent, Writer

log = structlog.get_logger("groundswell.mail")

_IDLE = 30.0
"""Seconds after which a connection that nothing is sent on takes its leave."""
_LONGEST_DELAY = 3600.0
_MEMORY = 20
"""Dialogues that their usual length is taken of."""
_JITTER = (0.75, 1.25)
_STALE = 2.0
"""Seconds after which an intent that was written ahead is taken back: its mailing may be paused by now."""
_STOPPED = "The worker was stopped."
_CUT_SHORT = "Not known whether it was sent: the worker was stopped while the mail server had it."


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message that may be sent now."""

    claimed: Claimed
    made: Made
    intent: Intent


class Delivering:
    """Delivers what is in the stock."""

    def __init__(
        self, database: Database, options: MailOptions, transport: Transport, stock: Stock, writer: Writer, gate: Gate
    ) -> None:
        self._database = database
        self._options = options
        self._transport = transport
        self._stock = stock
        self._writer = writer
        self._gate = gate
        self._dialogue = 0.0
        """Seconds that one takes, lately."""

    async def run(self) -> None:
        """One connection's work, until the stock is closed."""
        session = self._transport.session()
        ahead = asyncio.create_task(self._get_ready(asyncio.Event(), 0))
        try:
            while (ready := await self._next(session, ahead)) is not None:
                # While this one is sent, the intent of the next one is written.
                is_sent = asyncio.Event()
                ahead = asyncio.create_task(self._get_ready(is_sent, self._dialogue - 2 * self._writer.latency))
                await self._deliver(session, ready)
                is_sent.set()
        finally:
            ahead.cancel()
            await asyncio.wait((ahead,))
            if not ahead.cancelled() and ahead.exception() is None and (left := ahead.result()) is not None:
                self._write(left.claimed, left.intent, Away(_STOPPED))
            await session.close()

    async def probe(self) -> None:
        """Asks whether the transport is there again."""
        session = self._transport.session()
        try:
            await session.open()
        except TransportAway as error:
            self._gate.shut(str(error))
            return
        except TransportRefused:
            pass  # the next mailing that is to be sent fails with it
        await session.close()
        self._gate.open()

    async def _next(self, session: Session, ahead: "asyncio.Task[_Ready | None]") -> _Ready | None:
        done, _ = await asyncio.wait((ahead,), timeout=_IDLE)
        if not done:
            await session.close()
        return await ahead

    async def _get_ready(self, is_sent: asyncio.Event, delay: float) -> _Ready | None:
        """The next message that may be sent, after a while, or once the one before it is sent. Whoever is lost with an
        intent leaves its message uncertain, so none is written long before it is needed."""
        if delay > 0:
            await until(is_sent, delay)
        while (claimed := await self._stock.take()) is not None:
            made = self._made(claimed)
            intent = None if made is None else await self._writer.intent(claimed)
            if made is not None and intent is not None:
                return _Ready(claimed, made, intent)
        return None

    def _made(self, claimed: Claimed) -> Made | None:
        """The message; None where it cannot be made, for which the recipient has failed."""
        try:
            return claimed.make()
        except Unmailable as error:
            self._write(claimed, None, Rejected(f"Not sent: {error}"))
        except Exception as error:
            log.exception("a message could not be made", recipient=claimed.id)
            self._write(claimed, None, Rejected(f"Not sent: the message could not be made ({type(error).__name__})."))
        return None

    async def _deliver(self, session: Session, ready: _Ready) -> None:
        began = asyncio.get_running_loop().time()
        if self._stock.is_closed or began - ready.intent.since > _STALE:
            self._write(ready.claimed, ready.intent, Away(_STOPPED))
            return
        try:
            result = await self._sent(session, ready.made)
        except asyncio.CancelledError:
            self._write(ready.claimed, ready.intent, Uncertain(_CUT_SHORT) if session.may_have_sent else Away(_STOPPED))
            raise
        if not isinstance(result, Away):
            self._gate.proved()
            self._dialogue += (asyncio.get_running_loop().time() - began - self._dialogue) / _MEMORY
        await self._settle(ready.claimed, ready.intent, result)

    async def _sent(self, session: Session, made: Made) -> Result:
        try:
            await session.open()
        except TransportAway as error:
            return Away(str(error))
        except TransportRefused as error:
            return Unsendable(str(error))
        return await session.send(made)

    async def _settle(self, claimed: Claimed, intent: Intent, result: Result) -> None:
        """Does what follows for others from what is known of one message, and then has that written."""
        try:
            if isinstance(result, Away):
                await self._shut(claimed, result.reason)
            elif isinstance(result, Unsendable):
                await self._fail(claimed.mailing, result.reason)
        finally:
            self._write(claimed, intent, result)

    async def _shut(self, claimed: Claimed, reason: str) -> None:
        """Gives everything back: the transport is away, and others may have one that is not."""
        seconds = self._gate.shut(reason)
        withdrawn = self._stock.withdraw()
        try:
            for workspace_id, ids in _by_workspace({claimed.mailing, *(one.mailing for one in withdrawn)}):
                async with self._database.write(workspace_id) as transaction:
                    await sending.hold_back(transaction, ids, seconds, f"It waits for the mail server. {reason}")
        except Exception as error:
            if not is_unavailable(error):
                log.exception("mailings could not be held back")
        finally:
            self._writer.give_back(withdrawn)

    async def _fail(self, mailing: MailingKey, reason: str) -> None:
        """Ends a mailing of which nothing can be sent, however long the database is away."""
        withdrawn = self._stock.withdraw(mailing)
        workspace_id, mailing_id = mailing
        try:
            while True:
                try:
                    failing = partial(moving.fail, mailing_id=mailing_id, reason=reason)
                    if not (await change(self._database, workspace_id, failing)).problems:
                        log.warning("a mailing has failed", mailing=mailing_id, reason=reason)
                    return
                except Exception as error:
                    if not is_unavailable(error):
                        raise
                await asyncio.sleep(self._options.poll)
        finally:
            self._writer.give_back(withdrawn)

    def _write(self, claimed: Claimed, intent: Intent | None, result: Result) -> None:
        at, elapsed = (None, 0.0) if intent is None else (intent.at, asyncio.get_running_loop().time() - intent.since)
        attempts = claimed.attempts + isinstance(result, Deferred)
        kind, message = _known(result, attempts >= self._options.most_attempts)
        outcome = Outcome(
            claimed.id,
            at,
            kind,
            attempts,
            message,
            elapsed,
            delay=self._delay(attempts) if kind == OutcomeKind.RETRY else 0,
            code=result.code if isinstance(result, Bounced) else 0,
        )
        self._writer.write(claimed, outcome)

    def _delay(self, attempts: int) -> float:
        """Seconds until a message is tried again that was refused for now so often."""
        delay: float = self._options.first_retry.total_seconds() * 2.0 ** (attempts - 1)
        return min(delay * random.uniform(*_JITTER), _LONGEST_DELAY)  # noqa: S311 - spreads retries


def _known(result: Result, is_last: bool) -> tuple[OutcomeKind, str | None]:
    match result:
        case Accepted():
            return OutcomeKind.SENT, None
        case Deferred(reply):
            return OutcomeKind.FAILED if is_last else OutcomeKind.RETRY, reply
        case Rejected(reply):
            return OutcomeKind.FAILED, reply
        case Bounced(_, reply):
            return OutcomeKind.BOUNCED, reply
        case Uncertain(reason):
            return OutcomeKind.UNCERTAIN, reason
        case Away(reason) | Unsendable(reason):
            return OutcomeKind.GIVEN_BACK, f"Not sent. {reason}"


def _by_workspace(mailings: Iterable[MailingKey]) -> list[tuple[int, set[int]]]:
    found: dict[int, set[int]] = {}
    for workspace_id, mailing_id in mailings:
        found.setdefault(workspace_id, set()).add(mailing_id)
    return sorted(found.items())
