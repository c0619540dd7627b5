"""Who asks and what they may do: from a JSON Web Token to a Viewer, and which scope each root field needs."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt
import strawberry
import structlog
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from db.availability import Unavailable
from db.engine import Database, is_unavailable
from db.queries import clients, workspaces
from graph.clients.directory import Clients
from graph.documents import Document
from graph.errors import NO_CONNECTION, forbidden, unauthenticated, unavailable
from graph.lookups import Lookups
from graph.reach import beyond

log = structlog.get_logger("groundswell.access")


@strawberry.enum(
    description="What a credential may do. ENGAGE: may react, share and comment as the one actor that the "
    "credential names. WRITE: for any actor, and everything else that changes."
)
class Scope(StrEnum):
    """The scopes, as a token spells them in lower case."""

    READ = "READ"
    WRITE = "WRITE"
    ENGAGE = "ENGAGE"
    INGEST = "INGEST"
    LIVE = "LIVE"
    ADMIN = "ADMIN"


LEEWAY = 10
"""Seconds by which clocks may differ."""
_KNOWN_FOR = 60.0
"""Seconds for which a token that was good need not be verified again, unless it expires before."""
_MOST_KNOWN = 10_000

ANY = frozenset(Scope)
READ = frozenset({Scope.READ})
WRITE = frozenset({Scope.WRITE})
INGEST = frozenset({Scope.INGEST, Scope.WRITE})
ENGAGE = frozenset({Scope.ENGAGE, Scope.WRITE})
LIVE = frozenset({Scope.LIVE})
ADMIN = frozenset({Scope.ADMIN})

REQUIRED: Mapping[str, frozenset[Scope]] = {
    "Query.viewer": ANY,
    "Query.rateLimit": ANY,
    "Query.node": READ,
    "Query.nodes": READ,
    "Query.campaign": READ,
    "Query.campaignByKey": READ,
    "Query.campaigns": READ,
    "Query.exportJob": READ,
    "Query.exportJobs": READ,
    "Query.channel": READ,
    "Query.channels": READ,
    "Query.audiences": READ,
    "Query.topChannels": READ,
    "Query.deadLetters": READ,
    "Query.contentItem": READ,
    "Query.contentItemBySlug": READ,
    "Query.contentItems": READ,
    "Query.follower": READ,
    "Query.followers": READ,
    "Query.followerCohorts": READ,
    "Query.interactions": READ,
    "Query.space": READ,
    "Query.spaces": READ,
    "Query.asset": READ,
    "Query.assets": READ,
    "Query.lead": READ,
    "Query.leads": READ,
    "Query.emailTemplate": READ,
    "Query.emailTemplates": READ,
    "Query.emailTemplatePreview": READ,
    "Query.previewEmail": READ,
    "Query.mailing": READ,
    "Query.mailingByKey": READ,
    "Query.mailings": READ,
    "Query.liveCursor": READ | LIVE,
    "Mutation.createBrand": WRITE,
    "Mutation.createCampaign": WRITE,
    "Mutation.updateCampaign": WRITE,
    "Mutation.recordImpressions": INGEST,
    "Mutation.updateImpressions": INGEST,
    "Mutation.createChannel": WRITE,
    "Mutation.createAudience": WRITE,
    "Mutation.addCampaignChannel": WRITE,
    "Mutation.recordEvents": INGEST,
    "Mutation.discardDeadLetters": WRITE,
    "Mutation.upsertContent": WRITE,
    "Mutation.recordInteractions": INGEST,
    "Mutation.recalculateScores": WRITE,
    "Mutation.createSpace": WRITE,
    "Mutation.updateSpace": WRITE,
    "Mutation.deleteSpace": WRITE,
    "Mutation.restoreSpace": WRITE,
    "Mutation.markSpaceAsTemplate": WRITE,
    "Mutation.createSpaceFromTemplate": WRITE,
    "Mutation.updateSpacePerformance": WRITE,
    "Mutation.createAsset": WRITE,
    "Mutation.createUpload": WRITE,
    "Mutation.completeUpload": WRITE,
    "Mutation.importAssets": WRITE,
    "Mutation.importPerformance": INGEST,
    "Mutation.updateAssetPerformance": WRITE,
    "Mutation.updateAsset": WRITE,
    "Mutation.deleteAsset": WRITE,
    "Mutation.restoreAsset": WRITE,
    "Mutation.recordAssetReuse": WRITE,
    "Mutation.upsertLeads": WRITE,
    "Mutation.liftSuppression": WRITE,
    "Mutation.createEmailTemplate": WRITE,
    "Mutation.updateEmailTemplate": WRITE,
    "Mutation.deleteEmailTemplate": WRITE,
    "Mutation.createMailing": WRITE,
    "Mutation.updateMailing": WRITE,
    "Mutation.deleteMailing": WRITE,
    "Mutation.addRecipients": WRITE,
    "Mutation.scheduleMailing": WRITE,
    "Mutation.unscheduleMailing": WRITE,
    "Mutation.startMailing": WRITE,
    "Mutation.pauseMailing": WRITE,
    "Mutation.resumeMailing": WRITE,
    "Mutation.recordEmailEvents": INGEST,
    "Mutation.react": ENGAGE,
    "Mutation.unreact": ENGAGE,
    "Mutation.share": ENGAGE,
    "Mutation.addComment": ENGAGE,
    "Mutation.editComment": ENGAGE,
    "Mutation.deleteComment": ENGAGE,
    "Mutation.startExport": WRITE,
    "Mutation.cancelExport": WRITE,
    "Mutation.createApiClient": ADMIN,
    "Mutation.revokeApiClient": ADMIN,
    "Subscription.engagements": LIVE,
    "Subscription.campaignMetrics": LIVE,
    "Subscription.exportJob": LIVE,
}
"""For each root field the scopes of which a credential needs one. A root field that is missing here is refused."""


@dataclass(frozen=True)
class Actor:
    """The end user that an ENGAGE credential names."""

    user_id: str
    profile_id: str | None = None
    profile_type: str | None = None


@dataclass(frozen=True)
class Viewer:
    """Who calls: a member of staff or an API client, bound to one workspace."""

    subject: str
    workspace_id: int
    scopes: frozenset[str]
    actor: Actor | None = None
    client_id: int | None = None
    """The API client, if it is one."""
    restricted: bool = False
    """Whether it sees only the campaigns that are granted to it."""
    expires_at: float | None = None
    """When the credential is no longer good, in seconds since 1970; None for one that is good until it is revoked."""

    @property
    def restricted_to(self) -> int | None:
        """The API client whose grants bound what is seen; None where everything in the workspace is."""
        return self.client_id if self.restricted else None


class Authenticator:
    """Verifies tokens: HS256 with a secret, or RS256 and ES256 with the keys of a JWKS address."""

    def __init__(
        self, database: Database, *, secret: str | None, jwks_url: str | None, audience: str | None, issuer: str | None
    ) -> None:
        self._directory = Directory(database)
        self.clients = Clients(database)
        self._secret = secret
        # One algorithm family per kind of key: a public key must never pass as an HMAC secret.
        self._keys = jwt.PyJWKClient(jwks_url, lifespan=300, timeout=5) if jwks_url else None
        self._algorithms = ["RS256", "ES256"] if jwks_url else ["HS256"]
        self._audience, self._issuer = audience, issuer
        self._known: dict[bytes, tuple[Viewer, float]] = {}
        """The viewers of tokens that were good a moment ago, and until when that holds."""

    async def viewer(self, authorization: str | None) -> Viewer | None:
        """The viewer of an Authorization header; None without one. Raises UNAUTHENTICATED for a bad one, UNAVAILABLE."""
        if authorization is None:
            return None
        # Not by the token itself: how long a look-up takes must not tell how much of a token is right.
        digest = hashlib.sha256(authorization.encode(errors="replace")).digest()
        known = self._known.get(digest)
        if known is not None and known[1] > time.time():
            return known[0]
        try:
            viewer = await self._viewer(authorization)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("the database cannot be reached; nobody can be told from another", reason=str(error))
            raise unavailable("The database cannot be reached just now. Try again.") from None
        if viewer.expires_at is not None:  # clients have a memory of their own, which forgets those that are revoked
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[digest] = viewer, min(time.time() + _KNOWN_FOR, viewer.expires_at)
        return viewer

    async def _viewer(self, authorization: str) -> Viewer:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthenticated("The Authorization header must be: Bearer, a space, and a token.")
        token = token.strip()
        if token.startswith(clients.PREFIX):
            return await self._client(token)
        return await self._named(token)

    async def _named(self, token: str) -> Viewer:
        claims = await self._claims(token)
        workspace_id = await _reached(self._directory.id_of(_text(claims, "workspace")))
        if workspace_id is None:
            # The same words as for any other bad token: a token cannot ask which workspaces exist.
            raise unauthenticated("The token is not valid here.")
        scopes = frozenset(_text(claims, "scope").upper().split()) & frozenset(Scope.__members__)
        # The leeway of the signature's check: a clock that is a little behind cuts nothing off.
        expires_at = float(claims["exp"]) + LEEWAY
        return Viewer(_text(claims, "sub"), workspace_id, scopes, _actor(claims, scopes), expires_at=expires_at)

    async def _client(self, secret: str) -> Viewer:
        row = await _reached(self.clients.of(secret))
        if row is None:
            raise unauthenticated("The API client's secret is not valid here, or was revoked.")
        return Viewer(
            f"api-client:{row.id}", row.workspace_id, frozenset(row.scopes), client_id=row.id, restricted=row.restricted
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = await self._key(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                leeway=LEEWAY,
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "sub", "workspace"], "verify_aud": self._audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise unauthenticated("The token has expired.") from None
        except jwt.PyJWKClientConnectionError as error:
            log.warning("the keys that verify tokens cannot be fetched", reason=str(error))
            raise unavailable("Tokens cannot be verified just now. Try again.") from None
        except (jwt.PyJWTError, TypeError, ValueError):
            raise unauthenticated("The token is not valid here.") from None
        return claims

    async def _key(self, token: str) -> Any:
        if self._keys is None:
            return self._secret
        # Fetches over the network when it meets a new key, so never on the event loop.
        # The key as the address describes it, with its own algorithm: a token cannot choose another for it.
        return await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)


async def _reached(look_up: Awaitable[Any]) -> Any:
    """What a look-up finds. Raises UNAVAILABLE where there is no connection for it."""
    try:
        return await look_up
    except Unavailable as error:
        raise unavailable(NO_CONNECTION) from error


class Directory:
    """Workspace ids by key, remembered for a minute."""

    _LIFETIME = 60.0

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[int, float]] = {}
        self._lookups = Lookups[str, int | None]()

    async def id_of(self, key: str) -> int | None:
        """The id of the workspace with this key, or None. Only what exists is remembered."""
        found, until = self._known.get(key, (None, 0.0))
        if found is None or until < time.monotonic():
            found = await self._lookups.of(key, lambda: workspaces.id_of(self._database, key))
            if found is not None:
                self._known[key] = (found, time.monotonic() + self._LIFETIME)
        return found


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or not _is_text(value):
        raise unauthenticated(f"The token's claim {name!r} is not a text.")
    return value


def _is_text(value: str) -> bool:
    """Whether PostgreSQL and JSON can hold it: no U+0000, and no half of a surrogate pair."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _actor(claims: Mapping[str, Any], scopes: frozenset[str]) -> Actor | None:
    named = claims.get("actor")
    if named is None:
        if "ENGAGE" in scopes:
            raise unauthenticated("A token with the scope engage must name an actor.")
        return None
    texts = [named.get(name) for name in ("userId", "profileId", "profileType")] if isinstance(named, dict) else [None]
    if not texts[0] or not all(text is None or (isinstance(text, str) and _is_text(text)) for text in texts):
        raise unauthenticated("The token's actor must have a userId and may have a profileId and a profileType.")
    return Actor(*texts)


