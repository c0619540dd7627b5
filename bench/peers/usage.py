"""CPU time of processes, from the kernel's own books."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psutil  # type: ignore[import-untyped]

T = TypeVar("T")


async def postmaster(connection: Any) -> int:
    """The process whose children answer this and all other connections: the server runs on this machine."""
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    return int(psutil.Process(backend).ppid())


def seconds_of(pid: int) -> float:
    """User and system time of a process and of all below it.

    The children that ended are in the books of their parent, so that the sum does not fall when one goes.
    """
    process = psutil.Process(pid)
    total = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return float(total)


async def spent(pid: int, postgres: int, work: Callable[[], Awaitable[T]]) -> tuple[T, float, float]:
    """What work answers, and the seconds of CPU that a server and PostgreSQL spent on it."""
    before = seconds_of(pid), seconds_of(postgres)
    done = await work()
    return done, max(0.0, seconds_of(pid) - before[0]), max(0.0, seconds_of(postgres) - before[1])
