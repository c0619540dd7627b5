"""What goes wrong around the embedded server, for real: deaths, disks, folders, signals. None may be left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from db import embedded, embedded_account, embedded_processes, supervision
from db.embedded import Embedded
from db.embedded_processes import Processes
from db.embedded_signals import undisturbed
from db.engine import Database
from db.supervision import supervised
from tests.served import ROOT, ask, postgres_of, postmaster_of, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts disks and gives files away")


def killed(data_dir: Path) -> int:
    """Kills the postmaster; its pid."""
    process = psutil.Process(postmaster_of(data_dir))
    process.kill()
    wait_until(lambda: not embedded_processes.lives(process))
    return int(process.pid)


# A postmaster that dies


def test_a_postmaster_that_was_killed_is_started_again(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with supervised(Embedded(data_dir)) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
        died = killed(data_dir)
        wait_until(lambda: "runs again" in caplog.text)
        assert ask(cluster, "SELECT n FROM kept") == "7"
        assert postmaster_of(data_dir) != died
    assert [record.levelname for record in caplog.records if "server" in record.message] == ["ERROR", "WARNING"]


def test_its_death_is_noticed_within_a_second(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with supervised(Embedded(data_dir, durable=False)):
        killed(data_dir)
        wait_until(lambda: "has died; starting it again" in caplog.text, 1.0)


def test_two_watchers_start_one_server(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with supervised(Embedded(data_dir, durable=False)), supervised(Embedded(data_dir, durable=False)) as cluster:
        killed(data_dir)
        wait_until(lambda: caplog.text.count("runs again") == 2)
        assert ask(cluster, "SELECT 1") == "1"
        assert len([one for one in postgres_of(data_dir) if Processes(cluster.directory).serves(one)]) == 1


def test_the_pool_goes_on_by_itself(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(url: str) -> None:
        database = Database(url, size=3, overflow=0)
        async with database.engine.connect() as one, database.engine.connect() as two:
            for connection in (one, two):
                await connection.exec_driver_sql("SELECT 1")
        killed(data_dir)
        await asyncio.to_thread(wait_until, lambda: "runs again" in caplog.text)
        for _ in range(3):
            lease = await database._taken("BEGIN", None)
            assert await lease.driver.fetchval("SELECT 7") == 7
            await lease.give_back()
        await database.close()

    with supervised(Embedded(data_dir)) as cluster:
        asyncio.run(scenario(cluster.url()))


def test_what_cannot_be_started_is_tried_again_after_longer_and_longer(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.1)
    with supervised(Embedded(data_dir, durable=False)) as cluster:
        (cluster.directory / "postgresql.auto.conf").write_text("nonsense = 1\n")
        killed(data_dir)
        wait_until(lambda: "trying again in 0.4 s" in caplog.text)
        (cluster.directory / "postgresql.auto.conf").write_text("")
        wait_until(lambda: "runs again" in caplog.text)
        assert ask(cluster, "SELECT 1") == "1"
    assert 'parameter "nonsense"' in caplog.text


def test_a_folder_that_was_taken_away_is_not_made_anew(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervised(Embedded(data_dir, durable=False)) as cluster:
        killed(data_dir)
        aside = cluster.directory.rename(data_dir / "aside")
        wait_until(lambda: "cannot be started" in caplog.text)
        assert not cluster.directory.exists()
        aside.rename(cluster.directory)
        wait_until(lambda: "runs again" in caplog.text)


def test_a_backend_that_outlives_its_postmaster_is_ended(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_processes, "LINGER", 0.5)
    with Embedded(data_dir, durable=False) as cluster:
        [backend] = [one for one in postgres_of(data_dir) if "background writer" in " ".join(one.cmdline())]
        backend.suspend()
        killed(data_dir)
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert not embedded_processes.lives(backend)


def test_the_pid_file_of_a_zombie_is_no_obstacle(data_dir: Path) -> None:
    with subprocess.Popen(["true"]) as zombie:
        wait_until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{zombie.pid}\n{data_dir / 'postgres'}\n")
        with Embedded(data_dir, durable=False) as cluster:
            assert ask(cluster, "SELECT 1") == "1"


@pytest.mark.skipif(not Path("/proc/sysvipc/shm").exists(), reason="only Linux lists shared memory so")
def test_shared_memory_of_the_dead_is_given_back(data_dir: Path) -> None:
    def blocks() -> set[str]:
        return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}

    with Embedded(data_dir, durable=False):
        own = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        assert own in blocks()
        killed(data_dir)
    with Embedded(data_dir, durable=False):
        pass
    assert own not in blocks()


def test_nothing_is_left_of_a_database_that_died_at_the_end(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_processes, "LINGER", 0.2)
    with Embedded(data_dir, durable=False):
        [hanging] = [one for one in postgres_of(data_dir) if "checkpointer" in " ".join(one.cmdline())]
        hanging.suspend()
        killed(data_dir)
    assert postgres_of(data_dir) == []
    with Embedded(data_dir, durable=False):
        pass  # gives the shared memory back that only the next start can


# Starting and stopping slowly


@contextmanager
def suspended_start(data_dir: Path, is_over: threading.Event) -> Iterator[None]:
    """Whatever postmaster starts there is suspended until ``is_over``."""

    def suspend() -> None:
        processes = Processes(data_dir / "postgres")
        wait_until(lambda: processes.find() is not None)
        server = processes.find()
        assert server is not None
        server.process.suspend()
        is_over.wait()
        server.process.resume()

    thread = threading.Thread(target=suspend)
    thread.start()
    yield
    thread.join()


def test_a_slow_start_is_told_of_and_waited_for(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "TELL_EVERY", 0.2)
    monkeypatch.setattr(embedded, "PG_CTL_WAIT", 1)
    with Embedded(data_dir) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
        killed(data_dir)
    is_over = threading.Event()
    with suspended_start(data_dir, is_over):
        threading.Timer(3.0, is_over.set).start()
        with Embedded(data_dir) as cluster:
            assert ask(cluster, "SELECT n FROM kept") == "7"
    assert f"still waiting for the database in {data_dir}, for" in caplog.text


def test_a_stop_is_bounded_whoever_hangs(
    data_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_processes, "STOP_FAST", 0.5)
    with Embedded(data_dir) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
        client = subprocess.Popen(
            [embedded_account.find_binaries()[1] / "psql", "-XAtq", "-h", cluster.socket_dir, "-U", "postgres"],
            stdin=subprocess.PIPE,
        )
        wait_until(lambda: bool(backends(data_dir)))
        backends(data_dir)[0].suspend()
    assert "does not stop" in caplog.text
    assert postgres_of(data_dir) == []
    with client:
        pass
    with Embedded(data_dir) as cluster:
        assert ask(cluster, "SELECT n FROM kept") == "7"


def backends(data_dir: Path) -> list[psutil.Process]:
    return [one for one in postgres_of(data_dir) if " idle" in " ".join(one.cmdline())]


def test_a_postmaster_that_hangs_is_killed_in_the_end(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_processes, "STOP_FAST", 0.3)
    monkeypatch.setattr(embedded_processes, "STOP_AT_ONCE", 0.3)
    with Embedded(data_dir, durable=False):
        psutil.Process(postmaster_of(data_dir)).suspend()
    assert postgres_of(data_dir) == []
    with Embedded(data_dir, durable=False):
        pass  # gives the shared memory back that only the next start can


def test_a_start_waits_for_a_stop_under_way(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_processes, "STOP_FAST", 1.0)
    first = Embedded(data_dir, durable=False)
    first.__enter__()
    before = postmaster_of(data_dir)
    [hanging] = [one for one in postgres_of(data_dir) if "checkpointer" in " ".join(one.cmdline())]
    hanging.suspend()
    stop = threading.Thread(target=first.__exit__, args=(None, None, None))
    stop.start()
    wait_until(lambda: "stopping" in (data_dir / "postgres" / "postmaster.pid").read_text())
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert postmaster_of(data_dir) != before
    stop.join()


def test_a_fork_that_outlives_its_parent_keeps_the_server_and_no_longer(data_dir: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom db.embedded import Embedded\n"
        "Embedded(Path(sys.argv[1]), durable=False).__enter__()\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True); os.kill(os.getpid(), 9)\n"
        "sys.stdin.read()"
    )
    line = [sys.executable, "-W", "ignore", "-c", code, str(data_dir)]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.wait()
        with Embedded(data_dir, durable=False):
            left = postmaster_of(data_dir)
        assert psutil.pid_exists(left)  # the child may be using it
        child.kill()
        wait_until(lambda: not embedded_processes.lives(child))
    with Embedded(data_dir, durable=False):
        assert postmaster_of(data_dir) == left
    assert postgres_of(data_dir) == []


def test_signals_come_after_what_must_not_be_left_half_done(data_dir: Path) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert came == []
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
