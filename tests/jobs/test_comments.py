"""Importing comments: threads in any order, and what is rejected because its parent never comes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text

from db.engine import Database
from db.models.engagement import Engagement
from db.queries.engagement import removing
from jobs.imports.comments import COMMENTS
from jobs.imports.run import Counts, Job, Outcome, Progress, import_file
from tests.imported import rejects

HEADER = "key,parent,userId,body,occurredAt\n"


@pytest.fixture
def comments(job: Callable[..., Job]) -> Callable[..., Job]:
    """A job over a file of comments."""
    return partial(job, kind=COMMENTS)


def lines(*rows: tuple[str, str]) -> str:
    """A file of comments, each a key and its parent's."""
    return HEADER + "".join(f"{key},{parent},ada,text of {key},2026-03-02T09:00Z\n" for key, parent in rows)


async def threads(database: Database, workspace: int) -> list[tuple[Any, ...]]:
    """Key, parent's key, depth, replies, descendants of every comment, by key."""
    parent = select(Engagement.__table__).subquery()
    columns = (Engagement.key, parent.c.key, Engagement.depth, Engagement.reply_count, Engagement.descendant_count)
    statement = select(*columns).outerjoin(parent, parent.c.id == Engagement.parent_id).order_by(Engagement.key)
    async with database.write(workspace) as transaction:
        return [tuple(row) for row in await transaction.rows(statement)]


async def waiting(database: Database, workspace: int) -> int:
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text("SELECT count(*) FROM import_waiting")))


TREE = (("a", ""), ("b", "a"), ("c", "b"), ("d", "b"), ("e", ""), ("f", "d"))
THREADS = [
    ("a", None, 0, 1, 4),
    ("b", "a", 1, 2, 3),
    ("c", "b", 2, 0, 0),
    ("d", "b", 2, 1, 1),
    ("e", None, 0, 0, 0),
    ("f", "d", 3, 0, 0),
]


async def test_every_field(database: Database, workspace: int, comments: Callable[..., Job]) -> None:
    row = {
        "key": "k",
        "userId": 7,
        "profileId": "p",
        "profileType": "page",
        "body": "שלום, مرحبا\nsecond line",
        "occurredAt": 1772442000,
        "source": "forum",
        "deviceType": "phone",
        "location": "Haifa",
    }
    result = await import_file(database, workspace, comments(orjson.dumps(row)))
    assert result.counts == Counts(rows_read=1, accepted=1)
    names = ("user_id", "profile_id", "profile_type", "body", "source", "device_type", "location")
    async with database.write(workspace) as transaction:
        found = await transaction.row(select(*(getattr(Engagement, name) for name in names)))
    assert found is not None
    assert tuple(found) == ("7", "p", "page", "שלום, مرحبا\nsecond line", "forum", "phone", "Haifa")


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("order", [TREE, TREE[::-1], (*TREE[3:], *TREE[:3])])
async def test_the_order_of_rows_does_not_matter(
    database: Database,
    workspace: int,
    comments: Callable[..., Job],
    campaign: int,
    order: Sequence[tuple[str, str]],
    chunk: int,
) -> None:
    result = await import_file(database, workspace, comments(lines(*order), chunk=chunk))
    assert result.counts == Counts(rows_read=6, accepted=6)
    assert await threads(database, workspace) == THREADS
    assert await waiting(database, workspace) == 0


async def test_a_parent_that_was_there_before(database: Database, workspace: int, comments: Callable[..., Job]) -> None:
    await import_file(database, workspace, comments(lines(*TREE[:3]), name="first.csv"))
    result = await import_file(database, workspace, comments(lines(*TREE[3:]), name="second.csv"))
    assert result.counts == Counts(rows_read=3, accepted=3)
    assert await threads(database, workspace) == THREADS


