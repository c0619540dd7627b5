"""Data directories of the embedded server, in memory if there is room; none may leave a process behind."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.embedded import Embedded
from tests.memory import folder_for_databases
from tests.served import copy, postgres_of


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with folder_for_databases(tmp_path_factory.mktemp("supervision")) as folder:
        folder.chmod(0o711)
        with Embedded(folder / "template", durable=False):
            pass
        yield folder


@pytest.fixture
def empty_dir(memory: Path) -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(dir=memory))
    parent.chmod(0o711)
    yield parent / "data"
    left = postgres_of(parent / "data")
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def data_dir(memory: Path, empty_dir: Path) -> Path:
    """Has a database."""
    copy(memory / "template", empty_dir)
    return empty_dir
