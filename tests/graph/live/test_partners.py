"""API clients: secrets, scopes, grants, revocation; what a restricted one sees and what it may do."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.api import Api, token
from tests.facts import at, comment, create_campaign, react, record
from tests.graph.live.conftest import LIVE
from tests.live import ENGAGEMENTS, Server

CREATE = """mutation ($input: CreateApiClientInput!) { createApiClient(input: $input) {
  apiClient { id name scopes restricted createdAt lastUsedAt revokedAt campaigns { totalCount nodes { id } } }
  secret userErrors { code message field } } }"""
REVOKE = """mutation ($id: ID!) { revokeApiClient(input: {id: $id}) {
  apiClient { id revokedAt } userErrors { code message field } } }"""


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(token(scopes=LIVE))


async def create(admin: Api, *scopes: str, campaigns: list[str] | None = None, name: str = "Partner") -> Any:
    """What createApiClient answers."""
    given = {"name": name, "scopes": list(scopes), **({} if campaigns is None else {"campaignIds": campaigns})}
    return (await admin.data(CREATE, input=given))["createApiClient"]


async def test_a_client_is_made_once_with_its_secret(admin: Api) -> None:
    campaign = await create_campaign(admin)
    made = await create(admin, "LIVE", "READ", campaigns=[campaign])
    client = made["apiClient"]
    assert (client["name"], client["scopes"], client["restricted"]) == ("Partner", ["READ", "LIVE"], True)
    assert client["campaigns"] == {"totalCount": 1, "nodes": [{"id": campaign}]}
    assert (client["lastUsedAt"], client["revokedAt"]) == (None, None)
    assert made["secret"].startswith("gs_")
    viewer = await admin.as_(made["secret"]).data("{ viewer { subject scopes workspace { name } actor { userId } } }")
    assert viewer["viewer"]["scopes"] == ["READ", "LIVE"]
    assert viewer["viewer"]["workspace"] == {"name": "Test"}
    assert viewer["viewer"]["actor"] is None


async def test_of_a_secret_only_a_hash_is_kept(admin: Api) -> None:
    secret = (await create(admin, "READ"))["secret"]
    async with admin.database.everywhere() as transaction:
        [row] = await transaction.rows(text("SELECT secret_hash, api_clients::text AS all_of_it FROM api_clients"))
    assert len(row.secret_hash) == 32
    assert secret not in row.all_of_it


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "", "scopes": ["READ"]}, ["name"]),
        ({"name": "x" * 201, "scopes": ["READ"]}, ["name"]),
        ({"name": "P", "scopes": []}, ["scopes"]),
        ({"name": "P", "scopes": ["ENGAGE"]}, ["scopes"]),
        ({"name": "P", "scopes": ["ADMIN"], "campaignIds": []}, ["scopes"]),
        ({"name": "P", "scopes": ["READ"], "campaignIds": ["x"]}, ["campaignIds", "0"]),
        ({"name": "P", "scopes": ["READ"], "campaignIds": ["Q2FtcGFpZ246OTk="]}, ["campaignIds", "0"]),
    ],
)
async def test_what_is_wrong_makes_no_client(admin: Api, given: dict[str, Any], field: list[str]) -> None:
    payload = (await admin.data(CREATE, input=given))["createApiClient"]
    assert ([error["field"] for error in payload["userErrors"]], payload["secret"]) == ([field], None)
    assert await admin.data("{ viewer { workspace { apiClients { totalCount } } } }") == {
        "viewer": {"workspace": {"apiClients": {"totalCount": 0}}}
    }


async def test_only_admins_see_clients(admin: Api) -> None:
    made = (await create(admin, "READ"))["apiClient"]["id"]
    query = "query ($id: ID!) { node(id: $id) { ... on ApiClient { name } } }"
    assert await admin.data(query, id=made) == {"node": {"name": "Partner"}}
    reader = admin.as_(token(scopes=("read",)))
    assert await reader.data(query, id=made) == {"node": None}
    assert (await reader.error("{ viewer { workspace { apiClients { totalCount } } } }"))[0] == "FORBIDDEN"


async def test_clients_are_listed_newest_first(admin: Api) -> None:
    for name in ("one", "two", "three"):
        await create(admin, "READ", name=name)
    query = "query ($after: String) { viewer { workspace { apiClients(first: 2, after: $after) { totalCount nodes { name } pageInfo { endCursor } } } } }"
    page = (await admin.data(query))["viewer"]["workspace"]["apiClients"]
    assert (page["totalCount"], [node["name"] for node in page["nodes"]]) == (3, ["three", "two"])
    rest = (await admin.data(query, after=page["pageInfo"]["endCursor"]))["viewer"]["workspace"]["apiClients"]
    assert [node["name"] for node in rest["nodes"]] == ["one"]


async def test_its_use_is_written_down_without_a_write_for_each_request(admin: Api, statements: list[str]) -> None:
    made = await create(admin, "READ")
    partner = admin.as_(made["secret"])
    statements.clear()
    for _ in range(5):
        await partner.data("{ viewer { subject } }")
    assert [one for one in statements if not one.lstrip().startswith("SELECT")] == []
    await admin.clients.write_down()
    query = "query ($id: ID!) { node(id: $id) { ... on ApiClient { lastUsedAt } } }"
    used = (await admin.data(query, id=made["apiClient"]["id"]))["node"]["lastUsedAt"]
    assert used is not None
    await admin.clients.write_down()
    assert (await admin.data(query, id=made["apiClient"]["id"]))["node"]["lastUsedAt"] == used


SEEN = """query ($id: ID!) {
  campaign(id: $id) { name comments { totalCount } metrics { impressions likes } brand { name } impressions { totalCount } }
  campaigns { totalCount nodes { name } }
  viewer { workspace { name brands { totalCount nodes { name } } } } }"""


async def test_a_restricted_client_sees_what_is_granted_and_nothing_else(admin: Api) -> None:
    brands = [
        (await admin.data("mutation ($n: String!) { createBrand(input: {name: $n}) { brand { id } } }", n=name))[
            "createBrand"
        ]["brand"]["id"]
        for name in ("Mine", "Theirs")
    ]
    mine, theirs = [
        await create_campaign(admin, name=name, key=name, brandId=brand)
        for name, brand in zip(("mine", "theirs"), brands, strict=True)
    ]
    for campaign in (mine, theirs):
        await record(admin, campaign, [{"key": f"i-{campaign}", "occurredAt": at()}])
        await react(admin, campaign, "ada")
    hidden = [theirs, await comment(admin, theirs, "bob"), brands[1]]
    await comment(admin, mine, "bob")
    partner = admin.as_((await create(admin, "READ", "LIVE", "WRITE", "INGEST", campaigns=[mine]))["secret"])
    seen = await partner.data(SEEN, id=mine)
    assert seen["campaign"] == {
        "name": "mine",
        "comments": {"totalCount": 1},
        "metrics": {"impressions": 1, "likes": 1},
        "brand": {"name": "Mine"},
        "impressions": {"totalCount": 1},
    }
    assert seen["campaigns"] == {"totalCount": 1, "nodes": [{"name": "mine"}]}
    assert seen["viewer"]["workspace"] == {"name": "Test", "brands": {"totalCount": 1, "nodes": [{"name": "Mine"}]}}
    assert (await partner.data(SEEN, id=theirs))["campaign"] is None
    assert (await partner.data('{ campaignByKey(key: "theirs") { id } }'))["campaignByKey"] is None
    assert await partner.data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=hidden) == {"nodes": [None] * 3}
    both = await partner.stream(ENGAGEMENTS, ids=[mine, theirs])
    assert "campaignIds[1]: there is no such campaign." in both


async def test_a_restricted_client_changes_what_is_granted_and_nothing_else(admin: Api) -> None:
    mine, theirs = await create_campaign(admin), await create_campaign(admin)
    partner = admin.as_((await create(admin, "WRITE", "INGEST", "READ", campaigns=[mine]))["secret"])
    assert (await react(partner, mine, "ada"))["created"] is True
    assert (await record(partner, mine, [{"key": "a", "occurredAt": at()}]))["accepted"] == 1
    renamed = 'mutation ($id: ID!) { updateCampaign(input: {id: $id, name: "New"}) { userErrors { code } } }'
    assert (await partner.data(renamed, id=mine))["updateCampaign"]["userErrors"] == []
    assert (await partner.data(renamed, id=theirs))["updateCampaign"]["userErrors"] == [{"code": "NOT_FOUND"}]
    assert (await react(partner, theirs, "ada"))["userErrors"][0]["code"] == "NOT_FOUND"
    refused = (await record(partner, theirs, [{"key": "b", "occurredAt": at()}]))["userErrors"]
    assert [error["code"] for error in refused] == ["NOT_FOUND"]
    for change in ('createBrand(input: {name: "B"})', 'createCampaign(input: {name: "C"})'):
        payload = await partner.data(f"mutation {{ it: {change} {{ userErrors {{ code message field }} }} }}")
        [error] = payload["it"]["userErrors"]
        assert (error["code"], error["field"]) == ("FORBIDDEN", [])
    assert (await admin.data("{ campaigns { totalCount } }"))["campaigns"]["totalCount"] == 2


async def test_a_client_without_grants_sees_no_campaign(admin: Api) -> None:
    await create_campaign(admin)
    partner = admin.as_((await create(admin, "READ", campaigns=[]))["secret"])
    assert (await partner.data("{ campaigns { totalCount } }"))["campaigns"]["totalCount"] == 0


async def test_a_revoked_client_is_let_in_no_more_and_its_streams_end(server: Server) -> None:
    campaign = await create_campaign(server.api)
    made = await create(server.api, "LIVE", "READ", campaigns=[campaign])
    partner = server.api.as_(made["secret"])
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {made['secret']}"}
    body = {"query": ENGAGEMENTS, "variables": {"ids": [campaign]}}
    async with (
        server.socket(made["secret"]) as socket,
        server.api.client.stream("POST", "/graphql", json=body, headers=headers) as response,
    ):
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        revoked = (await server.api.data(REVOKE, id=made["apiClient"]["id"]))["revokeApiClient"]
        assert await socket.closed() == (4401, "The API client was revoked.")
        lines = [line async for line in response.aiter_lines() if line.startswith("data: {")]
        assert json.loads(lines[-1][6:])["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert (await partner.error("{ viewer { subject } }"))[0] == "UNAUTHENTICATED"
    assert (await server.api.data(REVOKE, id=made["apiClient"]["id"]))["revokeApiClient"] == revoked


async def test_what_is_shared_is_shared_among_the_same_eyes_only(server: Server) -> None:
    campaign = await create_campaign(server.api)
    secrets = [(await create(server.api, "LIVE", "READ", campaigns=[campaign]))["secret"] for _ in range(2)]
    cursor = await server.cursor()
    async with server.socket() as staff, server.socket(secrets[0]) as one, server.socket(secrets[1]) as other:
        for socket in (staff, one, other):
            await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await react(server.api, campaign, "ada")
        first = await staff.event()
        assert await one.event() == await other.event() == first
        assert len(server.state.streams.groups) == 3
