"""Backups: taken beside writers, restored elsewhere, and refused where they are no whole ones."""

import asyncio
import os
import re
import signal
import subprocess
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import orjson
import pytest
from sqlalchemy import make_url

from db import migrate
from db.engine import Database
from db.models.base import Base
from db.models.impression_items import NewImpression
from db.queries import backups
from db.queries.impressions import recording
from db.queries.live import log
from db.session import session
from jobs import demo
from jobs.backups import archive, restoring, taking
from jobs.backups.manifest import NAME, BadBackup
from jobs.objects import Objects
from tests.api import Api, build, token
from tests.conftest import UrlOf, admin
from tests.creatives import create_space, picture, upload
from tests.db.test_migrations import COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS, ask
from tests.facts import create_campaign, metrics
from tests.graph.live.conftest import LIVE
from tests.graph.live.test_partners import create
from tests.keyed import is_replay, send
from tests.live import ENGAGEMENTS
from tests.mailings import mailing_of
from tests.recounted import read, spoil
from tests.stores import BUCKET, s3
from tests.stores import environment as cloud
from tests.test_cli import COMMAND, ROOT, environment, refusal
from tests.uploads import a_full_disk

ROLLED_UP = """SELECT campaign_id, sum(impressions), sum(clicks), sum(spend), sum(likes), sum(comments)
  FROM campaign_totals GROUP BY campaign_id ORDER BY campaign_id"""
RECOUNTED = """SELECT id, (SELECT count(*) FROM impressions WHERE campaign_id = c.id),
  (SELECT count(*) FROM impressions WHERE campaign_id = c.id AND clicked_at IS NOT NULL),
  (SELECT coalesce(sum(cpi_rate), 0) FROM impressions WHERE campaign_id = c.id AND charged_at IS NOT NULL),
  (SELECT count(*) FROM engagements WHERE campaign_id = c.id AND type = 'LIKE' AND deleted_at IS NULL),
  (SELECT count(*) FROM engagements WHERE campaign_id = c.id AND type = 'COMMENT' AND deleted_at IS NULL)
  FROM campaigns c WHERE EXISTS (SELECT FROM campaign_totals WHERE campaign_id = c.id) ORDER BY id"""
_numbers = count()


def silent(_part: str, _more: int, _about: int) -> None:
    """Whom progress is told."""


def store(folder: Path) -> Objects:
    return Objects.at((folder / "objects").as_uri())


@pytest.fixture
async def empty_url(url_of: UrlOf) -> AsyncIterator[str]:
    """A database that nothing was ever done to."""
    name = f"groundswell_restored_{os.getpid()}_{next(_numbers)}"
    await admin(url_of, f"CREATE DATABASE {name}")
    yield url_of(name)
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def taken(database_url: str, workspace: int, tmp_path: Path) -> Path:
    """The backup of a database with a workspace."""
    path = tmp_path / "backup.zip"
    await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    return path


async def restored(url: str, folder: Path, path: Path, *, replace: bool = False) -> restoring.Restored:
    with archive.reading(path) as source:
        return await restoring.restore(url, store(folder), source, silent, replace=replace)


