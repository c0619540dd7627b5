"""Recipients: added by lead and by address, listed by status, opens and words, with what became of their mail."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.lead_items import NewLead
from db.queries.leads import writing
from db.queries.mailings import recipients as reading
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON
from tests.graph.test_mailings import WRONG, done, mailing
from tests.mailings import mailing_of

ADDED = f"accepted duplicates rejected {{ index key code message field }} {WRONG}"
NULLS = (
    *(
        "sentAt",
        "openedAt",
        "clickedAt",
        "repliedAt",
        "bouncedAt",
        "failedAt",
        "forwardedAt",
        "unsubscribedAt",
        "complainedAt",
    ),
    *("uncertainAt", "errorMessage"),
)
WHOLE = f"emailAddress status attempts isSuppressed {' '.join(NULLS)} lead {{ name email key }} mailing {{ name }}"
LIST = """query ($id: ID!, $filter: RecipientFilter, $first: Int, $after: String, $last: Int) { mailing(id: $id) {
  recipients(filter: $filter, first: $first, after: $after, last: $last) {
    totalCount nodes { emailAddress } pageInfo { endCursor hasNextPage } } } }"""
SENT = {"intent_at": NOON, "sent_at": NOON}
PEOPLE: dict[str, dict[str, Any]] = {
    "pending@a.example": {},
    "queued@a.example": {"queued_at": NOON},
    "uncertain@a.example": {"intent_at": NOON, "uncertain_at": NOON},
    "unopened@b.example": SENT,
    "opened@b.example": {**SENT, "opened_at": NOON},
    "clicked@b.example": {**SENT, "opened_at": NOON, "clicked_at": NOON},
    "failed@b.example": {"failed_at": NOON, "is_suppressed": True, "error_message": "Not sent: bounced"},
    "bounced@c.example": {**SENT, "bounced_at": NOON},
    "left@c.example": {**SENT, "unsubscribed_at": NOON},
    "left-opened@c.example": {**SENT, "opened_at": NOON, "unsubscribed_at": NOON},
    "sent-failed@c.example": {**SENT, "failed_at": NOON},
}
"""A mailing's recipients, by address, in the order in which they are added, and what became of their mails."""


async def fill_database(database: Database, workspace: int, _other_workspace: int) -> str:
    """The id of a mailing to PEOPLE, whose names are Person and a letter, beside one to nobody but the first."""
    async with database.write(workspace) as transaction:
        items = {n: NewLead(f"k-{n}", mail, {"name": f"Person {chr(ord('A') + n)}"}) for n, mail in enumerate(PEOPLE)}
        lead_ids = list((await writing.upsert(transaction, items)).ids.values())
    made = await mailing_of(database, workspace, len(PEOPLE), lead_ids=lead_ids)
    await mailing_of(database, workspace, 1, lead_ids=lead_ids[:1], name="Other", campaign_id=made.campaign_id)
    async with database.write(workspace) as transaction:
        for key, (mail, values) in zip(made.recipient_ids, PEOPLE.items(), strict=True):
            sets = ", ".join(f"{name} = :{name}" for name in ("email_address", "address", *values))
            given = {"id": key, "email_address": mail, "address": mail, **values}
            await transaction.run(text(f"UPDATE recipients SET {sets} WHERE id = :id"), given)
    return encode("Mailing", made.mailing_id)


@pytest.fixture
def mailing_id(filled: tuple[str, str]) -> str:
    """What ``fill_database`` answered."""
    return filled[1]


def chosen(*names: str) -> list[str]:
    """The addresses that begin so, in the order of PEOPLE."""
    return [mail for mail in PEOPLE if mail.split("@")[0] in names]


