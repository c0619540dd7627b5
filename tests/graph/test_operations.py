"""Golden operations: each .graphql file over the demo workspace, with its answer beside it.

An answer that should change is written anew by: make test ARGS="tests/graph/test_operations.py --rewrite"
"""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from db.engine import Database
from jobs import demo
from tests.api import Api, build, token

OPERATIONS = sorted((Path(__file__).parents[1] / "operations").glob("*.graphql"))


@pytest.fixture
async def demo_api(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The application over the demo workspace."""
    await demo.load(database)
    async with build(database_url, tmp_path) as api:
        yield api.as_(token("demo", ["read"]))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda path: path.stem)
async def test_the_answer_is_the_golden_one(demo_api: Api, operation: Path, request: pytest.FixtureRequest) -> None:
    answer = orjson.dumps(await demo_api.ask(operation.read_text()), option=orjson.OPT_INDENT_2) + b"\n"
    golden = operation.with_suffix(".json")
    if request.config.getoption("--rewrite"):
        golden.write_bytes(answer)
    assert answer.decode() == golden.read_text()
