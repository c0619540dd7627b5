"""The README's section about creatives, run in a shell as it stands there, with curl alone."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import test_cli as cli

README = (cli.ROOT / "README.md").read_text()
data_dir, serve = cli.data_dir, cli.serve


@pytest.fixture
def script(data_dir: Path, serve: cli.Serve) -> str:
    """The section's lines, asked of a server of this test's own."""
    server = cli.alive(serve())
    assert cli.groundswell("workspace", "create", "demo", "--data-dir", data_dir).returncode == 0
    section = README.partition("### Keep your creatives")[2].partition("\n### ")[0]
    lines = "\n".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("http://127.0.0.1:8000", server)
    token = shlex.join([*cli.COMMAND, "token", "--data-dir", str(data_dir)])
    assert ".venv/bin/groundswell token" in lines
    return lines.replace(".venv/bin/groundswell token", token)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not here")
def test_each_step_answers_what_the_readme_says(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    first, same, marked, copied, reused, held = done.stdout.splitlines()
    made = json.loads(first)["data"]["createAsset"]
    assert (made["created"], made["asset"]["name"], made["asset"]["contentType"]) == (True, "brief.txt", "text/plain")
    assert same == "the same"
    assert json.loads(marked)["data"]["markSpaceAsTemplate"]["space"] == {"isTemplate": True}
    assert json.loads(copied)["data"]["createSpaceFromTemplate"]["userErrors"] == []
    assert json.loads(reused)["data"]["recordAssetReuse"]["asset"]["reusedCount"] == 1
    size = len((tmp_path / "brief.txt").read_bytes())
    stats = {
        "assetCount": 1,
        "totalAssetSizeBytes": size,
        "storedBytes": size,
        "byType": [{"type": "DOCUMENT", "count": 1}],
    }
    assert json.loads(held)["data"]["spaces"]["nodes"] == [
        {"name": "Autumn sale", "stats": {**stats, "reusedAssets": 0}},
        {"name": "Summer sale", "stats": {**stats, "reusedAssets": 1}},
    ]
