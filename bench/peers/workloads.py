"""What is asked, in the words of each contestant, and how an answer is told to be the same.

Ours and Mercurius speak the same schema. PostGraphile's own names are aliased to it.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Dialect = Callable[[str, dict[str, Any]], tuple[str, dict[str, Any]]]
"""From our words and variables to a contestant's."""

_FLAT = "id key name status startsOn endsOn currency createdAt"
_METRICS = "metrics { impressions clicks clickThroughRate likes shares comments }"
_COMMENT = "id body occurredAt"
_IMPRESSION = "id occurredAt deviceType clicked converted"


def _thread(levels: int, of: str) -> str:
    inner = f" {of} {{ nodes {{ {_thread(levels - 1, of)} }} }}" if levels else ""
    return _COMMENT + inner


_DASHBOARD = f"""{{ campaigns(first: 20) {{ nodes {{ {_FLAT} {_METRICS}
  impressions(first: 50) {{ nodes {{ {_IMPRESSION} }} }}
  comments(first: 10) {{ nodes {{ {_thread(1, "replies(first: 3)")} }} }} }} }} }}"""
_THREADS = f"""{{ campaigns(first: 10) {{ nodes {{ id
  comments(first: 10) {{ nodes {{ {_thread(3, "replies(first: 3)")} }} }} }} }} }}"""


def _cold(number: int) -> str:
    return f"{{ c{number}: campaigns(first: 5) {{ nodes {{ id n{number}: name status {_METRICS} }} }} }}"


_RENAME = """mutation ($id: ID!, $name: String!) { updateCampaign(input: {id: $id, name: $name}) {
  campaign { id name status currency } } }"""


@dataclass(frozen=True)
class Workload:
    """One thing to ask, perhaps in a new text each time."""

    path: str
    """A word for it: an option, and a part of the paths of those who know no GraphQL."""
    name: str
    query: Callable[[int], str]
    variables: Callable[[int], dict[str, Any]] = lambda _: {}
    writes: bool = False

    def body(self, number: int, dialect: Dialect) -> bytes:
        """The request, as a dialect words it."""
        query, variables = dialect(self.query(number), self.variables(number))
        return json.dumps({"query": query, "variables": variables}).encode()


def workloads(campaign_ids: Sequence[str]) -> list[Workload]:
    """All of them; the mutation renames one campaign after the other."""

    def rename(number: int) -> dict[str, Any]:
        return {"id": campaign_ids[number % len(campaign_ids)], "name": f"Campaign renamed {number}"}

    return [
        Workload("hello", "hello", lambda _: "{ __typename }"),
        Workload("flat", "flat page of 100", lambda _: f"{{ campaigns(first: 100) {{ nodes {{ {_FLAT} }} }} }}"),
        Workload("dashboard", "nested dashboard", lambda _: _DASHBOARD),
        Workload("threads", "threads, four levels", lambda _: _THREADS),
        Workload("metrics", "metrics of 100", lambda _: f"{{ campaigns(first: 100) {{ nodes {{ id {_METRICS} }} }} }}"),
        Workload("mutation", "mutation, read back", lambda _: _RENAME, rename, writes=True),
        Workload("cold", "each text new, cold caches", _cold),
    ]


def as_is(query: str, variables: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The dialect of our schema."""
    return query, variables


def postgraphile(query: str, variables: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The dialect of PostGraphile over the views."""
    if "updateCampaign" in query:
        key = int(base64.b64decode(variables["id"]).decode().partition(":")[2])
        query = """mutation ($id: BigInt!, $name: String!) {
          updateCampaign: updateCampaignByRowId(input: {rowId: $id, campaignPatch: {name: $name}}) {
            campaign { id name status currency } } }"""
        return query, {"id": str(key), "name": variables["name"]}
    newest = "orderBy: [OCCURRED_AT_DESC, ROW_ID_DESC]"
    campaigns = "allCampaigns(orderBy: [CREATED_AT_DESC, ROW_ID_DESC], first: "
    query = re.sub(r"(\w+: )?\bcampaigns\(first: ", lambda found: (found[1] or "campaigns: ") + campaigns, query)
    query = query.replace("impressions(first: ", f"impressions({newest}, first: ")
    query = query.replace(" comments(first: ", f" comments({newest}, condition: {{parentId: null}}, first: ")
    return query.replace("replies(first: ", "replies(orderBy: [OCCURRED_AT_ASC, ROW_ID_ASC], first: "), variables


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def plain(value: Any, key: str = "") -> Any:
    """An answer without what contestants spell in their own ways: ids, times, large numbers."""
    if isinstance(value, dict):
        return {name: plain(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, key) for inner in value]
    if isinstance(value, str) and key == "id":
        # Campaign:7 in base64 with us, campaigns|7 with PostGraphile.
        return int(re.split(r"[:|]", value if "|" in value else base64.b64decode(value).decode())[1])
    if isinstance(value, str) and _TIME.match(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value
