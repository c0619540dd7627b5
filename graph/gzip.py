"""Gzip, unpacked piece by piece: what comes out at a time is bounded, whatever goes in."""

import zlib
from collections.abc import Iterator

STEP = 32 * 1024
"""Bytes that come out at a time."""
SLICE = 16 * 1024
"""Bytes that go in at a time: what is left of them is copied whenever some are taken, so a large one would cost its square."""
_GZIP = 31  # zlib's way to say: with gzip's header and check sum


class BrokenGzip(ValueError):
    """Bytes that are no gzip, or not all of it."""


class Unpacker:
    """Unpacks a stream of gzip, which may consist of several members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What comes out of some more bytes, at most STEP at a time; nothing, now and then, for others to get a turn.

        Raises BrokenGzip.
        """
        for start in range(0, len(piece), SLICE):
            yield from self._fed(piece[start : start + SLICE])
            yield b""

    def _fed(self, left: bytes) -> Iterator[bytes]:
        full = False
        while left or full:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                out = self._member.decompress(left, STEP)
            except zlib.error:
                raise BrokenGzip from None
            # A full step may have more to come even when all was taken in.
            full = len(out) == STEP and not self._member.eof
            left = self._member.unused_data or self._member.unconsumed_tail
            if out:
                yield out

    def finish(self) -> None:
        """Raises BrokenGzip where something is missing at the end."""
        if not self._member.eof:
            raise BrokenGzip
