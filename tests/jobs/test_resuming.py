"""Imports that are repeated, interrupted, stopped or run twice at once count every row once."""

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from db.queries import campaigns
from db.queries.impressions import recording
from jobs.imports.errors import ImportFailedError
from jobs.imports.run import Counts, Job, Outcome, Progress, import_file
from tests.imported import HEADER, rolled_up, stored


async def test_the_same_file_again_changes_nothing(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    first = job(LOG, chunk=7)
    result = await import_file(database, workspace, first)
    numbers = await rolled_up(database, workspace)
    known = await import_file(database, workspace, first)
    assert (known.outcome, known.counts) == (Outcome.KNOWN, result.counts)
    again = await import_file(database, workspace, replace(first, again=True))
    assert again.counts == replace(result.counts, accepted=0, duplicates=45)
    assert await rolled_up(database, workspace) == numbers


LOG = HEADER + "".join(
    f"k{n % 45:02},{1772442000 + n * 60 if n % 10 != 9 else 'x'},u{n % 7},{n % 2}\n" for n in range(50)
)
"""50 rows: every tenth is rejected, none is twice but the ones from 45 on."""


class Broken(Exception):
    """What interrupts an import in these tests."""


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


async def whole(database: Database, workspace: int, made: Job) -> tuple[Any, ...]:
    """Runs an import to its end, and all that can be seen of it."""
    result = await import_file(database, workspace, made)
    rows = await stored(database, workspace, "occurred_at", "user_id", "is_unique", "clicked_at")
    return result.counts, result.rejects.read_bytes(), rows, await rolled_up(database, workspace)


@pytest.fixture
async def expected(database: Database, other_workspace: int, job: Callable[..., Job]) -> tuple[Any, ...]:
    """The same import, uninterrupted."""
    async with database.write(other_workspace) as transaction:
        plain = {"name": "Spring", "status": "ACTIVE", "currency": "EUR"}
        await campaigns.create(transaction, {"key": "spring", **plain})
    return await whole(database, other_workspace, job(LOG, name="expected.csv"))


@pytest.mark.parametrize("broken_at", [0, 7, 21, 49])
async def test_an_import_that_broke_off_behind_a_chunk_goes_on(
    database: Database, workspace: int, job: Callable[..., Job], expected: tuple[Any, ...], broken_at: int
) -> None:
    def breaking(progress: Progress) -> None:
        if progress.counts.rows_read == broken_at:
            raise Broken

    made = job(LOG, chunk=7)
    with pytest.raises(Broken):
        await import_file(database, workspace, made, breaking)
    assert await whole(database, workspace, replace(made, chunk=9)) == expected


@pytest.mark.parametrize("cancel", [False, True])
async def test_an_import_that_broke_off_within_a_chunk_goes_on(
    database: Database, workspace: int, job: Callable[..., Job], expected: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch, cancel: bool,
) -> None:  # fmt: skip
    chunks, record = [], recording.record

    async def breaking(transaction: Any, items: Any) -> recording.Outcome:
        chunks.append(await record(transaction, items))
        if len(chunks) < 3:
            return chunks[-1]
        if not cancel:
            raise Broken
        reached.set()
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    reached = asyncio.Event()
    made = job(LOG, chunk=8)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "record", breaking)
        task = asyncio.create_task(import_file(database, workspace, made))
        if cancel:
            await reached.wait()
            task.cancel()
        with pytest.raises(asyncio.CancelledError if cancel else Broken):
            await task
    # What a killed process had written into the file of rejects, but not counted.
    append(Path(f"{made.path}.rejects.jsonl"), b'{"line": 19, "probl')
    assert await whole(database, workspace, made) == expected


async def test_stopping_lets_the_chunk_end(
    database: Database, workspace: int, job: Callable[..., Job], expected: tuple[Any, ...]
) -> None:
    made = job(LOG, chunk=20)
    stopped = await import_file(database, workspace, made, stopping=lambda: True)
    assert (stopped.outcome, stopped.counts.rows_read) == (Outcome.STOPPED, 20)
    made.path.with_name("log.csv.rejects.jsonl").rename(made.path.with_name("away"))
    with pytest.raises(ImportFailedError, match="lacks rejects of the part that is imported already"):
        await import_file(database, workspace, made)
    made.path.with_name("away").rename(made.path.with_name("log.csv.rejects.jsonl"))
    resumed = await import_file(database, workspace, made, stopping=lambda: True)
    assert (resumed.resumed_from, resumed.counts.rows_read) == (20, 40)
    assert await whole(database, workspace, made) == expected


async def test_two_imports_of_one_file_count_every_row_once(
    database: Database, workspace: int, job: Callable[..., Job], expected: tuple[Any, ...]
) -> None:
    made = job(LOG, chunk=5)
    runs = (import_file(database, workspace, made) for _ in range(2))
    ends = await asyncio.gather(*runs, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, ImportFailedError)]
    assert [str(error) for error in refused] == [
        "Another import of the same file is running; this one leaves it the rest."
    ]
    found = await import_file(database, workspace, made)
    assert found.outcome is Outcome.KNOWN
    rows = await stored(database, workspace, "occurred_at", "user_id", "is_unique", "clicked_at")
    assert (found.counts, found.rejects.read_bytes(), rows, await rolled_up(database, workspace)) == expected


async def test_a_cut_off_gzip_file_is_an_error_and_its_repair_goes_in(
    database: Database, workspace: int, job: Callable[..., Job]
) -> None:
    rows = "".join(f"k{n:05},{1772442000 + n * 7 % 9999},u{n * n % 997},\n" for n in range(4000))
    packed = gzip.compress((HEADER + rows).encode())
    with pytest.raises(ImportFailedError, match="ends too early: it was cut off"):
        await import_file(database, workspace, job(packed[: len(packed) // 2], chunk=100))
    before = len(await stored(database, workspace))
    assert 500 < before < 4000
    result = await import_file(database, workspace, job(packed))
    assert result.counts == Counts(rows_read=4000, accepted=4000 - before, duplicates=before)


async def test_a_file_that_changes_meanwhile_is_not_finished(
    database: Database, workspace: int, job: Callable[..., Job]
) -> None:
    made = job(LOG, chunk=10)

    def grow(_: Progress) -> None:
        append(made.path, b"later,1772442000,,\n")

    with pytest.raises(ImportFailedError, match="was changed while it was read"):
        await import_file(database, workspace, made, grow)
    assert (await import_file(database, workspace, made)).outcome is Outcome.FINISHED


async def test_rejects_do_not_overwrite_the_file(database: Database, workspace: int, job: Callable[..., Job]) -> None:
    made = job(LOG)
    with pytest.raises(ImportFailedError, match="a file of their own"):
        await import_file(database, workspace, replace(made, rejects=made.path))
