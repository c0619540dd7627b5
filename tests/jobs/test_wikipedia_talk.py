"""The real conversations: their threads are the ones that a plain script finds in the file, in whatever order it is."""

import csv
import gzip
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from jobs.imports import mapping
from jobs.imports.comments import COMMENTS
from jobs.imports.run import Counts, Job, import_file

TALK = Path(__file__).parents[3] / "shared/data/comments/wikipedia_talk.csv.gz"
MAPS = (
    "campaign=page",
    "key=comment_id",
    "parent=parent_id",
    "userId=author",
    "body=text",
    "occurredAt=created_at",
    "source=wikipedia-{lang}",
)

PAGES = {
    "en-big-parsoid": 1070,
    "en-bigafd-parsoid": 324,
    "pl-big-parsoid": 174,
    "ckb-big-parsoid": 165,
    "it-unsigned-parsoid": 103,
    "fr-unsigned-parsoid": 84,
}

pytestmark = pytest.mark.skipif(not TALK.exists(), reason=f"the real comments are not here: {TALK}")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(TALK, "rt", newline="") as file:
        return list(csv.DictReader(file))


def counted(rows: list[dict[str, str]]) -> dict[str, tuple[Any, ...]]:
    """By key: page, parent, depth from 0, direct replies, all below, author, text."""
    parents = {row["comment_id"]: row["parent_id"] or None for row in rows}
    replies = Counter(parents.values())
    below: Counter[str] = Counter()
    depths: dict[str, int] = {}
    for key in parents:
        above, depth = parents[key], 0
        while above is not None:
            below[above] += 1
            above, depth = parents[above], depth + 1
        depths[key] = depth
    # The file counts depths itself, from 1.
    assert depths == {row["comment_id"]: int(row["depth"]) - 1 for row in rows}
    return {
        key: (row["page"], parents[key], depths[key], replies[key], below[key], row["author"], row["text"])
        for row in rows
        if (key := row["comment_id"])
    }


async def imported(database: Database, workspace: int) -> dict[str, tuple[Any, ...]]:
    """The same of what was imported."""
    statement = text(
        "SELECT e.key, c.key, p.key, e.depth, e.reply_count, e.descendant_count, e.user_id, e.body FROM engagements e "
        "JOIN campaigns c ON c.id = e.campaign_id LEFT JOIN engagements p ON p.id = e.parent_id"
    )
    async with database.write(workspace) as transaction:
        return {key: tuple(rest) for key, *rest in await transaction.rows(statement)}


def reversed_file(rows: list[dict[str, str]]) -> bytes:
    held = io.StringIO()
    writer = csv.DictWriter(held, list(rows[0]))
    writer.writeheader()
    writer.writerows(reversed(rows))
    return held.getvalue().encode()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("chunk", [100, 5000])
async def test_the_threads_are_those_of_the_file(
    database: Database, workspace: int, rows: list[dict[str, str]], tmp_path: Path, turned: bool, chunk: int
) -> None:
    file = tmp_path / "talk.csv"
    file.write_bytes(reversed_file(rows) if turned else gzip.decompress(TALK.read_bytes()))
    job = Job(file, mapping.parse(COMMENTS.fields, MAPS), create_campaigns=True, chunk=chunk, kind=COMMENTS)
    result = await import_file(database, workspace, job)
    assert result.counts == Counts(rows_read=1920, accepted=1920)
    expected = counted(rows)
    assert await imported(database, workspace) == expected
    again = await import_file(database, workspace, Job(**{**vars(job), "again": True}))
    assert again.counts == Counts(rows_read=1920, duplicates=1920)
    assert await imported(database, workspace) == expected
    await check_numbers(database, workspace, rows)


async def check_numbers(database: Database, workspace: int, rows: list[dict[str, str]]) -> None:
    """The roll-ups of each page: its comments and its threads."""
    pages = Counter(row["page"] for row in rows)
    assert pages == PAGES
    roots = Counter(row["page"] for row in rows if not row["parent_id"])
    statement = text(
        "SELECT c.key, t.comments, t.threads FROM campaign_totals t JOIN campaigns c ON c.id = t.campaign_id"
    )
    async with database.write(workspace) as transaction:
        found = {key: (comments, threads) for key, comments, threads in await transaction.rows(statement)}
    assert found == {page: (number, roots[page]) for page, number in pages.items()}
