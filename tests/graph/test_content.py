"""Content items: making and changing, look-up and lists."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.interactions import placing, recording
from tests.api import Api, token
from tests.db.test_concurrency import waiting
from tests.facts import NOON, at, restricted
from tests.graph.test_campaigns import cursor
from tests.social import post, upsert_content, write_content

WHOLE = """title slug description tags { type value } posts { totalCount nodes { platform externalPostId url caption postedAt
  figures { views impressions likes comments shares saves clicks } } }"""
LIST = """query ($filter: ContentFilter, $order: ContentOrder, $first: Int, $after: String, $last: Int, $before: String) {
  contentItems(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { slug } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def item(api: Api, slug: str, fields: str = WHOLE) -> Any:
    query = f"query ($slug: String!) {{ contentItemBySlug(slug: $slug) {{ {fields} }} }}"
    return (await api.data(query, slug=slug))["contentItemBySlug"]


async def slugs(api: Api, **variables: Any) -> list[str]:
    found = (await api.data(LIST, **{"first": 20, **variables}))["contentItems"]
    if not variables.keys() & {"first", "after", "last", "before"}:
        assert found["totalCount"] == len(found["nodes"])
    return [node["slug"] for node in found["nodes"]]


async def happened(database: Database, workspace: int, *happenings: str) -> None:
    """Records interactions, written as ``post platform follower TYPE``: ``p TIKTOK amy LIKE``."""
    items = []
    for number, one in enumerate(happenings):
        post_id, platform, who, kind = one.split()
        key = f"{number}: {one}"
        items.append(
            NewInteraction(key, Platform(platform), InteractionType(kind), NOON, who, who, external_post_id=post_id)
        )
    async with database.write(workspace) as transaction:
        assert await placing.place(transaction, items) == {}
        await recording.record(transaction, items)


async def test_an_item_is_answered_as_it_was_given(api: Api) -> None:
    figures = {"views": 9007199254740991, "likes": 0, "clicks": 3}
    payload = await write_content(
        api,
        "morning",
        WHOLE,
        title="Morning routine",
        description="How to",
        tags=[
            {"type": "topic", "value": "sleep"},
            {"type": "series", "value": "habits"},
            {"type": "topic", "value": "coffee"},
        ],
        posts=[
            post("TIKTOK", "1", url="https://a.example/1", caption="Hi", postedAt=at(), figures=figures),
            post("INSTAGRAM", "1"),
        ],
    )
    nothing = dict.fromkeys(("views", "impressions", "likes", "comments", "shares", "saves", "clicks"))
    bare = {"url": None, "caption": None, "postedAt": None, "figures": None}
    assert payload["userErrors"] == []
    assert payload["contentItem"] == {
        "title": "Morning routine",
        "slug": "morning",
        "description": "How to",
        "tags": [
            {"type": "series", "value": "habits"},
            {"type": "topic", "value": "coffee"},
            {"type": "topic", "value": "sleep"},
        ],
        "posts": {
            "totalCount": 2,
            "nodes": [
                {"platform": "INSTAGRAM", "externalPostId": "1", **bare},
                {
                    "platform": "TIKTOK",
                    "externalPostId": "1",
                    "url": "https://a.example/1",
                    "caption": "Hi",
                    "postedAt": "2026-03-01T12:00:00Z",
                    "figures": {**nothing, **figures},
                },
            ],
        },
    }
    assert await item(api, "morning") == payload["contentItem"]
    assert await item(api, "evening") is None


async def test_what_is_left_out_stays(api: Api) -> None:
    tags, figures = [{"type": "topic", "value": "sleep"}], {"views": 1, "likes": 2}
    given = post("TIKTOK", "1", url="u", caption="c", postedAt=at(), figures=figures)
    first = await upsert_content(api, "a", description="d", tags=tags, posts=[given, post("META", "2")])
    before = await item(api, "a")
    again = await upsert_content(api, "a", title="New", posts=[post("TIKTOK", "1"), post("META", "2", figures={})])
    assert (again, await item(api, "a")) == (first, {**before, "title": "New"})
    await upsert_content(api, "a", posts=[post("TIKTOK", "1", figures={"likes": 3})])
    [_, tiktok] = (await item(api, "a"))["posts"]["nodes"]
    assert (tiktok["figures"]["views"], tiktok["figures"]["likes"], tiktok["caption"]) == (1, 3, "c")


async def test_null_clears_and_given_tags_replace_all(api: Api) -> None:
    tags, figures = [{"type": "topic", "value": one} for one in ("sleep", "coffee")], {"views": 1, "likes": 2}
    posts = [post("TIKTOK", "1", url="u", caption="c", postedAt=at(), figures=figures)]
    await upsert_content(api, "a", description="d", tags=tags, posts=posts)
    new = [{"type": "topic", "value": "tea"}, {"type": "topic", "value": "tea"}]
    cleared = post("TIKTOK", "1", url=None, caption=None, postedAt=None, figures={"likes": None})
    await upsert_content(api, "a", description=None, tags=new, posts=[cleared])
    found = await item(
        api, "a", "description tags { value } posts { nodes { url caption postedAt figures { views likes } } }"
    )
    assert found == {
        "description": None,
        "tags": [{"value": "tea"}],
        "posts": {"nodes": [{"url": None, "caption": None, "postedAt": None, "figures": {"views": 1, "likes": None}}]},
    }
    await upsert_content(api, "a", tags=None, posts=[post("TIKTOK", "1", figures=None)])
    found = await item(api, "a", "tags { value } posts { nodes { figures { views } } }")
    assert found == {"tags": [], "posts": {"nodes": [{"figures": None}]}}


async def test_times_tell_when_it_was_made_and_written_and_of_when_figures_are(api: Api) -> None:
    fields = "createdAt updatedAt posts { nodes { createdAt updatedAt figures { updatedAt } } }"

    async def times() -> tuple[list[datetime], list[datetime], list[datetime]]:
        found = await item(api, "a", fields)
        [one] = found["posts"]["nodes"]
        moments = [(found["createdAt"], found["updatedAt"]), (one["createdAt"], one["updatedAt"])]
        made, written = zip(*[[datetime.fromisoformat(moment) for moment in pair] for pair in moments], strict=True)
        figures = [] if one["figures"] is None else [datetime.fromisoformat(one["figures"]["updatedAt"])]
        return list(made), list(written), figures

    await upsert_content(api, "a", posts=[post("TIKTOK", "1")])
    made, written, figures = await times()
    assert (made, figures) == (written, [])
    await upsert_content(api, "a", posts=[post("TIKTOK", "1", figures={"views": 1})])
    made_then, written_then, [of_then] = await times()
    assert made_then == made
    assert min(written_then) > max(written)
    await upsert_content(api, "a", posts=[post("TIKTOK", "1", caption="c")])
    assert (await times())[2] == [of_then]
    await upsert_content(api, "a", posts=[post("TIKTOK", "1", figures={"likes": 1})])
    assert (await times())[2] > [of_then]


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_changed(api: Api) -> None:
    await upsert_content(api, "other", posts=[post("TIKTOK", "theirs")])
    payload = await write_content(
        api,
        "s" * 201,
        title=" ",
        description="x" * 2001,
        tags=[{"type": "", "value": "v"}, {"type": "t", "value": "v" * 101}],
        posts=[
            post("TIKTOK", "", url="u" * 2001, caption="c" * 10001, postedAt="1999-12-31T23:59:59Z"),
            post("TIKTOK", "1", figures={"views": -1, "clicks": 1}),
            post("TIKTOK", "1"),
            post("TIKTOK", "theirs"),
            post("TIKTOK", "a\0b"),
        ],
    )
    assert payload["contentItem"] is None
    assert [(one["code"], one["field"], one["message"]) for one in payload["userErrors"]] == [
        ("INVALID", ["title"], "This must not be empty."),
        ("INVALID", ["slug"], "At most 200 characters; there are 201."),
        ("INVALID", ["description"], "At most 2000 characters; there are 2001."),
        ("INVALID", ["tags", "0", "type"], "This must not be empty."),
        ("INVALID", ["tags", "1", "value"], "At most 100 characters; there are 101."),
        ("INVALID", ["posts", "0", "externalPostId"], "This must not be empty."),
        ("INVALID", ["posts", "0", "url"], "At most 2000 characters; there are 2001."),
        ("INVALID", ["posts", "0", "caption"], "At most 10000 characters; there are 10001."),
        ("INVALID", ["posts", "0", "postedAt"], "Times reach from the year 2000 to a year ahead."),
        ("INVALID", ["posts", "1", "figures", "views"], "This must be zero or more, and at most 2^53-1."),
        ("CONFLICT", ["posts", "2", "externalPostId"], "This post stands here twice."),
        ("INVALID", ["posts", "4", "externalPostId"], "A text cannot hold the character U+0000."),
        ("CONFLICT", ["posts", "3", "externalPostId"], "This post belongs to another content item."),
    ]
    assert await slugs(api) == ["other"]


WRONG: list[tuple[dict[str, Any], tuple[list[str], str]]] = [
    ({"slug": " "}, (["slug"], "This must not be empty.")),
    ({"slug": "a\0"}, (["slug"], "A text cannot hold the character U+0000.")),
    ({"title": "t" * 301}, (["title"], "At most 300 characters; there are 301.")),
    (
        {"tags": [{"type": "t", "value": str(n)} for n in range(101)]},
        (["tags"], "At most 100 tags; there are 101."),
    ),
    ({"posts": [post("META", str(n)) for n in range(101)]}, (["posts"], "At most 100 posts; there are 101.")),
]


async def test_a_problem_names_its_field(api: Api) -> None:
    for values, error in WRONG:
        payload = await write_content(api, **{"slug": "a", "title": "A", **values})
        assert [(one["field"], one["message"]) for one in payload["userErrors"]] == [error]
    assert await slugs(api) == []


async def test_a_post_of_another_item_is_a_conflict_and_nothing_changes(api: Api) -> None:
    await upsert_content(api, "mine", tags=[{"type": "t", "value": "v"}], posts=[post("META", "1", caption="mine")])
    await upsert_content(api, "theirs", posts=[post("TIKTOK", "2", caption="theirs")])
    before = [await item(api, slug) for slug in ("mine", "theirs")]
    posts = [post("META", "1", caption="new"), post("TIKTOK", "2", caption="new"), post("META", "2")]
    for slug, where in (("mine", "1"), ("theirs", "0"), ("third", "0")):
        payload = await write_content(api, slug, title="New", tags=[], posts=posts)
        assert payload["contentItem"] is None
        assert (payload["userErrors"][0]["code"], payload["userErrors"][0]["field"]) == (
            "CONFLICT",
            ["posts", where, "externalPostId"],
        )
    assert [await item(api, slug) for slug in ("mine", "theirs")] == before
    assert await item(api, "third") is None


async def test_two_who_make_the_same_post_of_two_items_are_told(api: Api, database: Database, workspace: int) -> None:
    """The second waits for the first, and finds the post to be that one's."""
    await upsert_content(api, "a")
    async with database.write(workspace) as transaction:
        made = "INSERT INTO content_posts (workspace_id, content_id, platform, external_post_id) SELECT workspace_id, id, 'META', '1' FROM content_items"
        await transaction.run(text(made))
        asked = asyncio.create_task(write_content(api, "b", posts=[post("META", "1")]))
        while not await waiting(database):  # noqa: ASYNC110 - only PostgreSQL knows
            await asyncio.sleep(0.01)
    assert [(one["code"], one["field"]) for one in (await asked)["userErrors"]] == [
        ("CONFLICT", ["posts", "0", "externalPostId"])
    ]
    assert await slugs(api) == ["a"]


async def library(api: Api) -> None:
    """Three items, of which the second and the third are commented on, by two and by one."""
    await upsert_content(
        api, "alpha", title="Morning Routine", tags=[{"type": "topic", "value": "sleep"}], posts=[post("META", "a")]
    )
    await upsert_content(
        api,
        "beta",
        description="Autumn SHOES",
        tags=[{"type": "topic", "value": "Sleep"}, {"type": "series", "value": "sleep"}],
        posts=[post("TIKTOK", "b"), post("TIKTOK", "b2")],
    )
    await upsert_content(api, "gamma", title="100% morning", posts=[post("TIKTOK", "c"), post("META", "c")])


FILTERS: list[tuple[dict[str, Any] | None, list[str]]] = [
    (None, ["alpha", "beta", "gamma"]),
    ({"search": ""}, ["alpha", "beta", "gamma"]),
    ({"search": "MORN"}, ["alpha", "gamma"]),
    ({"search": "routine alph"}, ["alpha"]),
    ({"search": "shoes autumn"}, ["beta"]),
    ({"search": "%"}, ["gamma"]),
    ({"search": "morning shoes"}, []),
    ({"tag": {"type": "topic", "value": "sleep"}}, ["alpha"]),
    ({"tag": {"type": "series", "value": "sleep"}}, ["beta"]),
    ({"tag": {"type": "topic", "value": "slee"}}, []),
    ({"platform": "META"}, ["alpha", "gamma"]),
    ({"platform": "TIKTOK"}, ["beta", "gamma"]),
    ({"platform": "YOUTUBE"}, []),
    ({"hasComments": True}, ["beta", "gamma"]),
    ({"hasComments": False}, ["alpha"]),
    ({"hasComments": True, "platform": "META", "search": "100%"}, ["gamma"]),
]


async def test_lists_are_filtered(api: Api, database: Database, workspace: int) -> None:
    await library(api)
    await happened(database, workspace, "b TIKTOK amy COMMENT", "c META amy COMMENT", "a META amy LIKE")
    for filter_, expected in FILTERS:
        for order in ("OLDEST", "MOST_COMMENTS"):
            assert (filter_, sorted(await slugs(api, filter=filter_, order=order))) == (filter_, expected)


async def test_lists_are_ordered(api: Api, database: Database, workspace: int) -> None:
    await library(api)
    await upsert_content(api, "delta")
    await happened(
        database,
        workspace,
        *("b TIKTOK amy COMMENT", "b TIKTOK bob COMMENT", "c TIKTOK amy COMMENT"),
        *("a META amy LIKE", "a META bob LIKE", "a META cyd LIKE"),
    )
    assert await slugs(api) == ["delta", "gamma", "beta", "alpha"]
    assert await slugs(api, order="NEWEST") == ["delta", "gamma", "beta", "alpha"]
    assert await slugs(api, order="OLDEST") == ["alpha", "beta", "gamma", "delta"]
    assert await slugs(api, order="MOST_COMMENTS") == ["beta", "gamma", "delta", "alpha"]
    assert await slugs(api, order="MOST_INTERACTIONS") == ["alpha", "beta", "gamma", "delta"]


@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "MOST_COMMENTS", "MOST_INTERACTIONS"])
async def test_pages_both_ways_meet_every_item_once(api: Api, database: Database, workspace: int, order: str) -> None:
    for number in range(7):
        await upsert_content(api, f"c{number}", posts=[post("META", str(number))])
    await happened(database, workspace, *(f"{n} META f{m} COMMENT" for n in range(7) for m in range(n % 3)))
    everything = await slugs(api, order=order)
    forward: list[str] = []
    page: dict[str, Any] = {"pageInfo": {"endCursor": None, "hasNextPage": True}}
    while page["pageInfo"]["hasNextPage"]:
        page = (await api.data(LIST, order=order, first=3, after=page["pageInfo"]["endCursor"]))["contentItems"]
        forward += [node["slug"] for node in page["nodes"]]
    assert forward == everything
    backward: list[str] = []
    page = {"pageInfo": {"startCursor": None, "hasPreviousPage": True}}
    while page["pageInfo"]["hasPreviousPage"]:
        page = (await api.data(LIST, order=order, last=3, before=page["pageInfo"]["startCursor"]))["contentItems"]
        backward = [node["slug"] for node in page["nodes"]] + backward
    assert (backward, page["totalCount"]) == (everything, 7)


