"""Making and changing leads, many at once, and letting people be mailed again.

What a batch makes of the leads that it names is worked out before anything is written: item by item, as if each had come by
itself. Nobody else can take one of its keys or addresses meanwhile (they are held in stripes, whoever has them), and its leads
are locked, so that writers of the same leads come one after the other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import text

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, not_found
from db.models.lead_items import NewLead, lead_words, variables_in

_CLASS = 731_628
_STRIPES = 64
_TAKEN = "Another lead has this address."
_OTHER_KEY = "The lead of this address has another key."


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: ids by position, and what is wrong with the items that were not taken."""

    created: int = 0
    updated: int = 0
    ids: Mapping[int, int] = field(default_factory=dict)
    rejected: Mapping[int, Problem] = field(default_factory=dict)


@dataclass(slots=True)
class _Lead:
    """A lead as it will be. ``before``: its row; None where it is new."""

    key: str | None
    email: str
    name: str | None = None
    attributes: Any = None
    before: Any = None
    id: int = 0

    @property
    def address(self) -> str:
        return self.email.lower()

    @property
    def moves(self) -> bool:
        """Whether it gets another address than it had."""
        return self.before is not None and self.before.address != self.address

    @property
    def is_called_otherwise(self) -> bool:
        """Whether it is found by other words than before."""
        return self.before is None or _called(self.before) != _called(self)


def _called(lead: Any) -> tuple[Any, ...]:
    return lead.key, lead.email, lead.name


async def upsert(transaction: Transaction, items: Mapping[int, NewLead]) -> Outcome:
    """Makes and changes leads, by position, one after another. Each item is valid by itself."""
    if not items:
        return Outcome()
    batch = _Batch(await _hold(transaction, items.values()))
    for position, item in items.items():
        batch.take(position, item)
    await _write(transaction, batch.touched)
    ids = {position: lead.id for position, lead in batch.places.items()}
    return Outcome(batch.created, len(ids) - batch.created, ids, batch.rejected)


class _Batch:
    """Leads by their keys and addresses, as they are after each item."""

    def __init__(self, rows: Sequence[Any]) -> None:
        leads = [_Lead(row.key, row.email, row.name, row.attributes, row, row.id) for row in rows]
        self._by_key = {lead.key: lead for lead in leads if lead.key is not None}
        self._by_address = {lead.address: lead for lead in leads}
        self.created = 0
        self.places: dict[int, _Lead] = {}
        self.rejected: dict[int, Problem] = {}

    @property
    def touched(self) -> list[_Lead]:
        """The leads that items were taken for, each once, in the order of the items."""
        return list({id(lead): lead for lead in self.places.values()}.values())

    def take(self, position: int, item: NewLead) -> None:
        """Does to the leads what one item says, or rejects it."""
        lead = None if item.key is None else self._by_key.get(item.key)
        holder = self._by_address.get(item.address)
        if lead is None and holder is not None and None not in (item.key, holder.key):
            self.rejected[position] = conflict(_OTHER_KEY, "key")
        elif lead is not None and holder not in (None, lead):
            self.rejected[position] = conflict(_TAKEN, "email")
        else:
            self.places[position] = self._applied(lead or holder, item)

    def _applied(self, lead: _Lead | None, item: NewLead) -> _Lead:
        if lead is None:
            lead = _Lead(item.key, item.email)
            self.created += 1
        else:
            del self._by_address[lead.address]
        lead.email, lead.key = item.email, item.key or lead.key
        lead.name = item.values.get("name", lead.name)
        lead.attributes = item.values.get("attributes", lead.attributes)
        self._by_address[lead.address] = lead
        if lead.key is not None:
            self._by_key[lead.key] = lead
        return lead


async def _hold(transaction: Transaction, items: Collection[NewLead]) -> Sequence[Any]:
    """The leads that have one of the items' keys or addresses, locked; nobody else can take one of these any more."""
    keys = sorted({item.key for item in items if item.key is not None})
    addresses = sorted({item.address for item in items})
    stripes = sorted({sum(one.encode()) % _STRIPES for one in chain(keys, addresses)})
    workspace = transaction.workspace_id
    await transaction.run(_HOLD, {"workspace": workspace, "stripes": stripes})
    # In a statement of its own: it sees what those have written who held the stripes before.
    return await transaction.rows(_FIND, {"workspace": workspace, "keys": keys, "addresses": addresses})


