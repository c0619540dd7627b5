"""Sending files as clients do: with an operation, or to a link."""

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Message

from tests.api import Api, token

MIB = 1024 * 1024
FILES = {"0": ("a.txt", b"hello", "text/plain")}


def form(
    query: str,
    variables: Mapping[str, Any],
    places: Mapping[str, Sequence[str]],
    files: Mapping[str, tuple[str, bytes, str]],
) -> dict[str, Any]:
    """What httpx makes a body of multipart/form-data of: the operation, then its files."""
    operations = json.dumps({"query": query, "variables": variables})
    return {"data": {"operations": operations, "map": json.dumps(places)}, "files": files}


async def send(api: Api, given: Mapping[str, Any], credential: str | None = None, **headers: str) -> httpx.Response:
    """What a body with files is answered. Headers are named with underscores; an empty one is not sent."""
    credential = token() if credential is None else credential
    named = {"authorization": credential and f"Bearer {credential}", "graphql_preflight": "1", **headers}
    sent = {name.replace("_", "-"): value for name, value in named.items() if value}
    return await api.client.post("/graphql", headers=sent, **given)


async def zeros(
    size: int, before: bytes = b"", after: bytes = b"", seen: list[int] | None = None
) -> AsyncIterator[bytes]:
    """So many zeros in small pieces; ``seen`` gets the memory of this process on the way, in bytes."""
    yield before
    piece = bytes(MIB // 16)
    for number in range(size // len(piece)):
        if seen is not None and number % 64 == 0:
            seen.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
        yield piece
    yield after


@contextmanager
def a_full_disk(size: int = MIB) -> Iterator[None]:
    """No file of this process can become longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_files() -> int:
    """How many files this process holds open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def raw(
    api: Api, scope: Mapping[str, Any], messages: Sequence[Message], *, leaves_early: bool = True
) -> tuple[list[Message], int]:
    """Asks with just these messages: what was sent back, and how many of them were looked at.

    Who does not leave early is there until the answer has come.
    """
    transport: Any = api.client._transport
    came, sent, answered = list(messages), list[Message](), asyncio.Event()

    async def receive() -> Message:
        if not leaves_early and came[0]["type"] == "http.disconnect":
            await answered.wait()
        return came.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    common = {"type": "http", "root_path": "", "query_string": b"", "http_version": "1.1", "scheme": "http"}
    common |= {"server": ("test", 80), "client": ("test", 1)}
    await transport.app({**common, **scope}, receive, send)
    return sent, len(messages) - len(came)
