"""Spaces by id, pages and counts of them, their tags and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Text, any_, bindparam, func, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys, page_per_parent, pages
from db.models.campaigns import Campaign
from db.models.platforms import Platform
from db.models.reported_items import REPORTED
from db.models.space_items import TAG
from db.models.spaces import Space, SpaceAssetCount, SpaceTerm
from db.models.workspaces import Workspace
from db.queries import terms
from db.queries.columns import Fields, Query, counted, own
from db.queries.terms import Looks, Terms
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    "performance": tuple(getattr(Space, name) for name in REPORTED),
    "budget": (Space.budget_amount, Space.budget_currency),
    "campaign": (Space.campaign_id,),
    "brand": (Space.brand_id,),
}
"""What the fields of a space need, where it is not the column of their name."""
NEWEST = Order("spaces:newest", (Space.id,), descending=True)
_LIVE = Space.deleted_at.is_(None)
_TERMS = Terms(Space, SpaceTerm, "space_id")
_TYPES: dict[str, Any] = {"brand_id": BigInteger, "campaign_id": BigInteger}
_FLAGS = ("is_template", "is_active", "is_archived")
_EQUAL = (
    "platform",
    "brand_id",
    "campaign_id",
    "category",
    "created_by",
)


@dataclass(frozen=True)
class Filter:
    """Which spaces. All that is given must hold. ``words``: each begins a word of name or description."""

    platform: Platform | None = None
    brand_id: int | None = None
    campaign_id: int | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    is_template: bool | None = None
    is_active: bool | None = None
    is_archived: bool | None = None
    words: tuple[str, ...] = ()
    created_by: str | None = None
    include_deleted: bool = False

    def looks(self) -> "_Which":
        """What its statement looks like."""
        equal = frozenset(name for name in _EQUAL if getattr(self, name) is not None)
        flags = frozenset((name, value) for name in _FLAGS if (value := getattr(self, name)) is not None)
        return _Which(equal, flags, Looks(len(self.tags), len(self.words)), self.include_deleted)

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        given = {name: value for name in _EQUAL if (value := getattr(self, name)) is not None}
        if self.platform is not None:
            given["platform"] = self.platform.value
        return {**given, **terms.values(self.tags, self.words)}


class _Which(NamedTuple):
    equal: frozenset[str]
    flags: frozenset[tuple[str, bool]]
    terms: Looks
    deleted: bool


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The spaces of these ids, deleted ones too, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Space, NEEDS, fields).where(Space.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, which: Filter, request: PageRequest) -> Page:
    """One page of the workspace's spaces."""
    values = {**which.values(), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, which.looks(), request.shape), values))


