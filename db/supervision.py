"""Watches the embedded server while it is used, and starts it again when it has died.

A postmaster that is killed, by `kill -9` or for want of memory, takes all connections with it and is started again by
nobody else. Meanwhile the pool finds no server, which callers are told; what was committed is there again afterwards.
"""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from db.embedded import Cluster, Embedded
from db.embedded_account import EmbeddedError
from db.embedded_reasons import free
from db.embedded_signals import undisturbed

log = logging.getLogger("groundswell.database")

LOOK_EVERY = 0.25
"""Seconds between two looks whether the server lives: two files of /proc are read."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between attempts to start it: the first one is made at once, and each failure doubles the pause."""
STEADY = 30.0
"""Seconds that a server must have lived for the next death to be the first one again."""
TIDY_EVERY = 10.0
"""Seconds between two looks at the room on the disk and the size of the log."""
SCARCE = 256 << 20
"""Bytes free on the disk below which a warning is due: the log of changes alone takes files of 16 MiB."""


@contextmanager
def supervised(embedded: Embedded) -> Iterator[Cluster]:
    """Uses an embedded server, watched. Raises EmbeddedError as the use itself does; afterwards it only logs."""
    with embedded as cluster:
        supervisor = Supervisor(embedded)
        supervisor.start()
        try:
            yield cluster
        finally:
            with undisturbed():
                supervisor.stop()


class Supervisor:
    """A thread of its own: an event loop that is busy, or has stopped, does not hold it up."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database supervisor", daemon=True)
        self._pause = 0.0
        self._since = time.monotonic()
        self._tidied = 0.0
        self._is_scarce = False

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch; within seconds, even if the server is being started just now."""
        self._stopping.set()
        self._embedded.hurry()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            try:
                self._look()
            except Exception:  # whatever it was: without the watch the next death would be the last
                log.exception("watching the database failed; going on")
                self._stopping.wait(LONGEST_PAUSE)

    def _look(self) -> None:
        now = time.monotonic()
        if not self._embedded.runs:
            self._revive()
        elif self._pause and now > self._since + STEADY:
            self._pause = 0.0
        if now > self._tidied + TIDY_EVERY:
            self._tidied = now
            self._tidy()

    def _revive(self) -> None:
        if self._stopping.wait(self._pause):
            return
        log.error("the database server in %s has died; starting it again", self._embedded.folder)
        began = time.monotonic()
        self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
        try:
            self._embedded.revive()
        except EmbeddedError as error:
            if not self._stopping.is_set():
                log.error("the database server cannot be started; trying again in %.1f s. %s", self._pause, error)
            return
        self._since = time.monotonic()
        log.warning("the database server runs again, after %.1f s", self._since - began)

    def _tidy(self) -> None:
        folder = self._embedded.folder
        with suppress(EmbeddedError):
            self._embedded.bound_log()
        with suppress(OSError):
            is_scarce = shutil.disk_usage(folder).free < SCARCE
            if is_scarce and not self._is_scarce:
                log.warning("the disk of %s is nearly full: %s are free. Make room there", folder, free(folder))
            self._is_scarce = is_scarce
