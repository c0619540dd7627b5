"""What one impression adds to the roll-ups. The same rule for recording it and for each later change."""

from collections.abc import Iterator
from decimal import Decimal

from db.models.impression_items import ImpressionState


def counters(is_unique: bool, state: ImpressionState, *, engaged: bool = False) -> Iterator[tuple[str, int | Decimal]]:
    """Names of roll-up columns and what an impression in this state contributes to each.

    ``engaged``: it led to an engagement that stands.
    """
    yield "impressions", 1
    if is_unique:
        yield "unique_impressions", 1
    if state.is_viewable:
        yield "viewable_impressions", 1
    if state.clicked_at is not None:
        yield "clicks", 1
    if state.converted_at is not None:
        yield "conversions", 1
    if state.clicked_at is not None or state.converted_at is not None:
        yield "impressions_clicked_or_converted", 1
    elif engaged:
        yield "impressions_only_engaged", 1
    if state.charged_at is not None:
        yield "impressions_charged", 1
        if state.cpi_rate is not None:
            yield "spend", state.cpi_rate
