"""What mail providers report is recorded, read and counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.engine import Database
from graph.ids import encode
from tests.api import Api, token
from tests.facts import at
from tests.mailings import Made, mailing_of

URL = "https://groundswell.example/a"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, Any]:
    """Two mailings of one campaign to four people each, three of whom it was sent to; and another workspace's."""
    first = await mailing_of(database, workspace, 4, sent=3, links=[URL])
    second = await mailing_of(database, workspace, 4, sent=3, campaign_id=first.campaign_id, name="Second")
    return {"first": first, "second": second, "foreign": await mailing_of(database, other_workspace, 1, sent=1)}


@pytest.fixture
def made(filled: tuple[str, dict[str, Made]]) -> Made:
    """The first mailing."""
    return filled[1]["first"]


def whose(made: Made, number: int) -> str:
    """The global id of a recipient."""
    return encode("Recipient", made.recipient_ids[number])


def did(key: str, recipient: str, kind: str, minutes: int = 1, **values: Any) -> dict[str, Any]:
    """An event as recordEmailEvents takes it, so many minutes after the mail was sent."""
    return {"key": key, "recipientId": recipient, "type": kind, "occurredAt": at(minutes=minutes), **values}


async def record(api: Api, *events: dict[str, Any]) -> Any:
    """What recordEmailEvents answers."""
    query = """mutation ($input: RecordEmailEventsInput!) { recordEmailEvents(input: $input) { accepted duplicates
      rejected { index key code message field } userErrors { code message field } } }"""
    return (await api.data(query, input={"events": list(events)}))["recordEmailEvents"]


def taken(accepted: int, duplicates: int = 0) -> dict[str, Any]:
    """What is answered where nothing was wrong."""
    return {"accepted": accepted, "duplicates": duplicates, "rejected": [], "userErrors": []}


async def listed(api: Api, made: Made, arguments: str = "") -> list[str]:
    """The types and agents of a mailing's events, as a list with these arguments shows them."""
    query = (
        f"query ($id: ID!) {{ mailing(id: $id) {{ events{arguments} {{ totalCount nodes {{ type userAgent }} }} }} }}"
    )
    events = (await api.data(query, id=encode("Mailing", made.mailing_id)))["mailing"]["events"]
    assert events["totalCount"] == len(events["nodes"])
    return [f"{node['type']} {node['userAgent']}" for node in events["nodes"]]


async def test_events_are_kept_known_or_rejected_each_by_itself(api: Api, filled: tuple[str, dict[str, Made]]) -> None:
    first, foreign = filled[1]["first"], filled[1]["foreign"]
    assert await record(api, did("a", whose(first, 0), "OPEN"), did("a", whose(first, 1), "REPLY")) == taken(1, 1)
    answer = await record(
        api,
        did("a", whose(foreign, 0), "OPEN"),
        did("b", whose(foreign, 0), "OPEN"),
        did("c", whose(first, 3), "COMPLAIN"),
        did(" ", encode("Lead", 1), "OPEN", ipAddress="10.0.0.300", data=[1], userAgent="x" * 1001),
        did("d", whose(first, 0), "OPEN", occurredAt="1999-12-31T23:59:59Z", data={"n": 2**53}),
        did("e", whose(first, 0), "FORWARD", data={"a": "x" * 16_384}),
        did("f", whose(first, 0), "FORWARD", occurredAt=None),
    )
    problems = [(one["index"], one["code"], one["field"], one["message"]) for one in answer["rejected"]]
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert problems == [
        (1, "NOT_FOUND", ["recipientId"], "No such recipient."),
        (2, "CONFLICT", ["recipientId"], "Nothing was sent to this recipient yet."),
        (3, "INVALID", ["recipientId"], "This is the id of a Lead; a Recipient is needed."),
        (3, "INVALID", ["key"], "This must not be empty."),
        (3, "INVALID", ["userAgent"], "At most 1000 characters; there are 1001."),
        (3, "INVALID", ["ipAddress"], "This is not an IP address."),
        (3, "INVALID", ["data"], "This must be a JSON object."),
        (4, "INVALID", ["occurredAt"], "Times begin with the year 2000."),
        (4, "INVALID", ["data"], "Numbers lie within plus or minus 2^53-1. Write larger ones as texts."),
        (5, "INVALID", ["data"], "At most 16,384 bytes of JSON; there are 16,392."),
    ]


