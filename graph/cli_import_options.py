"""What the commands of ``groundswell import`` have in common: options, and sentences of their help."""

from pathlib import Path
from typing import Annotated

import typer

# A paragraph is one line here: the terminal breaks it where it must.
FROM = "from a CSV file with a header or from JSON Lines, gzipped or not."
AGAIN = (
    "Rows that are known by their key are left alone, so a file can be imported again. What is interrupted goes on "
    "where it was when the same command is run again. Rows that cannot go in go to a file, with the reasons."
)
MAP = (
    "--map feeds a field from another column, or from a text made of {columns}, where {line} is the number of the row, "
    "from 1. --translate puts our words in the place of a field's own."
)

File = Annotated[Path, typer.Argument(help="CSV or JSON Lines, may be gzipped.", show_default=False)]
DataDir = Annotated[Path | None, typer.Option(help="Where the embedded database lives.", show_default=False)]
Workspace = Annotated[str, typer.Option(help="The key of the workspace.")]
Campaign = Annotated[str | None, typer.Option(help="The key of the campaign of all rows.", show_default=False)]
CreateCampaigns = Annotated[bool, typer.Option("--create-campaigns", help="Make campaigns that are missing.")]
Mappings = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=TEMPLATE", help="Feed a field; repeatable.", show_default=False),
]
Translations = Annotated[
    list[str] | None,
    typer.Option(
        "--translate",
        metavar="FIELD:VALUE=NEW",
        help="What a field's value becomes before it is read (empty: what a missing one becomes); repeatable.",
        show_default=False,
    ),
]
Each = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The list in a line of JSON, each of whose objects is a row.", show_default=False
    ),
]
Channel = Annotated[str | None, typer.Option(help="The name of the channel of all rows.", show_default=False)]
CreateChannels = Annotated[
    bool, typer.Option("--create-channels", help="Make channels (of kind OTHER) and audiences that are missing.")
]
Currency = Annotated[
    str | None,
    typer.Option(help="The currency of values without one, which are rejected otherwise.", show_default=False),
]
Zone = Annotated[
    str | None,
    typer.Option(help="The zone of times without an offset, which are rejected otherwise.", show_default=False),
]
Rejects = Annotated[Path | None, typer.Option(help="Where rejected rows go.", show_default="FILE.rejects.jsonl")]
Chunk = Annotated[int, typer.Option(min=1, help="Rows in a transaction.")]
Again = Annotated[bool, typer.Option("--again", help="Read all rows again, of a finished import too.")]
