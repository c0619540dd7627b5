"""Recording engagements: each once, whatever is sent twice or at the same time, and only what is new is counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Text, any_, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError

from db.engine import Transaction
from db.errors import Problem, conflict, constraint_of, not_found
from db.models.engagement import Engagement
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.live import ChangeKind
from db.queries import campaigns
from db.queries.engagement import counting, placing
from db.queries.engagement.counting import Fact
from db.queries.live import outbox

# In a race every round loses only to transactions that have committed since, so more than a few never happen.
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Recorded:
    """An engagement that is there now, and whether this made it."""

    id: int
    created: bool


Result: TypeAlias = Recorded | Problem
Items: TypeAlias = dict[int, NewEngagement]
"""By position in what was given."""


async def record(transaction: Transaction, items: Sequence[NewEngagement]) -> list[Result]:
    """Records engagements that are valid by themselves; answers for each, in order, what came of it.

    A reaction that its actor has made already, and a key that is known, answer the first one. A comment may reply to
    another one of the batch, in any order.
    """
    firsts: dict[Any, int] = {}
    same = [firsts.setdefault(_identity(item, position), position) for position, item in enumerate(items)]
    fresh = {position: item for position, item in enumerate(items) if same[position] == position}
    results: dict[int, Result] = await _record(transaction, fresh)
    return [
        results[first] if first == position else _again(items[position], items[first], results[first])
        for position, first in enumerate(same)
    ]


def _identity(item: NewEngagement, position: int) -> Any:
    found = item.identity()
    return position if found is None else (found,)


def _again(item: NewEngagement, first: NewEngagement, result: Result) -> Result:
    if isinstance(result, Problem):
        return result
    alike = (item.type, item.campaign_id, item.actor) == (first.type, first.campaign_id, first.actor)
    return Recorded(result.id, created=False) if alike else KEY_TAKEN


KEY_TAKEN = conflict("This key belongs to another engagement.", "key")
KEY_OF_DELETED = conflict("The comment of this key was deleted.", "key")


async def _record(transaction: Transaction, fresh: Items) -> dict[int, Result]:
    results: dict[int, Result] = {}
    owners = {row.id: row for row in await campaigns.for_recording(transaction, _sorted(fresh, "campaign_id"))}
    impressions = await counting.locked_impressions(transaction, _sorted(fresh, "impression_id"))
    for position, item in fresh.items():
        problem = _misplaced(item, owners, impressions)
        if problem is not None:
            results[position] = problem
    suspects: Items = {}
    for _ in range(_ROUNDS):
        # A round that is lost gives back what it locked: the next one may need more, and takes all in order again.
        await transaction.run(text("SAVEPOINT recording"))
        results |= await _known(transaction, _open(fresh, results), suspects)
        places: placing.Places = {}
        rows, new = await _prepared(transaction, _open(fresh, results), results, owners, places)
        suspects = await _inserted(transaction, rows, fresh) if rows else {}
        if not suspects:
            placing.tally(new.values(), places.values())
            await _count(transaction, {row["position"]: fresh[row["position"]] for row in rows}, impressions, new)
            await placing.write(transaction, [*new.values(), *places.values()])
            await outbox.append(transaction, [_added(row, fresh[row["position"]]) for row in rows])
            return results | {row["position"]: Recorded(row["id"], created=True) for row in rows}
        await transaction.run(text("ROLLBACK TO SAVEPOINT recording"))
        results = {position: result for position, result in results.items() if not _may_change(result)}
    raise RuntimeError("recording lost every race for its keys")


def _added(row: Mapping[str, Any], item: NewEngagement) -> outbox.Change:
    return outbox.engagement(ChangeKind.ADDED, item.campaign_id, row["id"], item.type)


def _sorted(items: Items, name: str) -> list[int]:
    return sorted({value for item in items.values() if (value := getattr(item, name)) is not None})


def _open(fresh: Items, results: Mapping[int, Result]) -> Items:
    return {position: item for position, item in fresh.items() if position not in results}


def _may_change(result: Result) -> bool:
    """Whether another round may find otherwise: a parent that was unknown may have come in with the race."""
    return isinstance(result, Problem) and result == placing.UNKNOWN


def _misplaced(item: NewEngagement, owners: Mapping[int, Any], impressions: Mapping[int, Any]) -> Problem | None:
    if item.campaign_id not in owners:
        return not_found("No such campaign.", "campaign_id")
    if item.impression_id is not None:
        row = impressions.get(item.impression_id)
        if row is None or row.campaign_id != item.campaign_id:
            return not_found("No such impression of this campaign.", "impression_id")
    return None


async def _known(transaction: Transaction, items: Items, suspects: Items) -> dict[int, Result]:
    """Those that are there already: by their keys, and the reactions among those that could not be inserted."""
    found: dict[int, Result] = {}
    keyed = {item.key: position for position, item in items.items() if item.key is not None}
    for row in await _by_keys(transaction, list(keyed)):
        position = keyed[row.key]
        found[position] = _answered(row, items[position])
    reactions = {item.identity(): position for position, item in suspects.items() if item.key is None}
    for row in await _reactions(transaction, [suspects[position] for position in reactions.values()]):
        found[reactions[row.type, row.campaign_id, _actor(row)]] = Recorded(row.id, created=False)
    return found


def _answered(row: Any, item: NewEngagement) -> Result:
    if (row.type, row.campaign_id, _actor(row)) != (item.type, item.campaign_id, item.actor):
        return KEY_TAKEN
    return Recorded(row.id, created=False) if row.is_listed else KEY_OF_DELETED


def _actor(row: Any) -> tuple[str, str | None, str | None]:
    return row.user_id, row.profile_type, row.profile_id


_IDENTIFIED = (
    Engagement.id,
    Engagement.key,
    Engagement.type,
    Engagement.campaign_id,
    Engagement.user_id,
    Engagement.profile_type,
    Engagement.profile_id,
    Engagement.is_listed,
)


async def _by_keys(transaction: Transaction, keys: Sequence[str]) -> list[Any]:
    if not keys:
        return []
    statement = select(*_IDENTIFIED).where(
        Engagement.workspace_id == transaction.workspace, Engagement.key == any_(literal(keys, ARRAY(Text)))
    )
    return await transaction.rows(statement)


async def _reactions(transaction: Transaction, items: Sequence[NewEngagement]) -> list[Any]:
    """The reactions that stand of some actors, profiles compared afterwards: their nulls are no values in SQL."""
    if not items:
        return []
    reactions = tuple_(Engagement.campaign_id, Engagement.type, Engagement.user_id)
    wanted = {(item.campaign_id, item.type.value, item.user_id) for item in items}
    statement = select(*_IDENTIFIED).where(
        Engagement.workspace_id == transaction.workspace, Engagement.deleted_at.is_(None), reactions.in_(wanted)
    )
    exactly = {(item.type, item.campaign_id, item.actor) for item in items}
    return [row for row in await transaction.rows(statement) if (row.type, row.campaign_id, _actor(row)) in exactly]


async def _prepared(
    transaction: Transaction,
    items: Items,
    results: dict[int, Result],
    owners: Mapping[int, Any],
    places: placing.Places,
) -> tuple[list[dict[str, Any]], placing.Places]:
    """The rows to insert, and the places of the comments among them. What has no place gets its problem."""
    comments = {position: item for position, item in items.items() if item.type == EngagementType.COMMENT}
    parents = [item.parent_key for item in comments.values() if item.parent_key is not None]
    by_key = {row.key: row.id for row in await _by_keys(transaction, sorted(set(parents)))}
    direct = [item.parent_id for item in comments.values() if item.parent_id is not None]
    await placing.lock_upwards(transaction, [*direct, *by_key.values()], places)
    ids = dict(zip(items, await _draw_ids(transaction, len(items)), strict=True))
    new, problems = placing.place(comments, ids, by_key, places)
    results |= problems
    placed = {position: item for position, item in items.items() if position not in problems}
    return [
        _row(position, item, ids[position], owners[item.campaign_id].brand_id, new.get(ids[position]))
        for position, item in placed.items()
    ], new


async def _draw_ids(transaction: Transaction, number: int) -> list[int]:
    if not number:
        return []
    draw = text("SELECT nextval('engagements_id_seq') FROM generate_series(1, :number)")
    return [row[0] for row in await transaction.rows(draw, {"number": number})]


def _row(
    position: int, item: NewEngagement, own_id: int, brand_id: int | None, where: placing.Place | None
) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(item, name, None) for name in _COLUMNS}
    row |= {"position": position, "id": own_id, "brand_id": brand_id, "type": item.type.value, "parent_id": None}
    if where is not None:
        row |= {"root_id": where.root_id, "depth": where.depth}
        row["parent_id"] = None if where.parent is None else where.parent.id
    return row


async def _inserted(transaction: Transaction, rows: Sequence[Mapping[str, Any]], items: Items) -> Items:
    """Inserts the rows and answers those that could not be: somebody has meanwhile their key or reaction.

    If there are any, what was inserted must not stand.
    """
    # In one order by everybody: who waits for a key holds none that comes behind it.
    ordered = sorted(rows, key=_contended)
    values: dict[str, Any] = {name: [row[name] for row in ordered] for name in _COLUMNS}
    try:
        done = {row.id for row in await transaction.rows(_INSERT, values | {"workspace": transaction.workspace_id})}
    except IntegrityError as error:
        if constraint_of(error) != "engagements_parent_fkey":
            raise
        done = set()  # among them is a comment to which another one here replies
    return {row["position"]: items[row["position"]] for row in rows if row["id"] not in done}


def _contended(row: Mapping[str, Any]) -> tuple[Any, ...]:
    profile = (row["profile_type"] or "", row["profile_id"] or "")
    return row["key"] or "", row["campaign_id"], row["type"], row["user_id"], *profile


async def _count(
    transaction: Transaction, items: Items, impressions: counting.Impressions, new: placing.Places
) -> None:
    facts = [
        Fact(item.type, item.campaign_id, item.actor, item.occurred_at, item.impression_id) for item in items.values()
    ]
    threads = Counter(one.campaign_id for one in new.values() if one.depth == 0)
    await counting.added(transaction, facts, impressions, threads)


_COLUMNS = {
    "id": "bigint",
    "campaign_id": "bigint",
    "brand_id": "bigint",
    "impression_id": "bigint",
    "type": "text",
    "key": "text",
    "user_id": "text",
    "profile_id": "text",
    "profile_type": "text",
    "source": "text",
    "device_type": "text",
    "location": "text",
    "occurred_at": "timestamptz",
    "body": "text",
    "parent_id": "bigint",
    "root_id": "bigint",
    "depth": "integer",
}
_INSERT = text(
    f"INSERT INTO engagements (workspace_id, {', '.join(_COLUMNS)}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - names only
    f"SELECT CAST(:workspace AS bigint), new.* FROM unnest({', '.join(f'CAST(:{n} AS {t}[])' for n, t in _COLUMNS.items())}) "
    "AS new ON CONFLICT DO NOTHING RETURNING id"
)
