"""What a statement does, in a few words that hold nothing of anybody: its verb and its tables."""

import re
from functools import lru_cache

_VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|MERGE|BEGIN|COMMIT|ROLLBACK|COPY|LOCK|TRUNCATE)\b", re.IGNORECASE)
_CHANGE = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\s+(?:INTO|FROM|ONLY)?\s*\w", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|LOCK TABLE)\s+(?:ONLY\s+)?([a-z_][a-z0-9_.]*)(?!\s*\()", re.IGNORECASE)
_NAMED = re.compile(r"([a-z_][a-z0-9_]*)\s*(?:\([^()]*\)\s*)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b|\bON\s+UPDATE\b", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_WORDS = frozenset({"select", "set", "lateral", "unnest", "only", "values", "distinct"})
_MOST_TABLES = 4


@lru_cache(1_000)
def operation_of(sql: str) -> str:
    """The verb, in capitals. That of a WITH is the change in it, or SELECT; OTHER where there is none."""
    plain = _plain(sql)
    if plain.lstrip()[:4].upper() == "WITH":
        change = _CHANGE.search(plain)
        return change[1].upper() if change else "SELECT"
    verb = _VERB.search(plain)
    return verb[1].upper() if verb else "OTHER"


@lru_cache(1_000)
def summary_of(sql: str) -> str:
    """The verb and the tables, in the order in which the text names them first, like ``SELECT campaigns channels``."""
    plain = _plain(sql)
    made_here = {name.lower() for name in _NAMED.findall(plain)}
    tables = dict.fromkeys(name.lower() for name in _TABLE.findall(plain))
    real = [name for name in tables if name not in made_here and name not in _WORDS]
    return " ".join([operation_of(sql), *real[:_MOST_TABLES]])


def _plain(sql: str) -> str:
    """Without constants and comments, and without what only looks like an UPDATE."""
    return _LOCKING.sub("", _TEXT.sub("''", sql))
