"""Another workspace's things do not exist: in every place that takes an id, they answer as what never was."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from graph.schema import schema
from tests.api import Api, build, token
from tests.creatives import create_space, picture, send, upload
from tests.facts import (
    at,
    create_campaign,
    record,
    share,
    start_export,
)
from tests.graph.belongings import one_of_each
from tests.graph.test_mailings import create_mailing, create_template
from tests.social import interaction, post, record_interactions, upsert_content


def _engage(field: str, values: str) -> str:
    mine = ", $mine: ID!" if "$mine" in values else ""
    return (
        f'mutation ($id: ID!{mine}) {{ {field}(input: {{{values}, actor: {{userId: "u"}}}}) '
        "{ userErrors { code message field } } }"
    )


PLACES = {
    "Query.node(id:)": "query ($id: ID!) { node(id: $id) { id } }",
    "Query.nodes(ids:)": "query ($id: ID!) { nodes(ids: [$id]) { id } }",
    "Query.campaign(id:)": "query ($id: ID!) { campaign(id: $id) { id name metrics { impressions } } }",
    "CampaignFilter.brandId": "query ($id: ID!) { campaigns(filter: {brandId: $id}) { totalCount nodes { id } } }",
    "CreateCampaignInput.brandId": 'mutation ($id: ID!) { createCampaign(input: {name: "X", brandId: $id}) '
    "{ campaign { id } userErrors { code message field } } }",
    "UpdateCampaignInput.id": 'mutation ($id: ID!) { updateCampaign(input: {id: $id, name: "X"}) '
    "{ campaign { id } userErrors { code message field } } }",
    "UpdateCampaignInput.brandId": "mutation ($id: ID!, $mine: ID!) { updateCampaign(input: {id: $mine, brandId: $id}) "
    "{ campaign { id } userErrors { code message field } } }",
    "RecordImpressionsInput.campaignId": "mutation ($id: ID!) { recordImpressions(input: {campaignId: $id, impressions: "
    '[{key: "x"}]}) { accepted duplicates userErrors { code message field } } }',
    "ReactInput.campaignId": _engage("react", "campaignId: $id, type: LIKE"),
    "ReactInput.impressionId": _engage("react", "campaignId: $mine, type: LIKE, impressionId: $id"),
    "UnreactInput.campaignId": _engage("unreact", "campaignId: $id, type: LIKE"),
    "ShareInput.campaignId": _engage("share", "campaignId: $id"),
    "ShareInput.impressionId": _engage("share", "campaignId: $mine, impressionId: $id"),
    "AddCommentInput.campaignId": _engage("addComment", 'campaignId: $id, body: "x"'),
    "AddCommentInput.impressionId": _engage("addComment", 'campaignId: $mine, body: "x", impressionId: $id'),
    "AddCommentInput.parentId": _engage("addComment", 'campaignId: $mine, body: "x", parentId: $id'),
    "EditCommentInput.id": 'mutation ($id: ID!) { editComment(input: {id: $id, body: "x"}) '
    "{ comment { id } userErrors { code message field } } }",
    "DeleteCommentInput.id": "mutation ($id: ID!) { deleteComment(input: {id: $id}) "
    "{ comment { id } userErrors { code message field } } }",
    "ImpressionUpdateInput.id": "mutation ($id: ID!) { updateImpressions(input: {updates: [{id: $id, clickedAt: "
    '"2026-03-01T00:00:00Z"}]}) { accepted rejected { code message field } } }',
}
PLACES |= {
    "Query.exportJob(id:)": "query ($id: ID!) { exportJob(id: $id) { id rowsDone parts { rows url } manifestUrl } }",
    "Query.exportJobs(campaignId:)": "query ($id: ID!) { exportJobs(campaignId: $id) { totalCount nodes { id } } }",
    "StartExportInput.campaignId": "mutation ($id: ID!) { startExport(input: {campaignId: $id, dataset: EVENTS, "
    'format: CSV, key: "theirs"}) { exportJob { id } userErrors { code message field } } }',
    "CancelExportInput.id": "mutation ($id: ID!) { cancelExport(input: {id: $id}) "
    "{ exportJob { id } userErrors { code message field } } }",
}


def _event(values: str) -> str:
    mine = ", $mine: ID!" if "$mine" in values else ""
    return (
        f'mutation ($id: ID!{mine}) {{ recordEvents(input: {{events: [{{key: "x", type: CLICK, {values}, '
        'occurredAt: "2026-03-01T00:00:00Z"}]}) { accepted rejected { code message field } } }'
    )


PLACES |= {
    "Query.channel(id:)": "query ($id: ID!) { channel(id: $id) { id name metrics { clicks } } }",
    "Query.contentItem(id:)": "query ($id: ID!) { contentItem(id: $id) { id title tags { value } summary { totalLikes } } }",
    "Query.follower(id:)": "query ($id: ID!) { follower(id: $id) { id username rank score { value } interactions { totalCount } } }",
    "Query.interactions(contentId:)": "query ($id: ID!) { interactions(contentId: $id) { totalCount nodes { id } } }",
    "Follower.interactions(contentId:)": "query ($id: ID!) { followers { nodes { interactions(contentId: $id) "
    "{ totalCount nodes { id } } } } }",
    "CampaignFilter.channelId": "query ($id: ID!) { campaigns(filter: {channelId: $id}) { totalCount nodes { id } } }",
    "EventFilter.channelId": "query ($id: ID!) { campaigns { nodes { events(filter: {channelId: $id}) { totalCount } } } }",
    "EventFilter.audienceId": "query ($id: ID!) { campaigns { nodes { events(filter: {audienceId: $id}) { totalCount } } } }",
    "AddCampaignChannelInput.campaignId": "mutation ($id: ID!) { addCampaignChannel(input: {campaignId: $id, "
    'channelId: "Q2hhbm5lbDo5OTk5OTk="}) { campaignChannel { id } userErrors { code message field } } }',
    "AddCampaignChannelInput.channelId": "mutation ($id: ID!, $mine: ID!) { addCampaignChannel(input: {campaignId: $mine, "
    "channelId: $id}) { campaignChannel { id } userErrors { code message field } } }",
    "EventInput.campaignId": _event("campaignId: $id"),
    "EventInput.channelId": _event("campaignId: $mine, channelId: $id"),
    "EventInput.audienceId": _event("campaignId: $mine, audienceId: $id"),
    "ImpressionInput.channelId": "mutation ($id: ID!, $mine: ID!) { recordImpressions(input: {campaignId: $mine, impressions: "
    '[{key: "x", channelId: $id}]}) { accepted rejected { code message field } } }',
    "ImpressionInput.audienceId": "mutation ($id: ID!, $mine: ID!) { recordImpressions(input: {campaignId: $mine, impressions: "
    '[{key: "x", audienceId: $id}]}) { accepted rejected { code message field } } }',
    "DiscardDeadLettersInput.ids": "mutation ($id: ID!) { discardDeadLetters(input: {ids: [$id]}) { discarded } }",
}
_WRONG = "userErrors { code message field }"


def _space(name: str, kind: str, values: str) -> str:
    """A change of spaces or assets that names a thing."""
    mine = ", $mine: ID!" if "$mine" in values else ""
    return f"mutation ($id: ID!{mine}) {{ {name}(input: {{{values}}}) {{ {kind} {_WRONG} }} }}"


PLACES |= {
    "Query.space(id:)": "query ($id: ID!) { space(id: $id) { id name stats { assetCount } assets { totalCount } } }",
    "Query.asset(id:)": "query ($id: ID!) { asset(id: $id) { id name fileUrl similar { distance } usages { totalCount } } }",
    "SpaceFilter.brandId": "query ($id: ID!) { spaces(filter: {brandId: $id}) { totalCount nodes { id } } }",
    "SpaceFilter.campaignId": "query ($id: ID!) { spaces(filter: {campaignId: $id}) { totalCount nodes { id } } }",
    "CreateSpaceInput.campaignId": _space("createSpace", "space { id }", 'name: "X", platform: META, campaignId: $id'),
    "CreateSpaceInput.brandId": _space("createSpace", "space { id }", 'name: "X", platform: META, brandId: $id'),
    "UpdateSpaceInput.id": _space("updateSpace", "space { id }", 'id: $id, name: "X"'),
    "UpdateSpaceInput.campaignId": _space("updateSpace", "space { id }", "id: $mine, campaignId: $id"),
    "UpdateSpaceInput.brandId": _space("updateSpace", "space { id }", "id: $mine, brandId: $id"),
    "DeleteInput.id": "mutation ($id: ID!) { deleteSpace(input: {id: $id}) { space { id } userErrors { code message field } } "
    "deleteAsset(input: {id: $id}) { asset { id } userErrors { code message field } } }",
    "RestoreInput.id": "mutation ($id: ID!) { restoreSpace(input: {id: $id}) { space { id } userErrors { code message field } } "
    "restoreAsset(input: {id: $id}) { asset { id } userErrors { code message field } } }",
    "MarkSpaceAsTemplateInput.id": _space("markSpaceAsTemplate", "space { id }", "id: $id"),
    "CreateSpaceFromTemplateInput.templateId": _space(
        "createSpaceFromTemplate", "space { id }", 'templateId: $id, name: "X"'
    ),
    "UpdatePerformanceInput.id": "mutation ($id: ID!) { updateSpacePerformance(input: {id: $id, clicks: 1}) { space { id } "
    "userErrors { code message field } } updateAssetPerformance(input: {id: $id, clicks: 1}) { asset { id } "
    "userErrors { code message field } } }",
    "CreateAssetInput.spaceId": _space(
        "createAsset", "asset { id }", 'spaceId: $id, type: HEADLINE, headlineText: "x"'
    ),
    "CreateUploadInput.spaceId": _space("createUpload", "uploadId", 'spaceId: $id, fileName: "x", sizeBytes: 1'),
    "CompleteUploadInput.uploadId": _space("completeUpload", "asset { id }", "uploadId: $id, asset: {type: OTHER}"),
    "UpdateAssetInput.id": _space("updateAsset", "asset { id }", 'id: $id, name: "X"'),
    "RecordAssetReuseInput.assetId": _space(
        "recordAssetReuse", "asset { id }", 'assetId: $id, usedInType: "x", usedInId: "x"'
    ),
}


def _mail(name: str, kind: str, values: str) -> str:
    """A change of leads, templates or mailings that names a thing."""
    mine = ", $mine: ID!" if "$mine" in values else ""
    return f"mutation ($id: ID!{mine}) {{ {name}(input: {{{values}}}) {{ {kind} {_WRONG} }} }}"


_LETTER = 'name: "X", subject: "X", html: "<p>X</p>"'
_NEW_MAILING = 'name: "X", fromAddress: "a@example.com"'
_NO_TEMPLATE, _NO_CAMPAIGN = encode("EmailTemplate", 999999), encode("Campaign", 999999)
PLACES |= {
    "Query.lead(id:)": "query ($id: ID!) { lead(id: $id) { id email suppression { reason } } }",
    "Query.emailTemplate(id:)": "query ($id: ID!) { emailTemplate(id: $id) { id subject } }",
    "Query.emailTemplatePreview(templateId:)": "query ($id: ID!) { emailTemplatePreview(templateId: $id) { html } }",
    "Query.emailTemplatePreview(leadId:)": "query ($id: ID!, $mine: ID!) { emailTemplatePreview(templateId: $mine, leadId: $id) "
    "{ html } }",
    "PreviewEmailInput.leadId": 'query ($id: ID!) { previewEmail(input: {subject: "X", html: "<p>X</p>", leadId: $id}) '
    "{ preview { html } userErrors { code message field } } }",
    "LiftSuppressionInput.leadId": _mail("liftSuppression", "lead { id }", "leadId: $id"),
    "UpdateEmailTemplateInput.id": _mail("updateEmailTemplate", "emailTemplate { id }", f"id: $id, {_LETTER}"),
    "DeleteEmailTemplateInput.id": _mail("deleteEmailTemplate", "deletedId", "id: $id"),
    "Query.mailing(id:)": "query ($id: ID!) { mailing(id: $id) { id name metrics { emailsSent } recipients { totalCount } "
    "recipientsByStatus { count } links { totalCount } events { totalCount } } }",
    "MailingFilter.campaignId": "query ($id: ID!) { mailings(filter: {campaignId: $id}) { totalCount nodes { id } } }",
    "CreateMailingInput.campaignId": _mail(
        "createMailing", "mailing { id }", f'{_NEW_MAILING}, campaignId: $id, templateId: "{_NO_TEMPLATE}"'
    ),
    "CreateMailingInput.templateId": _mail(
        "createMailing", "mailing { id }", f'{_NEW_MAILING}, campaignId: "{_NO_CAMPAIGN}", templateId: $id'
    ),
    "UpdateMailingInput.id": _mail("updateMailing", "mailing { id }", 'id: $id, name: "X"'),
    "UpdateMailingInput.templateId": _mail("updateMailing", "mailing { id }", "id: $mine, templateId: $id"),
    "DeleteMailingInput.id": _mail("deleteMailing", "deletedId", "id: $id"),
    "ScheduleMailingInput.id": _mail(
        "scheduleMailing", "mailing { id }", 'id: $id, scheduledAt: "2026-03-01T00:00:00Z"'
    ),
    "MailingActionInput.id": "mutation ($id: ID!) { "
    + " ".join(
        f"{name}Mailing(input: {{id: $id}}) {{ mailing {{ id }} {_WRONG} }}"
        for name in ("start", "pause", "resume", "unschedule")
    )
    + " }",
    "AddRecipientsInput.mailingId": _mail("addRecipients", "accepted", 'mailingId: $id, emails: ["a@example.com"]'),
    "AddRecipientsInput.leadIds": _mail(
        "addRecipients", "accepted rejected { code message field }", "mailingId: $mine, leadIds: [$id]"
    ),
    "EmailEventInput.recipientId": _mail(
        "recordEmailEvents",
        "accepted rejected { code message field }",
        'events: [{key: "x", recipientId: $id, type: OPEN}]',
    ),
}
FILES = {"ImportAssetsInput.spaceId"}
"""Places in inputs that come with a file: tried by a test of their own."""
STREAMS = {
    "Subscription.exportJob(id:)": "subscription ($id: ID!) { exportJob(id: $id) { status } }",
    "Subscription.engagements(campaignIds:)": "subscription ($id: ID!) { engagements(campaignIds: [$id]) { cursor } }",
    "Subscription.campaignMetrics(campaignId:)": "subscription ($id: ID!) { campaignMetrics(campaignId: $id) { at } }",
}
PLACES |= {
    "CreateApiClientInput.campaignIds": 'mutation ($id: ID!) { createApiClient(input: {name: "X", scopes: [READ], '
    "campaignIds: [$id]}) { secret userErrors { code message field } } }",
    "RevokeApiClientInput.id": "mutation ($id: ID!) { revokeApiClient(input: {id: $id}) "
    "{ apiClient { id } userErrors { code message field } } }",
}
MAIL = ("Lead", "EmailTemplate", "Mailing", "Recipient", "TrackedLink", "EmailEvent")
KINDS = {
    "Query.node(id:)": (
        "Campaign",
        "Brand",
        "Impression",
        "Workspace",
        "Reaction",
        "Share",
        "Comment",
        "ApiClient",
        "ExportJob",
        "Channel",
        "Audience",
        "CampaignChannel",
        "Event",
        "DeadLetter",
        "ContentItem",
        "ContentPost",
        "Follower",
        "Interaction",
        "Space",
        "Asset",
        *MAIL,
    ),
    "Query.nodes(ids:)": (
        "Campaign",
        "Brand",
        "Impression",
        "Workspace",
        "Reaction",
        "Share",
        "Comment",
        "ApiClient",
        "ExportJob",
        "Channel",
        "Audience",
        "CampaignChannel",
        "Event",
        "DeadLetter",
        "ContentItem",
        "ContentPost",
        "Follower",
        "Interaction",
        "Space",
        "Asset",
        *MAIL,
    ),
    "Query.channel(id:)": ("Channel",),
    "Query.contentItem(id:)": ("ContentItem",),
    "Query.follower(id:)": ("Follower",),
    "Query.interactions(contentId:)": ("ContentItem",),
    "Follower.interactions(contentId:)": ("ContentItem",),
    "CampaignFilter.channelId": ("Channel",),
    "EventFilter.channelId": ("Channel",),
    "EventFilter.audienceId": ("Audience",),
    "AddCampaignChannelInput.campaignId": ("Campaign",),
    "AddCampaignChannelInput.channelId": ("Channel",),
    "EventInput.campaignId": ("Campaign",),
    "EventInput.channelId": ("Channel",),
    "EventInput.audienceId": ("Audience",),
    "ImpressionInput.channelId": ("Channel",),
    "ImpressionInput.audienceId": ("Audience",),
    "DiscardDeadLettersInput.ids": ("DeadLetter",),
    "Query.campaign(id:)": ("Campaign",),
    "Query.exportJob(id:)": ("ExportJob",),
    "Query.exportJobs(campaignId:)": ("Campaign",),
    "StartExportInput.campaignId": ("Campaign",),
    "CancelExportInput.id": ("ExportJob",),
    "Subscription.exportJob(id:)": ("ExportJob",),
    "CampaignFilter.brandId": ("Brand",),
    "CreateCampaignInput.brandId": ("Brand",),
    "UpdateCampaignInput.id": ("Campaign",),
    "UpdateCampaignInput.brandId": ("Brand",),
    "RecordImpressionsInput.campaignId": ("Campaign",),
    "ImpressionUpdateInput.id": ("Impression",),
    "ReactInput.campaignId": ("Campaign",),
    "ReactInput.impressionId": ("Impression",),
    "UnreactInput.campaignId": ("Campaign",),
    "ShareInput.campaignId": ("Campaign",),
    "ShareInput.impressionId": ("Impression",),
    "AddCommentInput.campaignId": ("Campaign",),
    "AddCommentInput.impressionId": ("Impression",),
    "AddCommentInput.parentId": ("Comment",),
    "EditCommentInput.id": ("Comment",),
    "DeleteCommentInput.id": ("Comment",),
    "CreateApiClientInput.campaignIds": ("Campaign",),
    "RevokeApiClientInput.id": ("ApiClient",),
    "Query.space(id:)": ("Space",),
    "Query.asset(id:)": ("Asset",),
    "SpaceFilter.brandId": ("Brand",),
    "SpaceFilter.campaignId": ("Campaign",),
    "CreateSpaceInput.campaignId": ("Campaign",),
    "CreateSpaceInput.brandId": ("Brand",),
    "UpdateSpaceInput.id": ("Space",),
    "UpdateSpaceInput.campaignId": ("Campaign",),
    "UpdateSpaceInput.brandId": ("Brand",),
    "DeleteInput.id": ("Space", "Asset"),
    "RestoreInput.id": ("Space", "Asset"),
    "MarkSpaceAsTemplateInput.id": ("Space",),
    "CreateSpaceFromTemplateInput.templateId": ("Space",),
    "UpdatePerformanceInput.id": ("Space", "Asset"),
    "CreateAssetInput.spaceId": ("Space",),
    "CreateUploadInput.spaceId": ("Space",),
    "CompleteUploadInput.uploadId": ("Upload",),
    "UpdateAssetInput.id": ("Asset",),
    "RecordAssetReuseInput.assetId": ("Asset",),
    **dict.fromkeys(
        (
            "Query.lead(id:)",
            "Query.emailTemplatePreview(leadId:)",
            "PreviewEmailInput.leadId",
            "LiftSuppressionInput.leadId",
            "AddRecipientsInput.leadIds",
        ),
        ("Lead",),
    ),
    **dict.fromkeys(
        (
            "Query.emailTemplate(id:)",
            "Query.emailTemplatePreview(templateId:)",
            "UpdateEmailTemplateInput.id",
            "DeleteEmailTemplateInput.id",
            "CreateMailingInput.templateId",
            "UpdateMailingInput.templateId",
        ),
        ("EmailTemplate",),
    ),
    **dict.fromkeys(
        (
            "Query.mailing(id:)",
            "UpdateMailingInput.id",
            "DeleteMailingInput.id",
            "ScheduleMailingInput.id",
            "MailingActionInput.id",
            "AddRecipientsInput.mailingId",
        ),
        ("Mailing",),
    ),
    **dict.fromkeys(("MailingFilter.campaignId", "CreateMailingInput.campaignId"), ("Campaign",)),
    "EmailEventInput.recipientId": ("Recipient",),
}


def places_that_take_an_id() -> set[str]:
    """Every argument and input field of the type ID, by coordinate."""
    found = set()
    for name, kind in schema._schema.type_map.items():
        if isinstance(kind, GraphQLInputObjectType):
            found |= {f"{name}.{field}" for field, f in kind.fields.items() if get_named_type(f.type).name == "ID"}
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in kind.fields.items():
                ids = [a for a, argument in field.args.items() if get_named_type(argument.type).name == "ID"]
                found |= {f"{name}.{field_name}({a}:)" for a in ids}
    return found


async def fill_database(database: Database, _workspace: int, _other_workspace: int) -> dict[str, str]:
    """Things of the other workspace; answers their ids."""
    url = database.engine.url.render_as_string(hide_password=False)
    with TemporaryDirectory() as folder:
        async with build(url, Path(folder)) as api:
            return await one_of_each(api, "other")


@pytest.fixture
def foreign(filled: tuple[str, dict[str, str]]) -> dict[str, str]:
    """Ids of things of the other workspace."""
    return filled[1]


MISSING = {
    "ApiClient": encode("ApiClient", 999999),
    "Campaign": "Q2FtcGFpZ246OTk5OTk5",
    "Brand": "QnJhbmQ6OTk5OTk5",
    "Impression": "SW1wcmVzc2lvbjo5OTk5OTk=",
    "Workspace": "V29ya3NwYWNlOjk5OTk5OQ==",
    "Reaction": encode("Reaction", 999999),
    "Share": encode("Share", 999999),
    "Comment": encode("Comment", 999999),
    "ExportJob": encode("ExportJob", 999999),
    **{kind: encode(kind, 999999) for kind in ("Channel", "Audience", "CampaignChannel", "Event", "DeadLetter")},
    **{kind: encode(kind, 999999) for kind in ("Space", "Asset", "Upload", *MAIL)},
    **{kind: encode(kind, 999999) for kind in ("ContentItem", "ContentPost", "Follower", "Interaction")},
}


MINE: dict[str, Callable[[Api], Awaitable[str]]] = {
    "UpdateMailingInput.templateId": create_mailing,
    "AddRecipientsInput.leadIds": create_mailing,
    "Query.emailTemplatePreview(leadId:)": create_template,
}
"""What is made for the places where something of one's own is named as well, if it is no campaign or space."""


