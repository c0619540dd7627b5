"""A content item with its posts as it comes in, and what can be wrong with it. ``Given`` fields may be left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from db.errors import Problem, conflict, invalid
from db.models.platforms import Platform
from db.models.rules import text_problems, time_problems

LONGEST_TITLE = 300
LONGEST_SLUG = 200
LONGEST_DESCRIPTION = 2000
LONGEST_TAG = 100
LONGEST_URL = 2000
LONGEST_CAPTION = 10_000
LONGEST_EXTERNAL_ID = 200
LARGEST_FIGURE = 2**53 - 1
FIGURES = ("views", "impressions", "likes", "comments", "shares", "saves", "clicks")
"""What a platform reports of a post."""
NO_FIGURES: Mapping[str, None] = dict.fromkeys((*FIGURES, "figures_at"))
"""Among a post's values: takes its figures away, whatever moment they are of."""
MOST_TAGS = 100
MOST_POSTS = 100
"""Of one content item, in one change."""

_OF_POST = {"url": LONGEST_URL, "caption": LONGEST_CAPTION}
_DIGEST = 16  # hexadecimal digits


@dataclass(slots=True)
class NewPost:
    """A post to make or to change. ``values`` holds what is given of url, caption and posted_at, and perhaps NO_FIGURES;
    ``figures`` what is given of FIGURES; null clears. ``figures_at`` is the moment that the figures are of."""

    platform: Platform
    external_post_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, int | None] = field(default_factory=dict)
    figures_at: datetime | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """What it is known by in the workspace."""
        return self.platform.value, self.external_post_id

    def problems(self, now: datetime) -> Iterator[Problem]:
        """All that is wrong with it by itself."""
        yield from text_problems("external_post_id", self.external_post_id, LONGEST_EXTERNAL_ID)
        for name, longest in _OF_POST.items():
            text = self.values.get(name)
            if text is not None:
                yield from text_problems(name, text, longest, may_be_empty=True)
        posted_at = self.values.get("posted_at")
        if posted_at is not None:
            yield from time_problems("posted_at", posted_at, now)
        for name, figure in self.figures.items():
            if figure is not None and not 0 <= figure <= LARGEST_FIGURE:
                message = "This must be zero or more, and at most 2^53-1."
                yield Problem(invalid(message).code, message, ("figures", name))


@dataclass(slots=True)
class NewContent:
    """A content item to make or to change, by its slug. ``values`` holds what is given of description; ``tags`` are
    pairs of type and value, all of them, or None to leave them alone."""

    slug: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[tuple[str, str]] | None = None
    posts: Sequence[NewPost] = ()

    def problems(self, now: datetime) -> Iterator[Problem]:
        """All that is wrong with it by itself, its posts included."""
        yield from text_problems("title", self.title, LONGEST_TITLE)
        yield from text_problems("slug", self.slug, LONGEST_SLUG)
        description = self.values.get("description")
        if description is not None:
            yield from text_problems("description", description, LONGEST_DESCRIPTION, may_be_empty=True)
        yield from self._tag_problems()
        yield from self._post_problems(now)

    def _tag_problems(self) -> Iterator[Problem]:
        tags = self.tags or ()
        if len(tags) > MOST_TAGS:
            yield invalid(f"At most {MOST_TAGS} tags; there are {len(tags)}.", "tags")
        for index, (kind, value) in enumerate(tags):
            for name, text in (("type", kind), ("value", value)):
                for problem in text_problems(name, text, LONGEST_TAG):
                    yield Problem(problem.code, problem.message, ("tags", str(index), name))

    def _post_problems(self, now: datetime) -> Iterator[Problem]:
        if len(self.posts) > MOST_POSTS:
            yield invalid(f"At most {MOST_POSTS} posts; there are {len(self.posts)}.", "posts")
        seen: set[tuple[str, str]] = set()
        for index, post in enumerate(self.posts):
            for problem in post.problems(now):
                yield Problem(problem.code, problem.message, ("posts", str(index), *problem.field))
            if post.identity in seen:
                yield conflict("This post stands here twice.", "posts", str(index), "external_post_id")
            seen.add(post.identity)


def slug_of(platform: Platform, external_post_id: str) -> str:
    """The slug of the item that is made for a post which nobody said the item of: ``tiktok-7301``. Each post has its own.

    The platform's id stands in it as it is: those of YouTube differ by the case of a letter.
    """
    slug = f"{platform.value.lower()}-{external_post_id}"
    if len(slug) <= LONGEST_SLUG:
        return slug
    return f"{slug[: LONGEST_SLUG - _DIGEST - 1]}-{sha256(slug.encode()).hexdigest()[:_DIGEST]}"


def title_of(*texts: str | None) -> str | None:
    """A title made of the first of some texts that says anything: its first line, cut where it is too long. None: of none."""
    said = (text.strip() for text in texts if text is not None)
    return next((text.splitlines()[0][:LONGEST_TITLE].rstrip() for text in said if text), None)
