"""Comments in threads: any depth, pages on every level, and tombstones that go with what they hold up."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from tests.api import Api
from tests.facts import add_comment, at, comment, create_campaign, delete_comment, edit_comment, metrics

SHAPE = "id body actor { userId } replyCount descendantCount depth"
THREADS = f"""query ($id: ID!) {{ campaign(id: $id) {{ comments(orderBy: OLDEST) {{ totalCount nodes {{ {SHAPE}
  replies {{ totalCount nodes {{ {SHAPE} replies {{ totalCount nodes {{ {SHAPE} }} }} }} }} }} }} }} }}"""


async def threads(api: Api, campaign_id: str) -> Any:
    """The bodies of a campaign's comments, three levels deep; a tombstone's is None."""
    found = (await api.data(THREADS, id=campaign_id))["campaign"]["comments"]
    assert found["totalCount"] == len(found["nodes"])
    return [bodies(node) for node in found["nodes"]]


def bodies(node: Any) -> Any:
    replies = node.get("replies", {"nodes": [], "totalCount": 0})
    assert replies["totalCount"] == len(replies["nodes"])
    assert (node["body"] is None) == (node["actor"] is None)
    return (node["body"], node["replyCount"], node["descendantCount"], [bodies(reply) for reply in replies["nodes"]])


async def test_replies_know_their_place(api: Api) -> None:
    campaign_id = await create_campaign(api)
    top = await comment(api, campaign_id, "ada", "Top")
    reply = await comment(api, campaign_id, "bob", "Reply", parentId=top)
    answer = (await add_comment(api, campaign_id, "cy", "Deeper", parentId=reply))["comment"]
    assert (answer["depth"], answer["parent"]["id"], answer["root"]["id"]) == (2, reply, top)
    assert await threads(api, campaign_id) == [("Top", 1, 2, [("Reply", 1, 1, [("Deeper", 0, 0, [])])])]
    root = await api.data("query ($id: ID!) { node(id: $id) { ... on Comment { parent { id } root { id } } } }", id=top)
    assert root["node"] == {"parent": None, "root": {"id": top}}


async def test_a_deleted_comment_with_replies_stays_as_a_tombstone_until_the_last_goes(api: Api) -> None:
    campaign_id = await create_campaign(api)
    top = await comment(api, campaign_id, "ada", "Top")
    reply = await comment(api, campaign_id, "bob", "Reply", parentId=top)
    deeper = await comment(api, campaign_id, "cy", "Deeper", parentId=reply)
    payload = await delete_comment(api, top)
    assert payload["comment"].pop("deletedAt")
    assert payload["comment"] == {"id": top, "body": None, "replyCount": 1, "descendantCount": 2, "actor": None}
    await delete_comment(api, reply)
    assert await threads(api, campaign_id) == [(None, 0, 1, [(None, 1, 1, [("Deeper", 0, 0, [])])])]
    assert await metrics(api, campaign_id, "comments") == {"comments": 1}
    assert (await delete_comment(api, deeper))["comment"] is None
    assert await threads(api, campaign_id) == []
    assert await metrics(api, campaign_id, "comments") == {"comments": 0}
    for gone in (top, reply, deeper):
        assert await api.data("query ($id: ID!) { node(id: $id) { id } }", id=gone) == {"node": None}


async def test_a_tombstone_shows_nothing_personal(api: Api, database: Database, workspace: int) -> None:
    campaign_id = await create_campaign(api)
    personal = {"source": "shared", "deviceType": "phone", "location": "Berlin", "occurredAt": at()}
    top = await comment(api, campaign_id, "ada", "Secret", **personal)
    await comment(api, campaign_id, "bob", parentId=top)
    await delete_comment(api, top)
    query = "query ($id: ID!) { node(id: $id) { ... on Comment { body actor { userId } source deviceType location impression { id } } } }"
    assert set((await api.data(query, id=top))["node"].values()) == {None}
    async with database.write(workspace) as transaction:
        assert await transaction.scalar(text("SELECT body FROM engagements ORDER BY id LIMIT 1")) == "Secret"


async def test_deleting_twice_subtracts_once(api: Api) -> None:
    campaign_id = await create_campaign(api)
    top = await comment(api, campaign_id, "ada", "Top")
    reply = await comment(api, campaign_id, "bob", parentId=top)
    for _ in range(2):
        assert await delete_comment(api, reply) == {"comment": None, "userErrors": []}
    assert await threads(api, campaign_id) == [("Top", 0, 0, [])]
    assert await metrics(api, campaign_id, "comments") == {"comments": 1}


async def test_what_was_deleted_takes_neither_replies_nor_edits(api: Api) -> None:
    campaign_id = await create_campaign(api)
    top = await comment(api, campaign_id, "ada")
    reply = await comment(api, campaign_id, "bob", parentId=top)
    await delete_comment(api, top)
    [error] = (await add_comment(api, campaign_id, "cy", parentId=top))["userErrors"]
    assert error == {"code": "CONFLICT", "message": "The comment to reply to was deleted.", "field": ["parentId"]}
    [error] = (await edit_comment(api, top, "Back"))["userErrors"]
    assert (error["code"], error["field"]) == ("CONFLICT", ["id"])
    await delete_comment(api, reply)
    [error] = (await edit_comment(api, top, "Back"))["userErrors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["id"])


async def test_a_parent_is_a_comment_of_the_same_campaign(api: Api) -> None:
    campaign_id, other = await create_campaign(api), await create_campaign(api)
    elsewhere = await comment(api, other, "ada")
    [error] = (await add_comment(api, campaign_id, "bob", parentId=elsewhere))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["parentId"])
    assert await metrics(api, campaign_id, "comments") == {"comments": 0}


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("'COMMENT', NULL, 'x', 1, 1, 2", "engagements_parent_fkey"),  # the parent is on the other campaign
        ("'COMMENT', NULL, NULL, NULL, 99, 0", "engagements_comments_have_a_body_check"),
        ("'COMMENT', NULL, ' ', NULL, 99, 0", "engagements_body_check"),
        ("'LIKE', NULL, NULL, 1, NULL, NULL", "engagements_only_comments_reply_check"),
        ("'LIKE', 'k', NULL, NULL, NULL, NULL", "engagements_reactions_have_no_key_check"),
        ("'COMMENT', NULL, 'x', NULL, 1, 0", "engagements_place_check"),
    ],
)
async def test_the_database_holds_it_too(
    api: Api, database: Database, workspace: int, values: str, constraint: str
) -> None:
    await comment(api, await create_campaign(api), "ada")
    await create_campaign(api)
    kind, key, body, parent, root, depth = values.split(", ")
    with pytest.raises(Exception, match=constraint):
        async with database.write(workspace) as transaction:
            await transaction.run(
                text(
                    "INSERT INTO engagements (workspace_id, id, campaign_id, type, key, user_id, body, parent_id, root_id, depth, "
                    f"occurred_at) OVERRIDING SYSTEM VALUE VALUES ({workspace}, 99, (SELECT max(id) FROM campaigns), {kind}, "
                    f"{key}, 'u', {body}, {parent}, {root}, {depth}, now())"
                )
            )


async def test_a_reply_may_be_older_than_its_parent(api: Api) -> None:
    campaign_id = await create_campaign(api)
    top = await comment(api, campaign_id, "ada", "Top", occurredAt=at())
    await comment(api, campaign_id, "bob", "Older", parentId=top, occurredAt=at(days=-1))
    assert await threads(api, campaign_id) == [("Top", 1, 1, [("Older", 0, 0, [])])]


PAGE = """query ($id: ID!, $by: CommentOrder, $first: Int, $after: String, $last: Int, $before: String) {
  campaign(id: $id) { comments(orderBy: $by, first: $first, after: $after, last: $last, before: $before) {
    nodes { body } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } } }"""


async def test_orders_and_pages_of_comments(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ids = [await comment(api, campaign_id, "ada", f"c{n}", occurredAt=at(hours=n)) for n in range(5)]
    for parent in (1, 1, 3):
        await comment(api, campaign_id, "bob", parentId=ids[parent])

    async def walked(by: str | None) -> list[str]:
        found: list[str] = []
        after = None
        for _ in range(3):
            page = (await api.data(PAGE, id=campaign_id, by=by, first=2, after=after))["campaign"]["comments"]
            found += [node["body"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
        assert not page["pageInfo"]["hasNextPage"]
        return found

    assert await walked("OLDEST") == ["c0", "c1", "c2", "c3", "c4"]
    assert await walked("NEWEST") == await walked(None) == ["c4", "c3", "c2", "c1", "c0"]
    assert await walked("MOST_REPLIES") == ["c1", "c3", "c4", "c2", "c0"]
    back = (await api.data(PAGE, id=campaign_id, by="MOST_REPLIES", last=2))["campaign"]["comments"]
    assert [node["body"] for node in back["nodes"]] == ["c2", "c0"]


async def test_a_chain_of_150_is_read_from_its_end(api: Api) -> None:
    campaign_id = await create_campaign(api)
    parent = top = await comment(api, campaign_id, "ada", "0")
    for n in range(1, 150):
        parent = await comment(api, campaign_id, "ada", str(n), parentId=parent)
    query = """query ($end: ID!, $top: ID!) {
      end: node(id: $end) { ... on Comment { body depth descendantCount root { id descendantCount } } }
      top: node(id: $top) { ... on Comment { replyCount descendantCount } } }"""
    assert await api.data(query, end=parent, top=top) == {
        "end": {"body": "149", "depth": 149, "descendantCount": 0, "root": {"id": top, "descendantCount": 149}},
        "top": {"replyCount": 1, "descendantCount": 149},
    }
