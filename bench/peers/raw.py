"""No GraphQL at all: what is left when rows of asyncpg, or one SQL statement, are written as JSON and sent.

    python -m bench.peers.raw URL PORT

``/rows/…`` makes the statements that Mercurius makes, one per level on one connection, and builds dictionaries of the
rows for orjson. ``/sql/…`` makes one statement that answers the text of the JSON.
"""

import gc
import sys
from binascii import b2a_base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvicorn
import uvloop

STATEMENTS = Path(__file__).parent / "statements"
SQL = {path.stem: path.read_text() for path in STATEMENTS.glob("*.sql")}
SETTINGS = {
    "plan_cache_mode": "force_generic_plan"
}  # a hand-written service would not have its statements planned again
CAMPAIGN, COMMENT = b"Campaign:%d", b"Comment:%d"
Node = dict[str, Any]
Pages = dict[int, list[Node]]
Keyed = list[tuple[int, Node]]
Answer = Callable[[Any], Awaitable[bytes]]


def node(row: Any, id_format: bytes) -> Node:
    """A row with its global id; ``id_format`` with its key."""
    found = dict(row)
    found["id"] = b2a_base64(id_format % found["id"], newline=False).decode()
    return found


async def pages(connection: Any, name: str, id_format: bytes, ids: Sequence[int], first: int) -> tuple[Pages, Keyed]:
    """The page of each parent, and all nodes with their keys."""
    found: Pages = {key: [] for key in ids}
    every: Keyed = []
    for row in await connection.fetch(SQL[name], ids, first):
        one = node(row, id_format)
        found[one.pop("parent")].append(one)
        every.append((row["id"], one))
    return found, every


async def threads(connection: Any, ids: Sequence[int], levels: int) -> Pages:
    """Pages of comments by campaign, with so many levels of replies below them."""
    found, above = await pages(connection, "comments", COMMENT, ids, 10)
    for _ in range(levels):
        replies, below = await pages(connection, "replies", COMMENT, [key for key, _ in above], 3)
        for key, comment in above:
            comment["replies"] = {"nodes": replies[key]}
        above = below
    return found


async def metrics(connection: Any, ids: Sequence[int]) -> dict[int, Node]:
    """The numbers of campaigns."""
    found = {}
    for row in await connection.fetch(SQL["metrics"], ids):
        numbers = dict(row)
        found[numbers.pop("parent")] = numbers
    return found


def answer(campaigns: Iterable[Node]) -> bytes:
    """The answer as a GraphQL server sends it."""
    return orjson.dumps({"data": {"campaigns": {"nodes": list(campaigns)}}}, option=orjson.OPT_UTC_Z)


async def flat(connection: Any) -> bytes:
    """A page of 100 campaigns."""
    return answer(node(row, CAMPAIGN) for row in await connection.fetch(SQL["campaigns"], 100))


async def dashboard(connection: Any) -> bytes:
    """Campaigns with everything below them."""
    rows = await connection.fetch(SQL["campaigns"], 20)
    ids = [row["id"] for row in rows]
    numbers = await metrics(connection, ids)
    impressions, _ = await pages(connection, "impressions", b"Impression:%d", ids, 50)
    comments = await threads(connection, ids, 1)
    return answer(
        {
            **node(row, CAMPAIGN),
            "metrics": numbers[row["id"]],
            "impressions": {"nodes": impressions[row["id"]]},
            "comments": {"nodes": comments[row["id"]]},
        }
        for row in rows
    )


async def deep(connection: Any) -> bytes:
    """Threads four levels deep."""
    ids = [row["id"] for row in await connection.fetch(SQL["campaigns"], 10)]
    comments = await threads(connection, ids, 3)
    return answer({**node({"id": key}, CAMPAIGN), "comments": {"nodes": comments[key]}} for key in ids)


async def numbers(connection: Any) -> bytes:
    """The numbers of 100 campaigns."""
    ids = [row["id"] for row in await connection.fetch(SQL["campaigns"], 100)]
    found = await metrics(connection, ids)
    return answer({**node({"id": key}, CAMPAIGN), "metrics": found[key]} for key in ids)


async def dashboard_in_sql(connection: Any) -> bytes:
    """What ``dashboard`` answers, written by PostgreSQL."""
    return str(await connection.fetchval(SQL["dashboard"])).encode()


PATHS: dict[str, Answer] = {
    "/rows/flat": flat,
    "/rows/dashboard": dashboard,
    "/rows/threads": deep,
    "/rows/metrics": numbers,
    "/sql/dashboard": dashboard_in_sql,
}


class Application:
    """The ASGI application."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Called by uvicorn."""
        async with self._pool.acquire() as connection:
            body = await PATHS[scope["path"]](connection)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _keep(_connection: Any) -> None:
    """Instead of what resets a connection that goes back to the pool: nothing here has to be reset."""


class Server(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: Any = None) -> None:
        """Called by uvicorn."""
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.config.port}", flush=True)


async def main(url: str, port: int) -> None:
    """Serves until it is told to end."""
    async with asyncpg.create_pool(url, min_size=10, max_size=10, reset=_keep, server_settings=SETTINGS) as pool:
        options: dict[str, Any] = {"http": "httptools", "lifespan": "off", "log_config": None, "access_log": False}
        # As Groundswell does: what lives on is not looked through again and again for garbage.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await Server(uvicorn.Config(Application(pool), port=port, **options)).serve()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
