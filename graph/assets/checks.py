"""What is looked at before and while files are stored for a space."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from db.errors import Problem, conflict, not_found
from db.queries.assets.blobs import Vanished
from db.queries.spaces import reading as spaces
from graph.context import Info
from graph.errors import unavailable
from jobs.objects import ObjectsError

T = TypeVar("T")
_TRIES = 3


async def missing_space(info: Info, space_id: int) -> list[Problem]:
    """What is wrong where a space is not there, or deleted: asked before anything is stored for it."""
    found = await spaces.by_ids(info.context.reads, frozenset({"deleted_at"}), [space_id])
    await info.context.release()  # storing takes its time, and needs no snapshot
    if not found:
        return [not_found("No such space.", "space_id")]
    return [conflict("The space is deleted. Restore it first.", "space_id")] if found[0].deleted_at else []


async def while_there(attempt: Callable[[], Awaitable[T]]) -> T:
    """Stores files and makes assets of them; where bytes that were there were swept in between, again."""
    for _ in range(_TRIES):
        try:
            return await attempt()
        except Vanished:
            continue
    raise unavailable("The files could not be kept just now. Try again.")


async def reached(work: Awaitable[Any]) -> Any:
    """Says that the object store could not be reached, so that the caller tries again."""
    try:
        return await work
    except ObjectsError as error:
        raise unavailable(f"The file could not be stored just now. {error}") from error
