"""Plans live as long as their document, and know nothing of who asked."""

from typing import Any

from graphql import GraphQLSchema, build_schema, execute, parse

from graph.execution import Plans
from tests.graph.execution.asking import SDL, Ours, run


def test_a_plan_is_made_once_for_each_choice(schema: GraphQLSchema, collected: list[str]) -> None:
    text = "query ($yes: Boolean!, $n: String) { self @skip(if: $yes) { name ...F } other @include(if: $yes) } "
    document = parse(text + "fragment F on Thing { must @include(if: $yes) }")
    plans = Plans(document.definitions)
    root = {"self": {"name": "n", "must": "m"}, "other": "o"}
    answers = {True: {"other": "o"}, False: {"self": {"name": "n"}}}
    for yes in (True, False, True, False):
        for n in ("a", None):
            given = {"yes": yes, "n": n}
            executor: Any = Ours.build(schema, document, root, raw_variable_values=given, plans=plans)
            assert executor.execute_operation().data == answers[yes]
    assert collected == ["collect_fields", "collect_fields", "collect_subfields"]


def test_a_plan_is_found_by_its_operation(schema: GraphQLSchema, collected: list[str]) -> None:
    document = parse("{ all { name self { name } } }")
    root = {"all": [{"name": "x", "self": {"name": "y"}}, {"name": "z"}]}
    for _ in range(3):
        result = execute(build_schema("type Query { a: Int }"), parse("{ a }"), {"a": 1}, executor_class=Ours)
        executor: Any = Ours.build(schema, document, root)
        result = executor.execute_operation()
        assert result.data == {"all": [{"name": "x", "self": {"name": "y"}}, {"name": "z", "self": None}]}
    assert collected.count("collect_subfields") == 2


def test_a_plan_is_of_one_schema(schema: GraphQLSchema) -> None:
    document, other = parse("{ self { name } }"), build_schema(SDL.replace("name: String must", "name: Int must"))
    for of, name in ((schema, "1"), (other, 1), (schema, "1")):
        executor: Any = Ours.build(of, document, {"self": {"name": 1}})
        assert executor.execute_operation().data == {"self": {"name": name}}


def test_a_plan_keeps_no_variables_of_a_request(schema: GraphQLSchema) -> None:
    document = parse("query ($yes: Boolean!, $secret: String) { name @include(if: $yes) }")
    plans = Plans(document.definitions)
    given = {"yes": True, "secret": "s"}
    executor: Any = Ours.build(schema, document, {"name": "x"}, raw_variable_values=given, plans=plans)
    executor.execute_operation()
    [plan] = plans._plans.values()
    assert plan._variables.coerced == {"yes": True}
    assert list(plan._variables.sources) == ["yes"]


def test_an_enum_is_remembered_by_type_and_value() -> None:
    schema = build_schema("enum E { A B } type Query { all: [E] }")
    kind: Any = schema.type_map["E"]
    assert run(schema, "{ all }", {"all": ["A", "B", "A", "C", 1]}).data == {"all": ["A", "B", "A", None, None]}
    assert kind.coerce_output_value("A") == "A"
