"""What a statement does, in a few words that hold nothing of anybody: its verb and its tables."""

import re
from functools import lru_cache

from db import queue
from db.models import Base

_CHANGES = r"INSERT|UPDATE|DELETE|MERGE"
_VERB = re.compile(rf"\b(SELECT|{_CHANGES}|BEGIN|COMMIT|ROLLBACK|LOCK|TRUNCATE|COPY|CALL|SET)\b", re.IGNORECASE)
_CHANGE = re.compile(rf"\b({_CHANGES})\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?([a-z_][a-z0-9_.]*)", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b", re.IGNORECASE)
_CONSTANT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_TABLES = frozenset(Base.metadata.tables) | {str(queue.SETTINGS.qualified.queue_table)}
_MOST_TABLES = 4
_KNOWN = 1_000


@lru_cache(_KNOWN)
def operation_of(sql: str) -> str:
    """The verb, in capitals. That of a WITH is the change in it, or SELECT; OTHER where there is none."""
    plain = _plain(sql)
    if plain.lstrip()[:4].upper() == "WITH":
        change = _CHANGE.search(plain)
        return change[1].upper() if change else "SELECT"
    verb = _VERB.search(plain)
    return verb[1].upper() if verb else "OTHER"


@lru_cache(_KNOWN)
def tables_of(sql: str) -> tuple[str, ...]:
    """The tables of ours that it names, in the order in which it does first."""
    named = dict.fromkeys(name.lower() for name in _TABLE.findall(_plain(sql)))
    return tuple(name for name in named if name in _TABLES)


@lru_cache(_KNOWN)
def summary_of(sql: str) -> str:
    """The verb and the first tables, like ``SELECT campaigns channels``: there are only so many of these."""
    return " ".join([operation_of(sql), *tables_of(sql)[:_MOST_TABLES]])


def _plain(sql: str) -> str:
    """Without constants and comments, and without what only looks like an UPDATE."""
    return _LOCKING.sub("", _CONSTANT.sub("''", sql))
