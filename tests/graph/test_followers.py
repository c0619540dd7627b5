"""Followers: scores, ranks, lists and searches, and cohorts."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.queries.followers import reading
from tests.api import Api
from tests.facts import at
from tests.social import interaction, post, record_interactions, upsert_content

SCORE = "score { value tier comments likes shares saves profileVisits linkClicks }"


async def listed(api: Api, arguments: str = "", fields: str = "username") -> list[Any]:
    """What the first page of followers holds of a field."""
    query = f"{{ followers{arguments and f'({arguments})'} {{ totalCount nodes {{ {fields} }} }} }}"
    found = (await api.data(query))["followers"]
    assert found["totalCount"] >= len(found["nodes"])
    return [node[fields] for node in found["nodes"]]


async def test_a_comment_a_like_and_a_share_make_16_and_a_lurker(api: Api) -> None:
    kinds = ("COMMENT", "LIKE", "SHARE")
    await record_interactions(api, *(interaction(kind, type=kind) for kind in kinds))
    answer = await api.data(f"{{ followers {{ nodes {{ rank {SCORE} }} }} }}")
    parts = {"comments": 1, "likes": 1, "shares": 1, "saves": 0, "profileVisits": 0, "linkClicks": 0}
    assert answer["followers"]["nodes"] == [{"rank": 1, "score": {"value": 16, "tier": "LURKER", **parts}}]
    await record_interactions(api, *(interaction(kind, type=kind) for kind in ("SAVE", "PROFILE_VISIT", "LINK_CLICK")))
    [score] = [
        one["score"] for one in (await api.data(f"{{ followers {{ nodes {{ {SCORE} }} }} }}"))["followers"]["nodes"]
    ]
    assert score == {"value": 42, "tier": "LURKER", **dict.fromkeys(parts, 1)}


async def test_what_somebody_commented_on_last_week_is_one_query(api: Api) -> None:
    await upsert_content(api, "launch", title="Launch day", posts=[post("TIKTOK", "t1")])
    about = {"externalPostId": "t1"}
    await record_interactions(
        api,
        interaction("a", occurredAt=at(days=-8), value="Before", **about),
        interaction("b", occurredAt=at(days=-6), value="First!", **about),
        interaction("c", occurredAt=at(days=-5), type="LIKE", **about),
        interaction("d", occurredAt=at(days=-1), value="And again"),
        interaction("e", "creator_amelie", occurredAt=at(days=-1), value="Me too", **about),
    )
    query = """query ($window: TimeWindow) { followers(filter: {search: "@creator_amy"}, first: 1) { nodes {
      interactions(types: [COMMENT], window: $window) { totalCount nodes { value content { title } occurredAt } } } } }"""
    answer = await api.data(query, window={"from": at(days=-7), "to": at()})
    assert answer["followers"]["nodes"] == [
        {
            "interactions": {
                "totalCount": 2,
                "nodes": [
                    {"value": "And again", "content": None, "occurredAt": at(days=-1)},
                    {"value": "First!", "content": {"title": "Launch day"}, "occurredAt": at(days=-6)},
                ],
            }
        }
    ]


async def test_late_interactions_move_when_somebody_was_first_seen(api: Api) -> None:
    fields = "{ followers { nodes { firstSeenAt lastSeenAt score { calculatedAt } } } }"
    found = []
    for key, days in (("a", 0), ("b", 3), ("c", -3), ("d", 1)):
        await record_interactions(api, interaction(key, occurredAt=at(days=days)))
        found.append((await api.data(fields))["followers"]["nodes"][0])
    seen = [(one["firstSeenAt"], one["lastSeenAt"]) for one in found]
    assert seen == [(at(), at()), (at(), at(days=3)), (at(days=-3), at(days=3)), (at(days=-3), at(days=3))]
    calculated = [one["score"]["calculatedAt"] for one in found]
    assert calculated == sorted(set(calculated))


async def test_a_follower_by_its_id(api: Api) -> None:
    await record_interactions(api, interaction("a"))
    [follower_id] = await listed(api, fields="id")
    query = """query ($id: ID!) { follower(id: $id) { username rank score { tier } }
      node(id: $id) { ... on Follower { username score { value } } } }"""
    assert await api.data(query, id=follower_id) == {
        "follower": {"username": "creator_amy", "rank": 1, "score": {"tier": "INACTIVE"}},
        "node": {"username": "creator_amy", "score": {"value": 5}},
    }
    missing = base64.b64encode(b"Follower:999999").decode()
    assert await api.data("query ($id: ID!) { follower(id: $id) { id } }", id=missing) == {"follower": None}
    message = "id: This is the id of a Campaign; a Follower is needed."
    assert await api.error('{ follower(id: "Q2FtcGFpZ246MQ==") { id } }') == ("BAD_USER_INPUT", message)


# Who has which score, on TikTok unless it is said; the later in the list, the later seen.
PEOPLE = {
    "fan": 500,
    "active": 499,
    "Ärger": 100,
    "meta_active": 100,
    "lurker": 99,
    "meta_lurker": 10,
    "nine": 9,
    "one": 1,
    "meta_one": 1,
}


@pytest.fixture
async def people(api: Api) -> None:
    """Followers, each with a score."""
    for n, (name, score) in enumerate(PEOPLE.items()):
        values = {"platform": "META"} if name.startswith("meta") else {}
        shares = [interaction(f"{name}{m}", name, type="SHARE", **values) for m in range(score // 10)]
        likes = [interaction(f"{name}+{m}", name, type="LIKE", **values) for m in range(score % 10)]
        for given in (*shares, *likes):
            given["occurredAt"] = at(minutes=n, seconds=int(given["key"][-1]))
        assert (await record_interactions(api, *shares, *likes))["rejected"] == []


BY_SCORE = ["fan", "active", "meta_active", "Ärger", "lurker", "meta_lurker", "nine", "meta_one", "one"]


@pytest.mark.usefixtures("people")
async def test_lists_are_filtered_and_ordered(api: Api) -> None:
    async def found(arguments: str = "") -> list[str]:
        return await listed(api, arguments)

    newest = list(reversed(PEOPLE))
    assert await found() == BY_SCORE
    assert await listed(api, fields="rank") == [1, 2, 3, 3, 5, 6, 7, 8, 8]
    assert await found("orderBy: NEWEST") == newest
    assert await found("orderBy: LAST_SEEN") == newest
    assert sorted(await found("orderBy: USERNAME")) == sorted(PEOPLE)
    assert await found("orderBy: null, last: 2") == ["meta_one", "one"]
    assert await found("filter: {platform: META}") == ["meta_active", "meta_lurker", "meta_one"]
    assert await found("filter: {tier: [SUPER_FAN]}") == ["fan"]
    assert await found("filter: {tier: [ACTIVE]}") == ["active", "meta_active", "Ärger"]
    assert await found("filter: {tier: [LURKER]}") == ["lurker", "meta_lurker"]
    assert await found("filter: {tier: [INACTIVE]}") == ["nine", "meta_one", "one"]
    assert await found("filter: {tier: []}") == []
    assert await found("filter: {tier: [LURKER, SUPER_FAN]}") == ["fan", "lurker", "meta_lurker"]
    assert await found("filter: {tier: [LURKER, SUPER_FAN]}, orderBy: NEWEST") == ["meta_lurker", "lurker", "fan"]
    assert await found("filter: {tier: [ACTIVE, LURKER], platform: META}") == ["meta_active", "meta_lurker"]
    assert await found("filter: {minScore: 99}") == BY_SCORE[:5]
    assert await found("filter: {minScore: -1}") == BY_SCORE
    assert await found("filter: {minScore: 2147483647}") == []
    assert await found("filter: {minScore: 50, tier: [LURKER, SUPER_FAN]}") == ["fan", "lurker"]
    assert await found("filter: {minScore: 100, tier: [LURKER]}") == []
    assert await found("filter: {}") == BY_SCORE


@pytest.mark.usefixtures("people")
async def test_totals_are_those_of_the_filter(api: Api) -> None:
    for given, total in (
        ("{}", 9),
        ("{platform: META}", 3),
        ("{platform: REDDIT}", 0),
        ("{tier: [SUPER_FAN]}", 1),
        ("{tier: [ACTIVE, INACTIVE]}", 6),
        ("{tier: [INACTIVE]}", 3),
        ("{tier: []}", 0),
        ("{tier: [SUPER_FAN, LURKER, ACTIVE, INACTIVE]}", 9),
        ("{minScore: 10}", 6),
        ("{minScore: 100, tier: [ACTIVE]}", 3),
        ("{minScore: 2147483647}", 0),
        ("{minScore: 10, platform: META}", 2),
        ('{search: "m"}', 3),
        ('{search: "m", tier: [INACTIVE]}', 1),
        ('{search: "m", platform: TIKTOK}', 0),
    ):
        answer = await api.data(f"{{ followers(filter: {given}) {{ totalCount }} }}")
        assert (given, answer["followers"]["totalCount"]) == (given, total)


@pytest.fixture(params=[0, 5000], ids=["many", "few"])
def found_are_few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Searches find few followers, or more than that."""
    monkeypatch.setattr("db.queries.words.FEW", request.param)
    reading._listed.cache_clear()  # type: ignore[attr-defined]
    yield
    reading._listed.cache_clear()  # type: ignore[attr-defined]


