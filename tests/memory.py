"""Where the tests' databases lie: in memory if there is room, for what they hold is thrown away."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free. A worker's server takes some 300 MB; containers often have 64 MB in all."""


@contextmanager
def folder_for_databases(otherwise: Path) -> Iterator[Path]:
    """A new folder in memory, which is removed at the end, or ``otherwise`` where there is too little of it.

    Each test clones a database, and a clone is some 600 files: on a disk, making and dropping them took most of the
    time of most tests.
    """
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM):
        yield otherwise
        return
    with TemporaryDirectory(prefix="groundswell-", dir=MEMORY) as folder:
        yield Path(folder)
