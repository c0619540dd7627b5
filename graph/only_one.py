"""What a data directory bears one of: a server, or a command that no server may disturb."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from graph.development import make_data_dir
from graph.environment import SettingsError
from graph.settings import Settings, address_of


@contextmanager
def only_one(settings: Settings, doing: str | None = None) -> Iterator[Callable[[int], None]]:
    """One server on a data directory, and none while it is restored. On a database of its own, as many as one likes.
    Whoever comes second reads the port that was announced, or what is done (``doing``). Raises SettingsError.
    """
    if settings.database_url is not None:
        yield lambda _port: None
        return
    make_data_dir(settings.data_dir)
    with (settings.data_dir / "serve.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SettingsError(
                f"Groundswell is already running on this data directory ({file.read().strip() or 'starting'}). "
                + (
                    "Stop it, or choose another --data-dir."
                    if doing
                    else "Stop it, or choose another --data-dir and --port."
                )
            ) from None

        def announce(port: int) -> None:
            with suppress(OSError):  # a full disk
                file.truncate(0)
                file.write(f"process {os.getpid()}, {doing or address_of(settings.host, port)}")
                file.flush()

        announce(settings.port)
        yield announce
        file.truncate(0)
