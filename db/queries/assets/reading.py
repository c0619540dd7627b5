"""Assets by id, pages and counts of them, their tags and usages, and those that look alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, and_, any_, bindparam, false, func, select
from sqlalchemy.orm import aliased

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys, page_per_parent, pages
from db.models.asset_kinds import AssetType
from db.models.assets import Asset, AssetTerm, AssetUsage, Blob, BlobHashBand
from db.models.reported_items import REPORTED
from db.models.space_items import TAG
from db.models.spaces import SpaceAssetCount
from db.queries import terms
from db.queries.columns import Fields, Query, counted, own
from db.queries.terms import Looks, Terms
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    "performance": tuple(getattr(Asset, name) for name in REPORTED),
    "space": (Asset.space_id,),
    "duplicate_of": (Asset.duplicate_of_id,),
    "content_type": (Blob.content_type,),
    "width": (Blob.width,),
    "height": (Blob.height,),
    "duration_ms": (Blob.duration_ms,),
    "file_url": (Blob.path, Asset.file_name),
    "public_url": (Blob.path,),
    "thumbnail_url": (Blob.thumbnail_path,),
}
"""What the fields of an asset need, where it is not the column of their name."""
_OF_BLOB = frozenset({"content_type", "width", "height", "duration_ms", "file_url", "public_url", "thumbnail_url"})
NEWEST = Order("assets:newest", (Asset.id,), descending=True)
USAGES = Order("asset_usages:newest", (AssetUsage.used_at, AssetUsage.id), descending=True)
_LIVE = Asset.deleted_at.is_(None)
_TERMS = Terms(Asset, AssetTerm, "asset_id")


@dataclass(frozen=True)
class Filter:
    """Which assets. All that is given must hold. ``words``: each begins a word of name or description."""

    types: tuple[AssetType, ...] | None = None
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    sha256: str | None = None
    created_by: str | None = None
    include_deleted: bool = False

    def looks(self) -> "_Which":
        """What its statement looks like."""
        types = None if self.types is None else len(self.types)
        looks = Looks(len(self.tags), len(self.words))
        return _Which(types, looks, self.sha256 is not None, self.created_by is not None, self.include_deleted)

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        given: dict[str, Any] = {"sha256": self.sha256, "created_by": self.created_by}
        for index, kind in enumerate(self.types or ()):
            given[f"type_{index}"] = kind.value
        given["types"] = [kind.value for kind in self.types or ()]
        return {**given, **terms.values(self.tags, self.words)}


class _Which(NamedTuple):
    types: int | None
    terms: Looks
    sha256: bool
    created_by: bool
    deleted: bool

    @property
    def is_counted(self) -> bool:
        """Whether what spaces hold says already how many there are."""
        return not (sum(self.terms) or self.sha256 or self.created_by or self.deleted)


def _own(fields: Fields) -> Query:
    statement = own(Asset, NEEDS, fields)
    if _OF_BLOB.isdisjoint(fields):
        return statement
    return statement.outerjoin(Blob, and_(Blob.workspace_id == Asset.workspace_id, Blob.sha256 == Asset.sha256))


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The assets of these ids, deleted ones too, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return _own(fields).where(Asset.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, which: Filter, request: PageRequest) -> Page:
    """One page of the workspace's assets."""
    if which.types == ():
        return Page(NEWEST)
    values = {**which.values(), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, which.looks(), request.shape), values))


