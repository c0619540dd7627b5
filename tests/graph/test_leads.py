"""Leads: made and changed by key or address, many at once; found by words; kept from being mailed, and let again."""

from typing import Any

from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api, token
from tests.facts import create_campaign, restricted
from tests.graph.test_campaigns import cursor

UPSERT = """mutation ($leads: [LeadInput!]!) { upsertLeads(input: {leads: $leads}) { created updated
  leads { id key email name attributes } rejected { index key code field message } userErrors { code message field } } }"""
LIST = """query ($search: String, $first: Int, $after: String) { leads(search: $search, first: $first, after: $after) {
  totalCount nodes { name } pageInfo { endCursor } } }"""
LIFT = """mutation ($id: ID!) { liftSuppression(input: {leadId: $id}) { lead { email unsubscribedAt suppression { reason } }
  userErrors { code message field } } }"""
EVERYTHING = "id key email name attributes unsubscribedAt createdAt updatedAt suppression { reason since }"


async def upsert(api: Api, *leads: dict[str, Any]) -> Any:
    return (await api.data(UPSERT, leads=leads))["upsertLeads"]


async def made(api: Api, *leads: dict[str, Any]) -> list[str]:
    payload = await upsert(api, *leads)
    assert (payload["rejected"], payload["userErrors"]) == ([], [])
    return [lead["id"] for lead in payload["leads"]]


async def lead(api: Api, lead_id: str, fields: str = EVERYTHING) -> Any:
    return (await api.data(f"query ($id: ID!) {{ lead(id: $id) {{ {fields} }} }}", id=lead_id))["lead"]


