"""Texts: whether a file is one, and of which kind."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from pathlib import PurePath
from typing import BinaryIO

import orjson

from jobs.assets import kinds

_BLOCK = 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_CONTROLS = bytes(one for one in range(32) if one not in b"\t\n\r\f\x1b") + b"\x7f"
_NAMED = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
}
# With which of these a text begins, browsers take it for HTML.
_TAGS = "!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|BODY|BR|P|B|META|LINK|IMG|FORM|OBJECT|EMBED|BASE"
_HTML = re.compile(rf"<(?:!--|(?:{_TAGS})(?=[\s>/]|\Z))", re.IGNORECASE)
_XML = re.compile(r"<\?xml[\s?]|<!DOCTYPE\s+(?!\s|(?i:html))|<(?:[A-Za-z_][\w.-]*:)?svg[\s>/]")
# An XML document may begin with comments, and a picture is not to be taken for HTML because of one.
_COMMENTS = re.compile(r"(?:\s*<!--(?:(?!-->).)*-->)+\s*", re.DOTALL)


def text_type(file: BinaryIO, head: bytes, file_name: str | None) -> str:
    """The content type of a text: XML where that is what it is to be, octets where it is no text, or a script.

    ``head``: how the file begins. All of it is read.
    """
    beginning = _decoded(head).lstrip()
    if not beginning or beginning.startswith("#!"):
        return kinds.OCTETS
    marked = _marked(beginning)
    if not _is_text(file, head):
        return kinds.OCTETS
    return marked or _data(file, beginning) or _NAMED.get(PurePath(file_name or "").suffix.lower(), kinds.PLAIN)


def _marked(beginning: str) -> str | None:
    """What a text of tags is."""
    after = _COMMENTS.match(beginning)
    if _XML.match(beginning) or (after and _XML.match(beginning, after.end())):
        return kinds.XML
    return kinds.HTML if _HTML.match(beginning) else None


def _decoded(head: bytes) -> str:
    return head.decode(_encoding(head) or "latin-1", "replace").removeprefix("\ufeff")


def _encoding(head: bytes) -> str | None:
    """What a text's first bytes say of the others."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8" if head.startswith(BOM_UTF8) else None


def _is_text(file: BinaryIO, head: bytes) -> bool:
    """Whether there is no control character in a file. One that says its encoding must be of it; others may be of any."""
    encoding = _encoding(head)
    decoder = getincrementaldecoder(encoding)("strict") if encoding else None
    file.seek(0)
    while block := file.read(_BLOCK):
        if decoder is None:
            if len(block.translate(None, _CONTROLS)) < len(block):
                return False
            continue
        try:
            if "\0" in decoder.decode(block):
                return False
        except UnicodeDecodeError:
            return False
    return True


def _data(file: BinaryIO, beginning: str) -> str | None:
    """JSON, by its first line or its first and last characters. A file may be too large to be read at once."""
    if beginning[0] not in "{[":
        return None
    file.seek(0)
    first = file.readline(_LONGEST_LINE)
    if _is_json(first) and _is_json(file.readline(_LONGEST_LINE)):
        return kinds.JSON_LINES
    size = file.seek(0, 2)
    file.seek(max(0, size - 100))
    ends = file.read().rstrip()[-1:]
    is_json = ends == {"{": b"}", "[": b"]"}[beginning[0]] and re.match(r'[{\[]\s*["{\[\]}\d-]', beginning)
    return kinds.JSON if is_json else None


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict | list)
    except orjson.JSONDecodeError:
        return False