async def found(api: Api, mailing_id: str, **arguments: Any) -> Any:
    arguments = {"first": 50, **arguments}
    return (await api.data(LIST, id=mailing_id, **arguments))["mailing"]["recipients"]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, list(PEOPLE)),
    ({"status": ["PENDING"]}, chosen("pending")),
    ({"status": ["UNCERTAIN", "QUEUED", "QUEUED"]}, chosen("queued", "uncertain")),
    ({"status": ["SENT"]}, chosen("unopened", "opened", "clicked")),
    ({"status": ["FAILED", "UNSUBSCRIBED"]}, chosen("failed", "left", "left-opened", "sent-failed")),
    ({"status": []}, []),
    ({"unopened": True}, chosen("unopened", "left", "sent-failed")),
    ({"unopened": False}, [mail for mail in PEOPLE if mail not in chosen("unopened", "left", "sent-failed")]),
    ({"unopened": True, "status": ["SENT"]}, chosen("unopened")),
    ({"unopened": True, "status": ["SENT", "UNSUBSCRIBED", "BOUNCED"]}, chosen("unopened", "left")),
    ({"unopened": True, "status": ["FAILED"]}, chosen("sent-failed")),
    ({"unopened": True, "status": ["BOUNCED", "PENDING"]}, []),
    ({"unopened": False, "status": ["SENT", "UNSUBSCRIBED"]}, chosen("opened", "clicked", "left-opened")),
    ({"search": "person"}, list(PEOPLE)),
    ({"search": "PERSON a"}, chosen("pending", "queued", "uncertain")),
    ({"search": "k-1"}, chosen("queued", "sent-failed")),
    ({"search": "c.exam", "status": ["BOUNCED", "UNSUBSCRIBED"]}, chosen("bounced", "left", "left-opened")),
    ({"search": "c.exam", "unopened": True}, chosen("left", "sent-failed")),
    ({"search": "b.exam", "unopened": True, "status": ["SENT", "FAILED"]}, chosen("unopened")),
    ({"search": "b.exam", "unopened": False}, chosen("opened", "clicked", "failed")),
    ({"search": "nobody"}, []),
]


