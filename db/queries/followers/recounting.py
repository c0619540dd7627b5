"""Recounting scores: what is kept of followers is compared with their interactions, the ledger, and corrected where it differs.

Whatever records interactions changes ledger, followers and counts of followers by score in one transaction. So in one
snapshot they agree or something is wrong: a recount looks first, without a lock, and holds nobody up. Only followers in
whom something is wrong are locked, in the order of those who record, and looked at again by a statement of its own, which
sees what the lock waited for. A recount goes in steps, each a transaction: many may go on with the same one, and each step
begins where the last one ended, whoever took it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.models.interaction_kinds import (
    COUNTERS,
    COUNTS,
    DIGIT_BITS,
    LOWEST,
    SCORE_LEVELS,
    SCORE_SLOTS,
    EngagementTier,
    tier_of,
)
from db.queries.followers.steps import IN_ORDER, counted
from db.statements import Rows

BATCH = 2_000
"""Followers that a step recounts."""
RESUMED_FOR = "24 hours"
"""For how long an interrupted recount that somebody asked for can be gone on with."""
_CLASS = 731_626
_RANKS = list(LOWEST)


@dataclass(frozen=True)
class Standing:
    """How far a recount has come, and what it found: see ``db.models.followers.ScoreRecount``."""

    followers: int
    differed: int
    dropped: int
    tiers_dropped: int
    ranks_differed: int
    finished: bool


@dataclass(frozen=True)
class Correction:
    """A follower in whom something differed, with the scores before and after. They are the same where only parts that make
    up for each other did, or the times: ``counts`` tells whether counts differed."""

    follower_id: int
    before: int
    after: int
    counts: bool

    @property
    def tiers(self) -> tuple[EngagementTier, EngagementTier]:
        """The tiers before and after."""
        return tier_of(self.before), tier_of(self.after)

    @property
    def dropped(self) -> bool:
        """Whether the score is lower now."""
        return self.after < self.before

    @property
    def tier_dropped(self) -> bool:
        """Whether the tier is lower now."""
        before, after = self.tiers
        return _RANKS.index(after) > _RANKS.index(before)


@dataclass(frozen=True)
class Step:
    """What a step did. ``weeks``: weeks of followers that were added or removed; ``ranks``: counts that were corrected."""

    standing: Standing
    corrections: Sequence[Correction] = ()
    weeks: int = 0
    ranks: int = 0


async def begin(transaction: Transaction) -> int:
    """A new recount that somebody asks for."""
    return int(await transaction.scalar(_BEGIN, {"workspace": transaction.workspace_id}))


async def interrupted(transaction: Transaction) -> Any:
    """The latest recount that somebody asked for lately, if it is not finished: its ``id`` and ``followers``. None otherwise."""
    return await transaction.row(_INTERRUPTED, {"workspace": transaction.workspace_id})


async def expected(transaction: Transaction) -> int:
    """How many followers the workspace has, counted."""
    return int(await transaction.scalar(_EXPECTED, {"workspace": transaction.workspace_id}))


async def nightly(transaction: Transaction, now: datetime) -> Rows:
    """``workspace_id`` and ``id`` of the recounts that are to be gone on with: of all workspaces the nightly ones that are not finished.

    A workspace whose day has begun gets its own, unless it was made that very day, or last night's still runs.
    """
    await transaction.run(_TONIGHT, {"now": now})
    return await transaction.rows(_UNFINISHED)


async def step(transaction: Transaction, recount_id: int, size: int = BATCH) -> Step | None:
    """Goes on with a recount by so many followers; the last step proves the counts by score. None where there is no such recount."""
    row = await transaction.row(_HOLD, _of(transaction, recount_id))
    if row is None:
        return None
    if row.finished_at is not None:
        return Step(_standing(row))
    batch = await transaction.row(
        _COMPARE, _of(transaction, recount_id) | {"after": row.last_follower_id, "size": size}
    )
    if not batch.followers:
        return await _finish(transaction, recount_id)
    corrections, weeks = await _correct(transaction, batch.differing or [], batch.elsewhen or [])
    found = {
        "last": batch.last_id,
        "followers": batch.followers,
        "differed": len(corrections),
        "dropped": sum(one.dropped for one in corrections),
        "tiers_dropped": sum(one.tier_dropped for one in corrections),
    }
    after = await transaction.row(_GO_ON, _of(transaction, recount_id) | found)
    return Step(_standing(after), corrections, weeks)


async def _correct(transaction: Transaction, differing: list[int], elsewhen: list[int]) -> tuple[list[Correction], int]:
    """Followers whose counts or times differ, and such whose weeks do. Answers what was corrected, and how many weeks."""
    if not differing and not elsewhen:
        return [], 0
    values = {"workspace": transaction.workspace_id, "slot": await transaction.server_pid() % SCORE_SLOTS}
    await transaction.rows(_LOCK, values | {"ids": sorted({*differing, *elsewhen})})
    weeks = await transaction.scalar(_CORRECT_WEEKS, values | {"ids": elsewhen}) if elsewhen else 0
    rows = await transaction.rows(_CORRECT, values | {"ids": differing}) if differing else []
    return [Correction(*row) for row in rows], weeks


async def _finish(transaction: Transaction, recount_id: int) -> Step:
    # Two at once would both find the same, and correct it twice.
    await transaction.run(_ONE_AT_A_TIME, {"workspace": transaction.workspace_id})
    slot = await transaction.server_pid() % SCORE_SLOTS
    ranks = int(await transaction.scalar(_PROVE, {"workspace": transaction.workspace_id, "slot": slot}))
    row = await transaction.row(_FINISH, _of(transaction, recount_id) | {"ranks_differed": ranks})
    return Step(_standing(row), ranks=ranks)


def _of(transaction: Transaction, recount_id: int) -> dict[str, Any]:
    return {"workspace": transaction.workspace_id, "id": recount_id}


def _standing(row: Any) -> Standing:
    counts = (row.followers, row.differed, row.dropped, row.tiers_dropped, row.ranks_differed)
    return Standing(*counts, finished=row.finished_at is not None)


@dataclass(frozen=True)
class Totals:
    """All recounts of all workspaces together. ``finished_at``: when the last one finished; None where none has."""

    recounts: int
    differed: int
    dropped: int
    tiers_dropped: int
    ranks_differed: int
    finished_at: datetime | None


async def totals(transaction: Transaction) -> Totals:
    """The sums over the recounts that the transaction sees: ``recounts`` are finished ones, all else is of all."""
    return Totals(*await transaction.row(_TOTALS))


_NAMES = tuple(COUNTERS.values())
_COUNTERS = ", ".join(_NAMES)
_SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in _NAMES)
_WORKSPACE = "(SELECT CAST(:workspace AS bigint))"
_MINE = f"workspace_id = {_WORKSPACE}"
_THIS = f"{_MINE} AND id = :id"
_STANDING = "followers, differed, dropped, tiers_dropped, ranks_differed, finished_at"

_BEGIN = text("INSERT INTO score_recounts (workspace_id) VALUES (:workspace) RETURNING id")
_INTERRUPTED = text(
    f"SELECT id, followers FROM score_recounts WHERE {_MINE} AND day IS NULL AND finished_at IS NULL "  # noqa: S608
    f"AND started_at > now() - interval '{RESUMED_FOR}' ORDER BY id DESC LIMIT 1"
)
_EXPECTED = text(f"SELECT count(*) FROM followers WHERE {_MINE}")  # noqa: S608
_TODAY = "(CAST(:now AS timestamptz) AT TIME ZONE w.time_zone)::date"
# In the order of workspaces, for other workers do the same at the same time.
_TONIGHT = text(f"""
INSERT INTO score_recounts (workspace_id, day)
SELECT w.id, {_TODAY} FROM workspaces w
WHERE (w.created_at AT TIME ZONE w.time_zone)::date < {_TODAY}
  AND NOT EXISTS (SELECT FROM score_recounts r WHERE r.workspace_id = w.id AND r.day >= {_TODAY})
  AND NOT EXISTS (SELECT FROM score_recounts r WHERE r.workspace_id = w.id AND r.day IS NOT NULL AND r.finished_at IS NULL)
