"""Recording interactions: each once, whatever is sent twice; only what is new counts, and makes followers.

One statement does all of it. Its parts wait for each other by reading each other's rows, so that locks are taken in one
order by everybody (keys, followers, their words and weeks, followers of content, roll-ups of content by platform, its
summaries, counts of scores, each sorted), and writers do not deadlock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.models.follower_words import words_of
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import COUNTERS, COUNTS, POINTS, SCORE_SLOTS
from db.queries.followers.steps import IN_ORDER, counted

Who = tuple[str, str]
"""A platform, and a follower's id there."""
_CLASS = 731_625
_STRIPES = 64
"""New followers are made under one of so many locks in a workspace: a batch of many takes all of them."""
_PROFILE = ("display_name", "profile_url", "audience_size")
_moment = attrgetter("occurred_at")
_WHO: Callable[[NewInteraction], Who] = attrgetter("platform._value_", "external_id")
"""Made in one go, and from where an enum keeps its value: asked for, that takes four times as long."""


@dataclass(frozen=True)
class Outcome:
    """How many interactions were new, and how many were known by their key or stood twice in the batch."""

    accepted: int
    duplicates: int


async def record(transaction: Transaction, items: Sequence[NewInteraction]) -> Outcome:
    """Inserts what is new, with followers that are, and adds it to their scores and to the roll-ups.

    The items are valid, and have been given their posts.
    """
    if not items:
        return Outcome(0, 0)
    whose = [_WHO(item) for item in items]
    people = _People(whose, items)
    await people.find(transaction)
    ids = people.ids
    values = {
        **people.values(),
        **_columns(items),
        "who": [ids[who] for who in whose],
        "workspace": transaction.workspace_id,
        "slot": await transaction.server_pid() % SCORE_SLOTS,
    }
    accepted = int(await transaction.scalar(_RECORD, values))
    return Outcome(accepted, len(items) - accepted)


class _People:
    """The followers of a batch, in one order for all writers; each as its latest interactions describe it."""

    def __init__(self, whose: Sequence[Who], items: Sequence[NewInteraction]) -> None:
        theirs: dict[Who, list[NewInteraction]] = {}
        for who, item in zip(whose, items, strict=True):
            if who in theirs:
                theirs[who].append(item)
            else:
                theirs[who] = [item]
        self._latest = {who: _described(theirs[who]) for who in sorted(theirs)}
        self._known: dict[Who, Any] = {}
        self.ids: dict[Who, int] = {}
        """Theirs, once they are found: of those who are there, and of those who will be."""

    async def find(self, transaction: Transaction) -> None:
        """Looks up those who are there, and draws ids for the others, whom nobody else can make until the transaction ends."""
        await self._look_up(transaction, list(self._latest))
        missing = [who for who in self._latest if who not in self._known]
        if missing:
            stripes = sorted({hash_of(who) for who in missing})
            held = {"workspace": transaction.workspace_id, "stripes": stripes, "missing": len(missing)}
            drawn = await transaction.scalar(_HOLD, held)
            await self._look_up(transaction, missing)
            self.ids = dict(zip(missing, drawn, strict=True))
        self.ids |= {who: row.id for who, row in self._known.items()}

    async def _look_up(self, transaction: Transaction, whom: Sequence[Who]) -> None:
        values = {
            "workspace": transaction.workspace_id,
            "platforms": sorted({platform for platform, _ in whom}),
            "external_ids": [external_id for _, external_id in whom],
        }
        rows = await transaction.rows(_FOLLOWERS, values)
        self._known |= {(row.platform, row.external_id): row for row in rows}

    def values(self) -> dict[str, Any]:
        """Who they are, by column, and the words of those that are new or called otherwise than before."""
        items = self._latest.values()
        words = [
            (self.ids[who], word)
            for who, item in self._latest.items()
            if _is_called_otherwise(item, self._known.get(who))
            for word in words_of(item.username, item.display_name)
        ]
        return {
            "ids": [self.ids[who] for who in self._latest],
            "platforms": [platform for platform, _ in self._latest],
            "external_ids": [external_id for _, external_id in self._latest],
            "usernames": [item.username for item in items],
            "display_names": [item.display_name for item in items],
            "profile_urls": [item.profile_url for item in items],
            "audience_sizes": [item.audience_size for item in items],
            "worded": [follower for follower, _ in words],
            "words": [word for _, word in words],
        }


