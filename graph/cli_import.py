"""``groundswell import``: rows of files into the database, with a progress bar; resumable."""

import typer

from db.errors import camel
from graph import cli_import_content
from graph.cli_import_options import (
    AGAIN,
    FROM,
    MAP,
    Again,
    Campaign,
    Channel,
    Chunk,
    CreateCampaigns,
    CreateChannels,
    Currency,
    DataDir,
    Each,
    File,
    Mappings,
    Rejects,
    Translations,
    Workspace,
    Zone,
)
from graph.importing import Words, run
from jobs.imports.comments import COMMENTS
from jobs.imports.events import EVENTS
from jobs.imports.impressions import IMPRESSIONS
from jobs.imports.run import CHUNK

imports = typer.Typer(help="Import rows from files.", no_args_is_help=True)

_IMPRESSIONS_HELP = "\n\n".join(
    (
        f"Import impressions {FROM}",
        AGAIN,
        f"A column feeds the field of its name: {', '.join(map(camel, IMPRESSIONS.fields))}. Of these, clicked, "
        f"converted and charged are true or false, campaign is a campaign's key, and channel and audience are names. {MAP}",
        "For example the Open Bandit log, which has neither keys nor users (those made here are segments, not people):",
        "\b\n"
        "groundswell import impressions openbandit_60k.csv.gz --create-campaigns \\\n"
        "  --map 'key=openbandit-{line}' --map 'campaign={campaign}-{policy}' \\\n"
        "  --map occurredAt=timestamp --map clicked=click --map placement=position \\\n"
        "  --map 'userId={user_feature_0}-{user_feature_1}-{user_feature_2}-{user_feature_3}'",
    )
)
_COMMENTS_HELP = "\n\n".join(
    (
        f"Import comments and their replies {FROM}",
        AGAIN,
        f"A column feeds the field of its name: {', '.join(map(camel, COMMENTS.fields))}. Of these, campaign is a "
        f"campaign's key, and parent the key of the comment that a row replies to, empty where it begins a thread. {MAP}",
        "A reply may stand before its parent, in the file or in time: it waits until the end of the file. A reply whose "
        "parent neither came nor was there before is rejected.",
        "For example talk pages of Wikipedia, a campaign for each page:",
        "\b\n"
        "groundswell import comments wikipedia_talk.csv.gz --create-campaigns \\\n"
        "  --map key=comment_id --map parent=parent_id --map campaign=page \\\n"
        "  --map userId=author --map body=text --map occurredAt=created_at",
    )
)
_EVENTS_HELP = "\n\n".join(
    (
        f"Import events {FROM}",
        AGAIN,
        f"A column feeds the field of its name: {', '.join(map(camel, EVENTS.fields))}. Of these, type is IMPRESSION, CLICK "
        "or CONVERSION (or a plural, in any case), value an amount of money, data any JSON, campaign a campaign's key, and "
        f"channel and audience are names. {MAP}",
        "Where a line of JSON holds a list of events, --each NAME makes a row of each of its objects, together with the "
        "line's other fields; {line} counts these rows.",
        "For example the OTTO log, a line for each session of a shop, whose events are clicks, carts and orders. Carts are "
        "none of our types: they are rejected here, and --translate type:carts=CLICK would take them for clicks:",
        "\b\n"
        "groundswell import events otto_sessions.jsonl --each events \\\n"
        "  --campaign otto --create-campaigns --channel shop --create-channels \\\n"
        "  --map 'key=otto-{line}' --map userId=session --map occurredAt=ts \\\n"
        "  --map 'data={{\"aid\": {aid}}}' --translate type:orders=CONVERSION",
    )
)


@imports.command(help=_EVENTS_HELP)
def events(
    file: File,
    data_dir: DataDir = None,
    workspace: Workspace = "demo",
    campaign: Campaign = None,
    create_campaigns: CreateCampaigns = False,
    channel: Channel = None,
    create_channels: CreateChannels = False,
    mappings: Mappings = None,
    translations: Translations = None,
    each: Each = None,
    currency: Currency = None,
    time_zone: Zone = None,
    rejects: Rejects = None,
    chunk: Chunk = CHUNK,
    again: Again = False,
) -> None:
    """The help is above, with its example."""
    run(
        lambda: EVENTS,
        file,
        data_dir,
        workspace,
        Words(mappings or (), translations or ()),
        campaign=campaign,
        create_campaigns=create_campaigns,
        channel=channel,
        create_channels=create_channels,
        currency=currency,
        each=each,
        time_zone=time_zone,
        rejects=rejects,
        chunk=chunk,
        again=again,
    )


@imports.command(help=_IMPRESSIONS_HELP)
def impressions(
    file: File,
    data_dir: DataDir = None,
    workspace: Workspace = "demo",
    campaign: Campaign = None,
    create_campaigns: CreateCampaigns = False,
    channel: Channel = None,
    create_channels: CreateChannels = False,
    mappings: Mappings = None,
    translations: Translations = None,
    each: Each = None,
    time_zone: Zone = None,
    rejects: Rejects = None,
    chunk: Chunk = CHUNK,
    again: Again = False,
) -> None:
    """The help is above, with its example."""
    run(
        lambda: IMPRESSIONS,
        file,
        data_dir,
        workspace,
        Words(mappings or (), translations or ()),
        campaign=campaign,
        create_campaigns=create_campaigns,
        channel=channel,
        create_channels=create_channels,
        each=each,
        time_zone=time_zone,
        rejects=rejects,
        chunk=chunk,
        again=again,
    )


@imports.command(help=_COMMENTS_HELP)
def comments(
    file: File,
    data_dir: DataDir = None,
    workspace: Workspace = "demo",
    campaign: Campaign = None,
    create_campaigns: CreateCampaigns = False,
    mappings: Mappings = None,
    translations: Translations = None,
    each: Each = None,
    time_zone: Zone = None,
    rejects: Rejects = None,
    chunk: Chunk = CHUNK,
    again: Again = False,
) -> None:
    """The help is above, with its example."""
    run(
        lambda: COMMENTS,
        file,
        data_dir,
        workspace,
        Words(mappings or (), translations or ()),
        campaign=campaign,
        create_campaigns=create_campaigns,
        each=each,
        time_zone=time_zone,
        rejects=rejects,
        chunk=chunk,
        again=again,
    )


imports.command(help=cli_import_content.INTERACTIONS_HELP)(cli_import_content.interactions)
imports.command(help=cli_import_content.POSTS_HELP)(cli_import_content.posts)