def test_every_place_that_takes_an_id_is_tried() -> None:
    assert places_that_take_an_id() == set(PLACES) | set(STREAMS) | FILES


@pytest.mark.parametrize("place", sorted(PLACES))
async def test_foreign_reads_as_missing(api: Api, foreign: dict[str, str], place: str) -> None:
    api = api.as_(token(scopes=("read", "write", "ingest", "admin")))
    mine = {}
    if "$mine" in PLACES[place]:
        mine = {"mine": await MINE.get(place, create_space if "Space" in place else create_campaign)(api)}
    for kind in KINDS[place]:
        hidden = await api.ask(PLACES[place], id=foreign[kind], **mine)
        assert hidden == await api.ask(PLACES[place], id=MISSING[kind], **mine)


async def test_a_file_for_what_is_foreign_is_refused_as_for_what_is_missing(api: Api, foreign: dict[str, str]) -> None:
    answers = []
    for space_id in (foreign["Space"], MISSING["Space"]):
        given = {"spaceId": space_id, "source": "CSV_IMPORT"}
        answers.append(await send(api, "importAssets", given, b"type\n", "a.csv", f"space {{ id }} {_WRONG}"))
        answers.append(await upload(api, space_id, picture(), selected=f"asset {{ id }} {_WRONG}"))
    assert answers[:2] == answers[2:]
    assert answers[0]["userErrors"] == [{"code": "NOT_FOUND", "message": "No such space.", "field": ["spaceId"]}]


