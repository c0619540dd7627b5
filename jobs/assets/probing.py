"""What a file is, and whether an asset of a type can be made of it: by its bytes, whatever it is called."""

from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from db.errors import Problem, ProblemCode, Refused, invalid
from db.models.asset_items import largest
from db.models.asset_kinds import AssetType
from jobs.assets import kinds, media, pictures, sniffing
from jobs.assets.pictures import TooManyPixels
from jobs.assets.sniffing import Broken

_SOUND_OF = {
    "video/mp4": "audio/mp4",
    "video/ogg": "audio/ogg",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}
"""The same containers without a film in them."""
_DUMB = "The film is truncated or broken: nothing can be read of it."


@dataclass(frozen=True)
class Probed:
    """What was read off a file. What is not known of such a file is None."""

    content_type: str
    """By content, without parameters."""
    extension: str
    """For its path, the dot included."""
    width: int | None = None
    """Pixels, as it is to be shown."""
    height: int | None = None
    duration_ms: int | None = None
    image_hash: int | None = None
    """Signed 64 bits."""
    thumbnail: bytes | None = None
    """WebP, at most 320 by 320 pixels."""


def probe(file: BinaryIO, kind: AssetType, file_name: str | None = None) -> Probed:
    """Reads a file of the disk, which takes its time: call it in a thread. Raises Refused, all at ("file",).

    TOO_LARGE: more bytes or pixels than there may be. UNSUPPORTED_TYPE: not what assets of the type are made of. INVALID:
    broken. An asset of the type OTHER may be anything, also something broken.
    """
    check_size(file.seek(0, 2), kind)
    is_anything = kind is AssetType.OTHER
    try:
        content_type = sniffing.content_type(file, file_name)
    except Broken as error:
        return _plain(kinds.OCTETS) if is_anything else _refuse(str(error))
    check_kind(kind, content_type)
    try:
        return _read(file, kind, content_type)
    except (Broken, TooManyPixels) as error:
        if is_anything:
            return _plain(content_type)
        if isinstance(error, TooManyPixels):
            raise Refused([Problem(ProblemCode.TOO_LARGE, str(error), ("file",))]) from None
        _refuse(str(error))


def check_size(size_bytes: int, kind: AssetType) -> None:
    """Raises Refused where an asset of a type has no file of so many bytes."""
    if size_bytes == 0:
        _refuse("The file is empty.")
    if size_bytes > largest(kind):
        message = f"A file of the type {kind} has at most {largest(kind):,} bytes; there are {size_bytes:,}."
        raise Refused([Problem(ProblemCode.TOO_LARGE, message, ("file",))])


def check_kind(kind: AssetType, content_type: str) -> None:
    """Raises Refused where an asset of a type is not made of such content."""
    if not kinds.is_allowed(kind, content_type):
        what = "nothing that is known here" if content_type == kinds.OCTETS else content_type
        message = f"By its bytes this file is {what}, of which no asset of the type {kind} is made."
        raise Refused([Problem(ProblemCode.UNSUPPORTED_TYPE, message, ("file",))])


def _read(file: BinaryIO, kind: AssetType, content_type: str) -> Probed:
    if content_type in kinds.PICTURES:
        found = pictures.read(file, content_type)
        return Probed(
            content_type,
            kinds.extension(content_type),
            found.width,
            found.height,
            image_hash=found.image_hash,
            thumbnail=found.thumbnail,
        )
    if content_type in kinds.VIDEOS or content_type in kinds.SOUNDS:
        return _media(file, kind, content_type)
    return _plain(content_type)


def _media(file: BinaryIO, kind: AssetType, content_type: str) -> Probed:
    found = media.read(file)
    if found is None or found.is_truncated or not (found.has_video or found.has_audio):
        raise Broken(_DUMB)
    if not found.has_video:
        content_type = _SOUND_OF.get(content_type, content_type)
        check_kind(kind, content_type)
    elif kind is AssetType.VIDEO and found.width is None:
        raise Broken(_DUMB)
    return Probed(content_type, kinds.extension(content_type), found.width, found.height, found.duration_ms)


def _plain(content_type: str) -> Probed:
    return Probed(content_type, kinds.extension(content_type))


def _refuse(message: str) -> NoReturn:
    raise Refused([invalid(message, "file")])
