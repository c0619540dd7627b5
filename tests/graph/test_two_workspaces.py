"""Two workspaces that do whatever the API offers, with each other's ids, keys and cursors in hand, never see each other."""

import asyncio
import json
import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from db.engine import Database
from graph.schema import schema
from tests.api import Api, build, token
from tests.conftest import UrlOf, admin
from tests.graph.belongings import one_of_each
from tests.graph.whole_api import Operation, World, ids_in, named_texts, never, replaced

OPERATIONS = int(os.environ.get("ISOLATION_OPERATIONS", "2000"))
"""The long run makes 10,000."""
_STEPS = 250
_SCOPES = ("read", "write", "ingest", "admin", "live")


async def fill_database(database: Database, _workspace: int, _other_workspace: int) -> dict[str, dict[str, str]]:
    """One thing of each type in both; answers their ids."""
    url = database.engine.url.render_as_string(hide_password=False)
    with TemporaryDirectory() as folder:
        async with build(url, Path(folder)) as api:
            return {key: await one_of_each(api, key) for key in ("test", "other")}


class TwoWorkspaces(RuleBasedStateMachine):
    """Both ask by turns; each answer is held against what the other has."""

    asked = answered_well = twins = 0
    """Of all runs."""
    url_of: UrlOf
    filled: tuple[str, dict[str, dict[str, str]]]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = TemporaryDirectory()
        template, ids = self.filled
        self._name = f"groundswell_two_{os.getpid()}"
        self._run(admin(self.url_of, f"CREATE DATABASE {self._name} TEMPLATE {template} STRATEGY file_copy"))
        self._building = build(self.url_of(self._name), Path(self._folder.name))
        api: Api = self._run(self._building.__aenter__())
        self._apis = {key: api.as_(token(workspace=key, scopes=_SCOPES)) for key in ids}
        self._worlds = {key: World(key) for key in ids}
        for key, found in ids.items():
            self._worlds[key].learn([{"id": one} for one in found.values()])

    def teardown(self) -> None:
        """Closes the application and drops its database."""
        self._run(self._building.__aexit__(None, None, None))
        self._run(admin(self.url_of, f"DROP DATABASE {self._name} WITH (FORCE)"))
        self._runner.close()
        self._folder.cleanup()

    @rule(who=st.sampled_from(("test", "other")), seed=st.integers(0, 2**31))
    def ask(self, who: str, seed: int) -> None:
        """One of them asks something."""
        own, other = self._worlds[who], self._worlds["other" if who == "test" else "test"]
        operation = Operation(schema._schema, random.Random(seed), own, other)
        own.sent |= operation.sent & (other.every_id | set(other.words))
        answer = self._answer(who, operation.text, operation.variables)
        type(self).asked += 1
        self._check(answer, own, other, operation)
        self._compare(who, operation, answer, other)
        own.learn(answer)

    def _check(self, answer: Any, own: World, other: World, operation: Operation) -> None:
        written = json.dumps(answer)
        about = f"{operation.text}\n{operation.variables}\n{written}"
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= {"BAD_USER_INPUT", "NOT_FOUND", "LIMIT_REACHED"}, about
        type(self).answered_well += not codes
        assert not (ids_in(answer) & other.every_id) - own.sent, about
        assert not other.words_in(written) - own.sent, about
        assert not {one for name, one in named_texts(answer) if name == "id"} & other.every_id, about

    def _compare(self, who: str, operation: Operation, answer: Any, other: World) -> None:
        """What names another's thing is answered as what names one that never was."""
        missing = {one: never(one) for one in operation.sent & other.every_id}
        if not missing or (operation.is_mutation and _has_changed_something(answer["data"])):
            return
        type(self).twins += 1
        twin = self._answer(who, operation.text, replaced(operation.variables, missing))
        back = {one: given for given, one in missing.items()}
        assert replaced(twin, back) == answer, f"{operation.text}\n{operation.variables}"

    def _answer(self, who: str, text: str, variables: dict[str, Any]) -> Any:
        return self._run(_asked(self._apis[who], text, variables))

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)


async def _asked(api: Api, text: str, variables: dict[str, Any]) -> Any:
    """The answer, once what its operation left behind has settled: the loop stands still between two of them."""
    before = asyncio.all_tasks()
    answer = await api.ask(text, **variables)
    while left := asyncio.all_tasks() - before:
        await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 10)
    return answer


def _has_changed_something(data: Any) -> bool:
    """Whether the payload of a change says anything but what is wrong."""
    [payload] = (data or {"": None}).values()
    given = payload or {}
    return any(value for name, value in given.items() if name not in ("__typename", "userErrors", "rejected"))


@pytest.mark.timeout(900)
def test_neither_ever_sees_anything_of_the_other(url_of: UrlOf, filled: tuple[str, dict[str, dict[str, str]]]) -> None:
    machine: Any = type("Machine", (TwoWorkspaces,), {"url_of": staticmethod(url_of), "filled": filled})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=OPERATIONS // _STEPS + 1,
            stateful_step_count=_STEPS,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            database=None,
            deadline=None,
        ),
    )
    assert machine.asked >= OPERATIONS
    assert machine.answered_well > machine.asked // 2
    assert machine.twins > machine.asked // 10