@pytest.mark.parametrize("place", sorted(STREAMS))
async def test_what_is_foreign_is_streamed_as_missing(api: Api, foreign: dict[str, str], place: str) -> None:
    api = api.as_(token(scopes=("live",)))
    [kind] = KINDS.get(place, ("Campaign",))
    hidden = await api.stream(STREAMS[place], id=foreign[kind])
    assert '"code":"NOT_FOUND"' in hidden
    assert hidden == await api.stream(STREAMS[place], id=MISSING[kind])


async def test_foreign_keys_are_free_and_find_nothing(api: Api, foreign: dict[str, str]) -> None:
    assert await api.data('{ campaignByKey(key: "theirs") { id } }') == {"campaignByKey": None}
    campaign_id = await create_campaign(api, key="theirs")
    assert (await record(api, campaign_id, [{"key": "theirs", "occurredAt": at()}]))["accepted"] == 1
    assert (await share(api, campaign_id, "u", key="theirs"))["created"]
    assert await start_export(api, campaign_id, key="theirs") != foreign["ExportJob"]
    assert await api.data('{ contentItemBySlug(slug: "theirs") { id } }') == {"contentItemBySlug": None}
    given = interaction("theirs", platform="META", externalPostId="theirs")
    assert (await record_interactions(api, given))["rejected"][0]["code"] == "NOT_FOUND"
    assert await upsert_content(api, "theirs", posts=[post("META", "theirs")]) != foreign["ContentItem"]
    assert (await record_interactions(api, given))["accepted"] == 1
    answer = await api.data("{ followers { totalCount nodes { id rank score { value } } } }")
    [mine] = answer["followers"]["nodes"]
    assert mine.pop("id") != foreign["Follower"]
    assert mine == {"rank": 1, "score": {"value": 5}}
    assert await api.data('{ mailingByKey(key: "theirs") { id } }') == {"mailingByKey": None}
    mailing_id = await create_mailing(api, campaign_id, key="theirs")
    assert mailing_id != foreign["Mailing"]
    add = 'mutation ($id: ID!) { addRecipients(input: {mailingId: $id, emails: ["a@theirs.example"]}) { accepted } }'
    assert await api.data(add, id=mailing_id) == {"addRecipients": {"accepted": 1}}
    lead = "{ leads { nodes { id attributes unsubscribedAt suppression { reason } } } }"
    [mine] = (await api.data(lead))["leads"]["nodes"]
    assert mine.pop("id") != foreign["Lead"]
    assert mine == dict.fromkeys(("attributes", "unsubscribedAt", "suppression"))