ORDER BY w.id ON CONFLICT (workspace_id, day) DO NOTHING
""")  # noqa: S608 - constants only
_UNFINISHED = text(
    "SELECT workspace_id, id FROM score_recounts WHERE finished_at IS NULL AND day IS NOT NULL ORDER BY day, workspace_id"
)
_TOTALS = text(
    "SELECT count(finished_at), coalesce(sum(differed), 0)::bigint, coalesce(sum(dropped), 0)::bigint, "
    "coalesce(sum(tiers_dropped), 0)::bigint, coalesce(sum(ranks_differed), 0)::bigint, max(finished_at) FROM score_recounts"
)
_HOLD = text(f"SELECT last_follower_id, {_STANDING} FROM score_recounts WHERE {_THIS} FOR NO KEY UPDATE")  # noqa: S608
_GO_ON = text(
    "UPDATE score_recounts SET last_follower_id = :last, followers = followers + :followers, "  # noqa: S608
    "differed = differed + :differed, dropped = dropped + :dropped, tiers_dropped = tiers_dropped + :tiers_dropped "
    f"WHERE {_THIS} RETURNING {_STANDING}"
)
_FINISH = text(
    "UPDATE score_recounts SET ranks_differed = :ranks_differed, finished_at = clock_timestamp() "  # noqa: S608
    f"WHERE {_THIS} RETURNING {_STANDING}"
)
_ONE_AT_A_TIME = text(f"SELECT pg_advisory_xact_lock({_CLASS}, (CAST(:workspace AS bigint) % 2147483647)::int)")


def _ledger(which: str) -> str:
    """SQL: what the interactions of some followers make, by week (``weekly``) and altogether (``ledger``)."""
    return f"""zone AS (
  SELECT time_zone FROM workspaces WHERE id = CAST(:workspace AS bigint)
), weekly AS MATERIALIZED (
  SELECT follower_id, date_trunc('week', occurred_at AT TIME ZONE (SELECT time_zone FROM zone))::date AS week, {COUNTS},
    min(occurred_at) AS first_at, max(occurred_at) AS last_at
  FROM interactions WHERE {_MINE} AND {which} GROUP BY follower_id, week
), ledger AS (
  SELECT follower_id, {_SUMS}, min(first_at) AS first_at, max(last_at) AS last_at FROM weekly GROUP BY follower_id
)"""  # noqa: S608 - names and constants only


_COUNTED = ", ".join(f"coalesce(ledger.{name}, 0) AS {name}" for name in _NAMES)
_KEPT = ", ".join(f"f.{name}" for name in _NAMES)
_TRUE = ", ".join(f"coalesce(ledger.{name}, 0)" for name in _NAMES)
# A follower without interactions keeps its times: it has to have some.
_FIRST, _LAST = "coalesce(ledger.first_at, f.first_seen_at)", "coalesce(ledger.last_at, f.last_seen_at)"
_COUNTS_DIFFER = f"({_KEPT}) IS DISTINCT FROM ({_TRUE})"
_DIFFERS = f"({_COUNTS_DIFFER} OR f.first_seen_at <> {_FIRST} OR f.last_seen_at <> {_LAST})"
_RANGE = "follower_id > :after AND follower_id <= (SELECT max(id) FROM f)"
_GIVEN = "follower_id = ANY(CAST(:ids AS bigint[]))"

_COMPARE = text(f"""
WITH f AS MATERIALIZED (
  SELECT id, {_COUNTERS}, first_seen_at, last_seen_at FROM followers
  WHERE {_MINE} AND id > CAST(:after AS bigint) ORDER BY id LIMIT CAST(:size AS int)
), {_ledger(_RANGE)}, kept AS (
  SELECT follower_id, week FROM follower_weeks WHERE {_MINE} AND {_RANGE}
)
SELECT count(*) AS followers, max(f.id) AS last_id, array_agg(f.id) FILTER (WHERE {_DIFFERS}) AS differing,
  (SELECT array_agg(DISTINCT follower_id) FROM weekly FULL JOIN kept USING (follower_id, week)
   WHERE weekly.last_at IS NULL OR kept.week IS NULL) AS elsewhen