async def _write(transaction: Transaction, leads: Sequence[_Lead]) -> None:
    known, new = [lead for lead in leads if lead.before is not None], [lead for lead in leads if lead.before is None]
    await _vacate(transaction, known)
    if known:
        await transaction.run(_UPDATE, {**_columns(transaction, known), "ids": [lead.id for lead in known]})
    if new:
        ids = {row.address: row.id for row in await transaction.rows(_INSERT, _columns(transaction, new))}
        for lead in new:
            lead.id = ids[lead.address]
    await _write_words(transaction, [lead for lead in leads if lead.is_called_otherwise])
    names = sorted({name for lead in leads for name in variables_in(lead.attributes)})
    if names:
        await transaction.run(_ATTRIBUTES, {"workspace": transaction.workspace_id, "names": names})
    await _suppress(transaction, [lead for lead in leads if lead.before is None or lead.moves])


def _columns(transaction: Transaction, leads: Sequence[_Lead]) -> dict[str, Any]:
    return {
        "workspace": transaction.workspace_id,
        "keys": [lead.key for lead in leads],
        "emails": [lead.email for lead in leads],
        "names": [lead.name for lead in leads],
        "attributes": [None if lead.attributes is None else orjson.dumps(lead.attributes).decode() for lead in leads],
    }


async def _vacate(transaction: Transaction, leads: Sequence[_Lead]) -> None:
    """Takes addresses from leads that move on, where another one is to have them: an address is never two leads', not even
    within a statement."""
    moving = [lead for lead in leads if lead.moves]
    wanted = {lead.address for lead in moving}
    ids = [lead.id for lead in moving if lead.before.address in wanted]
    if ids:
        await transaction.run(_VACATE, {"workspace": transaction.workspace_id, "ids": ids})


async def _write_words(transaction: Transaction, leads: Sequence[_Lead]) -> None:
    changed = [lead.id for lead in leads if lead.before is not None]
    if changed:
        await transaction.run(_FORGET_WORDS, {"workspace": transaction.workspace_id, "ids": changed})
    found = sorted((lead.id, word) for lead in leads for word in lead_words(lead.key, lead.email, lead.name))
    if found:
        values = {"ids": [one for one, _ in found], "words": [word for _, word in found]}
        await transaction.run(_WRITE_WORDS, {"workspace": transaction.workspace_id, **values})


async def _suppress(transaction: Transaction, leads: Sequence[_Lead]) -> None:
    """What people have said goes with them to another address; what was said from an address holds for who has it now."""
    moved = sorted((lead for lead in leads if lead.before is not None), key=lambda lead: lead.address)
    if moved:
        values = {"ids": [lead.id for lead in moved], "olds": [lead.before.address for lead in moved]}
        await transaction.run(_SUPPRESS, {"workspace": transaction.workspace_id, **values})
    if leads:
        ids = [lead.id for lead in leads]
        await transaction.run(_UNSUBSCRIBE, {"workspace": transaction.workspace_id, "ids": ids})


async def lift(transaction: Transaction, lead_id: int, field: str) -> None:
    """Lets a lead be mailed again: its address is no longer suppressed. Raises Refused."""
    values = {"workspace": transaction.workspace_id, "id": lead_id}
    lead = await transaction.row(_LOCK, values)
    if lead is None:
        raise Refused([not_found("No such lead.", field)])
    lifted = await transaction.run(_LIFT, {**values, "address": lead.address})
    if not lifted and lead.unsubscribed_at is None:
        raise Refused([conflict("Nothing keeps this lead from being mailed.", field)])
    await transaction.run(_SUBSCRIBE, values)


