"""Hits on disk: kept once they are said to be, whoever dies, and handed on."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.models.email_words import EmailEventType
from jobs.mailings import spool as spooling
from jobs.mailings.spool import Hit, Spool, new_key

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
# Appends without an end, and says after each time how many hits are on disk.
WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from db.models.email_words import EmailEventType
from jobs.mailings.spool import Hit, Spool

async def main():
    spool, done = Spool(Path(sys.argv[1])), 0
    while True:
        keys = [f"k{number}" for number in range(done, done + 50)]
        await asyncio.gather(*(spool.append(Hit(key, EmailEventType.OPEN, 1, 2, datetime.now(UTC))) for key in keys))
        done += 50
        print(done, flush=True)

asyncio.run(main())
"""


def hit(key: str = "", kind: EmailEventType = EmailEventType.OPEN) -> Hit:
    """One that has everything."""
    return Hit(key or new_key(), kind, 1, 2, NOON, 3, "Mail/1.0 \u00fc", "2001:db8::1", is_machine=True)


async def rest(spool: Spool) -> list[str]:
    """The keys of all that is not done, which then is."""
    keys: list[str] = []
    while (batch := await spool.read(1_000)) is not None:
        keys += [hit.key for hit in batch.hits]
        await spool.done(batch)
    return keys


async def test_a_hit_comes_back_as_it_was_and_leaves_nothing(tmp_path: Path) -> None:
    spool, given = Spool(tmp_path / "hits"), hit()
    assert await spool.read(10) is None
    assert not (tmp_path / "hits").exists()
    await spool.append(given)
    batch = await spool.read(10)
    assert batch is not None
    assert list(batch.hits) == [given]
    again = await spool.read(10)
    assert again is not None
    assert list(again.hits) == [given]
    await spool.done(again)
    assert (await spool.read(10), spool.waiting) == (None, 0)
    await spool.append(hit("next"))
    await spool.done(batch)  # which was done by the other
    assert await rest(spool) == ["next"]
    await spool.close()
    assert list((tmp_path / "hits").iterdir()) == []


async def test_many_share_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = 0
    sync = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    spool = Spool(tmp_path)
    await asyncio.gather(*(spool.append(hit(f"k{number}")) for number in range(2_000)))
    assert synced == 2  # of the folder with the new file, and of the file
    assert await rest(spool) == [f"k{number}" for number in range(2_000)]
    await spool.close()


async def test_what_is_left_is_taken_over_by_others_only_when_its_owner_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    await first.append(hit("a"))
    await first.append(hit("b"))
    assert await second.take_over() == 0
    batch = await first.read(1)
    assert batch is not None
    await first.done(batch)
    await first.close()
    assert await second.take_over() == 1
    assert await second.take_over() == 0
    await second.append(hit("c"))
    # How far it was is not kept: "a" comes again, and its key says so.
    assert sorted(await rest(second)) == ["a", "b", "c"]
    await second.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_long_file_is_closed_and_removed_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "ROTATE_BYTES", 1)
    spool = Spool(tmp_path)
    for key in "abc":
        await spool.append(hit(key))
    assert len(list(tmp_path.iterdir())) == 3
    assert sorted(await rest(spool)) == ["a", "b", "c"]
    assert len(list(tmp_path.iterdir())) == 1
    await spool.close()


async def test_new_hits_do_not_wait_for_those_that_were_left(tmp_path: Path) -> None:
    before = Spool(tmp_path)
    await asyncio.gather(*(before.append(hit(f"k{number}")) for number in range(10)))
    await before.close()
    spool = Spool(tmp_path)
    await spool.take_over()
    await spool.append(hit("new"))
    first = []
    for _ in range(2):
        batch = await spool.read(2)
        assert batch is not None
        first += [one.key for one in batch.hits]
        await spool.done(batch)
    assert "new" in first
    await spool.close()


async def test_a_file_that_cannot_be_taken_over_keeps_no_other_from_it(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").mkdir()  # which nobody can open as a file, whoever they are
    (tmp_path / "2.jsonl").write_bytes(hit("a").line())
    spool = Spool(tmp_path)
    assert await spool.take_over() == 1
    assert await rest(spool) == ["a"]
    await spool.close()


async def test_torn_lines_are_skipped(tmp_path: Path) -> None:
    whole = hit("a").line()
    torn = [whole + whole[:40], b"\0" * 9, whole[:-1], b"[1]\n{}\n\n" + hit("z").line(), b""]
    for number, content in enumerate(torn):
        (tmp_path / f"{number}.jsonl").write_bytes(content)
    spool = Spool(tmp_path)
    assert await spool.take_over() == 5
    assert sorted(await rest(spool)) == ["a", "a", "z"]
    assert list(tmp_path.iterdir()) == []
    await spool.close()


async def test_lines_of_another_release_are_kept(tmp_path: Path) -> None:
    strange = hit("n").line()[:-2] + b',"is_new":true}'
    (tmp_path / "1.jsonl").write_bytes(hit("a").line() + strange + b"\n" + strange[:50])
    spool = Spool(tmp_path)
    await spool.take_over()
    batch = await spool.read(10)
    assert batch is not None
    assert ([one.key for one in batch.hits], batch.strange) == (["a"], [strange])
    spool.set_aside(batch, batch.hits)
    await spool.close()
    assert (tmp_path / "1.rejected").read_bytes() == hit("a").line() + strange + b"\n"


async def test_a_disk_that_takes_nothing_is_said_and_asked_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "_BROKEN_SECONDS", 0.0)
    folder = tmp_path / "hits"
    folder.write_text("no folder")
    spool = Spool(folder)
    with pytest.raises(FileExistsError):
        await spool.append(hit())
    folder.unlink()
    await spool.append(hit("a"))
    assert await rest(spool) == ["a"]
    await spool.close()
    with pytest.raises(OSError, match="shutdown"):
        await spool.append(hit())


async def test_what_may_wait_is_bounded_but_for_unsubscribes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=1)
    await spool.append(hit("a"))
    with pytest.raises(OSError, match="more waits"):
        await spool.append(hit("b"))
    await spool.append(hit("c", EmailEventType.UNSUBSCRIBE))
    assert await rest(spool) == ["a", "c"]
    await spool.append(hit("d"))
    await spool.close()


async def test_nothing_is_lost_when_its_process_is_killed(tmp_path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    said = 0
    while said < 500:
        said = int(await writer.stdout.readline())
    writer.kill()
    assert await writer.wait() == -signal.SIGKILL
    said = max([said, *map(int, (await writer.stdout.read()).split())])
    spool = Spool(tmp_path)
    assert await spool.take_over() == 1
    keys = await rest(spool)
    assert keys[:said] == [f"k{number}" for number in range(said)]
    assert len(keys) == len(set(keys))
    await spool.close()