async def names(api: Api, search: str | None) -> list[str]:
    found = (await api.data(LIST, search=search, first=50))["leads"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


def person(name: str, **values: Any) -> dict[str, Any]:
    return {"email": f"{name}@example.com", "name": name, **values}


def wrong(payload: Any) -> list[tuple[int, str, str]]:
    return [(one["index"], one["code"], *one["field"]) for one in payload["rejected"]]


async def suppress(database: Database, workspace: int, address: str, reason: str) -> None:
    values = {"w": workspace, "a": address, "r": reason}
    async with database.write(workspace) as transaction:
        await transaction.run(
            text("INSERT INTO suppressions (workspace_id, address, reason, since) VALUES (:w, :a, :r, '2026-03-01Z')"),
            values,
        )
        if reason == "UNSUBSCRIBED":
            await transaction.run(text("UPDATE leads SET unsubscribed_at = '2026-03-01Z' WHERE address = :a"), values)


async def test_a_lead_is_answered_as_it_was_given(api: Api) -> None:
    given = {
        "key": "crm-1",
        "email": "Ada@BÜCHER.example",
        "name": "Ada Lovelace",
        "attributes": {"city": "London", "n": 1.5},
    }
    payload = await upsert(api, given)
    [first] = payload["leads"]
    assert first == {"id": first["id"], **given, "email": "Ada@xn--bcher-kva.example"}
    assert (payload["created"], payload["updated"], payload["rejected"]) == (1, 0, [])
    found = await lead(api, first["id"])
    assert found["createdAt"] == found["updatedAt"]
    assert (found["unsubscribedAt"], found["suppression"]) == (None, None)
    node = "query ($id: ID!) { node(id: $id) { id ... on Lead { name } } }"
    assert (await api.data(node, id=first["id"]))["node"] == {"id": first["id"], "name": "Ada Lovelace"}


async def test_what_is_left_out_stays_and_null_clears(api: Api) -> None:
    [lead_id] = await made(api, person("ada", key="1", attributes={"city": "London", "plan": "free"}))
    before = await lead(api, lead_id)
    assert await made(api, {"email": "ADA@example.com"}) == [lead_id]
    changed = await lead(api, lead_id)
    assert (changed["email"], changed["name"], changed["key"]) == ("ADA@example.com", "ada", "1")
    assert changed["updatedAt"] > before["updatedAt"]
    await made(api, {"email": "ADA@example.com", "attributes": {"city": "Paris"}})
    assert (await lead(api, lead_id))["attributes"] == {"city": "Paris"}
    await made(api, {"email": "ADA@example.com", "name": None, "attributes": None})
    found = await lead(api, lead_id)
    assert (found["name"], found["attributes"], found["key"]) == (None, None, "1")
    assert (await upsert(api, {"key": "1", "email": "ADA@example.com"}))["updated"] == 1
    assert await lead(api, lead_id) == found


async def test_a_lead_is_found_by_its_key_and_then_by_its_address(api: Api) -> None:
    ada, bob, cid = await made(api, person("ada", key="a"), person("bob"), person("cid", key="c"))
    assert await made(api, {"key": "a", "email": "ada@new.example"}) == [ada]
    assert await made(api, {"key": "b", "email": "bob@example.com"}) == [bob]
    payload = await upsert(
        api,
        {"key": "a", "email": "bob@example.com"},
        {"key": "x", "email": "cid@example.com"},
        {"key": "y", "email": "ada@example.com"},
    )
    assert wrong(payload) == [(0, "CONFLICT", "email"), (1, "CONFLICT", "key")]
    assert (payload["created"], payload["updated"]) == (1, 0)
    assert payload["leads"][:2] == [None, None]
    assert payload["leads"][2]["id"] not in {ada, bob, cid}
    assert (await lead(api, ada, "email"))["email"] == "ada@new.example"


async def test_of_two_items_for_a_lead_the_later_one_wins(api: Api) -> None:
    payload = await upsert(
        api,
        person("ada", attributes={"n": 1}),
        {"email": "Ada@Example.com", "key": "a", "attributes": {"n": 2}},
        {"email": "moved@example.com", "key": "a"},
        {"email": "ada@example.com", "name": "other"},
    )
    assert (payload["created"], payload["updated"], payload["rejected"]) == (2, 2, [])
    first, second, third, other = payload["leads"]
    assert first == second == third == {
        "id": first["id"], "key": "a", "email": "moved@example.com", "name": "ada", "attributes": {"n": 2}
    }  # fmt: skip
    assert (other["name"], other["email"]) == ("other", "ada@example.com")


async def test_leads_can_swap_their_addresses(api: Api) -> None:
    ada, bob = await made(api, person("ada", key="a"), person("bob", key="b"))
    await made(
        api,
        {"key": "a", "email": "on-the-way@example.com"},
        {"key": "b", "email": "ada@example.com"},
        {"key": "a", "email": "bob@example.com"},
    )
    assert [(await lead(api, one, "email"))["email"] for one in (ada, bob)] == ["bob@example.com", "ada@example.com"]
    assert await names(api, "on-the-way") == []


async def test_each_item_says_all_that_is_wrong_with_it_and_the_others_are_taken(api: Api) -> None:
    payload = await upsert(
        api,
        {"key": " ", "email": "nobody", "name": "A\nB", "attributes": [1]},
        {"email": "a@example.com", "name": "A\u0000", "attributes": {"a\u0000": 1}},
        {"email": f"{'a' * 65}@example.com", "attributes": {"big": "x" * 16_384}},
        {"email": "b@example.com", "attributes": {"": 1, "n": 10**18}},
        {"email": "c@example.com", "attributes": {str(n): n for n in range(201)}},
        {"email": "ä@example.com", "name": "x" * 201, "key": "k" * 201},
        person("good"),
    )
    assert wrong(payload) == [
        (0, "INVALID", "key"),
        (0, "INVALID", "email"),
        (0, "INVALID", "name"),
        (0, "INVALID", "attributes"),
        (1, "INVALID", "name"),
        (1, "INVALID", "attributes"),
        (1, "INVALID", "attributes"),
        (2, "INVALID", "email"),
        (2, "INVALID", "attributes"),
        (3, "INVALID", "attributes"),
        (3, "INVALID", "attributes"),
        (4, "INVALID", "attributes"),
        (5, "INVALID", "key"),
        (5, "INVALID", "email"),
        (5, "INVALID", "name"),
    ]
    assert payload["rejected"][1]["message"] == "An email address must have an @-sign."
    assert (payload["created"], payload["leads"][:6], payload["leads"][6]["name"]) == (1, [None] * 6, "good")


async def test_attributes_are_no_deeper_than_answers_can_be_written(api: Api) -> None:
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    [lead_id] = await made(api, person("ada", attributes={"a": deep}))
    assert (await api.data(LIST.replace("name", "attributes")))["leads"]["nodes"] == [{"attributes": {"a": deep}}]
    [wrong] = (await upsert(api, person("ada", attributes={"a": [deep]})))["rejected"]
    assert (wrong["field"], wrong["message"]) == (["attributes"], "At most 100 levels of JSON within each other.")
    assert (await lead(api, lead_id))["attributes"] == {"a": deep}


async def test_too_many_are_refused_whole(api: Api) -> None:
    payload = await upsert(api, *[person(f"p{n}") for n in range(1001)])
    assert (payload["created"], payload["leads"], payload["rejected"]) == (0, [], [])
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [("TOO_LARGE", ["leads"])]
    assert await names(api, None) == []


async def test_a_batch_takes_as_many_statements_whatever_its_size(api: Api, statements: list[str]) -> None:
    counted = []
    for size in (500, 1000):
        for _ in range(2):
            statements.clear()
            leads = [person(f"p{size}-{n}", key=f"{size}-{n}", attributes={"a": 1}) for n in range(size)]
            payload = await upsert(api, *leads)
            counted.append((len([one for one in statements if "lead" in one]), payload["created"], payload["updated"]))
    # found, inserted, their words, names of attributes, whether they unsubscribed, read; found, changed, names, read
    assert counted == [(6, 500, 0), (4, 0, 500), (6, 1000, 0), (4, 0, 1000)]


async def test_what_hangs_on_leads_takes_one_statement_for_n_and_2n(api: Api, statements: list[str]) -> None:
    await made(api, *[person(f"p{n}") for n in range(40)])
    counted = []
    for first in (20, 40):
        statements.clear()
        query = "query ($n: Int!) { leads(first: $n) { totalCount nodes { name suppression { reason } } } }"
        assert len((await api.data(query, n=first))["leads"]["nodes"]) == first
        counted.append(len(statements))
    assert counted == [3, 3]


async def test_leads_are_newest_first_and_found_by_how_words_begin(api: Api) -> None:
    await made(
        api,
        {"email": "Ada.Lovelace@mail.Example.com", "name": "Ada", "key": "crm-17"},
        {"email": "bob@example.com", "name": "Bob Ångström"},
        {"email": "cid@example.org", "name": "cid"},
    )
    assert await names(api, None) == await names(api, " ") == ["cid", "Bob Ångström", "Ada"]
    for search in ("LOVE", "ada.lovelace@MAIL.example.com", "@mail.example", "crm", "17", "ada love", "crm-17 com"):
        assert await names(api, search) == ["Ada"], search
    assert await names(api, "ångs") == await names(api, "A\u030angström bob") == ["Bob Ångström"]
    assert await names(api, "example") == ["cid", "Bob Ångström", "Ada"]
    assert await names(api, "velace") == await names(api, "ada bob") == []
    await made(api, {"email": "bob@example.com", "name": "Robert"})
    assert await names(api, "ångström") == []
    assert await names(api, "rob") == ["Robert"]
    first = (await api.data(LIST, first=2))["leads"]
    rest = (await api.data(LIST, first=2, after=first["pageInfo"]["endCursor"]))["leads"]
    assert [node["name"] for node in first["nodes"] + rest["nodes"]] == ["cid", "Robert", "Ada"]


async def test_searches_that_make_no_sense_are_refused(api: Api) -> None:
    long, many = await api.error(LIST, search="x" * 201), await api.error(LIST, search="a b c d e f g h i")
    assert long == ("BAD_USER_INPUT", "search: at most 200 characters; there are 201.")
    assert many == ("BAD_USER_INPUT", "search: at most 8 words; there are 9.")
    assert (await api.error(LIST, search="a\u0000"))[0] == "BAD_USER_INPUT"
    assert (await api.error(LIST, after=cursor("spaces:newest", 1)))[0] == "BAD_USER_INPUT"


async def test_a_suppression_is_shown_and_lifted_once(api: Api, database: Database, workspace: int) -> None:
    ada, bob = await made(api, person("ada"), person("bob"))
    await suppress(database, workspace, "ada@example.com", "UNSUBSCRIBED")
    await suppress(database, workspace, "bob@example.com", "BOUNCED")
    found = await lead(api, ada)
    assert found["suppression"] == {"reason": "UNSUBSCRIBED", "since": "2026-03-01T00:00:00Z"}
    assert found["unsubscribedAt"] == "2026-03-01T00:00:00Z"
    for one, email in ((ada, "ada"), (bob, "bob")):
        lifted = {"email": f"{email}@example.com", "unsubscribedAt": None, "suppression": None}
        assert (await api.data(LIFT, id=one))["liftSuppression"] == {"lead": lifted, "userErrors": []}
    again = (await api.data(LIFT, id=ada))["liftSuppression"]
    assert (again["lead"], again["userErrors"][0]["code"]) == (None, "CONFLICT")
    assert (await lead(api, ada))["updatedAt"] > found["updatedAt"]


async def test_who_unsubscribed_is_not_mailed_at_a_new_address_either(
    api: Api, database: Database, workspace: int
) -> None:
    ada, bob, cid, _ = await made(api, *[person(one, key=one) for one in ("ada", "bob", "cid", "dan")])
    for name, reason in (("ada", "UNSUBSCRIBED"), ("bob", "COMPLAINED"), ("cid", "BOUNCED"), ("gone", "UNSUBSCRIBED")):
        await suppress(database, workspace, f"{name}@example.com", reason)
    await made(api, *[{"key": one, "email": f"{one}@new.example"} for one in ("ada", "bob", "cid", "dan")])
    reasons = [(await lead(api, one, "suppression { reason }"))["suppression"] for one in (ada, bob, cid)]
    assert reasons == [{"reason": "UNSUBSCRIBED"}, {"reason": "COMPLAINED"}, None]
    [back] = await made(api, person("gone"))
    assert (await lead(api, back, "unsubscribedAt"))["unsubscribedAt"] == "2026-03-01T00:00:00Z"


async def test_another_workspace_s_leads_are_not_there(api: Api, other_workspace: int) -> None:
    theirs = api.as_(token(workspace="other"))
    [foreign] = await made(theirs, person("ada", key="a", attributes={"secret": 1}))
    missing = encode("Lead", 999_999)
    for query in (LIFT, "query ($id: ID!) { lead(id: $id) { id } node(id: $id) { id } }"):
        assert await api.ask(query, id=foreign) == await api.ask(query, id=missing)
    assert await names(api, None) == await names(api, "ada") == []
    [mine] = await made(api, person("ada", key="a"))
    assert mine != foreign
    assert await lead(theirs, foreign, "attributes") == {"attributes": {"secret": 1}}


async def test_api_clients_with_granted_campaigns_see_and_write_none(api: Api) -> None:
    [lead_id] = await made(api, person("ada", attributes={"city": "Paris"}))
    partner = await restricted(api, [await create_campaign(api)], "READ", "WRITE")
    assert await names(partner, None) == await names(partner, "ada") == []
    assert await lead(partner, lead_id) is None
    payload = await upsert(partner, person("ada"), person("bob"))
    assert [one["code"] for one in payload["userErrors"]] == ["FORBIDDEN"]
    assert (await partner.data(LIFT, id=lead_id))["liftSuppression"]["userErrors"][0]["code"] == "FORBIDDEN"
    preview = 'query { previewEmail(input: {subject: "{{ city }}", html: "x"}) { userErrors { field } } }'
    assert await partner.data(preview) == {"previewEmail": {"userErrors": [{"field": ["subject"]}]}}
    assert await partner.data("{ emailTemplates { totalCount } }") == {"emailTemplates": {"totalCount": 0}}
