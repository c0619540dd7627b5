"""Statements of the sender, which are written as SQL: what they lock, and in which order, is what they are about."""

from typing import Any

from sqlalchemy import column, text

from db.statements import prepared

WORKSPACE = "(SELECT CAST(:workspace AS bigint))"
"""The workspace, for the conditions of a statement; see ``db.engine.OfWorkspace.workspace``."""
MAILING = "CAST(:mailing AS bigint)"
IDS = "ANY (CAST(:ids AS bigint[]))"
WORKER = "CAST(:worker AS bigint)"
UNTIL = "now() + make_interval(secs => CAST(:lease AS double precision))"
"""When a lease that is given now is over."""
UNSENT = "'Not sent: nothing is sent to this address any more (' || s.reason || ').'"
"""The message of a recipient whose address is that of a suppression ``s``."""


def _made(sql: str, columns: str = "") -> Any:
    """A statement of SQL, and the names of the columns that it answers. Each parameter is cast where it stands."""
    return text(sql).columns(*(column(name) for name in columns.split()))


statement = prepared(_made, named=False)
