"""Where files are sent to by signed links, into the local folder. A store that signs its links itself takes them itself."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import IO

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.files import UNFINISHED, UPLOADS, Links
from graph.refusals import ClientLeft, TooQuiet, is_full, pieces
from graph.routes.files import said

_BLOCK = 1024 * 1024
"""Bytes that are written at once."""
_FORGOTTEN = 60 * 60
"""Seconds after which a file that nobody writes to any more was left by a server that was killed."""


class _WrongSize(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def routes(links: Links, quiet_seconds: float) -> list[Route]:
    """Where files are sent to. A file is there whole or not at all, and the last one that was sent whole stays."""

    async def upload(request: Request) -> Response:
        path, query = UPLOADS + request.path_params["path"], request.query_params
        size, expires = query.get("size", ""), query.get("expires", "")
        if not await links.is_upload(path, size, expires, query.get("signature", "")):
            return said("This link was not made here, or was changed.", 403)
        if int(expires) <= time.time():
            return said("This link has expired. Prepare another upload.", 403)
        place, on_its_way = links.place(path), links.place(UNFINISHED + secrets.token_hex(16))
        if place is None or on_its_way is None:
            return said("Nothing is sent here.", 404)
        return await _answered(request, place, on_its_way, int(size), quiet_seconds)

    return [Route(f"/{UPLOADS}{{path:path}}", upload, methods=["PUT"])]


async def _answered(request: Request, place: Path, on_its_way: Path, size: int, quiet_seconds: float) -> Response:
    try:
        _check_length(request.headers.get("content-length", ""), size)
        await _received(pieces(request.receive, quiet_seconds), place, on_its_way, size)
    except _WrongSize as error:
        return said(str(error), error.status)
    except TooQuiet:
        return said(f"Nothing came for {quiet_seconds:g} s. Nothing was kept: send it again.", 408)
    except ClientLeft:
        return said("", 400)  # which nobody reads
    except OSError as error:
        if not is_full(error):
            raise
        return said("There is no room left for files. Nothing was kept: send it again later.", 507)
    return said("", 200)


def _check_length(announced: str, size: int) -> None:
    if announced.isdecimal() and int(announced) != size:
        raise _wrong_size(size, int(announced))


def _wrong_size(size: int, came: int) -> _WrongSize:
    if came > size:
        return _WrongSize(f"This upload has {size:,} bytes, and more were sent. Nothing was kept.", 413)
    return _WrongSize(f"This upload has {size:,} bytes, and {came:,} were sent. Nothing was kept.", 400)


async def _received(body: AsyncGenerator[bytes], place: Path, on_its_way: Path, size: int) -> None:
    """Writes a body to a file beside, and puts it in its place when it is whole."""
    try:
        with await asyncio.to_thread(_begun, on_its_way) as file:
            async with aclosing(_blocks(body, size)) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(file.write, block)
            await asyncio.to_thread(_finish, file, on_its_way, place)
    finally:
        on_its_way.unlink(missing_ok=True)  # noqa: ASYNC240 - at once, whatever is being cancelled


async def _blocks(body: AsyncGenerator[bytes], size: int) -> AsyncGenerator[bytes]:
    """A body in pieces that are worth writing. Raises _WrongSize unless it has just so many bytes."""
    came, block = 0, bytearray()
    async with aclosing(body):
        async for piece in body:
            came += len(piece)
            if came > size:
                raise _wrong_size(size, came)
            block += piece
            if len(block) >= _BLOCK:
                yield bytes(block)
                block.clear()
    if came < size:
        raise _wrong_size(size, came)
    yield bytes(block)


def _begun(on_its_way: Path) -> IO[bytes]:
    folder = on_its_way.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    forgotten = time.time() - _FORGOTTEN
    for one in os.scandir(folder):
        with suppress(FileNotFoundError):  # it was finished, or swept by another server
            if one.stat(follow_symlinks=False).st_mtime < forgotten:
                Path(one.path).unlink()
    return on_its_way.open("xb")


def _finish(file: IO[bytes], on_its_way: Path, place: Path) -> None:
    """Once this is done, the file is on the disk under its name."""
    file.flush()
    os.fsync(file.fileno())
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    on_its_way.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
