"""People who engaged with a campaign: those who did most, and those who did all of some things."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, any_, case, func, literal_column, select, true

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages, rows_per_parent, unnested
from db.models.engagers import CampaignEngager as Engager
from db.models.impressions import CampaignUser, Impression
from db.queries.columns import Query, counted
from db.statements import Rows, given_ids, prepared, workspace


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
    mine = rows_per_parent(await reads.rows(_top(number), {"ids": ids}))
    return [mine.get(campaign_id, Rows()) for campaign_id in ids]


@prepared
def _top(number: int) -> Query:
    campaigns = unnested()
    position = [column.label(f"position_{n}") for n, column in enumerate(_BY_ENGAGEMENTS)]
    best = (
        select(*_shown(Engager), Engager.engagements, Engager.last_active_at, *position)
        .where(Engager.workspace_id == workspace(), Engager.campaign_id == campaigns.c.id)
        .order_by(*(column.desc() for column in _BY_ENGAGEMENTS))
        .limit(number)
        .lateral("best")
    )
    return (
        select(campaigns.c.id.label("parent_id"), best)
        .select_from(campaigns.join(best, true()))
        .order_by(campaigns.c.id, *(best.c[column.key].desc() for column in position))
    )


async def of_campaigns(reads: Reads, actions: Actions, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of each campaign's people who did all of it, by user and profile, in the order of the ids."""
    order = order_of(actions)
    values = {"ids": ids, **order.parameters(request)}
    return pages(order, request, await reads.rows(_of_campaigns(actions, request.shape), values), ids)


@prepared
def _of_campaigns(actions: Actions, shape: Shape) -> Query:
    statement, campaign = _who_did(actions)
    return page_per_parent(statement, campaign, order_of(actions), shape)


async def count_of_campaigns(reads: Reads, actions: Actions, ids: Sequence[int]) -> list[int]:
    """How many people of each campaign did all of it, in the order of the ids. Counted from all of them."""
    return counted(await reads.rows(_count(actions), {"ids": ids}), ids)


@prepared
def _count(actions: Actions) -> Query:
    statement, campaign = _who_did(actions)
    people = statement.add_columns(campaign.label("campaign_id")).where(campaign == any_(given_ids()))
    found = people.subquery("people")
    return select(found.c.campaign_id, func.count()).group_by(found.c.campaign_id)


def order_of(actions: Actions) -> Order:
    """The order in which those who did all of it are listed."""
    return _BY_ENGAGER if _engaged(actions) else _BY_VIEWER


def _engaged(actions: Actions) -> list[ColumnElement[bool]]:
    return [counter > 0 for action, counter in _ENGAGED.items() if action in actions]


def _who_did(actions: Actions) -> tuple[Query, Any]:
    """The people, and the column of their campaign."""
    engaged = _engaged(actions)
    if not engaged:
        return _viewers(actions), CampaignUser.campaign_id
    statement = select(*_shown(Engager), Engager.engagements, Engager.last_active_at)
    statement = statement.where(Engager.workspace_id == workspace(), *engaged)
    if actions.intersection({_A.VIEWED, _A.CLICKED, _A.CONVERTED}):
        statement = statement.where(_saw(actions))
    return statement, Engager.campaign_id


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


def _viewers(actions: Actions) -> Query:
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
        .where(CampaignUser.workspace_id == workspace())
    )


def _key(model: Any) -> tuple[Any, Any, Any]:
    return model.user_id, model.profile_type, model.profile_id


def _shown(model: Any) -> list[ColumnElement[Any]]:
    return [model.user_id.label("user_id"), _or_null(model.profile_type), _or_null(model.profile_id)]


def _or_null(column: Any) -> ColumnElement[Any]:
    return case((column != "", column)).label(column.key)


_BY_ENGAGEMENTS = (Engager.engagements, Engager.last_active_at, *_key(Engager))
_BY_ENGAGER = Order("engagers", _key(Engager))
_BY_VIEWER = Order(
    "viewers",
    (
        CampaignUser.user_id,
        literal_column("profiles.profile_type", Text),
        literal_column("profiles.profile_id", Text),
    ),
)
