"""The log as its readers follow it: everything as it comes, or the history of some topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.models.live import LiveEntry, LiveHead, Topic
from db.session import Session


class Entry(NamedTuple):
    """One change at its position in the order that is the same for everybody."""

    position: int
    workspace_id: int
    topic: str
    key: int
    kind: str
    subject_id: int | None
    subject_type: str | None
    occurred_at: datetime


@dataclass(frozen=True)
class Head:
    """Where the log stands: ``trimmed < position`` of what it keeps ``<= position``, in this epoch."""

    position: int
    trimmed: int
    epoch: int
    secret: bytes


async def follow(session: Session, after: int, limit: int) -> list[Entry]:
    """What stands after a position, of all workspaces, in order.

    Positions are given out one batch after another, so nothing can still come in before what is seen.
    """
    return [Entry(*row) for row in await session.rows(_FOLLOW, after, limit)]


async def revocations(session: Session, after: int) -> list[Entry]:
    """The API clients that were revoked after a position, in order."""
    return [Entry(*row) for row in await session.rows(_REVOCATIONS, after)]


async def head(session: Session) -> Head:
    """Where the log stands now."""
    row = await session.row("SELECT position, trimmed, epoch, secret FROM live_head")
    return Head(row["position"], row["trimmed"], row["epoch"], row["secret"])


async def head_of(reads: Reads) -> Head:
    """Where the log stands in a snapshot."""
    row: Any = await reads.row(select(LiveHead.position, LiveHead.trimmed, LiveHead.epoch, LiveHead.secret))
    return Head(row.position, row.trimmed, row.epoch, row.secret)


async def history(reads: Reads, topic: Topic, keys: Sequence[int], after: int, upto: int, limit: int) -> list[Entry]:
    """The workspace's entries of a topic with ``after < position <= upto``, in order, at most ``limit``."""
    wanted = func.unnest(literal(list(keys), ARRAY(BigInteger))).table_valued("key").render_derived("wanted")
    columns = [getattr(LiveEntry, name) for name in Entry._fields]
    each = (
        select(*columns)
        .where(
            LiveEntry.workspace_id == reads.workspace,
            LiveEntry.topic == topic.value,
            LiveEntry.key == wanted.c.key,
            LiveEntry.position > after,
            LiveEntry.position <= upto,
        )
        .order_by(LiveEntry.position)
        .limit(limit)
        .correlate(wanted)
        .lateral("each")
    )
    statement = (
        select(*(each.c[name] for name in Entry._fields))
        .select_from(wanted.join(each, true()))
        .order_by(each.c.position)
        .limit(limit)
    )
    return [Entry(*row) for row in await reads.rows(statement)]


_ENTRIES = f"SELECT {', '.join(Entry._fields)} FROM live_log WHERE position > $1"  # noqa: S608 - names only
_FOLLOW = f"{_ENTRIES} ORDER BY position LIMIT $2"
_REVOCATIONS = f"{_ENTRIES} AND topic = 'CLIENTS' ORDER BY position"
