"""What PostgreSQL writes as JSON is, byte for byte, what the answer would hold if each value came by itself."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from db.leaves import Form, Leaf, NotWritable, as_json
from db.models.campaigns import Campaign
from db.statements import Prepared, Row
from graph.encoding import encoded
from graph.ids import encode
from graph.schema import schema

LARGEST = 2**53 - 1
_ODD = st.sampled_from(['"', "\\", "\\u0041", "".join(map(chr, range(1, 33))), "\x7f\x80\u2028\u2029\ufeff", "😀é", ""])
TEXTS = _ODD | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
AMOUNTS = st.sampled_from([*map(Decimal, ("0.0000", "12.50", "1e12", "1E-12", "-0.5", "-0"))]) | st.decimals(
    -(10**15), 10**15, allow_nan=False, allow_infinity=False, places=12
)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added
FORMS: dict[str, tuple[Form, str, Any, st.SearchStrategy[Any]]] = {
    "text": (Form.TEXT, "String", Text(), TEXTS),
    "name": (Form.NAME, "String", Text(), st.from_regex(r"[A-Z_0-9]{1,9}", fullmatch=True)),
    "number": (Form.NUMBER, "BigInt", BigInteger(), st.integers(-LARGEST, LARGEST)),
    "flag": (Form.FLAG, "Boolean", Boolean(), st.booleans()),
    "time": (Form.TIME, "DateTime", DateTime(timezone=True), TIMES),
    "date": (Form.DATE, "Date", Date(), st.dates()),
    "decimal": (Form.DECIMAL, "Decimal", Numeric(), AMOUNTS),
}
"""The form and the scalar of each kind of column, and what it may hold."""
TABLE = Table(
    "leaves_of_a_test",
    MetaData(),
    Column("position", Integer, nullable=False),
    Column("id", BigInteger, nullable=False),
    *(Column(name, kind) for name, (_, _, kind, _) in FORMS.items()),
    *(Column(f"a_{name}", kind, nullable=False) for name, (_, _, kind, _) in FORMS.items()),
)
LEAVES = {
    "id": Leaf("id", "id", Form.GLOBAL_ID, True, "Campaign"),
    "__typename": Leaf("__typename", "", Form.CONSTANT, True, "Campaign"),
    **{name: Leaf(name, name, form, False) for name, (form, *_) in FORMS.items()},
    **{f"a_{name}": Leaf(f"a_{name}", f"a_{name}", form, True) for name, (form, *_) in FORMS.items()},
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(1, 2**63 - 1),
            **{name: st.none() | values for name, (*_, values) in FORMS.items()},
            **{f"a_{name}": values for name, (*_, values) in FORMS.items()},
        }
    ),
    max_size=4,
)
ALL = tuple(LEAVES.values())
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(**values: Any) -> dict[str, Any]:
    """A row of the table, of plain values but for some."""
    plain = {"text": "x", "name": "X", "number": 0, "flag": True, "time": NOON, "date": NOON.date(), "decimal": 0}
    return {"id": 1, **plain, **{f"a_{name}": value for name, value in plain.items()}, **values}


def by_value(leaf: Leaf, found: Any) -> Any:
    """What the answer holds of a row's leaf if the value comes by itself."""
    if leaf.form is Form.CONSTANT:
        return leaf.prefix
    value = found[leaf.column]
    if leaf.form is Form.GLOBAL_ID:
        return encode(leaf.prefix, value)
    scalar: Any = schema._schema.type_map[FORMS[leaf.column.removeprefix("a_")][1]]
    return None if value is None else scalar.coerce_output_value(value)


async def check(driver: Any, rows: list[dict[str, Any]], leaves: tuple[Leaf, ...]) -> None:
    """Compares how rows are written with how they are read and encoded."""
    await driver.execute(f"TRUNCATE {TABLE.name}")
    names = [column.name for column in TABLE.columns]
    records = [tuple({"position": position, **row}[name] for name in names) for position, row in enumerate(rows)]
    await driver.copy_records_to_table(TABLE.name, records=records)
    statement = select(TABLE).order_by(TABLE.c.position.desc())
    read = await driver.fetch(Prepared(statement).sql, record_class=Row)
    [[written]] = await driver.fetch(Prepared(as_json(statement, leaves)).sql)
    assert written.encode() == encoded([{leaf.key: by_value(leaf, one) for leaf in leaves} for one in read])


def test_leaves_are_written_as_they_are_encoded(database_url: str) -> None:
    with asyncio.Runner() as runner:
        url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        driver = runner.run(asyncpg.connect(url, server_settings={"timezone": "Asia/Kolkata"}))
        runner.run(driver.execute(str(CreateTable(TABLE).compile(dialect=postgresql.dialect()))))  # type: ignore[no-untyped-call]

        @settings(max_examples=100, suppress_health_check=list(HealthCheck))
        @given(ROWS, st.lists(st.sampled_from(ALL), unique=True).map(tuple))
        @example([], ())
        @example([], ALL)
        @example([row(), row()], ())
        @example([row(), row()], (LEAVES["__typename"],))
        @example([row(date=date.min, a_date=date.min), row(date=date.max, a_date=date.max)], ALL)
        @example([row(time=datetime(1, 1, 2, 0, 0, 1, tzinfo=UTC), date=date(1, 1, 2))], ALL)
        @example([row(time=datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC)), row(time=NOON.replace(microsecond=10))], ALL)
        @example([row(id=2**63 - 1)], ALL)
        def rows(given_rows: list[dict[str, Any]], leaves: tuple[Leaf, ...]) -> None:
            runner.run(check(driver, given_rows, leaves))

        try:
            rows()
        finally:
            runner.run(driver.close())


def test_the_same_leaf_may_be_written_under_several_keys() -> None:
    twice = (Leaf("_", "name", Form.TEXT, True), Leaf("x" * 80, "name", Form.TEXT, True))
    sql = Prepared(as_json(select(Campaign.name), twice)).sql
    assert "'{\"_\":'" in sql
    assert f"',\"{'x' * 80}\":'" in sql


@pytest.mark.parametrize("column", [Campaign.key, Campaign.key.label("name")])
def test_what_must_not_be_null_is_not_written_from_what_may_be(column: Any) -> None:
    with pytest.raises(NotWritable, match=r"a must not be null, and (key|name) may be"):
        as_json(select(column), (Leaf("a", column.key, Form.TEXT, True),))


def test_what_may_be_null_is_written_from_anything() -> None:
    assert "coalesce" in Prepared(as_json(select(Campaign.key), (Leaf("a", "key", Form.TEXT, False),))).sql