async def test_pages_of_posts_go_from_the_oldest_on(api: Api) -> None:
    for number in range(3):
        await upsert_content(api, "a", posts=[post("META", str(9 - number))])
    page = "posts(%s) { nodes { externalPostId } pageInfo { hasNextPage hasPreviousPage endCursor } }"
    first = (await item(api, "a", page % "first: 2"))["posts"]
    assert [one["externalPostId"] for one in first["nodes"]] == ["9", "8"]
    rest = (await item(api, "a", page % f'first: 2, after: "{first["pageInfo"]["endCursor"]}"'))["posts"]
    assert [one["externalPostId"] for one in rest["nodes"]] == ["7"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert [one["externalPostId"] for one in (await item(api, "a", page % "last: 1"))["posts"]["nodes"]] == ["7"]


SENSELESS = [
    ("first: 101", "first must be from 1 to 100; it is 101."),
    ('after: "?"', "This is not a cursor of this list."),
    (
        f'orderBy: MOST_COMMENTS, after: "{cursor("content:most_interactions", 1, 1)}"',
        "This cursor belongs to a list in another order.",
    ),
    (
        f'orderBy: MOST_COMMENTS, after: "{cursor("content:most_comments", "1", 1)}"',
        "This is not a cursor of this list.",
    ),
    (f'filter: {{search: "{"x" * 201}"}}', "filter.search: at most 200 characters; there are 201."),
    ('filter: {search: "a\\u0000b"}', "A text cannot hold the character U+0000."),
    ('filter: {tag: {type: "a\\u0000b", value: ""}}', "A text cannot hold the character U+0000."),
]


async def test_senseless_arguments_are_clear_errors(api: Api) -> None:
    for arguments, message in SENSELESS:
        assert await api.error(f"{{ contentItems({arguments}) {{ nodes {{ id }} }} }}") == ("BAD_USER_INPUT", message)


async def test_things_are_found_by_their_ids(api: Api) -> None:
    content_id = await upsert_content(api, "a", posts=[post("META", "1", figures={"views": 1})])
    posts = await item(api, "a", "posts { nodes { id content { id slug } } }")
    [one] = posts["posts"]["nodes"]
    assert one["content"] == {"id": content_id, "slug": "a"}
    query = """query ($ids: [ID!]!, $id: ID!) { contentItem(id: $id) { slug } nodes(ids: $ids) { __typename id
      ... on ContentItem { title } ... on ContentPost { externalPostId figures { views } content { title } } } }"""
    assert await api.data(query, ids=[one["id"], content_id], id=content_id) == {
        "contentItem": {"slug": "a"},
        "nodes": [
            {
                "__typename": "ContentPost",
                "id": one["id"],
                "externalPostId": "1",
                "figures": {"views": 1},
                "content": {"title": "A"},
            },
            {"__typename": "ContentItem", "id": content_id, "title": "A"},
        ],
    }
    assert await api.error("query ($id: ID!) { contentItem(id: $id) { id } }", id=one["id"]) == (
        "BAD_USER_INPUT",
        "id: This is the id of a ContentPost; a ContentItem is needed.",
    )


async def test_restricted_clients_see_no_content_and_change_none(api: Api) -> None:
    await upsert_content(api, "a")
    partner = await restricted(api, [], "READ", "WRITE")
    query = '{ contentItems { totalCount nodes { id } } contentItemBySlug(slug: "a") { id } }'
    assert await partner.data(query) == {"contentItems": {"totalCount": 0, "nodes": []}, "contentItemBySlug": None}
    for slug in ("a", "b"):
        payload = await write_content(partner, slug)
        assert [one["code"] for one in payload["userErrors"]] == ["FORBIDDEN"]
    assert await slugs(api) == ["a"]


async def test_without_read_the_payload_shows_the_item_and_leads_nowhere(api: Api) -> None:
    writer = api.as_(token(scopes=("write",)))
    payload = await write_content(writer, "a", "slug tags { value }", tags=[{"type": "t", "value": "v"}])
    assert payload["contentItem"] == {"slug": "a", "tags": [{"value": "v"}]}
    query = 'mutation { upsertContent(input: {title: "A", slug: "b"}) { contentItem { %s } } }'
    for field in ("posts { totalCount }", "summary { platformCount }", "platforms { posts }"):
        assert (await writer.error(query % field))[0] == "FORBIDDEN"
    assert await slugs(api) == ["a"]
