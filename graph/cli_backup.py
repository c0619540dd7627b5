"""``groundswell backup`` and ``groundswell restore``: all of it in one file, with a progress bar, and the way back."""

import os
from pathlib import Path
from typing import Annotated

import typer

from graph.cli import DataDir, fail
from graph.settings import Settings

File = Annotated[Path, typer.Argument(help="The backup.", metavar="FILE", show_default=False)]


def backup(
    file: File,
    with_files: Annotated[
        bool | None,
        typer.Option(
            "--with-files/--without-files",
            help="Put the files of the object store in, or their names and checksums only. \\[default: in, where it is a folder]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Writes all that the database holds, and the files of the object store, to one FILE.

    It is one moment's state, taken beside a server that goes on answering. FILE appears when it is whole; Ctrl-C leaves
    nothing. It holds addresses and hashes of credentials, and neither JWT_SECRET nor the development secret.

    Example: groundswell backup groundswell-2026-03-01.zip
    """
    from graph import backing_up

    settings = Settings.from_env(os.environ, data_dir=data_dir)
    try:
        backing_up.back_up(settings, file, with_files=with_files)
    except backing_up.Refused as error:
        fail(str(error))


def restore(
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="Give up all that the database holds for what is in the backup.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Puts a backup into an empty database, and its files into the object store.

    All servers and workers have to be stopped. FILE is checked first, and the database then changes all at once. Live streams
    begin anew; mailings that were running are paused, and scheduled ones are drafts: some may have been sent since.

    Example: groundswell restore groundswell-2026-03-01.zip --data-dir ./data
    """
    from graph import backing_up

    settings = Settings.from_env(os.environ, data_dir=data_dir)
    try:
        backing_up.put_back(settings, file, replace=replace)
    except backing_up.Refused as error:
        fail(str(error))
