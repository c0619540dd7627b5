"""Figures that platforms report of spaces and assets: the latest replace those that are there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Problem, Refused, invalid, not_found
from db.models.assets import Asset
from db.models.platforms import Platform
from db.models.space_items import PAID, Figures
from db.models.spaces import Space


@dataclass(frozen=True)
class Reported:
    """Of which external ids a report's figures were written, and why not of others that there are."""

    spaces: frozenset[str]
    assets: frozenset[str]
    refused: Mapping[str, Problem]


async def report(transaction: Transaction, model: Any, key: int, figures: Figures) -> None:
    """Writes figures of a space or an asset. Raises Refused: not there, or of another currency than what stays."""
    mine = (model.workspace_id == transaction.workspace, model.id == key, model.deleted_at.is_(None))
    statement = select(model.id, *_money(model)).where(*mine)
    row = await transaction.row(statement.with_for_update(key_share=True))
    if row is None:
        raise Refused([not_found(f"No such {model.__name__.lower()}.", "id")])
    problem = _other_currency(row, figures)
    if problem is not None:
        raise Refused([problem])
    await _write(transaction, model, key, figures)


async def report_many(
    transaction: Transaction, platform: Platform, spaces: Mapping[str, Figures], assets: Mapping[str, Figures]
) -> Reported:
    """Writes the figures of a platform's report, by the platform's own ids. Spaces first, each in the order of their keys.

    What is of another currency than what stays is refused, and does not keep the rest out.
    """
    refused: dict[str, Problem] = {}
    these = await _write_all(transaction, Space, Space.external_campaign_id, platform, spaces, refused)
    those = await _write_all(transaction, Asset, Asset.external_asset_id, platform, assets, refused)
    return Reported(these, those, refused)


async def _write_all(
    transaction: Transaction,
    model: Any,
    column: Any,
    platform: Platform,
    reported: Mapping[str, Figures],
    refused: dict[str, Problem],
) -> frozenset[str]:
    """Writes figures by external id, and answers of which; what is refused is added to ``refused``."""
    written = set()
    for row in await _of_external_ids(transaction, model, column, platform, reported):
        figures = reported[row.external_id]
        problem = _other_currency(row, figures)
        if problem is None:
            await _write(transaction, model, row.id, figures)
            written.add(row.external_id)
        else:
            refused[row.external_id] = problem
    return frozenset(written)


async def _of_external_ids(
    transaction: Transaction, model: Any, column: Any, platform: Platform, external_ids: Collection[str]
) -> Sequence[Any]:
    """Those that a platform calls so, locked in the order of their keys."""
    if not external_ids:
        return ()
    mine = (
        model.workspace_id == transaction.workspace,
        model.platform == platform.value,
        model.deleted_at.is_(None),
        column == any_(literal(sorted(external_ids), ARRAY(Text))),
    )
    statement = select(model.id, column.label("external_id"), *_money(model)).where(*mine).order_by(model.id)
    return await transaction.rows(statement.with_for_update(key_share=True))


def _money(model: Any) -> tuple[Any, ...]:
    return model.spend, model.revenue, model.figures_currency


def _other_currency(row: Any, figures: Figures) -> Problem | None:
    """What is wrong where a figure of money stays that is of another currency than what is given. Both have one."""
    kept = [name for name in PAID if name not in figures.values and getattr(row, name) is not None]
    if not kept or figures.currency in {None, row.figures_currency}:
        return None
    [given] = [name for name in PAID if figures.values.get(name) is not None]
    return invalid(
        f"This must be in {row.figures_currency}, the currency of {kept[0]}: give both, or clear that one.", given
    )


async def _write(transaction: Transaction, model: Any, key: int, figures: Figures) -> None:
    values: dict[str, Any] = {**figures.values, "reported_at": func.now()}
    if figures.currency is not None:
        values["figures_currency"] = figures.currency
    mine = (model.workspace_id == transaction.workspace, model.id == key)
    await transaction.run(update(model).where(*mine).values(values))
