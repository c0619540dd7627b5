"""What every table shares: naming of constraints, keys, money columns."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Numeric, Text, func
from sqlalchemy.orm import DeclarativeBase, mapped_column

# A constraint's name is what db.errors turns into a message, so names are never left to the database.
NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}

# Unconstrained NUMERIC keeps an amount as it was written (12.50 stays 12.50); checks bound it.
AMOUNT_BOUND = Decimal(10) ** 15
AMOUNT_SCALE = 12
SLOTS = 16
"""A counter is spread over this many rows, so that concurrent writers seldom wait for each other."""

Key = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
"""A bigint identity. The primary key of a tenant table is (workspace_id, id), so every index starts with the tenant."""
WorkspaceKey = Annotated[int, mapped_column(BigInteger, primary_key=True)]
Reference = Annotated[int, mapped_column(BigInteger)]
Amount = Annotated[Decimal, mapped_column(Numeric)]
Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Recorded = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    """The registry of all tables; ``Base.metadata`` is what the migrations are compared with."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {str: Text, int: BigInteger, datetime: DateTime(timezone=True), Decimal: Numeric}


def one_of(column: str, values: type[object]) -> str:
    """The SQL of a check that a text column holds a member of an enum.

    Kinds are text with a check and not native enums: under row-level security an index is used
    through leakproof operators only, and those of native enums are not.
    """
    members = ", ".join(f"'{member}'" for member in values.__members__)  # type: ignore[attr-defined]
    return f"{column} IN ({members})"


def amount_in_bounds(column: str) -> str:
    """The SQL of a check that an amount is a number from 0 to below 10^15 with at most 12 decimals."""
    return f"{column} >= 0 AND {column} < {AMOUNT_BOUND} AND scale({column}) <= {AMOUNT_SCALE}"
