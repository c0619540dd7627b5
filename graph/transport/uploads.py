"""Files with an operation: the GraphQL multipart request specification.

``operations`` is the operation as JSON, with null where a file stands; ``map`` says for each file which nulls it stands for.
"""

from typing import Any

import orjson
from starlette.datastructures import Headers, UploadFile

from graph.access import INGEST, Viewer
from graph.errors import unauthenticated
from graph.refusals import Refusal
from graph.settings import UploadLimits
from graph.transport.forms import Form, bad_form, shown, too_long

MEDIA_TYPE = "multipart/form-data"
PREFLIGHT = ("graphql-preflight", "apollo-require-preflight", "x-requested-with")
"""Headers that no page of another origin can send unless the browser asks us first."""
_MOST_DIGITS = 6
_MISSING = object()


def check(headers: Headers, limits: UploadLimits) -> None:
    """Looks at what the headers announce. Raises Refusal, before any of the body is read."""
    if not any(headers.get(name, "").strip() for name in PREFLIGHT):
        raise Refusal(
            400,
            "BAD_USER_INPUT",
            "Send a header GraphQL-Preflight: 1 with multipart/form-data. A form of another site cannot: so this is none.",
        )
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "UNSUPPORTED_TYPE", "A body with files is sent as it is, without a Content-Encoding.")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body_bytes:
        raise too_long(limits)


def check_viewer(viewer: Viewer | None) -> None:
    """Looks at who sends files: bytes of anybody else are not taken, whatever they are for. Raises Refusal, UNAUTHENTICATED."""
    if viewer is None:
        raise unauthenticated("Send a token: Authorization: Bearer ...")
    if INGEST.isdisjoint(viewer.scopes):
        raise Refusal(403, "FORBIDDEN", "Sending files needs a token with the scope write or ingest.")


def operation_of(form: Form) -> dict[str, Any]:
    """The operation of a body, with its files where they stand. Raises Refusal."""
    operations, places = _json(form, "operations"), _json(form, "map")
    if isinstance(operations, list):
        raise bad_form("A batch of operations cannot have files: send them one by one.")
    if not isinstance(operations, dict):
        raise bad_form("operations must be a JSON object with a query.")
    if not isinstance(places, dict) or not all(_are_places(one) for one in places.values()):
        raise bad_form('map must be a JSON object of lists of places, like {"0": ["variables.file"]}.')
    for name in form.files.keys() - places.keys():
        raise bad_form(f"The file {shown(name)} is not in map.")
    for name, its_places in places.items():
        if name not in form.files:
            raise bad_form(f"map names {shown(name)}, and there is no such file.")
        for place in its_places:
            _put(operations, place, form.files[name])
    return operations


def _json(form: Form, name: str) -> Any:
    if name not in form.fields:
        raise bad_form(f"There is no field {name}.")
    try:
        return orjson.loads(form.fields[name])
    except ValueError:
        raise bad_form(f"{name} is not JSON.") from None


def _are_places(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(one, str) for one in given)


def _put(operations: dict[str, Any], place: str, file: UploadFile) -> None:
    first, *others = place.split(".")
    if first != "variables" or not others:
        raise bad_form(f"A file stands for a variable, like variables.file; map says {shown(place)}.")
    holder: Any = operations.get("variables")
    for key in others[:-1]:
        holder = _at(holder, key)
    there = _at(holder, others[-1])
    if there is _MISSING:
        raise bad_form(f"map says {shown(place)}, and there is no such place in operations.")
    if there is not None:
        raise bad_form(f"Where a file stands, operations must be null; {shown(place)} is not.")
    holder[int(others[-1]) if isinstance(holder, list) else others[-1]] = file


def _at(holder: Any, key: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(key, _MISSING)
    if isinstance(holder, list) and key.isascii() and key.isdigit() and len(key) <= _MOST_DIGITS:
        return holder[int(key)] if int(key) < len(holder) else _MISSING
    return _MISSING
