"""Dead letters: events that could not be taken, kept as they came, so that nothing a sender gave up on is gone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Text, any_, cast, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Database, Reads, Transaction
from db.errors import Problem, camel
from db.keyset import Order, Page, PageRequest, Shape, page
from db.models.events import DeadLetter
from db.queries.columns import Fields, Query, own
from db.statements import Rows, given_ids, prepared, workspace

NEWEST = Order("dead_letters:newest", (DeadLetter.last_received_at, DeadLetter.id), descending=True)
NEEDS: dict[str, tuple[Any, ...]] = {"problems": (cast(DeadLetter.problems, Text).label("problems"),)}
LONGEST_PAYLOAD = 65_536
"""Characters that are kept of one."""


@dataclass(frozen=True)
class Letter:
    """An event as it came, its key if it has one, and what is wrong with it."""

    key: str | None
    payload: str
    problems: Sequence[Problem]


async def keep(transaction: Transaction, letters: Sequence[Letter]) -> None:
    """Keeps letters; one that is known already is counted. Comes behind all other locks: they are taken in order here."""
    if not letters:
        return
    client = transaction.client_id
    prefix = f"{client or ''}:"
    found: dict[bytes, Letter] = {}
    times: dict[bytes, int] = {}
    for letter in letters:
        digest = hashlib.sha256((prefix + letter.payload).encode(errors="surrogatepass")).digest()
        found[digest] = letter
        times[digest] = times.get(digest, 0) + 1
    ordered = sorted(found)
    values: dict[str, Any] = {
        "workspace": transaction.workspace_id,
        "client": client,
        "digest": ordered,
        "key": [_holdable(found[digest].key) for digest in ordered],
        "payload": [_holdable(found[digest].payload[:LONGEST_PAYLOAD]) for digest in ordered],
        "problems": [_written(found[digest].problems) for digest in ordered],
        "received": [times[digest] for digest in ordered],
    }
    await transaction.run(_KEEP, values)


def _holdable(given: str | None) -> str | None:
    """A text as PostgreSQL can hold it. It is for people to read; what it was is in the digest."""
    if given is None:
        return None
    return given.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()


def _written(problems: Sequence[Problem]) -> str:
    told = [
        {
            "code": problem.code.value,
            "message": _holdable(problem.message),
            "field": [camel(name) for name in problem.field],
        }
        for problem in problems
    ]
    return orjson.dumps(told).decode()


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The dead letters of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(DeadLetter, NEEDS, fields).where(DeadLetter.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, request: PageRequest) -> Page:
    """One page of the workspace's dead letters, those that came last first."""
    rows = await reads.rows(_listed(fields, request.shape), NEWEST.parameters(request))
    return Page.of(NEWEST, request, rows)


@prepared
def _listed(fields: Fields, shape: Shape) -> Query:
    return page(own(DeadLetter, NEEDS, fields), NEWEST, shape)


async def count(reads: Reads) -> int:
    """How many dead letters the workspace has."""
    return int((await reads.row(_count()))[0])


@prepared
def _count() -> Query:
    return select(func.count()).select_from(DeadLetter).where(DeadLetter.workspace_id == workspace())


async def discard(transaction: Transaction, ids: Sequence[int]) -> int:
    """Removes dead letters that were dealt with; answers how many there were."""
    mine = DeadLetter.workspace_id == transaction.workspace
    statement = delete(DeadLetter).where(mine, DeadLetter.id == any_(literal(sorted(ids), ARRAY(BigInteger))))
    return await transaction.run(statement)


async def sweep(database: Database, older_than: datetime) -> int:
    """Removes what did not come again since then, in every workspace; answers how many."""
    async with database.everywhere() as transaction:
        return await transaction.run(delete(DeadLetter).where(DeadLetter.last_received_at < older_than))


_KEEP = text(
    "INSERT INTO dead_letters AS known (workspace_id, api_client_id, digest, key, payload, problems, received, last_received_at) "
    "SELECT CAST(:workspace AS bigint), CAST(:client AS bigint), new.digest, new.key, new.payload, new.problems::jsonb, "
    "new.received, now() "
    "FROM unnest(CAST(:digest AS bytea[]), CAST(:key AS text[]), CAST(:payload AS text[]), CAST(:problems AS text[]), "
    "CAST(:received AS bigint[])) AS new (digest, key, payload, problems, received) ORDER BY new.digest "
    "ON CONFLICT (workspace_id, digest) DO UPDATE SET received = known.received + excluded.received, "
    "last_received_at = excluded.last_received_at, problems = excluded.problems"
)
