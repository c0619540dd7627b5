"""Recounts of scores: at midnight in each workspace's zone, and when somebody asks for one.

What a recount finds is corrected and counted in one transaction, and logged once that is committed: who is killed in between
leaves no line in the log, but the metric has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import structlog

from db import queue
from db.changes import Outcome, change
from db.engine import Database, Transaction, is_unavailable
from db.queries.followers import recounting
from db.queries.followers.recounting import BATCH, Standing, Step
from jobs.again import Again

log = structlog.get_logger("groundswell.recounts")

T = TypeVar("T")
ENTRYPOINT = "recount"
_BEHIND_ALL_ELSE = -1
"""The priority of nightly recounts in the queue: midnight brings many at once, and nobody waits for them."""
_AT_ONCE = timedelta(0)
_LATER = timedelta(seconds=5)
"""How long a recount rests after the database could not be reached."""


class Change(Protocol):
    """Runs one transaction of a workspace, as ``db.changes.change`` does."""

    async def __call__(self, work: Callable[[Transaction], Awaitable[T]], /) -> Outcome[T]:
        """Answers what the work does."""


def changes_of(database: Database, workspace_id: int) -> Change:
    """Transactions of a workspace."""
    return partial(change, database, workspace_id)


async def tonight(database: Database, now: datetime) -> None:
    """Puts all nightly recounts in the queue that are due and not finished. What is there already is left alone."""
    async with database.everywhere() as transaction:
        for row in await recounting.nightly(transaction, now):
            job = {"workspace": row.workspace_id, "recount": row.id}
            await queue.enqueue(transaction, ENTRYPOINT, job, _BEHIND_ALL_ELSE)


async def recount_nightly(
    database: Database, workspace_id: int, recount_id: int, stopping: asyncio.Event, size: int = BATCH
) -> None:
    """Works on a recount until it is finished. Raises Again where that is not now: ``stopping`` was set, or the database
    could not be reached."""
    try:
        standing = await recount(
            changes_of(database, workspace_id), workspace_id, recount_id, stopping.is_set, size=size
        )
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("the database could not be reached; the recount goes on later", workspace=workspace_id)
        raise Again(_LATER, "the database could not be reached") from error
    if stopping.is_set() and (standing is None or not standing.finished):
        raise Again(_AT_ONCE, "the worker stops")


async def recount(
    change: Change,
    workspace_id: int,
    recount_id: int,
    stopped: Callable[[], bool] = lambda: False,
    told: Callable[[Standing], None] = lambda _standing: None,
    *,
    size: int = BATCH,
) -> Standing | None:
    """Goes on with a recount, step by step, until it is finished or ``stopped``, and logs what is corrected.

    ``told`` is called after each step. Answers how the recount stands after the last one; None where no step was taken.
    """
    bound = log.bind(workspace=workspace_id, recount=recount_id)
    standing: Standing | None = None
    while (standing is None or not standing.finished) and not stopped():
        outcome = await change(lambda transaction: recounting.step(transaction, recount_id, size))
        if outcome.value is None:
            return standing
        _log(bound, outcome.value)
        standing = outcome.value.standing
        told(standing)
    if standing is not None and standing.finished:
        bound.info("scores are recounted", followers=standing.followers, differed=standing.differed)
    return standing


def _log(bound: structlog.stdlib.BoundLogger, step: Step) -> None:
    for one in step.corrections:
        tier_before, tier_after = one.tiers
        scores = {"score_before": one.before, "score_after": one.after}
        told = {"follower": one.follower_id, **scores, "tier_before": tier_before.value, "tier_after": tier_after.value}
        what = "score differed from its ledger" if one.counts else "times differed from their ledger"
        bound.warning(what, **told)
        if one.dropped:
            bound.warning("score dropped", **told)
    if step.weeks:
        bound.warning("weeks of followers differed from their ledger", weeks=step.weeks)
    if step.ranks:
        bound.warning("counts of followers by score differed from the followers", counts=step.ranks)
