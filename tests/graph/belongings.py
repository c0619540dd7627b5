"""One thing of every type, as a workspace has them."""

from datetime import UTC, datetime

from sqlalchemy import text

from db.models.email_event_items import NewEmailEvent
from db.models.email_words import EmailEventType
from db.queries import workspaces
from db.queries.email_events import recording
from db.queries.mailings import moving
from db.queries.mailings import writing as mailings
from graph.ids import encode, parts
from tests import keyed
from tests.api import Api, token
from tests.creatives import change, create_space, picture, upload
from tests.facts import (
    add_channel,
    at,
    comment,
    create_audience,
    create_campaign,
    create_channel,
    event,
    react,
    record,
    record_events,
    share,
    start_export,
)
from tests.graph.test_mailings import create_mailing, create_template
from tests.social import interaction, post, record_interactions, upsert_content

_WRONG = "userErrors { code message field }"


async def one_of_each(api: Api, workspace: str) -> dict[str, str]:
    """Makes one thing of every type in a workspace, named ``theirs``; answers their ids."""
    theirs = api.as_(token(workspace=workspace, scopes=("read", "write", "ingest", "admin")))
    create = 'mutation { createBrand(input: {name: "Theirs"}) { brand { id } } }'
    brand = (await keyed.send(theirs, "theirs", create)).json()["data"]
    campaign_id = await create_campaign(theirs, key="theirs", brandId=brand["createBrand"]["brand"]["id"])
    await record(theirs, campaign_id, [{"key": "theirs", "occurredAt": at()}])
    answer = await theirs.data(
        "query ($id: ID!) { viewer { workspace { id } } campaign(id: $id) { impressions { nodes { id } } } }",
        id=campaign_id,
    )
    client = await theirs.data(
        'mutation { createApiClient(input: {name: "Theirs", scopes: [READ]}) { apiClient { id } } }'
    )
    channel_id, audience_id = await create_channel(theirs, "Theirs"), await create_audience(theirs, "Theirs")
    link_id = await add_channel(theirs, campaign_id, channel_id)
    await record_events(theirs, event("theirs", campaign_id, channelId=channel_id), event("bad", "nonsense"))
    events = await theirs.data(
        "query ($id: ID!) { campaign(id: $id) { events { nodes { id } } } deadLetters { nodes { id } } }",
        id=campaign_id,
    )
    tags, posts = [{"type": "topic", "value": "theirs"}], [post("META", "theirs")]
    content_id = await upsert_content(theirs, "theirs", tags=tags, posts=posts)
    await record_interactions(theirs, interaction("theirs", platform="META", externalPostId="theirs"))
    found = await theirs.data(
        "{ contentItems { nodes { posts { nodes { id } } } } interactions { nodes { id follower { id } } } }"
    )
    [interacted] = found["interactions"]["nodes"]
    space_id = await create_space(theirs, "Theirs", tags=["theirs"], campaignId=campaign_id)
    made = await upload(theirs, space_id, picture(), selected="asset { id }", tags=["theirs"])
    given = {"spaceId": space_id, "fileName": "theirs", "sizeBytes": 1}
    await change(
        theirs, "recordAssetReuse", {"assetId": made["asset"]["id"], "usedInType": "x", "usedInId": "x"}, _WRONG
    )
    return {
        **await _their_mail(theirs, workspace, campaign_id),
        "Space": space_id,
        "Asset": made["asset"]["id"],
        "Upload": (await change(theirs, "createUpload", given, "uploadId"))["uploadId"],
        "Follower": interacted["follower"]["id"],
        "Interaction": interacted["id"],
        "ContentItem": content_id,
        "ContentPost": found["contentItems"]["nodes"][0]["posts"]["nodes"][0]["id"],
        "Channel": channel_id,
        "Audience": audience_id,
        "CampaignChannel": link_id,
        "Event": events["campaign"]["events"]["nodes"][0]["id"],
        "DeadLetter": events["deadLetters"]["nodes"][0]["id"],
        "ApiClient": client["createApiClient"]["apiClient"]["id"],
        "Campaign": campaign_id,
        "Brand": brand["createBrand"]["brand"]["id"],
        "Impression": answer["campaign"]["impressions"]["nodes"][0]["id"],
        "Workspace": answer["viewer"]["workspace"]["id"],
        "Reaction": (await react(theirs, campaign_id, "u"))["reaction"]["id"],
        "Share": (await share(theirs, campaign_id, "u", key="theirs"))["share"]["id"],
        "Comment": await comment(theirs, campaign_id, "u", "Theirs"),
        "ExportJob": await start_export(theirs, campaign_id, key="theirs"),
    }


async def _their_mail(theirs: Api, workspace: str, campaign_id: str) -> dict[str, str]:
    """A mailing to one lead, who clicked a link and unsubscribed. What counts it is one writer's."""
    lead = await theirs.data(
        'mutation { upsertLeads(input: {leads: [{email: "a@theirs.example", attributes: {city: "X"}}]}) { leads { id } } }'
    )
    [lead_id] = [one["id"] for one in lead["upsertLeads"]["leads"]]
    template_id = await create_template(theirs)
    mailing_id = await create_mailing(theirs, campaign_id, templateId=template_id, key="theirs")
    key = parts(mailing_id)[1]
    async with theirs.database.write(await workspaces.id_of(theirs.database, workspace) or 0) as transaction:
        await mailings.add_recipients(transaction, key, {0: parts(lead_id)[1]}, {})
        await moving.start(transaction, key, lambda *_: ["https://theirs.example"])
        recipient_id = await transaction.scalar(text("SELECT id FROM recipients"))
        link_id = await transaction.scalar(text("SELECT id FROM tracked_links"))
        before = "now() - interval '1 minute'"  # what comes at once is a machine's
        await transaction.run(text(f"UPDATE recipients SET intent_at = {before}, sent_at = {before}"))
        now = datetime.now(UTC)
        events = [
            NewEmailEvent("theirs", recipient_id, EmailEventType.CLICK, now, link_id=link_id),
            NewEmailEvent("theirs2", recipient_id, EmailEventType.UNSUBSCRIBE, now),
        ]
        assert (await recording.record(transaction, events)).accepted == 2
        event_id = await transaction.scalar(text("SELECT min(id) FROM email_events"))
    return {
        "Lead": lead_id,
        "EmailTemplate": template_id,
        "Mailing": mailing_id,
        "Recipient": encode("Recipient", recipient_id),
        "TrackedLink": encode("TrackedLink", link_id),
        "EmailEvent": encode("EmailEvent", event_id),
    }
