"""Importing interactions: the authors of real threads as followers, what is rejected, and posts that are made."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.content_items import NewContent, NewPost
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.content import writing
from db.queries.interactions import recording
from jobs.imports import mapping, translating
from jobs.imports.errors import ImportFailedError
from jobs.imports.interactions import FIELDS, interactions
from jobs.imports.run import Counts, Job, Outcome, import_file
from tests.imported import rejects

TALK = Path(__file__).parents[3] / "shared/data/comments/wikipedia_talk.csv.gz"
TALK_MAPS = ("key=comment_id", "externalId=author", "externalPostId=page", "value=text", "occurredAt=created_at")
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
EMPTY = "This must not be empty."
HEADER = "key,platform,type,externalId,externalPostId,occurredAt\n"
MakeJob = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """A job over a file of interactions of the given content."""

    def make(
        content: str | bytes,
        *maps: str,
        name: str = "log",
        translate: tuple[str, ...] = (),
        platform: Platform | None = None,
        type: InteractionType | None = None,  # noqa: A002
        create_posts: bool = False,
        **options: Any,
    ) -> Job:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        kind = interactions(platform, type, create_posts=create_posts)
        tables = translating.parse(FIELDS, translate)
        return Job(path, mapping.parse(FIELDS, maps), kind=kind, translations=tables, **options)

    return make


async def rows(database: Database, workspace: int, sql: str) -> list[tuple[Any, ...]]:
    async with database.write(workspace) as transaction:
        return [tuple(row) for row in await transaction.rows(text(sql))]


LEDGER = (
    "SELECT i.key, i.type, f.platform, f.external_id, p.external_post_id, c.slug, i.value, i.occurred_at FROM interactions i "
    "JOIN followers f ON f.id = i.follower_id LEFT JOIN content_posts p ON p.id = i.post_id "
    "LEFT JOIN content_items c ON c.id = p.content_id ORDER BY i.key"
)
FOLLOWERS = "SELECT external_id, username, score, comments, first_seen_at, last_seen_at FROM followers ORDER BY id"
CONTENT = (
    "SELECT c.slug, c.title, p.platform, p.external_post_id, s.comments, s.unique_followers, s.interactions, r.comments, "
    "r.unique_followers FROM content_items c JOIN content_posts p ON p.content_id = c.id "
    "JOIN content_summaries s ON s.content_id = c.id "
    "LEFT JOIN content_platform_rollups r ON r.content_id = c.id AND r.platform = p.platform ORDER BY c.slug"
)
COUNTED = (
    "SELECT bucket, sum(followers)::int FROM follower_score_counts WHERE level = 0 GROUP BY bucket "
    "HAVING sum(followers) <> 0 ORDER BY bucket"
)


@pytest.mark.skipif(not TALK.exists(), reason=f"the real comments are not here: {TALK}")
async def test_the_authors_of_real_threads_are_followers(database: Database, workspace: int, job: MakeJob) -> None:
    with gzip.open(TALK, "rt", newline="") as file:
        said = list(csv.DictReader(file))
    times: dict[str, list[datetime]] = defaultdict(list)
    for row in said:
        times[row["author"]].append(datetime.fromisoformat(row["created_at"]))
    pages = Counter(row["page"] for row in said)
    authors = {page: len({row["author"] for row in said if row["page"] == page}) for page in pages}

    made = job(TALK.read_bytes(), *TALK_MAPS, platform=Platform.OTHER, type=InteractionType.COMMENT, create_posts=True)
    result = await import_file(database, workspace, replace(made, chunk=500))
    assert (result.outcome, result.counts) == (Outcome.FINISHED, Counts(rows_read=1920, accepted=1920))
    everything = {sql: await rows(database, workspace, sql) for sql in (LEDGER, FOLLOWERS, CONTENT, COUNTED)}
    assert sorted(everything[LEDGER]) == sorted(
        (row["comment_id"], "COMMENT", "OTHER", row["author"], row["page"], f"other-{row['page']}", row["text"],
         datetime.fromisoformat(row["created_at"]))
        for row in said
    )  # fmt: skip
    assert max(len(row[6]) for row in everything[LEDGER]) == 8330
    assert len(times) == len(everything[FOLLOWERS]) == 510
    assert sorted(everything[FOLLOWERS]) == sorted(
        (author, author, 5 * len(at), len(at), min(at), max(at)) for author, at in times.items()
    )
    assert everything[CONTENT] == [
        (f"other-{page}", page, "OTHER", page, number, authors[page], number, number, authors[page])
        for page, number in sorted(pages.items())
    ]
    assert dict(everything[COUNTED]) == Counter(5 * len(at) for at in times.values())

    again = await import_file(database, workspace, replace(made, again=True))
    assert again.counts == Counts(rows_read=1920, duplicates=1920)
    assert {sql: await rows(database, workspace, sql) for sql in everything} == everything


async def test_columns_defaults_and_words(database: Database, workspace: int, job: MakeJob) -> None:
    content = (
        "key,platform,type,external_id,username,displayName,profileUrl,audienceSize,value,occurred_at\n"
        "a,tiktok,Comments,1,amy,Amy,https://tiktok.com/@amy,1200,hi,2026-03-02T09:00:00Z\n"
        "b,,link clicks,1,,,,,https://example.com,1772442001\n"
        "c,X,,2,,,,,,1772442002000\n"
    )
    result = await import_file(database, workspace, job(content, platform=Platform.TIKTOK, type=InteractionType.SAVE))
    assert result.counts == Counts(rows_read=3, accepted=3)
    assert [(*row[:4], row[6]) for row in await rows(database, workspace, LEDGER)] == [
        ("a", "COMMENT", "TIKTOK", "1", "hi"),
        ("b", "LINK_CLICK", "TIKTOK", "1", "https://example.com"),
        ("c", "SAVE", "TWITTER", "2", None),
    ]
    profile = "SELECT username, display_name, profile_url, audience_size, score FROM followers ORDER BY external_id"
    # The latest interaction says no other name than the id. What it does not say is kept from the one before.
    assert await rows(database, workspace, profile) == [
        ("1", "Amy", "https://tiktok.com/@amy", 1200, 20),
        ("2", None, None, None, 8),
    ]


async def test_json_lines_in_lists(database: Database, workspace: int, job: MakeJob) -> None:
    line = {
        "on": "youtube",
        "by": 7,
        "did": [{"t": "profile_visits", "at": 1772442000}, {"t": "LIKE", "at": 1772442000}],
    }
    maps = ("key=k-{line}", "platform=on", "type=t", "externalId=by", "occurredAt=at")
    result = await import_file(database, workspace, job(orjson.dumps(line), *maps, each="did"))
    assert result.counts == Counts(rows_read=2, accepted=2)
    assert [row[:5] for row in await rows(database, workspace, LEDGER)] == [
        ("k-1", "PROFILE_VISIT", "YOUTUBE", "7", None),
        ("k-2", "LIKE", "YOUTUBE", "7", None),
    ]


async def test_what_is_wrong_is_said_row_by_row(
    database: Database, workspace: int, other_workspace: int, job: MakeJob
) -> None:
    async with database.write(other_workspace) as transaction:
        await writing.write(transaction, NewContent("s", "S", posts=[NewPost(Platform.TIKTOK, "p1")]))
    content = HEADER + (
        "a,TIKTOK,LIKE,1,p1,2026-03-02T09:00:00Z\n"
        "b,myspace,LIKE,1,,2026-03-02T09:00:00Z\n"
        ",,hugs,,,\n"
        "d,TIKTOK,LIKE,1,,2999-03-02T09:00:00Z\n"
        "e,TIKTOK,LIKE,1,,2026-03-02T09:00:00Z\n"
        f"f,TIKTOK,LIKE,{'x' * 201},,2026-03-02T09:00:00Z\n"
    )
    result = await import_file(database, workspace, job(content))
    assert result.counts == Counts(rows_read=6, accepted=1, rejected=5, rejects_bytes=result.counts.rejects_bytes)
    platforms = f"{', '.join(list(Platform)[:-1])} and OTHER"
    types = "COMMENT, LIKE, SHARE, SAVE, PROFILE_VISIT and LINK_CLICK"
    assert [(line, found) for line, found, _ in rejects(result)] == [
        (1, [("externalPostId", "There is no post 'p1' on TIKTOK; --create-posts makes posts.")]),
        (2, [("platform", f"'myspace' is no platform: there are {platforms}. "
              "--translate platform:myspace=OTHER would make it one.")]),
        (3, [("type", f"'hugs' is no type: there are {types}. --translate type:hugs=LIKE would make it one."),
             ("occurredAt", EMPTY), ("platform", EMPTY), ("key", EMPTY), ("externalId", EMPTY)]),
        (4, [("occurredAt", "This has not happened yet: the time lies ahead.")]),
        (6, [("externalId", "At most 200 characters; there are 201.")]),
    ]  # fmt: skip
    translated = job(content, translate=("type:hugs=LIKE", "platform:myspace=OTHER"))
    assert (await import_file(database, workspace, translated)).counts.accepted == 1


async def test_a_file_that_lacks_a_field_is_told_how_to_give_it(
    database: Database, workspace: int, job: MakeJob
) -> None:
    with pytest.raises(ImportFailedError) as failure:
        await import_file(database, workspace, job("key,externalId,occurredAt\n"))
    assert str(failure.value) == (
        "Nothing in the file gives platform and type. It has the columns key, externalId, occurredAt. Map one with "
        "--map platform=COLUMN, or make it of several, --map 'platform=text-{COLUMN}'; {line} is the row's number. "
        "Or name one platform for all rows with --platform. Or name one type for all rows with --type."
    )


async def test_posts_that_are_missing_are_made_and_known_ones_kept(
    database: Database, workspace: int, job: MakeJob
) -> None:
    async with database.write(workspace) as transaction:
        known = NewContent("launch", "Launch", posts=[NewPost(Platform.YOUTUBE, "p1")])
        await writing.write(transaction, known)
        await writing.create_missing(transaction, {"tiktok-p3": "There before"})
    long = "x" * 199
    content = "key,platform,type,externalId,externalPostId,title,occurredAt\n" + "".join(
        f"k{number},{platform},LIKE,1,{post},{title},1772442000\n"
        for number, (platform, post, title) in enumerate(
            (
                ("YOUTUBE", "p1", "No title of what is known"),
                ("TIKTOK", "p1", ""),
                ("TIKTOK", "p2", "First"),
                ("TIKTOK", "p2", "Second"),
                ("YOUTUBE", "P1", '"  Two\nlines"'),
                ("TIKTOK", "p3", "New"),
                ("TIKTOK", f"{long}a", ""),
                ("TIKTOK", f"{long}b", ""),
                ("TIKTOK", "", ""),
            )
        )
    )
    made = job(content)
    assert (await import_file(database, workspace, made)).counts == Counts(9, 2, 0, 7, rejects_bytes(made))
    made = job(content, create_posts=True, chunk=2)  # another run of the same file, for it does something else
    assert (await import_file(database, workspace, made)).counts == Counts(9, 7, 2)
    slugs = "SELECT slug, title, s.interactions FROM content_items JOIN content_summaries s ON s.content_id = id ORDER BY id"
    items = await rows(database, workspace, slugs)
    assert items[:2] == [("launch", "Launch", 1), ("tiktok-p3", "There before", 1)]
    assert sorted(items[2:])[:1] + sorted(items[2:])[1:2] == [("tiktok-p1", "p1", 1), ("tiktok-p2", "First", 2)]
    assert sorted(items)[-1] == ("youtube-P1", "Two", 1)
    [one, other] = [slug for slug, title, _ in items if title.startswith(long)]
    assert len(one) == len(other) == 200
    assert one != other


def rejects_bytes(made: Job) -> int:
    return made.path.with_name(f"{made.path.name}.rejects.jsonl").stat().st_size


class Broken(Exception):
    """What interrupts an import in this test."""


async def test_an_import_that_broke_off_goes_on(
    database: Database, workspace: int, other_workspace: int, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HEADER + "".join(
        f"k{n % 45:02},TIKTOK,{'LIKE' if n % 10 != 9 else 'x'},u{n % 7},p{n // 10},{1772442000 + n * 3600}\n"
        for n in range(50)
    )
    whole = await import_file(database, other_workspace, job(content, name="whole", create_posts=True))
    made, chunks, record = job(content, create_posts=True, chunk=8), [], recording.record

    async def breaking(transaction: Any, items: Any) -> recording.Outcome:
        chunks.append(await record(transaction, items))
        if len(chunks) == 3:
            raise Broken
        return chunks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(recording, "record", breaking)
        with pytest.raises(Broken):
            await import_file(database, workspace, made)
    resumed = await import_file(database, workspace, made)
    assert (resumed.resumed_from, resumed.counts) == (16, whole.counts)
    assert resumed.rejects.read_bytes() == whole.rejects.read_bytes()
    for sql in (LEDGER, FOLLOWERS, CONTENT, COUNTED):
        assert await rows(database, workspace, sql) == await rows(database, other_workspace, sql)
