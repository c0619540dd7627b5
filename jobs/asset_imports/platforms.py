"""What platforms export of their own ads, read from files: an adapter for each platform that has one."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Protocol

from db.errors import ProblemCode
from db.models.asset_items import NewAsset
from db.models.asset_kinds import AssetType
from db.models.platforms import Platform
from jobs.asset_imports.manifests import MOST_ROWS, Row
from jobs.asset_imports.tables import Cells, Table, refused


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
        table = Table(file)
        missing = [name for name in self._NEEDED if name not in table.header]
        if missing:
            message = (
                f"This is no history of Microsoft Advertising's ads: the columns {', '.join(missing)} are missing."
            )
            raise refused(message, ProblemCode.UNSUPPORTED_TYPE)
        latest: dict[str, tuple[int, Cells]] = {}
        broken: list[Row] = []
        for index, cells, problems in table.rows():
            if problems:
                broken.append(Row(index, cells.get("id"), problems=problems))
                continue
            known = latest.get(cells["id"])
            if known is None or cells["modified_time"] >= known[1]["modified_time"]:
                latest[cells["id"]] = index, cells
        if len(latest) > MOST_ROWS:
            raise refused(f"At most {MOST_ROWS:,} ads.", ProblemCode.TOO_LARGE)
        yield from broken
        for index, cells in sorted(latest.values(), key=lambda one: one[0]):
            yield _microsoft_ad(index, cells)


def _microsoft_ad(index: int, cells: Cells) -> Row:
    headline = " | ".join(cells[name] for name in ("title", "title_part_2", "title_part_3") if cells[name])
    kept = ("status", "type", "final_url", "domain", "ad_group_id", "modified_time")
    asset = NewAsset(
        AssetType.HEADLINE,
        name=cells["title"][:200] or None,
        title=cells["title"][:300] or None,
        headline_text=headline,
        external_asset_id=cells["id"],
        platform_metadata={name: cells[name] for name in kept if cells.get(name)},
    )
    return Row(index, cells["id"], asset, list(asset.problems(has_file=False)))


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
