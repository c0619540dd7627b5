"""The outbox: what a transaction changed, told in the same transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.models.engagement_kinds import EngagementType
from db.models.live import ChangeKind, Topic


@dataclass(frozen=True, slots=True)
class Change:
    """One entry. ``key`` says of what (of which campaign, say), ``subject_id`` what it was that changed."""

    topic: Topic
    key: int
    kind: ChangeKind
    subject_id: int | None = None
    subject_type: str | None = None


def engagement(kind: ChangeKind, campaign_id: int, engagement_id: int, type_: EngagementType) -> Change:
    """That an engagement was added, edited or removed."""
    return Change(Topic.ENGAGEMENTS, campaign_id, kind, engagement_id, type_.value)


async def append(transaction: Transaction, changes: Sequence[Change]) -> None:
    """Appends entries, in order. Comes last in a transaction, when all that changes is locked: two changes of one row
    then have their entries in the order of the changes."""
    if not changes:
        return
    values: dict[str, Any] = {name: [getattr(change, name) for change in changes] for name in _COLUMNS}
    await transaction.run(_APPEND, values | {"workspace": transaction.workspace_id})
    transaction.announces = True


async def numbers_changed(transaction: Transaction, campaign_ids: Collection[int]) -> None:
    """Tells that the numbers of campaigns changed by something that has no entry of its own."""
    changes = [Change(Topic.NUMBERS, one, ChangeKind.CHANGED) for one in sorted(campaign_ids)]
    await append(transaction, changes)


_COLUMNS = {"topic": "text", "key": "bigint", "kind": "text", "subject_id": "bigint", "subject_type": "text"}
_APPEND = text(
    f"INSERT INTO outbox (workspace_id, occurred_at, {', '.join(_COLUMNS)}) "  # noqa: S608 - names only
    f"SELECT CAST(:workspace AS bigint), clock_timestamp(), {', '.join(f'new.{name}' for name in _COLUMNS)} "
    f"FROM unnest({', '.join(f'CAST(:{n} AS {kind}[])' for n, kind in _COLUMNS.items())}) "
    f"WITH ORDINALITY AS new ({', '.join(_COLUMNS)}, place) ORDER BY new.place"
)
