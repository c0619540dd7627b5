"""What a log must not hold: secrets, and what clients sent. Taken out of every entry before it is written.

Nothing of the kind should be in an entry to begin with. What cannot be known before is the text of errors: PostgreSQL's tell
values of rows, drivers' the address of the database with its password, and libraries' whatever they were given.
"""

import re
from collections.abc import MutableMapping
from typing import Any

REDACTED = "[redacted]"
_WORDS = r"authori[sz]ation|token|passw(?:or)?d|secret|cookie|credential|api[_-]?key|private[_-]?key|signature|jwt|dsn"
_SECRETS = re.compile(_WORDS, re.IGNORECASE)
_WITH_PASSWORDS = re.compile(r"(?:database|smtp|object_store|jwks|public)_url", re.IGNORECASE)
_SENT = frozenset({"body", "variables", "query", "payload", "headers", "arguments", "params", "parameters"})
_DEEPEST = 6
# What a value in an error ends before, whatever is in it: the statement, and what SQLAlchemy and tracebacks say next. In a repr,
# lines end in letters.
_LINE = r"(?:\n|\\n)"
_END = rf"(?={_LINE}(?:\[SQL: |\(Background on |HINT: |CONTEXT: |{_LINE}(?:The above|During handling))|\Z)"
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The password of an address. One that holds an @ as it is ends at the last.
    (re.compile(r"(://)[^\s/?#]*@"), rf"\1{REDACTED}@"),
    (re.compile(r"\b(bearer|basic)\s+[^\s\"',;)}\]]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"\bgs_[\w-]{20,}"), REDACTED),
    (re.compile(rf"(\b[\w-]{{0,40}}(?:{_WORDS})[\w-]{{0,40}}=)[^&\s\"',;)]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (
        re.compile(rf"([\"'][\w-]{{0,40}}(?:{_WORDS})[\w-]{{0,40}}[\"']\s*[:,]\s*b?)([\"']).*?\2", re.IGNORECASE),
        rf"\1\2{REDACTED}\2",
    ),
    (re.compile(r"(/t/[ocu]/)[^\s\"'?]+"), rf"\1{REDACTED}"),
    (re.compile(rf"(DETAIL:\s*).*?{_END}", re.DOTALL), rf"\1{REDACTED}"),
    (re.compile(rf"(invalid input for query argument \$\d+: ).*?{_END}", re.DOTALL), rf"\1{REDACTED}"),
    (
        re.compile(rf"((?:invalid input (?:syntax|value)|out of range)[^\"\n]{{0,80}}: )\".*?\"{_END}", re.DOTALL),
        rf"\1{REDACTED}",
    ),
)


def redacted(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The entry without it: structlog's processor, to stand right before the one that writes it."""
    for name, value in entry.items():
        if not name.startswith("_"):  # structlog's own
            entry[name] = _value(name, value, 0)
    return entry


def text(given: str) -> str:
    """A text without it."""
    for pattern, instead in _TEXTS:
        given = pattern.sub(instead, given)
    return given


def _value(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value  # how many tokens there were is no token
    if name.lower() in _SENT or _SECRETS.search(name) or depth > _DEEPEST:
        return REDACTED
    if isinstance(value, str):
        return REDACTED if _WITH_PASSWORDS.search(name) and "@" in value else text(value)
    if isinstance(value, dict):
        return {key: _value(str(key), one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value("", one, depth + 1) for one in value]
    return text(repr(value))
