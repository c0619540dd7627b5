"""What is done to its end, though who waits for it is cancelled."""

import asyncio
from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any

FAREWELL = 1.0
"""Seconds that who was cancelled waits for its transaction to end. It ends without anybody, too."""
COMMIT = 5.0
"""The same of a transaction that is being committed."""


async def within(work: Coroutine[Any, Any, object], seconds: float) -> None:
    """Waits for some work for so long. It goes on to its end by itself, and what it raises is nobody's."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_retrieved)
    await asyncio.wait([task], timeout=seconds)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Does some work to its end. Whoever is cancelled meanwhile hears of that when it is done: what was done is known then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except CancelledError:
        task.add_done_callback(_retrieved)
        await asyncio.wait([task], timeout=COMMIT)
        raise


def _retrieved(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
