"""Recording lines in batches, each in one transaction: what was said of a line is said after its commit."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from db.changes import change
from db.engine import Database, Transaction
from db.errors import Problem, not_found
from db.models.channels import Audience, Channel
from db.models.event_items import NewEvent
from db.queries import campaigns, channels
from db.queries.events import dead_letters, recording
from db.queries.events.dead_letters import Letter
from db.queries.references import strangers
from graph.access import Viewer
from graph.ingest import LARGEST_BATCH
from graph.ingest_events.body import Body
from graph.ingest_events.lines import Line, line_of

LARGEST_BYTES = 4 * 1024 * 1024
"""Bytes of the lines of a batch, which are in memory at the same time."""


class Status(StrEnum):
    """What became of a line."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line, and why it was rejected if it was."""

    line: Line
    status: Status
    problems: Sequence[Problem] = ()


@dataclass(frozen=True)
class _Done:
    """By position, what is wrong with the lines that were rejected, and the keys of those that were new."""

    wrong: dict[int, list[Problem]]
    new: frozenset[str]


async def batches(body: Body, longest: int) -> AsyncIterator[list[Line]]:
    """The lines of a body, but for blank ones, by the batch. ``longest``: bytes of a line."""
    batch: list[Line] = []
    size = number = 0
    async for given in body.lines():
        number += 1
        if given.isspace() or not given:
            continue
        if len(batch) == LARGEST_BATCH or size + len(given) > LARGEST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(line_of(number, given, longest, datetime.now(UTC)))
        size += len(given)
    if batch:
        yield batch


async def record(database: Database, viewer: Viewer, lines: Sequence[Line]) -> list[Result]:
    """Records one batch and keeps what is rejected as dead letters, in one transaction."""

    async def work(transaction: Transaction) -> _Done:
        wrong = {at: line.problems for at, line in enumerate(lines) if line.problems}
        events = await _referring(transaction, lines, wrong)
        places = list(events)
        for index, problems in (await strangers(transaction, list(events.values()))).items():
            wrong[places[index]] = problems
            del events[places[index]]
        done = await recording.record(transaction, list(events.values()), want_keys=True)
        await dead_letters.keep(transaction, _letters(lines, wrong))
        return _Done(wrong, done.new_keys)

    outcome = await change(database, viewer.workspace_id, work, viewer.restricted_to)
    if outcome.value is None:
        return await _refused(database, viewer, lines, outcome.problems)
    return list(_results(lines, outcome.value))


async def _refused(
    database: Database, viewer: Viewer, lines: Sequence[Line], problems: Sequence[Problem]
) -> list[Result]:
    """Rejects all lines of a batch that was refused as a whole. Those that are wrong by themselves say so."""
    wrong = {at: line.problems or list(problems) for at, line in enumerate(lines)}

    async def work(transaction: Transaction) -> None:
        await dead_letters.keep(transaction, _letters(lines, wrong))

    await change(database, viewer.workspace_id, work, viewer.restricted_to)
    return list(_results(lines, _Done(wrong, frozenset())))


def _results(lines: Sequence[Line], done: _Done) -> Iterable[Result]:
    new = set(done.new)
    for at, line in enumerate(lines):
        if at in done.wrong:
            yield Result(line, Status.REJECTED, done.wrong[at])
        elif line.key in new:
            new.remove(line.key)  # of those with one key, the first is the new one
            yield Result(line, Status.ACCEPTED)
        else:
            yield Result(line, Status.DUPLICATE)


def _letters(lines: Sequence[Line], wrong: dict[int, list[Problem]]) -> list[Letter]:
    return [
        Letter(lines[at].key, lines[at].payload.decode(errors="backslashreplace"), wrong[at]) for at in sorted(wrong)
    ]


async def _referring(
    transaction: Transaction, lines: Sequence[Line], wrong: dict[int, list[Problem]]
) -> dict[int, NewEvent]:
    """By position, the events with the ids of what they name. Where there is none of a name, that is wrong with it."""
    ids = {what: await _ids_of(transaction, what, _named(lines, what)) for what in ("campaign", "channel", "audience")}
    events: dict[int, NewEvent] = {}
    for at, line in enumerate(lines):
        if line.event is None:
            continue
        problems = list(_unknown(line, ids))
        if problems:
            wrong[at] = problems
        else:
            found: dict[str, Any] = {f"{what}_id": ids[what][name] for what, name in line.names.items()}
            events[at] = replace(line.event, **found) if found else line.event
    return events


def _named(lines: Sequence[Line], what: str) -> list[str]:
    return sorted({line.names[what] for line in lines if what in line.names})


async def _ids_of(transaction: Transaction, what: str, names: Sequence[str]) -> dict[str, int]:
    if not names:
        return {}
    if what == "campaign":
        return await campaigns.ids_of_keys(transaction, names)
    if what == "channel":
        return await channels.ids_of_names(transaction, Channel, names)
    return await channels.ids_of_names(transaction, Audience, names)


def _unknown(line: Line, ids: dict[str, dict[str, int]]) -> Iterable[Problem]:
    for what, name in line.names.items():
        if name not in ids[what]:
            yield not_found(f"No such {what}.", what)
