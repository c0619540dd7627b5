"""The workspace of a transaction, and row-level security that holds even where a filter was forgotten.

Three roles without login are the only ones that ever read or write data:

- ``groundswell_app`` sees the rows of the workspace that the transaction names;
- ``groundswell_partner`` sees of those only what hangs on the campaigns granted to the API client that the transaction
  names. It is a role and not a condition of the other one, so that nobody else pays for it;
- ``groundswell_system`` sees all: looking a workspace up by its key, jobs that serve every workspace.
"""

from collections.abc import Sequence

APP_ROLE = "groundswell_app"
PARTNER_ROLE = "groundswell_partner"
SYSTEM_ROLE = "groundswell_system"
ROLES = (APP_ROLE, PARTNER_ROLE, SYSTEM_ROLE)

# As a scalar subquery the setting is read once per statement and not once per row.
# After a transaction that set it, an unset setting reads '' and not null: hence nullif.
CURRENT_WORKSPACE = "(SELECT nullif(current_setting('app.workspace', true), '')::bigint)"
CURRENT_CLIENT = "(SELECT nullif(current_setting('app.client', true), '')::bigint)"
# An array that is worked out once per statement, so that an index can be asked for its members.
GRANTED = (
    "ANY (ARRAY(SELECT granted.campaign_id FROM api_client_campaigns granted "  # noqa: S608 - constants
    f"WHERE granted.workspace_id = {CURRENT_WORKSPACE} AND granted.api_client_id = {CURRENT_CLIENT}))"
)


def create_roles() -> Sequence[str]:
    """Statements that make the roles where they are missing and let whoever migrates act as them."""
    statements = []
    for role in ROLES:
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


def open_to_partners(table: str, rights: str, seen: str, workspace_column: str = "workspace_id") -> Sequence[str]:
    """Statements that show restricted API clients what ``seen`` (SQL) holds of, and let them do no more than ``rights``."""
    own = f"{workspace_column} = {CURRENT_WORKSPACE} AND {seen}"
    return [
        f"CREATE POLICY {table}_granted ON {table} TO {PARTNER_ROLE} USING ({own}) WITH CHECK ({own})",
        f"GRANT {rights} ON {table} TO {PARTNER_ROLE}",
    ]


def close_to_partners(table: str) -> Sequence[str]:
    """Statements that undo ``open_to_partners``."""
    return [f"DROP POLICY {table}_granted ON {table}", f"REVOKE ALL ON {table} FROM {PARTNER_ROLE}"]


def act_in(workspace_id: int, client_id: int | None = None) -> str:
    """SQL that binds the running transaction to one workspace, sent in one round trip with its BEGIN.

    With a client, to what is granted to that restricted API client.
    """
    workspace = f"SET LOCAL app.workspace = '{int(workspace_id)}'"
    if client_id is None:
        return f"SET LOCAL ROLE {APP_ROLE}; {workspace}"
    return f"SET LOCAL ROLE {PARTNER_ROLE}; {workspace}; SET LOCAL app.client = '{int(client_id)}'"


def act_everywhere() -> str:
    """SQL that lets the running transaction see every workspace. For look-ups by key and for jobs."""
    return f"SET LOCAL ROLE {SYSTEM_ROLE}"
