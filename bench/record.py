"""recordImpressions over HTTP: batches of 1000 to a server process of its own, from a few clients at once."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from bench.server import serving, token
from graph.ids import encode

BATCH = 1000
CLIENTS = 4
MUTATION = """mutation ($input: RecordImpressionsInput!) {
  recordImpressions(input: $input) { accepted rejected { index } userErrors { message } } }"""


def bodies(rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """The requests for rows with a ``campaign`` id and the fields of an ImpressionInput, a campaign at a time."""
    by_campaign: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_campaign.setdefault(row["campaign"], []).append({k: v for k, v in row.items() if k != "campaign" and v})
    return [
        orjson.dumps(
            {
                "query": MUTATION,
                "variables": {"input": {"campaignId": encode("Campaign", key), "impressions": items[n : n + BATCH]}},
            }
        )
        for key, items in by_campaign.items()
        for n in range(0, len(items), BATCH)
    ]


async def record(url: str, workspace: str, rows: Sequence[dict[str, Any]]) -> float:
    """Seconds to record all rows, from the first request to the last answer."""
    requests = iter(bodies(rows))
    headers = {"authorization": f"Bearer {token(workspace)}", "content-type": "application/json"}
    accepted = 0

    async def client(session: httpx.AsyncClient) -> None:
        nonlocal accepted
        for body in requests:
            answer = orjson.loads((await session.post("/graphql", content=body)).content)
            accepted += answer["data"]["recordImpressions"]["accepted"]

    with serving(url) as address:
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as session:
            await session.get("/health/live")
            began = time.perf_counter()
            await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
            seconds = time.perf_counter() - began
    if accepted != len(rows):
        raise RuntimeError(f"{accepted} of {len(rows)} impressions were accepted")
    return seconds
