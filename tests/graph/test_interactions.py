"""Interactions: recording, what they do to followers and content, and the timelines."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.queries.interactions import reading
from tests.api import Api, token
from tests.facts import at, create_campaign, restricted
from tests.social import interaction, post, record_interactions, upsert_content

ALL = {"accepted": 0, "duplicates": 0, "rejected": [], "userErrors": []}


async def profile(api: Api, fields: str, search: str = "amy") -> Any:
    """Some fields of the only follower that a search finds."""
    query = f"query ($search: String) {{ followers(filter: {{search: $search}}) {{ nodes {{ {fields} }} }} }}"
    [found] = (await api.data(query, search=search))["followers"]["nodes"]
    return found


async def timeline(api: Api, arguments: str = "") -> tuple[str, int]:
    """The keys of the first page, and how many there are."""
    query = f"{{ interactions{arguments and f'({arguments})'} {{ totalCount nodes {{ key }} }} }}"
    found = (await api.data(query))["interactions"]
    return "".join(node["key"] for node in found["nodes"]), found["totalCount"]


async def test_an_interaction_comes_back_as_it_went_in(api: Api) -> None:
    await upsert_content(api, "launch", posts=[post("TIKTOK", "t1")])
    follower = {
        "externalId": "7",
        "username": "creator_amy",
        "displayName": "Amy Ö.",
        "profileUrl": "https://example.com/@creator_amy",
        "audienceSize": 2**53 - 1,
    }
    given = interaction("a", follower=follower, value="Größe? 🚀", externalPostId="t1")
    assert await record_interactions(api, given) == {**ALL, "accepted": 1}
    answer = await api.data("""{ interactions { nodes { key type value occurredAt content { slug } post { externalPostId platform }
      follower { platform externalId username displayName profileUrl audienceSize firstSeenAt lastSeenAt rank } } } }""")
    assert answer["interactions"]["nodes"] == [
        {
            "key": "a",
            "type": "COMMENT",
            "value": "Größe? 🚀",
            "occurredAt": at(),
            "content": {"slug": "launch"},
            "post": {"externalPostId": "t1", "platform": "TIKTOK"},
            "follower": {"platform": "TIKTOK", **follower, "firstSeenAt": at(), "lastSeenAt": at(), "rank": 1},
        }
    ]


async def test_a_repeated_key_counts_once(api: Api) -> None:
    assert await record_interactions(api, interaction("a"), interaction("a")) == {**ALL, "accepted": 1, "duplicates": 1}
    again = (interaction("b"), interaction("a", "somebody", type="SHARE"), interaction("c"))
    assert await record_interactions(api, *again) == {**ALL, "accepted": 2, "duplicates": 1}
    assert await record_interactions(api, *again) == {**ALL, "duplicates": 3}
    answer = await api.data("{ followers { totalCount nodes { username score { value comments shares } } } }")
    score = {"value": 15, "comments": 3, "shares": 0}
    assert answer["followers"] == {"totalCount": 1, "nodes": [{"username": "creator_amy", "score": score}]}


async def test_a_batch_with_inner_duplicates_three_times_at_once_counts_exactly(api: Api) -> None:
    batch = [interaction(f"k{n % 150}", f"u{n % 150 % 20}", type="LIKE") for n in range(300)]
    answers = await asyncio.gather(
        *(record_interactions(api, *order) for order in (batch, batch[::-1], batch[150:] + batch[:150]))
    )
    assert [sum(answer[name] for answer in answers) for name in ("accepted", "duplicates")] == [150, 750]
    answer = await api.data("{ followers(first: 100) { totalCount nodes { score { value likes } rank } } }")
    scores = [{"score": {"value": n, "likes": n}, "rank": rank} for n, rank in [(8, 1)] * 10 + [(7, 11)] * 10]
    assert answer["followers"] == {"totalCount": 20, "nodes": scores}


async def test_the_latest_interaction_says_what_a_follower_is_called(api: Api) -> None:
    def called(name: str, **values: Any) -> dict[str, Any]:
        return {"externalId": "7", "username": name, **values}

    url = "https://example.com/amy"
    await record_interactions(
        api,
        interaction("a", follower=called("amy", displayName="Amy", profileUrl=url, audienceSize=10)),
        interaction("b", follower=called("newest", displayName="Newest"), occurredAt=at(days=2)),
        interaction("c", follower=called("between"), occurredAt=at(days=1)),
    )
    fields = "username displayName profileUrl audienceSize firstSeenAt lastSeenAt"
    # What the latest one does not say is left as it is known.
    late = called("oldest", displayName="Oldest", profileUrl=url, audienceSize=10)
    await record_interactions(api, interaction("d", follower=late, occurredAt=at(days=-1)))
    newest = {
        "username": "newest",
        "displayName": "Newest",
        "profileUrl": url,
        "audienceSize": 10,
        "firstSeenAt": at(days=-1),
        "lastSeenAt": at(days=2),
    }
    assert await profile(api, fields, "newest") == newest
    later = called("amy", displayName=None, audienceSize=0)
    await record_interactions(api, interaction("e", follower=later, occurredAt=at(days=3)))
    changed = {**newest, "username": "amy", "audienceSize": 0, "lastSeenAt": at(days=3)}
    # Former names still find it; those of the past that came late do not.
    for search in ("amy", "newest"):
        assert await profile(api, fields, search) == changed


async def test_the_same_id_on_another_platform_is_another_follower(api: Api) -> None:
    await record_interactions(api, interaction("a"), interaction("b", platform="META"))
    answer = await api.data("{ followers(orderBy: USERNAME) { nodes { platform score { value } } } }")
    assert sorted(node["platform"] for node in answer["followers"]["nodes"]) == ["META", "TIKTOK"]
    assert {node["score"]["value"] for node in answer["followers"]["nodes"]} == {5}


def of(**values: Any) -> dict[str, Any]:
    """A change to the follower of an interaction."""
    return {"follower": {"externalId": "7", "username": "amy", **values}}


LARGEST = "This must be zero or more, and at most 2^53-1."


BAD: list[tuple[dict[str, Any], str, str, list[str]]] = [
    ({"key": " "}, "INVALID", "This must not be empty.", ["key"]),
    ({"key": "x" * 201}, "INVALID", "At most 200 characters; there are 201.", ["key"]),
    ({"key": "a\0"}, "INVALID", "A text cannot hold the character U+0000.", ["key"]),
    (of(externalId=""), "INVALID", "This must not be empty.", ["follower", "externalId"]),
    (of(username="\t"), "INVALID", "This must not be empty.", ["follower", "username"]),
    (of(displayName="x" * 201), "INVALID", "At most 200 characters; there are 201.", ["follower", "displayName"]),
    (of(profileUrl="x" * 2001), "INVALID", "At most 2000 characters; there are 2001.", ["follower", "profileUrl"]),
    (of(audienceSize=-1), "INVALID", LARGEST, ["follower", "audienceSize"]),
    ({"value": "x" * 10_001}, "INVALID", "At most 10000 characters; there are 10001.", ["value"]),
    ({"externalPostId": ""}, "INVALID", "This must not be empty.", ["externalPostId"]),
    (
        {"externalPostId": "t2"},
        "NOT_FOUND",
        "No such post on this platform: upsertContent makes it.",
        ["externalPostId"],
    ),
    (
        {"externalPostId": "t1", "platform": "META"},
        "NOT_FOUND",
        "No such post on this platform: upsertContent makes it.",
        ["externalPostId"],
    ),
    ({"occurredAt": "1999-12-31T23:59:59Z"}, "INVALID", "Times begin with the year 2000.", ["occurredAt"]),
]


async def test_bad_interactions_are_rejected_one_by_one(api: Api) -> None:
    await upsert_content(api, "launch", posts=[post("TIKTOK", "t1")])
    given = [interaction(f"bad {n}") | values for n, (values, *_) in enumerate(BAD)]
    answer = await record_interactions(api, interaction("good", externalPostId="t1"), *given)
    rejected = [
        {"index": n + 1, "key": given[n]["key"], "code": code, "message": message, "field": field}
        for n, (_, code, message, field) in enumerate(BAD)
    ]
    assert answer == {**ALL, "accepted": 1, "rejected": rejected}
    assert await timeline(api) == ("good", 1)
    assert await api.data("{ followers { totalCount } }") == {"followers": {"totalCount": 1}}


async def test_all_that_is_wrong_with_an_interaction_is_said(api: Api) -> None:
    bad = interaction("", follower={"externalId": "", "username": "", "audienceSize": -1})
    answer = await record_interactions(api, bad)
    fields = [["key"], ["follower", "externalId"], ["follower", "username"], ["follower", "audienceSize"]]
    assert [one["field"] for one in answer["rejected"]] == fields
    assert await api.data("{ followers { totalCount } }") == {"followers": {"totalCount": 0}}


async def test_what_has_not_happened_yet_is_rejected_and_what_comes_late_is_not(api: Api) -> None:
    moments = [
        (datetime.now(UTC) + delta).isoformat()
        for delta in (timedelta(days=-4000), timedelta(minutes=4), timedelta(minutes=6))
    ]
    answer = await record_interactions(api, *(interaction(moment, occurredAt=moment) for moment in moments))
    told = [one["message"] for one in answer["rejected"]]
    assert (answer["accepted"], told) == (2, ["This has not happened yet: the time lies ahead."])


async def test_a_batch_that_is_too_large_is_refused_as_a_whole(api: Api) -> None:
    answer = await record_interactions(api, *(interaction(str(n)) for n in range(1001)))
    message = "At most 1000 items in a batch; there are 1001."
    assert answer == {**ALL, "userErrors": [{"code": "TOO_LARGE", "message": message, "field": ["interactions"]}]}
    assert await timeline(api) == ("", 0)
    assert await record_interactions(api) == ALL


@pytest.fixture
async def launch(api: Api) -> str:
    """A content item with two posts that followers did something with, minute by minute."""
    posts = [post("TIKTOK", "t1"), post("META", "m1")]
    content_id = await upsert_content(api, "launch", posts=posts)
    await upsert_content(api, "other", posts=[post("TIKTOK", "t2")])
    tiktok: dict[str, Any] = {"externalPostId": "t1"}
    meta: dict[str, Any] = {"externalPostId": "m1", "platform": "META"}
    facts = [
        ("a", "amy", tiktok),
        ("b", "amy", {"externalPostId": "t2", "type": "LIKE"}),
        ("c", "bob", {**meta, "type": "SHARE"}),
        ("d", "bob", {**meta, "type": "COMMENT"}),
        ("e", "amy", {"type": "PROFILE_VISIT"}),
        ("f", "cleo", {**tiktok, "type": "LINK_CLICK", "value": "https://example.com"}),
    ]
    given = (interaction(key, who, occurredAt=at(minutes=n), **values) for n, (key, who, values) in enumerate(facts))
    assert (await record_interactions(api, *given))["accepted"] == len(facts)
    return content_id


WINDOW = f'window: {{from: "{at(minutes=1)}", to: "{at(minutes=4)}"}}'


LISTED = [
    ("", "fedcba", 6),
    ("first: 2", "fe", 6),
    ("last: 2", "ba", 6),
    ("types: [COMMENT]", "da", 2),
    ("types: [LIKE, SHARE, LIKE]", "cb", 2),
    ("types: []", "", 0),
    ("platform: TIKTOK", "feba", 4),
    ("platform: META, last: 1", "c", 2),
    ("platform: META, types: [SHARE]", "c", 1),
    ("platform: REDDIT", "", 0),
    (WINDOW, "dcb", 3),
    (f"platform: TIKTOK, {WINDOW}", "b", 1),
    (f"types: [COMMENT, LIKE], {WINDOW}", "db", 2),
    ("contentId: $id", "fdca", 4),
    ("contentId: $id, platform: META", "dc", 2),
    ("contentId: $id, platform: REDDIT", "", 0),
    ("contentId: $id, types: [COMMENT, SHARE], first: 2", "dc", 3),
    (f"contentId: $id, {WINDOW}", "dc", 2),
    (f"contentId: $id, platform: TIKTOK, {WINDOW}", "", 0),
]


async def test_the_timeline(api: Api, launch: str) -> None:
    for arguments, keys, total in LISTED:
        assert (arguments, *await timeline(api, arguments.replace("$id", f'"{launch}"'))) == (arguments, keys, total)


PAGE = """query ($first: Int, $after: String, $last: Int, $before: String) {
  interactions(ARGUMENTS first: $first, after: $after, last: $last, before: $before) {
    nodes { key } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"""


async def walked(api: Api, arguments: str, size: str, cursor: str, start: str, more: str) -> str:
    """The keys of all pages of one, in the order in which they come."""
    found, position = "", None
    for _ in range(10):
        page = (await api.data(PAGE.replace("ARGUMENTS", arguments), **{size: 1, cursor: position}))["interactions"]
        found += "".join(node["key"] for node in page["nodes"])
        position = page["pageInfo"][start]
        if not page["pageInfo"][more]:
            return found
    raise AssertionError("it goes on and on")


@pytest.fixture(params=[0, 500], ids=["many", "few"])
def followers_are_few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Platforms have few followers, or more than that."""
    monkeypatch.setattr("db.queries.interactions.reading.FEW", request.param)
    reading._listed.cache_clear()  # type: ignore[attr-defined]
    yield
    reading._listed.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("followers_are_few")
async def test_the_timeline_is_paged_both_ways(api: Api, launch: str) -> None:
    for arguments in ("", "platform: TIKTOK", "platform: META", f'contentId: "{launch}"'):
        expected, _ = await timeline(api, arguments)
        assert await walked(api, arguments, "first", "after", "endCursor", "hasNextPage") == expected
        assert await walked(api, arguments, "last", "before", "startCursor", "hasPreviousPage") == expected[::-1]


async def test_the_interactions_of_posts(api: Api, launch: str) -> None:
    query = """query ($id: ID!) { contentItem(id: $id) { posts { nodes { platform
      interactions { totalCount nodes { key } }
      comments: interactions(types: [COMMENT]) { totalCount nodes { key } }
      some: interactions(WINDOW, last: 1) { totalCount nodes { key } } } } } }"""
    answer = await api.data(query.replace("WINDOW", WINDOW), id=launch)

    def found(keys: str, total: int | None = None) -> dict[str, Any]:
        return {"totalCount": len(keys) if total is None else total, "nodes": [{"key": key} for key in keys]}

    assert answer["contentItem"]["posts"]["nodes"] == [
        {"platform": "META", "interactions": found("dc"), "comments": found("d"), "some": found("c", 2)},
        {"platform": "TIKTOK", "interactions": found("fa"), "comments": found("a"), "some": found("")},
    ]


async def test_the_interactions_of_followers(api: Api, launch: str) -> None:
    query = """query ($id: ID!) { followers(orderBy: USERNAME, first: 2) { nodes {
      interactions(first: 2) { totalCount nodes { key content { slug } post { externalPostId } follower { username } } }
      about: interactions(contentId: $id) { totalCount nodes { key } }
      some: interactions(types: [COMMENT, PROFILE_VISIT], last: 1) { totalCount nodes { key } }
      none: interactions(types: []) { totalCount nodes { key } }
      within: interactions(WINDOW) { totalCount nodes { key } } } } }"""
    answer = await api.data(query.replace("WINDOW", WINDOW), id=launch)
    [amy, bob] = answer["followers"]["nodes"]
    visit = {"key": "e", "content": None, "post": None, "follower": {"username": "amy"}}
    like = {
        "key": "b",
        "content": {"slug": "other"},
        "post": {"externalPostId": "t2"},
        "follower": {"username": "amy"},
    }
    assert amy == {
        "interactions": {"totalCount": 3, "nodes": [visit, like]},
        "about": {"totalCount": 1, "nodes": [{"key": "a"}]},
        "some": {"totalCount": 2, "nodes": [{"key": "a"}]},
        "none": {"totalCount": 0, "nodes": []},
        "within": {"totalCount": 1, "nodes": [{"key": "b"}]},
    }
    assert [bob[name]["totalCount"] for name in ("interactions", "about", "some", "within")] == [2, 2, 1, 2]


async def test_arguments_that_make_no_sense(api: Api, launch: str) -> None:
    for query, message in (
        (
            f'{{ interactions(contentId: "{launch[:-4]}") {{ totalCount }} }}',
            "contentId: This is not an id of this API.",
        ),
        (
            '{ interactions(contentId: "Q2FtcGFpZ246MQ==") { totalCount } }',
            "contentId: This is the id of a Campaign; a ContentItem is needed.",
        ),
        (
            '{ interactions(window: {from: "2026-03-02T00:00:00Z", to: "2026-03-01T00:00:00Z"}) { totalCount } }',
            "The window ends before it starts.",
        ),
        ("{ interactions(first: 101) { totalCount } }", "first must be from 1 to 100; it is 101."),
        ('{ interactions(after: "x") { totalCount } }', "This is not a cursor of this list."),
    ):
        assert await api.error(query) == ("BAD_USER_INPUT", message)


async def test_who_may_record(api: Api) -> None:
    machine = api.as_(token(scopes=("ingest",)))
    assert (await record_interactions(machine, interaction("a")))["accepted"] == 1
    reader = api.as_(token(scopes=("read",)))
    query = "mutation { recordInteractions(input: {interactions: []}) { accepted } }"
    message = "Mutation.recordInteractions needs a token with the scope ingest or write."
    assert await reader.error(query) == ("FORBIDDEN", message)


async def test_a_restricted_client_sees_and_records_nothing(api: Api, launch: str) -> None:
    partner = await restricted(api, [await create_campaign(api)], "READ", "INGEST")
    answer = await record_interactions(partner, interaction("x"))
    [error] = answer.pop("userErrors")
    assert (answer, error["code"]) == ({"accepted": 0, "duplicates": 0, "rejected": []}, "FORBIDDEN")
    assert await timeline(partner) == ("", 0)
    assert await timeline(partner, f'contentId: "{launch}"') == ("", 0)
    seen = '{ followers { totalCount nodes { id } } some: followers(filter: {search: "amy"}) { totalCount } followerCohorts { size } }'
    nothing = {"followers": {"totalCount": 0, "nodes": []}, "some": {"totalCount": 0}, "followerCohorts": []}
    assert await partner.data(seen) == nothing
    assert (await timeline(api))[1] == 6


SCREEN = """query ($first: Int!) { interactions(first: $first) { totalCount nodes {
  key follower { username score { value } rank interactions(first: 2) { totalCount nodes { key } } }
  content { title summary { totalInteractions } } post { url interactions(first: 1) { totalCount nodes { key } } } } } }"""


async def test_a_timeline_takes_as_many_statements_for_2n_as_for_n(api: Api, statements: list[str]) -> None:
    for n in range(6):
        await upsert_content(api, f"c{n}", posts=[post("TIKTOK", f"t{n}")])
        await record_interactions(api, interaction(f"k{n}", f"u{n}", externalPostId=f"t{n}"))
    counted = []
    for first in (3, 6):
        statements.clear()
        nodes = (await api.data(SCREEN, first=first))["interactions"]["nodes"]
        assert {node["content"]["summary"]["totalInteractions"] for node in nodes} == {1}
        assert len(nodes) == first
        counted.append(len(statements))
    # interactions and their number; followers, their ranks, interactions and the number of these; contents and their
    # summaries; posts, their interactions and the number of these
    assert counted == [11, 11]
