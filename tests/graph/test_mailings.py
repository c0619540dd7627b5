"""Mailings: made, changed, moved, deleted, listed and found; on their campaign; what is answered costs a statement a level."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from db.engine import Database
from db.models.mailings import Mailing
from db.queries.mailings import reading
from graph.ids import encode
from tests.api import Api, token
from tests.facts import NOON, create_campaign, restricted
from tests.mailings import mailing_of

WRONG = "userErrors { code message field }"
WHOLE = """key name campaign { name } template { name subject } fromAddress messagesPerMinute status statusReason scheduledAt startedAt
  completedAt createdBy recipientsByStatus { status count } links { totalCount nodes { url } } metrics { totalRecipients openRate }
  recipients { totalCount } events { totalCount nodes { id } }"""
LIST = """query ($filter: MailingFilter, $first: Int, $after: String) { mailings(filter: $filter, first: $first, after: $after) {
  totalCount nodes { name } pageInfo { endCursor hasNextPage } } }"""
HTML = '<p>Hello {{ name }}, <a href="https://example.com/{{ key }}">this</a> and <a href="http://example.com">that</a></p>'
STATUSES = ("PENDING", "QUEUED", "UNCERTAIN", "SENT", "FAILED", "BOUNCED", "UNSUBSCRIBED")


async def done(api: Api, name: str, selected: str = f"mailing {{ id status }} {WRONG}", /, **input_: Any) -> Any:
    """The payload of a mutation of mailings."""
    action = name in {"unscheduleMailing", "startMailing", "pauseMailing", "resumeMailing"}
    kind = "MailingActionInput" if action else f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selected} }} }}"
    return (await api.data(query, input=input_))[name]


async def wrong(api: Api, name: str, /, **input_: Any) -> list[tuple[str, str, list[str]]]:
    payload = await done(api, name, WRONG, **input_)
    return [(one["code"], one["message"], one["field"]) for one in payload["userErrors"]]


async def create_template(api: Api, name: str = "Hello", html: str = HTML) -> str:
    made = await done(
        api,
        "createEmailTemplate",
        f"emailTemplate {{ id }} {WRONG}",
        name=name,
        subject="Hello {{ name }}",
        html=html,
    )
    assert made["userErrors"] == []
    template_id: str = made["emailTemplate"]["id"]
    return template_id


async def create_mailing(api: Api, campaign_id: str | None = None, **values: Any) -> str:
    given = {
        "campaignId": campaign_id or await create_campaign(api),
        "name": "News",
        "fromAddress": "news@example.com",
        **values,
    }
    if "templateId" not in given:
        given["templateId"] = await create_template(api)
    made = await done(api, "createMailing", **given)
    assert made["userErrors"] == []
    mailing_id: str = made["mailing"]["id"]
    return mailing_id


async def mailing(api: Api, mailing_id: str, fields: str = WHOLE) -> Any:
    return (await api.data(f"query ($id: ID!) {{ mailing(id: $id) {{ {fields} }} }}", id=mailing_id))["mailing"]


async def names(api: Api, **filter_: Any) -> list[str]:
    found = (await api.data(LIST, filter=filter_, first=50))["mailings"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def test_a_mailing_is_answered_as_it_was_given_and_as_it_was_changed(api: Api) -> None:
    campaign_id = await create_campaign(api, name="Spring sale")
    mailing_id = await create_mailing(api, campaign_id, key="n-1", fromAddress="Ada <ada@example.com>")
    expected = {
        "key": "n-1",
        "name": "News",
        "campaign": {"name": "Spring sale"},
        "template": {"name": "Hello", "subject": "Hello {{ name }}"},
        "fromAddress": "Ada <ada@example.com>",
        "messagesPerMinute": None,
        "status": "DRAFT",
        **dict.fromkeys(("statusReason", "scheduledAt", "startedAt", "completedAt")),
        "createdBy": "ada",
        "recipientsByStatus": [{"status": status, "count": 0} for status in STATUSES],
        "links": {"totalCount": 0, "nodes": []},
        "metrics": {"totalRecipients": 0, "openRate": None},
        "recipients": {"totalCount": 0},
        "events": {"totalCount": 0, "nodes": []},
    }
    assert await mailing(api, mailing_id) == expected
    by_key = await api.data('{ mailingByKey(key: "n-1") { id } none: mailingByKey(key: "n-2") { id } }')
    assert by_key == {"mailingByKey": {"id": mailing_id}, "none": None}
    template_id = await create_template(api, "Other")
    changes = {"key": None, "name": "Olds", "templateId": template_id, "fromAddress": "b@example.com"}
    assert await wrong(api, "updateMailing", id=mailing_id, messagesPerMinute=60_000, **changes) == []
    changed = {**expected, "key": None, "name": "Olds", "template": {"name": "Other", "subject": "Hello {{ name }}"}}
    changed |= {"fromAddress": "b@example.com", "messagesPerMinute": 60_000}
    assert await mailing(api, mailing_id) == changed
    assert await wrong(api, "updateMailing", id=mailing_id, messagesPerMinute=None) == []
    assert await mailing(api, mailing_id) == {**changed, "messagesPerMinute": None}


async def test_all_that_is_wrong_with_a_mailing_is_said_at_once(api: Api) -> None:
    mailing_id = await create_mailing(api, key="taken")
    bad = {"key": " ", "name": "x" * 201, "fromAddress": "nobody", "messagesPerMinute": 60_001}
    nothing = encode("EmailTemplate", 999)
    found = await wrong(api, "createMailing", campaignId=encode("Campaign", 999), templateId=nothing, **bad)
    assert [(code, field) for code, _, field in found] == [
        ("INVALID", [name]) for name in ("key", "name", "fromAddress", "messagesPerMinute")
    ]
    fine = {"name": "N", "fromAddress": "a@example.com"}
    found = await wrong(api, "createMailing", campaignId=encode("Campaign", 999), templateId=nothing, **fine)
    assert [(code, field) for code, _, field in found] == [("NOT_FOUND", ["campaignId"]), ("NOT_FOUND", ["templateId"])]
    found = await wrong(api, "createMailing", campaignId=nothing, templateId=mailing_id, **fine)
    assert [(code, field) for code, _, field in found] == [("INVALID", ["campaignId"]), ("INVALID", ["templateId"])]
    found = await wrong(api, "updateMailing", id=mailing_id, name=None, templateId=None, fromAddress=None)
    assert found == [("INVALID", "This cannot be cleared.", [name]) for name in ("name", "templateId", "fromAddress")]
    other = await create_mailing(api)
    taken = [("CONFLICT", "Another mailing has this key already.", ["key"])]
    assert await wrong(api, "updateMailing", id=other, key="taken") == taken
    given = {"campaignId": await create_campaign(api), "templateId": await create_template(api), "key": "taken", **fine}
    assert await wrong(api, "createMailing", **given) == taken


async def test_a_mailing_goes_its_way(api: Api) -> None:
    campaign_id = await create_campaign(api)
    mailing_id = await create_mailing(api, campaign_id)
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    past = ("INVALID", "This is over: a mailing is scheduled for a time that lies ahead.", ["scheduledAt"])
    assert await wrong(api, "scheduleMailing", id=mailing_id, scheduledAt="2026-03-01T12:00:00Z") == [past]
    assert await wrong(api, "scheduleMailing", id=mailing_id, scheduledAt=soon) == []
    assert await mailing(api, mailing_id, "status scheduledAt") == {"status": "SCHEDULED", "scheduledAt": soon}
    assert await wrong(api, "updateMailing", id=mailing_id, name="Still") == []
    assert await wrong(api, "unscheduleMailing", id=mailing_id) == []
    assert await wrong(api, "startMailing", id=mailing_id) == [("CONFLICT", "It has no recipients.", ["id"])]
    added = await done(api, "addRecipients", f"accepted {WRONG}", mailingId=mailing_id, emails=["a@example.com"])
    assert added == {"accepted": 1, "userErrors": []}
    assert (await done(api, "startMailing", id=mailing_id))["mailing"] == {"id": mailing_id, "status": "RUNNING"}
    answer = await api.data("query ($id: ID!) { campaign(id: $id) { status } }", id=campaign_id)
    assert answer == {"campaign": {"status": "ACTIVE"}}
    links = await mailing(api, mailing_id, "links { nodes { url clicks uniqueClicks } }")
    assert links["links"]["nodes"] == [
        {"url": url, "clicks": 0, "uniqueClicks": 0} for url in ("https://example.com/{{ key }}", "http://example.com")
    ]
    for name, status in (("pauseMailing", "PAUSED"), ("resumeMailing", "RUNNING"), ("pauseMailing", "PAUSED")):
        assert (await done(api, name, id=mailing_id))["mailing"]["status"] == status
    refused = {
        "startMailing": "started",
        "pauseMailing": "paused",
        "unscheduleMailing": "unscheduled",
        "updateMailing": "changed",
        "deleteMailing": "deleted",
    }
    for name, said in refused.items():
        message = f"A mailing that is PAUSED cannot be {said}."
        assert await wrong(api, name, id=mailing_id) == [("CONFLICT", message, ["id"])]


async def test_a_deleted_mailing_is_nowhere_and_its_key_is_free(api: Api) -> None:
    campaign_id = await create_campaign(api)
    mailing_id = await create_mailing(api, campaign_id, key="k")
    await done(api, "addRecipients", WRONG, mailingId=mailing_id, emails=["a@example.com"])
    [recipient] = (await mailing(api, mailing_id, "recipients { nodes { id } }"))["recipients"]["nodes"]
    assert await done(api, "deleteMailing", f"deletedId {WRONG}", id=mailing_id) == {
        "deletedId": mailing_id,
        "userErrors": [],
    }
    answer = await api.data(
        """query ($id: ID!, $recipient: ID!, $campaign: ID!) { mailing(id: $id) { id } node(id: $id) { id } nodes(ids: [$recipient]) { id }
        mailingByKey(key: "k") { id } mailings { totalCount nodes { id } }
        campaign(id: $campaign) { mailings { totalCount nodes { id } } mailingMetrics { totalRecipients } } }""",
        id=mailing_id,
        recipient=recipient["id"],
        campaign=campaign_id,
    )
    nothing = {"totalCount": 0, "nodes": []}
    assert answer == {
        **dict.fromkeys(("mailing", "node", "mailingByKey")),
        "nodes": [None],
        "mailings": nothing,
        "campaign": {"mailings": nothing, "mailingMetrics": {"totalRecipients": 0}},
    }
    gone = await done(api, "addRecipients", f"accepted {WRONG}", mailingId=mailing_id, emails=["b@example.com"])
    missing = {"code": "NOT_FOUND", "message": "No such mailing.", "field": ["mailingId"]}
    assert gone == {"accepted": 0, "userErrors": [missing]}
    assert await create_mailing(api, campaign_id, key="k") != mailing_id


@pytest.fixture
async def listed(database: Database, workspace: int) -> int:
    """Mailings of every status, of two campaigns and two people, some with times; the key of the first campaign."""
    first = await mailing_of(database, workspace, 1, name="Spring-News", status="RUNNING", sent=1, key="s-1")
    here: dict[str, Any] = {"campaign_id": first.campaign_id}
    await mailing_of(database, workspace, 0, name="Spring Sale", status="DRAFT", created_by="bob", **here)
    tomorrow = NOON + timedelta(days=1)
    second = await mailing_of(database, workspace, 0, name="Summer", status="SCHEDULED", scheduled_at=tomorrow)
    there: dict[str, Any] = {"campaign_id": second.campaign_id}
    await mailing_of(database, workspace, 0, name="100%", status="PAUSED", **there)
    late = {"started_at": NOON + timedelta(days=2), "scheduled_at": NOON + timedelta(days=2), **there}
    await mailing_of(database, workspace, 0, name="Autumn", status="COMPLETED", created_by="bob", **late)
    return first.campaign_id


async def test_mailings_are_listed_newest_first_and_filtered(api: Api, listed: int) -> None:
    noon, day = NOON.isoformat(), timedelta(days=1)
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["Autumn", "100%", "Summer", "Spring Sale", "Spring-News"]),
        ({"status": ["RUNNING", "PAUSED", "RUNNING"]}, ["100%", "Spring-News"]),
        ({"status": []}, []),
        ({"search": "SPR s-"}, ["Spring-News"]),
        ({"search": "0%"}, ["100%"]),
        ({"search": " "}, ["Autumn", "100%", "Summer", "Spring Sale", "Spring-News"]),
        ({"createdBy": "bob"}, ["Autumn", "Spring Sale"]),
        ({"createdBy": "bob", "status": ["DRAFT", "FAILED"]}, ["Spring Sale"]),
        ({"campaignId": encode("Campaign", listed)}, ["Spring Sale", "Spring-News"]),
        ({"scheduled": {"from": noon}}, ["Autumn", "Summer"]),
        ({"scheduled": {"from": (NOON + day).isoformat(), "to": (NOON + 2 * day).isoformat()}}, ["Summer"]),
        ({"scheduled": {"to": (NOON + day).isoformat()}}, []),
        ({"scheduled": {}}, ["Autumn", "100%", "Summer", "Spring Sale", "Spring-News"]),
        ({"started": {"from": noon, "to": (NOON + day).isoformat()}}, ["100%", "Spring-News"]),
        ({"started": {"from": noon}, "status": ["COMPLETED", "PAUSED"]}, ["Autumn", "100%"]),
        ({"started": {"from": noon}, "scheduled": {"from": noon}, "search": "aut"}, ["Autumn"]),
    ]
    for filter_, found in expected:
        assert await names(api, **filter_) == found, filter_
    walked: list[str] = []
    after, more = None, True
    while more:
        page = (await api.data(LIST, filter={"started": {"from": noon}}, first=1, after=after))["mailings"]
        walked += [node["name"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert walked == ["Autumn", "100%", "Spring-News"]


async def test_windows_of_many_are_walked(api: Api, listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.queries.mailings.reading.FEW", 1)
    reading._listed.cache_clear()  # type: ignore[attr-defined]
    try:
        assert await names(api, started={"to": "2100-01-01T00:00:00Z"}) == ["Autumn", "100%", "Spring-News"]
    finally:
        reading._listed.cache_clear()  # type: ignore[attr-defined]


async def test_a_campaign_has_its_mailings_and_their_numbers_together(
    api: Api, listed: int, database: Database, workspace: int
) -> None:
    await mailing_of(database, workspace, 3, name="More", sent=2, campaign_id=listed)
    answer = await api.data(
        """query ($id: ID!) { campaign(id: $id) { mailings(first: 2) { totalCount nodes { name campaign { id } } }
        mailingMetrics { totalRecipients emailsSent openRate } } }""",
        id=encode("Campaign", listed),
    )
    mine = {"campaign": {"id": encode("Campaign", listed)}}
    assert answer["campaign"] == {
        "mailings": {"totalCount": 3, "nodes": [{"name": "More", **mine}, {"name": "Spring Sale", **mine}]},
        "mailingMetrics": {"totalRecipients": 4, "emailsSent": 3, "openRate": 0.0},
    }


async def test_filters_that_make_no_sense_are_said(api: Api) -> None:
    window = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    assert await api.error(LIST, filter={"started": window}) == ("BAD_USER_INPUT", "The window ends before it starts.")
    code, message = await api.error(LIST, filter={"campaignId": encode("Brand", 1)})
    assert (code, message.split(":")[0]) == ("BAD_USER_INPUT", "filter.campaignId")
    assert (await api.error(LIST, filter={"search": "x" * 201}))[0] == "BAD_USER_INPUT"


async def test_reading_is_no_leave_to_write(api: Api) -> None:
    mailing_id = await create_mailing(api)
    reader, ingester = api.as_(token(scopes=("read",))), api.as_(token(scopes=("ingest",)))
    start = "mutation ($id: ID!) { startMailing(input: {id: $id}) { userErrors { code } } }"
    assert (await reader.error(start, id=mailing_id))[0] == "FORBIDDEN"
    assert (await ingester.error(start, id=mailing_id))[0] == "FORBIDDEN"
    assert await mailing(reader, mailing_id, "name") == {"name": "News"}


async def test_who_sees_granted_campaigns_alone_sees_no_mail_of_theirs(api: Api) -> None:
    campaign_id = await create_campaign(api)
    mailing_id = await create_mailing(api, campaign_id)
    partner = await restricted(api, [campaign_id], "READ", "WRITE")
    query = """query ($campaign: ID!, $id: ID!) { mailing(id: $id) { id } mailings { totalCount }
      campaign(id: $campaign) { mailings { totalCount nodes { id } } mailingMetrics { totalRecipients } } }"""
    assert await partner.data(query, campaign=campaign_id, id=mailing_id) == {
        "mailing": None,
        "mailings": {"totalCount": 0},
        "campaign": {"mailings": {"totalCount": 0, "nodes": []}, "mailingMetrics": {"totalRecipients": 0}},
    }
    assert [code for code, _, _ in await wrong(partner, "startMailing", id=mailing_id)] == ["NOT_FOUND"]
    assert [code for code, _, _ in await wrong(partner, "deleteMailing", id=mailing_id)] == ["FORBIDDEN"]


EVERYTHING = """query ($n: Int!) { campaigns(first: $n) { nodes { mailingMetrics { emailsSent } mailings(first: $n) { totalCount nodes {
  name campaign { name } template { name } recipientsByStatus { count } metrics { openRate }
  links(first: $n) { totalCount nodes { url clicks uniqueClicks } } events(first: $n) { totalCount nodes { id } }
  recipients(first: $n) { totalCount nodes { emailAddress mailing { name } lead { email } events(first: $n) { nodes { id } } } } } } } } }"""


async def test_everything_costs_one_statement_a_level_for_n_and_2n(
    api: Api, database: Database, workspace: int, statements: list[str]
) -> None:
    for number in range(4):
        made = await mailing_of(database, workspace, 4, name=f"A{number}", links=("https://example.com",) * 4)
        for more in range(3):
            await mailing_of(database, workspace, 4, name=f"B{number}{more}", campaign_id=made.campaign_id)
    counted = []
    for number in (2, 4):
        statements.clear()
        found = (await api.data(EVERYTHING, n=number))["campaigns"]["nodes"]
        assert [len(one["recipients"]["nodes"]) for node in found for one in node["mailings"]["nodes"]] == [
            number
        ] * number**2
        counted.append(len(statements))
    # campaigns; numbers, mailings and their count; campaigns, templates, statuses, numbers, links and their count, events and
    # theirs, recipients and theirs; numbers of links; mailings, leads and events of recipients
    assert counted == [18, 18]


async def test_a_reason_stands_beside_what_failed(api: Api, database: Database, workspace: int) -> None:
    made = await mailing_of(database, workspace, 1, status="FAILED")
    async with database.write(workspace) as transaction:
        await transaction.run(update(Mailing).values(status_reason="Too late"))
        await transaction.run(text("UPDATE email_templates SET deleted_at = now()"))
    found = await mailing(api, encode("Mailing", made.mailing_id), "status statusReason template { name }")
    assert found == {"status": "FAILED", "statusReason": "Too late", "template": {"name": "News"}}
    message = [("CONFLICT", "Its template was deleted.", ["id"])]
    assert await wrong(api, "startMailing", id=encode("Mailing", made.mailing_id)) == message


async def test_a_campaign_that_is_no_longer_active_pauses_its_mailings(
    api: Api, database: Database, workspace: int
) -> None:
    made = await mailing_of(database, workspace, 1)
    mailing_id, campaign_id = encode("Mailing", made.mailing_id), encode("Campaign", made.campaign_id)
    move = "mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) { campaign { status } userErrors { message } } }"
    for status in ("ACTIVE", "PAUSED"):
        answer = await api.data(move, input={"id": campaign_id, "name": "New", "status": status})
        assert answer["updateCampaign"] == {"campaign": {"status": status}, "userErrors": []}
        reason = None if status == "ACTIVE" else "Its campaign became PAUSED."
        standing = {"status": "RUNNING" if status == "ACTIVE" else "PAUSED", "statusReason": reason}
        assert await mailing(api, mailing_id, "status statusReason") == standing
    message = [("CONFLICT", "Its campaign is PAUSED: its mailings cannot start or go on.", ["id"])]
    assert await wrong(api, "resumeMailing", id=mailing_id) == message
    await api.data(move, input={"id": campaign_id, "status": "ACTIVE"})
    assert await wrong(api, "resumeMailing", id=mailing_id) == []
    assert await mailing(api, mailing_id, "status statusReason") == {"status": "RUNNING", "statusReason": None}
