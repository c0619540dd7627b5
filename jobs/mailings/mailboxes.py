"""Mailboxes on the disk: a mail in a file, a folder of such, a maildir, an mbox. They are only read."""

import hashlib
import mailbox
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jobs.mailings.bounces import LARGEST

_MBOX = b"From "
_DELIVERED = ("cur", "new")
"""The folders of a maildir that mails are in. What is in ``tmp`` is not there yet."""
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_MARKS = re.compile(
    rb"^(?:Status|X-Status|X-Keywords|X-UID|Content-Length|Lines):[^\n]*\n", re.IGNORECASE | re.MULTILINE
)
"""Headers that mail programs write into an mbox to keep what was read: the mail stays the same one."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail. ``name`` is for people; ``content`` its first LARGEST bytes; ``digest`` SHA-256 of all of them, in hexadecimal digits."""

    name: str
    content: bytes
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was passed over, a mail, a file or a folder, and why."""

    name: str
    reason: str


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def files_of(path: Path) -> Iterator[Path | Skipped]:
    """The files that mails may be in: the path itself, or all in a folder and below it, but those whose names begin with a dot."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        yield Skipped(str(path), _said(error))
        return
    if not is_folder:
        yield path
        return
    failed: list[OSError] = []
    for folder, inner, names in os.walk(path, onerror=failed.append):
        is_maildir = set(_DELIVERED) <= set(inner)
        inner[:] = _DELIVERED if is_maildir else sorted(name for name in inner if not name.startswith("."))
        for name in () if is_maildir else sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
    yield from (Skipped(str(error.filename), _said(error)) for error in failed)


def mails_of(path: Path) -> Iterator[Mail | Skipped]:
    """The mails in a file: one, or those of an mbox, which begins with ``From`` and a space."""
    try:
        if not path.is_file():  # a pipe would be waited for
            path.stat()
            yield Skipped(str(path), "It is no file.")
            return
        with path.open("rb") as file:
            if file.read(len(_MBOX)) != _MBOX:
                file.seek(0)
                yield _mail(str(path), file)
                return
        yield from _of_mbox(path)
    except (OSError, mailbox.Error) as error:
        yield Skipped(str(path), _said(error))


def _of_mbox(path: Path) -> Iterator[Mail]:
    with closing(mailbox.mbox(path, create=False)) as box:
        for number, key in enumerate(box.iterkeys(), 1):
            with closing(box.get_file(key)) as file:
                yield _mail(f"{path}, mail {number}", file, _unmarked)


def _mail(name: str, file: _Readable, changed: Callable[[bytes], bytes] = bytes) -> Mail:
    """Reads a mail of any size, and keeps of it what is looked at."""
    content = file.read(LARGEST)
    digest, size = hashlib.sha256(changed(content)), len(content)
    while more := file.read(LARGEST):
        digest.update(more)
        size += len(more)
    return Mail(name, content, digest.hexdigest(), size)


def _unmarked(content: bytes) -> bytes:
    end = _END_OF_HEADERS.search(content)
    place = len(content) if end is None else end.start() + 1
    return _MARKS.sub(b"", content[:place]) + content[place:]


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
