"""The command line as scripts use it: real processes, what they print, and how they end."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import psutil  # type: ignore[import-untyped]
import pytest

from db.engine import Database
from db.queries.followers import recounting
from db.queries.live import log
from db.session import session
from tests.recounted import did, record, spoil

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "from graph.cli import main; main()"]
SECRET = "0123456789abcdef0123456789abcdef"
PATIENCE = 60.0
STEER = (
    *("DATABASE_", "JWT_", "GROUNDSWELL_", "LIVE_", "WEBSOCKET_", "ALLOWED_", "LOG_LEVEL", "OBJECT_STORE_"),
    *("WORKER", "JOBS_", "EXPORT_", "METRICS", "UPLOAD_", "IDEMPOTENCY_", "DRAIN_", "KEEP_ALIVE_"),
)

Serve = Callable[..., "subprocess.Popen[str]"]


def environment(**given: str) -> dict[str, str]:
    """Ours without what would steer the command. Help is as wide as it likes."""
    return {k: v for k, v in os.environ.items() if not k.startswith(STEER)} | {"COLUMNS": "200"} | given


def groundswell(*arguments: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    line = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        line, cwd=ROOT, env=environment(**environ), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line of a command that was refused."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


def postgres_of(data_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and str(data_dir / "postgres") in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    left = postgres_of(path)
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    """Starts a server on a free port, without the demo unless it is asked for. Its standard error goes to serve.err."""
    started: list[subprocess.Popen[str]] = []

    def start(demo: bool = False) -> "subprocess.Popen[str]":
        how = "--demo" if demo else "--no-demo"
        line = [*COMMAND, "serve", how, "--port", "0", "--data-dir", str(data_dir)]
        with (data_dir.parent / "serve.err").open("a") as errors:
            process = subprocess.Popen(
                line, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:  # closes its standard output and waits
            if process.poll() is None:
                process.terminate()


def address(process: "subprocess.Popen[str]") -> str:
    """Where a server says that it answers; waits until it does."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line):
            return found[0]
    raise AssertionError(f"it ended with {process.wait(PATIENCE)}")


def alive(process: "subprocess.Popen[str]") -> str:
    """The address of a server that answers."""
    where, deadline = address(process), time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{where}/health/live", timeout=5) as answer:
                assert answer.status == 200
                return where
        except OSError:
            time.sleep(0.02)
    raise AssertionError("it does not answer")


def claims(done: "subprocess.CompletedProcess[str]", secret: str) -> dict[str, object]:
    """Those of the token that is all that was printed."""
    assert (done.returncode, done.stderr) == (0, "")
    [token] = done.stdout.splitlines()
    decoded: dict[str, object] = jwt.decode(token, secret, algorithms=["HS256"])
    return decoded


def test_a_token_is_printed_alone_and_signed_by_the_data_dir(data_dir: Path) -> None:
    done = groundswell("token", "--data-dir", data_dir, "--workspace", "acme", "--scope", "read", "--scope", "write")
    made = claims(done, (data_dir / "jwt-secret").read_text())
    assert (made["workspace"], made["scope"]) == ("acme", "read write")
    assert made["exp"] - made["iat"] == 30 * 86_400  # type: ignore[operator]


def test_a_token_is_signed_by_the_secret_that_is_set(data_dir: Path) -> None:
    done = groundswell("token", "--data-dir", data_dir, "--subject", "ada", "--ttl", "90m", JWT_SECRET=SECRET)
    made = claims(done, SECRET)
    assert made["sub"] == "ada"
    assert made["exp"] - made["iat"] == 90 * 60  # type: ignore[operator]
    assert not data_dir.exists()


def test_an_engage_token_names_its_actor(data_dir: Path) -> None:
    engage: list[str | Path] = ["token", "--data-dir", data_dir, "--scope", "engage"]
    made = claims(groundswell(*engage, "--actor-user-id", "u1", JWT_SECRET=SECRET), SECRET)
    assert made["actor"] == {"userId": "u1"}
    assert "--actor-user-id" in refusal(groundswell(*engage, JWT_SECRET=SECRET))


@pytest.mark.parametrize("ttl", ["", "0d", "30", "-1d", "1y"])
def test_a_lifetime_must_make_sense(data_dir: Path, ttl: str) -> None:
    assert "--ttl" in refusal(groundswell("token", "--data-dir", data_dir, "--ttl", ttl))


def test_an_unknown_scope_is_a_usage_error(data_dir: Path) -> None:
    done = groundswell("token", "--data-dir", data_dir, "--scope", "everything")
    assert (done.returncode, done.stdout) == (2, "")
    assert "engage" in done.stderr