async def test_a_batch_of_more_than_a_thousand_is_refused_and_reading_it_is_not_recording(api: Api, made: Made) -> None:
    [error] = (await record(api, *[did("k", whose(made, 0), "OPEN")] * 1001))["userErrors"]
    assert (error["code"], error["field"]) == ("TOO_LARGE", ["events"])
    machine, reader = api.as_(token(scopes=("ingest",))), api.as_(token(scopes=("read",)))
    assert await record(machine, did("k", whose(made, 0), "OPEN")) == taken(1)
    query = "mutation ($input: RecordEmailEventsInput!) { recordEmailEvents(input: $input) { accepted } }"
    assert (await reader.error(query, input={"events": []}))[0] == "FORBIDDEN"


async def test_an_event_says_all_that_is_known_of_it(api: Api, made: Made) -> None:
    before = datetime.now(UTC)
    click = did("c", whose(made, 0), "CLICK", data={"linkUrl": URL}, ipAddress="2001:DB8::1", userAgent=BROWSER)
    await record(api, click, did("r", whose(made, 1), "REPLY", occurredAt=None))
    query = """query ($id: ID!) { mailing(id: $id) { events { nodes { id type data userAgent ipAddress isMachine occurredAt createdAt
      recipient { id emailAddress clickedAt } link { url clicks uniqueClicks } } } } }"""
    reply, clicked = (await api.data(query, id=encode("Mailing", made.mailing_id)))["mailing"]["events"]["nodes"]
    assert timedelta(0) <= datetime.fromisoformat(reply["occurredAt"]) - before < timedelta(minutes=1)
    assert (reply["data"], reply["ipAddress"], reply["userAgent"], reply["link"]) == (None, None, None, None)
    assert before < datetime.fromisoformat(clicked.pop("createdAt"))
    assert clicked == {
        "id": clicked["id"],
        "type": "CLICK",
        "data": {"linkUrl": URL},
        "userAgent": BROWSER,
        "ipAddress": "2001:db8::1",
        "isMachine": False,
        "occurredAt": at(minutes=1),
        "recipient": {"id": whose(made, 0), "emailAddress": "lead0@news.example", "clickedAt": at(minutes=1)},
        "link": {"url": URL, "clicks": 1, "uniqueClicks": 1},
    }
    by_id = "query ($id: ID!) { node(id: $id) { __typename ... on EmailEvent { type link { url } } } }"
    assert (await api.data(by_id, id=clicked["id"]))["node"] == {
        "__typename": "EmailEvent",
        "type": "CLICK",
        "link": {"url": URL},
    }
    stranger = api.as_(token(workspace="other"))
    assert (await stranger.data(by_id, id=clicked["id"]))["node"] is None


async def test_lists_show_what_is_asked_for_newest_first(api: Api, made: Made) -> None:
    one, two = whose(made, 0), whose(made, 1)
    await record(
        api,
        did("1", one, "OPEN", 1, userAgent="Mozilla/5.0", ipAddress="::ffff:10.0.0.1"),
        did("2", one, "OPEN", 2, userAgent="b", ipAddress="10.0.0.2"),
        did("3", two, "CLICK", 3, userAgent="c", ipAddress="10.0.0.2"),
        did("4", two, "REPLY", 4, userAgent="d", ipAddress="2001:db8::1"),
    )
    shown = {
        "": ["REPLY d", "CLICK c", "OPEN b", "OPEN Mozilla/5.0"],
        "(filter: {types: [OPEN, REPLY]})": ["REPLY d", "OPEN b", "OPEN Mozilla/5.0"],
        "(filter: {types: []})": [],
        "(filter: {isMachine: true})": ["OPEN Mozilla/5.0"],
        "(filter: {isMachine: true, types: [REPLY]})": [],
        "(filter: {isMachine: false, types: [OPEN, CLICK]})": ["CLICK c", "OPEN b"],
        '(filter: {ipAddress: "10.0.0.2"})': ["CLICK c", "OPEN b"],
        '(filter: {ipAddress: "2001:0DB8:0::1"})': ["REPLY d"],
        '(filter: {ipAddress: "10.0.0.2", types: [OPEN], isMachine: false})': ["OPEN b"],
        f'(filter: {{window: {{from: "{at(minutes=2)}", to: "{at(minutes=4)}"}}}})': ["CLICK c", "OPEN b"],
        f'(filter: {{types: [OPEN], window: {{from: "{at(minutes=2)}"}}}})': ["OPEN b"],
    }
    assert {arguments: await listed(api, made, arguments) for arguments in shown} == shown
    query = 'query ($id: ID!) { mailing(id: $id) { events(filter: {ipAddress: "all"}) { totalCount } } }'
    mailing_id = encode("Mailing", made.mailing_id)
    assert await api.error(query, id=mailing_id) == ("BAD_USER_INPUT", "filter.ipAddress: this is not an IP address.")


