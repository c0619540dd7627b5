"""Rows that are posts with the figures that their platform reports of them, as one of its exports has them.

Figures are no interactions: nobody knows who it was. They stand at the post, and count for no follower.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from db.engine import Transaction
from db.errors import Problem, invalid
from db.models.content_items import FIGURES, LONGEST_TITLE, NewPost, title_of
from db.models.rules import text_problems, time_problems
from db.queries.content import writing
from jobs.imports.posts_adapters import AS_OF, ID, Adapter
from jobs.imports.posts_folding import read
from jobs.imports.references import Reference
from jobs.imports.rows import EMPTY, Draft, Kind, Taken, add_problems

CONTENT = Reference("content", "content_id", "No content item has the slug {!r}.", writing.ids_of_slugs)
_VALUES = ("caption", "posted_at", "url")
_AHEAD = timedelta(days=1)
"""A report of a day may be named by the end of it."""


@dataclass(slots=True)
class Report:
    """A post as its platform reports it, and the title of the content item that is made for it if it is not known."""

    post: NewPost
    title: str
    content_id: int | None = None
    """The item that all new posts become part of; None: each gets one of its own."""


def posts(adapter: Adapter) -> Kind:
    """The kind of rows that an adapter reads."""
    return Kind(
        f"posts of {adapter.name}",
        list(adapter.columns),
        (),
        partial(_build, adapter),
        _record,
        adapter.parsers,
        (CONTENT,),
        read=partial(read, adapter),
    )


def _build(adapter: Adapter, found: dict[str, Any], problems: list[Problem], now: datetime) -> Report:
    given = {name: found[name] for name in _VALUES if name in found}
    figures = {name: found[name] for name in FIGURES if found.get(name) is not None}
    post = NewPost(adapter.platform, found.get(ID, ""), given, figures, found.get(AS_OF))
    title = title_of(found.get("title"), post.values.get("caption")) or post.external_post_id
    # Figures by their own names: a file has no field that holds them all.
    wrong = [Problem(one.code, one.message, one.field[-1:]) for one in post.problems(now)]
    if "title" in found:
        wrong += text_problems("title", title, LONGEST_TITLE)
    wrong += [invalid(EMPTY, AS_OF)] if post.figures_at is None else _time_problems(post.figures_at, now)
    add_problems(problems, wrong)
    return Report(post, title)


def _time_problems(at: datetime, now: datetime) -> list[Problem]:
    # Else it would keep all later figures out.
    ahead = [invalid("This report is of a time that lies ahead.", AS_OF)] if at > now + _AHEAD else []
    return ahead or list(time_problems(AS_OF, at, now))


async def _record(transaction: Transaction, drafts: Sequence[Draft]) -> Taken:
    reports: list[Report] = [draft.item for draft in drafts]
    owners = await writing.owners_of(transaction, [report.post.identity for report in reports])
    new = {report.post.identity: report for report in reports if report.post.identity not in owners}
    made = await _create(transaction, list(new.values()))
    owners |= await writing.owners_of(transaction, list(new))
    written = await writing.write_posts(transaction, [(one.post, owners[one.post.identity]) for one in reports])
    accepted = len(made | {identity for identity, one in written.items() if one.changed})
    return Taken(accepted, len(drafts) - accepted)


async def _create(transaction: Transaction, reports: Sequence[Report]) -> set[tuple[str, str]]:
    """Makes the posts. Which item they become part of is said for all of a run or for none."""
    titles = {report.post.identity: report.title for report in reports}
    content_id = reports[0].content_id if reports else None
    return await writing.create_missing_posts(transaction, titles, content_id)
