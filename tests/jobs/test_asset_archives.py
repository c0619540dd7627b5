"""Archives of creatives: files with and without a manifest, and ZIPs that mean harm or are broken."""

import io
import random
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence

import pytest

from db.errors import Problem, ProblemCode, Refused, invalid, not_found
from db.models.asset_kinds import MIB, AssetType
from jobs.asset_imports import archives
from jobs.asset_imports.archives import open_archive
from jobs.asset_imports.manifests import Row

TOO_MANY = [Problem(ProblemCode.TOO_LARGE, "This file of the ZIP unpacks to too many bytes.", ("file_name",))]
BROKEN = [invalid("This file of the ZIP is broken.", "file_name")]


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packed) as archive:
        for name, content in files:
            archive.writestr(name, content, packed)
    return target.getvalue()


def rows(file: bytes) -> list[Row]:
    return list(open_archive(io.BytesIO(file)).rows())


def unpacked(row: Row) -> bytes | Sequence[Problem]:
    target = io.BytesIO()
    assert row.open_into is not None
    try:
        row.open_into(target)
    except Refused as refusal:
        return refusal.problems
    return target.getvalue()


def refused(file: bytes) -> Problem:
    with pytest.raises(Refused) as refusal:
        rows(file)
    [problem] = refusal.value.problems
    assert problem.field == ("file",)
    return problem


def with_field(file: bytes, *, local: int, central: int, layout: str, value: int) -> bytes:
    """The ZIP with a field of its only entry changed, in both of the headers."""
    changed = bytearray(file)
    struct.pack_into(layout, changed, file.index(b"PK\3\4") + local, value)
    struct.pack_into(layout, changed, file.index(b"PK\1\2") + central, value)
    return bytes(changed)


def test_without_a_manifest_each_file_is_an_asset_by_its_name() -> None:
    names = ["Sommer/Hero.PNG", "clip.mov", "a/brief.pdf", "notes.txt", "feed.json", "inner.zip", "scan.tif", "README"]
    hidden = ["__MACOSX/Sommer/._Hero.PNG", ".DS_Store", "a/.hidden", ".git/config", "folder/"]
    found = rows(zipped(*((name, name.encode()) for name in [*hidden, *names])))
    assert [(row.index, row.key, row.problems, unpacked(row)) for row in found] == [
        (index, name, [], name.encode()) for index, name in enumerate(names)
    ]
    assert [(row.asset.type, row.asset.name, row.asset.file_name, row.asset.tags) for row in found if row.asset] == [
        (AssetType.IMAGE, "Hero", "Hero.PNG", ()),
        (AssetType.VIDEO, "clip", "clip.mov", ()),
        (AssetType.DOCUMENT, "brief", "brief.pdf", ()),
        (AssetType.DOCUMENT, "notes", "notes.txt", ()),
        (AssetType.DOCUMENT, "feed", "feed.json", ()),
        (AssetType.OTHER, "inner", "inner.zip", ()),
        (AssetType.OTHER, "scan", "scan.tif", ()),
        (AssetType.OTHER, "README", "README", ()),
    ]


def test_names_are_read_whatever_they_were_written_in() -> None:
    in_utf8 = zipped(("Café\u202f1.png", b"x"))
    assert [row.asset and row.asset.name for row in rows(in_utf8)] == ["Café\u202f1"]
    decomposed = with_field(zipped(("Cafe\u0301.png", b"x")), local=6, central=8, layout="<H", value=0)
    assert [row.asset and row.asset.name for row in rows(decomposed)] == ["Café"]
    dos = with_field(zipped(("Caf__.png", b"x")), local=6, central=8, layout="<H", value=0).replace(b"__", b"\x82\x82")
    assert [row.asset and row.asset.name for row in rows(dos)] == ["Caféé"]