FROM f LEFT JOIN ledger ON ledger.follower_id = f.id
""")  # noqa: S608 - names and constants only
_LOCK = text(
    f"SELECT id FROM followers WHERE {_MINE} AND id = ANY(CAST(:ids AS bigint[])) "  # noqa: S608
    f"ORDER BY {IN_ORDER} FOR NO KEY UPDATE"
)
_CORRECT_WEEKS = text(f"""
WITH {_ledger(_GIVEN)}, gone AS (
  DELETE FROM follower_weeks w WHERE {_MINE} AND {_GIVEN}
    AND NOT EXISTS (SELECT FROM weekly WHERE weekly.follower_id = w.follower_id AND weekly.week = w.week)
  RETURNING 1
), added AS (
  INSERT INTO follower_weeks (workspace_id, follower_id, week)
  SELECT {_WORKSPACE}, follower_id, week FROM weekly WHERE (SELECT count(*) FROM gone) >= 0
  ORDER BY follower_id, week ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM added)
""")  # noqa: S608 - names and constants only
_CORRECT = text(f"""
WITH given AS (
  SELECT {_WORKSPACE} AS workspace_id, CAST(:slot AS smallint) AS slot
), {_ledger(_GIVEN)}, wrong AS MATERIALIZED (
  SELECT f.id, f.score AS before, {_COUNTS_DIFFER} AS counts, {_COUNTED}, {_FIRST} AS first_at, {_LAST} AS last_at
  FROM followers f LEFT JOIN ledger ON ledger.follower_id = f.id
  WHERE f.workspace_id = (SELECT workspace_id FROM given) AND f.id = ANY(CAST(:ids AS bigint[])) AND {_DIFFERS}
), corrected AS (
  UPDATE followers SET {", ".join(f"{name} = wrong.{name}" for name in _NAMES)}, first_seen_at = wrong.first_at,
    last_seen_at = wrong.last_at, calculated_at = now()
  FROM wrong WHERE followers.workspace_id = (SELECT workspace_id FROM given) AND followers.id = wrong.id
  RETURNING followers.id, wrong.before, followers.score AS after, wrong.counts
), moves AS (
  SELECT before, after FROM corrected
), {counted("corrected")}
SELECT id, before, after, counts FROM corrected ORDER BY id
""")  # noqa: S608 - names and constants only
# One statement is one snapshot, in which counts and followers agree whatever is being recorded. What does not is corrected by
# the difference, to which what is recorded meanwhile is added.
_PROVE = text(f"""
WITH real AS (
  SELECT level, score >> {DIGIT_BITS} * level AS bucket, sum(followers) AS followers
  FROM (SELECT score, count(*) AS followers FROM followers WHERE {_MINE} AND score > 0 GROUP BY score) AS scores,
    generate_series(0, {SCORE_LEVELS - 1}) AS level
  GROUP BY 1, 2
), kept AS (
  SELECT level, bucket, sum(followers) AS followers FROM follower_score_counts WHERE {_MINE} GROUP BY level, bucket
), drift AS (
  SELECT level, bucket, coalesce(real.followers, 0) - coalesce(kept.followers, 0) AS missing
  FROM real FULL JOIN kept USING (level, bucket) WHERE coalesce(real.followers, 0) <> coalesce(kept.followers, 0)
), mended AS (
  INSERT INTO follower_score_counts (workspace_id, slot, level, bucket, followers)
  SELECT {_WORKSPACE}, CAST(:slot AS smallint), level, bucket, missing FROM drift ORDER BY level, bucket
  ON CONFLICT (workspace_id, level, bucket, slot) DO UPDATE SET followers = follower_score_counts.followers + excluded.followers
  RETURNING 1
)
SELECT count(*) FROM mended
""")  # noqa: S608 - names and constants only
