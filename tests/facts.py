"""Short ways to bring campaigns, impressions and engagements about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api import Api, token

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(**ago: float) -> str:
    """A moment so long after noon on the first of March 2026 (UTC), as the API writes it."""
    return (NOON + timedelta(**ago)).isoformat().replace("+00:00", "Z")


async def create_campaign(api: Api, **values: Any) -> str:
    """The id of a new campaign."""
    payload = await api.data(
        "mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } userErrors { message } } }",
        input={"name": "Spring", **values},
    )
    assert payload["createCampaign"]["userErrors"] == []
    campaign_id: str = payload["createCampaign"]["campaign"]["id"]
    return campaign_id


async def record(api: Api, campaign_id: str, impressions: Sequence[dict[str, Any]]) -> Any:
    """What recordImpressions answers."""
    return (
        await api.data(
            "mutation ($input: RecordImpressionsInput!) { recordImpressions(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"campaignId": campaign_id, "impressions": list(impressions)},
        )
    )["recordImpressions"]


async def update(api: Api, *updates: dict[str, Any]) -> Any:
    """What updateImpressions answers."""
    return (
        await api.data(
            "mutation ($input: UpdateImpressionsInput!) { updateImpressions(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"updates": list(updates)},
        )
    )["updateImpressions"]


async def metrics(api: Api, campaign_id: str, fields: str, window: dict[str, str] | None = None) -> Any:
    """Some of a campaign's metrics."""
    query = (
        f"query ($id: ID!, $window: TimeWindow) {{ campaign(id: $id) {{ metrics(window: $window) {{ {fields} }} }} }}"
    )
    return (await api.data(query, id=campaign_id, window=window))["campaign"]["metrics"]


ERRORS = "userErrors { code message field }"


async def react(api: Api, campaign_id: str, user: str | None, kind: str = "LIKE", **values: Any) -> Any:
    """What react answers."""
    query = f"mutation ($input: ReactInput!) {{ react(input: $input) {{ created reaction {{ id type }} {ERRORS} }} }}"
    return (await api.data(query, input={"campaignId": campaign_id, "type": kind, **_by(user), **values}))["react"]


async def unreact(api: Api, campaign_id: str, user: str | None, kind: str = "LIKE") -> Any:
    """What unreact answers."""
    query = f"mutation ($input: UnreactInput!) {{ unreact(input: $input) {{ removed {ERRORS} }} }}"
    return (await api.data(query, input={"campaignId": campaign_id, "type": kind, **_by(user)}))["unreact"]


async def share(api: Api, campaign_id: str, user: str | None, **values: Any) -> Any:
    """What share answers."""
    query = f"mutation ($input: ShareInput!) {{ share(input: $input) {{ created share {{ id }} {ERRORS} }} }}"
    return (await api.data(query, input={"campaignId": campaign_id, **_by(user), **values}))["share"]


async def add_comment(api: Api, campaign_id: str, user: str | None, body: str = "Nice", **values: Any) -> Any:
    """What addComment answers."""
    query = (
        "mutation ($input: AddCommentInput!) { addComment(input: $input) { "
        f"comment {{ id body depth parent {{ id }} root {{ id }} actor {{ userId }} }} {ERRORS} }} }}"
    )
    values = {"campaignId": campaign_id, "body": body, **_by(user), **values}
    return (await api.data(query, input=values))["addComment"]


async def comment(api: Api, campaign_id: str, user: str, body: str = "Nice", **values: Any) -> str:
    """The id of a new comment."""
    payload = await add_comment(api, campaign_id, user, body, **values)
    assert payload["userErrors"] == []
    comment_id: str = payload["comment"]["id"]
    return comment_id


async def edit_comment(api: Api, comment_id: str, body: str) -> Any:
    """What editComment answers."""
    query = (
        "mutation ($input: EditCommentInput!) { editComment(input: $input) { "
        f"comment {{ body editedAt }} {ERRORS} }} }}"
    )
    return (await api.data(query, input={"id": comment_id, "body": body}))["editComment"]


async def delete_comment(api: Api, comment_id: str) -> Any:
    """What deleteComment answers."""
    query = (
        "mutation ($input: DeleteCommentInput!) { deleteComment(input: $input) { comment { "
        f"id body replyCount descendantCount deletedAt actor {{ userId }} }} {ERRORS} }} }}"
    )
    return (await api.data(query, input={"id": comment_id}))["deleteComment"]


def _by(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"actor": {"userId": user}}


async def ask_for_export(api: Api, campaign_id: str, **values: Any) -> Any:
    """What startExport answers."""
    query = f"mutation ($input: StartExportInput!) {{ startExport(input: $input) {{ exportJob {{ id status }} {ERRORS} }} }}"
    given = {"campaignId": campaign_id, "dataset": "EVENTS", "format": "CSV", **values}
    return (await api.data(query, input=given))["startExport"]


async def start_export(api: Api, campaign_id: str, **values: Any) -> str:
    """The id of an export that was asked for."""
    payload = await ask_for_export(api, campaign_id, **values)
    assert payload["userErrors"] == []
    job_id: str = payload["exportJob"]["id"]
    return job_id


def event(key: str, campaign_id: str, **values: Any) -> dict[str, Any]:
    """An event as recordEvents takes it: an impression at noon, unless the values say otherwise."""
    return {"key": key, "type": "IMPRESSION", "campaignId": campaign_id, "occurredAt": at(), **values}


async def record_events(api: Api, *events: dict[str, Any]) -> Any:
    """What recordEvents answers."""
    return (
        await api.data(
            "mutation ($input: RecordEventsInput!) { recordEvents(input: $input) { accepted duplicates "
            "rejected { index key code message field } userErrors { code message field } } }",
            input={"events": list(events)},
        )
    )["recordEvents"]


async def create_channel(api: Api, name: str, kind: str = "ADS") -> str:
    """The id of a new channel."""
    query = f"mutation ($input: CreateChannelInput!) {{ createChannel(input: $input) {{ channel {{ id }} {ERRORS} }} }}"
    payload = (await api.data(query, input={"name": name, "kind": kind}))["createChannel"]
    assert payload["userErrors"] == []
    return str(payload["channel"]["id"])


async def create_audience(api: Api, name: str, **values: Any) -> str:
    """The id of a new audience."""
    query = (
        f"mutation ($input: CreateAudienceInput!) {{ createAudience(input: $input) {{ audience {{ id }} {ERRORS} }} }}"
    )
    payload = (await api.data(query, input={"name": name, **values}))["createAudience"]
    assert payload["userErrors"] == []
    return str(payload["audience"]["id"])


async def add_channel(api: Api, campaign_id: str, channel_id: str) -> str:
    """The id of the campaign on the channel."""
    query = (
        "mutation ($input: AddCampaignChannelInput!) { addCampaignChannel(input: $input) "
        f"{{ campaignChannel {{ id }} {ERRORS} }} }}"
    )
    given = {"campaignId": campaign_id, "channelId": channel_id}
    payload = (await api.data(query, input=given))["addCampaignChannel"]
    assert payload["userErrors"] == []
    return str(payload["campaignChannel"]["id"])


async def restricted(api: Api, campaign_ids: Sequence[str], *scopes: str) -> Api:
    """The application, asked by a new API client that sees these campaigns only."""
    query = "mutation ($input: CreateApiClientInput!) { createApiClient(input: $input) { secret } }"
    given = {"name": "Partner", "scopes": list(scopes), "campaignIds": list(campaign_ids)}
    admin = api.as_(token(scopes=("admin",)))
    return api.as_((await admin.data(query, input=given))["createApiClient"]["secret"])
