"""Searches for words anywhere in some texts."""

from typing import Any

from sqlalchemy import ColumnElement, func, select


def mentions_all(model: type[Any], words: Any, *texts: Any) -> ColumnElement[bool]:
    """The condition that each of some words stands somewhere in the texts of a row, whatever the case of its letters."""
    text = func.concat_ws(" ", *texts)
    each = func.unnest(words).table_valued("word").render_derived("words")
    # Lowered on both sides by PostgreSQL: Python has other ideas of some letters.
    missing = select(each.c.word).where(func.strpos(func.lower(text), func.lower(each.c.word)) == 0)
    return ~missing.correlate(model).exists()