def _is_called_otherwise(item: NewInteraction, known: Any) -> bool:
    return known is None or item.username != known.username or item.display_name not in {None, known.display_name}


def _described(items: list[NewInteraction]) -> NewInteraction:
    """A follower's latest interaction, with what only earlier ones say of the profile. Of one moment, the last counts."""
    if len(items) == 1:
        return items[0]
    items.sort(key=_moment)
    latest = items[-1]
    said: dict[str, Any] = {}
    for name in _PROFILE:
        if getattr(latest, name) is None:
            value = next((found for one in reversed(items) if (found := getattr(one, name)) is not None), None)
            if value is not None:
                said[name] = value
    return replace(latest, **said) if said else latest


def hash_of(who: Who) -> int:
    """The stripe of a follower. The same in every process, unlike Python's own hashes."""
    return sum("\0".join(who).encode()) % _STRIPES


def _columns(items: Sequence[NewInteraction]) -> dict[str, Any]:
    posts = {item.post_id: item for item in items if item.post_id is not None}
    return {
        "keys": [item.key for item in items],
        "posts": [item.post_id for item in items],
        "types": [item.type.value for item in items],
        "values": [item.value for item in items],
        "moments": [item.occurred_at for item in items],
        "post_ids": list(posts),
        "content_ids": [item.content_id for item in posts.values()],
        "post_platforms": [item.platform.value for item in posts.values()],
    }


# The ids are drawn in it too, which saves a statement.
_HOLD = text(
    f"WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock({_CLASS}, key) FROM (SELECT ((CAST(:workspace AS bigint) "  # noqa: S608
    f"* {_STRIPES} + stripe) % 2147483647)::int AS key FROM unnest(CAST(:stripes AS int[])) AS stripe ORDER BY key) AS keys) "
    "SELECT array(SELECT nextval('followers_id_seq') FROM generate_series(1, CAST(:missing AS int))) "
    "FROM (SELECT count(*) FROM held) AS all_held"
)
# Not joined with the pairs: a plan that was made for few followers would go through all of them for each pair.
_FOLLOWERS = text(
    "SELECT id, platform, external_id, username, display_name FROM followers "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND external_id = ANY (CAST(:external_ids AS text[])) "
    "AND platform = ANY (CAST(:platforms AS text[]))"
)

_NAMES = tuple(COUNTERS.values())
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _NAMES)


def _added(table: str, names: Sequence[str] = _NAMES) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)


def _kept(name: str) -> str:
    """What the latest interaction says of a follower stays, where it says anything."""
    return (
        f"{name} = CASE WHEN excluded.last_seen_at >= followers.last_seen_at "
        f"THEN coalesce(excluded.{name}, followers.{name}) ELSE coalesce(followers.{name}, excluded.{name}) END"
    )


