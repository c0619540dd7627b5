"""What platforms export of their own ads, read from files: an adapter for each platform that has one."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol

from db.errors import ProblemCode, invalid
from db.models.asset_items import LONGEST_NAME, LONGEST_TITLE, NewAsset
from db.models.asset_kinds import MIB, AssetType
from db.models.platforms import Platform
from db.models.rules import json_problems
from jobs.asset_imports.manifests import MOST_ROWS, Row
from jobs.asset_imports.tables import Cells, Table, moment_of, refused

LARGEST_HISTORY = 64 * MIB


class PlatformFiles(Protocol):
    """Reads the files that a platform exports."""

    def rows(self, file: BinaryIO) -> Iterator[Row]:
        """The assets in a file. Raises Refused for one of another kind."""


class MicrosoftAds:
    """The history of ads of Microsoft Advertising: of the versions of an ad, the one that was modified last counts."""

    _NEEDED = (
        "id",
        "modified_time",
        "status",
        "type",
        "title",
        "title_part_2",
        "title_part_3",
        "final_url",
        "ad_group_id",
    )

    def rows(self, file: BinaryIO) -> Iterator[Row]:
        """An asset for each ad: its headline, as the parts of its title make it."""
        table = Table(file, LARGEST_HISTORY)
        missing = [name for name in self._NEEDED if name not in table.header]
        if missing:
            message = (
                f"This is no history of Microsoft Advertising's ads: the columns {', '.join(missing)} are missing."
            )
            raise refused(message, ProblemCode.UNSUPPORTED_TYPE)
        latest: dict[str, _Version] = {}
        for index, cells, problems in table.rows():
            key = cells.get("id", "").strip()
            modified = moment_of(cells.get("modified_time", ""))
            if not problems and not key:
                problems = [invalid("The id is missing.", "id")]
            if not problems and modified is None:
                problems = [invalid("This is no time.", "modified_time")]
            if problems or modified is None:
                yield Row(index, key or None, problems=problems)
            elif key not in latest or modified >= latest[key].modified:
                latest[key] = _Version(modified, index, cells)
            if len(latest) > MOST_ROWS:
                raise refused(f"At most {MOST_ROWS:,} ads.", ProblemCode.TOO_LARGE)
        for key, version in latest.items():
            yield _microsoft_ad(key, version)


class _Version(NamedTuple):
    """An ad as it was from a moment on."""

    modified: datetime
    row: int
    cells: Cells


def _microsoft_ad(key: str, version: _Version) -> Row:
    cells = version.cells
    headline = " | ".join(cells[name] for name in ("title", "title_part_2", "title_part_3") if cells[name].strip())
    kept = ("status", "type", "final_url", "domain", "ad_group_id", "modified_time")
    asset = NewAsset(
        AssetType.HEADLINE,
        name=cells["title"][:LONGEST_NAME].strip() or None,
        title=cells["title"][:LONGEST_TITLE] or None,
        headline_text=headline,
        external_asset_id=key,
        platform_metadata={name: cells[name] for name in kept if cells.get(name)},
    )
    problems = [*asset.problems(has_file=False), *json_problems("platform_metadata", asset.platform_metadata)]
    return Row(version.row, key, asset, problems)


_ADAPTERS: Mapping[Platform, PlatformFiles] = {Platform.MICROSOFT_ADS: MicrosoftAds()}


def adapter_of(platform: Platform) -> PlatformFiles:
    """What reads a platform's files. Raises Refused where there is nothing yet that does."""
    found = _ADAPTERS.get(platform)
    if found is None:
        message = (
            f"There is no adapter yet for what {platform} exports. There is one for {', '.join(sorted(_ADAPTERS))}."
        )
        raise refused(message, ProblemCode.UNSUPPORTED_TYPE)
    return found