async def test_rows_whose_parent_never_comes(database: Database, workspace: int, comments: Callable[..., Job]) -> None:
    rows = (("x", "gone"), ("y", "x"), ("self", "self"), ("p", "q"), ("q", "p"), ("ok", ""))
    broken = "bad,,ada, ,2026-03-02T09:00Z\nchild,bad,ada,hello,2026-03-02T09:00Z\nnul,\0,ada,hello,2026-03-02T09:00Z\n"
    result = await import_file(database, workspace, comments(lines(*rows) + broken, chunk=2))
    assert replace(result.counts, rejects_bytes=0) == Counts(rows_read=9, accepted=1, rejected=8)
    assert sorted((line, problems) for line, problems, _ in rejects(result)) == [
        (1, [("parent", "No comment has the key 'gone'.")]),
        (2, [("parent", "No comment has the key 'x'.")]),
        (3, [("parent", "No comment has the key 'self'.")]),
        (4, [("parent", "No comment has the key 'q'.")]),
        (5, [("parent", "No comment has the key 'p'.")]),
        (7, [("body", "This must not be empty.")]),
        (8, [("parent", "No comment has the key 'bad'.")]),
        (9, [("parent", "A text cannot hold the character U+0000.")]),
    ]
    assert await threads(database, workspace) == [("ok", None, 0, 0, 0)]
    assert await waiting(database, workspace) == 0


async def test_a_parent_of_another_campaign(database: Database, workspace: int, comments: Callable[..., Job]) -> None:
    content = (
        "key,parent,campaign,userId,body,occurredAt\n"
        "a,,spring,ada,hi,2026-03-02T09:00Z\nb,a,autumn,ada,hi,2026-03-02T09:00Z\n"
    )
    result = await import_file(database, workspace, comments(content, campaign=None, create_campaigns=True))
    assert [(line, problems) for line, problems, _ in rejects(result)] == [
        (2, [("parent", "The comment to reply to is on another campaign.")])
    ]


async def test_known_rows_are_left_alone(database: Database, workspace: int, comments: Callable[..., Job]) -> None:
    twice = lines(*TREE[::-1], *TREE)
    first = await import_file(database, workspace, comments(twice, chunk=4))
    assert first.counts == Counts(rows_read=12, accepted=6, duplicates=6)
    async with database.write(workspace) as transaction:
        deleted = await transaction.scalar(select(Engagement.id).where(Engagement.key == "e"))
        await removing.delete_comment(transaction, deleted, lambda _: None)
    again = await import_file(database, workspace, comments(twice, chunk=4, again=True))
    assert again.counts == Counts(rows_read=12, duplicates=12)
    assert await threads(database, workspace) == THREADS
    stolen = lines(*TREE).replace("ada", "bob", 1)
    other = await import_file(database, workspace, comments(stolen, name="stolen.csv"))
    assert [problems for _, problems, _ in rejects(other)] == [[("key", "This key belongs to another engagement.")]]


class Broken(Exception):
    """What interrupts an import in these tests."""


@pytest.mark.parametrize("broken_at", range(1, 9))
async def test_an_interrupted_import_goes_on(
    database: Database, workspace: int, comments: Callable[..., Job], broken_at: int
) -> None:
    made = comments(lines(*TREE[::-1], ("x", "gone")), chunk=2)
    left = broken_at

    def breaking(_: Progress) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Broken

    try:
        result = await import_file(database, workspace, made, breaking)
    except Broken:
        result = await import_file(database, workspace, made)
    assert replace(result.counts, rejects_bytes=0) == Counts(rows_read=7, accepted=6, rejected=1)
    assert result.outcome is Outcome.FINISHED
    assert [problems for _, problems, _ in rejects(result)] == [[("parent", "No comment has the key 'gone'.")]]
    assert await threads(database, workspace) == THREADS


async def test_reading_again_forgets_what_waited(
    database: Database, workspace: int, comments: Callable[..., Job]
) -> None:
    made = comments(lines(*TREE[::-1]), chunk=2)
    stopped = await import_file(database, workspace, made, stopping=lambda: True)
    assert (stopped.outcome, stopped.counts.waiting) == (Outcome.STOPPED, 1)
    again = await import_file(database, workspace, replace(made, again=True))
    assert (again.counts.accepted, again.counts.duplicates) == (5, 1)
    assert await threads(database, workspace) == THREADS
