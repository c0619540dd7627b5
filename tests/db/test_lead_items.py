"""Leads as they come in: what is wrong with them; and as they are written, by many at once, and as a plain model has it."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database
from db.errors import Problem
from db.models.lead_items import NewLead, email_of, lead_of, lead_words, values_of, variables_in
from db.queries import workspaces
from db.queries.leads import writing

KEPT = """SELECT key, email, address, name, attributes,
  ARRAY(SELECT word FROM lead_words WHERE lead_id = leads.id ORDER BY word) AS words FROM leads ORDER BY address"""


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Ada.Lovelace@Example.COM", "Ada.Lovelace@example.com"),
        ("o'hara+news@sub.example.com", "o'hara+news@sub.example.com"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        (f"{'a' * 64}@{'b' * 60}.example", f"{'a' * 64}@{'b' * 60}.example"),
    ],
)
def test_addresses_have_one_spelling(text: str, email: str) -> None:
    problems: list[Problem] = []
    assert (email_of(text, problems, "email"), problems) == (email, [])


@pytest.mark.parametrize(
    "text",
    ["", "ada", "ada@example", "a@b@example.com", " ada@example.com", "ada@example.com\n", "Ada <ada@example.com>",
     '"a b"@example.com', "ada@[127.0.0.1]", "ä@example.com", f"{'a' * 65}@example.com", f"a@{'b.' * 125}example",
     "ada@localhost", "a\0@example.com", "ada..l@example.com", "ada@-example.com", "a,b@example.com", "a@exa_mple.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    problems: list[Problem] = []
    assert email_of(text, problems, "email") is None
    [problem] = problems
    assert problem.field == ("email",)
    assert problem.message.endswith((".", "'", ")"))


@pytest.mark.parametrize("name", ["A\nB", "A\rB", "A\tB", "A\x7f", "A\x85B", "A\u2028B", "A\u2029", " ", "", "x" * 201])
def test_names_are_one_line(name: str) -> None:
    problems: list[Problem] = []
    assert lead_of(None, "ada@example.com", {"name": name}, problems) is None
    assert {problem.field for problem in problems} == {("name",)}


def test_a_lead_is_found_by_parts_of_its_address() -> None:
    assert lead_words("crm-1", "Ada.L@mail.example.com", "Ada Ö") == {
        "crm-1", "crm", "1", "ada", "l", "ada.l", "mail", "example", "com", "mail.example.com", "ada.l@mail.example.com", "ö"
    }  # fmt: skip


def test_variables_are_what_every_lead_has_and_attributes_with_fitting_names() -> None:
    attributes = {"city": "Paris", "_x1": 1, "first name": "Ada", "1st": 1, "é": 1, "a" * 65: 1, "email": "no"}
    assert sorted(variables_in(attributes)) == ["_x1", "city", "email"]
    assert values_of("k", "a@b.example", None, {"email": "no", "n": 1}) == {
        "key": "k",
        "email": "a@b.example",
        "name": None,
        "n": 1,
    }


async def kept(database: Database, workspace: int) -> list[tuple[Any, ...]]:
    """All leads of a workspace, in the order of their addresses."""
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(text(KEPT))
    for row in rows:
        assert row.address == row.email.lower()
        assert row.words == sorted(lead_words(row.key, row.email, row.name))
    return [(row.key, row.email, row.name, row.attributes) for row in rows]


async def test_many_writers_of_the_same_leads_are_exact_and_do_not_deadlock(database: Database, workspace: int) -> None:
    async def writer(number: int) -> tuple[int, int]:
        created = updated = 0
        for turn in range(6):
            order = range(40) if (number + turn) % 2 else range(39, -1, -1)
            leads = {n: NewLead(f"k{n}", f"P{turn % 3}.{n}@example.com", {"name": f"{number} {turn}"}) for n in order}
            async with database.write(workspace) as transaction:
                outcome = await writing.upsert(transaction, leads)
            assert outcome.rejected == {}
            created, updated = created + outcome.created, updated + outcome.updated
        return created, updated

    done = await asyncio.gather(*map(writer, range(6)))
    assert tuple(map(sum, zip(*done, strict=True))) == (40, 6 * 6 * 40 - 40)
    assert sorted(key for key, *_ in await kept(database, workspace)) == sorted(f"k{n}" for n in range(40))
    async with database.write(workspace) as transaction:
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert await transaction.scalar(text(deadlocks)) == 0


async def test_who_waited_for_a_lead_that_moves_away_makes_another_one(database: Database, workspace: int) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def upsert(key: str | None, email: str) -> writing.Outcome:
        async with database.write(workspace) as transaction:
            return await writing.upsert(transaction, {0: NewLead(key, email, {"name": email})})

    first = (await upsert("k", "old@example.com")).ids[0]
    async with database.write(workspace) as transaction:
        await writing.upsert(transaction, {0: NewLead("k", "new@example.com", {})})
        other = asyncio.create_task(upsert(None, "old@example.com"))
        async with database.engine.connect() as connection:
            while not await connection.scalar(text(waiting)):
                await connection.rollback()
    outcome = await other
    assert (outcome.created, outcome.updated) == (1, 0)
    assert outcome.ids[0] != first
    assert [(key, email) for key, email, *_ in await kept(database, workspace)] == [
        ("k", "new@example.com"),
        (None, "old@example.com"),
    ]


MAILS = ("x@example.com", "X@example.com", "y@example.com", "z@example.com")
GIVEN = {"name": st.sampled_from((None, "N", "M")), "attributes": st.sampled_from((None, {"n": 1}, {"n": [1.5]}))}
ITEMS = st.builds(
    NewLead,
    st.sampled_from((None, "a", "b", "c")),
    st.sampled_from(MAILS),
    st.fixed_dictionaries({}, optional=GIVEN),
)


def done_to(leads: list[dict[str, Any]], item: NewLead) -> str:
    """Does to a list of leads what an item says, and answers what came of it, or the field that was wrong."""
    by_key = next((one for one in leads if item.key is not None and one["key"] == item.key), None)
    by_address = next((one for one in leads if one["email"].lower() == item.address), None)
    if by_key is not None and by_address is not None and by_key is not by_address:
        return "email"
    if by_key is None and by_address is not None and None not in (item.key, by_address["key"]):
        return "key"
    found = by_key or by_address
    if found is None:
        leads.append({"key": item.key, "email": item.email, "name": None, "attributes": None, **item.values})
        return "created"
    found |= {**item.values, "email": item.email, "key": item.key or found["key"]}
    return "updated"


async def compare(database: Database, batches: list[list[NewLead]], name: str) -> None:
    """Writes batches into a new workspace and into a plain list, and compares the two after each."""
    workspace = await workspaces.create(database, name, name, "UTC", "EUR")
    leads: list[dict[str, Any]] = []
    for batch in batches:
        expected = [done_to(leads, item) for item in batch]
        async with database.write(workspace) as transaction:
            outcome = await writing.upsert(transaction, dict(enumerate(batch)))
        assert (outcome.created, outcome.updated) == (expected.count("created"), expected.count("updated"))
        wrong = {position: problem.field[0] for position, problem in outcome.rejected.items()}
        assert wrong == {n: field for n, field in enumerate(expected) if field in {"key", "email"}}
        assert set(outcome.ids) == set(range(len(batch))) - set(wrong)
        plain = sorted(((*one.values(),) for one in leads), key=lambda lead: lead[1].lower())
        assert await kept(database, workspace) == plain


def test_any_history_is_that_of_a_plain_list(database_url: str) -> None:
    database, numbers = Database(database_url), itertools.count()

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(ITEMS, min_size=1, max_size=15), min_size=1, max_size=6))
    def histories(batches: list[list[NewLead]]) -> None:
        runner.run(compare(database, batches, f"w{next(numbers)}"))

    with asyncio.Runner() as runner:
        try:
            histories()
        finally:
            runner.run(database.close())
