"""To which posts interactions belong."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.interaction_items import NewInteraction


async def place(transaction: Transaction, items: Sequence[NewInteraction]) -> dict[int, Problem]:
    """Gives each item its post and that one's content. Answers, by position, what is wrong with those that name no known post."""
    whose = [_POST(item) for item in items]
    named = {post for post in whose if post[1] is not None}
    if not named:
        return {}
    values = {"platforms": sorted({platform for platform, _ in named}), "posts": sorted({post for _, post in named})}
    rows = await transaction.rows(_POSTS, {**values, "workspace": transaction.workspace_id})
    found = {(row.platform, row.external_post_id): (row.id, row.content_id) for row in rows}
    wrong: dict[int, Problem] = {}
    for index, (item, post) in enumerate(zip(items, whose, strict=True)):
        if post in found:
            item.post_id, item.content_id = found[post]
        elif post[1] is not None:
            wrong[index] = not_found("No such post on this platform: upsertContent makes it.", "external_post_id")
    return wrong


_POST: Callable[[NewInteraction], tuple[str, Any]] = attrgetter("platform._value_", "external_post_id")
_POSTS = text(
    "SELECT id, content_id, platform, external_post_id FROM content_posts "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND external_post_id = ANY (CAST(:posts AS text[])) "
    "AND platform = ANY (CAST(:platforms AS text[]))"
)
