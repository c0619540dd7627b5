"""What a file is, by its bytes. Its name only tells texts apart, which are all as harmless.

The formats are few and fixed, and being taken for one decides what is done with a file. So they are told by what their
specifications say a file begins with, and not by a library's thousand guesses; Pillow, MediaInfo and expat then read it.
"""

import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

from jobs.assets import kinds
from jobs.assets.texts import text_type

HEAD = 4096
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"OggS", "video/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"FLV\x01", "video/x-flv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "video/x-ms-wmv"),
)
"""Signatures by which a file is known at once. Those of films may turn out to be sounds."""
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_RIFF = {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav"}
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic"}
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_MPEG_AUDIO = {0xFB, 0xFA, 0xF3, 0xF2, 0xE3}
"""The second bytes of a frame of layer III."""
_TS_PACKET = 188
_LARGEST_DIRECTORY = 2 * 1024 * 1024
"""Bytes of the directory of an archive that is looked into: each name costs many times its length in memory."""
_MOST_SECTORS = 256
"""Of the directory of an OLE file."""
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_OLE_STREAMS = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "Book": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
}
_OPEN_XML = {"word/document.xml": kinds.DOCX, "xl/workbook.xml": kinds.XLSX, "ppt/presentation.xml": kinds.PPTX}
_PROGRAMS = (
    "META-INF/MANIFEST.MF",
    "AndroidManifest.xml",
    "word/vbaProject.bin",
    "xl/vbaProject.bin",
    "ppt/vbaProject.bin",
)
"""What makes an archive a program, or an office file one with macros."""


class Broken(Exception):
    """A file begins like something that it then is not."""


def content_type(file: BinaryIO, file_name: str | None) -> str:
    """The content type of a file, without parameters; octets where it is nothing that is known. Raises Broken."""
    file.seek(0)
    head = file.read(HEAD)
    found = _by_signature(head) or _by_structure(head)
    if found is not None:
        return found
    if head.startswith(b"PK\x03\x04"):
        return _archive(file)
    if head.startswith(_OLE):
        return next((_OLE_STREAMS[name] for name in _ole_names(file) if name in _OLE_STREAMS), kinds.OCTETS)
    return _text(file, head, file_name)


def _by_signature(head: bytes) -> str | None:
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def _by_structure(head: bytes) -> str | None:
    """What is known by more than one place."""
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS:
        return "image/bmp"
    if head[4:8] in _QUICKTIME_ATOMS:
        return "video/quicktime"
    if len(head) > 2 * _TS_PACKET and all(head[place] == 0x47 for place in range(0, 3 * _TS_PACKET, _TS_PACKET)):
        return "video/mp2t"
    return "audio/mpeg" if head[:1] == b"\xff" and head[1:2] and head[1] in _MPEG_AUDIO else None


def _by_brand(head: bytes) -> str:
    length = min(struct.unpack_from(">I", head)[0], len(head))
    major, others = head[8:12], {head[place : place + 4] for place in range(16, length - 3, 4)}
    if major in _BRANDS:
        return _BRANDS[major]
    if major in {b"mif1", b"msf1"}:  # some image: which one is among the others
        return next((_BRANDS[one] for one in sorted(others & _BRANDS.keys())), "image/heic")
    return "video/quicktime" if major == b"qt  " else "video/mp4"


def _archive(file: BinaryIO) -> str:
    if not _is_small(file):
        return kinds.ZIP
    try:
        with zipfile.ZipFile(file) as archive:
            names = {one.filename for one in archive.infolist()}
            declared = _declared(archive) if "mimetype" in names else ""
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        ValueError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise Broken("The archive is truncated or broken.") from error
    if not names.isdisjoint(_PROGRAMS):
        return kinds.OCTETS
    if declared:
        return declared if declared in kinds.OFFICE else kinds.OCTETS
    if "[Content_Types].xml" in names:
        return next((kind for name, kind in _OPEN_XML.items() if name in names), kinds.OCTETS)
    return kinds.ZIP


def _declared(archive: zipfile.ZipFile) -> str:
    """What an OpenDocument file says it is; it is not compressed."""
    entry = archive.getinfo("mimetype")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > 200:
        return kinds.OCTETS
    return archive.read(entry).decode("ascii", "replace").strip()


def _is_small(file: BinaryIO) -> bool:
    """Whether the directory of an archive can be read without harm. Raises Broken where there is none."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 66_000))  # a comment of 64 KiB, and what stands before it
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise Broken("The archive is truncated or broken.")
    is_large = b"PK\x06\x07" in tail[max(0, end - 20) : end]  # whose numbers stand elsewhere, and may be any
    length: int = struct.unpack_from("<I", tail, end + 12)[0]
    return not is_large and length <= _LARGEST_DIRECTORY


def _ole_names(file: BinaryIO) -> Iterator[str]:
    """The names of an OLE file's streams, as far as its directory can be followed."""
    header = _at(file, 0, 512)
    shift, sector = struct.unpack_from("<H", header, 30)[0], struct.unpack_from("<I", header, 48)[0]
    if shift not in {9, 12}:
        return
    size, tables = 1 << shift, struct.unpack_from("<109I", header, 76)
    for _ in range(_MOST_SECTORS):
        block = _at(file, (sector + 1) * size, size)
        for place in range(0, len(block), 128):
            length = struct.unpack_from("<H", block, place + 64)[0]
            yield block[place : place + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
        table, within = divmod(sector, size // 4)
        if table >= len(tables):
            return
        sector = struct.unpack("<I", _at(file, (tables[table] + 1) * size + within * 4, 4))[0]
        if sector > 0xFFFFFFF9:
            return


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    found = file.read(length)
    if len(found) < length:
        raise Broken("The document is truncated or broken.")
    return found


def _text(file: BinaryIO, head: bytes, file_name: str | None) -> str:
    found = text_type(file, head, file_name)
    if found != kinds.XML:
        return found
    # An XML file is what its root is.
    root = _root(file)
    if root == "http://www.w3.org/2000/svg svg":
        return kinds.SVG
    return kinds.HTML if root.endswith(" html") or root == "html" else kinds.XML


def _root(file: BinaryIO) -> str:
    """The root element of an XML document, after its namespace. All of it is read: raises Broken if that fails.

    Expat loads nothing from elsewhere, and ends by itself when entities make much of little.
    """
    names: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _attributes: names.append(name) if not names else None
    file.seek(0)
    try:
        parser.ParseFile(file)
    except (expat.ExpatError, ValueError) as error:
        raise Broken(f"The XML is broken: {error}.") from error
    return names[0]
