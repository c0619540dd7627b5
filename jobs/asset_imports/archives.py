"""Archives: a ZIP of creatives, with a manifest that says what each is or without. Nothing in it is believed before it is unpacked."""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from db.errors import Problem, ProblemCode, Refused, invalid, not_found
from db.models.asset_items import NewAsset, largest
from db.models.asset_kinds import GIB, MIB, TEXT_OF, AssetType
from jobs.asset_imports.manifests import Row, manifest_rows
from jobs.asset_imports.tables import refused

MANIFEST = "manifest.csv"
MOST_ENTRIES = 2_000
MOST_BYTES = 4 * GIB
"""Of all entries together, unpacked."""
LARGEST_MANIFEST = 64 * MIB
MOST_RATIO = 200
"""Bytes that one packed byte may become, in entries that are longer than ``_SHORT``."""
_SHORT = 1 * MIB
_BLOCK = 256 * 1024
_TYPES = {
    AssetType.IMAGE: "png jpg jpeg jpe gif webp avif bmp tif tiff svg",
    AssetType.VIDEO: "mp4 m4v mov webm mkv avi mpg mpeg ogv",
    AssetType.DOCUMENT: "pdf doc docx xls xlsx ppt pptx odt ods odp rtf txt md csv",
}
_BY_SUFFIX = {f".{suffix}": kind for kind, suffixes in _TYPES.items() for suffix in suffixes.split()}
_DRIVE = re.compile(r"[A-Za-z]:")


class Archive:
    """A ZIP that is open. Its file must stay open while its rows are used."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError):
            raise refused("This is no ZIP, or it is truncated.", ProblemCode.UNSUPPORTED_TYPE) from None
        self._entries = [one for one in self._zip.infolist() if not one.is_dir() and not _is_hidden(one.filename)]
        if len(self._entries) > MOST_ENTRIES:
            message = f"At most {MOST_ENTRIES:,} files in a ZIP; there are {len(self._entries):,}."
            raise refused(message, ProblemCode.TOO_LARGE)
        if sum(one.file_size for one in self._entries) > MOST_BYTES:
            raise refused(f"At most {MOST_BYTES // GIB} GiB, unpacked.", ProblemCode.TOO_LARGE)
        self._unpacked = 0

    def rows(self) -> Iterator[Row]:
        """A row for each file, or for each row of the manifest; files that it does not name are left out. Raises Refused."""
        manifest = next((one for one in self._entries if one.filename == MANIFEST), None)
        others = [one for one in self._entries if one is not manifest]
        if manifest is None:
            return self._plain(others)
        content = io.BytesIO()
        self._unpack(manifest, LARGEST_MANIFEST, content)
        return self._told(manifest_rows(content), {one.filename: one for one in others})

    def _plain(self, entries: list[zipfile.ZipInfo]) -> Iterator[Row]:
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            row = Row(index, _printable(entry.filename), problems=_problems(entry))
            if entry.filename in seen:
                row.problems.append(invalid("Another file of the ZIP has this name.", "file_name"))
            seen.add(entry.filename)
            if not row.problems:
                path = PurePosixPath(entry.filename)
                self._take(
                    row, entry, NewAsset(_BY_SUFFIX.get(path.suffix.lower(), AssetType.OTHER), name=path.stem or None)
                )
            yield row

    def _told(self, rows: Iterator[Row], entries: dict[str, zipfile.ZipInfo]) -> Iterator[Row]:
        for row in rows:
            if row.asset is not None and not row.problems:
                name = row.asset.file_name
                entry = None if name is None else entries.get(name)
                if name is None or row.asset.type in TEXT_OF:
                    row.problems.extend(row.asset.problems(has_file=name is not None))
                elif entry is None:
                    row.problems.append(not_found(f"There is no file {name!r} in the ZIP.", "file_name"))
                else:
                    row.problems.extend(_problems(entry))
                    self._take(row, entry, row.asset)
            yield row

    def _take(self, row: Row, entry: zipfile.ZipInfo, asset: NewAsset) -> None:
        """Makes the row that of a file."""
        path = PurePosixPath(entry.filename)
        if row.asset is not None and asset.type is AssetType.OTHER:
            asset.type = _BY_SUFFIX.get(path.suffix.lower(), AssetType.OTHER)
        asset.file_name = path.name
        row.asset = asset
        row.problems.extend(asset.problems(has_file=True))
        most = largest(asset.type)
        if entry.file_size > most:
            message = f"A file of the type {asset.type} has at most {most:,} bytes; there are {entry.file_size:,}."
            row.problems.append(Problem(ProblemCode.TOO_LARGE, message, ("file_name",)))
        row.open_into = partial(self._unpack, entry, most)

    def _unpack(self, entry: zipfile.ZipInfo, most: int, target: BinaryIO) -> None:
        """Writes an entry into a file, and counts what really comes out of it. Raises Refused."""
        length = 0
        try:
            with self._zip.open(entry) as packed:
                while block := packed.read(_BLOCK):
                    length += len(block)
                    self._unpacked += len(block)
                    _check(length, entry.compress_size, most, self._unpacked)
                    target.write(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
            raise Refused(
                [invalid("This file of the ZIP is broken, or packed in an unknown way.", "file_name")]
            ) from None


def open_archive(file: BinaryIO) -> Archive:
    """Opens a ZIP. Raises Refused."""
    return Archive(file)


def _check(length: int, packed: int, most: int, unpacked: int) -> None:
    bomb = length > _SHORT and length > MOST_RATIO * max(packed, 1)
    if length > most or unpacked > MOST_BYTES or bomb:
        raise Refused(
            [Problem(ProblemCode.TOO_LARGE, "This file of the ZIP unpacks to too many bytes.", ("file_name",))]
        )


def _problems(entry: zipfile.ZipInfo) -> list[Problem]:
    """What is wrong with an entry before it is looked into."""
    name = entry.filename
    parts = name.split("/")
    if entry.flag_bits & 0x1:
        return [invalid("This file of the ZIP is encrypted.", "file_name")]
    if stat.S_ISLNK(entry.external_attr >> 16):
        return [invalid("This is a link and no file.", "file_name")]
    if name.startswith("/") or "\\" in name or ".." in parts or _DRIVE.match(name) or not name.isprintable():
        return [invalid("The name of this file leads out of the ZIP, or holds what no name should.", "file_name")]
    return []


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or (parts[-1].startswith(".") and ".." not in parts)


def _printable(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name)[:255]
