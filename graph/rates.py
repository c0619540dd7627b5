"""Rates, rounded as the domain says: half up, to two decimals, null where there is nothing to divide by."""


def percent(part: int, whole: int) -> float | None:
    """100 * part / whole. Exact until the one rounding; both are zero or more."""
    if whole == 0:
        return None
    return (20_000 * part + whole) // (2 * whole) / 100