PAGE = """query ($filter: FollowerFilter, $by: FollowerOrder, $first: Int, $after: String, $last: Int, $before: String) {
  followers(filter: $filter, orderBy: $by, first: $first, after: $after, last: $last, before: $before) {
    nodes { username } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"""


async def walked(api: Api, size: str, cursor: str, start: str, more: str, **asked: Any) -> list[str]:
    """Who is on all pages of one, in the order in which they come."""
    found, position = list[str](), None
    for _ in range(20):
        page = (await api.data(PAGE, **asked, **{size: 1, cursor: position}))["followers"]
        found += [node["username"] for node in page["nodes"]]
        position = page["pageInfo"][start]
        if not page["pageInfo"][more]:
            return found
    raise AssertionError("it goes on and on")


@pytest.mark.usefixtures("people", "found_are_few")
async def test_lists_are_paged_both_ways(api: Api) -> None:
    """Whether a search finds few or many."""
    filters: list[dict[str, Any]] = [
        {},
        {"platform": "META"},
        {"tier": ["SUPER_FAN", "INACTIVE"]},
        {"search": "meta"},
        {"search": "o", "tier": ["LURKER", "INACTIVE"], "minScore": 1},
    ]
    for given in filters:
        for by in ("SCORE", "LAST_SEEN"):
            asked = {"filter": given, "by": by}
            query = "query ($filter: FollowerFilter, $by: FollowerOrder) { followers(filter: $filter, orderBy: $by) { nodes { username } } }"
            expected = [node["username"] for node in (await api.data(query, **asked))["followers"]["nodes"]]
            assert expected
            assert await walked(api, "first", "after", "endCursor", "hasNextPage", **asked) == expected
            assert await walked(api, "last", "before", "startCursor", "hasPreviousPage", **asked) == expected[::-1]
    for by in ("NEWEST", "USERNAME"):
        expected = await listed(api, f"orderBy: {by}")
        assert await walked(api, "first", "after", "endCursor", "hasNextPage", by=by) == expected


