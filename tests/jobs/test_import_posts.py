"""Importing posts: the platforms' real exports with the figures that they hold, later reports, and files of others."""

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.content_items import NewContent
from db.queries.content import writing
from jobs.imports.errors import ImportFailedError
from jobs.imports.posts import posts
from jobs.imports.posts_adapters import adapter_of
from jobs.imports.run import Counts, Job, Progress, import_file
from tests.imported import rejects

SOCIAL = Path(__file__).parents[3] / "shared/data/social"
real = pytest.mark.skipif(not SOCIAL.exists(), reason=f"the real exports are not here: {SOCIAL}")
FIGURES = ("views", "impressions", "likes", "comments", "shares", "saves", "clicks")
FILES = {
    "facebook-posts": ("facebook_pages_post_history_data.csv", "id", "_fivetran_synced", {"shares": "share_count"}),
    "facebook-metrics": (
        "facebook_pages_lifetime_post_metrics_total_data.csv", "post_id", "date",
        {"views": "post_video_views", "impressions": "post_impressions", "likes": "post_reactions_like_total",
         "clicks": "post_clicks"},
    ),
    "linkedin-posts": ("linkedin_pages_share_history_data.csv", "id", "_fivetran_synced", {}),
    "linkedin-metrics": (
        "linkedin_pages_share_statistic_data.csv", "_share_entity_urn", "_fivetran_synced",
        {"impressions": "impression_count", "likes": "like_count", "comments": "comment_count", "shares": "share_count",
         "clicks": "click_count"},
    ),
    "x-posts": ("tweet.csv", "id", "_fivetran_synced", {"likes": "favorite_count", "shares": "retweet_count"}),
    "youtube-videos": (
        "youtube_video_data.csv", "id", "_fivetran_synced",
        {"views": "statistics_view_count", "likes": "statistics_like_count", "comments": "statistics_comment_count"},
    ),
    "youtube-daily": (
        "youtube_channel_basic_data.csv", "video_id", "date",
        {"views": "views", "likes": "likes", "comments": "comments", "shares": "shares",
         "saves": "videos_added_to_playlists"},
    ),
}  # fmt: skip
"""By adapter: file, columns of the id and of the moment, and of each figure."""
TWEETS = "id,_fivetran_synced,created_at,favorite_count,retweet_count,full_text\n"
MakeJob = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """A job over an export of the given content."""

    def make(file: str | bytes, adapter: str = "x-posts", **options: Any) -> Job:
        path = tmp_path / "export.csv"
        path.write_bytes(file.encode() if isinstance(file, str) else file)
        return Job(path, kind=posts(adapter_of(adapter)), **options)

    return make


async def stored(database: Database, workspace: int) -> dict[str, tuple[int | None, ...]]:
    sql = f"SELECT external_post_id, {', '.join(FIGURES)} FROM content_posts"
    async with database.write(workspace) as transaction:
        return {row[0]: tuple(row[1:]) for row in await transaction.rows(text(sql))}


async def slugs(database: Database, workspace: int) -> list[tuple[str, str]]:
    sql = (
        "SELECT c.slug, p.external_post_id FROM content_posts p JOIN content_items c ON c.id = p.content_id ORDER BY 2"
    )
    async with database.write(workspace) as transaction:
        return [(row[0], row[1]) for row in await transaction.rows(text(sql))]


def figure(rows: list[dict[str, str]], column: str | None, adapter: str) -> int | None:
    """A figure of a post, from its rows from the earliest to the latest."""
    said = [
        int(float(row[column])) for row in (rows if adapter == "youtube-daily" else rows[-1:]) if column and row[column]
    ]
    total = sum(said) if said else None
    return None if total is not None and total < 0 else total


def expected(adapter: str) -> dict[str, tuple[int | None, ...]]:
    """The figures of each post that has an id."""
    name, key, moment, columns = FILES[adapter]
    found: dict[str, list[dict[str, str]]] = {}
    with (SOCIAL / name).open(newline="") as file:
        for row in sorted(csv.DictReader(file), key=lambda one: one[moment]):
            found.setdefault(row[key].split(":")[-1], []).append(row)
    found.pop("", None)
    return {post: tuple(figure(rows, columns.get(one), adapter) for one in FIGURES) for post, rows in found.items()}


