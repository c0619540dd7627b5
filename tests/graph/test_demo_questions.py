"""The questions about content, followers, creatives and mail, asked of the demo as the README asks them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from jobs import demo
from tests.api import Api, build, token

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
async def shown(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The demo workspace, asked by somebody who may read it."""
    await demo.load(database)
    async with build(database_url, tmp_path) as api:
        yield api.as_(token("demo", scopes=("read",)))


def questions(about: str) -> list[str]:
    """The README's queries in the section of this title."""
    section = README.read_text().partition(f"### {about}\n")[2].partition("\n### ")[0]
    return re.findall(r"```graphql\n(.*?)```", section, re.DOTALL)


async def test_the_readme_answers_its_questions(shown: Api) -> None:
    best, engaged, amy, platform = [await shown.data(question) for question in questions("Know your followers")]
    assert [(node["title"], node["summary"]) for node in best["contentItems"]["nodes"]] == [
        ("A day at the harbour", _summary(336, 76)),
        ("The gift card nobody lost", _summary(333, 78)),
        ("Behind the spring launch", _summary(322, 70)),
    ]
    first = engaged["followers"]["nodes"][0]
    assert (first["rank"], first["username"], first["score"]["value"], first["score"]["tier"]) == (
        1, "jonas_draws_000", 1001, "SUPER_FAN",
    )  # fmt: skip
    assert [node["rank"] for node in engaged["followers"]["nodes"]] == [1, 2, 3, 4, 5]
    [her] = amy["followers"]["nodes"]
    assert [(node["content"]["title"], node["occurredAt"]) for node in her["interactions"]["nodes"]] == [
        ("Behind the spring launch", "2026-03-21T18:09:00Z"),
        ("City bike, first ride", "2026-03-19T18:08:00Z"),
        ("A day at the harbour", "2026-03-17T18:07:00Z"),
    ]
    item = platform["contentItemBySlug"]
    assert item["summary"]["bestPlatform"] == "TIKTOK"
    assert [(one["platform"], one["comments"], one["uniqueFollowers"]) for one in item["platforms"]] == [
        ("INSTAGRAM", 19, 37),
        ("TIKTOK", 44, 54),
    ]
    [creatives] = [await shown.data(question) for question in questions("Keep your creatives")]
    by_type = {"AD_COPY": 2, "CALL_TO_ACTION": 1, "DESCRIPTION": 1, "HEADLINE": 2}
    held = {
        "tags": ["cycling", "launch", "spring"],
        "stats": {"assetCount": 6, "byType": [{"type": kind, "count": count} for kind, count in by_type.items()]},
    }
    figures = {"clickThroughRate": 3.2, "roas": 3.7866}
    assert creatives["spaces"]["nodes"] == [
        {"name": "City Bike Spring Launch on TikTok", "isTemplate": False, "performance": None, **held},
        {"name": "City Bike Spring Launch on Meta", "isTemplate": True, "performance": figures, **held},
    ]

    [mail] = [await shown.data(question) for question in questions("Send mail")]
    [wave] = mail["mailings"]["nodes"]
    assert (wave["name"], wave["startedAt"]) == ("City bike launch, first wave", "2026-03-10T08:00:00Z")
    assert wave["metrics"] == {
        "emailsSent": 240,
        "emailsDelivered": 237,
        "openRate": 50.42,
        "clickRate": 15.83,
        "clickToOpenRate": 31.4,
        "bounceRate": 1.25,
        "unsubscribeRate": 1.67,
    }
    assert [link["uniqueClicks"] for link in wave["links"]["nodes"]] == [11, 12, 15]
    counts = {one["status"]: one["count"] for one in wave["recipientsByStatus"] if one["count"]}
    assert counts == {"SENT": 233, "BOUNCED": 3, "UNSUBSCRIBED": 4}
    assert (wave["events"]["totalCount"], len(wave["events"]["nodes"])) == (38, 2)


def _summary(interactions: int, comments: int) -> dict[str, Any]:
    platforms = ["INSTAGRAM", "TIKTOK", "YOUTUBE"]
    return {
        "totalInteractions": interactions,
        "totalComments": comments,
        "platforms": platforms,
        "bestPlatform": "TIKTOK",
    }
