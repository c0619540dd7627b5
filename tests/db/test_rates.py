"""Rates are the same in Python and in SQL."""

import asyncio
from typing import Any

import asyncpg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, bindparam, make_url, select

from db.rates import percent, percent_as_json
from db.statements import Prepared
from graph.encoding import encoded
from tests.conftest import UrlOf

RATE = Prepared(
    select(
        percent_as_json(bindparam("part", type_=BigInteger), bindparam("whole", type_=BigInteger)).label("json"),
    )
)


def test_a_rate_is_the_same_in_python_and_in_sql(url_of: UrlOf) -> None:
    loop = asyncio.new_event_loop()
    url = make_url(url_of("postgres")).set(drivername="postgresql").render_as_string(hide_password=False)
    connection: Any = loop.run_until_complete(asyncpg.connect(url))

    @settings(max_examples=300)
    @given(st.integers(0, 10**12), st.integers(0, 10**6))
    @example(0, 0)
    @example(0, 7)
    @example(1, 3)
    @example(1, 8)
    @example(5, 1000)
    @example(1, 20_000)
    @example(3, 2)
    @example(10**12, 1)
    def rates(part: int, whole: int) -> None:
        arguments = RATE.arguments({"part": part, "whole": whole})
        written = loop.run_until_complete(connection.fetchval(RATE.sql, *arguments))
        assert (written or "null") == encoded(percent(part, whole)).decode()

    try:
        rates()
    finally:
        loop.run_until_complete(connection.close())
        loop.close()