def refusal(
    document: Document, operation: OperationDefinitionNode, scopes: frozenset[str] | None
) -> GraphQLError | None:
    """Why an operation may not run, as a whole, before anything of it runs; None where it may.

    ``scopes`` are those of the credential; None without one.
    """
    for node, coordinate in root_fields(document, operation):
        allowed = REQUIRED.get(coordinate, frozenset())
        if scopes is None:
            error = unauthenticated(f"{coordinate} needs a token: Authorization: Bearer ...")
        elif allowed.isdisjoint(scopes):
            names = " or ".join(sorted(scope.lower() for scope in allowed)) or "none that there is"
            error = forbidden(f"{coordinate} needs a token with the scope {names}.")
        else:
            continue
        return GraphQLError(error.message, nodes=[node], extensions=error.extensions)
    return None if Scope.READ in (scopes or ()) else _too_far(document, operation)


def _too_far(document: Document, operation: OperationDefinitionNode) -> GraphQLError | None:
    led_on = document.once(
        ("beyond", id(operation)), lambda: next(beyond(document.schema, document.node, operation), None)
    )
    if led_on is None:
        return None
    node, coordinate = led_on
    error = forbidden(f"{coordinate} needs a token with the scope read.")
    return GraphQLError(error.message, nodes=[node], extensions=error.extensions)


def root_fields(document: Document, operation: OperationDefinitionNode) -> list[tuple[FieldNode, str]]:
    """The fields of the root that need a scope, with their coordinates."""
    return document.once(("roots", id(operation)), lambda: _root_fields(document, operation))


def _root_fields(document: Document, operation: OperationDefinitionNode) -> list[tuple[FieldNode, str]]:
    kind = operation.operation.value.title()
    fields = _fields(operation.selection_set, document.fragments, set())
    return [(node, f"{kind}.{node.name.value}") for node in fields if not node.name.value.startswith("__")]


def _fields(selection_set: SelectionSetNode, fragments: Mapping[str, Any], seen: set[str]) -> Iterable[FieldNode]:
    for node in selection_set.selections:
        if isinstance(node, FieldNode):
            yield node
        elif not isinstance(node, FragmentSpreadNode):
            yield from _fields(node.selection_set, fragments, seen)  # type: ignore[attr-defined]
        elif node.name.value not in seen:
            # Each fragment once, so that fragments of fragments stay linear.
            seen.add(node.name.value)
            yield from _fields(fragments[node.name.value].selection_set, fragments, seen)
