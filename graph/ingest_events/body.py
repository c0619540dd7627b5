"""A request's body: read and measured as a whole before anything of it is recorded, then taken apart line by line.

It is kept as it came. Unpacking it twice costs little; keeping it unpacked would cost many times the memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Receive

from graph.gzip import SLICE, BrokenGzip, Unpacker
from graph.ingest_events.refusals import bad_body, too_large, too_slow, unsupported
from graph.refusals import Refusal, pieces
from graph.settings import IngestLimits

LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
ONE = "application/json"
"""The type of a body that is one event, over as many lines as it likes."""
_UTF_8 = frozenset({"utf-8", "utf8"})


@dataclass(frozen=True)
class Form:
    """What a body is, as the headers say."""

    is_one: bool
    is_packed: bool


def form_of(headers: Headers, limits: IngestLimits) -> Form:
    """What the headers announce. Raises Refusal for what is not taken, before any of it is read."""
    kind, *parameters = headers.get("content-type", "").lower().split(";")
    if kind.strip() not in LINES and kind.strip() != ONE:
        raise unsupported("Send events as application/x-ndjson, one JSON object a line, or one as application/json.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _UTF_8:
            raise unsupported("JSON is UTF-8.")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"gzip", "x-gzip", "identity"}:
        raise unsupported("A body may be packed with gzip, and in no other way.", {"Accept-Encoding": "gzip"})
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body_bytes:
        raise _too_long(limits)
    return Form(kind.strip() == ONE, encoding != "identity")


class Body:
    """A body that was read, is within the limits and, if it is packed, can be unpacked."""

    def __init__(self, form: Form, given: bytes, longest: int) -> None:
        self._form, self._given, self._longest = form, given, longest

    @classmethod
    async def read(cls, receive: Receive, form: Form, limits: IngestLimits) -> "Body":
        """Reads one. Raises Refusal, and ClientLeft."""
        given, measure = bytearray(), _Measure(form, limits)
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for piece in pieces(receive):
                    given += piece
                    if len(given) > limits.body_bytes:
                        raise _too_long(limits)
                    for _ in measure.takes(piece):
                        await asyncio.sleep(0)  # others are answered meanwhile
            measure.ends()
        except BrokenGzip:
            raise bad_body("The body is not gzip, or not all of it. Nothing was recorded.") from None
        except TimeoutError:
            raise too_slow(limits.body_seconds) from None
        return cls(form, bytes(given), limits.line_bytes)

    async def lines(self) -> AsyncIterator[bytes]:
        """Each line, the empty ones too, without its end. One that is too long is cut off behind what shows that it is."""
        most, line = self._longest + 1, b""
        async for part in self._parts():
            head, *others = [part] if self._form.is_one else part.split(b"\n")
            line += head[: most - len(line)]
            for other in others:
                yield line
                line = other[:most]
        if line:
            yield line

    async def _parts(self) -> AsyncIterator[bytes]:
        unpack = _unpacking(self._form, Unpacker())
        for start in range(0, len(self._given), SLICE):
            for part in unpack(self._given[start : start + SLICE]):
                yield part
                await asyncio.sleep(0)


class _Measure:
    """Counts what a body will be when it is unpacked."""

    def __init__(self, form: Form, limits: IngestLimits) -> None:
        self._form, self._limits = form, limits
        self._unpacker = Unpacker()
        self._unpack = _unpacking(form, self._unpacker)
        self._bytes = self._ends = 0
        self._last = b"\n"

    def takes(self, piece: bytes) -> Iterator[None]:
        """Counts some more bytes, and pauses now and then. Raises Refusal, and BrokenGzip."""
        for part in self._unpack(piece):
            self._bytes += len(part)
            self._ends += part.count(b"\n")
            self._last = part[-1:] or self._last
            self._check()
            yield

    def ends(self) -> None:
        """Says that this was all. Raises Refusal, and BrokenGzip."""
        if self._form.is_packed:
            self._unpacker.finish()
        if self._last != b"\n":
            self._ends += 1
        self._check()

    def _check(self) -> None:
        if self._bytes > self._limits.unpacked_bytes:
            raise too_large(f"A body has at most {self._limits.unpacked_bytes:,} bytes when it is unpacked.")
        if self._ends > self._limits.lines and not self._form.is_one:
            raise too_large(f"A body has at most {self._limits.lines:,} lines.")


def _unpacking(form: Form, unpacker: Unpacker) -> Callable[[bytes], Iterator[bytes]]:
    return unpacker.feed if form.is_packed else _as_it_is


def _as_it_is(piece: bytes) -> Iterator[bytes]:
    yield piece


def _too_long(limits: IngestLimits) -> Refusal:
    return too_large(f"A body has at most {limits.body_bytes:,} bytes.")
