"""Rows that are comments. A reply names its parent by key; where the parent comes later in the file, it waits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.rules import text_problems
from db.queries.engagement import placing, recording
from jobs.imports.references import CAMPAIGN, OF_CAMPAIGN
from jobs.imports.rows import UNRESOLVED, Draft, Kind, Taken, Waiting, add_problems

PARENT = "parent"
"""The field that names the comment replied to, by its key. Empty: the row begins a thread."""
FIELDS = (
    "key",
    PARENT,
    "user_id",
    "profile_id",
    "profile_type",
    "body",
    "occurred_at",
    "source",
    "device_type",
    "location",
    CAMPAIGN.field,
)


def _build(found: dict[str, Any], problems: list[Problem], now: datetime) -> NewEngagement:
    parent = found.pop(PARENT, None)
    user, key, at = found.pop("user_id", ""), found.pop("key", ""), found.pop("occurred_at")
    item = NewEngagement(EngagementType.COMMENT, UNRESOLVED, user, at, key=key, parent_key=parent, **found)
    wrong = item.problems(now)
    if parent is not None:
        wrong += text_problems(PARENT, parent, 200)
    add_problems(problems, wrong)
    return item


async def _record(transaction: Transaction, drafts: Sequence[Draft]) -> Taken:
    accepted = duplicates = 0
    waiting: list[Waiting] = []
    for draft, result in zip(drafts, await recording.record(transaction, [d.item for d in drafts]), strict=True):
        if isinstance(result, recording.Recorded):
            accepted += result.created
            duplicates += not result.created
        elif result == recording.KEY_OF_DELETED:
            duplicates += 1  # known, and left alone like any other
        elif result == placing.UNKNOWN:
            parent = draft.item.parent_key
            waiting.append(Waiting(draft, parent, not_found(f"No comment has the key {parent!r}.", PARENT)))
        else:
            draft.problems = [_named(result)]
    return Taken(accepted, duplicates, waiting)


def _named(problem: Problem) -> Problem:
    """The problem at the field of the file."""
    return replace(problem, field=(PARENT,)) if problem.field == ("parent_id",) else problem


COMMENTS = Kind("comments", FIELDS, ("key", "user_id", "body", "occurred_at"), _build, _record, references=OF_CAMPAIGN)
