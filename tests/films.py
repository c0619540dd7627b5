"""Films for the tests: the few boxes of an MP4 that say how long and how large it is, with one frame of nothing."""

import struct

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_TURNED = struct.pack(">9I", 0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000)


def mp4(width: int, height: int, milliseconds: int, *, turned: bool = False) -> bytes:
    """An MP4 with one track. ``turned``: to be shown turned by 90 degrees."""
    time, size = struct.pack(">II", 0, 0), struct.pack(">II", width << 16, height << 16)
    film = _box(
        b"mp4v",
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HHIIIH", width, height, 0x480000, 0x480000, 0, 1),
        bytes(32) + struct.pack(">Hh", 24, -1),
    )
    samples = _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), film),
        _full(b"stts", 0, struct.pack(">III", 1, 1, milliseconds)),
        _full(b"stsc", 0, struct.pack(">IIII", 1, 1, 1, 1)),
        _full(b"stsz", 0, struct.pack(">III", 0, 1, 4)),
        _full(b"stco", 0, struct.pack(">II", 1, 36)),
    )
    here = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, time, struct.pack(">IIHH", 1000, milliseconds, 0x55C4, 0)),
        _full(b"hdlr", 0, bytes(4), b"vide", bytes(13)),
        _box(b"minf", _full(b"vmhd", 1, bytes(8)), here, samples),
    )
    header = _full(
        b"tkhd", 3, time, struct.pack(">III", 1, 0, milliseconds), bytes(16), _TURNED if turned else _MATRIX, size
    )
    whole = _full(
        b"mvhd",
        0,
        time,
        struct.pack(">IIIHHII", 1000, milliseconds, 0x10000, 0x100, 0, 0, 0),
        _MATRIX,
        bytes(24),
        struct.pack(">I", 2),
    )
    beginning = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    return beginning + _box(b"mdat", bytes(4)) + _box(b"moov", whole, _box(b"trak", header, media))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)
