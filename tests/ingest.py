"""Sending events by HTTP, as machines do."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from sqlalchemy import text

from db.engine import Database, Transaction
from db.queries import campaigns
from graph import ids
from tests.api import Api, token
from tests.facts import at

PATH = "/ingest/events"
NDJSON = "application/x-ndjson"


def event(key: str, **values: Any) -> dict[str, Any]:
    """A click on the campaign ``spring``, unless the values say otherwise. None leaves a field out."""
    whole = {"key": key, "type": "CLICK", "campaign": "spring", "occurredAt": at(), **values}
    return {name: value for name, value in whole.items() if value is not None}


def clicks(first: int, last: int) -> list[dict[str, Any]]:
    """Clicks whose keys are numbered: k1, k2, ..."""
    return [event(f"k{number}") for number in range(first, last + 1)]


def written(*events: Any) -> bytes:
    """Events as lines. What is bytes already stays as it is."""
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in events)


async def send(
    api: Api, body: bytes | AsyncIterator[bytes], credential: str | None = None, **headers: str
) -> httpx.Response:
    """What a body is answered with. Headers are named with underscores."""
    given = {"authorization": f"Bearer {credential or token()}", "content-type": NDJSON}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.post(PATH, content=body, headers=given)


async def sent(api: Api, *events: Any, credential: str | None = None) -> list[Any]:
    """The lines that some events are answered with; the last one has the counts."""
    response = await send(api, written(*events), credential)
    assert (response.status_code, response.headers["content-type"]) == (200, NDJSON)
    return lines_of(response)


def lines_of(response: httpx.Response) -> list[Any]:
    """The lines of an answer."""
    return [json.loads(line) for line in response.content.removesuffix(b"\n").split(b"\n")]


def counts(accepted: int = 0, duplicates: int = 0, rejected: int = 0, retry: int = 0) -> dict[str, int]:
    """The last line of an answer."""
    lines = accepted + duplicates + rejected + retry
    return {"lines": lines, "accepted": accepted, "duplicates": duplicates, "rejected": rejected, "retry": retry}


def accepted(line: int, key: str) -> dict[str, Any]:
    """The answer to a line that was new."""
    return {"line": line, "key": key, "status": "accepted"}


def duplicate(line: int, key: str) -> dict[str, Any]:
    """The answer to a line whose key was known."""
    return {"line": line, "key": key, "status": "duplicate"}


def rejected(line: int, key: str | None, code: str, message: str, *field: str) -> dict[str, Any]:
    """The answer to a line with one problem."""
    problem = {"code": code, "message": message, "field": list(field)}
    return {"line": line, "key": key, "status": "rejected", "errors": [problem]}


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of a request that was refused."""
    [error] = response.json()["errors"]
    return response.status_code, error["extensions"]["code"], error["message"]


async def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """What is in the database, of every workspace."""
    async with database.everywhere() as transaction:
        return [tuple(row) for row in await transaction.rows(text(sql))]


async def clicks_counted(database: Database) -> tuple[int, int]:
    """How many events there are, and how many clicks the roll-ups say."""
    [(events,)] = await rows(database, "SELECT count(*) FROM events")
    [(counted,)] = await rows(database, "SELECT coalesce(sum(clicks), 0)::bigint FROM event_totals")
    return events, counted


async def create_spring(transaction: Transaction, key: str = "spring") -> str:
    """The id of a new campaign of this key."""
    values = {"name": key, "key": key, "status": "ACTIVE", "currency": "EUR"}
    return ids.encode("Campaign", await campaigns.create(transaction, values))
