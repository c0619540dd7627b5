"""Rows in chunks, the next one being read and converted while the database takes in this one."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from jobs.imports.files import Malformed, Row, Rows
from jobs.imports.rows import Converter, Draft, Reject

_SLICE = 32
"""Rows converted in one go, in a quarter of a millisecond: that long the database's answer waits at most."""

_FIRST = 1000
"""Rows that a chunk must have to be worth its transaction."""
_MANY_OBJECTS = 200_000


@dataclass
class Chunk:
    """Converted rows that go into one transaction. ``position`` is how many bytes of the file were taken."""

    rows: int = 0
    drafts: list[Draft] = field(default_factory=list)
    malformed: list[Reject] = field(default_factory=list)
    position: int = 0


async def chunks(source: Rows, converter: Converter, skip: int, size: int) -> AsyncGenerator[Chunk, None]:
    """A file's rows behind the first ``skip``, one chunk ahead of who takes them.

    What reading raises comes behind the chunks before it.
    """
    rows = source.numbered()
    await _skip(rows, skip)
    # A short one first: the database waits for nothing else.
    upcoming = asyncio.create_task(_filled(source, rows, converter, min(size, max(_FIRST, size // 4))))
    try:
        while (chunk := await upcoming).rows:
            upcoming = asyncio.create_task(_filled(source, rows, converter, size))
            yield chunk
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Lets Python look for circles less often: a chunk has many objects and no circles. Each look would cost 0.1 s."""
    before = gc.get_threshold()
    gc.set_threshold(_MANY_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _skip(rows: Iterator[tuple[int, Row | Malformed]], count: int) -> None:
    for place, _ in enumerate(islice(rows, count)):
        if place % 1000 == 999:
            await asyncio.sleep(0)


async def _filled(source: Rows, rows: Iterator[tuple[int, Row | Malformed]], converter: Converter, size: int) -> Chunk:
    # Slices in the event loop and not a thread: a thread took turns with the code that prepares the insert, so that
    # PostgreSQL began when both were done. Here the slices fill the time in which it works.
    chunk, now = Chunk(), datetime.now(UTC)
    while part := list(islice(rows, min(_SLICE, size - chunk.rows))):
        chunk.rows += len(part)
        for line, row in part:
            if isinstance(row, Malformed):
                chunk.malformed.append(Reject(line, [(None, row.message)], row))
            else:
                chunk.drafts.append(converter(row, line, now))
        await asyncio.sleep(0)
    chunk.position = source.position()
    return chunk