def test_a_manifest_says_what_the_files_are() -> None:
    manifest = (
        "fileName,type,name,tags\na/hero.png,IMAGE,Hero,x;y\nraw.png,OTHER,,\nguess.mp4,,,\nmissing.png,IMAGE,,\n"
        ",HEADLINE,No text,\nraw.png,DESCRIPTION,,\n,IMAGE,No file,\nMu\u0308ller.png,IMAGE,,\ntwice.png,IMAGE,,\n"
    )
    names = ["a/hero.png", "raw.png", "guess.mp4", "left.png", "Müller.png"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = zipped(
            ("Manifest.csv", manifest.encode()), *((one, one.encode()) for one in names), *[("twice.png", b"")] * 2
        )
    found = rows(file)
    assert [row.problems for row in found] == [
        [],
        [],
        [],
        [not_found("There is no file 'missing.png' in the ZIP.", "file_name")],
        [invalid("An asset of the type HEADLINE needs this text.", "headline_text")],
        [
            invalid("An asset of the type DESCRIPTION is text, and has no file.", "file"),
            invalid("An asset of the type DESCRIPTION needs this text.", "description"),
        ],
        [invalid("An asset of the type IMAGE needs a file.", "file")],
        [],
        [invalid("Several files of the ZIP have this name.", "file_name")],
    ]
    assert [(row.key, row.asset.type, row.asset.name, row.asset.tags) for row in found[:3] if row.asset] == [
        ("a/hero.png", AssetType.IMAGE, "Hero", ["x", "y"]),
        ("raw.png", AssetType.OTHER, None, []),
        ("guess.mp4", AssetType.VIDEO, None, []),
    ]
    assert [unpacked(found[index]) for index in (0, 1, 2, 7)] == [
        b"a/hero.png",
        b"raw.png",
        b"guess.mp4",
        names[4].encode(),
    ]
    assert found[0].asset is not None
    assert found[0].asset.file_name == "hero.png"


LEADS_OUT = [invalid("The name of this file leads out of the ZIP.", "file_name")]
NO_NAME = [invalid("The name of this file is empty, or holds what no name should.", "file_name")]


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("../../etc/passwd", LEADS_OUT),
        ("a/../.b.png", LEADS_OUT),
        ("/etc/passwd", LEADS_OUT),
        ("C:/x.png", LEADS_OUT),
        ("a\\b.png", LEADS_OUT),
        ("a\x07.png", NO_NAME),
        ("gnp.\u202eexe", NO_NAME),
        ("a..png", []),
        ("x" * 252 + ".png", [invalid("The name of a file has at most 255 characters.", "file_name")]),
    ],
)
def test_names_lead_nowhere_else(name: str, problems: list[Problem]) -> None:
    bad, good = rows(zipped((name, b"x"), ("good.png", b"y")))
    assert (bad.problems, bad.open_into is None, good.problems) == (problems, bool(problems), [])


def test_a_name_is_not_cut_at_a_character_that_ends_texts_elsewhere() -> None:
    assert [(row.key, row.problems) for row in rows(zipped(("a_.png", b"x")).replace(b"a_.png", b"a\0.png"))] == [
        ("a?.png", NO_NAME)
    ]
    assert [row.problems for row in rows(zipped(("_", b"x")).replace(b"_", b"\0"))] == [NO_NAME]


def test_links_encrypted_files_and_doubles_are_rejected() -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.warns(UserWarning, match="Duplicate name"):
        found = rows(zipped((link, b"/etc/passwd"), ("a.png", b"1"), ("a.png", b"2")))
    assert [row.problems for row in found] == [
        [invalid("This is a link, or a device, and no file.", "file_name")],
        [],
        [invalid("Another file of the ZIP has this name.", "file_name")],
    ]
    assert unpacked(found[1]) == b"1"
    encrypted = with_field(zipped(("a.png", b"x")), local=6, central=8, layout="<H", value=1)
    assert [row.problems for row in rows(encrypted)] == [[invalid("This file of the ZIP is encrypted.", "file_name")]]
    manifest = with_field(zipped(("manifest.csv", b"type\n")), local=6, central=8, layout="<H", value=1)
    assert refused(manifest).message == "manifest.csv: This file of the ZIP is encrypted."


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_in_pieces_is_not_unpacked(packed: int) -> None:
    [row] = rows(zipped(("a.png", b"x"), packed=packed))
    message = f"This file is packed by the method {packed} of ZIP; only Deflate is read."
    assert (row.problems, row.open_into) == ([Problem(ProblemCode.UNSUPPORTED_TYPE, message, ("file_name",))], None)


