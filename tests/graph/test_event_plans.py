"""Under row-level security, as the application's role, what is asked of events goes through their indexes and roll-ups."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.queries import campaigns, channels
from db.queries.events import recording
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON, at

ROWS = 20_000


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, str]:
    """A campaign and a channel with many events, beside a workspace that the statistics know."""
    for owner in (other_workspace, workspace):
        async with database.write(owner) as transaction:
            made = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
            channel = await channels.create_channel(transaction, "Ads", "ADS", None)
            items = [
                NewEvent(
                    f"k{n}",
                    EventType.CLICK,
                    made,
                    NOON - timedelta(minutes=n),
                    channel_id=channel,
                    user_id=f"u{n % 5000}",
                )
                for n in range(ROWS)
            ]
            await recording.record(transaction, items)
        if owner == other_workspace:
            async with database.engine.connect() as connection:
                await connection.execute(text("ANALYZE"))
    return {"id": encode("Campaign", made), "channel": encode("Channel", channel)}


@pytest.fixture
def ids(filled: tuple[str, dict[str, str]]) -> dict[str, str]:
    """What ``fill_database`` answered."""
    return filled[1]


async def explained(api: Api, workspace: int, query: str, **variables: Any) -> str:
    """The plans of the statements that an operation executes."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    found: list[str] = []
    async with api.database.write(workspace) as transaction:
        for statement, parameters in asked:
            if "event" in statement:
                found += [row[0] for row in await transaction.driver.fetch(f"EXPLAIN {statement}", *parameters)]
    return "\n".join(found)


# It cuts buckets at both ends.
WINDOW = f'window: {{from: "{at(minutes=-70)}", to: "{at(minutes=-20)}"}}'


@pytest.mark.parametrize(
    ("selection", "index"),
    [
        ("events(first: 20) { nodes { key } }", "Index Scan Backward using events_time_idx"),
        ("events(last: 20) { nodes { key } }", "Index Scan using events_time_idx"),
        (f"events(filter: {{types: [IMPRESSION], {WINDOW}}}) {{ totalCount }}", "events_time_idx"),
        (f"eventMetrics({WINDOW}) {{ uniqueUsers }}", "events_time_idx"),
        (f"eventMetrics({WINDOW}) {{ clicks }}", "event_buckets_pkey"),
    ],
    ids=["first", "last", "window", "users", "edges"],
)
async def test_a_campaign_s_events_go_through_their_index(
    api: Api, workspace: int, ids: dict[str, str], selection: str, index: str
) -> None:
    query = f"query ($id: ID!) {{ campaign(id: $id) {{ {selection} }} }}"
    plan = await explained(api, workspace, query, id=ids["id"])
    assert index in plan
    assert "Seq Scan on events" not in plan


async def test_numbers_of_all_time_and_ranks_read_no_events(api: Api, workspace: int, ids: dict[str, str]) -> None:
    query = """query ($channel: ID!) { topChannels { metrics { conversions clicks impressions } }
      channel(id: $channel) { metrics { clicks uniqueUsers revenue { amount } } }
      campaigns { nodes { eventMetrics { clicks uniqueUsers revenue { amount } } events { totalCount } } } }"""
    plan = await explained(api, workspace, query, channel=ids["channel"])
    assert "on events" not in plan
    assert "events_" not in plan
