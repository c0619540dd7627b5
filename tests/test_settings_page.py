"""docs/settings.md has every variable that is read, and no other."""

import re
from pathlib import Path

from graph.settings import Settings

_READ_BY_OPENTELEMETRY = {"OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}
PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()


class Asked(dict[str, str]):
    """An environment without a variable, which notes what is looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        """Notes the name."""
        self.names.add(name)
        return default


def test_the_page_has_what_is_read(tmp_path: Path) -> None:
    asked = Asked()
    Settings.from_env(asked, data_dir=tmp_path)
    named = {
        name for line in re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert named - {"GROUNDSWELL_DATA_DIR"} - _READ_BY_OPENTELEMETRY == asked.names
