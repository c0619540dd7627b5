"""Every number of followers and of content equals a recount of the interactions, whatever arrived twice, late or in another order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database, Reads
from db.models.content_items import NewContent, NewPost
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import (
    COUNTERS,
    DIGIT_BITS,
    SCORE_LEVELS,
    WEIGHTS,
    EngagementTier,
    InteractionType,
    score_of,
    tier_of,
)
from db.models.platforms import Platform
from db.queries import workspaces
from db.queries.content import numbers, writing
from db.queries.followers import cohorts, ranks
from db.queries.interactions import placing, recording
from db.rates import percent

# Around midnights between Sunday and Monday, in the week in which the clocks of Berlin go forward and those after it.
BASE = datetime(2026, 3, 29, 18, 15, tzinfo=UTC)
MINUTES = st.sampled_from([-7 * 1440, 0, 1, 225, 226, 344, 345, 346, 7 * 1440, 7 * 1440 + 226, 29 * 1440, 31 * 1440])
MOMENTS = st.builds(lambda m, s: BASE + timedelta(minutes=m, seconds=s), MINUTES, st.integers(-1, 1))
ZONES = ["Europe/Berlin", "Asia/Kathmandu"]
POSTS = {
    (Platform.TIKTOK, "a"): 0,
    (Platform.TIKTOK, "b"): 1,
    (Platform.META, "a"): 0,
    (Platform.META, "b"): 0,
}
"""Which of two content items each post is of."""
ITEMS = st.fixed_dictionaries(
    {
        "key": st.integers(0, 40).map("k{}".format),
        "who": st.sampled_from("uvwx"),
        "platform": st.sampled_from([Platform.TIKTOK, Platform.META]),
        "type": st.sampled_from(InteractionType),
        "post": st.sampled_from([None, "a", "b"]),
        "occurred_at": MOMENTS,
    }
)
BATCHES = st.lists(st.lists(ITEMS, max_size=16), max_size=5)
CLICK = {"who": "u", "platform": Platform.META, "type": InteractionType.LINK_CLICK, "post": None, "occurred_at": BASE}
SUPER_FAN = [{"key": f"fan{n}", **CLICK} for n in range(34)]
"""A batch that makes one: 34 clicks are 510."""
NAMES = list(COUNTERS.values())
LEDGER = """SELECT i.*, f.platform, p.content_id FROM interactions i JOIN followers f ON f.id = i.follower_id
  LEFT JOIN content_posts p ON p.id = i.post_id WHERE i.workspace_id = :w"""
WORKSPACES = iter(range(10_000))


def counts(rows: Iterable[Any]) -> tuple[int, ...]:
    """How many interactions of each type there are."""
    found = Counter(row.type for row in rows)
    return tuple(found[kind] for kind in COUNTERS)


def score(rows: Iterable[Any]) -> int:
    """What interactions add up to."""
    return score_of(dict(zip(COUNTERS, counts(rows), strict=True)))


def grouped(rows: Iterable[Any], key: Any) -> dict[Any, list[Any]]:
    """Rows by what a key makes of them."""
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def monday(moment: datetime, zone: str) -> date:
    """The week of a moment, by Python's own calendar."""
    day = moment.astimezone(ZoneInfo(zone)).date()
    return day - timedelta(days=day.weekday())


async def check(database: Database, zone: str, batches: Any, as_of: datetime) -> None:
    """Records batches, one transaction each, and compares all numbers with a recount."""
    workspace = await workspaces.create(database, f"w{next(WORKSPACES)}", "W", zone, "EUR")
    content_ids = []
    async with database.write(workspace) as transaction:
        for n in range(2):
            mine = [NewPost(*identity) for identity, owner in POSTS.items() if owner == n]
            content_ids.append(await writing.write(transaction, NewContent(f"c{n}", "C", posts=mine)))
    keys: set[str] = set()
    for batch in batches:
        items = [item(one) for one in batch]
        async with database.write(workspace) as transaction:
            assert await placing.place(transaction, items) == {}
            outcome = await recording.record(transaction, items)
        new = {one.key for one in items} - keys
        assert outcome == recording.Outcome(len(new), len(items) - len(new))
        keys |= new
    reads = database.reads(workspace)
    try:
        rows = list(await reads.rows(text(LEDGER), {"w": workspace}))
        assert sorted(row.key for row in rows) == sorted(keys)
        await compare_followers(reads, workspace, rows, zone)
        await compare_content(reads, content_ids, rows)
        await compare_cohorts(reads, rows, zone, as_of)
    finally:
        await reads.close()


def item(one: Any) -> NewInteraction:
    """An interaction of a history."""
    return NewInteraction(
        one["key"],
        one["platform"],
        one["type"],
        one["occurred_at"],
        one["who"],
        one["who"],
        external_post_id=one["post"],
    )


