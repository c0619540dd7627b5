"""``groundswell import interactions`` and ``posts``: what followers did, and what platforms report of posts."""

from typing import Annotated

import typer

from db.errors import camel
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from graph.cli_import_options import (
    AGAIN,
    FROM,
    MAP,
    Again,
    Chunk,
    DataDir,
    Each,
    File,
    Mappings,
    Rejects,
    Translations,
    Workspace,
    Zone,
)
from graph.importing import Wording, Words, run
from jobs.imports.interactions import CHUNK as INTERACTIONS_CHUNK
from jobs.imports.interactions import FIELDS
from jobs.imports.interactions import interactions as kind_of_interactions
from jobs.imports.posts import posts as kind_of_posts
from jobs.imports.posts_adapters import adapter_of, described
from jobs.imports.run import CHUNK

INTERACTIONS_HELP = "\n\n".join(
    (
        f"Import interactions, what followers did, {FROM}",
        f"The first interaction of a follower makes it, each one counts for its score. {AGAIN}",
        f"A column feeds the field of its name: {', '.join(map(camel, FIELDS))}. Of these, platform is a platform (in any "
        "case), type is COMMENT, LIKE, SHARE, SAVE, PROFILE_VISIT or LINK_CLICK (or a plural, in any case), externalId is "
        "the platform's own id of the follower, which stands in for a username where a row has none, and value is the text "
        f"of a comment or the address of a link. {MAP}",
        "externalPostId names a post by the platform's own id. A row about a post that is not there is rejected, or "
        "--create-posts makes the post and a content item for it, called by title or else by that id.",
        "For example talk pages of Wikipedia, a post for each page, whose authors are the followers:",
        "\b\n"
        "groundswell import interactions wikipedia_talk.csv.gz --create-posts \\\n"
        "  --platform OTHER --type COMMENT --map key=comment_id --map externalId=author \\\n"
        "  --map externalPostId=page --map value=text --map occurredAt=created_at",
    )
)
POSTS_HELP = "\n\n".join(
    (
        "Import posts with the figures that their platform reports of them, from one of its exports.",
        "Figures stand at the post, as its platform counts them: nobody knows whose they are, so they are no interactions. "
        "What a platform does not report is null. Of several reports the latest counts, in whatever order they come in, "
        "and a file can be imported again.",
        "--adapter says what the file is:",
        f"\b\n{described()}",
        "A post that is known gets its figures; one that is not gets a content item of its own, or becomes part of that of "
        "--content. Times in these exports are of UTC. Of several rows of a post the latest counts, unless they add up.",
        "For example what Facebook, then what YouTube says of videos:",
        "\b\n"
        "groundswell import posts facebook_pages_lifetime_post_metrics_total_data.csv --adapter facebook-metrics\n"
        "groundswell import posts youtube_video_data.csv --adapter youtube-videos --content spring-launch",
    )
)

_Platform = Annotated[
    Platform | None,
    typer.Option(case_sensitive=False, help="The platform of rows that name none.", show_default=False),
]
_Type = Annotated[
    InteractionType | None,
    typer.Option("--type", case_sensitive=False, help="The type of rows that name none.", show_default=False),
]
_CreatePosts = Annotated[
    bool, typer.Option("--create-posts", help="Make posts that are missing, each with a content item of its own.")
]
_Adapter = Annotated[
    str | None, typer.Option(metavar="NAME", help="What the file is: one of those above.", show_default=False)
]
_Content = Annotated[
    str | None,
    typer.Option(metavar="SLUG", help="The content item that new posts become part of.", show_default=False),
]


def interactions(
    file: File,
    data_dir: DataDir = None,
    workspace: Workspace = "demo",
    platform: _Platform = None,
    kind: _Type = None,
    create_posts: _CreatePosts = False,
    mappings: Mappings = None,
    translations: Translations = None,
    each: Each = None,
    time_zone: Zone = None,
    rejects: Rejects = None,
    chunk: Chunk = INTERACTIONS_CHUNK,
    again: Again = False,
) -> None:
    """The help is above, with its example."""
    run(
        lambda: kind_of_interactions(platform, kind, create_posts=create_posts),
        file,
        data_dir,
        workspace,
        Words(mappings or (), translations or ()),
        each=each,
        time_zone=time_zone,
        rejects=rejects,
        chunk=chunk,
        again=again,
    )


def posts(
    file: File,
    adapter: _Adapter = None,
    content: _Content = None,
    data_dir: DataDir = None,
    workspace: Workspace = "demo",
    rejects: Rejects = None,
    chunk: Chunk = CHUNK,
    again: Again = False,
) -> None:
    """The help is above, with its example."""
    run(
        lambda: kind_of_posts(adapter_of(adapter)),
        file,
        data_dir,
        workspace,
        Words(),
        Wording("posts", "new or changed", "as they were"),
        content=content,
        rejects=rejects,
        chunk=chunk,
        again=again,
    )
