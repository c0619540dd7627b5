"""Making and changing content items with their tags and posts, and taking in what platforms report of posts."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import TextClause, delete, func, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Transaction
from db.errors import Problem, Refused, conflict
from db.models.content import ContentItem, ContentSummary, ContentTag
from db.models.content_items import FIGURES, NewContent, NewPost, slug_of
from db.models.platforms import Platform

_BELONGS = "This post belongs to another content item."


async def write(transaction: Transaction, content: NewContent) -> int:
    """Makes the item of a slug, or changes the one that is there; answers its id. Posts that are not named stay.

    It is valid. Raises Refused for posts that are another item's.
    """
    content_id = await _write_item(transaction, content)
    if content.tags is not None:
        await _write_tags(transaction, content_id, content.tags)
    written = await write_posts(transaction, [(post, content_id) for post in content.posts])
    problems = _not_of(content_id, content, {identity: one.content_id for identity, one in written.items()})
    if problems:
        raise Refused(problems)
    return content_id


async def strangers(transaction: Transaction, content: NewContent) -> list[Problem]:
    """What is wrong with the posts of an item that are another one's, as things stand. It need not be valid."""
    posts = [post.identity for post in content.posts if "\0" not in post.external_post_id]
    slugs = [content.slug] if "\0" not in content.slug else []
    mine = await ids_of_slugs(transaction, slugs)
    return _not_of(mine.get(content.slug), content, await owners_of(transaction, posts))


def _not_of(content_id: int | None, content: NewContent, owners: Mapping[tuple[str, str], int]) -> list[Problem]:
    return [
        conflict(_BELONGS, "posts", str(index), "external_post_id")
        for index, post in enumerate(content.posts)
        if owners.get(post.identity, content_id) != content_id
    ]


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


class Written(NamedTuple):
    """What came of a post that was written."""

    content_id: int
    """Whose it is. Another item's was left alone; 0: that of one that somebody else made a moment ago."""
    changed: bool
    """Whether it is new or other than it was."""


async def write_posts(transaction: Transaction, posts: Sequence[tuple[NewPost, int]]) -> dict[tuple[str, str], Written]:
    """Makes or changes posts, each of a content item; answers by identity what came of each: another item's are left alone.

    One after another, in the order of their identities, so that writers do not deadlock. Figures of an earlier moment than
    those that are there replace none of them: they stand where there is none. So it does not matter which report of a post
    comes first.
    """
    found: dict[tuple[str, str], Written] = {}
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
        row = await transaction.row(_write_post(*given), values)
        found[post.identity] = Written(0, changed=False) if row is None else Written(row.content_id, row.changed)
    return found


@cache
def _write_post(given: tuple[str, ...], figures: tuple[str, ...]) -> TextClause:
    columns = (*_IDENTITY, *given, *figures, *(("figures_at",) if figures else ()))
    newer = "(content_posts.figures_at IS NULL OR excluded.figures_at >= content_posts.figures_at)"
    changes = {name: f"excluded.{name}" for name in given}
    for name in figures:
        older = f"coalesce(content_posts.{name}, excluded.{name})"
        changes[name] = f"CASE WHEN {newer} THEN excluded.{name} ELSE {older} END"
    if figures:
        changes["figures_at"] = "greatest(content_posts.figures_at, excluded.figures_at)"
    before, after = (", ".join(part) for part in ([f"content_posts.{name}" for name in changes], changes.values()))
    types = {
        **dict.fromkeys((*FIGURES, "workspace_id", "content_id"), "bigint"),
        "figures_at": "timestamptz",
        "posted_at": "timestamptz",
    }
    values = ", ".join(f"CAST(:{name} AS {types.get(name, 'text')})" for name in columns)
    # The last part answers whose it is where the first one left it alone, as it does with one that stays as it is. Nothing
    # moves a post to another item.
    return text(f"""
WITH written AS (
  INSERT INTO content_posts ({", ".join(columns)}) VALUES ({values})
  ON CONFLICT (workspace_id, platform, external_post_id)
  DO UPDATE SET {", ".join(f"{name} = {value}" for name, value in (*changes.items(), ("updated_at", "now()")))}
  WHERE content_posts.content_id = excluded.content_id AND {f"({before}) IS DISTINCT FROM ({after})" if changes else "false"}
  RETURNING content_id
)
SELECT content_id, true AS changed FROM written UNION ALL SELECT content_id, false FROM content_posts
WHERE workspace_id = (SELECT CAST(:workspace_id AS bigint)) AND platform = :platform AND external_post_id = :external_post_id
LIMIT 1""")  # noqa: S608 - names only


