"""Making and changing content items with their tags and posts, and taking in what platforms report of posts."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import TextClause, delete, func, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Transaction
from db.errors import Refused, conflict
from db.models.content import ContentItem, ContentSummary, ContentTag
from db.models.content_items import FIGURES, NewContent, NewPost

_BELONGS = "This post belongs to another content item."


async def write(transaction: Transaction, content: NewContent) -> int:
    """Makes the item of a slug, or changes the one that is there; answers its id. Posts that are not named stay.

    It is valid. Raises Refused for posts that are another item's.
    """
    content_id = await _write_item(transaction, content)
    if content.tags is not None:
        await _write_tags(transaction, content_id, content.tags)
    owners = await write_posts(transaction, [(post, content_id) for post in content.posts])
    problems = [
        conflict(_BELONGS, "posts", str(index), "external_post_id")
        for index, post in enumerate(content.posts)
        if owners[post.identity] != content_id
    ]
    if problems:
        raise Refused(problems)
    return content_id


async def _write_item(transaction: Transaction, content: NewContent) -> int:
    values = {"workspace_id": transaction.workspace_id, "slug": content.slug, "title": content.title, **content.values}
    changed = {"title": content.title, **content.values, "updated_at": func.now()}
    statement = (
        upsert(ContentItem)
        .values(values)
        .on_conflict_do_update(index_elements=(ContentItem.workspace_id, ContentItem.slug), set_=changed)
        .returning(ContentItem.id)
    )
    content_id = int(await transaction.scalar(statement))
    summary = {"workspace_id": transaction.workspace_id, "content_id": content_id}
    await transaction.run(upsert(ContentSummary).values(summary).on_conflict_do_nothing())
    return content_id


async def _write_tags(transaction: Transaction, content_id: int, tags: Sequence[tuple[str, str]]) -> None:
    await transaction.run(
        delete(ContentTag).where(ContentTag.workspace_id == transaction.workspace, ContentTag.content_id == content_id)
    )
    rows = [
        {"workspace_id": transaction.workspace_id, "content_id": content_id, "type": kind, "value": value}
        for kind, value in sorted(set(tags))
    ]
    if rows:
        await transaction.run(insert(ContentTag).values(rows))


async def write_posts(transaction: Transaction, posts: Sequence[tuple[NewPost, int]]) -> dict[tuple[str, str], int]:
    """Makes or changes posts, each of a content item; answers whose each one is afterwards: another item's are left alone.

    One after another, in the order of their identities, so that writers do not deadlock. Figures of an earlier moment than those that are there change nothing.
    """
    owners: dict[tuple[str, str], int] = {}
    for post, content_id in sorted(posts, key=lambda pair: pair[0].identity):
        values = {
            "workspace_id": transaction.workspace_id,
            "content_id": content_id,
            "platform": post.platform.value,
            "external_post_id": post.external_post_id,
            **post.values,
            **post.figures,
            **({"figures_at": post.figures_at} if post.figures else {}),
        }
        given = (tuple(sorted(post.values)), tuple(name for name in FIGURES if name in post.figures))
        # None: another item's, made a moment ago.
        owners[post.identity] = int(await transaction.scalar(_write_post(*given), values) or 0)
    return owners


@cache
def _write_post(given: tuple[str, ...], figures: tuple[str, ...]) -> TextClause:
    columns = (*_IDENTITY, *given, *figures, *(("figures_at",) if figures else ()))
    newer = "(content_posts.figures_at IS NULL OR excluded.figures_at >= content_posts.figures_at)"
    changed = [f"{name} = excluded.{name}" for name in given]
    changed += [f"{name} = CASE WHEN {newer} THEN excluded.{name} ELSE content_posts.{name} END" for name in figures]
    if figures:
        changed.append("figures_at = greatest(content_posts.figures_at, excluded.figures_at)")
    types = {
        **dict.fromkeys((*FIGURES, "workspace_id", "content_id"), "bigint"),
        "figures_at": "timestamptz",
        "posted_at": "timestamptz",
    }
    values = ", ".join(f"CAST(:{name} AS {types.get(name, 'text')})" for name in columns)
    # The last part answers whose it is where the first one left it alone. Nothing moves a post to another item.
    return text(f"""
WITH written AS (
  INSERT INTO content_posts ({", ".join(columns)}) VALUES ({values})
  ON CONFLICT (workspace_id, platform, external_post_id) DO UPDATE SET {", ".join((*changed, "updated_at = now()"))}
  WHERE content_posts.content_id = excluded.content_id RETURNING content_id
)
SELECT content_id FROM written UNION ALL SELECT content_id FROM content_posts
WHERE workspace_id = (SELECT CAST(:workspace_id AS bigint)) AND platform = :platform AND external_post_id = :external_post_id
LIMIT 1""")  # noqa: S608 - names only


_IDENTITY: Any = ("workspace_id", "content_id", "platform", "external_post_id")


async def ids_of_slugs(transaction: Transaction, slugs: Sequence[str]) -> dict[str, int]:
    """The items' ids by slug; missing ones are left out."""
    rows = await transaction.rows(_OF_SLUGS, {"workspace": transaction.workspace_id, "slugs": list(slugs)})
    return {row.slug: row.id for row in rows}


async def owners_of(transaction: Transaction, posts: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Whose posts are, by platform and the platform's own id; missing ones are left out."""
    values = {
        "workspace": transaction.workspace_id,
        "platforms": [platform for platform, _ in posts],
        "posts": [post for _, post in posts],
    }
    rows = await transaction.rows(_OWNERS, values)
    return {(row.platform, row.external_post_id): row.content_id for row in rows}


_OF_SLUGS = text(
    "SELECT id, slug FROM content_items WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND slug = ANY (CAST(:slugs AS text[]))"
)
_OWNERS = text(
    "SELECT posts.content_id, posts.platform, posts.external_post_id FROM content_posts posts "
    "JOIN unnest(CAST(:platforms AS text[]), CAST(:posts AS text[])) AS named (platform, external_post_id) "
    "USING (platform, external_post_id) WHERE posts.workspace_id = (SELECT CAST(:workspace AS bigint))"
)
