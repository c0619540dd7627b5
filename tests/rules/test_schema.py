"""The printed schema is what the code makes, keeps the contract, and explains itself."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
)

from graph.schema import schema
from tests.rules.contract import built_part

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT.parent / "shared" / "design" / "contract.graphql"


def test_the_printed_schema_is_up_to_date() -> None:
    assert (ROOT / "schema.graphql").read_text() == schema.as_str() + "\n", "run: make schema"


@pytest.mark.skipif(not CONTRACT.exists(), reason="the design folder is not beside this clone")
def test_the_contract_is_kept() -> None:
    ours = build_schema(schema.as_str())
    assert find_breaking_changes(built_part(CONTRACT.read_text()), ours) == []


def test_everything_is_described() -> None:
    bare = []
    for name, kind in build_schema(schema.as_str()).type_map.items():
        if name.startswith("__"):
            continue
        places = [(name, kind)]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            places += [(f"{name}.{field_name}", field) for field_name, field in kind.fields.items()]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                places += [(f"{name}.{field_name}({arg}:)", a) for arg, a in field.args.items()]
        if isinstance(kind, GraphQLEnumType):
            places += [(f"{name}.{value_name}", value) for value_name, value in kind.values.items()]
        bare += [coordinate for coordinate, place in places if not place.description]
    assert bare == []
