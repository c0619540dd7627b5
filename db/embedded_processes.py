"""The processes of a cluster: its postmaster, whatever its pid file says, and what a killed one leaves behind."""

import logging
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from db.embedded_account import read

log = logging.getLogger("groundswell.database")

POLL = 0.05
YOUNG = 60.0
"""Seconds for which a postmaster may be without its pid file because it has not come to writing one."""
STOP_FAST = 15.0
"""Seconds for a fast shutdown: clients are cut off, and what is in memory is written."""
STOP_AT_ONCE = 8.0
"""Seconds for an immediate one: postgres itself kills what has not ended after five."""
LINGER = 5.0
"""Seconds in which the children of a killed postmaster notice that it is gone."""
UNLISTED, STARTING, STOPPING = "unlisted", "starting", "stopping"


@dataclass(frozen=True)
class Server:
    """A postmaster that lives."""

    process: psutil.Process
    status: str
    """As the pid file says; UNLISTED if that does not name this postmaster; empty if it is cut off."""
    socket_dir: Path | None = None


class Processes:
    """Those of the cluster in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self) -> Server | None:
        """The postmaster. The pid file may be cut off, garbage, or name a foreign process."""
        lines = read(self._directory / "postmaster.pid").splitlines()
        with suppress(psutil.NoSuchProcess, ValueError):
            if self.serves(process := psutil.Process(pid_in(lines))):
                where = Path(lines[4]) if len(lines) > 5 and lines[4] else None
                return Server(process, lines[7].strip() if len(lines) > 7 else "", where)
        living = [process for process in psutil.process_iter() if self.serves(process)]
        # A child that was just forked looks like its parent, which is older.
        return Server(min(living, key=psutil.Process.create_time), UNLISTED) if living else None

    def serves(self, process: psutil.Process) -> bool:
        """Whether this is the postmaster of our cluster, dead ones (zombies) and its children excepted."""
        with suppress(psutil.Error):
            command = process.cmdline() if process.name() == "postgres" else []
            if command and not command[0].startswith("postgres:") and process.status() != psutil.STATUS_ZOMBIE:
                return str(self._directory) in command or process.cwd() == str(self._directory)
        return False

    def stop(self, process: psutil.Process) -> bool:
        """Ends a postmaster with all its children, as kindly as it lets itself be ended. False: it lives on all the same."""
        children = _children(process)
        for number, seconds in (
            (signal.SIGINT, STOP_FAST),  # as pg_ctl stop does
            (signal.SIGQUIT, STOP_AT_ONCE),  # what was committed is not lost: the next start recovers it
        ):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            if self._ended(process, seconds):
                return True
            log.warning("the database server does not stop (process %d, signal %s)", process.pid, number.name)
            children |= _children(process)
        for one in (process, *children):  # the postmaster first: it would start some of them again
            with suppress(psutil.NoSuchProcess):
                one.kill()
        return self._ended(process, LINGER)

    def _ended(self, process: psutil.Process, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while lives(process):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def end_orphans(self) -> None:
        """Waits until the children of a killed postmaster are gone, and ends those that stay: no other can start beside them.

        What they have committed is in the log, from which the next postmaster recovers.
        """
        deadline = time.monotonic() + LINGER
        while left := self._orphans():
            if time.monotonic() > deadline:
                for process in left:
                    with suppress(psutil.Error):
                        process.kill()
            if time.monotonic() > deadline + LINGER:
                return  # postgres itself refuses to start beside them
            time.sleep(POLL)

    def _orphans(self) -> list[psutil.Process]:
        """The cluster's processes without a postmaster. To be asked for only where there is none."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
                    command = process.cmdline()
                    is_child = bool(command) and command[0].startswith("postgres:")
                    found += [process] if is_child and process.cwd() == str(self._directory) else []
        return found


def _children(process: psutil.Process) -> set[psutil.Process]:
    with suppress(psutil.Error):
        return set(process.children())
    return set()


def lives(process: psutil.Process) -> bool:
    """Whether it runs; not a zombie, nor another process of the same number."""
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def drop_misleading(path: Path) -> None:
    """postgres clears the lock file of a dead process, but stops at an empty one or a pid that lives again."""
    pid = pid_in(read(path).splitlines())
    if pid < 0 or psutil.pid_exists(pid):
        path.unlink(missing_ok=True)


def pid_in(lines: list[str]) -> int:
    """The pid in a lock file, or -1."""
    return int(lines[0]) if lines and re.fullmatch(r"[1-9][0-9]{0,6}", lines[0]) else -1


def is_young(process: psutil.Process) -> bool:
    """Whether it has begun so lately that what is missing of it may still come."""
    return bool(time.time() - process.create_time() < YOUNG)
