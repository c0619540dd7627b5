"""Engaging with a campaign: once where once is meant, as the right actor, and the numbers follow."""

import asyncio
from typing import Any

import pytest

from tests.api import Api, token
from tests.facts import (
    add_comment,
    at,
    comment,
    create_campaign,
    delete_comment,
    edit_comment,
    metrics,
    react,
    record,
    share,
    unreact,
    update,
)

NUMBERS = "likes shares comments saves bookmarks engagements"


def engager(user: str, **actor: str) -> str:
    """A token that may only engage, as one user."""
    return token(scopes=["engage", "read"], actor={"userId": user, **actor})


def problem(code: str, message: str, *field: str) -> dict[str, Any]:
    return {"code": code, "message": message, "field": list(field)}


async def test_a_like_counts_once(api: Api) -> None:
    campaign_id = await create_campaign(api)
    first, second = await react(api, campaign_id, "ada"), await react(api, campaign_id, "ada")
    assert (first["created"], second["created"]) == (True, False)
    assert first["reaction"] == second["reaction"]
    assert await metrics(api, campaign_id, "likes engagements") == {"likes": 1, "engagements": 1}


async def test_one_actor_likes_saves_and_bookmarks_and_profiles_are_others(api: Api) -> None:
    campaign_id = await create_campaign(api)
    for kind in ("LIKE", "SAVE", "BOOKMARK"):
        assert (await react(api, campaign_id, "ada", kind))["created"]
    profile = {"userId": "ada", "profileType": "brand", "profileId": "7"}
    assert (await react(api, campaign_id, None, actor=profile))["created"]
    assert not (await react(api, campaign_id, None, actor=profile))["created"]
    assert await metrics(api, campaign_id, NUMBERS) == {
        "likes": 2,
        "shares": 0,
        "comments": 0,
        "saves": 1,
        "bookmarks": 1,
        "engagements": 4,
    }


async def test_unliking_and_liking_again_leaves_one_like(api: Api) -> None:
    campaign_id = await create_campaign(api)
    first = await react(api, campaign_id, "ada")
    assert [(await unreact(api, campaign_id, "ada"))["removed"] for _ in range(2)] == [True, False]
    assert await metrics(api, campaign_id, "likes") == {"likes": 0}
    again = await react(api, campaign_id, "ada")
    assert again["created"]
    assert again["reaction"]["id"] != first["reaction"]["id"]
    assert await metrics(api, campaign_id, "likes") == {"likes": 1}
    gone = await api.data("query ($id: ID!) { node(id: $id) { id } }", id=first["reaction"]["id"])
    assert gone == {"node": None}


async def test_the_same_like_many_times_at_once_counts_once(api: Api) -> None:
    campaign_id = await create_campaign(api)
    answers = await asyncio.gather(*(react(api, campaign_id, "ada") for _ in range(20)))
    assert sorted(answer["created"] for answer in answers) == [False] * 19 + [True]
    assert len({answer["reaction"]["id"] for answer in answers}) == 1
    assert await metrics(api, campaign_id, "likes") == {"likes": 1}


async def test_shares_repeat_and_a_repeated_key_does_not(api: Api) -> None:
    campaign_id = await create_campaign(api)
    assert [(await share(api, campaign_id, "ada"))["created"] for _ in range(2)] == [True, True]
    answers = await asyncio.gather(*(share(api, campaign_id, "ada", key="k") for _ in range(10)))
    assert sorted(answer["created"] for answer in answers) == [False] * 9 + [True]
    assert len({answer["share"]["id"] for answer in answers}) == 1
    assert await metrics(api, campaign_id, "shares") == {"shares": 3}


async def test_a_key_belongs_to_one_engagement(api: Api) -> None:
    campaign_id, other = await create_campaign(api), await create_campaign(api)
    await share(api, campaign_id, "ada", key="k")
    taken = [problem("CONFLICT", "This key belongs to another engagement.", "key")]
    assert (await share(api, other, "ada", key="k"))["userErrors"] == taken
    assert (await share(api, campaign_id, "bob", key="k"))["userErrors"] == taken
    assert (await add_comment(api, campaign_id, "ada", key="k"))["userErrors"] == taken


async def test_a_repeated_comment_answers_the_first(api: Api) -> None:
    campaign_id = await create_campaign(api)
    first = await add_comment(api, campaign_id, "ada", "One", key="k")
    assert await add_comment(api, campaign_id, "ada", "Two", key="k") == first
    await delete_comment(api, first["comment"]["id"])
    assert (await add_comment(api, campaign_id, "ada", "One", key="k"))["userErrors"] == [
        problem("CONFLICT", "The comment of this key was deleted.", "key")
    ]
    assert await metrics(api, campaign_id, "comments") == {"comments": 0}


