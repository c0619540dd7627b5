"""/metrics, as Prometheus reads it."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.engine import Database
from db.models.interaction_kinds import InteractionType
from tests.api import Api, build
from tests.metrics import samples
from tests.recounted import did, read, record, recounted, spoil

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


async def sums(api: Api) -> dict[str, float]:
    """The samples of recounts by name, of which none has labels."""
    answer = await api.as_(None).client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, PLAIN)
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    mine = [sample for sample in samples if sample.name.startswith(("groundswell_score_", "groundswell_follower_"))]
    assert not any(sample.labels for sample in mine)
    return {sample.name.removeprefix("groundswell_"): sample.value for sample in mine}


async def test_before_anything_was_recounted(api: Api) -> None:
    assert await sums(api) == {
        "score_recounts_total": 0,
        "follower_scores_differed_total": 0,
        "follower_scores_dropped_total": 0,
        "follower_tiers_dropped_total": 0,
        "follower_ranks_differed_total": 0,
    }


async def test_what_alerts_are_about_is_there_before_it_happens(api: Api) -> None:
    """An increase from nothing to one is none to Prometheus."""
    assert await samples(api, "operation_errors") == {
        "operation_errors_total{DEADLINE_EXCEEDED}": 0,
        "operation_errors_total{INTERNAL}": 0,
        "operation_errors_total{UNAVAILABLE}": 0,
    }
    assert await samples(api, "pool_failures") == {
        "pool_failures_total{cancelled}": 0,
        "pool_failures_total{timeout}": 0,
        "pool_failures_total{unreachable}": 0,
    }


async def test_sums_over_all_workspaces(api: Api, database: Database, workspace: int, other_workspace: int) -> None:
    for where in (workspace, other_workspace):
        await record(database, where, did("a", "ada", InteractionType.LINK_CLICK), did("b", "bob"))
    # Ada drops within her tier, Bob out of his, in both workspaces; in one of them, Ada rises after that.
    await spoil(database, "UPDATE followers SET likes = 2 WHERE external_id = 'ada'")
    await spoil(database, "UPDATE followers SET likes = 100 WHERE external_id = 'bob'")
    for where in (workspace, other_workspace):
        await recounted(database, where)
    await spoil(database, "UPDATE followers SET link_clicks = 0 WHERE workspace_id = :w AND likes = 0", w=workspace)
    await recounted(database, workspace)
    found = await sums(api)
    [(finished,)] = await read(
        database, "SELECT extract(epoch FROM max(finished_at))::double precision FROM score_recounts"
    )
    assert found.pop("score_recount_finished_timestamp_seconds") == pytest.approx(finished, abs=1e-3)
    assert found == {
        "score_recounts_total": 3,
        "follower_scores_differed_total": 5,
        "follower_scores_dropped_total": 4,
        "follower_tiers_dropped_total": 2,
        # Twice those of 15, 17, 1 and 100, and of the sixteenths of them, 0, 1 and 6; at last those of 15 on all eight levels.
        "follower_ranks_differed_total": 2 * 7 + 8,
    }


async def test_it_can_be_turned_off(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, METRICS="off") as api:
        assert (await api.client.get("/metrics")).status_code == 404


async def test_only_reading_is_answered(api: Api) -> None:
    assert (await api.client.post("/metrics")).status_code == 405


async def test_without_a_connection_it_tells_of_the_process_alone(database_url: str, tmp_path: Path) -> None:
    one = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_OVERFLOW": "0", "DATABASE_POOL_TIMEOUT": "1"}
    async with build(database_url, tmp_path, **one) as api:
        async with api.database.everywhere():
            answer = await api.client.get("/metrics")
        assert answer.status_code == 200
        assert "groundswell_database_up 0.0\n" in answer.text
        assert "process_resident_memory_bytes" in answer.text
        assert len(await sums(api)) == 5
