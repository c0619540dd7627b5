"""What files are by their bytes: pictures of the world, films, documents, texts, and what pretends to be something."""

import io
import wave
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from db.errors import Refused
from db.models.asset_items import FARTHEST
from db.models.asset_kinds import AssetType
from jobs.assets import probing
from jobs.assets.kinds import served_as
from jobs.assets.pictures import MOST_PIXELS
from tests.creatives import picture
from tests.films import mp4

IMAGES = Path(__file__).parents[3] / "shared/data/images"
NEEDS_IMAGES = pytest.mark.skipif(not IMAGES.is_dir(), reason="needs ../shared/data/images")
IMAGE, VIDEO, DOCUMENT, DATA, OTHER = (
    AssetType.IMAGE,
    AssetType.VIDEO,
    AssetType.DOCUMENT,
    AssetType.PERFORMANCE_DATA,
    AssetType.OTHER,
)
SVG = b'<?xml version="1.0"?>\n<!-- <html> -->\n<svg xmlns="http://www.w3.org/2000/svg"><script>0</script></svg>'
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (one, (b"&l%d;" % (one - 1)) * 10 if one else b"lol") for one in range(12))
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def probe(tmp_path: Path) -> Callable[..., probing.Probed]:
    """Probes bytes as a file of the disk."""

    def made(content: bytes, kind: AssetType, name: str | None = None) -> probing.Probed:
        path = tmp_path / "file"
        path.write_bytes(content)
        with path.open("r+b") as file:
            return probing.probe(file, kind, name)

    return made


@pytest.fixture
def refused(probe: Callable[..., probing.Probed]) -> Callable[..., str]:
    """The code with which bytes are refused."""

    def made(content: bytes, kind: AssetType, name: str | None = None) -> str:
        with pytest.raises(Refused) as raised:
            probe(content, kind, name)
        assert [problem.field for problem in raised.value.problems] == [("file",)]
        return raised.value.problems[0].code.value

    return made


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def zipped(*names: str, mimetype: str | None = None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        if mimetype is not None:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "<x/>")
    return target.getvalue()


def ole(stream: str) -> bytes:
    """An OLE file with one table of sectors, and a directory of the root and a stream."""
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = (1).to_bytes(4, "little")
    header[76:80] = bytes(4)
    table = b"\xfd\xff\xff\xff\xfe\xff\xff\xff".ljust(512, b"\xff")
    names = [name.encode("utf-16-le") for name in ("Root Entry", stream)]
    entries = [name.ljust(64, b"\0") + (len(name) + 2).to_bytes(2, "little") + bytes(62) for name in names]
    return bytes(header) + table + b"".join(entries).ljust(512, b"\0")


@NEEDS_IMAGES
@pytest.mark.parametrize(
    ("name", "content_type", "extension", "size", "small"),
    [
        ("chelsea.png", "image/png", ".png", (451, 300), (320, 213)),
        ("coffee.png", "image/png", ".png", (600, 400), (320, 213)),
        ("hubble_deep_field.jpg", "image/jpeg", ".jpg", (1000, 872), (320, 279)),
        ("rocket.jpg", "image/jpeg", ".jpg", (640, 427), (320, 214)),
    ],
)
def test_pictures_of_the_world(
    probe: Callable[..., probing.Probed],
    name: str,
    content_type: str,
    extension: str,
    size: tuple[int, int],
    small: tuple[int, int],
) -> None:
    found = probe((IMAGES / name).read_bytes(), IMAGE, "report.pdf")
    assert (found.content_type, found.extension, (found.width, found.height)) == (content_type, extension, size)
    thumbnail = Image.open(io.BytesIO(found.thumbnail or b""))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", small)


