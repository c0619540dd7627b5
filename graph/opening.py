"""Where the database is: DATABASE_URL's server, or the embedded one of the data directory."""

from collections.abc import Iterator
from contextlib import contextmanager

from db.embedded import Embedded
from db.supervision import supervised
from graph.settings import Settings


@contextmanager
def database_at(settings: Settings) -> Iterator[str]:
    """The database's address, for as long as it is needed.

    Starts the embedded server, or joins one that runs, and starts it again whenever it dies meanwhile.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    with supervised(Embedded(settings.data_dir)) as cluster:
        yield cluster.url()