def test_a_bomb_is_defused_while_it_unpacks() -> None:
    bomb = zipped(("bomb.txt", bytes(32 * MIB)))
    [row] = rows(bomb)
    tracemalloc.start()
    target = io.BytesIO()
    assert row.open_into is not None
    with pytest.raises(Refused) as refusal:
        row.open_into(target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refusal.value.problems, len(target.getvalue()) < 8 * MIB, peak < 16 * MIB) == (TOO_MANY, True, True)
    assert unpacked(rows(zipped(("short.txt", bytes(MIB))))[0]) == bytes(MIB)


def test_a_bomb_that_lies_about_its_length_is_none_the_better_for_it() -> None:
    noise = random.Random(0).randbytes(MIB)
    bomb = zipped(("bomb.txt", bytes(20 * MIB)), ("noise.bin", noise))
    [packed] = struct.unpack_from("<I", bomb, bomb.index(b"PK\1\2") + 20)
    honest = struct.pack("<II", packed, 20 * MIB)
    assert bomb.count(honest) == 2
    says_more = bomb.replace(honest, struct.pack("<II", packed + MIB, 20 * MIB))
    assert unpacked(rows(says_more)[0]) == TOO_MANY
    says_less = bomb.replace(honest, struct.pack("<II", packed, 100))
    assert [unpacked(row) for row in rows(says_less)] == [BROKEN, noise]


def test_all_files_together_unpack_to_so_much_however_often_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 2_500)
    manifest = b"type,fileName\n" + b"OTHER,a.bin\n" * 3
    found = rows(zipped(("manifest.csv", manifest), ("a.bin", b"x" * 1_000)))
    assert [unpacked(row) for row in (found[0], found[0], found[1], found[2])] == [b"x" * 1_000] * 3 + [TOO_MANY]
    assert refused(zipped(("a.bin", bytes(1_500)), ("b.bin", bytes(1_500)))).code is ProblemCode.TOO_LARGE


def test_a_file_larger_than_its_type_may_be_is_rejected_unread() -> None:
    large = with_field(zipped(("a.png", b"x")), local=22, central=24, layout="<I", value=64 * MIB + 1)
    message = "A file of the type IMAGE has at most 67,108,864 bytes; there are 67,108,865."
    assert [row.problems for row in rows(large)] == [[Problem(ProblemCode.TOO_LARGE, message, ("file_name",))]]


def test_a_broken_file_is_rejected_and_its_neighbours_are_not() -> None:
    file = zipped(("a.png", b"first"), ("b.png", b"second"), packed=zipfile.ZIP_STORED)
    broken, whole = rows(file.replace(b"first", b"worst"))
    assert (unpacked(broken), unpacked(whole)) == (BROKEN, b"second")
    far_away = with_field(zipped(("a.png", b"x")), local=14, central=42, layout="<I", value=2**31)
    assert unpacked(rows(far_away)[0]) == BROKEN


class _Full(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_no_fault_of_the_file() -> None:
    [row] = rows(zipped(("a.png", b"x")))
    assert row.open_into is not None
    with pytest.raises(OSError, match="No space left"):
        row.open_into(_Full())


def test_what_is_no_zip_is_refused_as_a_whole() -> None:
    whole = zipped(("a.png", b"x" * 1_000))
    for file in (b"", b"no zip", whole[:-1], whole[:-30], whole[: len(whole) // 2]):
        problem = refused(file)
        assert (problem.code, problem.message) == (
            ProblemCode.UNSUPPORTED_TYPE,
            "This is no ZIP, or it is truncated.",
        )


def test_a_zip_has_so_many_files_and_so_long_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 3)
    files = [(f"{name}.png", b"x") for name in "abcd"]
    assert (len(rows(zipped((".hidden", b""), *files[:3]))), refused(zipped(*files)).message) == (
        3,
        "At most 3 files in a ZIP; there are 4.",
    )
    monkeypatch.setattr(archives, "LARGEST_DIRECTORY", 150)
    assert refused(zipped(*files)).message == "The directory of the ZIP is too long."


def test_two_manifests_are_one_too_many() -> None:
    file = zipped(("manifest.csv", b"type\n"), ("MANIFEST.CSV", b"type\n"))
    assert refused(file).message == "Two files of the ZIP are called manifest.csv."
