"""The workspace of a transaction, and row-level security that holds even where a filter was forgotten.

Two roles without login are the only ones that ever read or write data:

- ``groundswell_app`` sees the rows of the workspace that the transaction names;
- ``groundswell_system`` sees all: looking a workspace up by its key, jobs that serve every workspace.
"""

from collections.abc import Sequence

APP_ROLE = "groundswell_app"
SYSTEM_ROLE = "groundswell_system"

# As a scalar subquery the setting is read once per statement and not once per row.
# After a transaction that set it, an unset setting reads '' and not null: hence nullif.
CURRENT_WORKSPACE = "(SELECT nullif(current_setting('app.workspace', true), '')::bigint)"


def create_roles() -> Sequence[str]:
    """Statements that make both roles where they are missing and let whoever migrates act as them."""
    statements = []
    for role in (APP_ROLE, SYSTEM_ROLE):
        # Roles belong to the whole cluster: another database's migration may be making them right now.
        statements.append(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        # Who makes a role may grant it and no more (PostgreSQL 16): acting as it has to be granted, even to oneself.
        statements.append(
            f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', 'SET') THEN "
            f"GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE; END IF; END $$"
        )
        statements.append(f"GRANT USAGE ON SCHEMA public TO {role}")
    return statements


def protect(table: str, workspace_column: str = "workspace_id") -> Sequence[str]:
    """Statements that put a table under row-level security, its owner included."""
    own = f"{workspace_column} = {CURRENT_WORKSPACE}"
    grants = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}, {SYSTEM_ROLE}"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {table}_own_workspace ON {table} TO {APP_ROLE} USING ({own}) WITH CHECK ({own})",
        f"CREATE POLICY {table}_every_workspace ON {table} TO {SYSTEM_ROLE} USING (true) WITH CHECK (true)",
        grants,
    ]


def act_in(workspace_id: int) -> str:
    """SQL that binds the running transaction to one workspace, sent in one round trip with its BEGIN."""
    return f"SET LOCAL ROLE {APP_ROLE}; SET LOCAL app.workspace = '{int(workspace_id)}'"


def act_everywhere() -> str:
    """SQL that lets the running transaction see every workspace. For look-ups by key and for jobs."""
    return f"SET LOCAL ROLE {SYSTEM_ROLE}"