@pytest.mark.usefixtures("found_are_few")
async def test_a_search_finds_whose_words_begin_with_each_of_its_words(api: Api) -> None:
    names = {
        "creator_amy": "Amy Müller-Lüdenscheidt",
        "amyx": None,
        "bob.smith": "\uff21\uff4d\uff59's brother",
        "ольга": "OLGA 100%",
        "straße_9": "\N{LATIN SMALL LETTER A}\N{COMBINING DIAERESIS}rger",
        "astral": "\U0001f680\U0010fffe",
    }
    await record_interactions(
        api,
        *(
            interaction(name, follower={"externalId": name, "username": name, "displayName": display})
            for name, display in names.items()
        ),
    )

    async def found(search: str) -> list[str]:
        return sorted(await listed(api, f"orderBy: USERNAME, filter: {{search: {json.dumps(search)}}}"))

    assert await found("amy") == ["amyx", "bob.smith", "creator_amy"]
    assert await found("@creator_amy") == ["creator_amy"]
    assert await found("CREATOR am") == ["creator_amy"]
    assert await found("mÜl amy") == ["creator_amy"]
    assert await found("lüdenscheidt") == ["creator_amy"]
    assert await found("smith bro") == ["bob.smith"]
    assert await found("bob.sm") == ["bob.smith"]
    assert await found("Ольг olga") == ["ольга"]
    assert await found("STRASSE") == ["straße_9"]
    assert await found("\N{LATIN SMALL LETTER A WITH DIAERESIS}r") == ["straße_9"]
    assert await found("100%") == ["ольга"]
    assert await found("\U0001f680") == ["astral"]
    assert await found("%") == []
    assert await found("my") == []
    assert await found("amy smith nobody") == []
    assert len(await found(" @ ")) == len(names)
    assert len(await found("a b c d e f g h")) == 0
    assert await found("x" * 150) == []


