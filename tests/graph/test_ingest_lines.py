"""A line of events: every field is checked strictly, and all that is wrong is said."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from graph.ids import encode
from graph.ingest_events.lines import MOST_PROBLEMS, Line, line_of
from tests.facts import NOON, at
from tests.ingest import event

GIVEN = "This must be given."
TEXT = "This must be a text."
MOMENT = "Not an RFC 3339 date and time with offset, e.g. 2026-03-01T12:00:00Z: "
AMOUNT = 'Not an exact decimal number written as a string, e.g. "12.50": '
MONEY = 'This must be an object, e.g. {"amount": "12.50", "currency": "EUR"}.'
BOTH = "A value has an amount and a currency."


def read(given: Any, longest: int = 65_536) -> Line:
    """A line as it is read at noon."""
    return line_of(1, given if isinstance(given, bytes) else json.dumps(given).encode(), longest, NOON)


def wrong(given: Any) -> list[tuple[str, str, str]]:
    """The problems of a line: code, field, message."""
    return [(one.code.value, ".".join(one.field), one.message) for one in read(given).problems]


def test_a_line_says_what_an_event_is() -> None:
    given = event(
        "a",
        campaign=None,
        campaignId=encode("Campaign", 7),
        channelId=encode("Channel", 8),
        audienceId=encode("Audience", 9),
        type="CONVERSION",
        userId="u",
        value={"amount": "1.50", "currency": "EUR"},
        data=[1],
    )
    line = read(given)
    assert line.event == NewEvent("a", EventType.CONVERSION, 7, NOON, 8, 9, "u", Decimal("1.50"), "EUR", [1])
    assert (line.number, line.key, line.names, line.problems) == (1, "a", {}, [])


def test_names_are_looked_up_later() -> None:
    line = read(event("a", channel="Search", audience="Families"))
    assert line.names == {"campaign": "spring", "channel": "Search", "audience": "Families"}
    assert line.event == NewEvent("a", EventType.CLICK, 0, NOON)


def test_null_is_as_good_as_nothing() -> None:
    nothing = dict.fromkeys(["campaignId", "channelId", "channel", "audienceId", "audience", "userId", "value", "data"])
    assert read({**event("a"), **nothing}).event == NewEvent("a", EventType.CLICK, 0, NOON)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"key": 7}, ("INVALID", "key", TEXT)),
        ({"key": ""}, ("INVALID", "key", "This must not be empty.")),
        ({"key": "\t "}, ("INVALID", "key", "This must not be empty.")),
        ({"key": "x" * 201}, ("INVALID", "key", "At most 200 characters; there are 201.")),
        ({"key": "a\0"}, ("INVALID", "key", "A text cannot hold the character U+0000.")),
        ({"key": None}, ("INVALID", "key", GIVEN)),
        ({"type": "click"}, ("INVALID", "type", "This must be IMPRESSION, CLICK or CONVERSION.")),
        ({"type": ["CLICK"]}, ("INVALID", "type", "This must be IMPRESSION, CLICK or CONVERSION.")),
        ({"type": None}, ("INVALID", "type", GIVEN)),
        ({"campaign": None}, ("INVALID", "campaign_id", "Give campaignId, or campaign: its key.")),
        ({"campaign": 7}, ("INVALID", "campaign", TEXT)),
        ({"campaign": ""}, ("INVALID", "campaign", "This must not be empty.")),
        ({"campaign": None, "campaignId": 7}, ("INVALID", "campaign_id", TEXT)),
        ({"campaign": None, "campaignId": "7"}, ("INVALID", "campaign_id", "This is not an id of this API.")),
        ({"channelId": ""}, ("INVALID", "channel_id", "This is not an id of this API.")),
        ({"channel": "a\0"}, ("INVALID", "channel", "A text cannot hold the character U+0000.")),
        ({"audience": {}}, ("INVALID", "audience", TEXT)),
        (
            {"audience": "a", "audienceId": encode("Audience", 9)},
            ("INVALID", "audience", "Give audienceId or audience, not both."),
        ),
        ({"userId": False}, ("INVALID", "user_id", TEXT)),
        ({"userId": ""}, ("INVALID", "user_id", "This must not be empty.")),
        ({"occurredAt": None}, ("INVALID", "occurred_at", GIVEN)),
        ({"occurredAt": "2026-03-01T12:00:00"}, ("INVALID", "occurred_at", f"{MOMENT}'2026-03-01T12:00:00'.")),
        ({"occurredAt": 1772366400}, ("INVALID", "occurred_at", f"{MOMENT}1772366400.")),
        ({"occurredAt": "2026-02-29T12:00:00Z"}, ("INVALID", "occurred_at", f"{MOMENT}'2026-02-29T12:00:00Z'.")),
        ({"occurredAt": at(minutes=6)}, ("INVALID", "occurred_at", "This has not happened yet: the time lies ahead.")),
        ({"value": "1.50"}, ("INVALID", "value", MONEY)),
        ({"value": {}}, ("INVALID", "value", BOTH)),
        ({"value": {"amount": "1.50"}}, ("INVALID", "value", BOTH)),
        ({"value": {"amount": 1.5, "currency": "EUR"}}, ("INVALID", "value.amount", f"{AMOUNT}1.5.")),
        ({"value": {"amount": "1e3", "currency": "EUR"}}, ("INVALID", "value.amount", f"{AMOUNT}'1e3'.")),
        ({"value": {"amount": "1", "currency": 978}}, ("INVALID", "value.currency", TEXT)),
        ({"value": {"amount": "-1", "currency": "EUR"}}, ("INVALID", "value", "This must be zero or more.")),
        (
            {"value": {"amount": "1", "currency": "eur"}},
            ("INVALID", "value", "A currency is three capital letters, ISO 4217."),
        ),
        ({"data": "x" * 16_383}, ("INVALID", "data", "At most 16,384 bytes of JSON; there are 16,385.")),
        ({"data": {"a": ["\0"]}}, ("INVALID", "data", "A text cannot hold the character U+0000.")),
        ({"campaign_id": "7"}, ("INVALID", "", 'There is no field "campaign_id".')),
        ({"value": {"amount": "1", "currency": "EUR", "tax": 0}}, ("INVALID", "value", 'There is no field "tax".')),
        ({"x" * 61: 0}, ("INVALID", "", f'There is no field "{"x" * 57}...".')),
    ],
)
def test_what_is_wrong_with_a_field_is_said(values: dict[str, Any], problem: tuple[str, str, str]) -> None:
    assert wrong(event("a") | values) == [problem]
    assert read(event("a") | values).event is None


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert [field for _, field, _ in wrong({})] == ["key", "type", "campaign_id", "occurred_at"]
    given = event(" ", type="", channelId="", userId=1, value=1, data="x" * 20_000, more=1)
    assert [field for _, field, _ in wrong(given)] == ["", "type", "channel_id", "user_id", "value", "key", "data"]


def test_not_more_is_said_than_anybody_reads() -> None:
    assert len(wrong({f"f{n}": n for n in range(1000)})) == MOST_PROBLEMS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "This is not JSON in UTF-8: look at character 2."),
        (b'{"key": "\xff"}', "This is not JSON in UTF-8: look at character 1."),
        (b'\xef\xbb\xbf{"key": "a"}', "This is not JSON in UTF-8: look at character 1."),
        (b'{"key": "a"} {"key": "b"}', "This is not JSON in UTF-8: look at character 14."),
        (b'{"key": "\\ud800"}', "This is not JSON in UTF-8: look at character 10."),
        (b'{"data": NaN}', "This is not JSON in UTF-8: look at character 10."),
        (b'{"data": ' + b"[" * 5000, "This is not JSON in UTF-8: look at character 1034."),
        (b'[{"key": "a"}]', "An event is a JSON object."),
        (b"null", "An event is a JSON object."),
    ],
)
def test_what_is_no_object_is_no_event(line: bytes, message: str) -> None:
    assert wrong(line) == [("INVALID", "", message)]


def test_data_that_is_nested_too_deeply_is_refused() -> None:
    given = json.dumps(event("a", data="?")).replace('"?"', "[" * 500 + "]" * 500).encode()
    message = "This is nested too deeply, or holds a number that is too large."
    assert wrong(given) == [("INVALID", "data", message)]
    given = json.dumps(event("a", data="?")).replace('"?"', "[" * 101 + "]" * 101).encode()
    assert wrong(given) == [("INVALID", "data", "At most 100 levels of JSON within each other.")]


@pytest.mark.parametrize("name", ["key", "type", "campaignId", "campaign", "userId", "occurredAt", "value", "amount"])
def test_a_field_that_is_nested_too_deeply_is_refused(name: str) -> None:
    given = event("a") | ({"value": {"amount": "?", "currency": "EUR"}} if name == "amount" else {name: "?"})
    nested = json.dumps(given).replace('"?"', "[" * 1000 + "]" * 1000).encode()
    assert len(wrong(nested)) == 1


def test_of_a_line_that_is_too_long_its_beginning_is_kept() -> None:
    line = read(b" " * 1025, 1024)
    assert (line.payload, line.key) == (b" " * 1024, None)
    assert [problem.message for problem in line.problems] == ["At most 1,024 bytes in a line."]


def test_a_time_is_read_as_utc() -> None:
    line = read(event("a", occurredAt="2026-03-01t14:30:00.123456+02:30"))
    assert line.event is not None
    assert line.event.occurred_at == datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
