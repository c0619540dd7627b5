"""Files of the local folder, by signed links. A store that signs its links itself answers them itself."""

import asyncio
import re
import time
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from graph.files import Links
from jobs.assets import kinds

SHOWN = {kinds.extension(content_type): content_type for content_type in kinds.SHOWN}
"""The content types of what a browser may show, by the end of a path. Nothing of these can run where we are: SVG and HTML could."""
KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
}
"""Those of what is exported. All else is only bytes."""
_NOT_PLAIN = re.compile(r'[^ -~]|["%\\]')
_HEADERS = {
    "Cache-Control": "private",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def routes(links: Links) -> list[Route]:
    """Where the files are. Ranges are answered; a link that is not good is refused before anything is said of the file."""

    async def file(request: Request) -> Response:
        path, query = request.path_params["path"], request.query_params
        expires, name = query.get("expires", ""), query.get("name")
        if not await links.is_own(path, expires, query.get("signature", ""), name):
            return said("This link was not made here, or was changed.", 403)
        if int(expires) <= time.time():
            return said("This link has expired. Ask for the file's url again.", 403)
        found = await asyncio.to_thread(links.file, path)
        return said("The file is no longer here.", 404) if found is None else _sent(found, name)

    return [Route("/files/{path:path}", file, methods=["GET"])]


def said(message: str, status: int) -> Response:
    """An answer that is no file."""
    return PlainTextResponse(message, status, headers={**_HEADERS, "Cache-Control": "no-store"})


def _sent(found: Path, name: str | None) -> Response:
    # The path's end was chosen here, by what the file is. Its name was chosen by whoever sent it.
    suffix = found.suffix.lower()
    kind = SHOWN.get(suffix) or KINDS.get(suffix, "application/octet-stream")
    how = "inline" if suffix in SHOWN else "attachment"
    headers = {**_HEADERS, "Content-Disposition": f"{how}; {_named(name or found.name)}"}
    return FileResponse(found, headers=headers, media_type=kind)


def _named(name: str) -> str:
    """A file's name for a header, by RFC 6266: in letters that all understand, and as it is for those who know RFC 5987."""
    plain = _NOT_PLAIN.sub("_", name)
    return f'filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}")
