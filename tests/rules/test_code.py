"""The rules of the house about the code itself: who imports whom, types, style, sizes."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("graph", "db", "jobs", "migrations")


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", "--no-cache", ".")


def test_ruff_would_format_nothing() -> None:
    run("ruff", "format", "--no-cache", "--check", ".")


def test_mypy_finds_nothing() -> None:
    run("mypy", "--no-error-summary")


def test_rooms_import_only_what_they_may() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_split_before_400_lines() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts]
    assert [str(path) for path in files if len(path.read_text().splitlines()) > 400] == []


def test_models_import_no_tables_of_other_models() -> None:
    endings = ("_items", "_kinds", "_words")
    names = [path.stem for path in (ROOT / "db" / "models").glob("[a-z]*.py")]
    shared = {"base", "rules", "platforms", *(name for name in names if name.endswith(endings))}
    tables = {f"db.models.{name}" for name in names if name not in shared}
    for path in (ROOT / "db" / "models").glob("[a-z]*.py"):
        imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert not imported & tables, path
