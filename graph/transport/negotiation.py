"""What headers say of a request and of the answer to it: media types, characters, packing."""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, TypeVar

from starlette.types import Scope

T = TypeVar("T")

STREAMS = ("text/event-stream", "multipart/mixed")
"""The types of answers that stay open."""
_HEADERS = "groundswell.headers"
"""Where a scope has its headers by their names."""
_UTF_8 = frozenset({"utf-8", "utf8", "*"})
_LONGEST_KNOWN = 512
"""Bytes of a header whose meaning is remembered: clients send the same few again and again."""


class Media(NamedTuple):
    """A type that answers have."""

    name: str
    header: tuple[bytes, bytes]
    tells: bool
    """Whether a client trusts its status: with application/json all well-formed requests are answered with 200."""


JSON = Media("application/json", (b"content-type", b"application/json; charset=utf-8"), tells=False)
RESPONSE = Media(
    "application/graphql-response+json",
    (b"content-type", b"application/graphql-response+json; charset=utf-8"),
    tells=True,
)
_USUAL: Mapping[bytes | None, Media] = {
    None: JSON,
    b"*/*": JSON,
    b"application/json": JSON,
    b"application/graphql-response+json": RESPONSE,
}


class Kind(Enum):
    """What a body is."""

    JSON = "application/json"
    FORM = "multipart/form-data"


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers of a request by their names, those of one name joined as a list. All layers share what the first one made."""
    known: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if known is None:
        pairs = scope["headers"]
        known = dict(pairs)
        if len(known) < len(pairs):
            known = {}
            for name, value in pairs:
                known[name] = value if name not in known else b"%b, %b" % (known[name], value)
        scope[_HEADERS] = known
    return known


def media_of(accept: bytes | None) -> Media | None:
    """The type of an answer. None: none that there is would be taken.

    What a client likes best, and of what it likes the same, application/graphql-response+json if it names it.
    """
    return _USUAL.get(accept) or _known(_media_of, accept or b"")


def likes_json(accept: bytes) -> bool:
    """Whether a client that takes streams likes a whole answer as much: then what is no subscription is answered so."""
    return _known(_likes_json, accept)


def kind_of(content_type: bytes | None) -> Kind | None:
    """What a body is by its Content-Type; None: nothing that is taken."""
    return Kind.JSON if content_type == b"application/json" else _known(_kind_of, content_type or b"")


def takes_gzip(accept_encoding: bytes | None) -> bool:
    """Whether a client takes answers that are packed."""
    return accept_encoding is not None and _known(_takes_gzip, accept_encoding)


def _known(find: Callable[[bytes], T], header: bytes) -> T:
    return _remembered(find, header) if len(header) <= _LONGEST_KNOWN else find(header)  # type: ignore[return-value]


@lru_cache(maxsize=1024)
def _remembered(find: Callable[[bytes], object], header: bytes) -> object:
    return find(header)


def _media_of(accept: bytes) -> Media | None:
    ranges = _ranges(accept)
    if not ranges:  # as good as none
        return JSON
    liked = [(_quality(ranges, one), one.name in {name for name, _, _ in ranges}, one) for one in (JSON, RESPONSE)]
    quality, _, best = max(liked, key=lambda found: (found[0], found[1] and found[2] is RESPONSE, found[2] is JSON))
    return best if quality > 0 else None


def _likes_json(accept: bytes) -> bool:
    liked = {name: quality for name, _, quality in _ranges(accept)}
    json = max(liked.get(one.name, 0.0) for one in (JSON, RESPONSE))
    return json > 0 and json >= max(liked.get(name, 0.0) for name in STREAMS)


def _quality(ranges: list[tuple[str, dict[str, str], float]], media: Media) -> float:
    """How much a client likes a type: by the most specific of its ranges that mean it."""
    for wanted in (media.name, "application/*", "*/*"):
        found = [quality for name, options, quality in ranges if name == wanted and _is_utf_8(options)]
        if found:
            return max(found)
    return 0


def _kind_of(content_type: bytes) -> Kind | None:
    name, options = _split(content_type.decode("latin-1").lower())
    if name == Kind.FORM.value:
        return Kind.FORM
    return Kind.JSON if name == Kind.JSON.value and _is_utf_8(options) else None


def _takes_gzip(accept_encoding: bytes) -> bool:
    liked = {name: quality for name, _, quality in _ranges(accept_encoding)}
    return max(liked.get("gzip", liked.get("*", 0.0)), liked.get("x-gzip", 0.0)) > 0


def _is_utf_8(options: Mapping[str, str]) -> bool:
    return options.get("charset", "utf-8") in _UTF_8


def _ranges(header: bytes) -> list[tuple[str, dict[str, str], float]]:
    """The entries of a list, in lower case: name, parameters, quality. One whose quality is no number is not wanted."""
    found = []
    for entry in header.decode("latin-1").lower().split(","):
        name, options = _split(entry)
        if name:
            found.append((name, options, _number(options.pop("q", "1"))))
    return found


def _split(entry: str) -> tuple[str, dict[str, str]]:
    name, *parameters = entry.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return name.strip(), {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _number(quality: str) -> float:
    digits = quality.replace(".", "", 1)
    return min(float(quality), 1.0) if digits.isascii() and digits.isdecimal() and len(quality) <= 8 else 0.0
