"""What engagements add to the numbers, and take away again: of impressions, of engagers, of campaigns.

Locks are taken in one order by everybody: campaigns, impressions, comments, keys, engagers, roll-ups, each sorted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, any_, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.models.engagement import Engagement
from db.models.engagement_kinds import EngagementType
from db.models.engagers import COUNTS, CampaignEngager
from db.models.impressions import Impression
from db.queries import rollups

COUNTERS = {
    EngagementType.LIKE: "likes",
    EngagementType.SHARE: "shares",
    EngagementType.COMMENT: "comments",
    EngagementType.SAVE: "saves",
    EngagementType.BOOKMARK: "bookmarks",
}
"""Under which name each type is counted, of engagers as of campaigns."""

Impressions = Mapping[int, Any]
"""By id, locked."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What the numbers need to know of an engagement."""

    type: EngagementType
    campaign_id: int
    actor: tuple[str, str | None, str | None]
    occurred_at: datetime
    impression_id: int | None


async def locked_impressions(transaction: Transaction, ids: Iterable[int]) -> Impressions:
    """The impressions of these ids that there are, locked until the transaction ends."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    columns = (Impression.campaign_id, Impression.occurred_at, Impression.engagement_count)
    statement = (
        select(Impression.id, *columns, (Impression.clicked | Impression.converted).label("acted"))
        .where(
            Impression.workspace_id == transaction.workspace,
            Impression.id == any_(literal(wanted, ARRAY(BigInteger))),
        )
        .order_by(Impression.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row for row in await transaction.rows(statement)}


async def added(
    transaction: Transaction, facts: Sequence[Fact], impressions: Impressions, threads: Mapping[int, int]
) -> None:
    """Counts engagements that were just inserted. ``threads``: new top-level comments by campaign."""
    await _count(transaction, facts, impressions, threads, 1)


async def removed(transaction: Transaction, fact: Fact, impressions: Impressions, threads: Mapping[int, int]) -> None:
    """Takes an engagement out of the numbers that was just taken back or deleted."""
    await _count(transaction, [fact], impressions, threads, -1)


async def _count(
    transaction: Transaction,
    facts: Sequence[Fact],
    impressions: Impressions,
    threads: Mapping[int, int],
    sign: int,
) -> None:
    if not facts:
        return
    deltas = rollups.Deltas()
    for fact in facts:
        deltas.add(fact.campaign_id, fact.occurred_at, [(COUNTERS[fact.type], sign)])
    for campaign_id, number in threads.items():
        deltas.add_whole(campaign_id, "threads", number)
    await _link(transaction, facts, impressions, sign, deltas)
    if sign > 0:
        await _add_engagers(transaction, facts)
    else:
        for fact in facts:
            await _remove_from_engager(transaction, fact)
    await rollups.add(transaction, deltas)


async def _link(
    transaction: Transaction, facts: Sequence[Fact], impressions: Impressions, sign: int, deltas: rollups.Deltas
) -> None:
    links = Counter(fact.impression_id for fact in facts if fact.impression_id is not None)
    for impression_id, number in links.items():
        row = impressions[impression_id]
        before, after = row.engagement_count, row.engagement_count + sign * number
        if not row.acted and (before > 0) != (after > 0):
            deltas.add(row.campaign_id, row.occurred_at, [("impressions_only_engaged", sign)])
    if links:
        values = {
            "id": list(links),
            "number": [sign * n for n in links.values()],
            "workspace": transaction.workspace_id,
        }
        await transaction.run(_LINK, values)


async def _add_engagers(transaction: Transaction, facts: Sequence[Fact]) -> None:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for fact in facts:
        user_id, profile_type, profile_id = fact.actor
        key = (fact.campaign_id, user_id, profile_type or "", profile_id or "")
        counts = found.setdefault(key, {**dict.fromkeys(COUNTS, 0), "last_active_at": fact.occurred_at})
        counts[COUNTERS[fact.type]] += 1
        counts["last_active_at"] = max(counts["last_active_at"], fact.occurred_at)
    rows = sorted(found.items(), key=lambda item: item[0])
    values: dict[str, Any] = {
        name: [key[place] for key, _ in rows]
        for place, name in enumerate(("campaign_id", "user_id", "profile_type", "profile_id"))
    }
    values |= {name: [counts[name] for _, counts in rows] for name in (*COUNTS, "last_active_at")}
    values["workspace"] = transaction.workspace_id
    await transaction.run(_ADD_ENGAGERS, values)


async def _remove_from_engager(transaction: Transaction, fact: Fact) -> None:
    user_id, profile_type, profile_id = fact.actor
    own = (
        CampaignEngager.workspace_id == transaction.workspace,
        CampaignEngager.campaign_id == fact.campaign_id,
        CampaignEngager.user_id == user_id,
        CampaignEngager.profile_type == (profile_type or ""),
        CampaignEngager.profile_id == (profile_id or ""),
    )
    engagements = await transaction.scalar(select(CampaignEngager.engagements).where(*own).with_for_update())
    if engagements == 1:
        await transaction.run(delete(CampaignEngager).where(*own))
        return
    # In a statement after the one that locked: it sees all that was committed until then, and what is not yet
    # committed raises the time itself.
    latest = select(func.max(Engagement.occurred_at)).where(
        Engagement.workspace_id == transaction.workspace,
        Engagement.campaign_id == fact.campaign_id,
        Engagement.user_id == user_id,
        Engagement.profile_type.is_not_distinct_from(profile_type),
        Engagement.profile_id.is_not_distinct_from(profile_id),
        Engagement.deleted_at.is_(None),
    )
    counter = getattr(CampaignEngager, COUNTERS[fact.type])
    values = {
        counter: counter - 1,
        CampaignEngager.engagements: CampaignEngager.engagements - 1,
        CampaignEngager.last_active_at: latest.scalar_subquery(),
    }
    await transaction.run(update(CampaignEngager).where(*own).values(values))


_LINK = text(
    "UPDATE impressions SET engagement_count = engagement_count + new.number "
    "FROM unnest(CAST(:id AS bigint[]), CAST(:number AS bigint[])) AS new (id, number) "
    "WHERE impressions.workspace_id = :workspace AND impressions.id = new.id"
)
_ADD_ENGAGERS = text(
    f"INSERT INTO campaign_engagers AS old (workspace_id, campaign_id, user_id, profile_type, profile_id, "  # noqa: S608 - names only
    f"{', '.join(COUNTS)}, engagements, last_active_at) SELECT CAST(:workspace AS bigint), new.campaign_id, new.user_id, "
    f"new.profile_type, new.profile_id, {', '.join(COUNTS)}, {' + '.join(COUNTS)}, new.last_active_at "
    "FROM unnest(CAST(:campaign_id AS bigint[]), CAST(:user_id AS text[]), CAST(:profile_type AS text[]), "
    f"CAST(:profile_id AS text[]), {', '.join(f'CAST(:{name} AS bigint[])' for name in COUNTS)}, "
    "CAST(:last_active_at AS timestamptz[])) "
    f"AS new (campaign_id, user_id, profile_type, profile_id, {', '.join(COUNTS)}, last_active_at) "
    "ON CONFLICT (workspace_id, campaign_id, user_id, profile_type, profile_id) DO UPDATE SET "
    f"{', '.join(f'{name} = old.{name} + excluded.{name}' for name in COUNTS)}, "
    "engagements = old.engagements + excluded.engagements, "
    "last_active_at = greatest(old.last_active_at, excluded.last_active_at)"
)
