"""Working: a process that does background work and answers nobody."""

import asyncio
import signal

import structlog

from db.engine import Database
from db.migrate import upgrade
from graph.environment import SettingsError
from graph.logs import configure_logging
from graph.opening import database_at
from graph.settings import Settings
from jobs.exports.run import Options
from jobs.mailings.sending import Sender
from jobs.objects import BadObjectUrl, Objects, ObjectsError
from jobs.worker import Worker

# Neither Strawberry nor Starlette is imported here: a worker has that much more memory for its work.

log = structlog.get_logger("groundswell.work")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def objects_of(settings: Settings) -> Objects:
    """The store of the settings. Raises SettingsError."""
    try:
        return Objects.at(settings.objects_url())
    except (BadObjectUrl, ObjectsError) as error:
        raise SettingsError(f"OBJECT_STORE_URL: {error}") from None


def worker_of(settings: Settings, database: Database, url: str, objects: Objects, address: str) -> Worker:
    """The worker of the settings, over a database and a store that are open. ``address``: where the links in mails lead."""
    options = Options(part_rows=settings.export_part_rows)
    sender = Sender(database, settings.mail_options(), address)
    return Worker(settings.live_database_url or url, database, objects, settings.jobs_heartbeat, options, sender=sender)


def work(settings: Settings) -> None:
    """Works until it is told to stop. Raises SettingsError, EmbeddedError and DatabaseUnavailable."""
    configure_logging(settings.log_level)
    for number in _SIGNALS:
        signal.signal(number, _leave)  # until there is work to be stopped
    objects = objects_of(settings)
    with database_at(settings) as url:
        before, after = asyncio.run(upgrade(url))
        if before != after:
            log.info("migrated", revision=after)
        asyncio.run(_work(settings, url, objects))


async def _work(settings: Settings, url: str, objects: Objects) -> None:
    database = Database(url, size=settings.pool_size, overflow=settings.pool_overflow)
    worker = worker_of(settings, database, url, objects, settings.address(settings.port))
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    log.info("this process does background work")
    try:
        await worker.run()
    finally:
        await database.close()
    log.info("stopped; what was not finished goes on elsewhere, or with the next start")


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)
