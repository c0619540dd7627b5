"""After any history of engagement, every number and every thread equals a recount, one by one."""

import asyncio
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database, Reads, Transaction
from db.errors import Refused
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.impression_items import ImpressionChange, NewImpression
from db.queries import campaigns, metrics, workspaces
from db.queries.engagement import recording, removing
from db.queries.engagement.counting import COUNTERS
from db.queries.impressions import recording as impressions
from db.queries.impressions import updating
from db.queries.windows import ALL_TIME, Window

BASE = datetime(2026, 3, 28, 22, 45, tzinfo=UTC)
MOMENTS = st.builds(
    lambda m, s: BASE + timedelta(minutes=m, seconds=s), st.sampled_from([0, 14, 15, 75, 1440]), st.integers(0, 1)
)
ACTORS = st.sampled_from([("u", None, None), ("u", "person", None), ("u", "person", "1"), ("v", None, None)])
PLACES = st.integers(0, 7)
LINKS = st.none() | st.integers(0, 2)
ENGAGEMENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*EngagementType, EngagementType.COMMENT, EngagementType.COMMENT]),
        "actor": ACTORS,
        "occurred_at": MOMENTS,
        "impression": LINKS,
        "key": st.none() | PLACES,
        "parent": st.none() | PLACES,
    }
)
STEPS = st.lists(
    st.tuples(st.just("record"), st.lists(ENGAGEMENTS, min_size=1, max_size=6))
    | st.tuples(st.just("take back"), st.tuples(st.sampled_from(["LIKE", "SAVE", "BOOKMARK"]), ACTORS))
    | st.tuples(st.just("delete"), PLACES)
    | st.tuples(st.just("edit"), PLACES)
    | st.tuples(st.just("click"), st.integers(0, 2)),
    max_size=14,
)
WINDOWS = st.lists(st.builds(lambda a, b: Window(*sorted((a, b))), MOMENTS, MOMENTS), min_size=1, max_size=2)


class History:
    """A campaign of its own, and how to play steps on it."""

    def __init__(self, database: Database, workspace: int, number: int, campaign_id: int, links: list[int]) -> None:
        self.database, self.workspace, self.campaign_id, self.links = database, workspace, campaign_id, links
        self._prefix = f"{number}-"

    @classmethod
    async def begin(cls, database: Database, workspace: int, number: int) -> "History":
        async with database.write(workspace) as transaction:
            campaign_id = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
            items = [NewImpression(f"{number}-{n}", campaign_id, BASE + timedelta(minutes=n)) for n in range(3)]
            await impressions.record(transaction, items)
            rows = await transaction.rows(
                text(f"SELECT id FROM impressions WHERE campaign_id = {campaign_id} ORDER BY id")
            )
        return cls(database, workspace, number, campaign_id, [row.id for row in rows])

    async def play(self, kind: str, given: Any) -> None:
        """One step, in a transaction of its own. What is refused changes nothing."""
        try:
            async with self.database.write(self.workspace) as transaction:
                await self._play(transaction, kind, given)
        except Refused:
            pass

    async def _play(self, transaction: Transaction, kind: str, given: Any) -> None:
        if kind == "record":
            await recording.record(transaction, [self._new(one) for one in given])
        elif kind == "take back":
            await removing.take_back(transaction, self.campaign_id, EngagementType(given[0]), given[1])
        elif kind == "click":
            change = ImpressionChange(id=self.links[given], clicked_at=BASE)
            await updating.update(transaction, {0: change})
        else:
            await self._comment(transaction, kind, given)

    async def _comment(self, transaction: Transaction, kind: str, place: int) -> None:
        found = await transaction.scalar(
            text("SELECT id FROM engagements WHERE key = :key"), {"key": f"{self._prefix}COMMENT-{place}"}
        )
        if kind == "delete":
            await removing.delete_comment(transaction, found or 0, lambda _: None)
        else:
            await removing.edit_comment(transaction, found or 0, "Edited", lambda _: None)

    def _new(self, one: dict[str, Any]) -> NewEngagement:
        kind: EngagementType = one["type"]
        is_comment = kind == EngagementType.COMMENT
        keyed = one["key"] is not None and kind in (EngagementType.COMMENT, EngagementType.SHARE)
        user_id, profile_type, profile_id = one["actor"]
        return NewEngagement(
            kind,
            self.campaign_id,
            user_id,
            one["occurred_at"],
            profile_type=profile_type,
            profile_id=profile_id,
            key=f"{self._prefix}{kind}-{one['key']}" if keyed else None,
            body="Text" if is_comment else None,
            parent_key=f"{self._prefix}COMMENT-{one['parent']}" if is_comment and one["parent"] is not None else None,
            impression_id=None if one["impression"] is None else self.links[one["impression"]],
        )

    async def check(self, windows: list[Window]) -> None:
        """Compares all that is kept with a recount of the facts."""
        reads = self.database.reads(self.workspace)
        own = f"WHERE campaign_id = {self.campaign_id}"
        facts = list(await reads.rows(text(f"SELECT * FROM engagements {own} ORDER BY id")))
        seen = list(await reads.rows(text(f"SELECT * FROM impressions {own}")))
        stands = [row for row in facts if row.deleted_at is None]
        for window in (ALL_TIME, *windows):
            await self._check_numbers(reads, window, stands, seen)
        assert {row.id: row.engagement_count for row in seen} == {
            row.id: sum(one.impression_id == row.id for one in stands) for row in seen
        }
        check_threads([row for row in facts if row.type == "COMMENT"])
        engagers = await reads.rows(text(f"SELECT * FROM campaign_engagers {own}"))
        assert {tuple(row)[2:] for row in engagers} == recounted_engagers(stands)
        threads = await reads.rows(text(f"SELECT coalesce(sum(threads), 0) FROM campaign_totals {own}"))
        assert threads[0][0] == sum(row.is_listed for row in facts if row.type == "COMMENT" and row.parent_id is None)
        reactions = Counter(
            (r.type, r.user_id, r.profile_type, r.profile_id) for r in stands if r.type in ("LIKE", "SAVE", "BOOKMARK")
        )
        assert all(number == 1 for number in reactions.values())
        await reads.close()

    async def _check_numbers(self, reads: Reads, window: Window, stands: list[Any], seen: list[Any]) -> None:
        def within(rows: list[Any]) -> list[Any]:
            start, end = window.start or BASE - timedelta(days=9), window.end or BASE + timedelta(days=9)
            return [row for row in rows if start <= row.occurred_at < end]

        engaged = {row.impression_id for row in stands}
        expected = {name: sum(row.type == kind for row in within(stands)) for kind, name in COUNTERS.items()}
        expected["impressions_only_engaged"] = sum(row.id in engaged and not row.clicked for row in within(seen))
        expected["impressions_clicked_or_converted"] = sum(row.clicked for row in within(seen))
        [answer] = await metrics.of_campaigns(reads, frozenset(expected), window, [self.campaign_id])
        assert answer._asdict() == {"id": self.campaign_id, **expected}
        [points] = await metrics.series_of_campaigns(reads, frozenset(expected), "HOUR", window, [self.campaign_id])
        assert not isinstance(points, Exception)
        assert {name: sum(getattr(point, name) for point in points) for name in expected} == expected


