"""A process that reads the film or sound at its standard input, and prints what it is told of it as JSON. See ``media``.

It is run as a script, and imports nothing of ours.
"""

import json
import sys
from contextlib import suppress
from typing import Any

from pymediainfo import MediaInfo

_MEMORY = 1024**3
_CPU_SECONDS = 20


def bound() -> None:
    """Bounds this process, where the system can: memory, time, and no file may be written."""
    with suppress(ImportError):
        import resource

        for what, most in (
            (resource.RLIMIT_AS, _MEMORY),
            (resource.RLIMIT_CPU, _CPU_SECONDS),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(ValueError, OSError):
                resource.setrlimit(what, (most, most))


def told() -> dict[str, Any]:
    """Whether there are films and sounds, whether the file is cut off, its milliseconds, and pixels and turn of the first film."""
    # Given as a stream and not by its name, MediaInfo looks for nothing beside it.
    tracks = MediaInfo.parse(sys.stdin.buffer, parse_speed=0.0).tracks
    kinds = [one.track_type for one in tracks]
    general = next((one for one in tracks if one.track_type == "General"), None)
    film = next((one for one in tracks if one.track_type == "Video"), None)
    return {
        "video": "Video" in kinds,
        "audio": "Audio" in kinds,
        "truncated": getattr(general, "istruncated", None) == "Yes",
        "duration": number(getattr(general, "duration", None)),
        "width": number(getattr(film, "width", None)),
        "height": number(getattr(film, "height", None)),
        "rotation": number(getattr(film, "rotation", None)),
    }


def number(value: Any) -> float | None:
    """A number, however it is told."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


if __name__ == "__main__":
    bound()
    sys.stdout.write(json.dumps(told()))
