"""What a backup says of itself: read before anything else of it is believed."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

FORMAT = "groundswell backup"
VERSION = 1
"""Counted up when an older program could no longer read what is written."""
NAME = "manifest.json"
_WORD = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadBackup(Exception):
    """The file is no backup, or not a whole one. The message is for the user."""


@dataclass(frozen=True)
class TableEntry:
    """The rows of a table: in ``tables/<name>``, as COPY writes them."""

    name: str
    columns: tuple[str, ...]
    rows: int
    size_bytes: int
    sha256: str

    @property
    def entry(self) -> str:
        """Its name in the file."""
        return f"tables/{self.name}"


@dataclass(frozen=True)
class ObjectEntry:
    """An object of the store. Its bytes are in ``objects/<path>`` where they are included; None: not known."""

    path: str
    size_bytes: int | None
    sha256: str | None
    content_type: str | None

    @property
    def entry(self) -> str:
        """Its name in the file."""
        return f"objects/{self.path}"


@dataclass(frozen=True)
class Manifest:
    """All of it. ``sequences``: what each table's identity gives out next."""

    program: str
    revision: str
    server: str
    taken_at: str
    are_files_included: bool
    tables: tuple[TableEntry, ...]
    sequences: Mapping[str, int]
    objects: tuple[ObjectEntry, ...]
    missing: tuple[str, ...] = field(default=())
    """Objects that the rows name and that the store did not have."""

    def written(self) -> bytes:
        """As JSON."""
        return orjson.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, option=orjson.OPT_INDENT_2)

    @classmethod
    def read(cls, given: bytes) -> "Manifest":
        """Of JSON that anybody may have written. Raises BadBackup."""
        try:
            found = orjson.loads(given)
            if not isinstance(found, dict) or found.pop("format") != FORMAT:
                raise BadBackup("It is not a backup of Groundswell.")
            if found.pop("version") != VERSION:
                raise BadBackup("It was made by a newer Groundswell: restore it with that one.")
            return cls._of(found)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadBackup("Its list of contents cannot be read.") from None

    @classmethod
    def _of(cls, found: dict[str, Any]) -> "Manifest":
        tables = tuple(TableEntry(**{**one, "columns": tuple(one["columns"])}) for one in found["tables"])
        objects = tuple(ObjectEntry(**one) for one in found["objects"])
        given = {**found, "tables": tables, "objects": objects, "missing": tuple(found["missing"])}
        manifest = cls(**given)
        names = [*(table.name for table in tables), *(name for table in tables for name in table.columns)]
        hashes = [table.sha256 for table in tables] + [one.sha256 for one in objects if one.sha256 is not None]
        if not all(_WORD.fullmatch(name) for name in (*names, *manifest.sequences)):
            raise ValueError("a name")
        if not all(_SHA256.fullmatch(one) for one in hashes) or not _WORD.fullmatch(f"r{manifest.revision}"):
            raise ValueError("a checksum or a revision")
        if not all(value >= 1 for value in manifest.sequences.values()):
            raise ValueError("a sequence")
        if not all(_is_inside(one.path) for one in objects):
            raise ValueError("a path")
        return manifest


def _is_inside(path: str) -> bool:
    """Whether a path stays below the store's folder."""
    return "\0" not in path and "\\" not in path and not {"", ".", ".."} & set(path.split("/"))