def test_with_a_jwks_url_it_cannot_sign(data_dir: Path) -> None:
    done = groundswell("token", "--data-dir", data_dir, JWT_JWKS_URL="https://id.example/jwks")
    assert "JWT_JWKS_URL" in refusal(done)


def test_a_setting_that_makes_no_sense_is_one_line(data_dir: Path) -> None:
    assert "at least 32 bytes" in refusal(groundswell("token", "--data-dir", data_dir, JWT_SECRET="short"))


def test_a_manifest_that_cannot_be_read_is_said_before_a_database_is_started(data_dir: Path) -> None:
    done = groundswell("serve", "--data-dir", data_dir, "--port", "0", TRUSTED_DOCUMENTS="/nothing/here.json")
    assert (
        refusal(done) == "groundswell: TRUSTED_DOCUMENTS: /nothing/here.json cannot be read: no such file or directory."
    )
    assert not (data_dir / "postgres").exists()


def test_without_a_secret_it_serves_this_machine_only(data_dir: Path) -> None:
    done = groundswell("serve", "--data-dir", data_dir, "--host", "0.0.0.0")
    assert "this machine only" in refusal(done)


def test_the_help_names_every_command() -> None:
    done = groundswell("--help")
    assert done.returncode == 0
    for command in (
        "serve",
        "worker",
        "token",
        "migrate",
        "schema",
        "workspace",
        "import",
        "migrate-legacy",
        "renew-cursors",
        "recount",
        "backup",
        "restore",
    ):
        assert command in done.stdout


def test_the_schema_is_printed_and_checked(tmp_path: Path) -> None:
    printed = groundswell("schema").stdout
    file = tmp_path / "schema.graphql"
    file.write_text(printed)
    assert "type Query" in printed
    assert groundswell("schema", "--check", file).returncode == 0
    file.write_text(f"{printed}\n# changed\n")
    assert "not up to date" in refusal(groundswell("schema", "--check", file))


def test_a_database_that_cannot_be_reached_is_one_line(data_dir: Path) -> None:
    with socket.socket() as bound:  # and not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        url = f"postgres://ada:hush@127.0.0.1:{bound.getsockname()[1]}/gs"
        said = refusal(groundswell("migrate", "--data-dir", data_dir, DATABASE_URL=url))
    assert "cannot be reached" in said
    assert "hush" not in said