@real
@pytest.mark.parametrize("adapter", FILES)
async def test_real_exports(database: Database, workspace: int, job: MakeJob, adapter: str) -> None:
    figures = expected(adapter)
    made = job((SOCIAL / FILES[adapter][0]).read_bytes(), adapter)
    result = await import_file(database, workspace, made)
    # Two days of YouTube's have figures of no video.
    unnamed = 2 if adapter == "youtube-daily" else 0
    read = len(figures) + unnamed
    found = (result.counts.rows_read, result.counts.accepted, result.counts.rejected)
    assert found == (read, len(figures), unnamed)
    assert await stored(database, workspace) == figures

    again = await import_file(database, workspace, replace(made, again=True))
    assert (again.counts.accepted, again.counts.duplicates, again.counts.rejected) == (0, len(figures), unnamed)
    assert await stored(database, workspace) == figures


def moment(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def facebook() -> dict[str, tuple[Any, ...]]:
    """What both files about Facebook's posts say of each: title, caption, when, shares, views, and as of when."""
    found: dict[str, tuple[Any, ...]] = {}
    with (SOCIAL / FILES["facebook-posts"][0]).open(newline="") as file:
        for row in sorted(csv.DictReader(file), key=lambda one: one["_fivetran_synced"]):
            shares = int(row["share_count"]) if row["share_count"] else None
            at = moment(row["_fivetran_synced"]) if row["share_count"] else None
            title, caption = row["message"] or row["id"], row["message"] or None
            found[row["id"]] = (title, caption, moment(row["created_time"]), shares, None, at)
    with (SOCIAL / FILES["facebook-metrics"][0]).open(newline="") as file:
        for row in sorted(csv.DictReader(file), key=lambda one: one["date"]):
            *rest, _, before = found[row["post_id"]]
            at = moment(row["date"])
            found[row["post_id"]] = (*rest, int(row["post_video_views"]), max(at, before or at))
    return found


@real
@pytest.mark.parametrize("adapters", [("facebook-posts", "facebook-metrics"), ("facebook-metrics", "facebook-posts")])
async def test_it_does_not_matter_which_report_comes_first(
    database: Database, workspace: int, job: MakeJob, adapters: tuple[str, str]
) -> None:
    for adapter in adapters:
        await import_file(database, workspace, job((SOCIAL / FILES[adapter][0]).read_bytes(), adapter))
    sql = (
        "SELECT external_post_id, title, caption, posted_at, p.shares, views, figures_at, slug, s.interactions "
        "FROM content_posts p JOIN content_items c ON c.id = content_id JOIN content_summaries s ON s.content_id = c.id"
    )
    async with database.write(workspace) as transaction:
        stored = {row[0]: tuple(row[1:]) for row in await transaction.rows(text(sql))}
    said = facebook()
    assert len(said) == 99
    assert sum(shares is not None and views is not None for _, _, _, shares, views, _ in said.values()) == 3
    # A post that was met first in the file of figures, which has no texts, is called by its id.
    called = {post: post for post, one in said.items() if adapters[0] == "facebook-metrics" and one[4] is not None}
    assert stored == {
        post: (called.get(post, title), *rest, f"facebook-{post}", 0) for post, (title, *rest) in said.items()
    }


@real
async def test_an_import_that_broke_off_goes_on(database: Database, workspace: int, job: MakeJob) -> None:
    class Broken(Exception):
        pass

    def breaking(progress: Progress) -> None:
        if progress.counts.rows_read == 60:
            raise Broken

    made = job((SOCIAL / FILES["youtube-daily"][0]).read_bytes(), "youtube-daily", chunk=20)
    with pytest.raises(Broken):
        await import_file(database, workspace, made, breaking)
    result = await import_file(database, workspace, replace(made, chunk=30))
    assert (result.resumed_from, result.counts.accepted, result.counts.rejected) == (60, 102, 2)
    assert await stored(database, workspace) == expected("youtube-daily")
    # The channel's own rows, under their numbers in the file.
    assert [(line, found) for line, found, _ in rejects(result)] == [
        (line, [("externalPostId", "This must not be empty.")]) for line in (1, 290)
    ]


async def test_what_is_wrong_is_part_of_no_sum(database: Database, workspace: int, job: MakeJob) -> None:
    content = "video_id,date,views,likes,comments,shares,videos_added_to_playlists\n" + "".join(
        f"{row}\n"
        for row in ("a,2026-03-01,1,,0,2.0,0", "a,2026-03-03,5,,0,1,0", "a,2026-03-02,?,1,1,1,1", "a,,9,9,9,9,9")
    )
    result = await import_file(database, workspace, job(content, "youtube-daily"))
    assert (result.counts.rows_read, result.counts.accepted, result.counts.rejected) == (3, 1, 2)
    assert [(line, found) for line, found, _ in rejects(result)] == [
        (3, [("views", "This must be a whole number.")]),
        (4, [("figuresAt", "This must not be empty.")]),
    ]
    assert await stored(database, workspace) == {"a": (6, None, None, 0, 3, 0, None)}


async def test_of_half_a_file_nothing_is_imported(database: Database, workspace: int, job: MakeJob) -> None:
    row = "{},2026-03-02T09:00:00,2026-03-01T09:00:00,8,1,Hello {}\n"
    packed = gzip.compress((TWEETS + "".join(row.format(n, n * n % 997) for n in range(2000))).encode())
    with pytest.raises(ImportFailedError, match=r"it was cut off\. Nothing of it is imported: repair the file\."):
        await import_file(database, workspace, job(packed[: len(packed) // 2]))
    assert await stored(database, workspace) == {}
    assert (await import_file(database, workspace, job(packed))).counts == Counts(rows_read=2000, accepted=2000)


async def test_older_figures_do_not_replace_later_ones(database: Database, workspace: int, job: MakeJob) -> None:
    later = "1,2026-03-02T09:00:00,2026-03-01T09:00:00,8,,Hello\n1,2026-03-01T10:00:00,2026-03-01T09:00:00,5,2,Hello\n"
    await import_file(database, workspace, job(TWEETS + later))
    assert await stored(database, workspace) == {"1": (None, None, 8, None, None, None, None)}
    older = "1,2026-03-01T11:00:00,2026-03-01T09:00:00,3,,Hello\n"
    await import_file(database, workspace, job(TWEETS + older))
    assert await stored(database, workspace) == {"1": (None, None, 8, None, None, None, None)}
    await import_file(database, workspace, job(TWEETS + "1,2026-03-03T09:00:00,2026-03-01T09:00:00,7,0,Hello\n"))
    assert await stored(database, workspace) == {"1": (None, None, 7, None, 0, None, None)}


async def test_new_posts_become_part_of_an_item(database: Database, workspace: int, job: MakeJob) -> None:
    row = "{},2026-03-02T09:00:00,2026-03-01T09:00:00,8,1,Hello\n"
    await import_file(database, workspace, job(TWEETS + row.format("1")))
    async with database.write(workspace) as transaction:
        await writing.write(transaction, NewContent("spring", "Spring"))
    await import_file(database, workspace, job(TWEETS + row.format("1") + row.format("2"), content="spring"))
    assert await slugs(database, workspace) == [("twitter-1", "1"), ("spring", "2")]
    with pytest.raises(ImportFailedError, match=r"No content item has the slug 'none'\."):
        await import_file(database, workspace, job(TWEETS + row.format("3"), content="none"))
    assert len(await slugs(database, workspace)) == 2


async def test_wrong_rows_are_rejected(database: Database, workspace: int, job: MakeJob) -> None:
    content = TWEETS + "1,2026-03-02T09:00:00,2026-03-01T09:00:00,1.5,1,Hi\n2,2026-03-02T09:00:00,,4,1,\n"
    result = await import_file(database, workspace, job(content))
    assert (result.counts.rows_read, result.counts.accepted, result.counts.rejected) == (2, 1, 1)
    assert [(line, problems) for line, problems, _ in rejects(result)] == [
        (1, [("likes", "This must be a whole number.")])
    ]
    assert await stored(database, workspace) == {"2": (None, None, 4, None, 1, None, None)}


async def test_a_file_of_another_kind(database: Database, workspace: int, job: MakeJob) -> None:
    with pytest.raises(ImportFailedError) as raised:
        await import_file(database, workspace, job("video_id,views\n1,2\n"))
    assert str(raised.value) == (
        "This is not what x-posts reads, X's posts of an account with their figures (tweet): it has no columns id, full_text "
        "or full_test, created_at, favorite_count, retweet_count and _fivetran_synced. It has the columns video_id, views."
    )
    assert await stored(database, workspace) == {}


@pytest.mark.parametrize(
    ("name", "said"), [("tweets", "There is no adapter 'tweets'."), (None, "--adapter says what the file is.")]
)
def test_unknown_adapters(name: str | None, said: str) -> None:
    with pytest.raises(ImportFailedError) as raised:
        adapter_of(name)
    first, *others = str(raised.value).splitlines()
    assert first == f"{said} There are:"
    assert [line.split()[0] for line in others] == list(FILES)
