"""Rows in chunks, the next one being read and converted while the database takes in this one."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from jobs.imports.files import Malformed, Source
from jobs.imports.rows import Converter, Draft, Reject


@dataclass(frozen=True)
class Chunk:
    """Converted rows that go into one transaction. ``position`` is how many bytes of the file were taken."""

    rows: int
    drafts: list[Draft]
    malformed: list[Reject]
    position: int


def chunks(source: Source, converter: Converter, skip: int, size: int) -> Iterator[Chunk]:
    """Converts a file's rows behind the first ``skip``."""
    rows = enumerate(source, 1)
    next(islice(rows, skip, skip), None)
    while batch := list(islice(rows, size)):
        now = datetime.now(UTC)
        drafts, malformed = [], []
        for line, row in batch:
            if isinstance(row, Malformed):
                malformed.append(Reject(line, [(None, row.message)], row))
            else:
                drafts.append(converter(row, line, now))
        yield Chunk(len(batch), drafts, malformed, source.position())


async def ahead(pool: ThreadPoolExecutor, made: Iterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """The chunks, one ahead of who takes them. What reading raises comes behind the chunks before it."""
    upcoming = _next(pool, made)
    try:
        while (chunk := await upcoming) is not None:
            upcoming = _next(pool, made)
            yield chunk
    finally:
        upcoming.cancel()


def _next(pool: ThreadPoolExecutor, made: Iterator[Chunk]) -> asyncio.Future[Chunk | None]:
    future = asyncio.get_running_loop().run_in_executor(pool, next, made, None)
    # Who stops early never asks for the next chunk; asyncio would complain that its error was not looked at.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