@prepared
def _listed(fields: Fields, which: _Which, shape: Shape) -> Query:
    statement, ways = own(Space, NEEDS, fields), _TERMS.ways(which.terms, [_conditions(which)])
    if len(ways) == 1:
        return page(statement.where(*ways[0]), NEWEST, shape)
    ids = select(Space.id).where(Space.workspace_id == workspace())
    keys = [page_of_keys(ids.where(*way), NEWEST, shape) for way in ways]
    return page(statement.where(is_one_of(Space.id, keys)), NEWEST, shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many spaces the filter lets through."""
    return int((await reads.row(_count(which.looks()), which.values()))[0])


@prepared
def _count(which: _Which) -> Query:
    statement = select(func.count()).select_from(Space).where(Space.workspace_id == workspace())
    return statement.where(*_conditions(which), *_TERMS.is_one(which.terms))


def _conditions(which: _Which) -> list[ColumnElement[bool]]:
    given = [
        getattr(Space, name) == bindparam(name, type_=_TYPES.get(name, Text)) for name in _EQUAL if name in which.equal
    ]
    flags = [getattr(Space, name).is_(value) for name, value in sorted(which.flags)]
    return [*([] if which.deleted else [_LIVE]), *given, *flags]


async def of_campaigns(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the spaces of each campaign, in the order of the ids: one statement for all."""
    rows = await reads.rows(_of_campaigns(fields, request.shape), {"ids": ids, **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_campaigns(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(Space, NEEDS, fields).where(_LIVE), Space.campaign_id, NEWEST, shape)


async def count_of_campaigns(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many spaces each campaign has, in the order of the ids."""
    return counted(await reads.rows(_count_of_campaigns(), {"ids": ids}), ids)


@prepared
def _count_of_campaigns() -> Query:
    mine = (Space.workspace_id == workspace(), Space.campaign_id == any_(given_ids()), _LIVE)
    return select(Space.campaign_id, func.count()).where(*mine).group_by(Space.campaign_id)


async def tags_of(reads: Reads, ids: Sequence[int]) -> list[list[str]]:
    """The tags of each space, in order, in the order of the ids."""
    found: dict[int, list[str]] = {}
    for space_id, tag in await reads.rows(_tags_of(), {"ids": ids}):
        found.setdefault(space_id, []).append(tag)
    return [found.get(one, []) for one in ids]


@prepared
def _tags_of() -> Query:
    mine = (SpaceTerm.workspace_id == workspace(), SpaceTerm.space_id == any_(given_ids()), SpaceTerm.kind == TAG)
    return select(SpaceTerm.space_id, SpaceTerm.term).where(*mine).order_by(SpaceTerm.space_id, SpaceTerm.term)


@dataclass(frozen=True)
class TypeCount:
    """How many assets of a type."""

    type: str
    count: int


@dataclass(frozen=True)
class Stats:
    """What a space holds, of assets that are not deleted. ``by_type`` by name, those without any left out."""

    asset_count: int
    total_asset_size_bytes: int
    stored_bytes: int
    reused_assets: int
    by_type: list[TypeCount]


async def stats_of(reads: Reads, ids: Sequence[int]) -> list[Stats]:
    """What each space holds, in the order of the ids: from counts, however many assets there are."""
    stored = {row.id: row.stored_bytes for row in await by_ids(reads, frozenset({"stored_bytes"}), ids)}
    counts: dict[int, list[Any]] = {}
    for row in await reads.rows(_counts_of(), {"ids": ids}):
        counts.setdefault(row.space_id, []).append(row)
    return [_stats(stored.get(one, 0), counts.get(one, ())) for one in ids]


def _stats(stored_bytes: int, counts: Sequence[Any]) -> Stats:
    return Stats(
        asset_count=sum(row.assets for row in counts),
        total_asset_size_bytes=sum(row.size_bytes for row in counts),
        stored_bytes=stored_bytes,
        reused_assets=sum(row.reused for row in counts),
        by_type=[TypeCount(row.type, row.assets) for row in counts],
    )


@prepared
def _counts_of() -> Query:
    counts = SpaceAssetCount
    mine = (counts.workspace_id == workspace(), counts.space_id == any_(given_ids()), counts.assets > 0)
    columns = (counts.space_id, counts.type, counts.assets, counts.size_bytes, counts.reused)
    return select(*columns).where(*mine).order_by(counts.space_id, counts.type)


@dataclass(frozen=True)
class Currencies:
    """In which currency a report is that says none: by the platform's own id of a campaign."""

    by_campaign: dict[str, str]
    default: str

    def of(self, external_campaign_id: str) -> str:
        """The currency of the space's budget, else of its campaign, else of the workspace."""
        return self.by_campaign.get(external_campaign_id, self.default)


async def currencies(reads: Reads, platform: Platform) -> Currencies:
    """The currencies of the platform's spaces that are not deleted and have an external campaign id."""
    rows = await reads.rows(_currencies(), {"platform": platform.value})
    default = (await reads.row(_workspace_currency())).currency
    return Currencies({row.external_campaign_id: row.currency for row in rows if row.currency}, default)


@prepared
def _currencies() -> Query:
    campaign = (Campaign.workspace_id == Space.workspace_id) & (Campaign.id == Space.campaign_id)
    currency = func.coalesce(Space.budget_currency, Campaign.currency).label("currency")
    mine = (
        Space.workspace_id == workspace(),
        Space.platform == bindparam("platform", type_=Text),
        Space.external_campaign_id.is_not(None),
        _LIVE,
    )
    return select(Space.external_campaign_id, currency).outerjoin(Campaign, campaign).where(*mine)


@prepared
def _workspace_currency() -> Query:
    return select(Workspace.currency).where(Workspace.id == workspace())
