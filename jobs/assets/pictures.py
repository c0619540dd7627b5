"""Pictures: their size, a small copy, and the hash by which those are found that look alike."""

import io
import struct
import threading
import warnings
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps

from db.models.asset_items import HASH_BITS
from jobs.assets.sniffing import Broken

MOST_PIXELS = 64_000_000
"""Of one picture. Decoded it takes four bytes for each."""
MOST_PIXELS_HELD_TWICE = 32_000_000
"""Of one in a format whose decoder keeps copies of its own."""
_HELD_TWICE = {"image/webp", "image/avif"}
THUMBNAIL = 320
"""The most pixels of a thumbnail's sides."""
_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
}
_BETWEEN = 4 * THUMBNAIL
"""The longer side to which a picture is reduced quickly, before it is resized well."""
_STRIP = 64
"""Reduced rows of a picture that are made at once."""
_QUALITY = 80
_LYING = {5, 6, 7, 8}
"""Orientations in which width and height change places."""
_ORIENTATION = 0x0112
_SIDE = 8
"""Of the square of bits that is the hash."""
_FLAT = 8
"""Shades of grey, of 256, that a picture must have to look like something."""
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
    MemoryError,
    OverflowError,
)
"""What Pillow raises for files that are not what they begin like."""

# Pillow's own guard, should one of its plugins come across more pixels than the file's beginning tells.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
_one_at_a_time = threading.Lock()
"""So that the memory of one decoded picture bounds that of the process, however many come at once."""


@dataclass(frozen=True)
class Picture:
    """What is seen of a picture, turned as it is to be shown; of an animated one, the first frame."""

    width: int
    height: int
    thumbnail: bytes
    """WebP, without any metadata."""
    image_hash: int | None
    """Signed 64 bits."""


class TooManyPixels(Exception):
    """Decoded it would take more memory than a picture may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"A picture of this format has at most {most:,} pixels.")


def read(file: BinaryIO, content_type: str) -> Picture:
    """Decodes a picture of one of the formats in ``kinds.PICTURES``. Raises Broken and TooManyPixels."""
    most = MOST_PIXELS_HELD_TWICE if content_type in _HELD_TWICE else MOST_PIXELS
    with _one_at_a_time:
        try:
            file.seek(0)
            with Image.open(file, formats=[_FORMATS[content_type]]) as image:
                image.verify()  # a PNG to its end, of which decoding would not miss the last bytes
            file.seek(0)
            with Image.open(file, formats=[_FORMATS[content_type]]) as image:
                if image.width * image.height > most:
                    raise TooManyPixels(most)
                return _seen(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise TooManyPixels(most) from None
        except _UNREADABLE as error:
            raise Broken("The picture is truncated or broken.") from error


def _seen(image: Image.Image) -> Picture:
    width, height = image.size
    image.draft("RGB", (_BETWEEN, _BETWEEN))  # a large JPEG is decoded as a small one
    image.load()
    is_lying = _orientation(image) in _LYING
    small = _reduced(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small = _upright(small, image)
    shown = (height, width) if is_lying else (width, height)
    return Picture(*shown, _webp(small), difference_hash(small))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (*_UNREADABLE, TypeError):
        return 1  # what is broken is only the metadata


def _upright(small: Image.Image, image: Image.Image) -> Image.Image:
    small.getexif()[_ORIENTATION] = _orientation(image)
    return ImageOps.exif_transpose(small)


def _reduced(image: Image.Image) -> Image.Image:
    """A copy in plain colours, not much larger than what is needed. Made strip by strip: it costs little more memory."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    factor = max(1, max(image.size) // _BETWEEN)
    target = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, target.height, _STRIP):
        box = (0, top * factor, image.width, min(image.height, (top + _STRIP) * factor))
        target.paste(_coloured(image.crop(box), mode).reduce(factor), (0, top))
    return target


def _coloured(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which conversion would cut off at 255
        image = image.convert("I").point(lambda grey: grey * (1 / 256)).convert("L")
    return image.convert(mode)


def _webp(image: Image.Image) -> bytes:
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    target = io.BytesIO()
    bare.save(target, "WEBP", quality=_QUALITY)
    return target.getvalue()


def difference_hash(image: Image.Image) -> int | None:
    """A perceptual hash of signed 64 bits: of nine columns and eight rows of grey, where each field is lighter than the next.

    Copies that were resized, compressed again or brightened differ from each other in few bits, other pictures in about half.
    None for a picture in which there is next to nothing to be seen: all of these would look alike.
    """
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image if image.mode == "RGBA" else None)
    grey = flat.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS).tobytes()
    if max(grey) - min(grey) < _FLAT:
        return None
    bits = 0
    for row in range(_SIDE):
        for column in range(_SIDE):
            place = row * (_SIDE + 1) + column
            bits = bits << 1 | (grey[place] > grey[place + 1])
    return bits - 2**HASH_BITS if bits >= 2 ** (HASH_BITS - 1) else bits