def test_a_port_in_use_is_said_before_a_database_is_started(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(groundswell("serve", "--no-demo", "--data-dir", data_dir, "--port", str(port)))
    assert f"Port {port}" in said
    assert "--port" in said
    assert not (data_dir / "postgres").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_answers_and_stops_cleanly(data_dir: Path, serve: Serve, number: signal.Signals) -> None:
    server = serve()
    alive(server)
    assert len(postgres_of(data_dir)) == 1
    server.send_signal(number)
    assert server.wait(PATIENCE) == 0
    assert postgres_of(data_dir) == []
    assert "Traceback" not in (data_dir.parent / "serve.err").read_text()


def test_a_second_server_on_a_data_dir_is_refused(data_dir: Path, serve: Serve) -> None:
    first = serve()
    alive(first)
    done = groundswell("serve", "--no-demo", "--port", "0", "--data-dir", data_dir)
    said = refusal(done)
    assert "already running on this data directory" in said
    assert f"process {first.pid}," in said
    assert first.poll() is None


def test_after_a_hard_kill_it_serves_again_with_its_data(data_dir: Path, serve: Serve) -> None:
    first = serve()
    alive(first)
    assert groundswell("workspace", "create", "acme", "--data-dir", data_dir).returncode == 0
    first.kill()
    first.wait(PATIENCE)
    second = serve()
    alive(second)
    assert groundswell("workspace", "list", "--data-dir", data_dir).stdout.startswith("acme\t")
    second.send_signal(signal.SIGINT)
    assert second.wait(PATIENCE) == 0
    assert postgres_of(data_dir) == []


def test_the_help_of_worker_says_what_becomes_of_its_jobs() -> None:
    told = " ".join(groundswell("worker", "--help").stdout.split())
    assert "JOBS_HEARTBEAT_SECONDS" in told
    assert "OBJECT_STORE_URL=s3://exports groundswell worker" in told


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("serve", "WORKER, or on"),
        ("token", "read, write"),
        ("backup", "in, where it is a folder"),
        ("restore", "GROUNDSWELL_DATA_DIR, or .groundswell"),
    ],
)
def test_the_help_says_defaults_that_are_none_of_one_value(command: str, default: str) -> None:
    told = " ".join(groundswell(command, "--help").stdout.replace("│", " ").split())
    assert f"[default: {default}]" in told


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/folder", "OBJECT_STORE_URL must be like file:///folder"),
        ("az://container", "OBJECT_STORE_URL: cannot be used: Generic MicrosoftAzure error: Account must be specified"),
    ],
)
def test_a_store_that_makes_no_sense_is_one_line(data_dir: Path, command: str, url: str, message: str) -> None:
    # Not the usual port: somebody may serve there.
    port = ["--port", "0"] if command == "serve" else []
    done = groundswell(
        command, *port, "--data-dir", data_dir, OBJECT_STORE_URL=url, DATABASE_URL="postgresql://127.0.0.1:1/no"
    )
    assert refusal(done).startswith(f"groundswell: {message}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_starts_a_database_of_its_own_and_stops_cleanly(data_dir: Path, number: signal.Signals) -> None:
    line = [*COMMAND, "worker", "--data-dir", str(data_dir)]
    with subprocess.Popen(line, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True) as worker:
        said = (text for text in worker.stderr or () if "this process does background work" in text)
        assert next(said)
        worker.send_signal(number)
        assert worker.wait(PATIENCE) == 0
    assert postgres_of(data_dir) == []


def test_a_workspace_that_cannot_be_made_is_one_line(data_dir: Path) -> None:
    assert groundswell("workspace", "create", "acme", "--data-dir", data_dir).returncode == 0
    for wrong in (["acme"], ["Not a key"], ["x", "--time-zone", "Mars/Base"], ["x", "--currency", "euro"]):
        assert refusal(groundswell("workspace", "create", *wrong, "--data-dir", data_dir))


def test_import_says_what_came_of_a_file_and_does_it_once(data_dir: Path, tmp_path: Path) -> None:
    groundswell("workspace", "create", "acme", "--data-dir", data_dir)
    file = tmp_path / "log.csv"
    file.write_text("key,occurredAt,campaign\na,2026-03-01T12:00:00Z,spring\nb,yesterday,spring\n")
    command = ("import", "impressions", file, "--workspace", "acme", "--create-campaigns", "--data-dir", data_dir)
    done = groundswell(*command)
    assert done.returncode == 0, done.stderr
    assert "2 rows: 1 new, 0 known before, 1 rejected" in done.stdout
    [reject] = (tmp_path / "log.csv.rejects.jsonl").read_text().splitlines()
    assert reject.startswith('{"line":2,"problems":[{"field":"occurredAt"')
    again = groundswell(*command)
    assert again.returncode == 0, again.stderr
    assert "already" in again.stdout


def test_import_into_nowhere_is_one_plain_line(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("key,occurredAt,campaign\n")
    line = refusal(groundswell("import", "impressions", file, "--workspace", "none", "--data-dir", data_dir))
    assert "none" in line


def test_import_of_comments_says_what_came_of_a_file(data_dir: Path, tmp_path: Path) -> None:
    groundswell("workspace", "create", "acme", "--data-dir", data_dir)
    file = tmp_path / "talk.csv"
    file.write_text(
        "id,reply_to,who,words,at,campaign\n"
        "b,a,bob,hello back,2026-03-01T12:00:00Z,spring\n"
        "a,,ada,hello,2026-03-01T13:00:00Z,spring\n"
        "d,c,bob,who?,2026-03-01T12:00:00Z,spring\n"
    )
    maps = ("key=id", "parent=reply_to", "userId=who", "body=words", "occurredAt=at")
    options = ("--workspace", "acme", "--create-campaigns", "--data-dir", data_dir)
    done = groundswell("import", "comments", file, *options, *(part for one in maps for part in ("--map", one)))
    assert done.returncode == 0, done.stderr
    assert "3 rows: 2 new, 0 known before, 1 rejected" in done.stdout
    [reject] = (tmp_path / "talk.csv.rejects.jsonl").read_text().splitlines()
    assert reject.startswith('{"line":3,"problems":[{"field":"parent","message":"No comment has the key \'c\'."}]')


def test_import_of_events_says_what_came_of_a_file(data_dir: Path, tmp_path: Path) -> None:
    groundswell("workspace", "create", "acme", "--data-dir", data_dir)
    file = tmp_path / "sessions.jsonl"
    file.write_text('{"who": 7, "seen": [{"ts": 1772442000, "type": "clicks"}, {"ts": 1772442001, "type": "carts"}]}\n')
    options = ("--workspace", "acme", "--create-campaigns", "--create-channels", "--data-dir", data_dir)
    places = ("--campaign", "spring", "--channel", "shop")
    maps = ("--map", "key=s-{line}", "--map", "userId=who", "--map", "occurredAt=ts")
    command = ("import", "events", file, "--each", "seen", *options, *places, *maps)
    done = groundswell(*command)
    assert done.returncode == 0, done.stderr
    assert "2 rows: 1 new, 0 known before, 1 rejected" in done.stdout
    [reject] = (tmp_path / "sessions.jsonl.rejects.jsonl").read_text().splitlines()
    assert reject.startswith('{"line":2,"problems":[{"field":"type","message":"\'carts\' is no type')
    translated = groundswell(*command, "--translate", "type:carts=CLICK")
    assert translated.returncode == 0, translated.stderr
    assert "2 rows: 1 new, 1 known before, 0 rejected" in translated.stdout


def test_import_of_interactions_and_posts_says_what_came_of_files(data_dir: Path, tmp_path: Path) -> None:
    groundswell("workspace", "create", "acme", "--data-dir", data_dir)
    file = tmp_path / "likes.csv"
    file.write_text("id,who,post,at\na,ada,p1,2026-03-01T12:00:00Z\nb,bob,p1,tomorrow\n")
    options = ("--workspace", "acme", "--data-dir", data_dir)
    maps = ("--map", "key=id", "--map", "externalId=who", "--map", "externalPostId=post", "--map", "occurredAt=at")
    command = ("import", "interactions", file, *options, *maps, "--platform", "twitter", "--type", "like")
    assert "2 rows: 1 new, 0 known before, 1 rejected" in groundswell(*command, "--create-posts").stdout
    tweets = tmp_path / "tweets.csv"
    columns = "id,_fivetran_synced,full_text,created_at,favorite_count,retweet_count"
    tweets.write_text(f"{columns}\np1,2026-03-02T12:00:00,Hello,2026-03-01T09:00:00,8,1\n")
    done = groundswell("import", "posts", tweets, *options, "--adapter", "x-posts")
    assert "1 posts: 1 new or changed, 0 as they were, 0 rejected" in done.stdout, done.stderr


def test_migrate_legacy_without_the_table_is_one_plain_line(data_dir: Path) -> None:
    groundswell("workspace", "create", "acme", "--data-dir", data_dir)
    command = ("migrate-legacy", "--workspace", "acme", "--data-dir", data_dir)
    assert "no table 'campaign_profile'" in refusal(groundswell(*command))
    assert "--from must begin with postgresql://" in refusal(groundswell(*command, "--from", "mysql://old"))
    away = "postgresql://nobody@127.0.0.1:1/old"
    assert "cannot be reached" in refusal(groundswell(*command, "--from", away))


async def test_cursors_are_renewed(data_dir: Path, database_url: str) -> None:
    async with session(database_url, "test") as own:
        before = (await log.head(own)).epoch
        done = await asyncio.to_thread(
            groundswell, "renew-cursors", "--data-dir", data_dir, DATABASE_URL=_plain(database_url)
        )
        assert (done.returncode, done.stdout) == (0, "All cursors have expired. Whoever watches begins anew.\n"), (
            done.stderr
        )
        assert (await log.head(own)).epoch != before


async def test_a_recount_goes_on_with_one_that_was_stopped(
    data_dir: Path, database_url: str, database: Database, workspace: int
) -> None:
    async def recount(key: str) -> "subprocess.CompletedProcess[str]":
        line = ("recount", "--workspace", key, "--data-dir", str(data_dir))
        return await asyncio.to_thread(groundswell, *line, DATABASE_URL=_plain(database_url))

    await record(database, workspace, did("a", "ada"), did("b", "bob"))
    await spoil(database, "UPDATE followers SET likes = 2")
    async with database.write(workspace) as transaction:
        await recounting.step(transaction, await recounting.begin(transaction), size=1)
    found = "test: 2 followers, {0} corrected, {0} counts of followers by score corrected"
    assert (await recount("test")).stdout == f"{found.format(2)} (went on behind 1 followers).\n"
    assert (await recount("test")).stdout == f"{found.format(0)}.\n"
    assert "There are: test." in refusal(await recount("none"))


async def test_mails_that_came_back_are_read(data_dir: Path, database_url: str, tmp_path: Path) -> None:
    mails = tmp_path / "mails"
    mails.mkdir()
    (mails / "1.eml").write_text("From: ann@example.com\n\nHello\n")
    (mails / "2.eml").symlink_to(tmp_path / "nowhere")
    line = ("mail", "returned", mails, "--data-dir", data_dir)
    done = await asyncio.to_thread(groundswell, *line, DATABASE_URL=_plain(database_url))
    assert (done.returncode, done.stderr) == (0, f"not read: {mails / '2.eml'}: No such file or directory\n")
    rest = "complaints 0, duplicates 0, delays 0, not ours 1, not understood 0, not recorded 0, unreadable 1"
    assert done.stdout == f"read 1, bounces 0, {rest}\n"


def _plain(url: str) -> str:
    return url.replace("postgresql+asyncpg", "postgresql")
