"""Films and sounds: their length and size, read by MediaInfo in a process of its own.

MediaInfo is a large library in C++ and is given what strangers send: whatever that makes of it, only the small process is
lost, which has bounds of memory and time, and none of our secrets in its environment.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
import structlog

log = structlog.get_logger("groundswell.assets")

SECONDS = 30
_READER = Path(__file__).with_name("media_reader.py")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_LONGEST_MS = 2**31 - 1
_MOST_PIXELS = 2**31 - 1


@dataclass(frozen=True)
class Media:
    """What is told of a film or a sound. Width and height are as it is to be shown."""

    has_video: bool
    has_audio: bool
    is_truncated: bool
    width: int | None
    height: int | None
    duration_ms: int | None


def read(file: BinaryIO) -> Media | None:
    """Reads a file of the disk; None where nothing can be made of it."""
    file.flush()
    descriptor = os.dup(file.fileno())  # who is called off closes the file while this runs
    # The process moves the place at which our own file is read: it is put back.
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        told = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-I", str(_READER)],
            stdin=descriptor,
            capture_output=True,
            timeout=SECONDS,
            env=environment,
            check=True,
        )
        return _media(orjson.loads(told.stdout))
    except (subprocess.SubprocessError, orjson.JSONDecodeError) as error:
        log.warning("a film or sound could not be read", error=type(error).__name__)
        return None
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
        os.close(descriptor)


def _media(told: dict[str, int | float | None]) -> Media:
    width, height = _within(told["width"], 1, _MOST_PIXELS), _within(told["height"], 1, _MOST_PIXELS)
    if width is None or height is None:
        width = height = None
    if round(told["rotation"] or 0) % 180 == 90:
        width, height = height, width
    return Media(
        bool(told["video"]),
        bool(told["audio"]),
        bool(told["truncated"]),
        width,
        height,
        _within(told["duration"], 0, _LONGEST_MS),
    )


def _within(value: float | None, least: int, most: int) -> int | None:
    return round(value) if value is not None and least <= value <= most else None
