"""Statements that run on the driver itself: compiled once, constants spelt out, parameters by name, rows as they are."""

from typing import Any

import pytest
from sqlalchemy import ARRAY, BigInteger, Text, TypeDecorator, any_, bindparam, literal, literal_column, select

from db.engine import Database
from db.models.campaigns import Campaign
from db.queries.columns import Query, own
from db.statements import BadText, Prepared, Row, Rows, given_ids, given_texts, prepared, workspace


class Shouted(TypeDecorator[str]):
    """A type whose values are not what the driver has."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        """Converts what goes to the driver."""
        return value.upper()

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        """Converts what comes from it."""
        return value.upper()


def named(name: str) -> Any:
    """A parameter that is a text."""
    return bindparam(name, type_=Text)


def test_constants_are_spelt_out_and_parameters_are_counted() -> None:
    statement = Prepared(select(Campaign.id).where(Campaign.status == "it's", Campaign.key == named("key")).limit(7))
    assert "campaigns.status = 'it''s'" in statement.sql
    assert "campaigns.key = $1" in statement.sql
    assert "LIMIT 7" in statement.sql
    assert statement.columns == ("id",)


def test_parameters_are_given_by_name_in_the_order_in_which_they_are_counted() -> None:
    statement = Prepared(select(named("b").label("x"), named("a"), named("b").label("y"), literal(1)))
    assert statement.arguments({"a": 1, "b": 2, "c": 3}) == [2, 1]
    with pytest.raises(KeyError, match="b"):
        statement.arguments({"a": 1})


def test_ids_and_texts_are_lists_and_a_workspace_is_a_subquery() -> None:
    conditions = (Campaign.id == any_(given_ids()), Campaign.key == any_(given_texts("keys")))
    statement = Prepared(select(Campaign.id).where(Campaign.workspace_id == workspace(), *conditions))
    assert "(SELECT $1::BIGINT AS anon_1)" in statement.sql
    assert "ANY ($2::BIGINT[])" in statement.sql
    assert "ANY ($3::TEXT[])" in statement.sql
    assert statement.arguments({"workspace": 1, "ids": [2], "keys": ["k"]}) == [1, [2], ["k"]]


@pytest.mark.parametrize(
    "statement",
    [
        select(literal_column("1", Shouted).label("loud")),
        select(bindparam("loud", type_=Shouted)),
        select(bindparam("loud", type_=ARRAY(Shouted))),
        select(Campaign.id).where(Campaign.id.in_(bindparam("loud", expanding=True))),
        select(Campaign.id).where(Campaign.id == bindparam("loud", type_=BigInteger, literal_execute=True)),
    ],
    ids=["a column", "a parameter", "a list", "a list that is expanded", "a constant that comes late"],
)
def test_what_would_have_to_be_converted_is_refused(statement: Query) -> None:
    with pytest.raises(TypeError, match="not for the driver: "):
        Prepared(statement)


@prepared
def _campaigns(fields: frozenset[str], *, newest_first: bool = False) -> Query:
    found = own(Campaign, {}, fields)
    return found.order_by(Campaign.id.desc()) if newest_first else found


def test_the_same_arguments_have_the_same_statement() -> None:
    known = _campaigns(frozenset({"name", "key"}))
    assert _campaigns(frozenset({"key", "name"})) is known
    assert _campaigns(frozenset({"name"})) is not known
    assert _campaigns(frozenset({"key", "name"}), newest_first=True) is not known


async def test_rows_say_what_they_consist_of(database: Database, workspace: int) -> None:
    statement = Prepared(select(literal(1).label("one"), named("two").label("two")))
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(statement, {"two": "2"})
    [row] = rows
    assert (row.one, row.two, tuple(row), dict(row)) == (1, "2", (1, "2"), {"one": 1, "two": "2"})
    assert (rows.columns, isinstance(row, Row)) == (("one", "two"), True)
    assert getattr(row, "three", None) is None


async def test_a_row_is_one_or_none(database: Database, workspace: int) -> None:
    statement = Prepared(select(literal(1).label("one")).where(named("text") == "x"))
    reads = database.reads(workspace)
    assert (await reads.row(statement, {"text": "x"})).one == 1
    assert await reads.row(statement, {"text": "y"}) is None
    await reads.close()


def test_a_part_of_rows_has_their_columns() -> None:
    rows = Rows([(1,), (2,), (3,)], ("id",))
    assert rows.part(slice(2)) == [(1,), (2,)]
    assert rows.part(slice(None, None, -1)) == [(3,), (2,), (1,)]
    assert rows.part(slice(2)).columns == ("id",)
    assert (Rows(), Rows().columns) == ([], ())


async def test_a_text_that_postgresql_cannot_hold_is_refused_and_the_snapshot_lives(
    database: Database, workspace: int
) -> None:
    statement = Prepared(select(named("text").label("text")))
    texts = Prepared(select(given_texts("text").label("text")))
    reads = database.reads(workspace)
    for asked, bad in ((statement, "a\0b"), (texts, ["a", "\0"])):
        with pytest.raises(BadText, match=r"U\+0000"):
            await reads.rows(asked, {"text": bad})
        assert (await reads.row(statement, {"text": "ab"})).text == "ab"
    await reads.close()


async def test_a_prepared_statement_is_told_to_who_watches(database: Database, workspace: int) -> None:
    seen: list[Any] = []
    statement = Prepared(select(named("text")))
    reads = database.reads(workspace)
    with database.watched(lambda *asked: seen.append(asked)):
        await reads.rows(statement, {"text": "x"})
    await reads.rows(statement, {"text": "y"})
    await reads.close()
    assert seen == [(statement.sql, ["x"])]
