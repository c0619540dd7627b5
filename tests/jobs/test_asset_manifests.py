"""Manifests of assets: columns by any spelling, cells as they are, and what is wrong with a row or the file."""

import io

import pytest

from db.errors import Problem, ProblemCode, Refused, invalid
from db.models.asset_items import NewAsset
from db.models.asset_kinds import AssetType
from jobs.asset_imports.manifests import LARGEST_MANIFEST, Row, read_manifest


def read(text: str | bytes) -> list[Row]:
    return list(read_manifest(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def refused(text: str | bytes) -> Problem:
    with pytest.raises(Refused) as refusal:
        read(text)
    [problem] = refusal.value.problems
    assert problem.field == ("file",)
    return problem


def test_a_row_is_an_asset_with_all_that_the_columns_say() -> None:
    [row] = read(
        "type,Name,title,description,adCopyText,headline_text,CTA text,externalAssetID,tags,platform-metadata,fileName\n"
        'ad copy,Spring,T,D,"Half price,\n""now""",H,Buy,e-1,"new; sale|hot;",'
        '"{""a"": [1, null]}",\n'
    )
    assert (row.index, row.key, row.problems, row.open_into) == (0, "e-1", [], None)
    assert row.asset == NewAsset(
        AssetType.AD_COPY,
        name="Spring",
        title="T",
        description="D",
        ad_copy_text='Half price,\n"now"',
        headline_text="H",
        cta_text="Buy",
        external_asset_id="e-1",
        tags=["new", "sale", "hot"],
        platform_metadata={"a": [1, None]},
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_anywhere_and_a_mark_of_byte_order_is_none_of_the_text(ends: str) -> None:
    lines = ['\ufeff"headlineText",type', "One,HEADLINE", "", "Two,headline"]
    rows = read(ends.join(lines))
    assert [(row.index, row.asset and row.asset.headline_text) for row in rows] == [(0, "One"), (1, "Two")]


def test_only_ends_of_lines_end_rows() -> None:
    [row] = read("type,headlineText\nHEADLINE,a\u2028b\x0bc\x85d\n")
    assert row.asset is not None
    assert row.asset.headline_text == "a\u2028b\x0bc\x85d"


def test_formulas_stay_the_texts_that_they_are() -> None:
    formulas = ["=1+1", "+41 44", "-5 %", "@all", "\t=1", " =HYPERLINK('x')"]
    rows = read("type,headlineText\n" + "".join(f"HEADLINE,{formula}\n" for formula in formulas))
    assert [row.asset and row.asset.headline_text for row in rows] == formulas


def test_what_is_wrong_with_a_row_keeps_no_other_out() -> None:
    rows = read(
        "type,name,headlineText,platformMetadata,fileName,tags\n"
        "IMAGE,Hero,,,,\nHEADLINE,a,Buy,,a.png,\nposter,b,,,,\n,c,,,,\nHEADLINE,d,,,,\nHEADLINE,e,x,{,,\nHEADLINE,f,x\n"
        f"HEADLINE,g,{'x' * 10_001},,,\nHEADLINE,h,x,,,{'t' * 101}\nHEADLINE,i,Right,,,\n"
    )
    in_archive = "This is a file: send it with this manifest in a ZIP, as BULK_IMPORT."
    assert [(row.key, row.problems) for row in rows] == [
        ("Hero", [invalid(in_archive, "type")]),
        ("a.png", [invalid(in_archive, "type")]),
        ("b", [invalid("There is no type 'poster'.", "type")]),
        ("c", [invalid("Say what it is.", "type")]),
        ("d", [invalid("An asset of the type HEADLINE needs this text.", "headline_text")]),
        ("e", [invalid("This is not JSON.", "platform_metadata")]),
        ("f", [invalid("The row has 3 cells, and the header 6.", "row")]),
        ("g", [invalid("At most 10000 characters; there are 10001.", "headline_text")]),
        ("h", [invalid("At most 100 characters; there are 101.", "tags")]),
        ("i", []),
    ]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "The file is empty: it begins with a header, the names of its columns."),
        (b"type,name,colour,Size in px\n", "Unknown columns: colour, Size in px. There are: type, name, title, "),
        (b"type,name,\n", "Unknown columns: (without a name). There are: type, name, title, "),
        (b"type,adCopyText,ad copy text\n", "Two columns of the header have the same name."),
        (b"name\nx\n", "The column type is missing."),
        (b"type,name\nHEADLINE,a\0b\n", "The file is no CSV: it holds the character U+0000."),
        (b"type,name\nHEADLINE,a\nHEADLINE,\xff\n", "The file is not UTF-8: line 3."),
        ("type,name\n".encode("utf-16"), "The file is no CSV: it holds the character U+0000."),
        (b'type,name\nHEADLINE,a\nHEADLINE,"b\nHEADLINE,c\n', "The file is no CSV: the row that begins in line 3: "),
        (b'type,name\nHEADLINE,"a"b\n', "The file is no CSV: the row that begins in line 2: "),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_as_a_whole(file: bytes, message: str) -> None:
    problem = refused(file)
    assert problem.code is ProblemCode.INVALID
    assert problem.message.startswith(message)


def test_a_file_takes_only_so_much_memory() -> None:
    endless = "type,name\n" + "x," * (1 << 19) + "x"
    assert refused(endless).message == "The file is no CSV: a row of it has more than 1,048,576 bytes."
    many_lines = 'type,name\nHEADLINE,"' + '\n","' * 300_000
    assert refused(many_lines).message == "The file is no CSV: a row of it has more than 1,048,576 bytes."
    assert refused("type,name\n" + "HEADLINE,x\n" * 5_001).code is ProblemCode.TOO_LARGE
    assert len(read("type,name\n" + "HEADLINE,x\n" * 5_000)) == 5_000
    assert refused(bytes(LARGEST_MANIFEST + 1)).message == "At most 16,777,216 bytes of CSV."