_RECORD = text(f"""
WITH given AS (
  SELECT (SELECT CAST(:workspace AS bigint)) AS workspace_id, CAST(:slot AS smallint) AS slot,
    (SELECT time_zone FROM workspaces WHERE id = CAST(:workspace AS bigint)) AS time_zone
), people AS MATERIALIZED (
  SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:platforms AS text[]), CAST(:external_ids AS text[]), CAST(:usernames AS text[]),
    CAST(:display_names AS text[]), CAST(:profile_urls AS text[]), CAST(:audience_sizes AS bigint[]))
    AS person (id, platform, external_id, username, display_name, profile_url, audience_size)
), inserted AS (
  INSERT INTO interactions (workspace_id, key, follower_id, post_id, type, value, occurred_at)
  SELECT (SELECT workspace_id FROM given), key, who, post_id, type, value, occurred_at
  FROM unnest(CAST(:keys AS text[]), CAST(:who AS bigint[]), CAST(:posts AS bigint[]), CAST(:types AS text[]),
    CAST(:values AS text[]), CAST(:moments AS timestamptz[]))
    WITH ORDINALITY AS new (key, who, post_id, type, value, occurred_at, ordinal)
  ORDER BY key, ordinal
  ON CONFLICT (workspace_id, key) DO NOTHING
  RETURNING follower_id, post_id, type, occurred_at
), done AS (
  SELECT follower_id, {COUNTS}, sum({POINTS}) AS points, min(occurred_at) AS first_at, max(occurred_at) AS last_at
  FROM inserted GROUP BY follower_id
), scored AS (
  INSERT INTO followers (workspace_id, id, platform, external_id, username, display_name, profile_url, audience_size,
    {", ".join(_NAMES)}, first_seen_at, last_seen_at)
  OVERRIDING SYSTEM VALUE
  SELECT (SELECT workspace_id FROM given), id, platform, external_id, username, display_name, profile_url, audience_size,
    {", ".join(_NAMES)}, first_at, last_at
  FROM done JOIN people ON people.id = done.follower_id ORDER BY {IN_ORDER}
  ON CONFLICT (workspace_id, platform, external_id) DO UPDATE SET {", ".join(map(_kept, ("username", "display_name", "profile_url", "audience_size")))},
    {_added("followers")}, first_seen_at = least(followers.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(followers.last_seen_at, excluded.last_seen_at), calculated_at = now()
  RETURNING id, platform, score
), worded AS (
  INSERT INTO follower_words (workspace_id, follower_id, word)
  SELECT (SELECT workspace_id FROM given), follower_id, word
  FROM unnest(CAST(:worded AS bigint[]), CAST(:words AS text[])) AS found (follower_id, word)
  JOIN scored ON scored.id = follower_id
  ORDER BY follower_id, word ON CONFLICT DO NOTHING RETURNING 1
), active AS (
  INSERT INTO follower_weeks (workspace_id, follower_id, week)
  SELECT (SELECT workspace_id FROM given), follower_id, week
  FROM (SELECT DISTINCT follower_id, date_trunc('week', occurred_at AT TIME ZONE (SELECT time_zone FROM given))::date AS week FROM inserted) AS weeks
  WHERE (SELECT count(*) FROM worded) + (SELECT count(*) FROM scored) >= 0
  ORDER BY follower_id, week ON CONFLICT DO NOTHING RETURNING 1
), posts AS (
  SELECT * FROM unnest(CAST(:post_ids AS bigint[]), CAST(:content_ids AS bigint[]), CAST(:post_platforms AS text[]))
    AS post (post_id, content_id, platform)
), reached AS (
  INSERT INTO content_followers (workspace_id, content_id, follower_id)
  SELECT DISTINCT (SELECT workspace_id FROM given), content_id, follower_id FROM inserted JOIN posts USING (post_id)
  WHERE (SELECT count(*) FROM active) >= 0
  ORDER BY content_id, follower_id ON CONFLICT DO NOTHING RETURNING content_id, follower_id
), by_platform AS (
  SELECT content_id, platform, {COUNTS}, 0 AS unique_followers FROM inserted JOIN posts USING (post_id) GROUP BY content_id, platform
  UNION ALL SELECT content_id, platform, 0, 0, 0, 0, 0, 0, count(*)
  FROM reached JOIN people ON people.id = reached.follower_id GROUP BY content_id, platform
), rolled AS (
  INSERT INTO content_platform_rollups (workspace_id, content_id, platform, {", ".join(_NAMES)}, unique_followers)
  SELECT (SELECT workspace_id FROM given), content_id, platform, {_SUMS}, sum(unique_followers)
  FROM by_platform GROUP BY content_id, platform ORDER BY content_id, platform
  ON CONFLICT (workspace_id, content_id, platform) DO UPDATE SET {_added("content_platform_rollups", (*_NAMES, "unique_followers"))}
  RETURNING 1
), summed AS (
  INSERT INTO content_summaries (workspace_id, content_id, {", ".join(_NAMES)}, unique_followers)
  SELECT (SELECT workspace_id FROM given), content_id, {_SUMS}, sum(unique_followers)
  FROM by_platform WHERE (SELECT count(*) FROM rolled) >= 0 GROUP BY content_id ORDER BY content_id
  ON CONFLICT (workspace_id, content_id) DO UPDATE SET {_added("content_summaries", (*_NAMES, "unique_followers"))}
  RETURNING 1
), moves AS (
  SELECT (score - points)::int AS before, score AS after FROM scored JOIN done ON done.follower_id = scored.id
), {counted("summed")}
SELECT (SELECT count(*) FROM inserted) + 0 * (SELECT count(*) FROM counted)
""")  # noqa: S608 - names and constants only
