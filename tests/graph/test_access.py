"""Who may do what: every root field as nobody, as somebody without its scope, and with tokens that are not good."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import pytest
from graphql import GraphQLNonNull, get_named_type, is_enum_type, is_input_object_type, is_list_type, is_scalar_type

from graph.access import ANY, REQUIRED, Scope
from graph.cli import ScopeName
from graph.ids import encode
from graph.schema import schema
from tests.api import Api, token
from tests.facts import create_campaign

ROOT_FIELDS = {
    f"{kind}.{name}": field
    for kind in ("Query", "Mutation", "Subscription")
    for name, field in schema._schema.type_map[kind].fields.items()  # type: ignore[attr-defined]
}


ABOUT = {
    "Query.exportJob": "ExportJob",
    "Query.channel": "Channel",
    "Query.contentItem": "ContentItem",
    "Query.follower": "Follower",
    "Query.space": "Space",
    "Query.asset": "Asset",
    "Query.lead": "Lead",
    "Query.emailTemplate": "EmailTemplate",
    "Query.emailTemplatePreview": "EmailTemplate",
    "Query.mailing": "Mailing",
}
"""Of what type the ids of a root field are, where they are not of campaigns."""


def example(kind: Any, about: str) -> str:
    """A value of an input type with nothing but what must be given. ``about``: of which type its ids are."""
    if isinstance(kind, GraphQLNonNull):
        return example(kind.of_type, about)
    if is_list_type(kind):
        return "[]"
    if is_input_object_type(kind):
        required = [(n, f.type) for n, f in kind.fields.items() if isinstance(f.type, GraphQLNonNull)]
        return "{" + ", ".join(f"{name}: {example(of, about)}" for name, of in required) + "}"
    if is_enum_type(kind):
        return str(next(iter(kind.values)))
    assert is_scalar_type(kind)
    others = {"BigInt": "1", "Upload": "$file", "DateTime": '"2026-03-01T00:00:00Z"'}
    return others.get(kind.name, f'"{encode(about, 1)}"')


def call(coordinate: str) -> str:
    """An operation with only this root field."""
    kind, name = coordinate.split(".")
    field = ROOT_FIELDS[coordinate]
    needed = [(n, a.type) for n, a in field.args.items() if isinstance(a.type, GraphQLNonNull)]
    required = [f"{name}: {example(of, ABOUT.get(coordinate, 'Campaign'))}" for name, of in needed]
    arguments = f"({', '.join(required)})" if required else ""
    selection = "{ __typename }" if hasattr(get_named_type(field.type), "fields") else ""
    variables = "($file: Upload!) " if "$file" in arguments else ""
    return f"{kind.lower()} {variables}{{ {name}{arguments} {selection} }}"


async def let_in(api: Api, coordinate: str) -> dict[str, Any]:
    """The answer to somebody who may ask this; with a file, where one is needed."""
    query = call(coordinate)
    if "$file" not in query:
        return await api.ask(query)
    operations = orjson.dumps({"query": query, "variables": {"file": None}}).decode()
    return await api.post_form([("operations", operations), ("map", '{"0": ["variables.file"]}')], {"0": ("a", b"b")})


def test_the_table_names_every_root_field_and_no_other() -> None:
    assert set(REQUIRED) == set(ROOT_FIELDS)


ANSWERED = sorted(coordinate for coordinate in ROOT_FIELDS if not coordinate.startswith("Subscription."))
STREAMED = sorted(set(ROOT_FIELDS) - set(ANSWERED))


@pytest.mark.parametrize("coordinate", STREAMED)
async def test_a_stream_needs_a_token_and_its_scope(api: Api, coordinate: str) -> None:
    assert '"code":"UNAUTHENTICATED"' in await api.as_(None).stream(call(coordinate))
    others = [scope.lower() for scope in Scope if scope not in REQUIRED[coordinate] and scope != Scope.ENGAGE]
    refused = await api.as_(token(scopes=others)).stream(call(coordinate))
    assert f"{coordinate} needs a token with the scope live" in refused
    assert '"code":"FORBIDDEN"' in refused
    for scope in REQUIRED[coordinate]:
        answered = await api.as_(token(scopes=[scope.lower()])).stream(call(coordinate))
        assert '"code":"NOT_FOUND"' in answered or '"code":"BAD_USER_INPUT"' in answered


@pytest.mark.parametrize("coordinate", ANSWERED)
async def test_nobody_gets_nothing(api: Api, coordinate: str) -> None:
    code, _ = await api.as_(None).error(call(coordinate))
    assert code == "UNAUTHENTICATED"


@pytest.mark.parametrize("coordinate", sorted(set(ANSWERED) - {c for c, scopes in REQUIRED.items() if scopes == ANY}))
async def test_a_field_needs_its_scope(api: Api, coordinate: str) -> None:
    others = [scope.lower() for scope in Scope if scope not in REQUIRED[coordinate] and scope != Scope.ENGAGE]
    code, message = await api.as_(token(scopes=others)).error(call(coordinate))
    assert (code, message.split(" needs ")[0]) == ("FORBIDDEN", coordinate)
    for scope in REQUIRED[coordinate]:
        credential = token(scopes=[scope.lower()], actor={"userId": "u"})
        assert "errors" not in await let_in(api.as_(credential), coordinate)


async def test_one_forbidden_field_refuses_the_operation_whole(api: Api) -> None:
    operation = 'mutation { ...F } fragment F on Mutation { a: createBrand(input: {name: "A"}) { brand { id } } }'
    assert (await api.as_(token(scopes=["read", "ingest"])).error(operation))[0] == "FORBIDDEN"
    assert (await api.data("{ viewer { workspace { brands { totalCount } } } }"))["viewer"]["workspace"]["brands"] == {
        "totalCount": 0
    }


REACT = "mutation ($id: ID!) { react(input: {campaignId: $id, type: LIKE}) { created reaction { %s } } }"
FURTHER = {
    "campaign { name }": "Reaction.campaign",
    "... on Engagement { campaign { name } }": "Engagement.campaign",
    "... { campaign { __typename } }": "Reaction.campaign",
    "id impression { id }": "Reaction.impression",
    "...F } } } fragment F on Engagement { ...G } fragment G on Reaction { id campaign { metrics { likes } ": (
        "Reaction.campaign"
    ),
}


@pytest.mark.parametrize("selection", FURTHER)
async def test_without_read_a_payload_leads_nowhere(api: Api, selection: str) -> None:
    campaign_id = await create_campaign(api)
    engaging = api.as_(token(scopes=["engage"], actor={"userId": "u"}))
    message = f"{FURTHER[selection]} needs a token with the scope read."
    operation = REACT.replace("%s", selection) if "...F" not in selection else REACT.split("%s")[0] + selection + "} }"
    assert await engaging.error(operation, id=campaign_id) == ("FORBIDDEN", message)
    # Refused before anything ran.
    assert (await api.data("query ($id: ID!) { campaign(id: $id) { metrics { likes } } }", id=campaign_id)) == {
        "campaign": {"metrics": {"likes": 0}}
    }


async def test_without_read_a_payload_shows_the_thing_itself(api: Api) -> None:
    campaign_id = await create_campaign(api)
    engaging = api.as_(token(scopes=["engage"], actor={"userId": "u"}))
    answer = await engaging.data(REACT.replace("%s", "type actor { userId }"), id=campaign_id)
    assert answer["react"] == {"created": True, "reaction": {"type": "LIKE", "actor": {"userId": "u"}}}
    assert (await engaging.data("{ viewer { workspace { name } } }")) == {"viewer": {"workspace": {"name": "Test"}}}
    assert (await engaging.error("{ viewer { workspace { brands { totalCount } } } }"))[0] == "FORBIDDEN"


async def test_the_viewer_says_what_the_credential_says(api: Api) -> None:
    credential = token(scopes=["engage", "read"], actor={"userId": "u", "profileId": "p"})
    answer = await api.as_(credential).data(
        "{ viewer { subject scopes actor { userId profileId profileType } workspace { name } } }"
    )
    assert answer["viewer"] == {
        "subject": "ada",
        "scopes": ["READ", "ENGAGE"],
        "actor": {"userId": "u", "profileId": "p", "profileType": None},
        "workspace": {"name": "Test"},
    }


def signed(algorithm: str, key: str, **claims: Any) -> str:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return jwt.encode({"sub": "a", "workspace": "test", "scope": "read", "exp": expires, **claims}, key, algorithm)


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        ("x", "The token is not valid here."),
        (signed("HS256", "another secret, which is also 32 bytes long"), "The token is not valid here."),
        (signed("none", ""), "The token is not valid here."),
        (token(workspace="nowhere"), "The token is not valid here."),
        (token(exp=datetime.now(UTC) - timedelta(minutes=1)), "The token has expired."),
        (token(scopes=["engage"]), "A token with the scope engage must name an actor."),
        (
            token(actor={"profileId": "p"}),
            "The token's actor must have a userId and may have a profileId and a profileType.",
        ),
        (token(scope=["read"]), "The token's claim 'scope' is not a text."),
        ("", "The Authorization header must be: Bearer, a space, and a token."),
    ],
)
async def test_a_bad_token_is_refused(api: Api, credential: str, message: str) -> None:
    response = await api.client.post(
        "/graphql", json={"query": "{ __typename }"}, headers={"authorization": f"Bearer {credential}"}
    )
    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"], error["message"]) == (401, "UNAUTHENTICATED", message)


async def test_a_token_without_an_end_is_refused(api: Api) -> None:
    endless = jwt.encode({"sub": "a", "workspace": "test", "scope": "read"}, "x" * 32, "HS256")
    assert (await api.as_(endless).error("{ viewer { subject } }"))[0] == "UNAUTHENTICATED"


async def test_what_an_answer_is_may_be_asked_by_everybody(api: Api) -> None:
    assert await api.as_(None).data("{ __typename }") == {"__typename": "Query"}


def test_the_command_line_knows_the_same_scopes() -> None:
    assert [name.value for name in ScopeName] == [scope.lower() for scope in Scope]
