"""What all that changes scores has in common: in which order followers are locked, and how the counts by score follow."""

from db.models.interaction_kinds import DIGIT_BITS, SCORE_LEVELS

IN_ORDER = "platform, external_id"
"""SQL: the order in which everybody locks followers."""
_LEVELS = f"generate_series(0, {SCORE_LEVELS - 1}) AS level"
_BEFORE, _AFTER = f"before >> {DIGIT_BITS} * level", f"after >> {DIGIT_BITS} * level"


def counted(behind: str) -> str:
    """SQL: parts of a WITH, ``alike``, ``steps`` and ``counted``, that bring follower_score_counts from scores to others.

    They read the parts ``given`` (``workspace_id`` and ``slot``, one row) and ``moves`` (``before`` and ``after``, a row
    for each follower whose score changes; 0 is no score). They wait for the part ``behind``: these locks are the last.
    """
    # Moves that are the same are taken together first: followers are many, scores are few.
    return f"""alike AS MATERIALIZED (
  SELECT before, after, count(*)::int AS followers FROM moves WHERE before <> after GROUP BY before, after
), steps AS (
  SELECT level, {_BEFORE} AS bucket, -followers AS step FROM alike, {_LEVELS}
  WHERE before > 0 AND (after = 0 OR {_BEFORE} <> {_AFTER})
  UNION ALL SELECT level, {_AFTER}, followers FROM alike, {_LEVELS}
  WHERE after > 0 AND (before = 0 OR {_BEFORE} <> {_AFTER})
), counted AS (
  INSERT INTO follower_score_counts (workspace_id, slot, level, bucket, followers)
  SELECT (SELECT workspace_id FROM given), (SELECT slot FROM given), level, bucket, sum(step)
  FROM steps WHERE (SELECT count(*) FROM {behind}) >= 0 GROUP BY level, bucket HAVING sum(step) <> 0 ORDER BY level, bucket
  ON CONFLICT (workspace_id, level, bucket, slot) DO UPDATE SET followers = follower_score_counts.followers + excluded.followers
  RETURNING 1
)"""  # noqa: S608 - names and constants only
