"""What a value of a field becomes before it is read: a file's own words in the place of ours."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from db.errors import camel
from jobs.imports.errors import ImportFailedError
from jobs.imports.mapping import Getter, by_names

Tables = Mapping[str, Mapping[str, str]]
"""By field: values by the values that they replace."""


def parse(fields: Sequence[str], options: Iterable[str]) -> dict[str, dict[str, str]]:
    """Reads ``field:value=new`` options into tables by field. An empty value is one, too. Raises ImportFailedError."""
    names = by_names(fields)
    tables: dict[str, dict[str, str]] = {}
    for option in options:
        name, colon, pair = option.partition(":")
        value, equals, new = pair.rpartition("=")
        field = names.get(name.strip())
        if not colon or not equals:
            raise ImportFailedError(f"--translate {option}: it must read field:value=new-value.")
        if field is None:
            there = ", ".join(map(camel, fields))
            raise ImportFailedError(f"--translate {option}: no field {name.strip()!r}. There are: {there}.")
        if value in tables.setdefault(field, {}):
            raise ImportFailedError(f"--translate {option}: {value!r} of {camel(field)} is translated twice.")
        tables[field][value] = new
    return tables


def translated(getters: dict[str, Getter], tables: Tables) -> None:
    """Puts tables behind the getters of their fields. Raises ImportFailedError where nothing feeds a field."""
    for field, table in tables.items():
        if field not in getters:
            name = camel(field)
            raise ImportFailedError(f"--translate {name}: nothing feeds {name}. Map it with --map {name}=COLUMN.")
        getters[field] = _translator(getters[field], table)


def _translator(get: Getter, table: Mapping[str, str]) -> Getter:
    def translate(row: Any, line: int) -> Any:
        raw = get(row, line)
        if type(raw) is str:
            return table.get(raw, raw)
        return table.get(_written(raw), raw) if _is_plain(raw) else raw

    return translate


def _is_plain(raw: Any) -> bool:
    return raw is None or isinstance(raw, bool | int | float)


def _written(raw: Any) -> str:
    """A value of JSON that is no text, as the option writes it; null is empty, as a missing value is."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return "" if raw is None else str(raw)
