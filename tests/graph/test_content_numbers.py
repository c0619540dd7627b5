"""What followers did with content, by platform and in total, and that it takes one statement for all items of a level."""

from typing import Any

import pytest

from db.engine import Database
from tests.api import Api
from tests.facts import at
from tests.graph.test_content import happened, item
from tests.social import post, upsert_content

COUNTS = ("comments", "likes", "shares", "saves", "profileVisits", "linkClicks")
SUMMARY = f"""summary {{ platformCount platforms {" ".join(f"total{name[0].upper()}{name[1:]}" for name in COUNTS)}
  totalInteractions uniqueFollowers bestPlatform }}"""
PLATFORMS = f"platforms {{ platform posts {' '.join(COUNTS)} uniqueFollowers }}"


async def test_two_platforms_roll_up_by_platform_and_in_total(api: Api, database: Database, workspace: int) -> None:
    posts = [
        post("TIKTOK", "t1"),
        post("TIKTOK", "t2"),
        post("INSTAGRAM", "i"),
        post("YOUTUBE", "y", figures={"likes": 9}),
    ]
    await upsert_content(api, "a", posts=posts)
    await upsert_content(api, "none")
    await happened(
        database,
        workspace,
        *("t1 TIKTOK amy COMMENT", "t2 TIKTOK amy LIKE", "t1 TIKTOK amy SHARE", "t1 TIKTOK bob LIKE"),
        *("i INSTAGRAM amy SAVE", "i INSTAGRAM amy PROFILE_VISIT", "i INSTAGRAM amy LINK_CLICK"),
    )
    zeros = {**dict.fromkeys(COUNTS, 0), "uniqueFollowers": 0}
    tiktok = {**zeros, "comments": 1, "likes": 2, "shares": 1, "uniqueFollowers": 2}
    instagram = {**zeros, "saves": 1, "profileVisits": 1, "linkClicks": 1, "uniqueFollowers": 1}
    assert await item(api, "a", f"{SUMMARY} {PLATFORMS}") == {
        "summary": {
            "platformCount": 3,
            "platforms": ["INSTAGRAM", "TIKTOK", "YOUTUBE"],
            "totalComments": 1,
            "totalLikes": 2,
            "totalShares": 1,
            "totalSaves": 1,
            "totalProfileVisits": 1,
            "totalLinkClicks": 1,
            "totalInteractions": 7,
            "uniqueFollowers": 3,
            "bestPlatform": "INSTAGRAM",  # 8 + 3 + 15 beside 5 + 2 + 10
        },
        "platforms": [
            {"platform": "INSTAGRAM", "posts": 1, **instagram},
            {"platform": "TIKTOK", "posts": 2, **tiktok},
            {"platform": "YOUTUBE", "posts": 1, **zeros},
        ],
    }
    nothing = dict.fromkeys((f"total{name[0].upper()}{name[1:]}" for name in COUNTS), 0)
    assert await item(api, "none", f"{SUMMARY} {PLATFORMS}") == {
        "summary": {
            "platformCount": 0,
            "platforms": [],
            **nothing,
            "totalInteractions": 0,
            "uniqueFollowers": 0,
            "bestPlatform": None,
        },
        "platforms": [],
    }


BEST = {
    "nothing happened": ([post("META", "m")], [], None),
    "more is worth more": (
        [post("META", "m"), post("TIKTOK", "t")],
        ["m META a SHARE", *["t TIKTOK a LIKE"] * 9],
        "META",
    ),
    "of equal ones more comments": (
        [post("META", "m"), post("TIKTOK", "t")],
        [*["m META a LIKE"] * 5, "t TIKTOK a COMMENT"],
        "TIKTOK",
    ),
    "then the earlier first post": (
        [
            *(post("META", "m", postedAt=at(hours=1)), post("META", "m2", postedAt=at(hours=2))),
            *(post("TIKTOK", "t", postedAt=at(hours=3)), post("TIKTOK", "t2", postedAt=at())),
        ],
        ["m META a COMMENT", "t TIKTOK a COMMENT"],
        "TIKTOK",
    ),
    "one without a time is last": (
        [post("META", "m"), post("TIKTOK", "t", postedAt=at())],
        ["m META a COMMENT", "t TIKTOK a COMMENT"],
        "TIKTOK",
    ),
    "then by name": (
        [post("TIKTOK", "t", postedAt=at()), post("META", "m", postedAt=at())],
        ["m META a COMMENT", "t TIKTOK a COMMENT"],
        "META",
    ),
}


@pytest.mark.parametrize(("posts", "happenings", "best"), BEST.values(), ids=list(BEST))
async def test_the_best_platform(
    api: Api, database: Database, workspace: int, posts: list[Any], happenings: list[str], best: str | None
) -> None:
    await upsert_content(api, "a", posts=posts)
    await happened(database, workspace, *happenings)
    assert await item(api, "a", "summary { bestPlatform }") == {"summary": {"bestPlatform": best}}


async def test_everything_takes_as_many_statements_for_2n_items_as_for_n(
    api: Api, database: Database, workspace: int, statements: list[str]
) -> None:
    query = f"""{{ contentItems {{ totalCount nodes {{ title tags {{ type value }} {SUMMARY} {PLATFORMS}
      posts {{ totalCount nodes {{ caption figures {{ views updatedAt }} content {{ slug }} }} }} }} }} }}"""
    counts = []
    for number in range(4):
        tags = [{"type": "t", "value": str(n)} for n in range(number)]
        await upsert_content(
            api, f"c{number}", tags=tags, posts=[post("META", str(number)), post("TIKTOK", str(number))]
        )
        await happened(database, workspace, f"{number} META amy COMMENT")
        if number in (1, 3):
            statements.clear()
            assert len((await api.data(query))["contentItems"]["nodes"]) == number + 1
            counts.append(len(statements))
    # items, their count; tags, totals, numbers by platform; posts, their count, their items
    assert counts == [8, 8]


async def test_what_is_not_asked_is_not_read(api: Api, statements: list[str]) -> None:
    await upsert_content(api, "a", posts=[post("META", "1")])
    query = "{ contentItems { edges { node { summary { totalLikes } platforms { posts } posts { nodes { url } } } } } }"
    statements.clear()
    await api.data(query)
    read = "\n".join(statements)
    assert len(statements) == 4
    assert "content_summaries.likes" in read
    unwanted = ("title", "comments", "interactions", "content_platform_rollups", "views", "caption")
    assert [word for word in unwanted if word in read] == []
