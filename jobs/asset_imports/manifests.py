"""Manifests: CSV that says of each asset what it is. Cells are texts, whatever they begin with: nothing is ever worked out."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from db.errors import Problem, ProblemCode, camel, invalid
from db.models.asset_items import NewAsset
from db.models.asset_kinds import MIB, NEEDS_FILE, AssetType
from db.models.rules import json_problems
from jobs.asset_imports.tables import Cells, Table, refused

MOST_ROWS = 5_000
LARGEST_MANIFEST = 16 * MIB
TEXTS = ("name", "title", "description", "ad_copy_text", "headline_text", "cta_text", "external_asset_id")
COLUMNS = ("type", *TEXTS, "tags", "platform_metadata", "file_name")
_NEEDS_ARCHIVE = "This is a file: send it with this manifest in a ZIP, as BULK_IMPORT."
_BETWEEN_TAGS = re.compile("[;|]")
_BETWEEN_WORDS = re.compile(r"[\s_\-]+|(?<=[a-z])(?=[A-Z])")


@dataclass(slots=True)
class Row:
    """A row of what is imported: the asset that it would be, or what is wrong with it."""

    index: int
    """From 0."""
    key: str | None
    """What names it to who reads of it: the platform's own id, the file, or the name."""
    asset: NewAsset | None = None
    problems: list[Problem] = field(default_factory=list)
    open_into: Callable[[BinaryIO], None] | None = None
    """Writes its file into another; None where it has none. Raises Refused."""
    is_guessed: bool = False
    """Whether its type was not said."""


def read_manifest(file: BinaryIO) -> Iterator[Row]:
    """The rows of a manifest of texts. Raises Refused for one that is wrong as a whole."""
    for row in manifest_rows(file):
        if row.asset is not None and (row.asset.file_name is not None or row.asset.type in NEEDS_FILE):
            row.problems = [invalid(_NEEDS_ARCHIVE, "type")]
        if row.asset is not None and not row.problems:
            row.problems.extend(row.asset.problems(has_file=False))
        yield row


def manifest_rows(file: BinaryIO) -> Iterator[Row]:
    """The rows of any manifest, not yet looked at as assets. Raises Refused."""
    table = Table(file, LARGEST_MANIFEST)
    names = _names(table.header)
    for index, cells, problems in table.rows():
        if index >= MOST_ROWS:
            raise refused(f"At most {MOST_ROWS:,} rows.", ProblemCode.TOO_LARGE)
        yield _row(index, {names[column]: cell for column, cell in cells.items()}, problems)


def _names(header: Sequence[str]) -> Mapping[str, str]:
    """Which of our columns each of a header is. Raises Refused."""
    names = {column: _named(column) for column in header}
    unknown = [column[:60] or "(without a name)" for column, name in names.items() if name not in COLUMNS]
    if unknown:
        raise refused(f"Unknown columns: {', '.join(unknown[:10])}. There are: {', '.join(map(camel, COLUMNS))}.")
    if len(set(names.values())) < len(names):
        raise refused("Two columns of the header have the same name.")
    if "type" not in names.values() and "file_name" not in names.values():
        raise refused("The column type is missing.")
    return names


def _row(index: int, cells: Cells, problems: list[Problem]) -> Row:
    given = {name: cell for name, cell in cells.items() if cell.strip()}
    if "external_asset_id" in given:  # as reports are read: spaces around an id are none of it
        given["external_asset_id"] = given["external_asset_id"].strip()
    key = given.get("external_asset_id") or given.get("file_name") or given.get("name")
    row = Row(index, key, problems=problems)
    if problems:
        return row
    kind = _type_of(given.get("type", ""))
    if kind is None and "type" in given:
        row.problems.append(invalid(f"There is no type {given['type']!r}.", "type"))
    elif kind is None and "file_name" not in given:
        row.problems.append(invalid("Say what it is.", "type"))
    metadata = _metadata(given, row.problems)
    if not row.problems:
        texts: Mapping[str, Any] = {name: given.get(name) for name in TEXTS}
        tags = [tag.strip() for tag in _BETWEEN_TAGS.split(given.get("tags", "")) if tag.strip()]
        row.asset = NewAsset(
            kind or AssetType.OTHER,
            tags=tags,
            file_name=given.get("file_name"),
            platform_metadata=metadata,
            **texts,
        )
        row.is_guessed = kind is None
    return row


def _metadata(given: Cells, problems: list[Problem]) -> Any:
    if "platform_metadata" not in given:
        return None
    try:
        found = orjson.loads(given["platform_metadata"])
    except orjson.JSONDecodeError:
        problems.append(invalid("This is not JSON.", "platform_metadata"))
        return None
    problems.extend(json_problems("platform_metadata", found))
    return found


def _named(column: str) -> str:
    return "_".join(_BETWEEN_WORDS.split(column)).lower()


def _type_of(given: str) -> AssetType | None:
    name = "_".join(_BETWEEN_WORDS.split(given.strip())).upper()
    return AssetType.__members__.get(name)
