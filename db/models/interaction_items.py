"""One interaction as it comes in, with the follower whose it is, and what can be wrong with it."""

from dataclasses import dataclass
from datetime import datetime

from db.errors import Problem, invalid
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.models.rules import past_problems, text_problems

LONGEST_KEY = 200
LONGEST_NAME = 200
LONGEST_URL = 2000
LONGEST_VALUE = 10_000
LARGEST_AUDIENCE = 2**53 - 1


@dataclass(slots=True)
class NewInteraction:
    """An interaction to record. Its post and that one's content are looked up before: None where it names no post."""

    key: str
    platform: Platform
    type: InteractionType
    occurred_at: datetime
    external_id: str
    username: str
    display_name: str | None = None
    profile_url: str | None = None
    audience_size: int | None = None
    external_post_id: str | None = None
    value: str | None = None
    post_id: int | None = None
    content_id: int | None = None

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it by itself; empty for nearly every one, and then cheap. Fields are those of this class."""
        found: list[Problem] = []
        for name, longest in _REQUIRED:
            text = getattr(self, name)
            if not 0 < len(text) <= longest or "\0" in text or not text.strip():
                found.extend(text_problems(name, text, longest))
        for name, longest in _OPTIONAL:
            text = getattr(self, name)
            if text is not None and (len(text) > longest or "\0" in text):
                found.extend(text_problems(name, text, longest, may_be_empty=True))
        post = self.external_post_id
        if post is not None and (not 0 < len(post) <= LONGEST_NAME or "\0" in post or not post.strip()):
            found.extend(text_problems("external_post_id", post, LONGEST_NAME))
        found.extend(past_problems("occurred_at", self.occurred_at, now))
        if self.audience_size is not None and not 0 <= self.audience_size <= LARGEST_AUDIENCE:
            found.append(invalid("This must be zero or more, and at most 2^53-1.", "audience_size"))
        return found


_REQUIRED = (("key", LONGEST_KEY), ("external_id", LONGEST_NAME), ("username", LONGEST_NAME))
_OPTIONAL = (("display_name", LONGEST_NAME), ("profile_url", LONGEST_URL), ("value", LONGEST_VALUE))
