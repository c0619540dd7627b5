"""Servers and their databases that are killed: what was acknowledged is kept, and nothing is left behind."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.embedded_account import find_binaries
from tests.memory import folder_for_databases
from tests.served import copy, disk, fill, fill_up, groundswell, postgres_of, postmaster_of, serving


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with folder_for_databases(tmp_path_factory.mktemp("crashes")) as folder:
        folder.chmod(0o711)
        fill(folder / "template")
        yield folder


@pytest.fixture
def data_dir(memory: Path) -> Iterator[Path]:
    """Empty."""
    path = Path(tempfile.mkdtemp(dir=memory)) / "data"
    yield path
    left = postgres_of(path)
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def filled_dir(memory: Path, data_dir: Path) -> Path:
    """Has a database with a workspace."""
    copy(memory / "template", data_dir)
    return data_dir


def test_writes_go_on_after_the_postmaster_was_killed(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        done: list[tuple[str, str]] = []
        is_over = threading.Event()

        def write(number: int) -> None:
            for count in range(100_000):
                if is_over.is_set():
                    return
                name = f"{number}-{count}"
                done.append((name, served.create(name)))

        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        killed = postmaster_of(filled_dir)
        os.kill(killed, signal.SIGKILL)
        served.wait_for("the database server runs again")
        served.create_in_the_end("afterwards")
        is_over.set()
        for writer in writers:
            writer.join()
        acknowledged = [name for name, said in done if said == "OK"]
        assert served.kept(acknowledged) == acknowledged
        assert {said for _, said in done} <= {"OK", "UNAVAILABLE"}
        assert postmaster_of(filled_dir) != killed
        assert served.stop() == 0


def test_callers_are_told_that_the_database_is_away(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        assert served.create("before") == "OK"
        os.kill(postmaster_of(filled_dir), signal.SIGKILL)
        served.wait_for("has died; starting it again", 2)
        _, answer = served.ask("{ campaigns { totalCount } }")
        said = "The database cannot be reached just now. Try again"
        assert (answer["errors"][0]["extensions"], answer["errors"][0]["message"][: len(said)]) == (
            {"code": "UNAVAILABLE"},
            said,
        )
        served.wait_for("runs again")
        served.create_in_the_end("after")
        assert not served.said("Traceback")


def test_a_stream_waits_while_the_database_is_away_and_goes_on(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        campaign_id = served.campaign()
        with served.stream(campaign_id) as shares:
            served.share(campaign_id, "before")
            assert next(shares) == "before"
            os.kill(postmaster_of(filled_dir), signal.SIGKILL)
            served.share(campaign_id, "after")
            assert next(shares) == "after"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts disks")
def test_a_full_disk_is_told_and_all_goes_on_once_there_is_room(memory: Path, data_dir: Path) -> None:
    with disk(data_dir, "200m"):
        copy(memory / "template", data_dir)
        with serving(data_dir) as served:
            served.wait()
            assert served.create("before") == "OK"
            fill_up(data_dir)
            said = {served.create(f"{'x' * 100}{number}") for number in range(3)}
            burden = "CREATE TABLE burden AS SELECT repeat('x', 900) FROM generate_series(1, 50000)"
            psql(data_dir, burden)
            psql(data_dir, "SELECT pg_switch_wal()")
            psql(
                data_dir, "SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000)) FROM generate_series(1, 40)"
            )
            served.wait_for(f"The disk of {data_dir} is full: ")
            said.add(served.create("meanwhile"))
            assert said <= {"OK", "UNAVAILABLE"}
            assert "UNAVAILABLE" in said
            (data_dir / "ballast").unlink()
            served.create_in_the_end("after")
            assert served.kept(["before", "after"]) == ["before", "after"]


def psql(data_dir: Path, sql: str) -> None:
    """Tries a statement."""
    command = str(find_binaries()[1] / "psql")
    line = [command, "-XAtq", "-h", str(data_dir / "run"), "-U", "postgres", "-d", "groundswell", "-c", sql]
    subprocess.run(line, check=False, capture_output=True)


def test_the_postmaster_of_a_killed_server_is_adopted_and_stopped(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        assert served.create("kept") == "OK"
        left = postmaster_of(filled_dir)
        served.process.kill()
    with serving(filled_dir) as served:
        served.wait()
        assert postmaster_of(filled_dir) == left
        assert served.kept(["kept"]) == ["kept"]
        assert served.stop() == 0
    assert postgres_of(filled_dir) == []


def test_when_both_were_killed_the_next_start_has_it_all(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        assert served.create("kept") == "OK"
        postmaster = postmaster_of(filled_dir)
        served.process.kill()
        os.kill(postmaster, signal.SIGKILL)
    with serving(filled_dir) as served:
        served.wait()
        assert served.kept(["kept"]) == ["kept"]
        assert served.stop() == 0


def test_a_second_server_on_a_folder_is_refused_with_who_has_it(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        done = groundswell("serve", "--no-demo", "--port", "0", "--data-dir", filled_dir)
        assert (done.returncode, done.stdout) == (1, "")
        who = f"process {served.process.pid}, {served.address}"
        assert done.stderr == (
            f"groundswell: Groundswell is already running on this data directory ({who}). "
            "Stop it, or choose another --data-dir and --port.\n"
        )


@pytest.mark.parametrize(
    ("awaited", "number"),
    [
        ("postgres.new/base", signal.SIGTERM),  # initdb runs
        ("postgres", signal.SIGINT),
        ("postgres/postmaster.pid", signal.SIGHUP),
    ],
)
def test_a_signal_during_the_start_leaves_nothing_behind(data_dir: Path, awaited: str, number: signal.Signals) -> None:
    with serving(data_dir) as served:
        deadline = time.monotonic() + 30
        while not (data_dir / awaited).exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert served.stop(number) == 0
        assert served.errors.read_text() == ""
    assert postgres_of(data_dir) == []


def test_signals_that_repeat_do_not_cut_the_stop_short(filled_dir: Path) -> None:
    with serving(filled_dir) as served:
        served.wait()
        while served.process.poll() is None:
            served.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        assert served.process.returncode in (0, -signal.SIGTERM)  # Python itself ends: no handler is there any more
    assert postgres_of(filled_dir) == []


def test_what_cannot_be_used_is_one_message_and_no_traceback(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("99\n")
    done = groundswell("serve", "--no-demo", "--port", "0", "--data-dir", data_dir)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(
        f"groundswell: The database in {data_dir} was made by PostgreSQL 99, and this is PostgreSQL 18. "
    )