ROWS = {
    "workspaces": 1,
    "brands": 1,
    "campaigns": 1,
    "idempotency_keys": 1,
    "impressions": 1,
    "engagements": 3,
    "campaign_engagers": 1,
    "export_jobs": 1,
    **dict.fromkeys(("channels", "audiences", "campaign_channels", "events", "dead_letters"), 1),
    **dict.fromkeys(("event_totals", "event_buckets"), 1),
    **dict.fromkeys(("content_items", "content_tags", "content_posts", "content_summaries"), 1),
    **dict.fromkeys(("content_platform_rollups", "content_followers"), 1),
    **dict.fromkeys(("followers", "follower_weeks", "interactions"), 1),
    **dict.fromkeys(("spaces", "space_asset_counts", "space_blobs", "blobs", "assets", "asset_usages", "uploads"), 1),
    "space_terms": 2,
    "asset_terms": 4,
    "blob_hash_bands": 9,
    "loose_objects": 1,
    "follower_words": 3,
    **dict.fromkeys(("leads", "lead_attributes", "suppressions", "email_templates", "mailings", "recipients"), 1),
    **dict.fromkeys(("tracked_links", "link_totals", "link_recipients", "mailing_totals"), 1),
    "lead_words": 5,
    "email_events": 2,
    "follower_score_counts": 8,
}


