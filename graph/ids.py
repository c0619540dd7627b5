"""Global ids as Relay has them: base64 of ``Type:key``. A key is the bigint of one table's row."""

import base64
import binascii
import re
from typing import Any

import strawberry

from db.errors import Problem, Refused, invalid
from graph.errors import bad_input
from graph.execution import Attribute
from graph.leaves import GlobalId

_ID = re.compile(r"([A-Z][A-Za-z]*):([1-9]\d{0,18})", re.ASCII)


@strawberry.interface(description="Anything that has a global id.")
class Node:
    """The Relay node. Its rows say in ``typename`` what they are."""

    id: strawberry.ID = strawberry.field(description="Global id, opaque, unique over all types.")

    @classmethod
    def resolve_type(cls, row: Any, _info: Any, _abstract: Any) -> str:
        """The type of a row that a field of an interface answers."""
        return str(row.typename)

    @classmethod
    def is_type_of(cls, _row: Any, _info: Any) -> bool:
        """Rows are not instances of the types that show them: the statement knows what it selected."""
        return True


def global_id(type_name: str) -> Any:
    """The field ``id`` of a type, from the key of its row."""

    def resolve(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(encode(type_name, root.id))

    resolve.hint = Attribute("id", GlobalId(type_name))  # type: ignore[attr-defined]
    return strawberry.field(resolver=resolve, description="Global id, opaque, unique over all types.")


class BadId(ValueError):
    """A text that is no global id, or one of another type."""


def encode(type_name: str, key: int) -> str:
    """The global id of a row."""
    return GlobalId(type_name)(key)


def parts(global_id: str) -> tuple[str, int]:
    """Type and key of a global id. Raises BadId."""
    try:
        match = _ID.fullmatch(base64.b64decode(global_id, validate=True).decode("ascii"))
    except (ValueError, binascii.Error):
        match = None
    if match is None or int(match[2]) >= 2**63:
        raise BadId("This is not an id of this API.")
    return match[1], int(match[2])


def key_of(type_name: str, global_id: str) -> int:
    """The key of a global id that must be of one type. Raises BadId."""
    found, key = parts(global_id)
    if found != type_name:
        raise BadId(f"This is the id of {_a(found)}; {_a(type_name)} is needed.")
    return key


def _a(type_name: str) -> str:
    return f"{'an' if type_name[0] in 'AEIOU' else 'a'} {type_name}"


def argument(type_name: str, global_id: str, name: str = "id") -> int:
    """The key of an id in a query's argument. Raises the error that the caller sees."""
    try:
        return key_of(type_name, global_id)
    except BadId as error:
        raise bad_input(f"{name}: {error}") from None


def required(type_name: str, global_id: str, *field: str) -> int:
    """The key of an id in a mutation's input. Raises Refused."""
    problems: list[Problem] = []
    key = checked(type_name, global_id, problems, *field)
    if key is None:
        raise Refused(problems)
    return key


def checked(type_name: str, global_id: str | None, problems: list[Problem], *field: str) -> int | None:
    """The key of an id in a mutation's input, or None; what is wrong with it is added to ``problems``."""
    if global_id is None:
        return None
    try:
        return key_of(type_name, global_id)
    except BadId as error:
        problems.append(invalid(str(error), *field))
        return None
