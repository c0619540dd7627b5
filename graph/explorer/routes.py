"""The explorer's files, below /explorer: each has a hash of itself in its name, so it is asked for once."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from graph.explorer.build import DIST

FOLDER = "/explorer"
_NAME = re.compile(r"[\w.-]+-[A-Z0-9]{8}\.(js|css|ttf|woff2?|js\.LEGAL\.txt|css\.LEGAL\.txt)", re.ASCII)
_TYPES = {"js": "text/javascript", "css": "text/css", "ttf": "font/ttf", "woff": "font/woff", "woff2": "font/woff2"}
# A worker has the policy of its own file, and not the page's: it loads nothing more and makes no text a script.
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def routes(dist: Path = DIST) -> list[Route]:
    """What answers them."""

    def file(request: Request) -> FileResponse:
        name = request.path_params["name"]
        found = _NAME.fullmatch(name)
        if found is None or not (dist / name).is_file():
            raise HTTPException(404)
        headers, packed = dict(HEADERS), dist / f"{name}.gz"
        kind = _TYPES.get(found[1], "text/plain")
        if not packed.is_file():
            return FileResponse(dist / name, headers=headers, media_type=kind)
        headers["Vary"] = "Accept-Encoding"
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return FileResponse(dist / name, headers=headers, media_type=kind)
        return FileResponse(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=kind)

    return [Route(f"{FOLDER}/{{name}}", file)]
