"""recalculateScores: what was tampered with is corrected, told of, and right the second time."""

from typing import Any

import pytest

from db.engine import Database
from tests.api import Api, token
from tests.facts import create_campaign, restricted
from tests.recounted import read, recounts, spoil
from tests.social import interaction, record_interactions

RECALCULATE = "mutation { recalculateScores { followers changed userErrors { code message field } } }"
ALL = "{ followers { nodes { username score { value tier comments shares likes } rank } } }"


async def recalculate(api: Api) -> tuple[int, int]:
    """How many followers were recounted, and how many of them changed."""
    payload = (await api.data(RECALCULATE))["recalculateScores"]
    assert payload["userErrors"] == []
    return payload["followers"], payload["changed"]


async def scores(api: Api) -> dict[str, Any]:
    """Score and rank by name."""
    return {node.pop("username"): node for node in (await api.data(ALL))["followers"]["nodes"]}


@pytest.fixture
async def right(api: Api) -> dict[str, Any]:
    """The scores of two followers as their interactions make them: Amy's is 16, Ben's 5."""
    kinds = (("a", "amy", "COMMENT"), ("b", "amy", "LIKE"), ("c", "amy", "SHARE"), ("d", "ben", "COMMENT"))
    await record_interactions(api, *(interaction(key, who, type=kind) for key, who, kind in kinds))
    return await scores(api)


async def test_a_tampered_counter_is_corrected_once(api: Api, right: dict[str, Any]) -> None:
    assert right["amy"] == {
        "score": {"value": 16, "tier": "LURKER", "comments": 1, "shares": 1, "likes": 1},
        "rank": 1,
    }
    await spoil(api.database, "UPDATE followers SET shares = 50 WHERE external_id = 'ben'")
    assert (await scores(api))["ben"]["score"]["value"] == 505
    assert await recalculate(api) == (2, 1)
    assert await scores(api) == right
    assert await recalculate(api) == (2, 0)
    # The counts of scores that Ben's move left behind are corrected with him.
    assert [(changed, finished) for _, changed, _, _, _, finished in await recounts(api.database)] == [
        (1, True),
        (0, True),
    ]


async def test_tampered_ranks_are_corrected_and_nobody_changed(api: Api, right: dict[str, Any]) -> None:
    await spoil(api.database, "UPDATE follower_score_counts SET followers = followers + 3")
    assert (await scores(api))["ben"]["rank"] > 2
    assert await recalculate(api) == (2, 0)
    assert await scores(api) == right


async def test_where_nobody_is(api: Api) -> None:
    assert await recalculate(api) == (0, 0)


async def test_only_ones_own_workspace_is_recounted(
    api: Api, database: Database, right: dict[str, Any], other_workspace: int
) -> None:
    assert other_workspace
    await spoil(database, "UPDATE followers SET likes = 7 WHERE external_id = 'ben'")
    assert await recalculate(api.as_(token("other"))) == (0, 0)
    assert await read(database, "SELECT likes FROM followers WHERE external_id = 'ben'") == [(7,)]
    assert await recalculate(api) == (2, 1)
    assert await scores(api) == right


async def test_who_may_not_write_everything_may_not_recount(api: Api, right: dict[str, Any]) -> None:
    await spoil(api.database, "UPDATE followers SET likes = 7")
    partner = await restricted(api, [await create_campaign(api)], "READ", "WRITE")
    for somebody in (api.as_(token(scopes=("read",))), partner):
        assert "FORBIDDEN" in str(await somebody.ask(RECALCULATE))
    assert await recounts(api.database) == []
    assert await scores(api) != right
