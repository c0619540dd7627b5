"""What the platforms' exports of posts hold: one declaration for each kind of file, as data pipelines lay them down.

Another one is an entry of this table. Nothing else knows what the columns of a platform are called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from functools import cached_property
from typing import Any

from db.models.content_items import FIGURES
from db.models.platforms import Platform
from jobs.imports import values
from jobs.imports.errors import ImportFailedError
from jobs.imports.values import Parser

ID = "external_post_id"
AS_OF = "figures_at"
"""The field that says of which moment a row is. Of several rows of a post the latest counts."""


def count(raw: Any) -> int:
    """A whole number, also where it is written as a decimal one: ``3.0``."""
    try:
        number = values.amount(raw)
    except ValueError:
        number = None
    if number is None or number != number.to_integral_value() or abs(number) >= Decimal(10**18):
        raise ValueError("This must be a whole number.")
    return int(number)


def balance(raw: Any) -> int | None:
    """A count that the platform lets fall below zero; then it says nothing of how many there are, and is none."""
    number = count(raw)
    return None if number < 0 else number


def last_part(raw: Any) -> str:
    """The id at the end of a name like ``urn:li:share:6123``."""
    return values.text(raw).rpartition(":")[2]


@dataclass(frozen=True)
class Adapter:
    """How an export of a platform is read.

    ``columns``: by field, the column that feeds it, or several names that it may go by. Fields are those of a post, its
    figures, ``title`` and AS_OF. Figures for which there is no column, or nothing in it, are not reported: they are null.
    Times without an offset are of UTC, as all of these exports have them.
    """

    name: str
    platform: Platform
    reads: str
    """What the file is, and what it is usually called."""
    columns: Mapping[str, str | Sequence[str]]
    adds_up: bool = False
    """Whether a post's rows are parts, of days and countries, say, and its figures their sums. They are as of the latest."""
    special: Mapping[str, Parser] = field(default_factory=dict)
    """How fields are read that are not what they usually are."""

    @property
    def figures(self) -> list[str]:
        """The fields that are figures."""
        return [name for name in self.columns if name in FIGURES]

    @cached_property
    def parsers(self) -> Mapping[str, Parser]:
        """Of all fields that are not plain texts."""
        times = dict.fromkeys(("posted_at", AS_OF), values.moment(UTC))
        return {**times, **dict.fromkeys(FIGURES, count), **self.special}

    def templates(self, columns: Sequence[str]) -> dict[str, str]:
        """The column of each field in a file. Raises ImportFailedError where the file is another one."""
        names = {name: (given,) if isinstance(given, str) else given for name, given in self.columns.items()}
        found = {name: next((one for one in given if one in columns), None) for name, given in names.items()}
        missing = [" or ".join(names[name]) for name, column in found.items() if column is None]
        if missing:
            raise ImportFailedError(
                f"This is not what {self.name} reads, {self.reads}: it has no {_listed(missing)}. "
                + (f"It has the columns {', '.join(columns)}." if columns else "It has no columns.")
            )
        return {name: column for name, column in found.items() if column is not None}


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"column {last}" if not others else f"columns {', '.join(others)} and {last}"


def adapter_of(name: str | None) -> Adapter:
    """The adapter of a name. Raises ImportFailedError, with all that there are, where there is none."""
    found = ADAPTERS.get(name or "")
    if found is None:
        said = "--adapter says what the file is." if name is None else f"There is no adapter {name!r}."
        raise ImportFailedError(f"{said} There are:\n{described()}")
    return found


def described() -> str:
    """All adapters, a line each: what it is called and what it reads."""
    width = max(map(len, ADAPTERS))
    return "\n".join(f"  {name:{width}}  {one.reads}" for name, one in ADAPTERS.items())


_SYNCED = "_fivetran_synced"  # when the pipeline read it
_LIST: Sequence[Adapter] = (
    Adapter(
        "facebook-posts",
        Platform.FACEBOOK,
        "Facebook's posts of pages (post_history)",
        {ID: "id", "caption": "message", "posted_at": "created_time", "shares": "share_count", AS_OF: _SYNCED},
    ),
    Adapter(
        "facebook-metrics",
        Platform.FACEBOOK,
        "Facebook's figures of posts since they were posted, day by day (lifetime_post_metrics_total)",
        {
            ID: "post_id",
            "views": "post_video_views",
            "impressions": "post_impressions",
            "likes": "post_reactions_like_total",
            "clicks": "post_clicks",
            AS_OF: "date",
        },
    ),
    Adapter(
        "linkedin-posts",
        Platform.LINKEDIN,
        "LinkedIn's posts of pages, without figures (share_history)",
        {ID: "id", "caption": "commentary", "posted_at": "first_published_at", AS_OF: _SYNCED},
    ),
    Adapter(
        "linkedin-metrics",
        Platform.LINKEDIN,
        "LinkedIn's figures of posts since they were posted (share_statistic)",
        {
            ID: "_share_entity_urn",
            "impressions": "impression_count",
            "likes": "like_count",
            "comments": "comment_count",
            "shares": "share_count",
            "clicks": "click_count",
            AS_OF: _SYNCED,
        },
        # What is taken back is subtracted, even where it never was counted.
        special={ID: last_part, **dict.fromkeys(FIGURES, balance)},
    ),
    Adapter(
        "x-posts",
        Platform.TWITTER,
        "X's posts of an account with their figures (tweet)",
        {
            ID: "id",
            "caption": ("full_text", "full_test"),  # misspelt by a version of the export
            "posted_at": "created_at",
            "likes": "favorite_count",
            "shares": "retweet_count",
            AS_OF: _SYNCED,
        },
    ),
    Adapter(
        "youtube-videos",
        Platform.YOUTUBE,
        "YouTube's videos with their figures since they were posted (video)",
        {
            ID: "id",
            "title": "snippet_title",
            "caption": "snippet_description",
            "posted_at": "snippet_published_at",
            "views": "statistics_view_count",
            "likes": "statistics_like_count",
            "comments": "statistics_comment_count",
            AS_OF: _SYNCED,
        },
    ),
    Adapter(
        "youtube-daily",
        Platform.YOUTUBE,
        "YouTube's figures of videos by day and country, added up over the file (channel_basic)",
        {
            ID: "video_id",
            "views": "views",
            "likes": "likes",
            "comments": "comments",
            "shares": "shares",
            "saves": "videos_added_to_playlists",  # the button that does it is called Save
            AS_OF: "date",
        },
        adds_up=True,
    ),
)
ADAPTERS: Mapping[str, Adapter] = {one.name: one for one in _LIST}
"""By name, in the order in which they are shown."""
