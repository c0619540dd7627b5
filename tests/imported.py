"""What an import left in the database and in its file of rejects."""

from typing import Any

import orjson
from sqlalchemy import select, text

from db.engine import Database
from db.models.impressions import Impression
from jobs.imports.run import Result

HEADER = "key,occurredAt,userId,clicked\n"


async def stored(database: Database, workspace: int, *names: str) -> list[tuple[Any, ...]]:
    columns = [getattr(Impression, name) for name in ("key", *names)]
    async with database.write(workspace) as transaction:
        return [tuple(row) for row in await transaction.rows(select(*columns).order_by(Impression.key))]


async def rolled_up(database: Database, workspace: int) -> Any:
    sums = "sum(impressions), sum(unique_impressions), sum(clicks), sum(conversions), sum(spend), sum(reach)"
    async with database.write(workspace) as transaction:
        row = await transaction.row(text(f"SELECT {sums} FROM campaign_totals"))
        return tuple(int(value or 0) for value in row) if row else None


def rejects(result: Result) -> list[tuple[int, list[tuple[str | None, str]], dict[str, Any]]]:
    """The file of rejects: line, problems, row."""
    lines = map(orjson.loads, result.rejects.read_bytes().splitlines())
    return [(r["line"], [(p["field"], p["message"]) for p in r["problems"]], r["row"]) for r in lines]