@asynccontextmanager
async def written_to(database: Database, workspace: int, campaign: int) -> AsyncIterator[Any]:
    """Records impressions again and again for as long as the block runs."""
    made = count()

    async def write() -> None:
        while True:
            at = datetime(2026, 3, 1, tzinfo=UTC)
            items = [
                NewImpression(key=f"w{next(made)}", campaign_id=campaign, occurred_at=at, clicked_at=at)
                for _ in range(20)
            ]
            async with database.write(workspace) as transaction:
                await recording.record(transaction, items)

    writers = [asyncio.create_task(write()) for _ in range(3)]
    yield made
    for writer in writers:
        writer.cancel()
    for ended in await asyncio.gather(*writers, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended


async def numbers(url: str) -> tuple[Any, Any]:
    """What the roll-ups say, and what counting says."""
    database = Database(url)
    try:
        return await read(database, ROLLED_UP), await read(database, RECOUNTED)
    finally:
        await database.close()


async def epoch(url: str) -> int:
    async with session(url, "test") as own:
        return (await log.head(own)).epoch


async def test_the_drill(database_url: str, api: Api, workspace: int, empty_url: str, tmp_path: Path) -> None:
    """Demo data, a file, clients, and writers that go on meanwhile: elsewhere all of it is there and agrees with itself."""
    await demo.load(api.database)
    content = picture(size=(64, 40))
    payload = await upload(api, await create_space(api), content, "banner.png")
    client = await create(api.as_(token(scopes=LIVE)), "READ", "LIVE")
    watched = await create_campaign(api)
    cursor = (await api.as_(token(scopes=LIVE)).data("{ liveCursor }"))["liveCursor"]
    [[campaign]] = await read(api.database, "SELECT min(id) FROM campaigns")
    [[demo_id]] = await read(api.database, "SELECT id FROM workspaces WHERE key = 'demo'")
    path = tmp_path / "backup.zip"
    async with written_to(api.database, demo_id, campaign) as made:
        while next(made) < 100:  # noqa: ASYNC110 - until they are under way
            await asyncio.sleep(0)
        done = await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    assert (done.manifest.missing, len(done.manifest.objects)) == ((), 2)  # the picture and its thumbnail
    there = tmp_path / "elsewhere"
    found = await restored(empty_url, there, path)
    assert found.files == 2
    rolled_up, recounted = await numbers(empty_url)
    assert rolled_up == recounted
    assert len(rolled_up) > 10
    at_the_end = await read(api.database, "SELECT count(*) FROM impressions")
    assert 6000 < sum(row[1] for row in rolled_up) < at_the_end[0][0]
    async with build(empty_url, there) as again:
        query = "query ($id: ID!) { asset(id: $id) { fileUrl } }"
        link = urlsplit((await again.data(query, id=payload["asset"]["id"]))["asset"]["fileUrl"])
        assert (await again.client.get(f"{link.path}?{link.query}")).content == content
        by_secret = again.as_(client["secret"])
        assert (await by_secret.data("{ viewer { workspace { name } } }"))["viewer"]["workspace"]["name"] == "Test"
        told = await again.as_(token(scopes=LIVE)).stream(ENGAGEMENTS, ids=[watched], after=cursor)
        assert '"code":"CURSOR_EXPIRED"' in told
        made_now = await again.as_(token("demo")).data(
            'mutation { createCampaign(input: {name: "New"}) { campaign { id } userErrors { message } } }'
        )
        assert made_now["createCampaign"]["userErrors"] == []
        assert await metrics(again.as_(token("demo")), made_now["createCampaign"]["campaign"]["id"], "impressions") == {
            "impressions": 0
        }
    assert await epoch(empty_url) != await epoch(database_url)


async def test_the_schema_is_as_the_migrations_make_it(
    database_url: str, empty_url: str, taken: Path, tmp_path: Path
) -> None:
    protected = "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
    enabled = "SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    asked = (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS, protected, enabled)
    await restored(empty_url, tmp_path, taken)
    assert await ask(empty_url, *asked) == await ask(database_url, *asked)
    assert await migrate.drift(empty_url) == []


async def test_every_table_of_ours_is_in_it_but_for_the_queue(taken: Path) -> None:
    with archive.reading(taken) as source:
        manifest = source.manifest
        assert [table.name for table in manifest.tables] == sorted(Base.metadata.tables)
        assert (manifest.revision, manifest.are_files_included) == (migrate.newest(), True)
        assert {table.name: table.rows for table in manifest.tables if table.rows} == {"live_head": 1, "workspaces": 1}


async def test_identities_go_on_where_they_were(
    database_url: str, database: Database, workspace: int, empty_url: str, tmp_path: Path
) -> None:
    await spoil(database, "SELECT setval('campaigns_id_seq', 4711)")
    path = tmp_path / "backup.zip"
    await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    await restored(empty_url, tmp_path, path)
    again = Database(empty_url)
    assert await read(again, "SELECT nextval('campaigns_id_seq'), nextval('brands_id_seq')") == [(4712, 1)]
    await again.close()


async def test_a_database_that_is_not_empty_is_left_alone(
    database: Database, database_url: str, taken: Path, tmp_path: Path
) -> None:
    await spoil(database, "UPDATE workspaces SET name = 'Changed'")
    await database.close()
    with pytest.raises(taking.NotNow, match="not empty"):
        await restored(database_url, tmp_path, taken)
    before = await epoch(database_url)
    found = await restored(database_url, tmp_path, taken, replace=True)
    assert (found.rows, found.files, found.held, found.absent) == (2, 0, 0, 0)
    assert await read(database, "SELECT name FROM workspaces") == [("Test",)]
    assert await epoch(database_url) != before


async def test_a_database_of_an_older_schema_is_brought_to_the_backups(
    database_url: str, database: Database, empty_url: str, taken: Path, tmp_path: Path
) -> None:
    await migrate.upgrade(empty_url, "0005")
    await restored(empty_url, tmp_path, taken)
    assert await migrate.current(empty_url) == migrate.newest()


async def test_a_database_that_is_in_use_is_left_alone(
    database: Database, database_url: str, taken: Path, tmp_path: Path
) -> None:
    await spoil(database, "UPDATE workspaces SET name = 'Changed'")
    with pytest.raises(
        taking.NotNow, match=r"^The database is in use: groundswell\. Stop all servers and workers first\.$"
    ):
        await restored(database_url, tmp_path, taken, replace=True)
    assert await read(database, "SELECT name FROM workspaces") == [("Changed",)]


async def test_nothing_is_sent_out_of_a_backup(
    database_url: str, database: Database, workspace: int, empty_url: str, tmp_path: Path
) -> None:
    for status in ("RUNNING", "SCHEDULED", "PAUSED"):
        await mailing_of(database, workspace, 1, status=status, name=status)
    path = tmp_path / "backup.zip"
    await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    assert (await restored(empty_url, tmp_path, path)).held == 2
    again = Database(empty_url)
    held = [("PAUSED", None), ("PAUSED", backups.RESTORED), ("DRAFT", backups.RESTORED)]
    assert await read(again, "SELECT status, status_reason FROM mailings ORDER BY name") == held
    await again.close()


async def test_what_was_done_under_a_key_is_not_done_again(
    database_url: str, api: Api, empty_url: str, tmp_path: Path
) -> None:
    campaign = await create_campaign(api)
    query = "mutation ($i: ShareInput!) { share(input: $i) { created share { id } userErrors { code } } }"
    asked = {"i": {"campaignId": campaign, "actor": {"userId": "ada"}}}
    first = await send(api, "before", query, **asked)
    path = tmp_path / "backup.zip"
    await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    await restored(empty_url, tmp_path, path)
    async with build(empty_url, tmp_path) as again:
        second = await send(again, "before", query, **asked)
        assert (second.json(), is_replay(second)) == (first.json(), True)
        assert (first.json()["data"]["share"]["created"], await metrics(again, campaign, "shares")) == (
            True,
            {"shares": 1},
        )


async def test_files_are_named_where_they_are_not_included(
    api: Api, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    await upload(api, await create_space(api), picture(), "banner.png")
    path = tmp_path / "backup.zip"
    done = await taking.take(database_url, store(tmp_path), path, silent, with_files=False)
    named = {one.content_type: (one.size_bytes, one.sha256 is not None) for one in done.manifest.objects}
    assert named["image/png"] == (len(picture()), True)
    assert [name for name in zipfile.ZipFile(path).namelist() if name.startswith("objects/")] == []
    assert (await restored(empty_url, tmp_path / "without", path)).absent == 2
    assert (await restored(empty_url, tmp_path, path, replace=True)).absent == 0


async def test_files_move_into_another_store_with_what_it_says_of_them(
    api: Api, database_url: str, empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(api, await create_space(api), picture(), "banner.png")
    path = tmp_path / "backup.zip"
    await taking.take(database_url, store(tmp_path), path, silent, with_files=True)
    with s3() as endpoint, archive.reading(path) as source:
        for name, value in cloud(endpoint).items():
            monkeypatch.setenv(name, value)
        there = Objects.at(f"s3://{BUCKET}/restored")
        assert (await restoring.restore(empty_url, there, source, silent)).files == 2
        [picture_] = [name for name in await there.listed("") if name.endswith(".png")]
        assert await there.read(picture_) == picture()
        link = await there.sign(picture_, timedelta(minutes=1))
        async with httpx.AsyncClient() as client:
            answer = await client.get(link or "")
        assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("image/png", "inline")


async def test_a_full_disk_leaves_nothing(database_url: str, workspace: int, tmp_path: Path) -> None:
    with a_full_disk(2_000), pytest.raises(archive.CannotWrite, match="The backup cannot be written: file too large"):
        await taking.take(database_url, store(tmp_path), tmp_path / "b.zip", silent, with_files=True)
    assert list(tmp_path.glob("b.zip*")) == []


async def test_two_backups_into_one_file_are_one_too_many(database_url: str, workspace: int, tmp_path: Path) -> None:
    with (
        archive.writing(tmp_path / "b.zip"),
        pytest.raises(archive.CannotWrite, match="Another backup is being written"),
    ):
        await taking.take(database_url, store(tmp_path), tmp_path / "b.zip", silent, with_files=True)


async def test_a_file_that_the_store_has_lost_is_said_and_one_that_changed_is_refused(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    await upload(api, await create_space(api), picture(), "banner.png")
    [lost] = (tmp_path / "objects").rglob("*.thumb.webp")
    lost.unlink()
    done = await taking.take(database_url, store(tmp_path), tmp_path / "one.zip", silent, with_files=True)
    assert done.manifest.missing == (str(lost.relative_to(tmp_path / "objects")),)
    [changed] = (tmp_path / "objects").rglob("*.png")
    changed.write_bytes(b"another")
    with pytest.raises(BadBackup, match="its SHA-256 is another one"):
        await taking.take(database_url, store(tmp_path), tmp_path / "two.zip", silent, with_files=True)
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["one.zip"]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_end(content: bytes) -> bytes:
    return content[:-10]


def changed(content: bytes) -> bytes:
    at = content.index(b"tables/workspaces") + len("tables/workspaces") + 30
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "broken", [cut, without_end, changed, lambda _: b"", lambda _: b"PK, but no ZIP", lambda _: bytes(99)]
)
async def test_what_is_damaged_is_refused_and_nothing_is_changed(
    taken: Path, empty_url: str, tmp_path: Path, broken: Any
) -> None:
    taken.write_bytes(broken(taken.read_bytes()))
    with pytest.raises(BadBackup, match=r"^\S+ cannot be restored\. It "):
        await restored(empty_url, tmp_path, taken)
    assert await migrate.current(empty_url) is None


def rewritten(path: Path, change: Any) -> None:
    """Changes the list of contents, and leaves all else."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    manifest = orjson.loads(entries[NAME])
    change(manifest)
    entries[NAME] = orjson.dumps(manifest)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


THUMB = {"size_bytes": 1, "sha256": "0" * 64, "content_type": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format="another"), "not a backup of Groundswell"),
        (lambda m: m.update(version=2), "a newer Groundswell"),
        (lambda m: m.update(revision="9999"), "a newer schema, 9999"),
        (lambda m: m.pop("tables"), "cannot be read"),
        (lambda m: m["tables"][0].update(name='a"; DROP TABLE b'), "cannot be read"),
        (lambda m: m["tables"][0].update(sha256="0" * 64), "is not what was backed up"),
        (lambda m: m["tables"][0].update(name="unknown"), "is missing"),
        (lambda m: m["objects"].append({"path": "../../etc/passwd", **THUMB}), "cannot be read"),
        (lambda m: m["objects"].append({"path": "/etc/passwd", **THUMB}), "cannot be read"),
        (lambda m: m["objects"].append({"path": "assets/1", **THUMB}), "is missing"),
        (lambda m: m["sequences"].update(campaigns=-1), "cannot be read"),
    ],
)
async def test_a_list_of_contents_is_not_believed(
    taken: Path, empty_url: str, tmp_path: Path, change: Any, message: str
) -> None:
    rewritten(taken, change)
    with pytest.raises(BadBackup, match=message):
        await restored(empty_url, tmp_path, taken)
    assert await migrate.current(empty_url) is None


async def test_rows_that_do_not_fit_leave_an_empty_database(taken: Path, empty_url: str, tmp_path: Path) -> None:
    rewritten(taken, lambda m: [one.update(rows=5) for one in m["tables"] if one["name"] == "workspaces"])
    with pytest.raises(BadBackup, match="1 rows came into workspaces, and it has 5"):
        await restored(empty_url, tmp_path, taken)
    async with session(empty_url, "test") as own:
        assert await backups.is_empty(own)


async def test_an_unmigrated_database_is_not_backed_up(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(taking.NotNow, match="at revision nothing"):
        await taking.take(empty_url, store(tmp_path), tmp_path / "b.zip", silent, with_files=True)
    assert list(tmp_path.glob("*.zip*")) == []


# The command line.


@pytest.fixture
def plain(database_url: str) -> str:
    return _plain(database_url)


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def groundswell(*arguments: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    line = [*COMMAND, *map(str, arguments)]
    return await asyncio.to_thread(
        subprocess.run,
        line,
        cwd=ROOT,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


async def test_the_commands_say_what_they_did(plain: str, workspace: int, empty_url: str, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    done = await groundswell("backup", path, "--data-dir", tmp_path, DATABASE_URL=plain)
    assert re.fullmatch(rf"Backed up 2 rows of \d+ tables and 0 files into {path} \([\d,]+ bytes\)\.\n", done.stdout)
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    again = await groundswell("backup", path, "--data-dir", tmp_path, DATABASE_URL=plain)
    assert refusal(again) == f"groundswell: {path} exists already, and is not replaced. Choose another name."
    done = await groundswell("restore", path, "--data-dir", tmp_path, DATABASE_URL=_plain(empty_url))
    assert re.fullmatch(r"Restored 2 rows and 0 files as they were at \S+\.\n", done.stdout), done.stderr


async def test_a_wrong_file_is_one_line(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no backup")
    url = {"DATABASE_URL": _plain(empty_url)}
    done = await groundswell("restore", tmp_path / "notes.txt", "--data-dir", tmp_path, **url)
    assert "notes.txt cannot be restored. It is damaged or was cut off, or is no backup" in refusal(done)
    done = await groundswell("restore", tmp_path / "nothing", "--data-dir", tmp_path, **url)
    assert refusal(done) == f"groundswell: There is no file {tmp_path / 'nothing'}."
    done = await groundswell("backup", tmp_path / "no" / "b.zip", "--data-dir", tmp_path, **url)
    assert "at revision nothing" in refusal(done)


async def test_a_folder_without_a_database_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    done = await groundswell("backup", tmp_path / "b.zip", "--data-dir", tmp_path / "data")
    assert (
        refusal(done)
        == f"groundswell: There is no database in {tmp_path / 'data'}. Say where it is with --data-dir, or with DATABASE_URL."
    )
    assert list(tmp_path.iterdir()) == []


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Nobody else reads or changes the workspaces for as long as the block runs."""
    connection = await asyncpg.connect(_plain(url))
    await connection.execute("BEGIN; LOCK workspaces IN ACCESS EXCLUSIVE MODE")
    yield connection
    await connection.close()


@asynccontextmanager
async def interrupted(url: str, *arguments: str | Path) -> AsyncIterator["subprocess.Popen[str]"]:
    """A command that waits for a lock, and is told to stop when the block ends."""
    line = [*COMMAND, *map(str, arguments)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    async with locked(url) as connection:
        given: dict[str, Any] = {"cwd": ROOT, "env": environment(DATABASE_URL=_plain(url)), **pipes}
        with await asyncio.to_thread(lambda: subprocess.Popen(line, **given)) as process:
            async with asyncio.timeout(100):
                while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            yield process
            process.send_signal(signal.SIGINT)
            said = await asyncio.to_thread(process.communicate, timeout=60)
            assert process.returncode == 130, said
            assert said[0].startswith("Stopped."), said
            assert "Traceback" not in said[1]


async def test_a_backup_that_is_interrupted_leaves_nothing(database_url: str, workspace: int, tmp_path: Path) -> None:
    async with interrupted(database_url, "backup", tmp_path / "b.zip", "--data-dir", tmp_path):
        assert [path.name for path in tmp_path.glob("*.zip*")] == ["b.zip.part"]
    assert list(tmp_path.glob("*.zip*")) == []


async def test_a_restore_that_is_interrupted_changes_nothing(
    database: Database, database_url: str, taken: Path, tmp_path: Path
) -> None:
    await spoil(database, "UPDATE workspaces SET name = 'Changed'")
    await database.close()
    async with interrupted(database_url, "restore", taken, "--replace", "--data-dir", tmp_path):
        pass
    assert await read(database, "SELECT name FROM workspaces") == [("Changed",)]


async def test_from_one_embedded_server_to_another(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    made = await groundswell("workspace", "create", "acme", "--data-dir", one)
    assert made.returncode == 0, made.stderr
    (one / "objects").mkdir()
    assert (await groundswell("backup", tmp_path / "b.zip", "--data-dir", one)).returncode == 0
    done = await groundswell("restore", tmp_path / "b.zip", "--data-dir", other)
    assert done.returncode == 0, done.stderr
    assert (await groundswell("workspace", "list", "--data-dir", other)).stdout == "acme\tacme\tUTC\tEUR\n"
    done = await groundswell("restore", tmp_path / "b.zip", "--data-dir", other)
    assert "not empty" in done.stderr
