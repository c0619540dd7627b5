"""Why the embedded server cannot be used: one sentence what is wrong, one what to do."""

import errno
import math
import re
import shutil
from pathlib import Path

_DAMAGED = (
    r"pg_control|control file|checkpoint record|invalid checkpoint|database files are incompatible|"
    r"is not a valid data directory|could not open (file|directory) .*: No such file"
)
# What PostgreSQL says, in its own words (LC_ALL=C), and what we say of it. The first that fits counts.
_KNOWN = (
    (
        r"No space left on device|Disk quota exceeded|File too large",
        "The disk of {folder} is full: {free} of it are free. Make room there, then start Groundswell again.",
    ),
    (
        r"has wrong ownership",
        "{folder}/postgres belongs to another user than this one. Run Groundswell as that user, or give the folder to this "
        "one with chown -R.",
    ),
    (
        r"Read-only file system",
        "{folder} lies on a file system that is mounted read-only. Mount it for writing, or choose another --data-dir.",
    ),
    (
        r"Permission denied",
        "{folder} may not be read and written by the user of the database: {line}. Give it the folder with chown -R, or choose "
        "another --data-dir.",
    ),
    (
        _DAMAGED,
        "The database in {folder} is damaged: {line}. Restore a backup into another --data-dir with: groundswell restore FILE",
    ),
    (
        r"could not (create|map|reserve).*(shared memory|semaphores)|Cannot allocate memory|out of memory",
        "The machine has too little memory for the database in {folder}: {line}. End other programs, or give it more.",
    ),
    (
        r"pre-existing shared memory",
        "Processes of a killed database server still use {folder}. Wait until they have ended, or end them: they are named postgres.",
    ),
    (
        r"too many clients|remaining connection slots",
        "All connections of the database in {folder} are taken. End one of the programs that use it, then try again.",
    ),
)
_GRAVE = re.compile(r"\b(PANIC|FATAL|ERROR|error|fatal|could not)\b")
_NOISE = re.compile(
    r"pg_ctl: |Examine the log|stopped waiting|waiting for server|is shut down|starting PostgreSQL|listening on"
)
_NOTHING = 1 << 20
_ERRNO = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EFBIG: "File too large",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
    errno.EPERM: "Permission denied",
}


def why(said: str, folder: Path, failed: str) -> str:
    """The message for what a binary of PostgreSQL said. ``failed``: what did not work, where it is nothing that we know."""
    grave = "\n".join(line for line in said.splitlines() if _GRAVE.search(line))
    line = (_lines(grave) or _lines(said) or [""])[-1]
    for pattern, message in _KNOWN:
        if re.search(pattern, said):
            return message.format(folder=folder, free=free(folder), line=line)
    if _room(folder) < _NOTHING:  # then not even the log could be written
        return why("No space left on device", folder, failed)
    told = "; ".join(_lines(said)[-2:]) or "it said nothing"
    return f"{failed} in {folder}: {told}. Look into {folder}/postgres.log."


def why_not(error: Exception, folder: Path) -> str:
    """The message for what the system or a process refused."""
    words = _ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
    place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    if words is not None:
        return why(f"{place}{words}", folder, "")
    what = f"{place}{error.strerror or error}" if isinstance(error, OSError) else str(error)
    return f"The database in {folder} cannot be used: {what}. Mend that, or choose another --data-dir."


def free(folder: Path) -> str:
    """How much room is left where a folder is, for people."""
    room = _room(folder)
    if math.isinf(room):
        return "an unknown amount"
    for unit in ("bytes", "KiB", "MiB"):
        if room < 1024:
            return f"{room:.0f} {unit}"
        room /= 1024
    return f"{room:.1f} GiB"


def _room(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # the folder is not there, for one thing
        return math.inf


def _lines(said: str) -> list[str]:
    """What tells something of what was said, without times and levels."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not _NOISE.search(line)]
    return [
        re.sub(r"^[-\d]+ [\d:.]+ \w+ \[\d+\] (\w+: +)?|^\w+: (fatal|error): ", "", line).rstrip(".") for line in lines
    ]