async def test_row_level_security_alone_is_enough(
    api: Api, foreign: dict[str, str], workspace: int, other_workspace: int, database: Database
) -> None:
    for table, theirs in ROWS.items():
        everything = text(f"SELECT count(*) FROM {table}")
        async with database.write(workspace) as transaction:
            assert await transaction.scalar(everything) == (1 if table == "workspaces" else 0)
        async with database.write(other_workspace) as transaction:
            assert await transaction.scalar(everything) == theirs


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE campaigns SET name = 'stolen'",
        "DELETE FROM impressions",
        "UPDATE workspaces SET name = 'stolen' WHERE key = 'other'",
    ],
)
async def test_row_level_security_hides_from_changes(
    api: Api, foreign: dict[str, str], workspace: int, database: Database, statement: str
) -> None:
    async with database.write(workspace) as transaction:
        assert await transaction.run(text(statement)) == 0


async def test_row_level_security_refuses_rows_for_others(
    workspace: int, other_workspace: int, database: Database
) -> None:
    with pytest.raises(Exception, match="row-level security"):
        async with database.write(workspace) as transaction:
            await transaction.run(text(f"INSERT INTO brands (workspace_id, name) VALUES ({other_workspace}, 'x')"))


async def test_a_row_cannot_point_into_another_workspace(
    api: Api, foreign: dict[str, str], workspace: int, database: Database, tmp_path: Path
) -> None:
    async with database.everywhere() as transaction:
        brand_id: Any = await transaction.scalar(text("SELECT id FROM brands"))
    with pytest.raises(Exception, match="campaigns_workspace_id_brand_id_fkey"):
        async with database.write(workspace) as transaction:
            await transaction.run(
                text(
                    "INSERT INTO campaigns (workspace_id, name, status, currency, brand_id) "
                    f"VALUES ({workspace}, 'x', 'DRAFT', 'EUR', {brand_id})"
                )
            )