async def test_arguments_that_make_no_sense(api: Api) -> None:
    cursor = base64.b64encode(b'["followers:score",4294967296,"2026-03-01T00:00:00+00:00",1]').decode()
    for query, message in (
        (
            '{ followers(filter: {search: "a b c d e f g h i"}) { totalCount } }',
            "filter.search: at most 8 words; there are 9.",
        ),
        (
            f'{{ followers(filter: {{search: "{"x" * 201}"}}) {{ totalCount }} }}',
            "filter.search: at most 200 characters; there are 201.",
        ),
        ('{ followers(filter: {search: "a\\u0000"}) { nodes { id } } }', "A text cannot hold the character U+0000."),
        ("{ followers(first: 0) { totalCount } }", "first must be from 1 to 100; it is 0."),
        (f'{{ followers(after: "{cursor}") {{ nodes {{ id }} }} }}', "This is not a cursor of this list."),
        ("{ followerCohorts(weeks: 0) { size } }", "weeks must be from 1 to 104; it is 0."),
        ("{ followerCohorts(weeks: 105) { size } }", "weeks must be from 1 to 104; it is 105."),
        (
            '{ followerCohorts(asOf: "1899-12-31T00:00:00Z") { size } }',
            "asOf lies between the years 1900 and 2200.",
        ),
    ):
        assert await api.error(query) == ("BAD_USER_INPUT", message)


@pytest.mark.usefixtures("people")
async def test_a_leaderboard_takes_as_many_statements_for_2n_as_for_n(api: Api, statements: list[str]) -> None:
    query = f"""query ($first: Int!) {{ followers(first: $first) {{ totalCount nodes {{ username rank {SCORE}
      interactions(first: 3) {{ totalCount nodes {{ key type }} }}
      comments: interactions(types: [COMMENT], window: {{to: "{at()}"}}) {{ totalCount }} }} }} }}"""
    counted = []
    for first in (4, 8):
        statements.clear()
        assert len((await api.data(query, first=first))["followers"]["nodes"]) == first
        counted.append(len(statements))
    # followers and their number; ranks; interactions and their number, twice but for the page that is not asked for
    assert counted == [6, 6]


