"""Short ways to bring content, followers and what they do about."""

from typing import Any

from tests.api import Api
from tests.facts import ERRORS, at


def post(platform: str, external_post_id: str, **values: Any) -> dict[str, Any]:
    """A post as upsertContent takes it."""
    return {"platform": platform, "externalPostId": external_post_id, **values}


async def write_content(api: Api, slug: str, fields: str = "id", **values: Any) -> Any:
    """What upsertContent answers."""
    query = (
        "mutation ($input: UpsertContentInput!) { upsertContent(input: $input) "
        f"{{ contentItem {{ {fields} }} {ERRORS} }} }}"
    )
    return (await api.data(query, input={"slug": slug, "title": slug.title(), **values}))["upsertContent"]


async def upsert_content(api: Api, slug: str, **values: Any) -> str:
    """The id of a content item that is made or changed."""
    payload = await write_content(api, slug, **values)
    assert payload["userErrors"] == []
    content_id: str = payload["contentItem"]["id"]
    return content_id


def interaction(key: str, who: str = "creator_amy", **values: Any) -> dict[str, Any]:
    """An interaction as recordInteractions takes it: a comment on TikTok at noon, unless the values say otherwise."""
    follower = {"externalId": who, "username": who}
    return {"key": key, "platform": "TIKTOK", "follower": follower, "type": "COMMENT", "occurredAt": at(), **values}


async def record_interactions(api: Api, *interactions: dict[str, Any]) -> Any:
    """What recordInteractions answers."""
    return (
        await api.data(
            "mutation ($input: RecordInteractionsInput!) { recordInteractions(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"interactions": list(interactions)},
        )
    )["recordInteractions"]
