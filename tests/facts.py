"""Short ways to bring campaigns and impressions about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api import Api

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(**ago: float) -> str:
    """A moment so long after noon on the first of March 2026 (UTC), as the API writes it."""
    return (NOON + timedelta(**ago)).isoformat().replace("+00:00", "Z")


async def create_campaign(api: Api, **values: Any) -> str:
    """The id of a new campaign."""
    payload = await api.data(
        "mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } userErrors { message } } }",
        input={"name": "Spring", **values},
    )
    assert payload["createCampaign"]["userErrors"] == []
    campaign_id: str = payload["createCampaign"]["campaign"]["id"]
    return campaign_id


async def record(api: Api, campaign_id: str, impressions: Sequence[dict[str, Any]]) -> Any:
    """What recordImpressions answers."""
    return (
        await api.data(
            "mutation ($input: RecordImpressionsInput!) { recordImpressions(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"campaignId": campaign_id, "impressions": list(impressions)},
        )
    )["recordImpressions"]


async def update(api: Api, *updates: dict[str, Any]) -> Any:
    """What updateImpressions answers."""
    return (
        await api.data(
            "mutation ($input: UpdateImpressionsInput!) { updateImpressions(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"updates": list(updates)},
        )
    )["updateImpressions"]


async def metrics(api: Api, campaign_id: str, fields: str, window: dict[str, str] | None = None) -> Any:
    """Some of a campaign's metrics."""
    query = (
        f"query ($id: ID!, $window: TimeWindow) {{ campaign(id: $id) {{ metrics(window: $window) {{ {fields} }} }} }}"
    )
    return (await api.data(query, id=campaign_id, window=window))["campaign"]["metrics"]