@NEEDS_IMAGES
def test_copies_look_alike_and_other_pictures_do_not(probe: Callable[..., probing.Probed]) -> None:
    hashes = []
    for path in sorted(IMAGES.glob("*.*g")):
        image = Image.open(path).convert("RGB")
        small = image.resize((image.width // 3, image.height // 3))
        copies = [
            path.read_bytes(),
            saved(small, "JPEG", quality=40),
            saved(ImageEnhance.Brightness(image).enhance(1.1), "WEBP", quality=50),
            saved(image.resize((500, 500)), "PNG"),
        ]
        first, *others = [probe(one, IMAGE).image_hash or 0 for one in copies]
        assert max((first ^ other).bit_count() for other in others) <= FARTHEST
        hashes.append(first)
    assert len(hashes) == 4
    assert all(-(2**63) <= one < 2**63 for one in hashes)
    apart = [(one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(apart) > 2 * FARTHEST


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP"])
def test_formats_of_pictures(probe: Callable[..., probing.Probed], form: str) -> None:
    found = probe(picture(3, (400, 100), form), IMAGE)
    assert (found.content_type, found.width, found.height) == (f"image/{form.lower()}", 400, 100)
    assert Image.open(io.BytesIO(found.thumbnail or b"")).size == (320, 80)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA", "CMYK"])
def test_modes_of_pictures(probe: Callable[..., probing.Probed], mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    found = probe(saved(Image.new(mode, (30, 2000)), form), IMAGE)
    assert (found.width, found.height, found.image_hash) == (30, 2000, None)
    assert Image.open(io.BytesIO(found.thumbnail or b"")).size == (5, 320)


def test_sixteen_bits_of_grey_are_not_cut_off(probe: Callable[..., probing.Probed]) -> None:
    found = probe(saved(Image.new("I;16", (9, 9), 32768), "PNG"), IMAGE)
    grey = Image.open(io.BytesIO(found.thumbnail or b"")).convert("L").tobytes()
    assert max(abs(one - 128) for one in grey) <= 2


def test_a_picture_is_seen_as_it_is_to_be_shown(probe: Callable[..., probing.Probed]) -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    turned = Image.Exif()
    turned[0x0112] = 6  # the left side is up
    turned[0x010E] = "where I live"
    found = probe(saved(image, "JPEG", exif=turned), IMAGE)
    thumbnail = Image.open(io.BytesIO(found.thumbnail or b""))
    assert ((found.width, found.height), thumbnail.size) == ((20, 40), (20, 40))
    rows = thumbnail.convert("L").tobytes()
    assert min(rows[: 15 * 20]) > 200 > 50 > max(rows[25 * 20 :])
    assert (dict(thumbnail.getexif()), b"where" in (found.thumbnail or b"")) == ({}, False)


def test_of_an_animated_picture_the_first_frame_is_seen(probe: Callable[..., probing.Probed]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")]
    found = probe(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), IMAGE)
    assert Image.open(io.BytesIO(found.thumbnail or b"")).convert("L").getpixel((4, 4)) == 255


def test_a_drawing_has_no_size(probe: Callable[..., probing.Probed]) -> None:
    assert probe(SVG, IMAGE, "a.png") == probing.Probed("image/svg+xml", ".svg")
    assert served_as("image/svg+xml") == ("application/octet-stream", "attachment")


def test_a_film_says_how_long_and_large_it_is(probe: Callable[..., probing.Probed]) -> None:
    assert probe(mp4(320, 240, 5000), VIDEO) == probing.Probed("video/mp4", ".mp4", 320, 240, 5000)
    assert probe(mp4(320, 240, 5000, turned=True), VIDEO).width == 240


def test_a_sound_is_no_film(probe: Callable[..., probing.Probed], refused: Callable[..., str]) -> None:
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    assert probe(target.getvalue(), OTHER) == probing.Probed("audio/wav", ".wav", duration_ms=1000)
    assert refused(target.getvalue(), VIDEO) == "UNSUPPORTED_TYPE"


@pytest.mark.parametrize(
    ("content", "kind", "name", "content_type", "extension"),
    [
        (b"%PDF-1.7\n", DOCUMENT, "a.exe", "application/pdf", ".pdf"),
        (zipped("[Content_Types].xml", "word/document.xml"), DOCUMENT, None, WORD, ".docx"),
        (zipped("docProps/app.xml", "xl/workbook.xml", "[Content_Types].xml"), DATA, "a.csv", EXCEL, ".xlsx"),
        (
            zipped(mimetype="application/vnd.oasis.opendocument.text"),
            DOCUMENT,
            None,
            "application/vnd.oasis.opendocument.text",
            ".odt",
        ),
        (ole("Workbook"), DOCUMENT, None, "application/vnd.ms-excel", ".xls"),
        (b"{\\rtf1 x}", DOCUMENT, None, "application/rtf", ".rtf"),
        (b"# T\n\ngr\xfc\xdfe", DOCUMENT, "a.MD", "text/markdown", ".md"),
        (b"a;b\r\n1;2\r\n", DATA, "a.csv", "text/csv", ".csv"),
        ("a\tb\r\n".encode("utf-16"), DATA, "a.tsv", "text/tab-separated-values", ".tsv"),
        (b'{"a": 1}\n{"a": 2}\n', DATA, "a.csv", "application/x-ndjson", ".jsonl"),
        (b'\xef\xbb\xbf[{"a": 1},\n{"a": 2}]\n', DATA, "a", "application/json", ".json"),
        (b"[note] see below", DOCUMENT, "a.json", "text/plain", ".txt"),
        (zipped("a.csv"), DATA, None, "application/zip", ".zip"),
        (b"<!doctype HTML><p>", OTHER, "a.png", "text/html", ".bin"),
        (b"\x7fELF", OTHER, "a.txt", "application/octet-stream", ".bin"),
        (b"GIF89a<script>0</script>", OTHER, "a.html", "image/gif", ".gif"),
        (picture()[:200], OTHER, None, "image/png", ".png"),
        (zipped("a.csv")[:-10], OTHER, None, "application/octet-stream", ".bin"),
    ],
)
def test_files_are_what_their_bytes_are(
    probe: Callable[..., probing.Probed],
    content: bytes,
    kind: AssetType,
    name: str | None,
    content_type: str,
    extension: str,
) -> None:
    assert probe(content, kind, name) == probing.Probed(content_type, extension)


@pytest.mark.parametrize(
    ("content", "kind", "name"),
    [
        (b"%PDF-1.7\n", IMAGE, "a.png"),
        (picture(), DOCUMENT, "a.pdf"),
        (picture(), VIDEO, "a.mp4"),
        (mp4(320, 240, 5000), IMAGE, "a.png"),
        (saved(Image.new("L", (9, 9)), "TIFF"), IMAGE, "a.tif"),
        (b"a,b\n", IMAGE, "a.png"),
        (b"  <html>", DOCUMENT, "a.txt"),
        (b"\xef\xbb\xbf<SCRIPT>0</SCRIPT>", DOCUMENT, "a.csv"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", IMAGE, "a.svg"),
        (b"MZ\x90\0\3", DOCUMENT, "a.pdf"),
        (b"#!/bin/sh\n", DOCUMENT, "a.txt"),
        (b"a,b\n\0", DATA, "a.csv"),
        (zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), DOCUMENT, "a.docx"),
        (zipped("META-INF/MANIFEST.MF"), DATA, "a.zip"),
        (ole("!Property"), DOCUMENT, "a.doc"),
    ],
)
def test_what_is_called_something_else_is_refused(
    refused: Callable[..., str], content: bytes, kind: AssetType, name: str
) -> None:
    assert refused(content, kind, name) == "UNSUPPORTED_TYPE"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", OTHER),
        (picture()[:-30], IMAGE),
        (picture(form="JPEG")[:-200], IMAGE),
        (picture(form="WEBP")[:-30], IMAGE),
        (picture(form="GIF")[:60], IMAGE),
        (b"GIF89a<html><script>0</script></html>", IMAGE),
        (SVG[:-3], IMAGE),
        (b"<!DOCTYPE svg [" + LAUGHS + b"]><svg xmlns='http://www.w3.org/2000/svg'>&l11;</svg>", IMAGE),
        (mp4(320, 240, 5000)[:-200], VIDEO),
        (mp4(320, 240, 5000)[:40], VIDEO),
        (zipped("a.csv")[:-10], DATA),
    ],
)
def test_what_is_broken_is_refused(refused: Callable[..., str], content: bytes, kind: AssetType) -> None:
    assert refused(content, kind) == "INVALID"


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP"])
def test_a_picture_that_grows_when_it_is_decoded_is_refused(refused: Callable[..., str], form: str) -> None:
    small = bytearray(saved(Image.new("L", (9, 9)), form))
    place, length, order = {"PNG": (16, 4, "big"), "GIF": (6, 2, "little"), "BMP": (18, 4, "little")}[form]
    small[place : place + 2 * length] = (60_000).to_bytes(length, order) * 2  # type: ignore[arg-type]
    if form == "PNG":
        small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    assert MOST_PIXELS < 60_000**2
    assert refused(bytes(small), IMAGE) == "TOO_LARGE"


def test_a_file_that_is_too_large_for_its_type_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    with (tmp_path / "large").open("w+b") as file:
        file.truncate(64 * 1024**2 + 1)
        with pytest.raises(Refused, match="at most 67,108,864 bytes; there are 67,108,865"):
            probing.probe(file, IMAGE)