_IDENTITY: Any = ("workspace_id", "content_id", "platform", "external_post_id")


async def create_missing_posts(
    transaction: Transaction, titles: Mapping[tuple[str, str], str], content_id: int | None = None
) -> set[tuple[str, str]]:
    """Makes posts that are not there, of an item or each of one of its own, and answers which were made.

    ``titles``, by the posts' identities: those of the items that are made, known by ``slug_of`` the post. One that is there
    already gets the post. No race is lost.
    """
    if not titles:
        return set()
    posts = sorted(titles)
    if content_id is None:
        slugs = [slug_of(Platform(platform), post) for platform, post in posts]
        ids = await create_missing(transaction, {slug: titles[post] for slug, post in zip(slugs, posts, strict=True)})
        owners = [ids[slug] for slug in slugs]
    else:
        owners = [content_id] * len(posts)
    values = {
        "workspace": transaction.workspace_id,
        "owners": owners,
        "platforms": [platform for platform, _ in posts],
        "posts": [post for _, post in posts],
    }
    return {(row.platform, row.external_post_id) for row in await transaction.rows(_CREATE_POSTS, values)}


async def create_missing(transaction: Transaction, titles: Mapping[str, str]) -> dict[str, int]:
    """Makes items, whose titles are given by slug, and leaves alone those that are there; answers all ids by slug."""
    slugs = sorted(titles)
    values = {"workspace": transaction.workspace_id, "slugs": slugs, "titles": [titles[slug] for slug in slugs]}
    await transaction.run(_CREATE_ITEMS, values)
    return await ids_of_slugs(transaction, slugs)


async def ids_of_slugs(transaction: Transaction, slugs: Sequence[str]) -> dict[str, int]:
    """The items' ids by slug; missing ones are left out."""
    rows = await transaction.rows(_OF_SLUGS, {"workspace": transaction.workspace_id, "slugs": list(slugs)})
    return {row.slug: row.id for row in rows}


async def owners_of(transaction: Transaction, posts: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Whose posts are, by platform and the platform's own id; missing ones are left out."""
    values = {
        "workspace": transaction.workspace_id,
        "platforms": sorted({platform for platform, _ in posts}),
        "posts": [post for _, post in posts],
    }
    rows = await transaction.rows(_OWNERS, values)
    return {(row.platform, row.external_post_id): row.content_id for row in rows}


_CREATE_ITEMS = text(
    "WITH made AS (INSERT INTO content_items (workspace_id, slug, title) SELECT CAST(:workspace AS bigint), new.* "
    "FROM unnest(CAST(:slugs AS text[]), CAST(:titles AS text[])) AS new (slug, title) ORDER BY slug "
    "ON CONFLICT (workspace_id, slug) DO NOTHING RETURNING id) "
    "INSERT INTO content_summaries (workspace_id, content_id) SELECT CAST(:workspace AS bigint), id FROM made ORDER BY id"
)
_CREATE_POSTS = text(
    "INSERT INTO content_posts (workspace_id, content_id, platform, external_post_id) "
    "SELECT CAST(:workspace AS bigint), new.* FROM unnest(CAST(:owners AS bigint[]), CAST(:platforms AS text[]), "
    "CAST(:posts AS text[])) AS new (content_id, platform, external_post_id) ORDER BY platform, external_post_id "
    "ON CONFLICT (workspace_id, platform, external_post_id) DO NOTHING RETURNING platform, external_post_id"
)
_OF_SLUGS = text(
    "SELECT id, slug FROM content_items WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND slug = ANY (CAST(:slugs AS text[]))"
)
_OWNERS = text(
    "SELECT content_id, platform, external_post_id FROM content_posts "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND external_post_id = ANY (CAST(:posts AS text[])) "
    "AND platform = ANY (CAST(:platforms AS text[]))"
)
