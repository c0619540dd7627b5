"""Templates of e-mails: made, changed, listed, deleted while nothing needs them, and shown as a lead would see them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.queries import email_templates
from graph.ids import encode
from jobs.mailings.templates import NO_ADDRESS
from tests.api import Api, token
from tests.graph.test_leads import made
from tests.mailings import mailing_of

WRONG = "userErrors { code field message }"
CREATE = f"""mutation ($input: CreateEmailTemplateInput!) {{ createEmailTemplate(input: $input) {{
  emailTemplate {{ id name subject html text createdBy createdAt updatedAt }} {WRONG} }} }}"""
UPDATE = f"""mutation ($input: UpdateEmailTemplateInput!) {{ updateEmailTemplate(input: $input) {{
  emailTemplate {{ name subject html text createdAt updatedAt }} {WRONG} }} }}"""
DELETE = f"mutation ($id: ID!) {{ deleteEmailTemplate(input: {{id: $id}}) {{ deletedId {WRONG} }} }}"
LIST = """query ($search: String, $first: Int, $after: String) { emailTemplates(search: $search, first: $first, after: $after) {
  totalCount nodes { name } pageInfo { endCursor } } }"""
PREVIEW = """query ($id: ID!, $lead: ID, $attributes: JSON, $name: String, $email: String) {
  emailTemplatePreview(templateId: $id, leadId: $lead, attributes: $attributes, name: $name, email: $email) { subject html text } }"""
PREVIEW_NEW = f"query ($input: PreviewEmailInput!) {{ previewEmail(input: $input) {{ preview {{ subject html text }} {WRONG} }} }}"
HTML = '<p>Hi {{ name | default("there") }}, {{ city }}!</p><a href="{{ unsubscribe_url }}">Stop</a>'


def new(**values: Any) -> dict[str, Any]:
    return {"name": "Welcome", "subject": "Hello {{ name }}", "html": "<p>Hi</p>", **values}


async def create(api: Api, **values: Any) -> str:
    payload = (await api.data(CREATE, input=new(**values)))["createEmailTemplate"]
    assert payload["userErrors"] == []
    template_id: str = payload["emailTemplate"]["id"]
    return template_id


async def problems(api: Api, query: str, **variables: Any) -> list[tuple[str, str]]:
    [payload] = (await api.data(query, **variables)).values()
    assert next(iter(payload.values())) is None
    return [(one["code"], *one["field"]) for one in payload["userErrors"]]


async def names(api: Api, search: str | None = None) -> list[str]:
    found = (await api.data(LIST, search=search))["emailTemplates"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def test_a_template_is_answered_as_it_was_given(api: Api) -> None:
    await made(api, {"email": "ada@example.com", "attributes": {"city": "Paris", "not one": 1}})
    given = new(html=HTML, text="Hi {{ name }}")
    found = (await api.data(CREATE, input=given))["createEmailTemplate"]["emailTemplate"]
    assert found == {**found, **given, "createdBy": "ada"}
    assert found["createdAt"] == found["updatedAt"]
    query = "query ($id: ID!) { emailTemplate(id: $id) { html } node(id: $id) { id } }"
    assert await api.data(query, id=found["id"]) == {"emailTemplate": {"html": HTML}, "node": {"id": found["id"]}}
    blank = (await api.data(CREATE, input=new(text=" \n")))["createEmailTemplate"]["emailTemplate"]
    assert blank["text"] is None


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_made(api: Api) -> None:
    await made(api, {"email": "ada@example.com", "attributes": {"city": "Paris", "not one": 1}})
    given = new(name=" ", subject="a\nb", html="{{ contry }}", text="{% for a in b %}{% endfor %}")
    payload = (await api.data(CREATE, input=given))["createEmailTemplate"]
    assert [(one["code"], *one["field"]) for one in payload["userErrors"]] == [
        ("INVALID", "name"),
        ("INVALID", "subject"),
        ("INVALID", "html"),
        ("INVALID", "text"),
    ]
    known = "contry is no variable. Known are name, email, key, unsubscribe_url, city."
    assert payload["userErrors"][2]["message"] == known
    large = new(name="x\u0000", html="x" * (512 * 1024 + 1), subject="{{")
    assert await problems(api, CREATE, input=large) == [
        ("INVALID", "name"),
        ("INVALID", "subject"),
        ("INVALID", "html"),
    ]
    assert await names(api) == []


async def test_a_change_is_checked_as_a_whole_and_keeps_what_is_left_out(api: Api) -> None:
    template_id = await create(api, text="Plain")
    [before] = (await api.data("{ emailTemplates { nodes { createdAt updatedAt } } }"))["emailTemplates"]["nodes"]
    for same in ({}, {"name": "Welcome"}):
        payload = (await api.data(UPDATE, input={"id": template_id, **same}))["updateEmailTemplate"]
        assert payload["emailTemplate"]["updatedAt"] == before["updatedAt"]
    changed = (await api.data(UPDATE, input={"id": template_id, "subject": "New", "text": None}))["updateEmailTemplate"]
    assert changed["emailTemplate"].pop("updatedAt") > before["updatedAt"]
    assert changed["emailTemplate"] == {**new(subject="New"), "text": None, "createdAt": before["createdAt"]}
    wrong = {"id": template_id, "name": None, "subject": None, "html": "{{ x }}"}
    expected = [("INVALID", "name"), ("INVALID", "subject"), ("INVALID", "html")]
    assert await problems(api, UPDATE, input=wrong) == expected
    wrong = {"id": encode("Lead", 1), "name": " "}
    assert await problems(api, UPDATE, input=wrong) == [("INVALID", "id"), ("INVALID", "name")]


async def test_templates_are_newest_first_and_searched_by_name_and_subject(api: Api) -> None:
    await create(api, name="Welcome")
    await create(api, name="Spring sale", subject="50% off")
    assert await names(api) == await names(api, "") == ["Spring sale", "Welcome"]
    assert (await names(api, "SALE 50%"), await names(api, "hello"), await names(api, "sale hello")) == (
        ["Spring sale"],
        ["Welcome"],
        [],
    )
    first = (await api.data(LIST, first=1))["emailTemplates"]
    rest = (await api.data(LIST, first=1, after=first["pageInfo"]["endCursor"]))["emailTemplates"]
    assert [node["name"] for node in first["nodes"] + rest["nodes"]] == ["Spring sale", "Welcome"]
    assert (await api.error(LIST, search="x" * 201))[0] == "BAD_USER_INPUT"


@pytest.mark.parametrize("status", ["DRAFT", "SCHEDULED"])
async def test_a_template_that_is_still_to_be_sent_is_not_deleted(
    api: Api, database: Database, workspace: int, status: str
) -> None:
    mailing = await mailing_of(database, workspace, 0, status=status, name="News")
    template_id = encode("EmailTemplate", mailing.template_id)
    payload = (await api.data(DELETE, id=template_id))["deleteEmailTemplate"]
    message = 'The mailing "News" is still to be sent with this template.'
    assert payload == {"deletedId": None, "userErrors": [{"code": "CONFLICT", "field": ["id"], "message": message}]}
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE mailings SET status = 'DRAFT', deleted_at = now()"))
    assert (await api.data(DELETE, id=template_id))["deleteEmailTemplate"]["deletedId"] == template_id


async def test_a_template_is_not_deleted_while_a_mailing_gets_it(api: Api, database: Database, workspace: int) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    template_id = (await mailing_of(database, workspace, 0, status="DRAFT", name="News")).template_id
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE mailings SET deleted_at = now()"))
    async with database.write(workspace) as transaction:
        await email_templates.lock_for_use(transaction, template_id, "template_id")
        await transaction.run(text("UPDATE mailings SET deleted_at = NULL"))
        deleting = asyncio.create_task(problems(api, DELETE, id=encode("EmailTemplate", template_id)))
        async with database.engine.connect() as connection:
            while not await connection.scalar(text(waiting)):
                await connection.rollback()
    assert await deleting == [("CONFLICT", "id")]


async def test_a_deleted_template_is_seen_by_its_mailings_alone(api: Api, database: Database, workspace: int) -> None:
    mailing = await mailing_of(database, workspace, 0, status="COMPLETED", name="News")
    template_id = encode("EmailTemplate", mailing.template_id)
    assert await api.data(DELETE, id=template_id) == {
        "deleteEmailTemplate": {"deletedId": template_id, "userErrors": []}
    }
    query = "query ($id: ID!) { emailTemplate(id: $id) { id } node(id: $id) { id } }"
    assert await api.data(query, id=template_id) == {"emailTemplate": None, "node": None}
    assert await names(api) == []
    assert await api.data(PREVIEW, id=template_id) == {"emailTemplatePreview": None}
    assert await problems(api, DELETE, id=template_id) == [("NOT_FOUND", "id")]
    assert await problems(api, UPDATE, input={"id": template_id, "name": "X"}) == [("NOT_FOUND", "id")]
    mailings = (await api.data("{ mailings { nodes { template { id name } } } }"))["mailings"]["nodes"]
    assert mailings == [{"template": {"id": template_id, "name": "News"}}]


async def test_a_preview_is_what_the_lead_would_get(api: Api) -> None:
    attributes = {"city": "<b>Paris</b> & co", "plan": None}
    [ada, nobody] = await made(
        api, {"email": "ada@example.com", "name": "Ada", "attributes": attributes}, {"email": "no@example.com"}
    )
    template_id = await create(api, html=HTML, subject="Hello {{ name }} from {{ city }}")

    async def preview(**variables: Any) -> Any:
        return (await api.data(PREVIEW, id=template_id, **variables))["emailTemplatePreview"]

    stop = f'<a href="{NO_ADDRESS}">Stop</a>'
    found = await preview(lead=ada)
    assert found["subject"] == "Hello Ada from <b>Paris</b> & co"
    assert found["html"] == f"<p>Hi Ada, &lt;b&gt;Paris&lt;/b&gt; &amp; co!</p>{stop}"
    assert found["text"].startswith("Hi Ada, <b>Paris</b> & co!")
    assert (await preview(lead=nobody))["html"] == f"<p>Hi there, !</p>{stop}"
    assert await preview() == await preview(lead=nobody)
    instead = await preview(lead=ada, name="Bob", attributes={"city": "Rome", "name": "never"})
    assert (instead["subject"], instead["html"]) == ("Hello Bob from Rome", f"<p>Hi Bob, Rome!</p>{stop}")
    wrong = await api.error(PREVIEW, id=template_id, email="nobody")
    assert wrong == ("BAD_USER_INPUT", "email: An email address must have an @-sign.")
    assert (await api.error(PREVIEW, id=template_id, lead=encode("Lead", 999_999)))[0] == "NOT_FOUND"


async def test_what_is_not_kept_yet_is_shown_with_all_that_is_wrong(api: Api) -> None:
    [ada] = await made(api, {"email": "ada@example.com", "key": "k-1"})
    given = {"subject": "{{ key }} {{ x }}", "html": "<p>{{ email }} {{ plan }}</p>", "text": "{{ plan | upper }}"}
    shown = (await api.data(PREVIEW_NEW, input={**given, "leadId": ada, "attributes": {"plan": "a<b", "x": 1}}))[
        "previewEmail"
    ]
    assert shown["userErrors"] == []
    assert shown["preview"]["subject"] == "k-1 1"
    assert "<p>ada@example.com a&lt;b</p>" in shown["preview"]["html"]
    assert shown["preview"]["text"].splitlines()[0] == "A<B"
    wrong = {
        **given,
        "leadId": encode("Lead", 999_999),
        "email": "x",
        "name": "\n",
        "attributes": {"plan": 10**20},
        "html": "",
    }
    assert await problems(api, PREVIEW_NEW, input=wrong) == [
        ("INVALID", "attributes"),
        ("INVALID", "name"),
        ("INVALID", "name"),
        ("INVALID", "email"),
        ("NOT_FOUND", "leadId"),
        ("INVALID", "subject"),
        ("INVALID", "html"),
    ]
    long = {"subject": "x", "html": "{{ plan }}" * 140, "text": "x", "attributes": {"plan": "x" * 16_000}}
    error = await api.error(PREVIEW_NEW, input=long)
    assert error == ("BAD_USER_INPUT", "With these values the message is too large.")


async def test_another_workspace_s_templates_and_attributes_are_not_there(api: Api, other_workspace: int) -> None:
    theirs = api.as_(token(workspace="other"))
    [lead] = await made(theirs, {"email": "ada@example.com", "attributes": {"secret": 1}})
    foreign, missing = await create(theirs, html="<p>{{ secret }}</p>"), encode("EmailTemplate", 999_999)
    for query in (DELETE, PREVIEW, "query ($id: ID!) { emailTemplate(id: $id) { id } node(id: $id) { id } }"):
        assert await api.ask(query, id=foreign) == await api.ask(query, id=missing)
    assert await problems(api, UPDATE, input={"id": foreign, "name": "stolen"}) == [("NOT_FOUND", "id")]
    assert await problems(api, PREVIEW_NEW, input={"subject": "x", "html": "y", "leadId": lead}) == [
        ("NOT_FOUND", "leadId")
    ]
    payload = (await api.data(CREATE, input=new(html="<p>{{ secret }}</p>")))["createEmailTemplate"]
    assert payload["userErrors"][0]["message"].endswith("Known are name, email, key, unsubscribe_url.")
    assert (await names(api), await names(theirs)) == ([], ["Welcome"])
