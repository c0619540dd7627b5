"""To which posts interactions belong."""

from collections.abc import Sequence

from sqlalchemy import text

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.interaction_items import NewInteraction


async def place(transaction: Transaction, items: Sequence[NewInteraction]) -> dict[int, Problem]:
    """Gives each item its post and that one's content. Answers, by position, what is wrong with those that name no known post."""
    named = sorted(
        {(item.platform.value, item.external_post_id) for item in items if item.external_post_id is not None}
    )
    if not named:
        return {}
    values = {"platforms": sorted({platform for platform, _ in named}), "posts": [post for _, post in named]}
    rows = await transaction.rows(_POSTS, {**values, "workspace": transaction.workspace_id})
    found = {(row.platform, row.external_post_id): row for row in rows}
    wrong: dict[int, Problem] = {}
    for index, item in enumerate(items):
        if item.external_post_id is None:
            continue
        row = found.get((item.platform.value, item.external_post_id))
        if row is None:
            wrong[index] = not_found("No such post on this platform: upsertContent makes it.", "external_post_id")
        else:
            item.post_id, item.content_id = row.id, row.content_id
    return wrong


_POSTS = text(
    "SELECT id, content_id, platform, external_post_id FROM content_posts "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND external_post_id = ANY (CAST(:posts AS text[])) "
    "AND platform = ANY (CAST(:platforms AS text[]))"
)