def check_threads(comments: list[Any]) -> None:
    """Depths, roots, counts and tombstones, each counted from the parents alone."""
    by_id = {row.id: row for row in comments}
    below: dict[int, list[Any]] = defaultdict(list)
    for row in comments:
        path = [row]
        while path[-1].parent_id is not None:
            path.append(by_id[path[-1].parent_id])
            below[path[-1].id].append(row)
        assert (row.depth, row.root_id) == (len(path) - 1, path[-1].id)
    for row in comments:
        standing = [one for one in below[row.id] if one.deleted_at is None]
        assert row.descendant_count == len(standing)
        assert row.reply_count == sum(one.parent_id == row.id for one in standing)
        assert row.is_listed == (row.deleted_at is None or bool(standing))
        assert row.listed_reply_count == sum(one.is_listed for one in below[row.id] if one.parent_id == row.id)


def recounted_engagers(stands: list[Any]) -> set[tuple[Any, ...]]:
    """The rows of campaign_engagers that there should be, behind their campaign."""
    mine: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in stands:
        mine[row.user_id, row.profile_type or "", row.profile_id or ""].append(row)
    return {
        (
            *actor,
            *(sum(row.type == kind for row in rows) for kind in ("LIKE", "SHARE", "COMMENT", "SAVE", "BOOKMARK")),
            len(rows),
            max(row.occurred_at for row in rows),
        )
        for actor, rows in mine.items()
    }


def test_every_number_and_thread_equals_a_recount_over_random_histories(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        workspace = runner.run(workspaces.create(database, "w", "W", "Europe/Berlin", "EUR"))
        numbers = iter(range(10_000))

        async def play(steps: list[Any], windows: list[Window]) -> None:
            history = await History.begin(database, workspace, next(numbers))
            for kind, given in steps:
                await history.play(kind, given)
            await history.check(windows)

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(STEPS, WINDOWS)
        def histories(steps: list[Any], windows: list[Window]) -> None:
            runner.run(play(steps, windows))

        histories()
        runner.run(database.close())


def test_every_number_and_thread_equals_a_recount_of_concurrent_histories(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        workspace = runner.run(workspaces.create(database, "w", "W", "UTC", "EUR"))
        numbers = iter(range(10_000))

        async def play(several: list[list[Any]], windows: list[Window]) -> None:
            history = await History.begin(database, workspace, next(numbers))

            async def one_after_another(steps: list[Any]) -> None:
                for kind, given in steps:
                    await history.play(kind, given)

            await asyncio.gather(*(one_after_another(steps) for steps in several))
            await history.check(windows)

        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        @given(st.lists(STEPS, min_size=2, max_size=5), WINDOWS)
        def histories(several: list[list[Any]], windows: list[Window]) -> None:
            runner.run(play(several, windows))

        histories()
        runner.run(database.close())
