"""Where comments stand in their threads, and the counts that they and their removal change above them.

Nothing recurses in Python: PostgreSQL walks up to the root, and here every place is passed once, deepest first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.errors import Problem, conflict, invalid, not_found
from db.models.engagement_items import NewEngagement


@dataclass(slots=True)
class Place:
    """A comment in its thread. ``replies``, ``listed`` and ``descendants`` are what is added to its counts.

    ``below`` is how many comments below it stand, before that is added.
    """

    id: int
    campaign_id: int
    root_id: int
    depth: int
    parent: "Place | None" = None
    is_new: bool = True
    is_deleted: bool = False
    below: int = 0
    replies: int = 0
    listed: int = 0
    descendants: int = 0

    @property
    def is_listed(self) -> bool:
        """Whether it stands or something below it does, with what was added."""
        return not self.is_deleted or self.below + self.descendants > 0


Places = dict[int, Place]
"""By id."""


async def lock_upwards(transaction: Transaction, ids: Collection[int], known: Places) -> None:
    """Locks comments and all that is above them, and adds those that there are to ``known``."""
    wanted = sorted(set(ids) - known.keys())
    if not wanted:
        return
    rows = await transaction.rows(_UPWARDS, {"ids": wanted, "workspace": transaction.workspace_id})
    for row in sorted(rows, key=lambda row: row.depth):
        if row.id not in known:
            known[row.id] = Place(
                row.id,
                row.campaign_id,
                row.root_id,
                row.depth,
                known.get(row.parent_id),
                is_new=False,
                is_deleted=row.deleted_at is not None,
                below=row.descendant_count,
            )


def place(
    items: Mapping[int, NewEngagement], ids: Mapping[int, int], by_key: Mapping[str, int], known: Places
) -> tuple[Places, dict[int, Problem]]:
    """Places for new comments, by id, and what is wrong with those that cannot have one.

    Items, their new ids and the problems go by position. A parent is in ``known``, directly or through ``by_key``, or
    it is another of the items.
    """
    own_key: dict[str | None, int] = {item.key: position for position, item in items.items() if item.key is not None}
    waiting: dict[int, list[int]] = {}
    ready: list[int] = []
    for position, item in items.items():
        awaited = own_key.get(item.parent_key) if item.parent_key not in by_key else None
        if awaited is None:
            ready.append(position)
        else:
            waiting.setdefault(awaited, []).append(position)
    places: Places = {}
    problems: dict[int, Problem] = {}
    done: dict[int, Place] = {}
    while ready:
        position = ready.pop()
        item = items[position]
        parent = _parent(item, by_key, known, own_key, done)
        problem = None if parent is None and not _replies(item) else _unfit(parent, item)
        if problem is None:
            done[position] = places[ids[position]] = _below(parent, ids[position], item)
        else:
            problems[position] = problem
        ready += waiting.pop(position, [])
    # What is left waits for itself, in a circle.
    problems |= {position: UNKNOWN for positions in waiting.values() for position in positions}
    return places, problems


UNKNOWN = not_found("No such comment to reply to.", "parent_id")


def _replies(item: NewEngagement) -> bool:
    return item.parent_id is not None or item.parent_key is not None


def _parent(
    item: NewEngagement,
    by_key: Mapping[str, int],
    known: Places,
    own_key: Mapping[str | None, int],
    done: Mapping[int, Place],
) -> Place | None:
    if item.parent_key is None:
        return known.get(item.parent_id or 0)
    if item.parent_key in by_key:
        return known.get(by_key[item.parent_key])
    return done.get(own_key.get(item.parent_key, -1))


def _unfit(parent: Place | None, item: NewEngagement) -> Problem | None:
    if parent is None:
        return UNKNOWN
    if parent.campaign_id != item.campaign_id:
        return invalid("The comment to reply to is on another campaign.", "parent_id")
    if parent.is_deleted:
        return conflict("The comment to reply to was deleted.", "parent_id")
    return None


def _below(parent: Place | None, own_id: int, item: NewEngagement) -> Place:
    if parent is None:
        return Place(own_id, item.campaign_id, own_id, 0)
    return Place(own_id, item.campaign_id, parent.root_id, parent.depth + 1, parent)


def tally(new: Iterable[Place], known: Iterable[Place]) -> None:
    """Adds up what new comments add to the counts above them."""
    for one in sorted([*new, *known], key=lambda one: one.depth, reverse=True):
        if one.parent is not None:
            one.parent.descendants += one.descendants + one.is_new
            one.parent.replies += one.is_new
            one.parent.listed += one.is_new


def take_out(gone: Place) -> bool:
    """Takes a comment out of the counts above it that is being deleted. Answers whether its root is no longer listed.

    With the last comment that stands below them, the tombstones above it go too.
    """
    gone.is_deleted = True
    child, parent = gone, gone.parent
    if parent is not None:
        parent.replies -= 1
    while parent is not None:
        parent.descendants -= 1
        if not child.is_listed:
            parent.listed -= 1
        child, parent = parent, parent.parent
    return not child.is_listed


async def write(transaction: Transaction, places: Sequence[Place]) -> None:
    """Adds to the counts of comments that are locked."""
    changed = [one for one in places if one.replies or one.listed or one.descendants]
    if changed:
        values: dict[str, Any] = {
            name: [getattr(one, name) for one in changed] for name in ("id", "replies", "listed", "descendants")
        }
        await transaction.run(_WRITE, values | {"workspace": transaction.workspace_id})


_UPWARDS = text(
    "WITH RECURSIVE up AS ("
    "SELECT id, parent_id FROM engagements WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND id = ANY(CAST(:ids AS bigint[])) AND type = 'COMMENT' "
    "UNION SELECT e.id, e.parent_id FROM engagements e JOIN up ON e.id = up.parent_id "
    "WHERE e.workspace_id = (SELECT CAST(:workspace AS bigint))) "
    "SELECT id, campaign_id, parent_id, root_id, depth, deleted_at, descendant_count FROM engagements "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND id IN (SELECT id FROM up) "
    "ORDER BY id FOR NO KEY UPDATE"
)
_WRITE = text(
    "UPDATE engagements SET reply_count = reply_count + new.replies, "
    "listed_reply_count = listed_reply_count + new.listed, descendant_count = descendant_count + new.descendants "
    "FROM unnest(CAST(:id AS bigint[]), CAST(:replies AS bigint[]), CAST(:listed AS bigint[]), "
    "CAST(:descendants AS bigint[])) AS new (id, replies, listed, descendants) "
    "WHERE engagements.workspace_id = (SELECT CAST(:workspace AS bigint)) AND engagements.id = new.id"
)
