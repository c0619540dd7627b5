"""What a row of an export consists of: columns named as the API names its fields, with ids as the API has them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from db.models.exports import ExportDataset
from db.statements import Rows

Cells = list[list[Any]]
"""The cells of a chunk, column by column: str, int, bool, Decimal, datetime, or None."""
Names = Mapping[str, Mapping[int, str]]
"""By kind (channel, audience, brand), the names of what rows refer to, by id."""


class Kind(StrEnum):
    """What the cells of a column are. All may be null."""

    ID = "ID"
    """A global id of the API."""
    TEXT = "TEXT"
    WHOLE = "WHOLE"
    """A whole number."""
    DECIMAL = "DECIMAL"
    """An exact number."""
    FLAG = "FLAG"
    TIME = "TIME"
    JSON = "JSON"
    """JSON, as a text."""


@dataclass(frozen=True)
class Column:
    """One column: its name, and from which attribute of a fact its cells are."""

    name: str
    kind: Kind
    attribute: str
    refers: str = ""
    """The type whose global id an ID is; empty where the fact's own type says it."""
    names: str = ""
    """The kind of thing whose name is the cell."""


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _of(kind: Kind, *attributes: str) -> list[Column]:
    return [Column(_camel(name), kind, name) for name in attributes]


def _id(attribute: str, refers: str) -> Column:
    return Column(_camel(attribute), Kind.ID, attribute, refers=refers)


def _named(what: str) -> list[Column]:
    """The id and the name of something that a fact refers to."""
    return [_id(f"{what}_id", what.capitalize()), Column(what, Kind.TEXT, f"{what}_id", names=what)]


_CAMPAIGN = _id("campaign_id", "Campaign")
_ACTOR = _of(Kind.TEXT, "user_id", "profile_id", "profile_type")

COLUMNS: Mapping[ExportDataset, Sequence[Column]] = {
    ExportDataset.EVENTS: [
        _id("id", "Event"),
        *_of(Kind.TEXT, "key", "type"),
        _CAMPAIGN,
        *_named("channel"),
        *_named("audience"),
        *_of(Kind.TEXT, "user_id"),
        *_of(Kind.TIME, "occurred_at", "created_at"),
        Column("value", Kind.DECIMAL, "value_amount"),
        Column("currency", Kind.TEXT, "value_currency"),
        *_of(Kind.JSON, "data"),
    ],
    ExportDataset.IMPRESSIONS: [
        _id("id", "Impression"),
        *_of(Kind.TEXT, "key"),
        _CAMPAIGN,
        *_named("brand"),
        *_named("channel"),
        *_named("audience"),
        *_of(Kind.TEXT, "audience_label"),
        *_ACTOR,
        *_of(Kind.FLAG, "is_unique", "is_viewable"),
        *_of(Kind.WHOLE, "viewable_duration_ms"),
        *_of(Kind.FLAG, "clicked"),
        *_of(Kind.TIME, "clicked_at"),
        *_of(Kind.FLAG, "converted"),
        *_of(Kind.TIME, "converted_at"),
        *_of(Kind.TEXT, "device_type", "location", "region", "placement"),
        *_of(Kind.DECIMAL, "cpi_rate"),
        *_of(Kind.FLAG, "charged"),
        *_of(Kind.TIME, "charged_at"),
        *_of(Kind.TEXT, "ip_address", "user_agent", "session_id"),
        *_of(Kind.TIME, "occurred_at", "created_at"),
    ],
    ExportDataset.ENGAGEMENTS: [
        _id("id", ""),
        *_of(Kind.TEXT, "type"),
        _CAMPAIGN,
        *_named("brand"),
        _id("impression_id", "Impression"),
        *_ACTOR,
        *_of(Kind.TEXT, "source", "device_type", "location"),
        *_of(Kind.TIME, "occurred_at", "created_at", "updated_at"),
        *_of(Kind.TEXT, "body"),
        *_of(Kind.TIME, "edited_at"),
        *_of(Kind.WHOLE, "depth"),
        _id("parent_id", "Comment"),
        _id("root_id", "Comment"),
        *_of(Kind.WHOLE, "reply_count", "descendant_count"),
    ],
}


def global_id(type_name: str, key: int) -> str:
    """The id by which the API knows a row."""
    return b64encode(f"{type_name}:{key}".encode()).decode()


def referred(columns: Sequence[Column], rows: Rows) -> dict[str, set[int]]:
    """By kind, the ids of what rows refer to and whose names are needed."""
    places = {name: index for index, name in enumerate(rows.columns)}
    return {
        column.names: {row[places[column.attribute]] for row in rows} - {None} for column in columns if column.names
    }


def cells(columns: Sequence[Column], rows: Rows, campaign_id: int, names: Names, hidden: frozenset[str]) -> Cells:
    """The rows of a chunk as cells, with nothing in the columns of ``hidden`` attributes."""
    places = {name: index for index, name in enumerate(rows.columns)}
    campaign = global_id("Campaign", campaign_id)
    found: Cells = []
    for column in columns:
        if column.attribute == "campaign_id" or column.attribute in hidden:
            found.append([None if column.attribute in hidden else campaign] * len(rows))
            continue
        place = places[column.attribute]
        values = [row[place] for row in rows]
        if column.names:
            known = names[column.names]
            values = [None if value is None else known[value] for value in values]
        elif column.kind == Kind.ID:
            values = _ids(column, values, [row[places["type"]] for row in rows] if not column.refers else ())
        found.append(values)
    return found


def _ids(column: Column, keys: Sequence[int | None], types: Sequence[str]) -> list[str | None]:
    if not column.refers:
        return [global_id(_ENGAGEMENTS.get(kind, "Reaction"), key or 0) for key, kind in zip(keys, types, strict=True)]
    spelled = {key: global_id(column.refers, key) for key in set(keys) if key is not None}
    return [None if key is None else spelled[key] for key in keys]


_ENGAGEMENTS = {"COMMENT": "Comment", "SHARE": "Share"}
"""The types of the API for types of engagements; all others are reactions."""
