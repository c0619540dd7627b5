"""Whether the server is alive, and whether it is to be asked, for load balancers and scripts. Neither needs a token."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from graph.readiness import Readiness, Status

_HEADERS = {"Cache-Control": "no-store"}
_USABLE = (Status.READY, Status.DEGRADED)


def routes(readiness: Readiness) -> list[Route]:
    """GET /health/live and /health/ready."""

    async def live(_request: Request) -> JSONResponse:
        """200 as long as the process answers."""
        return JSONResponse({"status": "live"}, headers=_HEADERS)

    async def ready(_request: Request) -> JSONResponse:
        """200 where requests may come, else 503; with the name of each check."""
        found = await readiness.report()
        checks = {name: "ok" if is_fine else "failed" for name, is_fine in found.checks.items()}
        body = {"status": found.status, "checks": checks, "reasons": found.reasons}
        return JSONResponse(body, 200 if found.status in _USABLE else 503, headers=_HEADERS)

    return [Route("/health/live", live), Route("/health/ready", ready)]
