"""What the tests of the executor share."""

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from graph.execution import plan as planning
from tests.graph.execution.asking import SDL


@pytest.fixture
def schema() -> GraphQLSchema:
    """A schema whose fields are read from what they stand on."""
    return build_schema(SDL)


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each selection set that a plan works out."""
    seen: list[str] = []
    for name in ("collect_fields", "collect_subfields"):
        original = getattr(planning, name)

        def noting(*args: Any, name: str = name, original: Any = original) -> Any:
            seen.append(name)
            return original(*args)

        monkeypatch.setattr(planning, name, noting)
    return seen
