"""The queue of background work: PGQueuer's tables in a schema of their own. A job is put in by the transaction that wants it.

What is in the queue are names and keys, nothing that belongs to a workspace: what a job does is in tables of ours.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

import orjson
from pgqueuer import PgQueuer
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.db import AsyncpgDriver, Driver
from pgqueuer.domain.settings import DBSettings
from pgqueuer.queries import Queries
from sqlalchemy import Connection, text

from db import tenancy
from db.engine import Database, Transaction
from db.session import session

SCHEMA = "groundswell_queue"
WORKER = "groundswell worker"
"""What a worker's connection is called in pg_stat_activity, by which others know that there is one."""
# Spelt out, so that PGQUEUER_ variables of the environment change nothing here.
SETTINGS = DBSettings(db_schema=SCHEMA, prefix="")


def _queries(driver: Driver) -> Queries:
    return Queries(
        driver, QueryBuilderEnvironment(SETTINGS), QueryQueueBuilder(SETTINGS), QuerySchedulerBuilder(SETTINGS)
    )


def install(connection: Connection) -> None:
    """Makes the queue, in a migration's transaction. Whoever may write data may put jobs in; only the system takes them."""
    made = QueryBuilderEnvironment(SETTINGS).build_install_query()
    _run(connection, "; ".join([made.rstrip().rstrip(";"), *_grants()]))


def _grants() -> list[str]:
    names = SETTINGS.qualified
    writers = f"{tenancy.APP_ROLE}, {tenancy.PARTNER_ROLE}"
    return [
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {', '.join(tenancy.ROLES)}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA} TO {tenancy.SYSTEM_ROLE}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {tenancy.SYSTEM_ROLE}",
        f"GRANT INSERT ON {names.queue_table}, {names.queue_table_log} TO {writers}",
        # What the statement that puts a job in reads of it.
        f"GRANT SELECT (id, entrypoint, priority, dedupe_key, status) ON {names.queue_table} TO {writers}",
        f"GRANT USAGE ON SEQUENCE {names.queue_table}_id_seq TO {writers}",
    ]


def uninstall(connection: Connection) -> None:
    """Removes the queue and what is in it, in a migration's transaction."""
    _run(connection, f"DROP SCHEMA {SCHEMA} CASCADE")


def _run(connection: Connection, statements: str) -> None:
    # By the driver itself: it takes many statements in one text, functions with semicolons among them.
    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(lambda driver: driver.execute(statements))


async def settle(driver: Any) -> None:
    """Brings the queue to what the installed version of PGQueuer expects. Not inside a transaction."""
    queries = _queries(AsyncpgDriver(driver))
    if (await queries.plan_upgrade()).statements:
        await queries.apply_upgrade()
        await driver.execute("; ".join(_grants()))


class _Within(AsyncpgDriver):
    """Runs PGQueuer's statements inside a transaction of ours."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.driver)


async def enqueue(transaction: Transaction, entrypoint: str, job: dict[str, int], priority: int = 0) -> None:
    """Puts a job in, to be run once the transaction is committed. One that waits or runs already is left as it is.

    Of the jobs that wait, those of the highest priority are taken first.
    """
    payload = orjson.dumps(job, option=orjson.OPT_SORT_KEYS)
    dedupe_key = f"{entrypoint}:{payload.decode()}"
    await _queries(_Within(transaction)).enqueue(
        entrypoint, payload, priority, dedupe_key=dedupe_key, on_conflict="skip"
    )


@asynccontextmanager
async def worker(url: str, name: str, lost: Callable[[], None]) -> AsyncIterator[PgQueuer]:
    """What takes jobs out, on a connection of its own. Register what it does, and ``run`` it.

    ``lost`` is called when the connection is gone: nobody says that its jobs are alive then, and others take them over.
    """
    async with session(url, name) as own:
        own.driver.add_termination_listener(lambda _connection: lost())
        driver = AsyncpgDriver(own.driver)
        yield PgQueuer(driver, channel=SETTINGS.channel, queries=_queries(cast(Driver, driver)))


async def depths(transaction: Transaction) -> list[tuple[str, str, int]]:
    """How many jobs are in the queue, by kind and status: ``queued``, ``picked`` and what else there is."""
    counted = (
        f"SELECT entrypoint, status::text, count(*) FROM {SETTINGS.qualified.queue_table} GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608
    )
    return [(row[0], row[1], row[2]) for row in await transaction.rows(text(counted))]


async def sweep(database: Database, older_than: datetime) -> None:
    """Removes what the queue has written down of jobs that ended before."""
    async with database.everywhere() as transaction:
        written = f"DELETE FROM {SETTINGS.qualified.queue_table_log} WHERE created < :before AND aggregated"  # noqa: S608
        await transaction.run(text(written), {"before": older_than})