@pytest.fixture(params=[0, 5_000], ids=["many", "few"])
def found_are_few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Searches find few leads, or more than that."""
    monkeypatch.setattr("db.queries.words.FEW", request.param)
    reading._of_mailings.cache_clear()  # type: ignore[attr-defined]
    yield
    reading._of_mailings.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("found_are_few")
async def test_recipients_are_found_in_the_order_in_which_they_were_added(api: Api, mailing_id: str) -> None:
    for filter_, expected in FILTERS:
        page = await found(api, mailing_id, filter=filter_)
        assert [node["emailAddress"] for node in page["nodes"]] == expected, filter_
        assert page["totalCount"] == len(expected), filter_
        last = await found(api, mailing_id, filter=filter_, first=None, last=2)
        assert [node["emailAddress"] for node in last["nodes"]] == expected[-2:], filter_


async def test_pages_follow_each_other(api: Api, mailing_id: str) -> None:
    for filter_, expected in (
        ({}, list(PEOPLE)),
        ({"status": ["SENT", "FAILED"]}, chosen("unopened", "opened", "clicked", "failed", "sent-failed")),
    ):
        walked: list[str] = []
        after, more = None, True
        while more:
            page = await found(api, mailing_id, filter=filter_, first=2, after=after)
            walked += [node["emailAddress"] for node in page["nodes"]]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert walked == expected


async def test_what_is_counted_already_is_not_counted_again(api: Api, mailing_id: str, statements: list[str]) -> None:
    query = (
        "query ($id: ID!, $filter: RecipientFilter) { mailing(id: $id) { recipients(filter: $filter) { totalCount } } }"
    )
    await mailing(api, mailing_id, "name")
    for filter_ in ({}, {"status": ["SENT", "FAILED"]}, {"unopened": True}, {"unopened": False}):
        statements.clear()
        await api.data(query, id=mailing_id, filter=filter_)
        assert len(statements) == 2
        assert "FROM recipients" not in statements[1]


async def test_a_recipient_says_what_became_of_its_mail(api: Api, mailing_id: str) -> None:
    fields = f'recipients(filter: {{status: [FAILED], search: "failed@b.example"}}) {{ nodes {{ id {WHOLE} }} }}'
    [one] = (await mailing(api, mailing_id, fields))["recipients"]["nodes"]
    node = await api.data(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Recipient {{ {WHOLE} }} }} }}", id=one.pop("id")
    )
    assert (
        node["node"]
        == one
        == {
            "emailAddress": "failed@b.example",
            "status": "FAILED",
            "attempts": 0,
            "isSuppressed": True,
            **dict.fromkeys(NULLS),
            "failedAt": "2026-03-01T12:00:00Z",
            "errorMessage": "Not sent: bounced",
            "lead": {"name": "Person G", "email": "failed@b.example", "key": "k-6"},
            "mailing": {"name": "News"},
        }
    )


async def test_searches_that_make_no_sense_are_said(api: Api, mailing_id: str) -> None:
    for search in ("x" * 201, " ".join("abcdefghi")):
        code, message = await api.error(LIST, id=mailing_id, filter={"search": search})
        assert (code, message.split(":")[0]) == ("BAD_USER_INPUT", "filter.search")


async def add(api: Api, mailing_id: str, **input_: Any) -> Any:
    return await done(api, "addRecipients", ADDED, mailingId=mailing_id, **input_)


async def test_leads_and_addresses_are_added_once(
    api: Api, database: Database, workspace: int, mailing_id: str
) -> None:
    async with database.write(workspace) as transaction:
        leads = [row.id for row in await transaction.rows(text("SELECT id FROM leads ORDER BY id LIMIT 2"))]
        await transaction.run(text("DELETE FROM recipients WHERE lead_id = :id"), {"id": leads[1]})
    lead_ids = [encode("Lead", leads[1]), encode("Lead", 999_999), encode("Mailing", 1), encode("Lead", leads[0])]
    emails = ["New@Example.COM", "nobody", "new@example.com", "QUEUED@a.example", "opened@b.example"]
    payload = await add(api, mailing_id, leadIds=lead_ids, emails=emails)
    assert (payload["accepted"], payload["duplicates"], payload["userErrors"]) == (2, 4, [])
    assert [(one["index"], one["key"], one["code"], one["field"]) for one in payload["rejected"]] == [
        (1, None, "NOT_FOUND", ["leadIds"]),
        (2, None, "INVALID", ["leadIds"]),
        (5, None, "INVALID", ["emails"]),
    ]
    assert payload["rejected"][0]["message"] == "No such lead."
    page = await found(api, mailing_id, first=None, last=2)
    assert page["totalCount"] == len(PEOPLE) + 1
    assert [node["emailAddress"] for node in page["nodes"]] == ["queued@a.example", "New@example.com"]
    assert await add(api, mailing_id, leadIds=lead_ids[:1], emails=emails[:1]) == {
        "accepted": 0,
        "duplicates": 2,
        "rejected": [],
        "userErrors": [],
    }
    made = await api.data('{ leads(search: "new@") { nodes { email key name attributes } } }')
    assert made["leads"]["nodes"] == [{"email": "New@example.com", "key": None, "name": None, "attributes": None}]


async def test_a_batch_is_refused_as_a_whole_where_nothing_can_be_added(
    api: Api, database: Database, workspace: int, mailing_id: str
) -> None:
    payload = await add(api, mailing_id, emails=["x"] * 1001)
    message = "At most 1000 items in a batch; there are 1001."
    assert payload["userErrors"] == [{"code": "TOO_LARGE", "message": message, "field": ["emails"]}]
    payload = await add(api, encode("Mailing", 999_999), emails=["a@example.com"])
    assert payload["userErrors"] == [{"code": "NOT_FOUND", "message": "No such mailing.", "field": ["mailingId"]}]
    assert await add(api, mailing_id) == {"accepted": 0, "duplicates": 0, "rejected": [], "userErrors": []}
    made = await mailing_of(database, workspace, 0, status="COMPLETED")
    payload = await add(api, encode("Mailing", made.mailing_id), emails=["a@example.com"])
    message = "A mailing that is COMPLETED takes no recipients."
    assert payload["userErrors"] == [{"code": "CONFLICT", "message": message, "field": ["mailingId"]}]
    made = await mailing_of(database, workspace, 0, name="Late", status="FAILED")
    assert (await add(api, encode("Mailing", made.mailing_id), emails=["a@example.com"]))["accepted"] == 1


async def test_adding_costs_the_same_statements_for_n_and_2n(
    api: Api, mailing_id: str, statements: list[str], database: Database, workspace: int
) -> None:
    await mailing(api, mailing_id, "name")
    counted = []
    for number in (10, 20):
        async with database.write(workspace) as transaction:
            lead_ids = (
                await writing.upsert(
                    transaction, {n: NewLead(None, f"l{number}-{n}@x.example", {}) for n in range(number)}
                )
            ).ids
        statements.clear()
        payload = await add(
            api,
            mailing_id,
            leadIds=[encode("Lead", one) for one in lead_ids.values()],
            emails=[f"e{number}-{n}@x.example" for n in range(number)],
        )
        assert payload["accepted"] == 2 * number
        counted.append(len(statements))
    assert counted[0] == counted[1]
