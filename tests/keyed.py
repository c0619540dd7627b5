"""Sending requests with an idempotency key."""

from typing import Any

import httpx

from tests.api import Api

BRAND = (
    "mutation ($n: String!) { createBrand(input: {name: $n}) { brand { id name } userErrors { code field message } } }"
)
SEVERAL = """mutation ($n: String!, $input: CreateCampaignInput!) {
  a: createBrand(input: {name: $n}) { brand { id name } userErrors { code } }
  b: createCampaign(input: $input) { campaign { id key name createdAt } userErrors { code } }
  c: createBrand(input: {name: $n}) { brand { id } userErrors { code } } }"""


async def send(api: Api, key: str | None, query: str, **variables: Any) -> httpx.Response:
    """The response to a request with a key, or with none."""
    headers = api._headers if key is None else {**api._headers, "idempotency-key": key}
    return await api.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of the only error of a response without data."""
    answer = response.json()
    [error] = answer["errors"]
    assert answer.get("data") is None
    return response.status_code, error["extensions"]["code"]


def is_replay(response: httpx.Response) -> bool:
    """Whether a response says that it was given before."""
    replayed: str = response.headers.get("idempotency-replayed", "false")
    return replayed == "true"
