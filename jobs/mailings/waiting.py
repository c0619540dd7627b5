"""Waiting for an event, but not for ever."""

import asyncio
from contextlib import suppress


async def until(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event, but no longer than so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
