"""Figures that platforms report of spaces and assets: the latest replace those that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Refused, invalid, not_found
from db.models.assets import Asset
from db.models.platforms import Platform
from db.models.space_items import PAID, Figures
from db.models.spaces import Space


@dataclass(frozen=True)
class Reported:
    """Which of a report's external ids there are."""

    spaces: frozenset[str]
    assets: frozenset[str]


async def report(transaction: Transaction, model: Any, key: int, figures: Figures) -> None:
    """Writes figures of a space or an asset. Raises Refused: not there, or of another currency than what stays."""
    columns = (model.id, model.spend, model.revenue, model.figures_currency)
    mine = (model.workspace_id == transaction.workspace, model.id == key, model.deleted_at.is_(None))
    row = await transaction.row(select(*columns).where(*mine).with_for_update(key_share=True))
    if row is None:
        raise Refused([not_found(f"No such {model.__name__.lower()}.", "id")])
    kept = [name for name in PAID if name not in figures.values and getattr(row, name) is not None]
    if kept and figures.currency is not None and figures.currency != row.figures_currency:
        [given] = [name for name in PAID if figures.values.get(name) is not None]
        message = f"This must be in {row.figures_currency}, the currency of {kept[0]}: give both, or clear that one."
        raise Refused([invalid(message, given)])
    await _write(transaction, model, key, figures)


async def report_many(
    transaction: Transaction, platform: Platform, spaces: Mapping[str, Figures], assets: Mapping[str, Figures]
) -> Reported:
    """Writes the figures of a platform's report, by the platform's own ids. Spaces first, each in the order of their keys."""
    found = []
    for model, column, reported in (
        (Space, Space.external_campaign_id, spaces),
        (Asset, Asset.external_asset_id, assets),
    ):
        mine = (
            model.workspace_id == transaction.workspace,
            model.platform == platform.value,
            model.deleted_at.is_(None),
            column == any_(literal(sorted(reported), ARRAY(Text))),
        )
        statement = select(model.id, column.label("external_id")).where(*mine).order_by(model.id)
        rows = await transaction.rows(statement.with_for_update(key_share=True)) if reported else []
        for row in rows:
            await _write(transaction, model, row.id, reported[row.external_id])
        found.append(frozenset(row.external_id for row in rows))
    return Reported(*found)


async def _write(transaction: Transaction, model: Any, key: int, figures: Figures) -> None:
    values: dict[str, Any] = {**figures.values, "reported_at": func.now()}
    if figures.currency is not None:
        values["figures_currency"] = figures.currency
    mine = (model.workspace_id == transaction.workspace, model.id == key)
    await transaction.run(update(model).where(*mine).values(values))
