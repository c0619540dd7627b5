"""Cursors of the live stream: opaque, and telling nothing of what other workspaces do.

A position counts the changes of all workspaces. One AES block of epoch and position is a permutation that only this
database's secret can undo: the same place has the same cursor for everybody, and no two tell how much lies between them.
"""

import base64
import binascii
import re

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from db.queries.live.log import Head
from graph.errors import bad_input, cursor_expired

_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class Cursors:
    """The cursors of one epoch."""

    def __init__(self, epoch: int, secret: bytes) -> None:
        # ECB: there is one block and never a second one.
        self._cipher = Cipher(algorithms.AES(secret), modes.ECB())  # noqa: S305
        self._epoch = epoch.to_bytes(8, "big", signed=True)

    @classmethod
    def of(cls, head: Head) -> "Cursors":
        """Those of the epoch that the log is in."""
        return cls(head.epoch, head.secret)

    def encode(self, position: int) -> str:
        """The cursor of a position."""
        block = self._cipher.encryptor().update(self._epoch + position.to_bytes(8, "big"))
        return base64.urlsafe_b64encode(block)[:22].decode()

    def decode(self, cursor: str) -> int:
        """The position of a cursor. Raises BAD_USER_INPUT for what is none, CURSOR_EXPIRED for one of another epoch."""
        if _SHAPE.fullmatch(cursor) is None:
            raise bad_input("after: this is not a cursor of the live stream.")
        try:
            block = self._cipher.decryptor().update(base64.urlsafe_b64decode(cursor + "=="))
        except (binascii.Error, ValueError):
            raise bad_input("after: this is not a cursor of the live stream.") from None
        if block[:8] != self._epoch:
            raise expired()
        return int.from_bytes(block[8:], "big")


def after(cursor: str, head: Head) -> int:
    """The position of a cursor that can still be resumed from. Raises what decode raises, and CURSOR_EXPIRED."""
    position = Cursors.of(head).decode(cursor)
    if not head.trimmed <= position <= head.position:
        raise expired()
    return position


def expired() -> Exception:
    """The error for a cursor after which not everything is kept, or that is of another database."""
    return cursor_expired(
        "The events after this cursor are no longer all kept. Ask for what you show again, with liveCursor, and go on from there."
    )
