"""The scalars of the contract: strict about what comes in, one spelling of what goes out."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from starlette.datastructures import UploadFile
from strawberry.file_uploads import Upload
from strawberry.types.scalar import ScalarDefinition

from graph.execution import Own

BigInt = NewType("BigInt", int)

LARGEST = 2**53 - 1
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)


def _parse_datetime(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError(f"Not an RFC 3339 date and time with offset, e.g. 2026-03-01T12:00:00Z: {_shown(value)}.")


def _serialize_datetime(value: datetime) -> datetime:
    return value.astimezone(UTC)  # graph.encoding spells it


def _parse_date(value: Any) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise GraphQLError(f"Not a calendar date, e.g. 2026-03-01: {_shown(value)}.")


def _serialize_date(value: date) -> date:
    if type(value) is not date:
        raise TypeError(f"not a date: {_shown(value)}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST:
        return value
    raise GraphQLError(f"Not a whole number within plus or minus 2^53-1: {_shown(value)}.")


def _parse_decimal(value: Any) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise GraphQLError(f'Not an exact decimal number written as a string, e.g. "12.50": {_shown(value)}.')


def _serialize_decimal(value: Decimal) -> str:
    return format(value, "f")


def _parse_upload(value: Any) -> UploadFile:
    if isinstance(value, UploadFile):
        return value
    raise GraphQLError(
        "Not a file: send one by POST as multipart/form-data, by the GraphQL multipart request specification."
    )


def _serialize_upload(_value: Any) -> None:
    raise TypeError("files are not answered")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 60 else f"{text[:57]}..."


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 date and time with offset. Answered in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        parse_value=_parse_datetime,
        serialize=_serialize_datetime,
    ),
    date: strawberry.scalar(
        name="Date",
        description="ISO 8601 calendar date, in the workspace's time zone.",
        parse_value=_parse_date,
        serialize=_serialize_date,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="Whole number within plus or minus 2^53-1, written as a JSON number.",
        parse_value=_whole,
        serialize=_whole,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="Exact decimal number, written as a string.",
        parse_value=_parse_decimal,
        serialize=_serialize_decimal,
    ),
    Upload: strawberry.scalar(
        name="Upload",
        description="A file that comes with the operation, by the GraphQL multipart request specification: over HTTP POST only.",
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
        parse_value=_parse_upload,
        serialize=_serialize_upload,
    ),
}

OWN: Mapping[str, Own] = {
    "DateTime": Own("type({v}) is {0} and {v}.tzinfo is {1}", datetime, UTC),
    "Date": Own("type({v}) is {0}", date),
    "BigInt": Own("type({v}) is {0} and -{1} <= {v} <= {1}", int, LARGEST),
}
"""Which values of these scalars are answered as they are."""