_MINE = "workspace_id = (SELECT CAST(:workspace AS bigint))"
_HOLD = text(
    f"SELECT pg_advisory_xact_lock({_CLASS}, key) FROM (SELECT ((CAST(:workspace AS bigint) * {_STRIPES} + stripe) "  # noqa: S608
    "% 2147483647)::int AS key FROM unnest(CAST(:stripes AS int[])) AS stripe ORDER BY key) AS keys"
)
# By their ids, so that either index is used. Who waited for a row sees it as it is then, even with another address.
_FIND = text(
    f"SELECT id, key, email, address, name, attributes FROM leads WHERE {_MINE} AND id = ANY (ARRAY("  # noqa: S608
    f"SELECT id FROM leads WHERE {_MINE} AND key = ANY (CAST(:keys AS text[])) "
    f"UNION ALL SELECT id FROM leads WHERE {_MINE} AND address = ANY (CAST(:addresses AS text[])))) "
    "ORDER BY id FOR NO KEY UPDATE"
)
_GIVEN = "CAST(:keys AS text[]), CAST(:emails AS text[]), CAST(:names AS text[]), CAST(:attributes AS text[])"
_INSERT = text(
    "INSERT INTO leads (workspace_id, key, email, address, name, attributes) "  # noqa: S608 - names only
    "SELECT CAST(:workspace AS bigint), key, email, lower(email), name, CAST(attributes AS jsonb) "
    f"FROM unnest({_GIVEN}) WITH ORDINALITY AS new (key, email, name, attributes, place) ORDER BY place RETURNING id, address"
)
_CHANGED = "key, email, name, attributes"
_UPDATE = text(
    "UPDATE leads SET key = new.key, email = new.email, address = lower(new.email), name = new.name, "  # noqa: S608
    "attributes = CAST(new.attributes AS jsonb), updated_at = now() "
    f"FROM unnest(CAST(:ids AS bigint[]), {_GIVEN}) AS new (id, key, email, name, attributes) "
    f"WHERE leads.{_MINE} AND leads.id = new.id AND (leads.key, leads.email, leads.name, leads.attributes) "
    "IS DISTINCT FROM (new.key, new.email, new.name, CAST(new.attributes AS jsonb))"
)
_VACATE = text(
    f"UPDATE leads SET email = 'moving.' || id, address = 'moving.' || id WHERE {_MINE} "  # noqa: S608
    "AND id = ANY (CAST(:ids AS bigint[]))"
)
_FORGET_WORDS = text(f"DELETE FROM lead_words WHERE {_MINE} AND lead_id = ANY (CAST(:ids AS bigint[]))")  # noqa: S608
_WRITE_WORDS = text(
    "INSERT INTO lead_words (workspace_id, lead_id, word) SELECT CAST(:workspace AS bigint), found.* "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:words AS text[])) AS found (lead_id, word)"
)
_ATTRIBUTES = text(
    "INSERT INTO lead_attributes (workspace_id, name) SELECT CAST(:workspace AS bigint), name "
    "FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS new (name, place) ORDER BY place ON CONFLICT DO NOTHING"
)
# A bounce is the address's; that somebody unsubscribed or complained is the person's.
_SUPPRESS = text(
    "INSERT INTO suppressions (workspace_id, address, reason, recipient_id, since) "  # noqa: S608 - names only
    "SELECT leads.workspace_id, leads.address, CASE said.reason WHEN 'COMPLAINED' THEN 'COMPLAINED' ELSE 'UNSUBSCRIBED' END, "
    "said.recipient_id, coalesce(said.since, leads.unsubscribed_at) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:olds AS text[])) WITH ORDINALITY AS moved (id, old, place) "
    f"JOIN leads ON leads.{_MINE} AND leads.id = moved.id "
    f"LEFT JOIN suppressions AS said ON said.{_MINE} AND said.address = moved.old AND said.reason <> 'BOUNCED' "
    "WHERE said.reason IS NOT NULL OR leads.unsubscribed_at IS NOT NULL ORDER BY place ON CONFLICT DO NOTHING"
)
_UNSUBSCRIBE = text(
    "UPDATE leads SET unsubscribed_at = said.since, updated_at = now() FROM suppressions AS said "  # noqa: S608 - names only
    f"WHERE leads.{_MINE} AND leads.id = ANY (CAST(:ids AS bigint[])) AND leads.unsubscribed_at IS NULL "
    f"AND said.{_MINE} AND said.address = leads.address AND said.reason = 'UNSUBSCRIBED'"
)
_LOCK = text(f"SELECT address, unsubscribed_at FROM leads WHERE {_MINE} AND id = :id FOR NO KEY UPDATE")  # noqa: S608
_LIFT = text(f"DELETE FROM suppressions WHERE {_MINE} AND address = :address")  # noqa: S608
_SUBSCRIBE = text(f"UPDATE leads SET unsubscribed_at = NULL, updated_at = now() WHERE {_MINE} AND id = :id")  # noqa: S608