async def test_pages_continue_at_their_cursors(api: Api, made: Made) -> None:
    kinds = ("OPEN", "REPLY", "CLICK", "OPEN", "CLICK")
    await record(api, *(did(f"{n}", whose(made, 0), kind, n // 2 + 1) for n, kind in enumerate(kinds)))
    query = """query ($id: ID!, $after: String) { node(id: $id) { ... on Recipient { events(first: 2, after: $after,
      filter: {types: [OPEN, CLICK, REPLY]}) { nodes { type } pageInfo { hasNextPage endCursor } totalCount } } } }"""
    after, seen = None, []
    for _ in range(3):
        events = (await api.data(query, id=whose(made, 0), after=after))["node"]["events"]
        seen.append(([node["type"] for node in events["nodes"]], events["pageInfo"]["hasNextPage"]))
        after = events["pageInfo"]["endCursor"]
        assert events["totalCount"] == 5
    assert seen == [(["CLICK", "OPEN"], True), (["CLICK", "REPLY"], True), (["OPEN"], False)]


async def test_events_of_many_take_as_many_statements_as_those_of_few(
    api: Api, filled: tuple[str, dict[str, Made]], statements: list[str]
) -> None:
    first, second = filled[1]["first"], filled[1]["second"]
    people = [whose(made, n) for made in (first, second) for n in range(3)]
    await record(api, *(did(f"{n}", one, "CLICK", data={"url": URL}) for n, one in enumerate(people)))
    fields = "events { totalCount nodes { type link { url clicks } recipient { emailAddress } } }"
    query = f"""query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Recipient {{ {fields} }}
      ... on Mailing {{ {fields} recipientsByStatus {{ status count }} metrics {{ openRate }} }} }} }}"""
    mailings = [encode("Mailing", made.mailing_id) for made in (first, second)]
    counts = []
    for ids in (mailings[:1], mailings, people[:3], people):
        statements.clear()
        await api.data(query, ids=ids)
        counts.append(len(statements))
    # The thing, its page and count of events, recipients, links, clicks; a mailing's statuses and numbers.
    assert counts == [8, 8, 6, 6]


METRICS = """totalRecipients emailsSent emailsDelivered emailsOpened emailsClicked emailsReplied emailsBounced emailsFailed
  emailsSuppressed emailsUnopened emailsUncertain unsubscribed complained forwarded opensTotal clicksTotal
  openRate clickRate replyRate bounceRate unsubscribeRate complaintRate clickToOpenRate"""


async def test_metrics_count_recipients_once_and_divide_by_those_sent_to(
    api: Api, filled: tuple[str, dict[str, Made]]
) -> None:
    first, second = filled[1]["first"], filled[1]["second"]
    await record(
        api,
        did("1", whose(first, 0), "OPEN"),
        did("2", whose(first, 0), "OPEN"),
        did("3", whose(first, 1), "CLICK"),
        did("4", whose(first, 1), "UNSUBSCRIBE"),
        did("5", whose(first, 2), "OPEN", userAgent="Mozilla/5.0"),
        did("6", whose(second, 0), "BOUNCE"),
    )
    query = f"""query ($id: ID!) {{ mailing(id: $id) {{ recipientsByStatus {{ status count }} metrics {{ {METRICS} }}
      campaign {{ mailingMetrics {{ totalRecipients emailsSent emailsDelivered openRate bounceRate }} }} }} }}"""
    mailing = (await api.data(query, id=encode("Mailing", first.mailing_id)))["mailing"]
    assert {one["status"]: one["count"] for one in mailing["recipientsByStatus"]} == {
        "PENDING": 1,
        "QUEUED": 0,
        "UNCERTAIN": 0,
        "SENT": 2,
        "FAILED": 0,
        "BOUNCED": 0,
        "UNSUBSCRIBED": 1,
    }
    numbers = (4, 3, 3, 2, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 66.67, 33.33, 0, 0, 33.33, 0, 50)
    assert tuple(mailing["metrics"].values()) == numbers
    both = {"totalRecipients": 8, "emailsSent": 6, "emailsDelivered": 5, "openRate": 33.33, "bounceRate": 16.67}
    assert mailing["campaign"]["mailingMetrics"] == both


async def test_without_recipients_numbers_are_zero_and_rates_null(api: Api, database: Database, workspace: int) -> None:
    empty = await mailing_of(database, workspace, 0, status="DRAFT", name="Empty")
    query = f"query ($id: ID!) {{ mailing(id: $id) {{ metrics {{ {METRICS} }} campaign {{ mailingMetrics {{ {METRICS} }} }} }} }}"
    mailing = (await api.data(query, id=encode("Mailing", empty.mailing_id)))["mailing"]
    for metrics in (mailing["metrics"], mailing["campaign"]["mailingMetrics"]):
        assert tuple(metrics.values()) == (0,) * 16 + (None,) * 7