async def compare_followers(reads: Reads, workspace: int, rows: Sequence[Any], zone: str) -> None:
    """Compares counts, scores and times, weeks, ranks, counts of tiers and the histogram of scores."""
    people = grouped(rows, lambda row: row.follower_id)
    kept = await reads.rows(text("SELECT * FROM followers WHERE workspace_id = :w"), {"w": workspace})
    assert {
        row.id: (*(getattr(row, name) for name in NAMES), row.score, row.first_seen_at, row.last_seen_at)
        for row in kept
    } == {one: (*counts(mine), score(mine), *first_and_last(mine)) for one, mine in people.items()}
    weeks = await reads.rows(text("SELECT * FROM follower_weeks WHERE workspace_id = :w"), {"w": workspace})
    assert sorted((row.follower_id, row.week) for row in weeks) == sorted(
        {(row.follower_id, monday(row.occurred_at, zone)) for row in rows}
    )
    scores = [score(mine) for mine in people.values()]
    assert await ranks.of_scores(reads, scores) == [1 + sum(other > one for other in scores) for one in scores]
    for tier in EngagementTier:
        low, high = low_and_high(tier)
        assert await ranks.count(reads, [(low, high)]) == sum(tier_of(one) == tier for one in scores)
    histogram = await reads.rows(
        text(
            "SELECT level, bucket, sum(followers)::int AS number FROM follower_score_counts WHERE workspace_id = :w "
            "GROUP BY level, bucket HAVING sum(followers) <> 0"
        ),
        {"w": workspace},
    )
    assert {(row.level, row.bucket): row.number for row in histogram} == Counter(
        (level, one >> DIGIT_BITS * level) for one in scores for level in range(SCORE_LEVELS)
    )


def low_and_high(tier: EngagementTier) -> tuple[int, int | None]:
    """The range of a tier."""
    ends = {EngagementTier.INACTIVE: (0, 10), EngagementTier.LURKER: (10, 100), EngagementTier.ACTIVE: (100, 500)}
    return ends.get(tier, (500, None))


def first_and_last(rows: Iterable[Any]) -> tuple[datetime, datetime]:
    """When the first and the last of some interactions were."""
    moments = [row.occurred_at for row in rows]
    return min(moments), max(moments)


async def compare_content(reads: Reads, content_ids: list[int], rows: Sequence[Any]) -> None:
    """Compares the numbers of content items, in total and by platform, and which platform is the best."""
    about = {one: [row for row in rows if row.content_id == one] for one in content_ids}
    needs = frozenset({*numbers.TOTALS, "platforms", "best_platform"})
    found = {row.id: row for row in await numbers.summaries_of(reads, needs, content_ids)}
    by_platform = await numbers.platforms_of(reads, frozenset({"posts", *NAMES, "unique_followers"}), content_ids)
    for number, (content_id, platforms) in enumerate(zip(content_ids, by_platform, strict=True)):
        mine, row = about[content_id], found[content_id]
        assert tuple(getattr(row, f"total_{name}") for name in NAMES) == counts(mine)
        assert row.total_interactions == len(mine)
        assert row.unique_followers == len({one.follower_id for one in mine})
        posts = Counter(platform.value for (platform, _), owner in POSTS.items() if owner == number)
        assert list(row.platforms) == sorted(posts)
        on = {name: [one for one in mine if one.platform == name] for name in sorted(posts)}
        assert [
            (one.platform, one.posts, *(getattr(one, name) for name in NAMES), one.unique_followers)
            for one in platforms
        ] == [(name, posts[name], *counts(did), len({one.follower_id for one in did})) for name, did in on.items()]
        assert row.best_platform == min(
            (name for name in on if on[name]),
            key=lambda name: (-score(on[name]), -counts(on[name])[NAMES.index("comments")], name),
            default=None,
        )


async def compare_cohorts(reads: Reads, rows: Sequence[Any], zone: str, as_of: datetime) -> None:
    """Compares the cohorts of the five weeks up to a moment, of all platforms and of one."""
    people = grouped(rows, lambda row: row.follower_id)
    last = monday(as_of, zone)
    seen = {one: first_and_last(mine)[0] for one, mine in people.items()}
    members = grouped(
        (one for one, moment in seen.items() if moment <= as_of and monday(moment, zone) >= last - timedelta(weeks=4)),
        lambda one: (monday(seen[one], zone), people[one][0].platform),
    )
    expected = []
    for (week, platform), ids in sorted(members.items(), key=lambda pair: (-pair[0][0].toordinal(), pair[0][1])):
        moments = {one: [row.occurred_at for row in people[one]] for one in ids}
        active = [any(as_of - timedelta(days=30) <= moment <= as_of for moment in moments[one]) for one in ids]
        weeks = [{monday(moment, zone) for moment in moments[one]} for one in ids]
        steps = [week + timedelta(weeks=n) for n in range((last - week).days // 7 + 1)]
        retention = [percent(sum(step in mine for mine in weeks), len(ids)) for step in steps]
        fans = sum(score(people[one]) >= 500 for one in ids)
        expected.append(cohorts.Cohort(week, platform, len(ids), sum(active), fans, retention))
    assert await cohorts.listed(reads, None, 5, as_of) == expected
    on_meta = [cohort for cohort in expected if cohort.platform == "META"]
    assert await cohorts.listed(reads, Platform.META, 5, as_of) == on_meta


def test_all_numbers_of_interactions_equal_a_recount_over_random_histories(database_url: str) -> None:
    assert list(WEIGHTS) == list(COUNTERS)
    with asyncio.Runner() as runner:
        database = Database(database_url)

        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(ZONES), BATCHES, MOMENTS, st.booleans())
        def histories(zone: str, batches: Any, as_of: datetime, has_a_fan: bool) -> None:
            runner.run(check(database, zone, [*batches, SUPER_FAN] if has_a_fan else batches, as_of))

        histories()
        runner.run(database.close())
