"""Archives: a ZIP of creatives, with a manifest that says what each is or without. Nothing in it is believed before it is unpacked."""

import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from db.errors import Problem, ProblemCode, Refused, invalid, not_found
from db.models.asset_items import LONGEST_FILE_NAME, LONGEST_NAME, NewAsset, largest
from db.models.asset_kinds import GIB, MIB, TEXT_OF, AssetType
from jobs.asset_imports.manifests import LARGEST_MANIFEST, Row, manifest_rows
from jobs.asset_imports.tables import refused
from jobs.assets import kinds

MANIFEST = "manifest.csv"
MOST_ENTRIES = 2_000
MOST_BYTES = 4 * GIB
"""Of all entries together, unpacked."""
MOST_RATIO = 200
"""Bytes that one packed byte may become, in entries that are longer than ``_SHORT``."""
LARGEST_DIRECTORY = 4 * MIB
"""Of a ZIP, which is read as a whole: enough for entries of which most are hidden."""
_SHORT = 1 * MIB
_BLOCK = 64 * 1024
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What unpacks in pieces. Python's bzip2 and LZMA of an archive unpack a block at once, however much it becomes."""
_SUFFIXES = {
    AssetType.IMAGE: (*kinds.PICTURES.values(), ".svg", ".jpeg", ".jpe"),
    AssetType.VIDEO: (*kinds.VIDEOS.values(), ".m4v", ".mpeg"),
    AssetType.DOCUMENT: (*kinds.OFFICE.values(), *kinds.TEXTS.values(), ".pdf"),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_DRIVE = re.compile(r"[A-Za-z]:")
_IN_UTF8 = 0x800
_ENCRYPTED = 0x1 | 0x40
_NO_CHARACTERS = {"Cc", "Cs", "Zl", "Zp"}
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What shows a name in another order than it has."""
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of a ZIP, and what it is called there."""

    name: str
    info: zipfile.ZipInfo


class _Packed:
    """A ZIP's file for zipfile: says how much was read of it, and hands out no more at once than a directory has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= LARGEST_DIRECTORY else LARGEST_DIRECTORY + 1)
        if len(data) > LARGEST_DIRECTORY:
            raise refused("The directory of the ZIP is too long.", ProblemCode.TOO_LARGE)
        self.taken += len(data)
        return data


class Archive:
    """A ZIP that is open. Its file must stay open while its rows are used, by one thread at a time."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file = _Packed(file)
        try:
            self._zip = zipfile.ZipFile(cast(IO[bytes], self._file))
        except _BROKEN:
            raise refused("This is no ZIP, or it is truncated.", ProblemCode.UNSUPPORTED_TYPE) from None
        entries = [_Entry(_name_of(one), one) for one in self._zip.infolist()]
        self._entries = [one for one in entries if not one.name.endswith("/") and not _is_hidden(one.name)]
        if len(self._entries) > MOST_ENTRIES:
            message = f"At most {MOST_ENTRIES:,} files in a ZIP; there are {len(self._entries):,}."
            raise refused(message, ProblemCode.TOO_LARGE)
        if sum(one.info.file_size for one in self._entries) > MOST_BYTES:
            raise refused(f"At most {MOST_BYTES // GIB} GiB, unpacked.", ProblemCode.TOO_LARGE)
        self._lengths: dict[int, int] = {}
        self._unpacked = 0

    def rows(self) -> Iterator[Row]:
        """A row for each file, or for each row of the manifest; files that it does not name are left out. Raises Refused."""
        manifests = [one for one in self._entries if one.name.lower() == MANIFEST]
        if not manifests:
            return self._plain(self._entries)
        if len(manifests) > 1:
            raise refused(f"Two files of the ZIP are called {MANIFEST}.")
        return self._told(
            manifest_rows(self._manifest(manifests[0])), _by_name(one for one in self._entries if one not in manifests)
        )

    def _manifest(self, entry: _Entry) -> BinaryIO:
        problems = _problems(entry)
        content = io.BytesIO()
        try:
            if not problems:
                self._unpack(-1, entry, LARGEST_MANIFEST, content)
        except Refused as refusal:
            problems = list(refusal.problems)
        if problems:
            raise refused(f"{MANIFEST}: {problems[0].message}", problems[0].code)
        return content

    def _plain(self, entries: Sequence[_Entry]) -> Iterator[Row]:
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            row = Row(index, _printable(entry.name), problems=_problems(entry), is_guessed=True)
            if entry.name in seen:
                row.problems.append(invalid("Another file of the ZIP has this name.", "file_name"))
            seen.add(entry.name)
            if not row.problems:
                stem = PurePosixPath(entry.name).stem[:LONGEST_NAME].strip()
                self._take(row, entry, NewAsset(AssetType.OTHER, name=stem or None))
            yield row

    def _told(self, rows: Iterator[Row], entries: Mapping[str, Sequence[_Entry]]) -> Iterator[Row]:
        for row in rows:
            if row.asset is not None and not row.problems:
                name = row.asset.file_name
                if name is None or row.asset.type in TEXT_OF:
                    row.problems.extend(row.asset.problems(has_file=name is not None))
                else:
                    self._find(row, row.asset, name, entries.get(unicodedata.normalize("NFC", name), ()))
            yield row

    def _find(self, row: Row, asset: NewAsset, name: str, entries: Sequence[_Entry]) -> None:
        """Makes the row that of the file that it names, if there is just one."""
        if not entries:
            row.problems.append(not_found(f"There is no file {name[:LONGEST_FILE_NAME]!r} in the ZIP.", "file_name"))
        elif len(entries) > 1:
            row.problems.append(invalid("Several files of the ZIP have this name.", "file_name"))
        else:
            row.problems.extend(_problems(entries[0]))
            self._take(row, entries[0], asset)

    def _take(self, row: Row, entry: _Entry, asset: NewAsset) -> None:
        """Makes the row that of a file."""
        path = PurePosixPath(entry.name)
        if row.is_guessed:
            asset.type = _BY_SUFFIX.get(path.suffix.lower(), AssetType.OTHER)
        asset.file_name = path.name
        row.asset = asset
        row.problems.extend(asset.problems(has_file=True))
        most = largest(asset.type)
        if entry.info.file_size > most:
            message = f"A file of the type {asset.type} has at most {most:,} bytes; there are {entry.info.file_size:,}."
            row.problems.append(Problem(ProblemCode.TOO_LARGE, message, ("file_name",)))
        row.open_into = partial(self._unpack, row.index, entry, most)

    def _unpack(self, place: int, entry: _Entry, most: int, target: BinaryIO) -> None:
        """Writes an entry into a file, and counts what really comes out of it. Raises Refused.

        ``place``: whose it is. Unpacked anew it is counted once.
        """
        self._unpacked -= self._lengths.pop(place, 0)
        before, length = self._file.taken, 0
        try:
            for block in self._blocks(entry.info):
                length += len(block)
                if length > most or self._unpacked + length > MOST_BYTES or _is_bomb(length, entry.info.compress_size):
                    raise _too_many()
                target.write(block)
        finally:
            self._lengths[place] = length
            self._unpacked += length
        # How long it is packed is only what the ZIP says: this much was read for it.
        if _is_bomb(length, self._file.taken - before):
            raise _too_many()

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """What an entry holds. Raises Refused. What goes wrong where it is written is no fault of the entry."""
        try:
            packed = self._zip.open(info)
        except _BROKEN:
            raise _broken() from None
        with packed:
            while True:
                try:
                    block = packed.read(_BLOCK)
                except _BROKEN:
                    raise _broken() from None
                if not block:
                    return
                yield block


def open_archive(file: BinaryIO) -> Archive:
    """Opens a ZIP. Raises Refused."""
    return Archive(file)


def _by_name(entries: Iterator[_Entry]) -> Mapping[str, Sequence[_Entry]]:
    found: dict[str, list[_Entry]] = {}
    for one in entries:
        found.setdefault(one.name, []).append(one)
    return found


def _is_bomb(length: int, packed: int) -> bool:
    return length > _SHORT and length > MOST_RATIO * packed


def _too_many() -> Refused:
    return Refused([Problem(ProblemCode.TOO_LARGE, "This file of the ZIP unpacks to too many bytes.", ("file_name",))])


def _broken() -> Refused:
    return Refused([invalid("This file of the ZIP is broken.", "file_name")])


def _name_of(info: zipfile.ZipInfo) -> str:
    """What an entry is called, whole: zipfile cuts names at U+0000. Many write UTF-8 without saying so; some decompose it."""
    name = info.orig_filename
    if not info.flag_bits & _IN_UTF8:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.orig_filename
    return unicodedata.normalize("NFC", name)


def _problems(entry: _Entry) -> list[Problem]:
    """What is wrong with an entry before it is looked into."""
    name, info = entry.name, entry.info
    if info.flag_bits & _ENCRYPTED:
        return [invalid("This file of the ZIP is encrypted.", "file_name")]
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        return [invalid("This is a link, or a device, and no file.", "file_name")]
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or _DRIVE.match(name):
        return [invalid("The name of this file leads out of the ZIP.", "file_name")]
    if not name or not all(map(_belongs, name)):
        return [invalid("The name of this file is empty, or holds what no name should.", "file_name")]
    if len(PurePosixPath(name).name) > LONGEST_FILE_NAME:
        return [invalid(f"The name of a file has at most {LONGEST_FILE_NAME} characters.", "file_name")]
    if info.compress_type not in _METHODS:
        message = f"This file is packed by the method {info.compress_type} of ZIP; only Deflate is read."
        return [Problem(ProblemCode.UNSUPPORTED_TYPE, message, ("file_name",))]
    return []


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return ".." not in parts and (parts[0] == "__MACOSX" or any(one.startswith(".") and one != "." for one in parts))


def _belongs(character: str) -> bool:
    return unicodedata.category(character) not in _NO_CHARACTERS and character not in _TURNS


def _printable(name: str) -> str:
    return "".join(one if _belongs(one) else "?" for one in name)[:LONGEST_FILE_NAME]
