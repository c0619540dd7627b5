"""A maildir: where messages go without a mail server, for any mail program to open.

A file's name follows from the Message-ID, so a message that is delivered again replaces itself.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVarTuple

from jobs.mailings.messages import Made
from jobs.mailings.transports import Accepted, Away, Result, Session, TransportAway

Given = TypeVarTuple("Given")
_FOLDERS = ("tmp", "new", "cur")
_ONLY_OWNER = 0o700


class Maildir:
    """A folder that messages are delivered into. Made when the first one is, for nobody else to read."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder = folder
        self.threads = ThreadPoolExecutor(threads, "maildir")

    def session(self) -> Session:
        """One delivery at a time."""
        return MaildirSession(self)

    def prepare(self) -> None:
        """Makes the folder where it is missing. Raises OSError."""
        self.folder.mkdir(mode=_ONLY_OWNER, parents=True, exist_ok=True)
        self.folder.chmod(_ONLY_OWNER)
        for name in _FOLDERS:
            (self.folder / name).mkdir(mode=_ONLY_OWNER, exist_ok=True)

    def deliver(self, made: Made) -> None:
        """Writes a message where it is read from, so that it is there whole or not at all. Raises OSError."""
        name = hashlib.sha256(made.message_id.encode()).hexdigest()
        written = self.folder / "tmp" / f"{name}.{os.getpid()}"
        with written.open("wb") as file:
            file.write(made.content.replace(b"\r\n", b"\n"))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.folder / "new" / name)
        _sync(self.folder / "new")


class MaildirSession:
    """Delivers into a maildir."""

    may_have_sent = False
    """Delivered again it is the same file."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir
        self._is_open = False

    async def open(self) -> None:
        """Makes the folder. Raises TransportAway where that is not possible."""
        if not self._is_open:
            try:
                await self._run(self._maildir.prepare)
            except OSError as error:
                raise TransportAway(_said(error)) from None
            self._is_open = True

    async def send(self, made: Made) -> Result:
        """Delivers a message; Away where the disk is full or the like."""
        try:
            await self._run(self._maildir.deliver, made)
        except OSError as error:
            self._is_open = False  # somebody may have removed the folder
            return Away(_said(error))
        return Accepted()

    async def close(self) -> None:
        """Nothing is held."""

    async def _run(self, work: Callable[[*Given], None], *args: *Given) -> None:
        await asyncio.get_running_loop().run_in_executor(self._maildir.threads, work, *args)


def _said(error: OSError) -> str:
    return f"The maildir cannot be written: {error.strerror or error}."


def _sync(folder: Path) -> None:
    """A name that was given survives a power cut only once its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
