"""The image and the composition as files: what they name is there, and nothing in them is secret."""

import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from graph.draining import GRACE_SECONDS
from graph.settings import Settings

ROOT = Path(__file__).parents[1]
STEPS = [
    line
    for line in (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
LAST = STEPS[max(number for number, step in enumerate(STEPS) if step.startswith("FROM ")) :]
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSED["services"]
OURS = ("migrate", "server", "worker")


def of(instruction: str, steps: list[str] = LAST) -> list[str]:
    """What comes behind an instruction, each time it is given."""
    return [step.removeprefix(instruction).strip() for step in steps if step.startswith(f"{instruction} ")]


def test_all_that_a_wheel_is_made_of_is_copied() -> None:
    copied = {name for step in of("COPY", STEPS) for name in step.split()[:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert copied == packages | {"pyproject.toml", "hatch_build.py", "constraints.txt", "README.md"}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == copied
    assert all((ROOT / name).exists() for name in copied)


def test_it_runs_as_nobody_in_particular_and_leaves_when_told() -> None:
    assert of("USER") == ["10001"]
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert of("ENTRYPOINT") == ['["groundswell"]']
    assert not [
        step for step in of("RUN") if "useradd" in step and LAST.index(f"RUN {step}") > LAST.index("USER 10001")
    ]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_its_health_is_that_of_ready(status: int, code: int) -> None:
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.handle_request).start()
        [check] = of("HEALTHCHECK")
        command = yaml.safe_load(check.partition(" CMD ")[2])
        here = [sys.executable, *command[1:-1], command[-1].replace(":8000/", f":{server.server_port}/")]
        assert bool(subprocess.run(here, capture_output=True, check=False).returncode) == bool(code)
    assert asked == ["/health/ready"]


def test_each_service_says_whether_it_is_well_and_comes_back() -> None:
    assert set(SERVICES) == {*OURS, "database", "objects"}
    for name in ("database", "objects"):
        assert SERVICES[name]["healthcheck"]["test"]
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert restarts.pop("migrate") == "no"
    assert set(restarts.values()) == {"unless-stopped"}
    for service in SERVICES.values():
        for one in service.get("depends_on", {}):
            assert one in SERVICES
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSED["volumes"]


def test_our_services_can_write_nowhere_but_where_they_must() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert service["volumes"] == ["data:/data"]


def test_nothing_in_it_is_secret_and_nothing_secret_has_a_default() -> None:
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET", name):
                assert value == f"${{{name}:?}}"
    assert "${POSTGRES_PASSWORD:?}" in SERVICES["server"]["environment"]["DATABASE_URL"]
    assert not re.search(r"[0-9a-f]{16}", (ROOT / "compose.yaml").read_text() + (ROOT / "Containerfile").read_text())


def test_the_server_understands_what_it_is_told(tmp_path: Path) -> None:
    given = {"POSTGRES_PASSWORD": "hush", "JWT_SECRET": "x" * 32, "AWS_SECRET_ACCESS_KEY": "hush"}

    def filled(value: str) -> str:
        return re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda found: given.get(found[1], found[2]), value)

    environ = {name: filled(value) for name, value in SERVICES["server"]["environment"].items()}
    [command] = of("CMD")
    arguments = yaml.safe_load(command)
    host = arguments[arguments.index("--host") + 1]
    settings = Settings.from_env(environ, data_dir=tmp_path, host=host)
    assert settings.database_url == "postgresql+asyncpg://groundswell:hush@database/groundswell"
    assert (settings.restarts.drain, settings.worker, settings.objects_url()) == (5, False, "s3://groundswell")
    patience = int(SERVICES["server"]["stop_grace_period"].removesuffix("s"))
    assert patience > settings.restarts.drain + 1.5 * GRACE_SECONDS + GRACE_SECONDS
