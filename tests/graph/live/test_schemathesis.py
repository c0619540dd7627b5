"""Schemathesis asks a live server whatever its schema allows: every root field, values of every kind."""

import asyncio
from typing import Any

import pytest
import schemathesis
from graphql.language import ast
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from graph.schema import schema
from tests.live import Server

EXAMPLES = 1_000
_OURS = {"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""Codes of errors that are no mistake of the client's."""


def _texts(*texts: str) -> st.SearchStrategy[ast.StringValueNode]:
    return st.one_of(st.text(max_size=30), st.sampled_from(texts)).map(nodes.String)


schemathesis.graphql.scalar("BigInt", st.integers(-(2**53), 2**53).map(nodes.Int))
schemathesis.graphql.scalar("Date", _texts("2026-03-29", "0000-00-00", "9999-12-31"))
schemathesis.graphql.scalar("DateTime", _texts("2026-03-29T02:30:00Z", "0001-01-01T00:00:00+14:00", "2026-03-01"))
schemathesis.graphql.scalar("Decimal", _texts("1.50", "-0", "1e400", "NaN", "0.0000000000000000001"))
schemathesis.graphql.scalar("JSON", _texts("a", "{}", "\x00"))
schemathesis.graphql.scalar("Upload", _texts("variables.input.file"))


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # Schemathesis does
@pytest.mark.timeout(600)
async def test_it_finds_no_error_of_the_server(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.credential}"}
    seen = await asyncio.to_thread(_ask, f"{server.address}/graphql", headers)
    assert len(seen) >= EXAMPLES
    assert {name for name, _, _ in seen} == {
        f"{root.name}.{field}"
        for root in (schema._schema.query_type, schema._schema.mutation_type)
        if root
        for field in root.fields
    }
    assert [one for one in seen if one[1] >= 500 or one[2] & _OURS] == []


def _ask(url: str, headers: dict[str, str]) -> list[tuple[str, int, frozenset[str]]]:
    """Of each request the operation, the status, and the codes of its errors."""
    found = schemathesis.graphql.from_url(url, headers=headers).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    each = settings(
        max_examples=EXAMPLES // len(operations) + 1,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    seen: list[tuple[str, int, frozenset[str]]] = []

    for operation in operations:

        @each
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            response = case.call(headers=headers)
            codes = {error["extensions"]["code"] for error in response.json().get("errors", ())}
            seen.append((case.operation.label, response.status_code, frozenset(codes)))

        ask()
    return seen