async def test_bad_input_says_all_and_changes_nothing(api: Api) -> None:
    campaign_id = await create_campaign(api)
    answer = await add_comment(
        api,
        campaign_id,
        None,
        " \n",
        actor={"userId": "", "profileId": "x" * 201},
        key="",
        impressionId="nonsense",
        occurredAt="1999-12-31T23:59:59Z",
    )
    assert {tuple(error["field"]) for error in answer["userErrors"]} == {
        ("impressionId",),
        ("key",),
        ("actor", "userId"),
        ("actor", "profileId"),
        ("body",),
        ("occurredAt",),
    }
    assert answer["comment"] is None
    assert await metrics(api, campaign_id, "engagements") == {"engagements": 0}


@pytest.mark.parametrize("body", ["", "\u200b\u200f", "x" * 10_001, "a\0b"])
async def test_a_comment_needs_a_text(api: Api, body: str) -> None:
    campaign_id = await create_campaign(api)
    [error] = (await add_comment(api, campaign_id, "ada", body))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["body"])
    comment_id = await comment(api, campaign_id, "ada", "x" * 10_000)
    [error] = (await edit_comment(api, comment_id, body))["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["body"])


async def test_an_impression_must_be_of_the_campaign(api: Api) -> None:
    campaign_id, other = await create_campaign(api), await create_campaign(api)
    await record(api, other, [{"key": "a", "occurredAt": at()}])
    query = "query ($id: ID!) { campaign(id: $id) { impressions { nodes { id } } } }"
    [impression] = (await api.data(query, id=other))["campaign"]["impressions"]["nodes"]
    assert (await react(api, campaign_id, "ada", impressionId=impression["id"]))["userErrors"] == [
        problem("NOT_FOUND", "No such impression of this campaign.", "impressionId")
    ]


async def test_an_engage_credential_acts_as_its_own_actor(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ada = api.as_(engager("ada", profileType="person"))
    mine = {"userId": "ada", "profileType": "person"}
    assert (await react(ada, campaign_id, None))["created"]
    assert not (await react(api, campaign_id, None, actor=mine))["created"]
    assert not (await react(ada, campaign_id, None, actor=mine))["created"]
    for actor in ({"userId": "bob", "profileType": "person"}, {"userId": "ada"}):
        assert (await react(ada, campaign_id, None, actor=actor))["userErrors"] == [
            problem("FORBIDDEN", "The credential acts as its own actor only; leave this out.", "actor")
        ]
    assert await metrics(api, campaign_id, "likes") == {"likes": 1}


async def test_write_must_say_who_acts(api: Api) -> None:
    campaign_id = await create_campaign(api)
    who = [problem("INVALID", "Say who acts: the credential names no actor.", "actor")]
    assert (await react(api, campaign_id, None))["userErrors"] == who
    assert (await unreact(api, campaign_id, None))["userErrors"] == who


async def test_only_its_actor_or_a_moderator_edits_and_deletes_a_comment(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ada, bob = api.as_(engager("ada")), api.as_(engager("bob"))
    comment_id = (await add_comment(ada, campaign_id, None))["comment"]["id"]
    theirs = [problem("FORBIDDEN", "The comment is somebody else's.", "id")]
    assert (await edit_comment(bob, comment_id, "Hm"))["userErrors"] == theirs
    assert (await delete_comment(bob, comment_id))["userErrors"] == theirs
    assert (await edit_comment(ada, comment_id, "Mine"))["comment"]["body"] == "Mine"
    assert (await edit_comment(api, comment_id, "Moderated"))["comment"]["body"] == "Moderated"
    assert (await delete_comment(api, comment_id)) == {"comment": None, "userErrors": []}


async def test_the_same_text_is_no_edit(api: Api) -> None:
    comment_id = await comment(api, await create_campaign(api), "ada", "One")
    assert (await edit_comment(api, comment_id, "One"))["comment"] == {"body": "One", "editedAt": None}
    assert (await edit_comment(api, comment_id, "Two"))["comment"]["editedAt"] is not None


async def test_rates_count_clicks_and_engagements_and_follow_them_both_ways(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": f"i{n}", "occurredAt": at(minutes=n)} for n in range(4)])
    query = "query ($id: ID!) { campaign(id: $id) { impressions(last: 4) { nodes { id key } } } }"
    nodes = (await api.data(query, id=campaign_id))["campaign"]["impressions"]["nodes"]
    ids = {node["key"]: node["id"] for node in nodes}
    await update(api, {"key": "i0", "clickedAt": at(hours=1)})
    for user, key in (("ada", "i0"), ("ada", "i1"), ("bob", "i1")):
        await add_comment(api, campaign_id, user, impressionId=ids[key], occurredAt=at(days=1))
    fields = "engagementRate engagedImpressionRate"
    assert await metrics(api, campaign_id, fields) == {"engagementRate": 100.0, "engagedImpressionRate": 50.0}
    await react(api, campaign_id, "cy")
    assert await metrics(api, campaign_id, fields) == {"engagementRate": 125.0, "engagedImpressionRate": 50.0}
    # The day of the impressions knows which of them led to something, and nothing of the comments a day later.
    day = {"from": at(), "to": at(hours=2)}
    assert await metrics(api, campaign_id, "comments engagedImpressionRate", day) == {
        "comments": 0,
        "engagedImpressionRate": 50.0,
    }
    await update(api, {"key": "i1", "convertedAt": at(hours=1)})
    assert await metrics(api, campaign_id, fields) == {"engagementRate": 150.0, "engagedImpressionRate": 50.0}


async def test_without_impressions_the_rates_are_null(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await react(api, campaign_id, "ada")
    fields = "likes engagementRate engagedImpressionRate"
    assert await metrics(api, campaign_id, fields) == {
        "likes": 1,
        "engagementRate": None,
        "engagedImpressionRate": None,
    }


LIST = """query ($id: ID!, $types: [EngagementType!], $first: Int = 20, $after: String) { campaign(id: $id) {
  engagements(types: $types, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { __typename type actor { userId } occurredAt ... on Comment { body } }
} } }"""


async def filled(api: Api) -> str:
    """A campaign with a like, a share, a comment that was deleted and one that stands, each an hour later."""
    campaign_id = await create_campaign(api)
    await react(api, campaign_id, "ada", occurredAt=at())
    await share(api, campaign_id, "bob", occurredAt=at(hours=1))
    await delete_comment(api, await comment(api, campaign_id, "cy", occurredAt=at(hours=2)))
    await comment(api, campaign_id, "dee", "Here", occurredAt=at(hours=3))
    return campaign_id


async def test_engagements_of_all_types_newest_first(api: Api) -> None:
    listed = (await api.data(LIST, id=await filled(api)))["campaign"]["engagements"]
    assert listed["totalCount"] == 3
    assert [(node["__typename"], node["actor"]["userId"]) for node in listed["nodes"]] == [
        ("Comment", "dee"),
        ("Share", "bob"),
        ("Reaction", "ada"),
    ]
    assert listed["nodes"][0] == {
        "__typename": "Comment",
        "type": "COMMENT",
        "actor": {"userId": "dee"},
        "occurredAt": at(hours=3),
        "body": "Here",
    }


@pytest.mark.parametrize(
    ("types", "users"), [(["LIKE"], ["ada"]), (["SHARE", "LIKE", "SHARE"], ["bob", "ada"]), (["SAVE"], []), ([], [])]
)
async def test_engagements_of_some_types(api: Api, types: list[str], users: list[str]) -> None:
    listed = (await api.data(LIST, id=await filled(api), types=types))["campaign"]["engagements"]
    assert [node["actor"]["userId"] for node in listed["nodes"]] == users
    assert listed["totalCount"] == len(users)


async def test_pages_of_mixed_types_join_up(api: Api) -> None:
    campaign_id, users, after = await filled(api), [], None
    for _ in range(3):
        page = (await api.data(LIST, id=campaign_id, first=1, after=after))["campaign"]["engagements"]
        users.append(page["nodes"][0]["actor"]["userId"])
        after = page["pageInfo"]["endCursor"]
    assert users == ["dee", "bob", "ada"]
    assert not page["pageInfo"]["hasNextPage"]


async def test_what_an_impression_led_to(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "i", "occurredAt": at()}, {"key": "j", "occurredAt": at(minutes=1)}])
    query = """query ($id: ID!) { campaign(id: $id) { impressions(last: 2) { nodes { id key
      engagements { totalCount nodes { type impression { key } } } likes: engagements(types: [LIKE]) { totalCount }
    } } } }"""
    [_, impression] = (await api.data(query, id=campaign_id))["campaign"]["impressions"]["nodes"]
    await react(api, campaign_id, "ada", impressionId=impression["id"], occurredAt=at())
    await share(api, campaign_id, "ada", impressionId=impression["id"], occurredAt=at(minutes=5))
    await unreact(api, campaign_id, "ada")
    nodes = (await api.data(query, id=campaign_id))["campaign"]["impressions"]["nodes"]
    assert [(node["key"], node["engagements"]["totalCount"], node["likes"]["totalCount"]) for node in nodes] == [
        ("j", 0, 0),
        ("i", 1, 0),
    ]
    assert nodes[1]["engagements"]["nodes"] == [{"type": "SHARE", "impression": {"key": "i"}}]


async def test_top_engagers_by_number_then_last_active(api: Api) -> None:
    campaign_id = await create_campaign(api)
    for user, hours in (("ada", [1, 2]), ("bob", [0, 9]), ("cy", [20]), ("dee", [30])):
        for hour in hours:
            await share(api, campaign_id, user, occurredAt=at(hours=hour))
    await react(api, campaign_id, "dee", occurredAt=at(hours=31))
    await unreact(api, campaign_id, "dee")
    query = (
        "query ($id: ID!) { campaign(id: $id) { topEngagers(first: 3) "
        "{ actor { userId profileType } engagements lastActiveAt } } }"
    )
    assert (await api.data(query, id=campaign_id))["campaign"]["topEngagers"] == [
        {"actor": {"userId": user, "profileType": None}, "engagements": number, "lastActiveAt": at(hours=hours)}
        for user, number, hours in (("bob", 2, 9), ("ada", 2, 2), ("dee", 1, 30))
    ]


ENGAGERS = """query ($id: ID!, $did: [AudienceAction!]!, $first: Int = 20, $after: String) { campaign(id: $id) {
  engagers(didAll: $did, first: $first, after: $after) { totalCount pageInfo { endCursor hasNextPage }
    nodes { actor { userId profileType } engagements lastActiveAt } } } }"""


@pytest.mark.parametrize(
    ("did", "users"),
    [
        (["CLICKED", "LIKED"], ["ada"]),
        (["VIEWED"], ["ada", "bob", "cy"]),
        (["CLICKED"], ["ada", "bob"]),
        (["CLICKED", "CONVERTED"], ["bob"]),
        (["LIKED"], ["ada", "cy", "dee"]),
        (["VIEWED", "LIKED"], ["ada", "cy"]),
        (["LIKED", "SHARED"], ["dee"]),
        (["COMMENTED"], []),
        (["CLICKED", "CONVERTED", "LIKED"], []),
    ],
)
async def test_who_did_all(api: Api, did: list[str], users: list[str]) -> None:
    campaign_id = await create_campaign(api)
    seen = [("ada", True, False), ("bob", True, False), ("bob", False, True), ("cy", False, False)]
    await record(
        api,
        campaign_id,
        [
            {
                "key": f"k{n}",
                "actor": {"userId": user},
                "occurredAt": at(),
                "clickedAt": at() if clicked else None,
                "convertedAt": at() if converted else None,
            }
            for n, (user, clicked, converted) in enumerate(seen)
        ],
    )
    for user in ("ada", "cy", "dee"):
        await react(api, campaign_id, user)
    await share(api, campaign_id, "dee")
    await delete_comment(api, await comment(api, campaign_id, "ada"))
    everybody = (await api.data(ENGAGERS, id=campaign_id, did=did))["campaign"]["engagers"]
    assert [node["actor"]["userId"] for node in everybody["nodes"]] == users
    assert everybody["totalCount"] == len(users)
    paged, after = [], None
    for _ in users:
        page = (await api.data(ENGAGERS, id=campaign_id, did=did, first=1, after=after))["campaign"]["engagers"]
        paged += [node["actor"]["userId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert paged == users


async def test_who_only_looked_was_active_when_looking(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "k", "actor": {"userId": "ada"}, "occurredAt": at(hours=1)}])
    [node] = (await api.data(ENGAGERS, id=campaign_id, did=["VIEWED"]))["campaign"]["engagers"]["nodes"]
    assert node == {
        "actor": {"userId": "ada", "profileType": None},
        "engagements": 0,
        "lastActiveAt": at(hours=1),
    }


async def test_engagers_need_an_action(api: Api) -> None:
    campaign_id = await create_campaign(api)
    assert await api.error(ENGAGERS, id=campaign_id, did=[]) == (
        "BAD_USER_INPUT",
        "didAll: say at least one action.",
    )


async def test_what_is_taken_back_leaves_the_rates(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "i", "occurredAt": at()}])
    query = "query ($id: ID!) { campaign(id: $id) { impressions { nodes { id } } } }"
    [node] = (await api.data(query, id=campaign_id))["campaign"]["impressions"]["nodes"]
    await react(api, campaign_id, "ada", impressionId=node["id"])
    fields = "engagementRate engagedImpressionRate"
    assert await metrics(api, campaign_id, fields) == {"engagementRate": 100.0, "engagedImpressionRate": 100.0}
    await unreact(api, campaign_id, "ada")
    assert await metrics(api, campaign_id, fields) == {"engagementRate": 0.0, "engagedImpressionRate": 0.0}
