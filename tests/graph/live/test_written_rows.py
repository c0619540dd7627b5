"""Rows that PostgreSQL wrote, in what is sent to subscribers."""

import pytest

from tests.facts import comment, create_campaign
from tests.live import Server, eventually

COMMENTED = """subscription ($id: ID!) { campaignMetrics(campaignId: $id, intervalMs: 100) {
  campaign { comments { nodes { body } } } } }"""
RENAME = "mutation ($id: ID!) { updateCampaign(input: {id: $id, name: NAME}) { userErrors { message } } }"


@pytest.mark.usefixtures("written_at_once")
async def test_what_has_not_changed_is_not_sent_again(server: Server) -> None:
    campaign = await create_campaign(server.api)
    reads: list[str] = []
    with server.api.database.watched(lambda sql, _: reads.append(sql)):
        async with server.socket() as socket:
            await socket.subscribe(COMMENTED, id=campaign)
            seen = [await socket.payload()]
            for name in ("Autumn", "Winter"):
                reads.clear()
                await server.api.data(RENAME.replace("NAME", f'"{name}"'), id=campaign)
                # It was looked at anew, and what is asked of it is the same.
                assert await eventually(lambda: any("FROM unnest" in sql and "engagements" in sql for sql in reads))
            await comment(server.api, campaign, "ada", body="Nice")
            seen.append(await socket.payload())
    rows = [payload["data"]["campaignMetrics"]["campaign"]["comments"]["nodes"] for payload in seen]
    assert rows == [[], [{"body": "Nice"}]]