# Monday, the second of March 2026, begins at 23:00 UTC on Sunday in Berlin.
MONDAY = "2026-03-01T23:00:00Z"


async def cohorts(api: Api, arguments: str) -> list[tuple[Any, ...]]:
    query = f"{{ followerCohorts({arguments}) {{ week platform size active30d superFans retention }} }}"
    return [tuple(one.values()) for one in (await api.data(query))["followerCohorts"]]


async def test_cohorts(api: Api) -> None:
    def seen(who: str, *moments: str, **values: Any) -> list[dict[str, Any]]:
        return [interaction(f"{who}{n}", who, occurredAt=moment, **values) for n, moment in enumerate(moments)]

    await record_interactions(
        api,
        *seen("early", "2026-03-01T22:59:59Z", "2026-03-08T22:59:59Z"),
        *seen("late", MONDAY, "2026-03-08T23:00:00Z", "2026-03-25T12:00:00Z", "2026-05-01T00:00:00Z"),
        *seen("once", "2026-03-04T12:00:00Z"),
        *seen("third", "2026-03-05T12:00:00Z", "2026-03-16T12:00:00Z", type="SHARE"),
        *seen("meta", "2026-03-02T12:00:00Z", platform="META"),
        *seen("fan", *[f"2026-03-10T12:{n:02}:00Z" for n in range(50)], platform="META", type="SHARE"),
    )
    as_of = 'asOf: "2026-03-29T12:00:00Z"'
    first = ("2026-02-23", "TIKTOK", 1, 1, 0, [100.0, 100.0, 0.0, 0.0, 0.0])
    own = [
        ("2026-03-02", "META", 1, 1, 0, [100.0, 0.0, 0.0, 0.0]),
        ("2026-03-02", "TIKTOK", 3, 3, 0, [100.0, 33.33, 33.33, 33.33]),
    ]
    fan = ("2026-03-09", "META", 1, 1, 1, [100.0, 0.0, 0.0])
    assert await cohorts(api, as_of) == [fan, *own, first]
    assert await cohorts(api, f"{as_of}, weeks: null") == [fan, *own, first]
    assert await cohorts(api, f"{as_of}, weeks: 4") == [fan, *own]
    assert await cohorts(api, f"{as_of}, platform: META") == [fan, own[0]]
    assert await cohorts(api, f"{as_of}, weeks: 1") == []
    # The week of the moment counts as a whole; who is first seen after the moment does not count.
    assert await cohorts(api, 'asOf: "2026-03-05T11:59:59Z"') == [
        ("2026-03-02", "META", 1, 1, 0, [100.0]),
        ("2026-03-02", "TIKTOK", 2, 2, 0, [100.0]),
        ("2026-02-23", "TIKTOK", 1, 1, 0, [100.0, 100.0]),
    ]
    # Thirty days, to the second, whatever was done after them.
    assert [one[2:4] for one in await cohorts(api, 'asOf: "2026-04-24T12:00:00Z", platform: TIKTOK')] == [
        (3, 1),
        (1, 0),
    ]
    assert [one[2:4] for one in await cohorts(api, 'asOf: "2026-04-24T12:00:01Z", platform: TIKTOK')] == [
        (3, 0),
        (1, 0),
    ]


async def test_without_a_moment_cohorts_are_those_of_now(api: Api) -> None:
    now = datetime.now(UTC)
    moments = [(now - timedelta(days=days)).isoformat() for days in (0, 7)]
    await record_interactions(api, *(interaction(moment, occurredAt=moment) for moment in moments))
    [found] = (await api.data("{ followerCohorts { size active30d retention } }"))["followerCohorts"]
    assert (found["size"], found["active30d"], found["retention"][0], found["retention"][-1]) == (1, 1, 100.0, 100.0)
    assert await api.data("{ followerCohorts(weeks: 1) { size } }") == {"followerCohorts": []}
