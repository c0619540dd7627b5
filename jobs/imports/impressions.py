"""Rows that are impressions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db.engine import Transaction
from db.errors import Problem, camel, invalid
from db.models.impression_items import NewImpression
from db.queries.impressions import recording
from jobs.imports import values
from jobs.imports.references import AUDIENCE, CAMPAIGN, CHANNEL, WITH_CHANNEL
from jobs.imports.rows import UNRESOLVED, Draft, Kind, Taken, add_problems

FLAGS = {"clicked": "clicked_at", "converted": "converted_at", "charged": "charged_at"}
"""Fields that say whether something happened, and the field that says when."""
FIELDS = (
    "key",
    "user_id",
    "profile_id",
    "profile_type",
    "audience_label",
    "is_unique",
    "is_viewable",
    "viewable_duration_ms",
    "clicked_at",
    "converted_at",
    "device_type",
    "location",
    "region",
    "placement",
    "cpi_rate",
    "charged_at",
    "ip_address",
    "user_agent",
    "session_id",
    "occurred_at",
    *FLAGS,
    CAMPAIGN.field,
    CHANNEL.field,
    AUDIENCE.field,
)


def _build(found: dict[str, Any], problems: list[Problem], now: datetime) -> NewImpression:
    # The time of a row without one stands in; nothing happened at it, but such a row is rejected anyway.
    problems += _happened(found)
    item = NewImpression(found.pop("key", ""), UNRESOLVED, found.pop("occurred_at"), **found)
    # Cheap where nothing is wrong, which is nearly always.
    if wrong := item.problems(now):
        add_problems(problems, wrong)
    if item.user_id is None and (item.profile_id is not None or item.profile_type is not None):
        problems.append(invalid("A profile needs a user.", "user_id"))
    return item


def _happened(found: dict[str, Any]) -> list[Problem]:
    """Replaces the flags by times: the row's own, else the impression's."""
    problems = []
    for flag, field in FLAGS.items():
        if flag not in found:
            continue
        said = found.pop(flag)
        if said and field not in found:
            found[field] = found["occurred_at"]
        elif not said and field in found:
            problems.append(invalid(f"This is false, but {camel(field)} is given.", flag))
    return problems


async def _record(transaction: Transaction, drafts: Sequence[Draft]) -> Taken:
    done = await recording.record(transaction, [draft.item for draft in drafts])
    return Taken(done.accepted, done.duplicates)


IMPRESSIONS = Kind(
    "impressions",
    FIELDS,
    ("key", "occurred_at"),
    _build,
    _record,
    {
        **dict.fromkeys((*FLAGS, "is_unique", "is_viewable"), values.boolean),
        "viewable_duration_ms": values.whole_number,
        "cpi_rate": values.amount,
    },
    WITH_CHANNEL,
)
