"""What the demo's brands posted, and what their followers did with it: a few are super fans, most only look by."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from db.models.content_items import NewContent, NewPost
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform

INTERACTIONS = 3000
FOLLOWERS = 260
AMY = "creator_amy"
"""Comments on something every week."""
_SEED = 20260316
_DAYS = 28
_TITLES = (
    ("How cold brew is made", "video", "coffee"),
    ("Three roasts, one kitchen", "video", "coffee"),
    ("A day at the harbour", "story", "harbour"),
    ("Packing for a wet weekend", "guide", "harbour"),
    ("City bike, first ride", "video", "cycling"),
    ("Fix a flat in five minutes", "guide", "cycling"),
    ("Behind the spring launch", "story", "launch"),
    ("Ask us anything: kayaks", "story", "harbour"),
    ("Mugs that survive a commute", "guide", "coffee"),
    ("Trail map, unfolded", "video", "cycling"),
    ("The gift card nobody lost", "story", "launch"),
    ("Coming in April", "story", "launch"),
)
"""Title, format and topic. Nobody has seen the last one."""
_PLATFORMS = (
    (Platform.TIKTOK, Platform.INSTAGRAM),
    (Platform.INSTAGRAM, Platform.YOUTUBE),
    (Platform.TIKTOK, Platform.INSTAGRAM, Platform.YOUTUBE),
    (Platform.LINKEDIN, Platform.INSTAGRAM),
)
_NAMES = ("mira", "jonas", "aiko", "tomasz", "lea", "samir", "ines", "oskar", "nadia", "pavel", "yara", "felix", "amy")
_TRADES = ("rides", "brews", "paddles", "bakes", "reads", "hikes", "draws", "codes", "films", "sails")
_KINDS = (
    (InteractionType.LIKE, 55),
    (InteractionType.COMMENT, 20),
    (InteractionType.PROFILE_VISIT, 9),
    (InteractionType.SAVE, 7),
    (InteractionType.SHARE, 5),
    (InteractionType.LINK_CLICK, 4),
)
_SAID = (
    "Where did you get that?",
    "Tried this at home, it works.",
    "More of these, please.",
    "The second part is the best.",
    "My brother needs to see this.",
    "Is there a longer version?",
    "Saved for the weekend.",
    "Does this come in green?",
)
_KEENNESS = [2000 // (place + 2) for place in range(FOLLOWERS)]
"""How much of all that happens is done by whom: much by a few."""


def content(first_day: datetime) -> Iterator[NewContent]:
    """The content items with their posts, the same on every machine."""
    rng = random.Random(_SEED)  # noqa: S311 - a demo, no secret
    for number, (title, form, topic) in enumerate(_TITLES):
        slug = title.lower().replace(",", "").replace(":", "").replace(" ", "-")
        # All of it before anybody does anything with it.
        posted_at = first_day + timedelta(days=number * 2 - 23, hours=9)
        posts = [
            _post(rng, number, slug, platform, posted_at + timedelta(hours=place))
            for place, platform in enumerate(_PLATFORMS[number % len(_PLATFORMS)])
        ]
        yield NewContent(
            slug,
            title,
            {"description": f"{title}, made up for the demo."} if number % 3 else {},
            [("format", form), ("topic", topic)],
            posts,
        )


def _post(rng: random.Random, number: int, slug: str, platform: Platform, posted_at: datetime) -> NewPost:
    views = rng.randrange(2_000, 40_000)
    figures = {
        "views": views if platform in {Platform.TIKTOK, Platform.YOUTUBE} else None,
        "impressions": None if platform is Platform.YOUTUBE else views * 2,
        "likes": views // 25,
        "comments": views // 200,
        "shares": None if platform is Platform.YOUTUBE else views // 400,
    }
    external_id = f"demo-{platform.value.lower()}-{number + 1:02}"
    return NewPost(
        platform,
        external_id,
        {"url": f"https://{platform.value.lower()}.example/{slug}", "caption": slug, "posted_at": posted_at},
        {} if number == len(_TITLES) - 1 else figures,
        posted_at + timedelta(days=7),
    )


def interactions(items: Sequence[NewContent], first_day: datetime) -> Iterator[NewInteraction]:
    """What the followers did, the same on every machine: each with posts of the platform that it is on."""
    rng = random.Random(_SEED + 1)  # noqa: S311 - a demo, no secret
    posts: dict[Platform, list[str]] = {}
    for item in items[:-1]:
        for post in item.posts:
            posts.setdefault(post.platform, []).append(post.external_post_id)
    people = [_person(rng, number) for number in range(FOLLOWERS)]
    kinds, weights = zip(*_KINDS, strict=True)
    for number in range(1, INTERACTIONS + 1):
        platform, username = rng.choices(people, _KEENNESS)[0]
        kind = rng.choices(kinds, weights)[0]
        at = first_day + timedelta(days=rng.randrange(_DAYS), seconds=rng.randrange(86_400))
        yield _interaction(rng, f"demo-i{number:04}", platform, username, kind, at, rng.choice(posts[platform]))
    # Her comments are of known days, for a question that has one answer.
    for number in range(12):
        at = first_day + timedelta(days=number * 2 + 1, hours=18, minutes=number)
        on = posts[Platform.TIKTOK][number % len(posts[Platform.TIKTOK])]
        yield _interaction(rng, f"demo-amy{number:02}", Platform.TIKTOK, AMY, InteractionType.COMMENT, at, on)


def _person(rng: random.Random, number: int) -> tuple[Platform, str]:
    platform = rng.choices((Platform.INSTAGRAM, Platform.TIKTOK, Platform.YOUTUBE, Platform.LINKEDIN), (5, 4, 2, 1))[0]
    return platform, f"{rng.choice(_NAMES)}_{rng.choice(_TRADES)}_{number:03}"


def _interaction(
    rng: random.Random,
    key: str,
    platform: Platform,
    username: str,
    kind: InteractionType,
    at: datetime,
    post: str,
) -> NewInteraction:
    values = {InteractionType.COMMENT: rng.choice(_SAID), InteractionType.LINK_CLICK: "https://shop.example/spring"}
    return NewInteraction(
        key,
        platform,
        kind,
        at,
        f"{platform.value.lower()}:{username}",
        username,
        display_name=username.split("_")[0].title() if username != AMY else "Amy",
        profile_url=f"https://{platform.value.lower()}.example/@{username}",
        external_post_id=None if kind is InteractionType.PROFILE_VISIT else post,
        value=values.get(kind),
    )
