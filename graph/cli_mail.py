"""``groundswell mail``: what was delivered into the local folder, where no mail server is set; and mails that came back."""

import email.policy
import os
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from graph.cli import DataDir
from graph.environment import SettingsError
from graph.settings import Settings

mail = typer.Typer(
    help="Look at the mails that were delivered into the local folder: without SMTP_URL, mailings are sent there. "
    "Record what came of mails, from those that came back.",
    no_args_is_help=True,
)

_NEWEST = 20
_KINDS = {"o": "pixel", "c": "link", "u": "unsubscribe"}
"""What a mail's own addresses are, by their path."""
_OWN = re.compile(r"https?://[^\s\"'<>]+/t/([ocu])/[^\s\"'<>]+")


@mail.command("list")
def list_mails(
    first: Annotated[int, typer.Option("--first", help="How many, the newest first.", min=1)] = _NEWEST,
    data_dir: DataDir = None,
) -> None:
    """Lists mails, the newest first.

    Example: groundswell mail list --first 5
    """
    table = Table("#", "to", "subject", "file", box=None)
    for number, path in enumerate(_newest(data_dir)[:first], 1):
        message = _read(path)
        table.add_row(str(number), str(message["To"]), str(message["Subject"]), path.name)
    # As it is: names and subjects are other people's, and "[/b]" in one is no markup of ours.
    Console(markup=False, emoji=False, highlight=False).print(table)


@mail.command("show")
def show(
    number: Annotated[int, typer.Argument(help="Which one, as list counts them.", min=1)] = 1,
    to: Annotated[str, typer.Option("--to", help="Only mails to this address.")] = "",
    links: Annotated[
        bool, typer.Option("--links", help="Only its addresses: pixel, link or unsubscribe, a space, the address.")
    ] = False,
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Shows a mail: its headers and its text.

    Example: groundswell mail show --to ada@example.com --links
    """
    found = [path for path in _newest(data_dir) if not to or to.lower() in str(_read(path)["To"]).lower()]
    if len(found) < number:
        raise SettingsError(f"There are only {len(found)} such mails." if found else "There is no such mail.")
    message = _read(found[number - 1])
    if links:
        typer.echo("\n".join(_links(_part(message, "html"))))
    elif html:
        typer.echo(_part(message, "html"))
    else:
        headers = [f"{name}: {value}" for name, value in message.items() if not name.startswith("Content-")]
        typer.echo("\n".join([*headers, "", _part(message, "plain")]))


@mail.command("returned")
def returned(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", exists=True, help="Files with one mail each, mbox files, maildirs, or folders of such."
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Reads mails that came back, and records bounces and complaints. For sending without a provider that reports them.

    Bounces come to the address that a mailing is from. Have any tool fetch its mailbox into a folder, and run this behind
    it: each mail is recorded once, however often it is read. Mails are only read, never changed, moved or deleted.

    Whose mail it was is what our header X-Groundswell-Recipient says in the copy that came back, or else its Message-ID.
    A failure with a status 5.x.x suppresses the address, and so does a complaint; 4.x.x does not. Delays are not
    recorded. Nothing else in the mailbox matters: it is counted as not ours.

    It can run beside a server. Ctrl-C stops it behind the mails in hand; the same command begins anew, and finds those
    to be duplicates. Files that cannot be read are named on stderr, and stop nothing.

    Example: groundswell mail returned ~/mail/bounces

    From cron, hourly, behind mbsync: 7 * * * * mbsync -q bounces && groundswell mail returned ~/mail/bounces >/dev/null
    """
    from graph import cli_returned

    cli_returned.returned(Settings.from_env(os.environ, data_dir=data_dir), paths)


def _newest(data_dir: Path | None) -> list[Path]:
    folder = Settings.from_env(os.environ, data_dir=data_dir).mail_options().maildir
    found = [path for part in ("new", "cur") for path in (folder / part).glob("*")]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _read(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        return BytesParser(policy=email.policy.default).parse(file)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())


def _links(html: str) -> Iterator[str]:
    seen = set()
    for match in _OWN.finditer(html.replace("&amp;", "&")):
        if match.group() not in seen:
            seen.add(match.group())
            yield f"{_KINDS[match.group(1)]} {match.group()}"
