"""Making and revoking API clients."""

import secrets

import strawberry

from db.engine import Transaction
from db.errors import Problem, Refused, invalid, not_found
from db.models.clients import SCOPES
from db.models.rules import text_problems
from db.queries import campaigns, clients
from graph import ids
from graph.access import Scope
from graph.clients.types import ApiClient, client_of
from graph.context import Info
from graph.errors import UserError, user_errors

MOST_GRANTS = 1000
_SECRET_BYTES = 32


@strawberry.input(description="A new API client.")
class CreateApiClientInput:
    """What createApiClient takes."""

    name: str = strawberry.field(description="1 to 200 characters.")
    scopes: list[Scope] = strawberry.field(
        description="What it may do. At least one, and not ENGAGE, which acts as an end user."
    )
    campaign_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="All that it sees, at most 1000; without this, everything. A client that is bound so cannot be ADMIN.",
    )


@strawberry.input(description="The client to revoke.")
class RevokeApiClientInput:
    """What revokeApiClient takes."""

    id: strawberry.ID = strawberry.field(description="The client.")


@strawberry.type(description="What came of making a client.")
class CreateApiClientPayload:
    """The client and its secret, or what is wrong."""

    client_id: strawberry.Private[int | None]
    secret: str | None = strawberry.field(
        description="Sent as a token: Authorization: Bearer SECRET. Shown this once and stored only as a hash."
    )
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The client; null when something was wrong.")
    def api_client(self, info: Info) -> ApiClient | None:
        return client_of(info, self.client_id)


@strawberry.type(description="What came of a change to a client.")
class ApiClientPayload:
    """The client, or what is wrong."""

    client_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The client as it is now; null when something was wrong.")
    def api_client(self, info: Info) -> ApiClient | None:
        return client_of(info, self.client_id)


@strawberry.type
class ClientMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes an API client. Its secret is in this answer and nowhere else.")
    async def create_api_client(self, info: Info, input: CreateApiClientInput) -> CreateApiClientPayload:  # noqa: A002
        secret, subject = clients.PREFIX + secrets.token_urlsafe(_SECRET_BYTES), info.context.viewer.subject
        outcome = await info.context.change(lambda transaction: _create(transaction, input, secret, subject))
        made = outcome.value is not None
        return CreateApiClientPayload(
            client_id=outcome.value, secret=secret if made else None, user_errors=user_errors(outcome.problems)
        )

    @strawberry.mutation(
        description="Revokes an API client: it is let in no more, and its streams end. Doing it again changes nothing."
    )
    async def revoke_api_client(self, info: Info, input: RevokeApiClientInput) -> ApiClientPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            client_id = ids.required("ApiClient", input.id, "id")
            if not await clients.revoke(transaction, client_id):
                raise Refused([not_found("No such API client.", "id")])
            return client_id

        outcome = await info.context.change(work)
        return ApiClientPayload(client_id=outcome.value, user_errors=user_errors(outcome.problems))


async def _create(transaction: Transaction, given: CreateApiClientInput, secret: str, subject: str) -> int:
    problems = [*text_problems("name", given.name, 200), *_scope_problems(given)]
    wanted = await _granted(transaction, given.campaign_ids or [], problems)
    if problems:
        raise Refused(problems)
    values = {
        "name": given.name,
        "scopes": [scope.value for scope in Scope if scope in given.scopes],
        "secret_hash": clients.hashed(secret),
        "restricted": given.campaign_ids is not None,
        "created_by": subject,
    }
    return await clients.create(transaction, values, wanted)


def _scope_problems(given: CreateApiClientInput) -> list[Problem]:
    problems = []
    if not given.scopes:
        problems.append(invalid("Say at least one scope.", "scopes"))
    if any(scope.value not in SCOPES for scope in given.scopes):
        problems.append(invalid("ENGAGE acts as an end user, whom a client does not have: give it WRITE.", "scopes"))
    if given.campaign_ids is not None and Scope.ADMIN in given.scopes:
        problems.append(invalid("ADMIN is for the whole workspace: leave campaignIds out, or ADMIN.", "scopes"))
    return problems


async def _granted(transaction: Transaction, given: list[strawberry.ID], problems: list[Problem]) -> set[int]:
    if len(given) > MOST_GRANTS:
        problems.append(invalid(f"At most {MOST_GRANTS} campaigns; there are {len(given)}.", "campaign_ids"))
        return set()
    found: list[Problem] = []
    keys = [ids.checked("Campaign", one, found, "campaign_ids", str(index)) for index, one in enumerate(given)]
    wanted = sorted({key for key in keys if key is not None})
    known = {row.id for row in await campaigns.for_recording(transaction, wanted)}
    missing = [index for index, key in enumerate(keys) if key is not None and key not in known]
    problems += found + [not_found("No such campaign.", "campaign_ids", str(index)) for index in missing]
    return known
