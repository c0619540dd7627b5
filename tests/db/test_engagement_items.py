"""What can be wrong with an engagement by itself."""

from datetime import timedelta

import pytest

from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import LONGEST_BODY, EngagementType
from tests.facts import NOON

EMPTY = "This must not be empty."
NO_NUL = "A text cannot hold the character U+0000."
SPAN = "Times reach from the year 2000 to a year ahead."


def wrong(item: NewEngagement) -> list[tuple[str, str]]:
    return [(".".join(problem.field), problem.message) for problem in item.problems(NOON)]


@pytest.mark.parametrize("kind", [EngagementType.LIKE, EngagementType.SAVE, EngagementType.BOOKMARK])
def test_a_reaction_has_no_key(kind: EngagementType) -> None:
    reaction = NewEngagement(kind, 1, "ada", NOON, key="k")
    assert wrong(reaction) == [("key", "A reaction is known by its actor and has no key.")]
    assert wrong(NewEngagement(EngagementType.SHARE, 1, "ada", NOON, key="k")) == []


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ("a", []),
        ("שלום ‏", []),
        ("x" * LONGEST_BODY, []),
        ("x" * (LONGEST_BODY + 1), ["At most 10000 characters; there are 10001."]),
        (None, [EMPTY]),
        (" \n", [EMPTY]),
        ("\u200b\u2060", [EMPTY]),
        ("a\0", [NO_NUL]),
    ],
)
def test_a_comment_has_a_text(body: str | None, messages: list[str]) -> None:
    item = NewEngagement(EngagementType.COMMENT, 1, "ada", NOON, body=body)
    assert wrong(item) == [("body", message) for message in messages]


def test_all_that_is_wrong_is_said_at_once() -> None:
    ahead = NOON + timedelta(days=367)
    item = NewEngagement(EngagementType.SHARE, 1, "", ahead, profile_id="\0", source="", location="l" * 201)
    assert wrong(item) == [
        ("user_id", EMPTY),
        ("profile_id", NO_NUL),
        ("location", "At most 200 characters; there are 201."),
        ("occurred_at", SPAN),
    ]
