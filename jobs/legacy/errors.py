"""What stops a migration from the old shape. It has then changed nothing of the old table."""

from collections.abc import Sequence


class MigrationRefusedError(Exception):
    """The migration cannot be done; the message tells the user why, and ``details`` where."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = details
