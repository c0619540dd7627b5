"""Scheduled mailings whose time has come: they are started, or fail and say why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from db.changes import change
from db.engine import Database, Transaction, is_unavailable
from db.errors import Refused
from db.models.email_words import MailingStatus
from db.queries.mailings import moving, sending
from db.statements import Rows
from jobs.mailings.templates import Template

log = structlog.get_logger("groundswell.mail")

_TO_GO_ON = "To send it now all the same, start it."


def links_of(subject: str, html: str, text: str | None) -> Sequence[str]:
    """The links of a template, for ``moving.start``."""
    return Template.of(subject, html, text).links


async def start_due(database: Database, due: Rows) -> None:
    """Starts what is due, rows of ``sending.due``. What was due long ago, or cannot be started, is FAILED with the reason."""
    for row in due:
        try:
            await (_fail_late(database, row) if row.is_late else _start(database, row))
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("a mailing that is due could not be started", mailing=row.id)


async def _start(database: Database, row: Any) -> None:
    async def start(transaction: Transaction) -> None:
        await moving.start(transaction, row.id, links_of, (MailingStatus.SCHEDULED,))
        if not await sending.is_due(transaction, row.id, MailingStatus.RUNNING):
            raise Refused([])  # scheduled anew since it was looked at

    outcome = await change(database, row.workspace_id, start)
    if outcome.problems:
        reasons = " ".join(problem.message for problem in outcome.problems)
        await _fail(database, row, f"It was due at {_said(row.scheduled_at)} and could not be started. {reasons}")


async def _fail_late(database: Database, row: Any) -> None:
    was, found = _said(row.scheduled_at), _said(row.found_at)
    reason = (
        f"It was due at {was}, and no worker found it before {found}. That is too late to send it unasked. {_TO_GO_ON}"
    )
    await _fail(database, row, reason)


async def _fail(database: Database, row: Any, reason: str) -> None:
    async def fail(transaction: Transaction) -> bool:
        is_due = await sending.is_due(transaction, row.id, MailingStatus.SCHEDULED)  # or somebody else was faster
        if is_due:
            await moving.fail(transaction, row.id, reason)
        return is_due

    if (await change(database, row.workspace_id, fail)).value:
        log.warning("a mailing that was due has failed", mailing=row.id, reason=reason)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
