"""Both executors answer Groundswell's own schema alike, byte for byte: generated queries over the demo's facts."""

import itertools
import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from graphql import (
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_required_argument,
)
from sqlalchemy import text as sql
from sqlalchemy import update

from db.engine import Database
from db.models.content_items import NewContent, NewPost
from db.models.email_words import FIRSTS
from db.models.exports import JobStatus
from db.models.impression_items import NewImpression
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.mailings import Recipient
from db.models.platforms import Platform
from db.queries import campaigns, workspaces
from db.queries.content import writing
from db.queries.impressions import recording
from db.queries.interactions import placing
from db.queries.interactions import recording as interacting
from graph.ids import encode
from graph.schema import schema
from jobs import demo
from tests.api import EVERYTHING, Api, build, token
from tests.conftest import UrlOf, admin
from tests.exports import put_job
from tests.graph.execution.questions import DISCOVERY, Found, Questions
from tests.mailings import mailing_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTIONS = int(os.environ.get("EXECUTION_QUESTIONS", "240"))
"""How many generated ones in all; the long run asks for thousands."""
_PARTS = 4

CLIENT = 'mutation { createApiClient(input: {name: "n", scopes: [READ, LIVE]}) { userErrors { message } } }'

DEAD_LETTERS = """mutation { recordEvents(input: {events: [
  {key: "a", type: CLICK, campaignId: "?", occurredAt: "2026-03-01T00:00:00Z"},
  {key: "b", type: CLICK, campaignId: "?", occurredAt: "1999-03-01T00:00:00Z", userId: ""},
  {key: "", type: CONVERSION, campaignId: "?", occurredAt: "2026-03-01T00:00:00Z"}
]}) { userErrors { message } } }"""


CONTENT = """mutation { upsertContent(input: {title: "A day", slug: "day", tags: [{type: "topic", value: "sleep"}], posts: [
  {platform: META, externalPostId: "1", figures: {views: 5}}, {platform: TIKTOK, externalPostId: "1"}
]}) { userErrors { message } } }"""


SPACES = """mutation { createSpace(input: {name: "Sale", platform: META, tags: ["sale"], budget: {amount: "1.50", currency: "EUR"},
  targetAudience: {age: [18, null]}}) { space { id } } }"""
ASSETS = """mutation ($space: ID!, $campaign: ID!) {
  a: createAsset(input: {spaceId: $space, type: HEADLINE, headlineText: "Sale", tags: ["sale", "b"], externalAssetId: "x"}) { asset { id } }
  b: createAsset(input: {spaceId: $space, type: OTHER, title: "t", platformMetadata: [1]}) { created }
  updateSpace(input: {id: $space, campaignId: $campaign}) { userErrors { message } }
  updateSpacePerformance(input: {id: $space, impressions: 3, clicks: 1, spend: {amount: "3", currency: "EUR"}}) { userErrors { message } }
}"""
REUSE = """mutation ($id: ID!) { recordAssetReuse(input: {assetId: $id, usedInType: "page", usedInId: "7", context: {at: "top"}})
  { userErrors { message } } }"""


async def _add_spaces(api: Api) -> None:
    """A space of a campaign with texts, of which one was reused."""
    space_id = (await api.data(SPACES))["createSpace"]["space"]["id"]
    active = "{ campaigns(first: 1, filter: { status: [ACTIVE] }) { nodes { id } } }"
    [campaign] = (await api.data(active))["campaigns"]["nodes"]
    made = await api.data(ASSETS, space=space_id, campaign=campaign["id"])
    await api.data(REUSE, id=made["a"]["asset"]["id"])


