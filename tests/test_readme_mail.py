"""The README's section about mail, run in a shell as it stands there, with curl alone."""

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
    """The section's lines, asked of a server of this test's own with the demo."""
    server = cli.alive(serve(demo=True))
    section = README.partition("### Send mail")[2].partition("\n### ")[0]
    lines = "\n".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("http://127.0.0.1:8000", server)
    for name in ("token", "mail list", "mail show"):
        command = shlex.join([*cli.COMMAND, *name.split(), "--data-dir", str(data_dir)])
        assert f".venv/bin/groundswell {name}" in lines
        lines = lines.replace(f".venv/bin/groundswell {name}", command)
    return lines


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not here")
def test_a_mailing_from_its_creation_to_its_open_rate(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    answers = [json.loads(line)["data"] for line in lines if line.startswith("{")]
    upserted, refused, preview, added, started, opened, lead, unsubscribed = answers
    assert upserted["upsertLeads"] == {"created": 2, "updated": 0, "rejected": [], "userErrors": []}
    assert refused["createEmailTemplate"]["emailTemplate"] is None
    assert "town" in refused["createEmailTemplate"]["userErrors"][0]["message"]
    assert preview["emailTemplatePreview"]["subject"] == "Ada, a ride?"
    assert added["addRecipients"] == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert started["startMailing"] == {"mailing": {"status": "RUNNING"}, "userErrors": []}
    assert "Subject: Ada, a ride?" in lines
    assert [line for line in lines if line.startswith(("200", "302"))] == [
        "200 ",
        "302 https://example.com/rides?city=Hamburg",
        "200",
    ]
    metrics = {"emailsSent": 2, "emailsOpened": 1, "openRate": 50.0, "clickRate": 50.0}
    assert opened["mailing"] == {
        "metrics": {**metrics, "unsubscribeRate": 0.0},
        "links": {"nodes": [{"url": "https://example.com/rides?city={{ city }}", "uniqueClicks": 1}]},
        "recipients": {"nodes": [{"emailAddress": "bob@example.com"}]},
    }
    [found] = lead["leads"]["nodes"]
    assert found["suppression"] == {"reason": "UNSUBSCRIBED"}
    assert unsubscribed["mailing"]["metrics"] == {**metrics, "unsubscribeRate": 50.0}
