"""Whether the server is alive, for load balancers and scripts."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def live(_request: Request) -> JSONResponse:
    """200 as long as the process answers."""
    return JSONResponse({"status": "live"})


routes = [Route("/health/live", live)]