@pytest.fixture(autouse=True)
def written_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is written by PostgreSQL where it can be."""
    monkeypatch.setattr("graph.leaves.ONLY_ROWS_FOR", 1)


class Both:
    """Two applications over one database: the stock executor's, and ours."""

    def __init__(self, stock: Api, ours: Api) -> None:
        self.stock, self.ours = stock, ours

    def as_(self, credential: str) -> "Both":
        """The same, asked by somebody else."""
        return Both(self.stock.as_(credential), self.ours.as_(credential))

    async def answer(self, query: str, **variables: Any) -> bytes:
        """What both answer, which must be the same."""
        stock = await _asked(self.stock, query, variables)
        for _ in range(2):  # first of rows, then from a plan that is there, lists written by PostgreSQL
            ours = await _asked(self.ours, query, variables)
            assert ours.content == stock.content, f"{_where(stock.text, ours.text)}\n{query}\n{variables}"
            assert ours.status_code == stock.status_code
        assert b'"INTERNAL"' not in stock.content, f"{query}\n{variables}\n{stock.text}"
        return stock.content


def _where(stock: str, ours: str) -> str:
    """Where two answers begin to differ."""
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(stock, ours, strict=False)))
    at = max(same - 80, 0)
    return f"from {at} on\nstock {stock[at : at + 240]!r}\nours  {ours[at : at + 240]!r}"


