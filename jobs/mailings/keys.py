"""The key of the tokens in mails: made of a secret of the database, so that all processes on it know each other's."""

from db.engine import Database
from db.queries.live import log
from jobs.mailings.tokens import Tokens

_NOBODY = 0
"""A workspace that there is not: the secret belongs to none."""


async def tokens_of(database: Database) -> Tokens:
    """The tokens of a database. Once read they need it no more: links are known while it is away."""
    reads = database.reads(_NOBODY)
    try:
        return Tokens((await log.head_of(reads)).secret)
    finally:
        await reads.close()
