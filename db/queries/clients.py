"""API clients: found by their secret, made, revoked, listed; when each was last used."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import any_, func, insert, select, text, update

from db.engine import Database, Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, page, page_per_parent, pages
from db.models.campaigns import Campaign
from db.models.clients import ApiClient, ApiClientCampaign
from db.models.live import ChangeKind, Topic
from db.queries import campaigns
from db.queries.columns import Fields, Query, counted, own, pick
from db.queries.live import outbox
from db.statements import Rows, given_ids, prepared, workspace

PREFIX = "gs_"
"""What every secret begins with, so that it is told from a token, and found where somebody left it."""
NEWEST = Order("api_clients:newest", (ApiClient.created_at, ApiClient.id), descending=True)
GRANTED = Order("api_client_campaigns:id", (ApiClientCampaign.campaign_id,))


def hashed(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


async def of_secret(database: Database, secret_hash: bytes) -> Any:
    """The client of a secret that is not revoked: workspace_id, id, scopes, restricted. None where there is none."""
    columns = (ApiClient.workspace_id, ApiClient.id, ApiClient.scopes, ApiClient.restricted)
    statement = select(*columns).where(ApiClient.secret_hash == secret_hash, ApiClient.revoked_at.is_(None))
    async with database.everywhere() as transaction:
        return await transaction.row(statement)


async def note_use(database: Database, used: Mapping[tuple[int, int], datetime]) -> None:
    """Writes down when clients (workspace, id) were last used; a time that is known already stays if it is later."""
    ordered = sorted(used.items())
    values: dict[str, Any] = {
        "workspaces": [workspace_id for (workspace_id, _), _ in ordered],
        "ids": [client_id for (_, client_id), _ in ordered],
        "times": [time for _, time in ordered],
    }
    async with database.everywhere() as transaction:
        await transaction.run(_USED, values)


async def create(transaction: Transaction, values: Mapping[str, Any], campaign_ids: Collection[int]) -> int:
    """Makes a client, grants it the campaigns, and answers its id."""
    statement = insert(ApiClient).values(workspace_id=transaction.workspace_id, **values).returning(ApiClient.id)
    client_id = int(await transaction.scalar(statement))
    if campaign_ids:
        own = {"workspace_id": transaction.workspace_id, "api_client_id": client_id}
        rows = [{**own, "campaign_id": campaign_id} for campaign_id in sorted(campaign_ids)]
        await transaction.run(insert(ApiClientCampaign).values(rows))
    return client_id


async def revoke(transaction: Transaction, client_id: int) -> bool:
    """Revokes a client and tells all processes, which end its streams. False where there is none; again is no change."""
    own = (ApiClient.workspace_id == transaction.workspace, ApiClient.id == client_id)
    row = await transaction.row(select(ApiClient.revoked_at).where(*own).with_for_update())
    if row is None:
        return False
    if row.revoked_at is None:
        await transaction.run(update(ApiClient).where(*own).values(revoked_at=func.now()))
        await outbox.append(transaction, [outbox.Change(Topic.CLIENTS, client_id, ChangeKind.REVOKED)])
    return True


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The clients of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(ApiClient, {}, fields).where(ApiClient.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, request: PageRequest) -> Page:
    """One page of the workspace's clients, newest first; revoked ones too."""
    rows = await reads.rows(_listed(fields, request.shape), NEWEST.parameters(request))
    return Page.of(NEWEST, request, rows)


@prepared
def _listed(fields: Fields, shape: Shape) -> Query:
    return page(own(ApiClient, {}, fields), NEWEST, shape)


async def count(reads: Reads) -> int:
    """How many clients the workspace has."""
    return int((await reads.row(_count()))[0])


@prepared
def _count() -> Query:
    return select(func.count()).select_from(ApiClient).where(ApiClient.workspace_id == workspace())


async def granted(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the campaigns granted to each client, oldest campaign first, in the order of the ids."""
    rows = await reads.rows(_granted(fields, request.shape), {"ids": ids, **GRANTED.parameters(request)})
    return pages(GRANTED, request, rows, ids)


@prepared
def _granted(fields: Fields, shape: Shape) -> Query:
    same = ApiClientCampaign.workspace_id == Campaign.workspace_id
    base = (
        select(*pick(Campaign, campaigns.NEEDS, fields))
        .join(ApiClientCampaign, same & (ApiClientCampaign.campaign_id == Campaign.id))
        .where(ApiClientCampaign.workspace_id == workspace())
    )
    return page_per_parent(base, ApiClientCampaign.api_client_id, GRANTED, shape, campaigns.NESTED)


async def count_granted(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many campaigns are granted to each client, in the order of the ids."""
    return counted(await reads.rows(_count_granted(), {"ids": ids}), ids)


@prepared
def _count_granted() -> Query:
    return (
        select(ApiClientCampaign.api_client_id, func.count())
        .where(ApiClientCampaign.workspace_id == workspace(), ApiClientCampaign.api_client_id == any_(given_ids()))
        .group_by(ApiClientCampaign.api_client_id)
    )


_USED = text(
    "UPDATE api_clients SET last_used_at = used.time "
    "FROM unnest(CAST(:workspaces AS bigint[]), CAST(:ids AS bigint[]), CAST(:times AS timestamptz[])) "
    "AS used (workspace_id, id, time) WHERE api_clients.workspace_id = used.workspace_id AND api_clients.id = used.id "
    "AND (last_used_at IS NULL OR last_used_at < used.time)"
)
