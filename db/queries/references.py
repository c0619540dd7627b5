"""What the items of a batch refer to: that it is there is checked item by item, before anything is recorded."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.campaigns import Campaign
from db.models.channels import Audience, Channel

CHANNEL_AND_AUDIENCE: Mapping[str, tuple[type[Any], str]] = {
    "channel_id": (Channel, "No such channel."),
    "audience_id": (Audience, "No such audience."),
}
ALL: Mapping[str, tuple[type[Any], str]] = {"campaign_id": (Campaign, "No such campaign."), **CHANNEL_AND_AUDIENCE}
"""By the items' attribute: the table it refers to, and what is said where that has no such row."""


async def known(transaction: Transaction, model: type[Any], ids: Collection[int]) -> set[int]:
    """Which of some ids of a table are there."""
    if not ids:
        return set()
    statement = select(model.id).where(
        model.workspace_id == transaction.workspace, model.id == any_(literal(sorted(ids), ARRAY(BigInteger)))
    )
    return {row.id for row in await transaction.rows(statement)}


async def strangers(
    transaction: Transaction, items: Sequence[Any], references: Mapping[str, tuple[type[Any], str]] = ALL
) -> dict[int, list[Problem]]:
    """By position, what is wrong with the items that refer to something which is not there."""
    wrong: dict[int, list[Problem]] = {}
    for name, (model, message) in references.items():
        named = {getattr(item, name) for item in items} - {None}
        missing = named - await known(transaction, model, named)
        for index, item in enumerate(items) if missing else ():
            if getattr(item, name) in missing:
                wrong.setdefault(index, []).append(not_found(message, name))
    return wrong
