"""Files of the local folder, by signed links. A store that signs its links itself answers them itself."""

import asyncio
import time
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from graph.files import Links

KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
}
"""The content types of what is exported, by the end of a file's name. All else is only bytes."""
_HEADERS = {"Cache-Control": "private", "X-Content-Type-Options": "nosniff"}


def routes(links: Links) -> list[Route]:
    """Where the files are. Ranges are answered; a link that is not good is refused before anything is said of the file."""

    async def file(request: Request) -> Response:
        path, query = request.path_params["path"], request.query_params
        expires = query.get("expires", "")
        if not await links.is_own(path, expires, query.get("signature", "")):
            return _text("This link was not made here, or was changed.", 403)
        if int(expires) <= time.time():
            return _text("This link has expired. Ask for the file's url again.", 403)
        found = await asyncio.to_thread(links.file, path)
        return _text("The file is no longer here.", 404) if found is None else _sent(found)

    return [Route("/files/{path:path}", file, methods=["GET"])]


def _text(message: str, status: int) -> Response:
    return PlainTextResponse(message, status, headers={**_HEADERS, "Cache-Control": "no-store"})


def _sent(found: Path) -> Response:
    kind = KINDS.get(found.suffix, "application/octet-stream")
    return FileResponse(found, headers=_HEADERS, media_type=kind, filename=found.name)
