"""Idempotency keys: what was answered to requests that their clients may send again.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

from db import tenancy

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("api_client_id", sa.BigInteger(), nullable=True),
        sa.Column("granted", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("idempotency_keys_digest_check")),
        sa.CheckConstraint("length(request) = 32", name=op.f("idempotency_keys_request_check")),
        sa.CheckConstraint("length(answer) <= 4194304", name=op.f("idempotency_keys_answer_check")),
        sa.CheckConstraint("(api_client_id IS NULL) = (granted IS NULL)", name=op.f("idempotency_keys_granted_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("idempotency_keys_workspace_id_fkey")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "api_client_id"],
            ["api_clients.workspace_id", "api_clients.id"],
            name=op.f("idempotency_keys_workspace_id_api_client_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name=op.f("idempotency_keys_pkey")),
    )
    op.create_index("idempotency_keys_expiry_idx", "idempotency_keys", ["workspace_id", "expires_at"], unique=False)
    own = f"api_client_id = {tenancy.CURRENT_CLIENT}"
    for statement in (
        *tenancy.protect("idempotency_keys"),
        *tenancy.open_to_partners("idempotency_keys", "SELECT, INSERT, UPDATE", own),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_table("idempotency_keys")
