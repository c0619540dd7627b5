"""The real log: what the metrics say of it is what a plain script counts in the file.

It has no user ids. Users are made of its four user segments here, so reach counts segments, not people.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from db.engine import Database
from db.queries import campaigns, metrics, workspaces
from db.queries.windows import ALL_TIME, Window
from jobs.imports import mapping
from jobs.imports.impressions import FIELDS
from jobs.imports.run import Counts, Job, import_file

LOG = Path(__file__).parents[3] / "shared/data/impressions/openbandit_60k.csv.gz"
SEGMENTS = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
MAPS = (
    "campaign={campaign}-{policy}",
    "key=openbandit-{line}",
    "occurredAt=timestamp",
    "clicked=click",
    "placement=position",
    "userId=" + "-".join(f"{{{name}}}" for name in SEGMENTS),
)
NUMBERS = frozenset({"impressions", "clicks", "unique_impressions", "reach", "viewable_impressions", "conversions"})
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the real log is not here: {LOG}")


@dataclass
class Counted:
    """What a plain script counts of one campaign."""

    impressions: int = 0
    clicks: int = 0
    segments: set[str] = field(default_factory=set)
    days: dict[str, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))


def rows() -> Iterator[dict[str, str]]:
    with gzip.open(LOG, "rt", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def counted() -> dict[str, Counted]:
    found: dict[str, Counted] = defaultdict(Counted)
    for row in rows():
        one = found[f"{row['campaign']}-{row['policy']}"]
        at = datetime.fromisoformat(row["timestamp"])
        one.impressions += 1
        one.clicks += row["click"] == "1"
        one.segments.add("-".join(row[name] for name in SEGMENTS))
        one.days["berlin"][at.astimezone(BERLIN).date()] += 1
        one.days["utc"][at.astimezone(UTC).date()] += 1
        one.days["utc clicks"][at.astimezone(UTC).date()] += row["click"] == "1"
    return found


def percent(part: int, whole: int) -> Decimal:
    return (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)


async def imported(database: Database, workspace: int, rejects: Path) -> dict[str, int]:
    """Imports the log; answers the campaigns' ids by key."""
    job = Job(LOG, mapping.parse(FIELDS, MAPS), create_campaigns=True, rejects=rejects)
    result = await import_file(database, workspace, job)
    assert result.counts == Counts(rows_read=60_000, accepted=60_000)
    again = await import_file(database, workspace, Job(**{**vars(job), "again": True}))
    assert again.counts == Counts(rows_read=60_000, duplicates=60_000)
    async with database.write(workspace) as transaction:
        keys = [f"{campaign}-{policy}" for campaign in ("all", "men", "women") for policy in ("bts", "random")]
        return await campaigns.ids_of_keys(transaction, keys)


async def test_the_real_log_agrees_with_a_plain_count(
    database: Database, workspace: int, counted: dict[str, Counted], tmp_path: Path
) -> None:
    ids = await imported(database, workspace, tmp_path / "rejects")
    assert ids.keys() == counted.keys()
    keys = {number: key for key, number in ids.items()}
    reads = database.reads(workspace)
    numbers = {keys[row.id]: row for row in await metrics.of_campaigns(reads, NUMBERS, ALL_TIME, list(keys))}
    windowed = await metrics.of_campaigns(reads, NUMBERS, Window(datetime(2019, 1, 1, tzinfo=UTC)), list(keys))
    answers = await metrics.series_of_campaigns(reads, NUMBERS, "DAY", ALL_TIME, list(keys))
    series = [row for rows in answers if not isinstance(rows, Exception) for row in rows]
    await reads.close()
    for key, one in counted.items():
        row = numbers[key]
        assert (row.impressions, row.clicks) == (one.impressions, one.clicks)
        assert (row.reach, row.unique_impressions) == (len(one.segments), len(one.segments))
        # The log measures no viewability and knows no conversions.
        assert (row.viewable_impressions, row.conversions) == (0, 0)
        assert percent(row.clicks, row.impressions) == percent(one.clicks, one.impressions)
        assert next(tuple(other) for other in windowed if other.id == row.id) == tuple(row)
        days = {p.start.astimezone(BERLIN).date(): p.impressions for p in series if p.id == row.id and p.impressions}
        assert days == one.days["berlin"]
    assert sum(row.clicks for row in numbers.values()) == 287


async def test_its_days_in_utc(database: Database, counted: dict[str, Counted], tmp_path: Path) -> None:
    workspace = await workspaces.create(database, "utc", "UTC", "UTC", "EUR")
    ids = await imported(database, workspace, tmp_path / "rejects")
    reads = database.reads(workspace)
    answers = await metrics.series_of_campaigns(
        reads, frozenset({"impressions", "clicks"}), "DAY", ALL_TIME, list(ids.values())
    )
    series = [row for rows in answers if not isinstance(rows, Exception) for row in rows]
    await reads.close()
    for key, number in ids.items():
        points = {point.start.astimezone(UTC).date(): point for point in series if point.id == number}
        assert {day: p.impressions for day, p in points.items() if p.impressions} == counted[key].days["utc"]
        assert +Counter({day: p.clicks for day, p in points.items()}) == +counted[key].days["utc clicks"]
