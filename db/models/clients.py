"""API clients: the keys of partners and machines, and the campaigns that are granted to them."""

from datetime import datetime

from sqlalchemy import ARRAY, Boolean, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Timestamp, WorkspaceKey

SCOPES = ("READ", "WRITE", "INGEST", "LIVE", "ADMIN")
"""What a client may be given. ENGAGE acts as an end user, whom a client does not have."""


class ApiClient(Base):
    """One credential. Of its secret only a hash is kept."""

    __tablename__ = "api_clients"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        # Found before its workspace is known. The hash of 256 random bits cannot be guessed, so nothing leaks.
        UniqueConstraint("secret_hash"),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint(
            f"cardinality(scopes) > 0 AND scopes <@ ARRAY[{', '.join(repr(scope) for scope in SCOPES)}]", name="scopes"
        ),
        CheckConstraint("length(secret_hash) = 32", name="secret_hash"),
        CheckConstraint("NOT (restricted AND 'ADMIN' = ANY (scopes))", name="restricted_is_no_admin"),
        Index("api_clients_newest_idx", "workspace_id", "created_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256: enough for a secret that nobody chose."""
    restricted: Mapped[bool] = mapped_column(Boolean)
    """Whether it sees only what is granted to it."""
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[Timestamp | None]


class ApiClientCampaign(Base):
    """A campaign that a restricted client sees."""

    __tablename__ = "api_client_campaigns"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "api_client_id"], ["api_clients.workspace_id", "api_clients.id"]),
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
    )

    workspace_id: Mapped[WorkspaceKey]
    api_client_id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
