"""People who engaged with a campaign: those who did most, and those who did all of some things."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    case,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads, Rows
from db.keyset import Order, Page, PageRequest, page_per_parent
from db.models.engagers import CampaignEngager as Engager
from db.models.impressions import CampaignUser, Impression
from db.queries.engagement.reading import counted, paged


class AudienceAction(StrEnum):
    """What a person may have done: seen the campaign and acted on what was seen, or engaged with it."""

    VIEWED = "VIEWED"
    CLICKED = "CLICKED"
    CONVERTED = "CONVERTED"
    LIKED = "LIKED"
    SHARED = "SHARED"
    COMMENTED = "COMMENTED"
    SAVED = "SAVED"
    BOOKMARKED = "BOOKMARKED"


_A = AudienceAction
_ENGAGED = {
    _A.LIKED: Engager.likes,
    _A.SHARED: Engager.shares,
    _A.COMMENTED: Engager.comments,
    _A.SAVED: Engager.saves,
    _A.BOOKMARKED: Engager.bookmarks,
}
_SEEN = {_A.CLICKED: Impression.clicked, _A.CONVERTED: Impression.converted}

Actions = frozenset[AudienceAction]


async def top(reads: Reads, number: int, ids: Sequence[int]) -> list[Rows]:
    """Each campaign's actors with most engagements, then the last active ones, in the order of the ids."""
    campaigns = _unnested(ids)
    best = (
        select(*_shown(Engager), Engager.engagements, Engager.last_active_at)
        .where(Engager.workspace_id == reads.workspace, Engager.campaign_id == campaigns.c.id)
        .order_by(*(column.desc() for column in (Engager.engagements, Engager.last_active_at, *_key(Engager))))
        .limit(number)
        .lateral("best")
    )
    statement = select(campaigns.c.id.label("parent_id"), best).select_from(campaigns.join(best, true()))
    mine: dict[int, list[Any]] = {}
    for row in await reads.rows(statement):
        mine.setdefault(row.parent_id, []).append(row)
    return [mine.get(campaign_id, []) for campaign_id in ids]


async def of_campaigns(reads: Reads, actions: Actions, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of each campaign's people who did all of it, by user and profile, in the order of the ids."""
    statement, campaign, order = _who_did(reads, actions)
    rows = await reads.rows(page_per_parent(statement, campaign, order, request, ids))
    return paged(order, request, rows, ids)


async def count_of_campaigns(reads: Reads, actions: Actions, ids: Sequence[int]) -> list[int]:
    """How many people of each campaign did all of it, in the order of the ids. Counted from all of them."""
    statement, campaign, _ = _who_did(reads, actions)
    people = statement.add_columns(campaign.label("campaign_id"))
    found = people.where(campaign == any_(literal(list(ids), ARRAY(BigInteger)))).subquery("people")
    rows = await reads.rows(select(found.c.campaign_id, func.count()).group_by(found.c.campaign_id))
    return counted(rows, ids)


def order_of(actions: Actions) -> Order:
    """The order in which those who did all of it are listed."""
    return _BY_ENGAGER if _engaged(actions) else _BY_VIEWER


def _engaged(actions: Actions) -> list[ColumnElement[bool]]:
    return [counter > 0 for action, counter in _ENGAGED.items() if action in actions]


def _who_did(reads: Reads, actions: Actions) -> tuple[Select[*tuple[Any, ...]], Any, Order]:
    """The people, the column of their campaign, and their order."""
    engaged = _engaged(actions)
    if not engaged:
        return _viewers(reads, actions), CampaignUser.campaign_id, _BY_VIEWER
    statement = select(*_shown(Engager), Engager.engagements, Engager.last_active_at)
    statement = statement.where(Engager.workspace_id == reads.workspace, *engaged)
    if actions.intersection({_A.VIEWED, _A.CLICKED, _A.CONVERTED}):
        statement = statement.where(_saw(actions))
    return statement, Engager.campaign_id, _BY_ENGAGER


def _saw(actions: Actions) -> ColumnElement[bool]:
    own = and_(
        Impression.workspace_id == Engager.workspace_id,
        Impression.campaign_id == Engager.campaign_id,
        Impression.user_id == Engager.user_id,
        func.coalesce(Impression.profile_type, "") == Engager.profile_type,
        func.coalesce(Impression.profile_id, "") == Engager.profile_id,
    )
    done: list[Any] = [column for action, column in _SEEN.items() if action in actions] or [true()]
    # Each by an impression of its own: a click on one and a conversion on another are both of this person.
    return and_(*(select(Impression.id).where(own, each).exists() for each in done))


_KIND: Any = func.coalesce(Impression.profile_type, "", type_=Text)
_PROFILE: Any = func.coalesce(Impression.profile_id, "", type_=Text)


def _viewers(reads: Reads, actions: Actions) -> Select[*tuple[Any, ...]]:
    """Those who saw the campaign, user by user in the order of their index, each with its profiles."""
    did = [func.bool_or(column) for action, column in _SEEN.items() if action in actions]
    profiles = (
        select(
            _KIND.label("profile_type"), _PROFILE.label("profile_id"), func.max(Impression.occurred_at).label("last")
        )
        .where(
            Impression.workspace_id == CampaignUser.workspace_id,
            Impression.campaign_id == CampaignUser.campaign_id,
            Impression.user_id == CampaignUser.user_id,
        )
        .group_by(_KIND, _PROFILE)
        .having(and_(true(), *did))
        .correlate(CampaignUser)
        .lateral("profiles")
    )
    same = and_(
        Engager.workspace_id == CampaignUser.workspace_id,
        Engager.campaign_id == CampaignUser.campaign_id,
        Engager.user_id == CampaignUser.user_id,
        Engager.profile_type == profiles.c.profile_type,
        Engager.profile_id == profiles.c.profile_id,
    )
    return (
        select(
            CampaignUser.user_id.label("user_id"),
            _or_null(profiles.c.profile_type),
            _or_null(profiles.c.profile_id),
            func.coalesce(Engager.engagements, 0).label("engagements"),
            func.coalesce(Engager.last_active_at, profiles.c.last).label("last_active_at"),
        )
        .select_from(CampaignUser)
        .join(profiles, true())
        .outerjoin(Engager, same)
        .where(CampaignUser.workspace_id == reads.workspace)
    )


def _key(model: Any) -> tuple[Any, Any, Any]:
    return model.user_id, model.profile_type, model.profile_id


def _shown(model: Any) -> list[ColumnElement[Any]]:
    return [model.user_id.label("user_id"), _or_null(model.profile_type), _or_null(model.profile_id)]


def _or_null(column: Any) -> ColumnElement[Any]:
    return case((column != "", column)).label(column.key)


def _unnested(ids: Sequence[int]) -> Any:
    return func.unnest(literal(list(ids), ARRAY(BigInteger))).table_valued("id").render_derived("campaigns")


_BY_ENGAGER = Order("engagers", _key(Engager))
_BY_VIEWER = Order(
    "viewers",
    (
        CampaignUser.user_id,
        literal_column("profiles.profile_type", Text),
        literal_column("profiles.profile_id", Text),
    ),
)
