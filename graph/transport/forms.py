"""Bodies of multipart/form-data, read piece by piece: fields are kept in memory, files on the disk beyond their first bytes."""

from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.types import Receive

from graph.refusals import Refusal, TooQuiet, is_full, pieces
from graph.settings import UploadLimits

LONGEST_FIELD = 1024 * 1024
"""Bytes of what is no file."""
FIELDS = ("operations", "map")
"""The parts that are no files."""
_IN_MEMORY = 256 * 1024
"""Bytes of a file that are not written to the disk, if there are no more."""
_AS_THEY_ARE = frozenset({"", "binary", "8bit", "7bit"})


@dataclass
class Form:
    """The parts of a body by their names. Close it: its files lie on the disk until then."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadFile] = field(default_factory=dict)

    async def close(self) -> None:
        """Closes and removes the files."""
        for file in self.files.values():
            with suppress(OSError):  # what could not be written is not to hide what went wrong
                await file.close()


async def read(receive: Receive, headers: Headers, limits: UploadLimits) -> Form:
    """All parts of a body. Raises Refusal and ClientLeft; then there is nothing left of the body."""
    form, length = Form(), 0
    try:
        reader = _Reader(headers.get("content-type", ""), form, limits)
        async for piece in pieces(receive, limits.quiet_seconds):
            length += len(piece)
            if length > limits.body_bytes:
                raise too_long(limits)
            await reader.feed(piece)
        await reader.finish()
    except BaseException as error:
        await form.close()
        refusal = _refusal_of(error, limits)
        if refusal is None:
            raise
        raise refusal from error
    return form


def bad_form(message: str) -> Refusal:
    """A body that is not what it should be: 400."""
    return Refusal(400, "BAD_USER_INPUT", f"{message} Nothing was done.")


def too_long(limits: UploadLimits) -> Refusal:
    """A body with too many bytes: 413."""
    return _too_large(f"A body has at most {limits.body_bytes:,} bytes.")


def shown(name: str) -> str:
    """A name as the caller wrote it, or its beginning."""
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def _too_large(message: str) -> Refusal:
    return Refusal(413, "TOO_LARGE", f"{message} Nothing was done.")


def _refusal_of(error: BaseException, limits: UploadLimits) -> Refusal | None:
    """What the caller is told of an error; None where it is no matter of the caller's, or says itself what it is."""
    if isinstance(error, FormParserError):
        return bad_form("The body is not multipart/form-data.")
    if isinstance(error, TooQuiet):
        return Refusal(408, "TIMED_OUT", f"Nothing came for {limits.quiet_seconds:g} s. Nothing was done.")
    if isinstance(error, OSError) and is_full(error):
        return Refusal(507, "UNAVAILABLE", "The server's disk is full. Nothing was done: try again later.")
    return None


class _Reader:
    """Takes a body apart. The parser calls back while it is fed; what comes of a file is written when it has been."""

    def __init__(self, content_type: str, form: Form, limits: UploadLimits) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise bad_form("The Content-Type names no boundary.")
        self._form, self._limits = form, limits
        self._parts, self._ended = 0, False
        self._name = ""
        self._text: bytearray | None = None
        """Of the field that is being read; None in a file."""
        self._header, self._value = bytearray(), bytearray()
        self._headers: list[tuple[bytes, bytes]] = []
        self._coming: list[tuple[UploadFile, bytes]] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    async def feed(self, piece: bytes) -> None:
        """Reads some more. Raises Refusal, FormParserError and OSError."""
        self._parser.write(piece)
        for file, data in self._coming:
            await file.write(data)
        self._coming.clear()

    async def finish(self) -> None:
        """Says that this was all. Raises Refusal."""
        if not self._ended:
            raise bad_form("The body ends before its last boundary.")
        for file in self._form.files.values():
            await file.seek(0)

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.files + len(FIELDS):
            raise _too_large(f"A body has at most {self._limits.files} files beside operations and map.")
        self._headers = []

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers.append((bytes(self._header.lower()), bytes(self._value)))
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        headers = Headers(raw=self._headers)
        _, options = parse_options_header(headers.get("content-disposition"))
        self._name = _text(options.get(b"name", b""), "The name of a part")
        if not self._name:
            raise bad_form("A part has no name.")
        if self._name in self._form.fields or self._name in self._form.files:
            raise bad_form("Two parts have the same name.")
        if headers.get("content-transfer-encoding", "").lower() not in _AS_THEY_ARE:
            raise bad_form("Parts are sent as they are, without a Content-Transfer-Encoding.")
        if b"filename" not in options:
            if self._name not in FIELDS:
                raise bad_form(f"The part {shown(self._name)} is no file: it has no filename.")
            self._text = bytearray()
            return
        self._text = None
        name = _text(options[b"filename"], "The name of a file")
        file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._form.files[self._name] = UploadFile(file, size=0, filename=name, headers=headers)  # type: ignore[arg-type]

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._coming.append((self._form.files[self._name], data[start:end]))
            return
        self._text += data[start:end]
        if len(self._text) > LONGEST_FIELD:
            raise _too_large(f"What is no file has at most {LONGEST_FIELD:,} bytes.")

    def _on_part_end(self) -> None:
        if self._text is not None:
            self._form.fields[self._name] = _text(bytes(self._text), "A field")

    def _on_end(self) -> None:
        self._ended = True


def _text(given: bytes, what: str) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise bad_form(f"{what} is not UTF-8.") from None
