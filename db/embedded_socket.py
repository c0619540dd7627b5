"""Where the embedded server's unix socket is: below the data directory if the path is short and plain, else elsewhere."""

import hashlib
import os
import re
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from db.embedded_account import Account, EmbeddedError

SOCKET = ".s.PGSQL.5432"
SOCKET_LIMIT = 100  # bytes; the kernel takes 108 on Linux and 104 on macOS
SOCKET_SAFE = re.compile(r"[\w./@+=~-]+")  # PostgreSQL, libpq and SQLAlchemy split paths at commas and colons


def socket_dir(data_dir: Path) -> Path:
    """The directory of the socket of a data directory. Raises EmbeddedError where no path is short enough."""
    near = data_dir / "run"
    name = f"groundswell-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    far = Path(tempfile.gettempdir()).resolve() / name / "run"
    for path in (near, far):
        if SOCKET_SAFE.fullmatch(str(path)) and len(os.fsencode(path / SOCKET)) <= SOCKET_LIMIT:
            return path
    raise EmbeddedError(f"The path {far} is too long for a socket. Set TMPDIR to a shorter one.")


def make_socket_dir(data_dir: Path, account: Account) -> Path:
    """Makes it, closed to others than the server's account. Raises EmbeddedError where others got there first."""
    path = socket_dir(data_dir)
    if path.parent != data_dir:
        _make_private(path.parent, account.mode)
    path.mkdir(mode=0o700, exist_ok=True)
    account.own(path)
    return path


def _make_private(path: Path, mode: int) -> None:
    """The temporary directory is everybody's, and the name can be guessed: insist that it is ours."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
        raise EmbeddedError(f"{path} belongs to somebody else. Remove it, or set TMPDIR to another place.")
    path.chmod(mode)


def refuse_unseen(path: Path) -> None:
    """A container that shares the directory but not our processes may serve it; two servers would destroy it."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(FileNotFoundError, ConnectionRefusedError):
        probe.connect(str(path))
        raise EmbeddedError(
            f"A server of another container or machine answers on {path}. Stop it there first: two would destroy the database."
        )
