"""The embedded server, for real: every test starts PostgreSQL, and none may leave one behind."""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from db import embedded, embedded_account
from db.embedded import Cluster, Embedded, EmbeddedError
from db.embedded_socket import socket_dir

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
# Acquires, says the postmaster's pid, and releases when its standard input is closed.
USER = """
import sys; from pathlib import Path; from db.embedded import Embedded
with Embedded(Path(sys.argv[1]), durable=False) as cluster:
    print((cluster.directory / "postmaster.pid").read_text().split()[0], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    left = [process for process in psutil.process_iter() if str(path / "postgres") in command(process)]
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that everybody can enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="gs-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def users(data_dir: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def user() -> "subprocess.Popen[str]":
        line = [sys.executable, "-c", USER, str(data_dir)]
        started.append(subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return started[-1]

    yield user
    for process in started:
        with process:  # closes its standard input and waits
            pass


def command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())  # none of a zombie
    except psutil.Error:
        return []


def ask(cluster: Cluster, sql: str) -> str:
    psql = str(embedded_account.find_binaries()[1] / "psql")
    line = [psql, "-XAtq", "-h", str(cluster.socket_dir), "-U", "postgres", "-d", "groundswell", "-c", sql]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def pid_file(cluster: Cluster) -> Path:
    return cluster.directory / "postmaster.pid"


def postmaster(cluster: Cluster) -> int:
    return int(pid_file(cluster).read_text().split()[0])


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for_death(pid: int) -> None:
    deadline = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def abandon(user: "subprocess.Popen[str]") -> int:
    """Kills a user of the server hard; answers the postmaster that it left behind."""
    pid = said(user)
    user.kill()
    user.wait()
    assert lives(pid)
    return pid


def test_starts_answers_and_stops(data_dir: Path) -> None:
    async def ask_by_url(url: str) -> list[str]:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            row = (await connection.execute(text("SELECT current_database(), current_setting('TimeZone')"))).one()
        await engine.dispose()
        return list(row)

    with Embedded(data_dir) as cluster:
        assert asyncio.run(ask_by_url(cluster.url())) == ["groundswell", "UTC"]
        assert ask(cluster, "SHOW fsync") == "on"
        pid = postmaster(cluster)
    assert not lives(pid)


def test_url_quotes_the_socket_directory() -> None:
    url = Cluster(Path("/d"), Path("/tmp/a b")).url("other")
    assert url == "postgresql+asyncpg://postgres@/other?host=%2Ftmp%2Fa%20b"


def test_data_survives_release_and_acquire(data_dir: Path) -> None:
    with Embedded(data_dir, durable=False) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT n FROM kept") == "7"
        assert ask(cluster, "SHOW fsync") == "off"


def test_two_users_share_a_server_and_the_last_one_stops_it(data_dir: Path) -> None:
    first, second = Embedded(data_dir, durable=False), Embedded(data_dir, durable=False)
    cluster = first.__enter__()
    assert second.__enter__() == cluster
    pid = postmaster(cluster)
    first.__exit__(None, None, None)
    first.__exit__(None, None, None)
    assert ask(cluster, "SELECT 1") == "1"
    assert postmaster(cluster) == pid
    second.__exit__(None, None, None)
    assert not lives(pid)


def test_many_processes_at_once_share_a_server(data_dir: Path, users: Callable[[], "subprocess.Popen[str]"]) -> None:
    crowd = [users() for _ in range(4)]
    pids = {said(user) for user in crowd}
    assert len(pids) == 1
    for user in crowd:
        assert user.stdin is not None
        user.stdin.close()
    assert [user.wait(30) for user in crowd] == [0, 0, 0, 0]
    assert not lives(pids.pop())


def test_a_server_left_by_a_killed_user_is_adopted_and_stopped(
    data_dir: Path, users: Callable[[], "subprocess.Popen[str]"]
) -> None:
    pid = abandon(users())
    with Embedded(data_dir, durable=False) as cluster:
        assert postmaster(cluster) == pid
        assert ask(cluster, "SELECT 1") == "1"
    assert not lives(pid)


def test_a_stopping_server_is_waited_for_and_started_anew(
    data_dir: Path, users: Callable[[], "subprocess.Popen[str]"]
) -> None:
    pid = abandon(users())
    os.kill(pid, signal.SIGTERM)
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert postmaster(cluster) != pid


def test_recovers_from_a_killed_postmaster(data_dir: Path) -> None:
    with Embedded(data_dir) as cluster:
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
        killed = postmaster(cluster)
        os.kill(killed, signal.SIGKILL)
        wait_for_death(killed)
    assert pid_file(cluster).exists()
    with Embedded(data_dir) as cluster:
        assert ask(cluster, "SELECT n FROM kept") == "7"


OWN = pytest.param(str(os.getpid()), id="own process")


@pytest.mark.parametrize("content", ["", "\n\n", "12", "\x00\xff garbage", "-1\n", OWN, "99999999999"])
def test_a_stale_pid_file_is_no_obstacle(data_dir: Path, content: str) -> None:
    with Embedded(data_dir, durable=False) as cluster:
        pass
    pid_file(cluster).write_text(content)
    (cluster.socket_dir / ".s.PGSQL.5432.lock").write_text(content)
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"


@pytest.mark.parametrize("damage", ["garbage", "", None])
def test_a_living_server_without_its_pid_file_is_replaced(
    data_dir: Path, users: Callable[[], "subprocess.Popen[str]"], damage: str | None
) -> None:
    pid = abandon(users())
    file = data_dir / "postgres" / "postmaster.pid"
    file.unlink() if damage is None else file.write_text(damage)
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert not lives(pid)


def test_a_pid_file_cut_off_after_the_pid_still_names_the_server(
    data_dir: Path, users: Callable[[], "subprocess.Popen[str]"]
) -> None:
    pid = abandon(users())
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{pid}\n/som")
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
        assert postmaster(cluster) == pid
    assert not lives(pid)


def test_an_interrupted_initdb_is_begun_again(data_dir: Path) -> None:
    half = data_dir / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with Embedded(data_dir, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == "1"
    assert not half.exists()


def test_another_major_version_is_refused_and_left_alone(data_dir: Path) -> None:
    version = data_dir / "postgres" / "PG_VERSION"
    version.parent.mkdir(parents=True)
    version.write_text("15\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 15.*pg_dump"), Embedded(data_dir):
        pass
    assert [file.name for file in version.parent.iterdir()] == ["PG_VERSION"]


def test_a_folder_of_other_things_is_refused_and_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "letter").write_text("dear")
    with pytest.raises(EmbeddedError, match="holds no PostgreSQL database"), Embedded(data_dir):
        pass
    assert (data_dir / "postgres" / "letter").read_text() == "dear"


def test_a_long_path_gets_its_socket_in_the_temporary_directory(data_dir: Path) -> None:
    # With what else would trouble a shell, libpq or a URL.
    with Embedded(data_dir / ("x" * 90) / "a b,c:d$(e)'", durable=False) as cluster:
        assert cluster.socket_dir.is_relative_to(tempfile.gettempdir())
        assert cluster.socket_dir.stat().st_mode & 0o777 == 0o700
        assert ask(cluster, "SELECT 1") == "1"
    assert not cluster.socket_dir.parent.exists()


def test_a_temporary_socket_directory_open_to_others_is_refused(data_dir: Path) -> None:
    use = Embedded(data_dir / ("x" * 90), durable=False)
    trap = socket_dir(use.folder).parent
    trap.mkdir()
    trap.chmod(0o777)
    with pytest.raises(EmbeddedError, match="belongs to somebody else"), use:
        pass
    trap.rmdir()


def test_the_environment_does_not_steer_the_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "nowhere", "PGPORT": "1", "PGDATA": "/", "LC_ALL": "xx_YY", "LANG": "x"}.items():
        monkeypatch.setenv(name, value)
    with Embedded(data_dir, durable=False):
        pass


def test_the_server_is_out_of_reach_of_ctrl_c(data_dir: Path) -> None:
    with Embedded(data_dir, durable=False) as cluster:
        assert os.getsid(postmaster(cluster)) != os.getsid(0)


def test_a_forked_child_neither_stops_nor_unlocks(data_dir: Path) -> None:
    use = Embedded(data_dir, durable=False)
    with use as cluster:
        child = os.fork()
        if child == 0:
            use.__exit__(None, None, None)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with Embedded(data_dir, durable=False):
            pass
        assert ask(cluster, "SELECT 1") == "1"


def test_a_failed_start_says_what_the_log_says(data_dir: Path) -> None:
    with Embedded(data_dir, durable=False) as cluster:
        pass
    (cluster.directory / "postgresql.auto.conf").write_text("nonsense = 1\n")
    for _ in range(2):  # the first failure must leave no lock behind
        with pytest.raises(EmbeddedError, match=r'did not start(.|\n)*parameter "nonsense"'), Embedded(data_dir):
            pass


def test_a_locked_directory_is_waited_for_only_so_long(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WAIT", 0.1)
    data_dir.mkdir()
    with (data_dir / "control.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedError, match="Another groundswell command"), Embedded(data_dir):
            pass


def test_a_directory_served_out_of_sight_is_refused(data_dir: Path) -> None:
    with Embedded(data_dir, durable=False) as cluster:
        pass
    with socket.socket(socket.AF_UNIX) as container:
        container.bind(str(cluster.socket_dir / ".s.PGSQL.5432"))
        container.listen()
        with pytest.raises(EmbeddedError, match="another container"), Embedded(data_dir, durable=False):
            pass


def test_an_unwritable_directory_is_a_plain_error(open_dir: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path; from db.embedded import Embedded, EmbeddedError\n"
        f"try: Embedded(Path({str(open_dir / 'data')!r})).__enter__()\n"
        "except EmbeddedError as error: print(error)"
    )
    open_dir.chmod(0o555)
    # Root may write everywhere, so it becomes nobody, who needs the capability to read the virtualenv.
    account = (
        embedded_account.Account(65534, 65534, "dac_read_search") if os.geteuid() == 0 else embedded_account.Account()
    )
    done = account.run([sys.executable, "-c", code], open_dir, subprocess.PIPE, "")
    open_dir.chmod(0o755)
    assert "may not be read and written by the user of the database" in done.stdout
    assert "Traceback" not in done.stdout


@as_root
def test_as_root_a_closed_folder_stays_closed(tmp_path: Path, data_dir: Path) -> None:
    tmp_path.chmod(0o700)
    with Embedded(data_dir, durable=False) as cluster:
        assert psutil.Process(postmaster(cluster)).username() == "nobody"
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path, data_dir, cluster.directory, cluster.socket_dir)]
    owners = [path.owner() for path in (tmp_path, data_dir, cluster.directory, cluster.socket_dir)]
    assert modes == [0o700, 0o700, 0o700, 0o700]
    assert owners == ["root", "root", "nobody", "nobody"]


@as_root
def test_as_root_an_open_folder_needs_no_capability(open_dir: Path) -> None:
    if not all(embedded_account.allows(path, 65534, 65534) for path in embedded_account.find_binaries()[1].parents):
        pytest.skip("the virtualenv is closed to nobody")
    with Embedded(open_dir / "data", durable=False) as cluster:
        status = Path(f"/proc/{postmaster(cluster)}/status").read_text()
    assert "CapPrm:\t0000000000000000" in status
    assert (open_dir / "data").stat().st_mode & 0o777 == 0o711


@as_root
def test_as_root_without_setpriv_a_closed_folder_is_refused(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match="Run as an ordinary user"), Embedded(data_dir):
        pass


@as_root
def test_as_root_a_cluster_keeps_its_owner(open_dir: Path) -> None:
    data_dir = open_dir / "data"
    with Embedded(data_dir, durable=False) as cluster:
        pass
    for path in (cluster.directory, *cluster.directory.rglob("*")):
        os.chown(path, 1, 1)
    with Embedded(data_dir, durable=False) as cluster:
        assert psutil.Process(postmaster(cluster)).uids().real == 1
