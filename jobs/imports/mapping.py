"""Which column, or which text made of columns, feeds which field. Compiled once; no parsing per row."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from string import Formatter
from typing import Any, TypeAlias

from db.errors import camel
from jobs.imports.errors import ImportFailedError
from jobs.imports.files import Row, Rows

LINE = "line"
"""The placeholder that is the number of the row, from 1."""
Getter: TypeAlias = Callable[[Row, int], Any]
"""From a row and its number to what a field gets: None or an empty string where there is nothing."""


def parse(fields: Sequence[str], options: Iterable[str]) -> dict[str, str]:
    """Reads ``field=template`` options into templates by field. Raises ImportFailedError."""
    by_name = by_names(fields)
    templates: dict[str, str] = {}
    for option in options:
        name, equals, template = option.partition("=")
        field = by_name.get(name.strip())
        if not equals or not template:
            raise ImportFailedError(f"--map {option}: it must read field=column or field=text-with-{{column}}.")
        if field is None:
            names = ", ".join(map(camel, fields))
            raise ImportFailedError(f"--map {option}: no field {name.strip()!r}. There are: {names}.")
        if field in templates:
            raise ImportFailedError(f"--map {option}: {camel(field)} is mapped twice.")
        _slots(option, template)
        templates[field] = template
    return templates


def by_names(fields: Sequence[str]) -> dict[str, str]:
    """The fields by what they may be called: ``occurred_at`` and ``occurredAt``."""
    return {name: field for field in fields for name in (field, camel(field))}


def is_text(option: str, template: str) -> bool:
    """Whether a template makes a text, and not just takes a column's value."""
    return any(name is not None for _, name in _slots(option, template))


def compiled(
    source: Rows,
    fields: Sequence[str],
    templates: Mapping[str, str],
    required: Sequence[str],
    for_all: Collection[str] = (),
) -> dict[str, Getter]:
    """A getter for each field that the file feeds: as mapped, or from a column of its own name.

    ``for_all``: fields that an option of the same name gives all rows. Raises ImportFailedError where a column is missing without which no row could be taken.
    """
    getters: dict[str, Getter] = {}
    for field in fields:
        template = templates.get(field)
        if template is not None:
            getters[field] = _getter(source, f"{camel(field)}={template}", template)
        else:
            own = next((name for name in (camel(field), field) if name in source.columns), None)
            if own is not None:
                getters[field] = _column(source, own)
    missing = [camel(field) for field in required if field not in getters]
    if missing:
        raise ImportFailedError(
            f"Nothing in the file gives {' and '.join(missing)}. {_columns(source)} {_advice(missing, for_all)}"
        )
    return getters


def _advice(missing: Sequence[str], for_all: Collection[str]) -> str:
    advice = f"Map one with --map {missing[0]}=COLUMN, or make it of several, --map '{missing[0]}=text-{{COLUMN}}'"
    others = (f" Or name one {name} for all rows with --{name}." for name in for_all if camel(name) in missing)
    return f"{advice}; {{line}} is the row's number." + "".join(others)


def _columns(source: Rows) -> str:
    return f"It has the columns {', '.join(source.columns)}." if source.columns else "It has no columns."


def _slots(option: str, template: str) -> list[tuple[str, str | None]]:
    """The literal texts of a template, each with the placeholder that follows it."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ImportFailedError(f"--map {option}: {error}.") from None
    if any(name == "" or spec or conversion for _, name, spec, conversion in parts):
        raise ImportFailedError(f"--map {option}: a placeholder is the name of a column in braces, nothing else.")
    return [(literal, name) for literal, name, _, _ in parts]


def _getter(source: Rows, option: str, template: str) -> Getter:
    slots = _slots(option, template)
    names = [name for _, name in slots if name is not None]
    plain = None if names else "".join(literal for literal, _ in slots)
    columns = [name for name in names if name != LINE] if plain is None else [plain]
    unknown = [name for name in columns if name not in source.columns]
    # A column may be missing from the first objects of a JSON Lines file; a header is complete.
    if unknown and (source.is_csv or unknown == columns):
        raise ImportFailedError(f"--map {option}: the file has no column {unknown[0]!r}. {_columns(source)}")
    return _filled(source, slots) if plain is None else _column(source, plain)


def _column(source: Rows, name: str) -> Getter:
    if not source.is_csv:
        return lambda row, line: row.get(name)  # type: ignore[union-attr]
    if source.columns.count(name) > 1:
        raise ImportFailedError(f"The file has several columns named {name!r}.")
    take: Any = itemgetter(source.columns.index(name))
    return lambda row, line: take(row)


def _filled(source: Rows, slots: Sequence[tuple[str, str | None]]) -> Getter:
    """A text with its placeholders filled in; nothing where it has columns and all of them are empty."""
    pattern = "".join(literal.replace("%", "%%") + ("" if name is None else "%s") for literal, name in slots)
    names = [name for _, name in slots if name is not None]
    if len(names) == 1:  # the most usual ones, and worth a way of their own
        return _filled_with_one(source, pattern, names[0])
    getters = [_number if name == LINE else _column(source, name) for name in names]
    columns = [place for place, name in enumerate(names) if name != LINE]
    if source.is_csv and len(columns) == len(names) > 1:
        take: Any = itemgetter(*map(source.columns.index, names))  # all columns in one call
        return lambda row, line: pattern % values if any(values := take(row)) else None

    def fill(row: Row, line: int) -> str | None:
        values = ["" if (value := get(row, line)) is None else value for get in getters]
        empty = columns and all(values[place] == "" for place in columns)
        return None if empty else pattern % tuple(values)

    return fill


def _filled_with_one(source: Rows, pattern: str, name: str) -> Getter:
    if name == LINE:
        return lambda row, line: pattern % line
    get = _column(source, name)

    def fill(row: Row, line: int) -> str | None:
        value = get(row, line)
        # In a tuple of its own: JSON's lists and objects are values, too.
        return None if value is None or value == "" else pattern % (value,)

    return fill


def _number(row: Row, line: int) -> int:
    return line
