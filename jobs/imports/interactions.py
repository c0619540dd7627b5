"""Rows that are interactions: what a platform's followers did, with who they are. Their posts may be made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from db.engine import Transaction
from db.errors import Problem, invalid, not_found
from db.models.content_items import title_of
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.content import writing
from db.queries.interactions import placing, recording
from jobs.imports import values
from jobs.imports.rows import EMPTY, Draft, Kind, Taken, add_problems

CHUNK = 25_000
"""Rows in a transaction: more than of others, since a follower is written once in each, however much it did."""
TITLE = "title"
"""The field that is the title of the content item which is made for a post."""
FIELDS = (
    "key",
    "platform",
    "type",
    "external_id",
    "username",
    "display_name",
    "profile_url",
    "audience_size",
    "external_post_id",
    TITLE,
    "value",
    "occurred_at",
)
_REQUIRED = ("key", "platform", "type", "external_id", "occurred_at")
_OPTIONAL = ("display_name", "profile_url", "audience_size", "external_post_id", TITLE, "value")
_PLATFORMS = {**{one.value: one for one in Platform}, "X": Platform.TWITTER}
_PARSERS = {
    "platform": values.one_of("platform", _PLATFORMS, Platform.OTHER),
    "type": values.one_of("type", values.with_plurals(InteractionType), InteractionType.LIKE),
    "audience_size": values.whole_number,
}
_NOBODY = "?"  # for a user name where nothing says who it was, so that this is said once


@dataclass(slots=True)
class Told(NewInteraction):
    """An interaction as a row tells it: with the title of what it is about."""

    title: str | None = None


def interactions(
    platform: Platform | None = None,
    kind: InteractionType | None = None,
    *,
    create_posts: bool = False,
) -> Kind:
    """The kind of rows that are interactions, with what is said of all that do not say it themselves.

    ``create_posts``: posts that are not there are made, each with a content item of its own.
    """
    said: Mapping[str, Any] = {"platform": platform, "type": kind}
    defaults = {name: value for name, value in said.items() if value is not None}
    return Kind(
        "interactions",
        FIELDS,
        [name for name in _REQUIRED if name not in defaults],
        _build,
        partial(_record, creates=create_posts),
        _PARSERS,
        defaults=defaults,
        for_all=list(said),
        options={**defaults, **({"create_posts": True} if create_posts else {})},
    )


def _build(found: dict[str, Any], problems: list[Problem], now: datetime) -> Told:
    for name in ("platform", "type"):
        if name not in found:
            add_problems(problems, [invalid(EMPTY, name)])
    who = found.get("external_id", "")
    item = Told(
        found.get("key", ""),
        found.get("platform", Platform.OTHER),
        found.get("type", InteractionType.LIKE),
        found["occurred_at"],
        who,
        found.get("username") or who or _NOBODY,
        **{name: found[name] for name in _OPTIONAL if name in found},
    )
    # Cheap where nothing is wrong, which is nearly always.
    if wrong := item.problems(now):
        # A name that stands in for another has the same wrong with it.
        add_problems(problems, [one for one in wrong if one.field != ("username",) or "username" in found])
    return item


async def _record(transaction: Transaction, drafts: Sequence[Draft], *, creates: bool) -> Taken:
    items: list[Told] = [draft.item for draft in drafts]
    homeless = await placing.place(transaction, items)
    if homeless and creates:
        await _create_posts(transaction, [items[index] for index in sorted(homeless)])
        homeless = await placing.place(transaction, items)
    for index in homeless:
        drafts[index].problems = [_unknown(items[index])]
    done = await recording.record(transaction, [item for index, item in enumerate(items) if index not in homeless])
    return Taken(done.accepted, done.duplicates)


async def _create_posts(transaction: Transaction, items: Sequence[Told]) -> None:
    titles: dict[tuple[str, str], str] = {}
    for item in items:
        post = item.external_post_id or ""
        titles.setdefault((item.platform.value, post), title_of(item.title) or post)
    await writing.create_missing_posts(transaction, titles)


def _unknown(item: Told) -> Problem:
    message = f"There is no post {item.external_post_id!r} on {item.platform}; --create-posts makes posts."
    return not_found(message, "external_post_id")
