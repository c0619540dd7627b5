"""Cohorts: followers by the week in which they were first seen, and how many of them are active in the weeks after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from db.engine import Reads
from db.models.followers import Follower, FollowerWeek
from db.models.interaction_kinds import LOWEST, EngagementTier
from db.models.interactions import Interaction
from db.models.platforms import Platform
from db.models.workspaces import Workspace
from db.queries.columns import Query
from db.rates import percent
from db.statements import prepared, workspace

MOST_WEEKS = 104
RECENT = timedelta(days=30)


@dataclass(frozen=True)
class Cohort:
    """The followers of a platform who were first seen in a week, which is named by its Monday."""

    week: date
    platform: str
    size: int
    active30d: int
    super_fans: int
    retention: Sequence[float | None]
    """Percent that were active in the cohort's own week, in the next one, and so on."""


async def listed(reads: Reads, platform: Platform | None, weeks: int, as_of: datetime) -> list[Cohort]:
    """The cohorts of the ``weeks`` weeks that end with the one of ``as_of``, the newest first, then by platform.

    As they are at that moment: followers first seen after it do not count, nor what was done after it. Only its week counts
    as a whole, and scores are those of now.
    """
    values = {"as_of": as_of, "recent": as_of - RECENT, "weeks": weeks}
    if platform is not None:
        values["platform"] = platform.value
    return [_cohort(row) for row in await reads.rows(_listed(on_platform=platform is not None), values)]


def _cohort(row: Any) -> Cohort:
    active = dict(zip(row.weeks or (), row.counts or (), strict=True))
    retention = [percent(active.get(week, 0), row.size) for week in range(row.age + 1)]
    return Cohort(row.week, row.platform, row.size, row.active30d, row.super_fans, retention)


@prepared
def _listed(*, on_platform: bool) -> Query:
    calendar = _calendar()
    followers = _followers(calendar, on_platform=on_platform)
    sizes = (
        select(
            followers.c.week,
            followers.c.platform,
            func.count().label("size"),
            func.count().filter(followers.c.is_active).label("active30d"),
            func.count().filter(followers.c.is_fan).label("super_fans"),
        )
        .group_by(followers.c.week, followers.c.platform)
        .subquery("sizes")
    )
    active = _active(calendar, followers)
    mine = and_(active.c.week == sizes.c.week, active.c.platform == sizes.c.platform)
    weeks = [
        func.array_agg(aggregate_order_by(column, active.c.number)).label(name)
        for name, column in (("weeks", active.c.number), ("counts", active.c.followers))
    ]
    age = _weeks_between(sizes.c.week, _only(calendar.c.last_week))
    return (
        select(*sizes.c, age.label("age"), *weeks)
        .outerjoin_from(sizes, active, mine)
        .group_by(*sizes.c)
        .order_by(sizes.c.week.desc(), sizes.c.platform.collate("C"))
    )


def _calendar() -> Any:
    """One row: the workspace's time zone, and the week of the moment."""
    last_week = _week_of(Workspace.time_zone, _as_of()).label("last_week")
    return select(Workspace.time_zone, last_week).where(Workspace.id == workspace()).cte("calendar")


def _followers(calendar: Any, *, on_platform: bool) -> Any:
    """Those first seen in the weeks that are asked for, with their cohorts."""
    zone, last_week = _only(calendar.c.time_zone), _only(calendar.c.last_week)
    week = _week_of(zone, Follower.first_seen_at)
    first_week = type_coerce(last_week - 7 * (bindparam("weeks", type_=Integer) - 1), Date)
    # A day more, so that an index finds them: when a week begins is not sure where clocks are moved at midnight.
    begins = func.timezone(zone, cast(type_coerce(first_week - 1, Date), DateTime))
    conditions = [
        Follower.workspace_id == workspace(),
        Follower.first_seen_at >= begins,
        Follower.first_seen_at <= _as_of(),
        week >= first_week,
    ]
    if on_platform:
        conditions.append(Follower.platform == bindparam("platform", type_=Text))
    is_fan = Follower.score >= LOWEST[EngagementTier.SUPER_FAN]
    columns = [Follower.platform, week.label("week"), _was_active().label("is_active"), is_fan.label("is_fan")]
    return select(Follower.id, *columns).where(*conditions).cte("members")


def _was_active() -> ColumnElement[bool]:
    """Whether a follower did something in the 30 days before; interactions are looked at where the row does not say."""
    recent: Any = bindparam("recent", type_=DateTime(timezone=True))
    there = exists().where(
        Interaction.workspace_id == Follower.workspace_id,
        Interaction.follower_id == Follower.id,
        Interaction.occurred_at.between(recent, _as_of()),
    )
    known = or_(Follower.first_seen_at >= recent, Follower.last_seen_at <= _as_of())
    return and_(Follower.last_seen_at >= recent, or_(known, there.correlate(Follower)))


def _active(calendar: Any, followers: Any) -> Any:
    """How many of each cohort did something in which week after its own."""
    number = _weeks_between(followers.c.week, FollowerWeek.week)
    joined = and_(FollowerWeek.workspace_id == workspace(), FollowerWeek.follower_id == followers.c.id)
    return (
        select(followers.c.week, followers.c.platform, number.label("number"), func.count().label("followers"))
        .join_from(followers, FollowerWeek, joined)
        .where(FollowerWeek.week.between(followers.c.week, _only(calendar.c.last_week)))
        .group_by(followers.c.week, followers.c.platform, number)
        .subquery("active")
    )


def _week_of(zone: Any, moment: Any) -> ColumnElement[date]:
    return cast(func.date_trunc("week", func.timezone(zone, moment)), Date)


def _weeks_between(first: Any, last: Any) -> ColumnElement[int]:
    return type_coerce(last - first, Integer) // 7


def _as_of() -> Any:
    return bindparam("as_of", type_=DateTime(timezone=True))


def _only(column: Any) -> Any:
    """The value of a column of something with one row."""
    return select(column).scalar_subquery()
