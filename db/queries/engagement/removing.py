"""Taking reactions back, deleting and editing comments."""

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import func, select, update

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, not_found
from db.models.engagement import Engagement
from db.models.engagement_kinds import EngagementType
from db.models.live import ChangeKind
from db.queries import campaigns
from db.queries.engagement import counting, placing
from db.queries.engagement.counting import Fact
from db.queries.live import outbox

Actor: TypeAlias = tuple[str, str | None, str | None]
"""User, kind of profile, profile."""
Allowed: TypeAlias = Callable[[Actor], Problem | None]
"""Why the caller may not change what this actor did; None where it may."""

_FACT = (
    Engagement.id,
    Engagement.type,
    Engagement.campaign_id,
    Engagement.user_id,
    Engagement.profile_type,
    Engagement.profile_id,
    Engagement.occurred_at,
    Engagement.impression_id,
)


async def take_back(transaction: Transaction, campaign_id: int, kind: EngagementType, actor: Actor) -> bool:
    """Takes a reaction back; False where there was none. Raises Refused where there is no such campaign."""
    if not await campaigns.for_recording(transaction, [campaign_id]):
        raise Refused([not_found("No such campaign.", "campaign_id")])
    user_id, profile_type, profile_id = actor
    row = await transaction.row(
        select(*_FACT).where(
            Engagement.workspace_id == transaction.workspace,
            Engagement.campaign_id == campaign_id,
            Engagement.type == kind.value,
            Engagement.user_id == user_id,
            Engagement.profile_type.is_not_distinct_from(profile_type),
            Engagement.profile_id.is_not_distinct_from(profile_id),
            Engagement.deleted_at.is_(None),
        )
    )
    if row is None:
        return False
    impressions = await _linked(transaction, row)
    if not await _delete(transaction, row.id):
        return False  # somebody else was faster
    await counting.removed(transaction, _fact(row), impressions, {})
    await _tell(transaction, ChangeKind.REMOVED, row)
    return True


async def delete_comment(transaction: Transaction, comment_id: int, allowed: Allowed) -> None:
    """Deletes a comment. One that is deleted already stays so and counts once. Raises Refused."""
    row = await _comment(transaction, comment_id, allowed)
    await campaigns.for_recording(transaction, [row.campaign_id])
    impressions = await _linked(transaction, row)
    places: placing.Places = {}
    await placing.lock_upwards(transaction, [comment_id], places)
    if not await _delete(transaction, comment_id):
        return
    threads = {row.campaign_id: -1} if placing.take_out(places[comment_id]) else {}
    await placing.write(transaction, list(places.values()))
    await counting.removed(transaction, _fact(row), impressions, threads)
    await _tell(transaction, ChangeKind.REMOVED, row)


async def edit_comment(transaction: Transaction, comment_id: int, body: str, allowed: Allowed) -> None:
    """Gives a comment another text. The same text is no edit. Raises Refused."""
    row = await _comment(transaction, comment_id, allowed, lock=True)
    if row.deleted_at is not None:
        raise Refused([conflict("The comment was deleted.", "id") if row.is_listed else NO_SUCH_COMMENT])
    if row.body != body:
        values = {"body": body, "edited_at": func.now(), "updated_at": func.now()}
        await transaction.run(update(Engagement).where(*_is(transaction, comment_id)).values(values))
        await _tell(transaction, ChangeKind.EDITED, row)


NO_SUCH_COMMENT = not_found("No such comment.", "id")


def _is(transaction: Transaction, engagement_id: int) -> tuple[Any, Any]:
    return Engagement.workspace_id == transaction.workspace, Engagement.id == engagement_id


async def _comment(transaction: Transaction, comment_id: int, allowed: Allowed, *, lock: bool = False) -> Any:
    statement = select(*_FACT, Engagement.body, Engagement.deleted_at, Engagement.is_listed).where(
        *_is(transaction, comment_id), Engagement.type == EngagementType.COMMENT.value
    )
    row = await transaction.row(statement.with_for_update(key_share=True) if lock else statement)
    if row is None:
        raise Refused([NO_SUCH_COMMENT])
    problem = allowed((row.user_id, row.profile_type, row.profile_id))
    if problem is not None:
        raise Refused([problem])
    return row


async def _linked(transaction: Transaction, row: Any) -> counting.Impressions:
    return await counting.locked_impressions(transaction, [] if row.impression_id is None else [row.impression_id])


async def _delete(transaction: Transaction, engagement_id: int) -> bool:
    stands = Engagement.deleted_at.is_(None)
    deleted = update(Engagement).where(*_is(transaction, engagement_id), stands)
    return await transaction.run(deleted.values(deleted_at=func.now(), updated_at=func.now())) == 1


async def _tell(transaction: Transaction, kind: ChangeKind, row: Any) -> None:
    await outbox.append(transaction, [outbox.engagement(kind, row.campaign_id, row.id, EngagementType(row.type))])


def _fact(row: Any) -> Fact:
    actor = (row.user_id, row.profile_type, row.profile_id)
    return Fact(EngagementType(row.type), row.campaign_id, actor, row.occurred_at, row.impression_id)