async def _asked(api: Api, query: str, variables: Any) -> httpx.Response:
    return await api.client.post("/graphql", json={"query": query, "variables": variables}, headers=api._headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(url_of: UrlOf, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    """Asked by somebody who may do everything in the demo workspace."""
    name = f"groundswell_both_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    await _fill(url_of(name))
    places = [tmp_path_factory.mktemp(one) for one in ("stock", "ours")]
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("EXECUTOR", "stock")
        async with build(url_of(name), places[0], COST_BUDGET="0") as stock:
            environ.setenv("EXECUTOR", "breadth-first")
            async with build(url_of(name), places[1], COST_BUDGET="0") as ours:
                found = Both(stock, ours).as_(token("demo", (*EVERYTHING, "admin")))
                await found.stock.data(CLIENT)
                await found.stock.data(DEAD_LETTERS)
                await found.stock.data(CONTENT)
                await _add_spaces(found.stock)
                yield found
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


TEXTS = (
    'say "yes"',
    "back\\slash \\u0041 \\\\n",
    "".join(map(chr, range(1, 32))),
    "\x7f\x80\x9f\xa0\xad",
    "grün ß 漢字 \u2028\u2029\ufeff\ufffd\uffff",
    "\U0001f469\u200d\U0001f680 e\u0301 \U0010ffff",
    "</script> & ' % $1 :name {0}",
    "x" * 200,
)
TIMES = (
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC),
    datetime(2026, 3, 1, 12, 0, 0, 0, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
)
DATES = (None, date(1, 1, 1), date(1900, 2, 28), date(2024, 2, 29), date(9999, 12, 31))
AMOUNTS = tuple(map(Decimal, ("0", "0.0000", "12.50", "1e12", "999999999999999", "0.000000000001", "0.10")))
ADDRESSES = (None, "10.0.0.1", "::1", "2001:db8::8:800:200c:417a", "fe80::", "::ffff:1.2.3.4", "::1.2.3.4")


async def _fill(url: str) -> None:
    database = Database(url)
    await demo.load(database)
    await _export(database)
    await workspaces.create(database, "empty", "Empty", "UTC", "USD")
    workspace = await workspaces.create(database, "odd", "Odd", "Europe/Berlin", "EUR")
    async with database.write(workspace) as transaction:
        for number, text in enumerate(TEXTS):
            values = {"name": text, "description": text * 3, "objective": text, "key": f"{number}{text}"[:200]}
            found = {"starts_on": DATES[number % 5], "ends_on": DATES[number % 5], "created_by": text or None}
            numbers = {"total_impressions_planned": (None, 0, 2**53 - 1)[number % 3]}
            campaign_id = await campaigns.create(
                transaction, {"status": "ACTIVE", "currency": "EUR", **values, **found, **numbers}
            )
        await recording.record(transaction, list(_impressions(campaign_id)))
        for number, text in enumerate(TEXTS):
            await writing.write(transaction, _content(f"{number}{text}"[:200], text))
        interactions = list(_interactions())
        await placing.place(transaction, interactions)
        await interacting.record(transaction, interactions)
    await _mail(database, workspace, campaign_id)
    await database.close()


async def _export(database: Database) -> None:
    """Exports that have written something and have no manifest yet."""
    workspace = await workspaces.id_of(database, "demo") or 0
    async with database.everywhere() as transaction:
        found = await transaction.rows(
            sql("SELECT id FROM campaigns WHERE workspace_id = :id LIMIT 3"), {"id": workspace}
        )
    for row, status in itertools.product(found, (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.FAILED)):
        await put_job(database, workspace, encode("Campaign", row.id), status, [b"a"] * (row.id % 3))


async def _mail(database: Database, workspace: int, campaign_id: int) -> None:
    """A mailing for each text, the last to as many people, to each of whom something else has happened."""
    for number, text in enumerate(TEXTS):
        odd: dict[str, Any] = {"name": text, "key": f"{number}{text}"[:200], "status_reason": text, "created_by": text}
        odd |= {"campaign_id": campaign_id, "messages_per_minute": (None, 1, 60_000)[number % 3]}
        people = len(TEXTS) if text == TEXTS[-1] else 0
        made = await mailing_of(database, workspace, people, status="PAUSED", links=[text], **odd)
    async with database.write(workspace) as transaction:
        for number, (key, text) in enumerate(zip(made.recipient_ids, TEXTS, strict=True)):
            happened = ("intent_at", "sent_at", *FIRSTS.values())[: number + 1]
            values = {**dict.fromkeys(happened, TIMES[number % 5]), "error_message": text, "attempts": number}
            await transaction.run(update(Recipient).where(Recipient.id == key).values(values))


def _content(slug: str, text: str) -> NewContent:
    values = {"url": text, "caption": text, "posted_at": TIMES[1]}
    posts = [NewPost(Platform.META, slug, values, {"views": 2**53 - 1, "likes": None}, TIMES[1])]
    return NewContent(slug, text, {"description": text}, [(text[:100], text[:100])], posts)


def _interactions() -> Any:
    for number, text in enumerate(TEXTS):
        name = f"{number}{text}"[:200]
        yield NewInteraction(
            name,
            Platform.META,
            InteractionType.COMMENT,
            TIMES[1 + number % 3],
            name,
            name,
            display_name=(text, None)[number % 2],
            profile_url=(text, None)[number % 3 == 2],
            audience_size=(None, 0, 2**53 - 1)[number % 3],
            external_post_id=(name, None)[number % 4 == 3],
            value=(text, None, "")[number % 3],
        )


def _impressions(campaign_id: int) -> Any:
    for number, (text, amount) in enumerate(itertools.product(TEXTS, AMOUNTS)):
        moment, later = TIMES[number % 5], TIMES[(number + 1) % 5]
        yield NewImpression(
            f"{number}{text}"[:200],
            campaign_id,
            moment,
            user_id=(text, None)[number % 2],
            is_viewable=(True, False, None)[number % 3],
            viewable_duration_ms=(0, 2**31 - 1, None)[number % 3],
            clicked_at=(later, None)[number % 2],
            cpi_rate=amount,
            charged_at=(moment, None)[number % 3 == 2],
            device_type=text,
            location=(text, "")[number % 2],
            ip_address=ADDRESSES[number % len(ADDRESSES)],
            user_agent=(text, None)[number % 4 == 0],
        )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(_PARTS))
async def test_generated_queries_have_the_same_answers(both: Both, part: int) -> None:
    found = Found(await both.ours.data(DISCOVERY))
    answered = number = 0
    while answered < QUESTIONS // _PARTS:
        number += 1
        rng = random.Random(f"{part} {number}")
        bad = rng.choice((0.0, 0.0, 0.05))
        query, variables = Questions(schema._schema, rng, found, bad).operation("query")
        if "liveCursor" not in query and " url" not in query:  # their clocks run meanwhile
            answered += b"GRAPHQL_VALIDATION_FAILED" not in await both.answer(query, **variables)


async def test_no_generated_query_uses_more_than_it_asked_for(both: Both) -> None:
    found = Found(await both.ours.data(DISCOVERY))
    tried = 0
    for number in range(QUESTIONS // _PARTS):
        rng = random.Random(f"costs {number}")
        query, variables = Questions(schema._schema, rng, found, 0.0).operation("query")
        body = {"query": query, "variables": variables, "extensions": {"cost": True}}
        for _ in range(2):  # of rows, and as PostgreSQL writes them
            answer = (await both.ours.client.post("/graphql", json=body, headers=both.ours._headers)).json()
        cost = answer.get("extensions", {}).get("cost")
        if cost is not None:
            tried += 1
            assert 1 <= cost["used"] <= cost["requested"], f"{query}\n{variables}"
    assert tried > QUESTIONS // _PARTS // 2


async def test_an_introspection_has_the_same_answer(both: Both) -> None:
    assert b'"queryType"' in await both.answer(get_introspection_query())


LEAVES = {
    "Campaign": "id key name description objective status startsOn endsOn currency totalImpressionsPlanned createdBy "
    "createdAt updatedAt",
    "Impression": "id key audienceLabel isUnique isViewable viewableDurationMs clicked clickedAt converted convertedAt "
    "deviceType location region placement cpiRate charged chargedAt ipAddress userAgent sessionId occurredAt createdAt",
}
WRITABLE = LEAVES["Impression"].replace("viewableDurationMs ", "")


@pytest.fixture
def odd(both: Both) -> Both:
    """Asked by somebody of the workspace of odd values."""
    return both.as_(token("odd", EVERYTHING))


async def test_odd_texts_are_written_alike(odd: Both) -> None:
    answer = await odd.answer(f"{{ campaigns(first: 100, orderBy: OLDEST) {{ nodes {{ {LEAVES['Campaign']} }} }} }}")
    nodes = orjson.loads(answer)["data"]["campaigns"]["nodes"]
    assert [node["name"] for node in nodes] == list(TEXTS)
    assert [node["description"] for node in nodes] == [text * 3 for text in TEXTS]
    assert [node["startsOn"] for node in nodes[1:5]] == ["0001-01-01", "1900-02-28", "2024-02-29", "9999-12-31"]
    # What PostgreSQL wrote is what is written here.
    assert answer == orjson.dumps(orjson.loads(answer))


def _of_impressions(fields: str) -> str:
    return f'{{ campaigns(filter: {{search: "xxx"}}) {{ nodes {{ impressions(first: 100) {{ nodes {{ {fields} }} }} }} }} }}'


@pytest.mark.parametrize("fields", [WRITABLE, LEAVES["Impression"], *WRITABLE.split()])
async def test_odd_values_are_written_alike(odd: Both, fields: str) -> None:
    answer = await odd.answer(_of_impressions(fields))
    assert answer == orjson.dumps(orjson.loads(answer))
    assert len(orjson.loads(answer)["data"]["campaigns"]["nodes"][0]["impressions"]["nodes"]) == len(TEXTS) * 7


async def test_values_do_not_depend_on_who_writes_them(odd: Both) -> None:
    # The second is not written by PostgreSQL: one of its fields has a resolver.
    of_postgresql, by_value = [
        orjson.loads(await odd.answer(_of_impressions(fields)))
        for fields in (WRITABLE, f"{WRITABLE} actor {{ userId }}")
    ]
    rows = [answer["data"]["campaigns"]["nodes"][0]["impressions"]["nodes"] for answer in (of_postgresql, by_value)]
    assert rows[0] == [{key: value for key, value in row.items() if key != "actor"} for row in rows[1]]


FRAGMENTS = """
  fragment Rows on CampaignConnection { nodes { ...Row ...Row name } ... { nodes { currency } } }
  fragment Row on Campaign { ... on Node { id } key }
"""


@pytest.mark.parametrize(
    "rows",
    [
        "nodes { name @skip(if: true) }",
        "nodes { name @skip(if: $yes) }",
        "nodes { name @include(if: $yes) key @skip(if: $yes) }",
        "nodes @skip(if: $yes) { name } totalCount",
        "nodes { __typename }",
        "nodes { __typename t: __typename }",
        "nodes { name a: name _: name __: name }",
        "nodes { " + " ".join(f"{letter * 64}: name" for letter in "abc") + " }",
        "nodes { " + " ".join(f"{'a' * 63}{n}: {name}" for n, name in enumerate(LEAVES["Campaign"].split())) + " }",
        "nodes { name } nodes { key name }",
        "nodes { name } more: nodes { key }",
        "t: totalCount _: nodes { name } u: __typename totalCount",
        "...Rows",
        "nodes { objective ...Row } ...Rows",
        "nodes { name } pageInfo { hasNextPage }",
        "nodes { name } edges { cursor }",
        "edges { node { name } }",
        "pageInfo { startCursor endCursor hasNextPage hasPreviousPage }",
        "__typename",
    ],
)
@pytest.mark.parametrize("arguments", ["first: 3", "first: 1, orderBy: NAME", "last: 2", 'filter: {search: "?"}'])
async def test_rows_of_leaves_are_answered_alike(both: Both, rows: str, arguments: str) -> None:
    query = f"query ($yes: Boolean = true) {{ x: campaigns({arguments}) {{ {rows} }} y: __typename @skip(if: $yes) }}"
    for yes in (True, False):
        assert b'"errors"' not in await both.answer(query + (FRAGMENTS if "..." in rows else ""), yes=yes)


PARTS = ("nodes { id }", "edges { cursor node { id } }", "pageInfo { endCursor hasNextPage }", "totalCount")
CHOICES = [one for n in range(1, 5) for one in itertools.combinations(PARTS, n)]


@pytest.mark.parametrize("asked", CHOICES, ids=lambda asked: "+".join(part.split(" ")[0] for part in asked))
async def test_whatever_is_asked_of_a_connection(both: Both, asked: Sequence[str]) -> None:
    found = Found(await both.ours.data(DISCOVERY))
    for page in ("first: 2", "first: 1, after: {}", "last: 2, before: {}", "last: 1", "first: 1, before: {}"):
        parts = {
            name: f"{name}({page.format(json.dumps(found.cursors[name][1]))})" for name in ("campaigns", "comments")
        }
        for one in (" ".join(asked), " ".join(reversed(asked))):
            query = f"{{ {parts['campaigns']} {{ {one} }} campaign(id: {json.dumps(found.ids[-1])}) {{ id }} "
            query += f"nodes: campaigns(first: 2) {{ nodes {{ {parts['comments']} {{ {one} }} }} }} }}"
            await both.answer(query)


async def test_what_an_error_cancels_takes_no_other_operation_along(both: Both) -> None:
    """The first list is being read when the second is refused; each makes the whole answer null."""
    refused = "{ a: campaigns(first: 2) { nodes { id } } b: campaigns(first: 0) { nodes { id } } }"
    for _ in range(3):
        assert b"first must be from 1 to 100" in await both.answer(refused)
        assert b'"errors"' not in await both.answer("{ campaigns(first: 2) { nodes { id } } }")


async def test_what_goes_through_the_stock_view_is_the_same(both: Both) -> None:
    """A GET: rows that PostgreSQL wrote are encoded there, too."""
    query = "{ campaigns(first: 2) { nodes { name createdAt } } }"
    answer = await both.answer(query)
    for api in (both.stock, both.ours):
        got = await api.client.get("/graphql", params={"query": query}, headers=api._headers)
        assert got.content == answer


async def test_a_text_that_cannot_be_is_refused_alike(both: Both) -> None:
    answer = await both.answer("query ($key: String!) { campaignByKey(key: $key) { name } }", key="a\0")
    assert orjson.loads(answer)["errors"][0]["message"] == "A text cannot hold the character U+0000."


# The connections of the schema


def _connections() -> Iterator[tuple[str, str, str]]:
    """Each field that answers a connection, the leaves of its rows, and how it is asked for them, whatever it hangs on."""
    waiting, seen = [("Query", "{ %s }")], set()
    while waiting:
        name, around = waiting.pop()
        parent: Any = schema._schema.type_map[name]
        for field_name, field in parent.fields.items():
            kind: Any = get_named_type(field.type)
            arguments = _ARGUMENTS.get(field_name, "")
            if (
                not is_object_type(kind)
                or kind.name in seen
                or any(is_required_argument(a) and not arguments for a in field.args.values())
            ):
                continue
            if not kind.name.endswith("Connection"):
                seen.add(kind.name)
                waiting.append((kind.name, around % f"{field_name} {{ %s }}"))
                continue
            node: Any = get_named_type(kind.fields["nodes"].type)
            asked = around % f"{field_name}{arguments} {{ nodes {{ %s }} }}"
            yield f"{name}.{field_name}", " ".join(_leaves(node)), asked
            if is_object_type(node) and node.name not in seen:
                seen.add(node.name)
                waiting.append((node.name, asked))


def _leaves(of: Any) -> list[str]:
    return [
        name
        for name, field in of.fields.items()
        if is_leaf_type(get_named_type(field.type)) and not is_list_type(get_nullable_type(field.type))
    ]


_ARGUMENTS = {"engagers": "(didAll: [ACTIONS])"}
CONNECTIONS = {name: (leaves, asked) for name, leaves, asked in _connections()}


async def test_every_connection_is_among_them() -> None:
    assert sorted(CONNECTIONS) == [
        "ApiClient.campaigns",
        "Asset.usages",
        "Campaign.channels",
        "Campaign.comments",
        "Campaign.engagements",
        "Campaign.engagers",
        "Campaign.events",
        "Campaign.impressions",
        "Campaign.mailings",
        "Campaign.spaces",
        "Comment.replies",
        "ContentItem.posts",
        "ContentPost.interactions",
        "Follower.interactions",
        "Impression.engagements",
        "Mailing.events",
        "Mailing.links",
        "Mailing.recipients",
        "Query.assets",
        "Query.audiences",
        "Query.campaigns",
        "Query.channels",
        "Query.contentItems",
        "Query.deadLetters",
        "Query.emailTemplates",
        "Query.exportJobs",
        "Query.followers",
        "Query.interactions",
        "Query.leads",
        "Query.mailings",
        "Query.spaces",
        "Recipient.events",
        "Space.assets",
        "Workspace.apiClients",
        "Workspace.brands",
    ]


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_the_leaves_of_every_connection_are_answered(both: Both, name: str) -> None:
    """Of many rows and of none; none that must not be null stands on a column that may be."""
    leaves, asked = CONNECTIONS[name]
    others = [both.as_(token(workspace, (*EVERYTHING, "admin"))) for workspace in ("odd", "empty")]
    for fields in (leaves, leaves.split()[-1], f"__typename {leaves}"):
        for actions in ACTIONS if "ACTIONS" in asked else ACTIONS[:1]:
            query = (asked % fields).replace("ACTIONS", actions)
            for one in (both, *others):
                assert b'"errors"' not in await one.answer(query)


ACTIONS = ("CLICKED", "LIKED", "VIEWED", "CONVERTED, CLICKED", "VIEWED, LIKED", "SHARED, COMMENTED")


# Statements

SCREEN = """query ($first: Int!) { campaigns(first: $first, orderBy: NAME, filter: { status: [ACTIVE, COMPLETED] }) {
  totalCount pageInfo { hasNextPage } nodes {
    name brand { name } metrics { impressions reach } week: metrics(window: {from: "2026-03-09T00:00:00Z"}) { clicks }
    impressions(first: $first) { nodes { key actor { userId } campaign { name } engagements { totalCount nodes { type } } } }
    comments(first: $first) { totalCount nodes { body root { id } parent { id } replies { nodes { body } } } }
    topEngagers(first: $first) { engagements } engagers(didAll: [LIKED], first: $first) { nodes { actor { userId } } }
    metricSeries(bucket: WEEK) { metrics { likes } }
  }
} }"""


async def test_both_execute_the_same_statements_for_n_and_2n(both: Both) -> None:
    """Under the stock executor the objects of a level are asked one by one, and gathered."""
    counted = []
    for api in (both.stock, both.ours):
        for first in (2, 4):
            seen: list[str] = []
            with api.database.watched(lambda sql, _, seen=seen: seen.append(sql)):  # type: ignore[misc]
                assert len((await api.data(SCREEN, first=first))["campaigns"]["nodes"]) == first
            counted.append(len(seen))
    assert len(set(counted)) == 1, counted
