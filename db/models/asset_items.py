"""An asset as it comes in, the stored file it may have, and what can be wrong with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.errors import Problem, invalid
from db.models.asset_kinds import LARGEST, NEEDS_FILE, TEXT_OF, AssetType
from db.models.rules import text_problems
from db.models.space_items import LONGEST_DESCRIPTION, LONGEST_EXTERNAL_ID, tag_problems

LONGEST_NAME = 200
LONGEST_TITLE = 300
LONGEST_TEXT = 10_000
LONGEST_FILE_NAME = 255
LONGEST_USED_IN = 200
HASH_BITS = 64
FARTHEST = 8
"""Bits in which the hashes of images may differ that are called similar."""
HASH_BANDS = FARTHEST + 1
"""Parts of a hash: of two hashes that differ in at most FARTHEST bits, one part at least is the same."""

_SHA256 = re.compile("[0-9a-f]{64}")
_TEXTS = {
    "title": LONGEST_TITLE,
    "description": LONGEST_DESCRIPTION,
    "ad_copy_text": LONGEST_TEXT,
    "headline_text": LONGEST_TEXT,
    "cta_text": LONGEST_TEXT,
}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes that lie in the object store, with what was read off them. What is not known of such a file is None."""

    sha256: str
    """Of all bytes, computed here."""
    size_bytes: int
    content_type: str
    """By content."""
    path: str
    thumbnail_path: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    image_hash: int | None = None
    """Signed 64 bits."""
    is_known: bool = False
    """Whether a blob of these bytes was there already, so that nothing was stored. It may have been swept since."""


@dataclass(slots=True)
class NewAsset:
    """An asset to make. Its file, if it has one, is stored already."""

    type: AssetType
    name: str | None = None
    """None: that of the file, or the beginning of the text."""
    title: str | None = None
    description: str | None = None
    ad_copy_text: str | None = None
    headline_text: str | None = None
    cta_text: str | None = None
    external_asset_id: str | None = None
    tags: Sequence[str] = ()
    platform_metadata: Any = None
    platform_variants: Any = None
    file_name: str | None = None
    file: StoredFile | None = None

    @property
    def text(self) -> str | None:
        """What a type that is text consists of."""
        column = TEXT_OF.get(self.type)
        return None if column is None else getattr(self, column)

    @property
    def shown_name(self) -> str:
        """What it is called: its own name, the file's, or how its text begins."""
        found = self.name or self.file_name or " ".join((self.text or self.title or "").split())
        return found[:LONGEST_NAME].strip() or self.type.value

    def problems(self, *, has_file: bool) -> Iterator[Problem]:
        """All that is wrong with it by itself. ``has_file``: whether a file came with it."""
        if self.name is not None:
            yield from text_problems("name", self.name, LONGEST_NAME)
        if self.external_asset_id is not None:
            yield from text_problems("external_asset_id", self.external_asset_id, LONGEST_EXTERNAL_ID)
        yield from text_problems_of({name: getattr(self, name) for name in _TEXTS})
        column = TEXT_OF.get(self.type)
        if column is not None and has_file:
            yield invalid(f"An asset of the type {self.type} is text, and has no file.", "file")
        if column is not None and not (self.text or "").strip():
            yield invalid(f"An asset of the type {self.type} needs this text.", column)
        if self.type in NEEDS_FILE and not has_file:
            yield invalid(f"An asset of the type {self.type} needs a file.", "file")
        if (
            self.type is AssetType.OTHER
            and not has_file
            and not any((getattr(self, name) or "").strip() for name in _TEXTS)
        ):
            yield invalid("Give a file, or some text.", "file")
        yield from tag_problems(self.tags)


def text_problems_of(values: Mapping[str, str | None]) -> Iterator[Problem]:
    """What is wrong with the texts of an asset, and with its name if that is among them."""
    if "name" in values:
        yield from text_problems("name", values["name"] or "", LONGEST_NAME)
    for name, longest in _TEXTS.items():
        text = values.get(name)
        if text is not None:
            yield from text_problems(name, text, longest, may_be_empty=True)


def largest(kind: AssetType) -> int:
    """The most bytes that a file of a type may have; 0 for a type that is text."""
    return LARGEST.get(kind, 0)


def is_sha256(text: str) -> bool:
    """Whether a text is the hash of something: 64 hexadecimal digits in lower case."""
    return _SHA256.fullmatch(text) is not None


def bands_of(image_hash: int) -> list[int]:
    """The parts of a hash of signed 64 bits, HASH_BANDS of them: the first ones have 7 bits, the last has 8."""
    bits = image_hash % 2**HASH_BITS
    width = HASH_BITS // HASH_BANDS
    parts = [(bits >> (width * place)) & (2**width - 1) for place in range(HASH_BANDS - 1)]
    return [*parts, bits >> (width * (HASH_BANDS - 1))]
