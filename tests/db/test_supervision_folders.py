"""The embedded server on disks that are full and folders that are not as they should be."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from db import embedded, embedded_account, supervision
from db.embedded import Embedded, EmbeddedError
from db.engine import is_full
from db.supervision import supervised
from tests.served import ROOT, ask, copy, disk, fill_up, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts disks and gives files away")


def refusal(data_dir: Path) -> str:
    with pytest.raises(EmbeddedError) as caught, Embedded(data_dir, durable=False):
        pass
    return str(caught.value)


@as_root
def test_a_disk_too_small_for_a_database_is_named(empty_dir: Path) -> None:
    with disk(empty_dir, "8m"):
        said = refusal(empty_dir)
    assert said.startswith(f"The disk of {empty_dir} is full: ")
    assert said.endswith(" of it are free. Make room there, then start Groundswell again.")


@as_root
def test_a_disk_that_is_full_at_the_start_is_named_and_mended_by_room(memory: Path, empty_dir: Path) -> None:
    with disk(empty_dir, "160m"):
        copy(memory / "template", empty_dir)
        fill_up(empty_dir)
        assert refusal(empty_dir).startswith(f"The disk of {empty_dir} is full: ")
        (empty_dir / "ballast").unlink()
        with Embedded(empty_dir, durable=False) as cluster:
            assert ask(cluster, "SELECT 1") == "1"


@as_root
def test_a_disk_that_fills_up_refuses_writes_and_goes_on_once_there_is_room(
    memory: Path, empty_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "TIDY_EVERY", 0.1)

    async def scenario(url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute("CREATE TABLE kept (n int, filler text)")
        await connection.execute("INSERT INTO kept VALUES (1, '')")
        fill_up(empty_dir)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute("INSERT INTO kept SELECT 2, repeat('x', 1000) FROM generate_series(1, 20000)")
        assert is_full(caught.value)
        (empty_dir / "ballast").unlink()
        await connection.execute("INSERT INTO kept VALUES (3, '')")
        assert [row[0] for row in await connection.fetch("SELECT n FROM kept")] == [1, 3]
        await connection.close()

    with disk(empty_dir, "300m"):
        copy(memory / "template", empty_dir)
        with supervised(Embedded(empty_dir)) as cluster:
            asyncio.run(scenario(cluster.url()))
            wait_until(lambda: f"the disk of {empty_dir} is nearly full: " in caplog.text)


@as_root
def test_a_read_only_disk_is_named(memory: Path, empty_dir: Path) -> None:
    with disk(empty_dir, "160m"):
        copy(memory / "template", empty_dir)
        subprocess.run(["mount", "-o", "remount,ro", str(empty_dir)], check=True)
        assert refusal(empty_dir) == (
            f"{empty_dir} lies on a file system that is mounted read-only. Mount it for writing, or choose another --data-dir."
        )


@as_root
def test_the_folder_of_another_user_is_named(data_dir: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path; from db.embedded import Embedded, EmbeddedError\n"
        f"try: Embedded(Path({str(data_dir)!r})).__enter__()\n"
        "except EmbeddedError as error: print(error)"
    )
    for path in data_dir.glob("*.lock"):
        path.chmod(0o666)
    (data_dir / "run").mkdir(exist_ok=True)
    shutil.rmtree(data_dir / "run")
    data_dir.chmod(0o777)
    account = embedded_account.Account(1, 1, "dac_read_search")
    done = account.run([sys.executable, "-c", code], data_dir, subprocess.PIPE, "")
    assert done.stdout.startswith(f"{data_dir}")
    assert "chown -R" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_folder_that_was_opened_up_is_closed_again(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data_dir / "postgres").chmod(0o777)
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert cluster.directory.stat().st_mode & 0o777 == 0o700
    assert "was open to others (mode 777); it is closed again" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"\0" * 8192, None])
def test_a_damaged_control_file_is_refused_with_the_way_out(data_dir: Path, damage: bytes | None) -> None:
    control = data_dir / "postgres" / "global" / "pg_control"
    if damage is None:
        control.unlink()
    else:
        control.write_bytes(damage)
    said = refusal(data_dir)
    assert said.startswith(f"The database in {data_dir} is damaged: ")
    assert said.endswith("Restore a backup into another --data-dir with: groundswell restore FILE")


def test_the_log_is_bounded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES", 1000)
    monkeypatch.setattr(supervision, "TIDY_EVERY", 0.1)
    log = data_dir / "postgres.log"
    log.write_text("x" * 2000)
    with supervised(Embedded(data_dir, durable=False)) as cluster:
        assert (data_dir / "postgres.log.1").read_text().startswith("xxx")
        ask(cluster, f"DO $$BEGIN RAISE LOG '{'y' * 2000}'; END$$")
        wait_until(lambda: "yyy" in (data_dir / "postgres.log.1").read_text())
        wait_until(lambda: log.stat().st_size < 1000)
        ask(cluster, "DO $$BEGIN RAISE LOG 'goes on'; END$$")
        assert log.read_text().startswith("2")
        assert "goes on" in log.read_text()


def test_who_holds_the_folder_is_said(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WAIT", 0.1)
    with Embedded(data_dir)._control():
        assert refusal(data_dir) == (
            f"Another groundswell command (process {os.getpid()}) is starting or stopping the database in {data_dir}. "
            "Try again when it is done."
        )