@prepared
def _listed(fields: Fields, which: _Which, shape: Shape) -> Query:
    ways = _TERMS.ways(which.terms, _each_type(which))
    if len(ways) == 1:
        return page(_own(fields).where(*ways[0]), NEWEST, shape)
    ids = select(Asset.id).where(Asset.workspace_id == workspace())
    keys = [page_of_keys(ids.where(*way), NEWEST, shape) for way in ways]
    return page(_own(fields).where(is_one_of(Asset.id, keys)), NEWEST, shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many assets the filter lets through. Of types alone: from what spaces hold."""
    looks = which.looks()
    statement = _counted(looks.types is not None) if looks.is_counted else _count(looks)
    return int((await reads.row(statement, which.values()))[0])


@prepared
def _counted(of_types: bool) -> Query:
    counts = SpaceAssetCount
    sums = select(func.coalesce(func.sum(counts.assets), 0)).where(counts.workspace_id == workspace())
    return sums.where(counts.type == any_(given_texts("types"))) if of_types else sums


@prepared
def _count(which: _Which) -> Query:
    statement = select(func.count()).select_from(Asset).where(Asset.workspace_id == workspace())
    return statement.where(*_all(which), *_TERMS.is_one(which.terms))


async def of_spaces(
    reads: Reads, fields: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of the assets of each space, in the order of the ids: one statement for all."""
    values = {"ids": ids, **which.values(), **NEWEST.parameters(request)}
    rows = await reads.rows(_of_spaces(fields, which.looks(), request.shape), values)
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_spaces(fields: Fields, which: _Which, shape: Shape) -> Query:
    ways = _TERMS.ways(which.terms, _each_type(which))
    if len(ways) == 1:
        return page_per_parent(_own(fields).where(*ways[0]), Asset.space_id, NEWEST, shape)
    ids = select(Asset.id).where(Asset.workspace_id == workspace())
    return page_per_parent(_own(fields), Asset.space_id, NEWEST, shape, parts=[ids.where(*way) for way in ways])


async def count_of_spaces(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many assets of each space the filter lets through, in the order of the ids."""
    looks = which.looks()
    statement = _counted_of_spaces(looks.types is not None) if looks.is_counted else _count_of_spaces(looks)
    return counted(await reads.rows(statement, {"ids": ids, **which.values()}), ids)


@prepared
def _counted_of_spaces(of_types: bool) -> Query:
    counts = SpaceAssetCount
    mine = [counts.workspace_id == workspace(), counts.space_id == any_(given_ids())]
    if of_types:
        mine.append(counts.type == any_(given_texts("types")))
    return select(counts.space_id, func.sum(counts.assets)).where(*mine).group_by(counts.space_id)


@prepared
def _count_of_spaces(which: _Which) -> Query:
    mine = (Asset.workspace_id == workspace(), Asset.space_id == any_(given_ids()))
    statement = select(Asset.space_id, func.count()).where(*mine, *_all(which), *_TERMS.is_one(which.terms))
    return statement.group_by(Asset.space_id)


def _each_type(which: _Which) -> list[list[ColumnElement[bool]]]:
    """The conditions of each type: an index finds each in order, but not several together. One that none meets where there is none."""
    if which.types is None:
        return [_others(which)]
    types = [Asset.type == bindparam(f"type_{index}", type_=Text) for index in range(which.types)]
    return [[one, *_others(which)] for one in types] or [[false()]]


def _all(which: _Which) -> list[ColumnElement[bool]]:
    types = [] if which.types is None else [Asset.type == any_(given_texts("types"))]
    return [*types, *_others(which)]


def _others(which: _Which) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [] if which.deleted else [_LIVE]
    if which.sha256:
        conditions.append(Asset.sha256 == bindparam("sha256", type_=Text))
    if which.created_by:
        conditions.append(Asset.created_by == bindparam("created_by", type_=Text))
    return conditions


async def tags_of(reads: Reads, ids: Sequence[int]) -> list[list[str]]:
    """The tags of each asset, in order, in the order of the ids."""
    found: dict[int, list[str]] = {}
    for asset_id, tag in await reads.rows(_tags_of(), {"ids": ids}):
        found.setdefault(asset_id, []).append(tag)
    return [found.get(one, []) for one in ids]


@prepared
def _tags_of() -> Query:
    mine = (AssetTerm.workspace_id == workspace(), AssetTerm.asset_id == any_(given_ids()), AssetTerm.kind == TAG)
    return select(AssetTerm.asset_id, AssetTerm.term).where(*mine).order_by(AssetTerm.asset_id, AssetTerm.term)


async def usages_of(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the usages of each asset, in the order of the ids: one statement for all."""
    rows = await reads.rows(_usages_of(fields, request.shape), {"ids": ids, **USAGES.parameters(request)})
    return pages(USAGES, request, rows, ids)


@prepared
def _usages_of(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(AssetUsage, {}, fields), AssetUsage.asset_id, USAGES, shape)


async def count_usages_of(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many usages of each asset were told, in the order of the ids."""
    return counted(await reads.rows(_count_usages_of(), {"ids": ids}), ids)


@prepared
def _count_usages_of() -> Query:
    mine = (Asset.workspace_id == workspace(), Asset.id == any_(given_ids()))
    return select(Asset.id, Asset.reused_count).where(*mine)


async def similar(reads: Reads, farthest: int, most: int, ids: Sequence[int]) -> list[list[Any]]:
    """The assets whose images look like each one's, in the order of the ids: rows of ``id`` and ``distance``, the nearest
    first, then the newest. Those of the very same bytes are left out."""
    rows = await reads.rows(_similar(), {"ids": ids, "farthest": farthest, "most": most})
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.of_id, []).append(row)
    return [found.get(one, []) for one in ids]


@prepared
def _similar() -> Query:
    mine, theirs = aliased(Asset, name="mine"), aliased(Asset, name="theirs")
    blob, other = aliased(Blob, name="blob"), aliased(Blob, name="other")
    band, alike = aliased(BlobHashBand, name="band"), aliased(BlobHashBand, name="alike")
    distance = func.bit_count(func.int8send(blob.image_hash.op("#")(other.image_hash)))
    same_band = and_(
        alike.workspace_id == band.workspace_id,
        alike.band == band.band,
        alike.value == band.value,
        alike.sha256 != band.sha256,
    )
    pairs = (
        select(mine.id.label("of_id"), other.sha256, distance.label("distance"))
        .distinct()
        .join(blob, and_(blob.workspace_id == mine.workspace_id, blob.sha256 == mine.sha256))
        .join(band, and_(band.workspace_id == blob.workspace_id, band.sha256 == blob.sha256))
        .join(alike, same_band)
        .join(other, and_(other.workspace_id == alike.workspace_id, other.sha256 == alike.sha256))
        .where(mine.workspace_id == workspace(), mine.id == any_(given_ids()))
        .where(distance <= bindparam("farthest", type_=Integer))
        .subquery("pairs")
    )
    place = func.row_number().over(partition_by=pairs.c.of_id, order_by=(pairs.c.distance, theirs.id.desc()))
    ranked = (
        select(pairs.c.of_id, theirs.id, pairs.c.distance, place.label("place"))
        .join(theirs, theirs.sha256 == pairs.c.sha256)
        .where(theirs.workspace_id == workspace(), theirs.deleted_at.is_(None))
        .subquery("ranked")
    )
    return (
        select(ranked.c.of_id, ranked.c.id, ranked.c.distance)
        .where(ranked.c.place <= bindparam("most", type_=BigInteger))
        .order_by(ranked.c.of_id, ranked.c.place)
    )
