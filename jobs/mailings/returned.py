"""Mails that came back: what became of mails of ours, by what mail servers write to their sender.

Nobody signs such mails. What is believed of one is about the mail whose token it quotes, which none has but who got that mail.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from typing import Any

from db.engine import Database
from db.models.email_words import EmailEventType
from jobs.mailings.bounces import Returned, read
from jobs.mailings.mailboxes import Mail, Skipped, files_of, mails_of
from jobs.mailings.providers import notices
from jobs.mailings.providers.notices import Notice, Said
from jobs.mailings.reports import record_reports
from jobs.mailings.tokens import Tokens

BATCH = 500
"""Mails that are read and then recorded together, at most."""
_DIGITS = 32
_NOT_OF_THE_ADDRESS = ("5.2.2", "5.2.3", "5.3.", "5.7.")
"""Refused for good, but not since the address is none: full mailboxes, large mails, their systems, what they think of us."""


@dataclass
class Counts:
    """What came of some mails. All but ``unreadable`` together are ``read``."""

    read: int = 0
    bounces: int = 0
    complaints: int = 0
    duplicates: int = 0
    """Bounces and complaints that were recorded before, or stand twice here."""
    delays: int = 0
    """About mails of ours that are still under way, or have arrived."""
    not_ours: int = 0
    """With no token of ours: whatever else comes into a mailbox."""
    not_understood: int = 0
    """About mails of ours, but no bounce and no complaint as programs write them: answers, absences, prose."""
    not_taken: list[Skipped] = field(default_factory=list)
    """About recipients who are not there any more, or to whom nothing was sent."""
    unreadable: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    notice: Notice


Told = Callable[[Counts, int], None]
"""Is told after each batch how things stand, and how many bytes were read so far."""


def files_in(paths: Iterable[Path]) -> tuple[list[Path], list[Skipped]]:
    """All files that mails may be in, and what could not be looked into."""
    found = [one for path in paths for one in files_of(path)]
    return [one for one in found if isinstance(one, Path)], [one for one in found if isinstance(one, Skipped)]


async def take(
    database: Database,
    tokens: Tokens,
    files: Sequence[Path],
    stopped: Callable[[], bool] = lambda: False,
    told: Told = lambda counts, size: None,
) -> Counts:
    """Reads all mails in some files, and records what they say of mails of ours, each once.

    Ends early, behind a batch that is recorded, once ``stopped`` says so. Raises what the database raises.
    """
    counts, size = Counts(), 0
    mails = chain.from_iterable(map(mails_of, files))
    while not stopped():
        batch = await asyncio.to_thread(_read, mails, stopped)
        if not batch:
            break
        await _record(database, list(_sorted(batch, tokens, counts)), counts)
        size += sum(one.size for one, _ in batch if isinstance(one, Mail))
        told(counts, size)
    return counts


def _read(mails: Iterator[Mail | Skipped], stopped: Callable[[], bool]) -> list[tuple[Mail | Skipped, Returned]]:
    """The next mails, and what each says."""
    batch: list[tuple[Mail | Skipped, Returned]] = []
    while len(batch) < BATCH and not stopped() and (one := next(mails, None)) is not None:
        batch.append((one, read(one.content) if isinstance(one, Mail) else Returned()))
    return batch


def _sorted(batch: Iterable[tuple[Mail | Skipped, Returned]], tokens: Tokens, counts: Counts) -> Iterator[_Found]:
    """Counts what is not to be recorded, and answers what is."""
    now = datetime.now(UTC)
    for mail, said in batch:
        if isinstance(mail, Skipped):
            counts.unreadable.append(mail)
            continue
        counts.read += 1
        recipient = notices.recipient_of(tokens, (said.recipient_token, said.original_message_id))
        if recipient is None:
            counts.not_ours += 1
        elif said.kind is None:
            counts.delays += said.action is not None
            counts.not_understood += said.action is None
        else:
            key = f"returned:{mail.digest[:_DIGITS]}"
            event = Said(said.kind, _date(mail.content), _data(said))
            yield _Found(mail.name, event.notice(key, recipient, now, now))


def _data(said: Returned) -> dict[str, Any]:
    if said.kind is EmailEventType.COMPLAIN:
        return {"feedbackType": notices.words(said.diagnostic)}
    kind = kind_of(said.status)
    return notices.bounce(kind, None, said.status, notices.reason(said.diagnostic))


def kind_of(status: str | None) -> str | None:
    """Whether a bounce is "Permanent" or "Transient", by its enhanced status code (RFC 3463); None where that does not say."""
    if status is None or status[:1] not in ("4", "5"):
        return None
    return "Transient" if status.startswith(("4", *_NOT_OF_THE_ADDRESS)) else "Permanent"


def _date(content: bytes) -> datetime | None:
    """When a mail was written, as it says itself; None where it does not."""
    try:
        found = parsedate_to_datetime(str(BytesHeaderParser().parsebytes(content)["Date"]))
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


async def _record(database: Database, found: Sequence[_Found], counts: Counts) -> None:
    """Records what was found, workspace by workspace, bounces and complaints by themselves."""
    groups = defaultdict[tuple[int, EmailEventType], list[_Found]](list)
    for one in found:
        groups[one.notice.workspace_id, one.notice.event.type].append(one)
    for (workspace_id, kind), group in sorted(groups.items()):
        done = await record_reports(database, workspace_id, [one.notice.event for one in group])
        if kind is EmailEventType.BOUNCE:
            counts.bounces += done.accepted
        else:
            counts.complaints += done.accepted
        counts.duplicates += done.duplicates
        for place, problems in sorted(done.rejected.items()):
            counts.not_taken.append(Skipped(group[place].name, problems[0].message))
