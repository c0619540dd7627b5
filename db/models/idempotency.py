"""Idempotency keys: what was answered to requests that their clients may send again."""

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Recorded, Timestamp, WorkspaceKey

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer as it is kept."""


class IdempotencyKey(Base):
    """A request that was answered. It is written with what the request changed, in one transaction: it has no other state."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "api_client_id"], ["api_clients.workspace_id", "api_clients.id"]),
        CheckConstraint("length(digest) = 32", name="digest"),
        CheckConstraint("length(request) = 32", name="request"),
        CheckConstraint(f"length(answer) <= {LARGEST_ANSWER}", name="answer"),
        CheckConstraint("(api_client_id IS NULL) = (granted IS NULL)", name="granted"),
        Index("idempotency_keys_expiry_idx", "workspace_id", "expires_at"),
    )

    workspace_id: Mapped[WorkspaceKey]
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 over the key and whose it is."""
    request: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 over what was asked: the same key with another is refused."""
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    """Enciphered with what only a holder of the key knows: an answer may hold a secret of which nothing else is kept."""
    api_client_id: Mapped[int | None]
    """The restricted API client that asked; null for all others."""
    granted: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    """The campaigns that were granted to it then."""
    created_at: Mapped[Recorded]
    expires_at: Mapped[Timestamp]
