"""Joins the domains into one schema; printed to schema.graphql."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from graph.assets.imports import AssetImportMutation
from graph.assets.mutations import AssetMutation
from graph.assets.queries import AssetQuery
from graph.assets.storing import AssetStoringMutation
from graph.assets.types import Asset
from graph.brands import BrandMutation
from graph.campaigns.mutations import CampaignMutation
from graph.campaigns.queries import CampaignQuery
from graph.campaigns.subscriptions import CampaignSubscription
from graph.campaigns.types import Campaign
from graph.channels.mutations import ChannelMutation
from graph.channels.queries import ChannelQuery
from graph.channels.types import Audience, CampaignChannel, Channel
from graph.clients.mutations import ClientMutation
from graph.clients.types import ApiClient
from graph.content.mutations import ContentMutation
from graph.content.queries import ContentQuery
from graph.content.types import ContentItem, ContentPost
from graph.descriptions import describe
from graph.email_events.mutations import EmailEventMutation
from graph.email_events.types import EmailEvent
from graph.email_templates.mutations import EmailTemplateMutation
from graph.email_templates.preview import EmailPreviewQuery
from graph.email_templates.queries import EmailTemplateQuery
from graph.email_templates.types import EmailTemplate
from graph.engagement.mutations import EngagementMutation
from graph.engagement.subscriptions import EngagementSubscription
from graph.engagement.types import Comment, Reaction, Share
from graph.events.dead_letters import DeadLetter, DeadLetterMutation, DeadLetterQuery
from graph.events.mutations import EventMutation
from graph.events.types import Event
from graph.exports.mutations import ExportMutation
from graph.exports.queries import ExportQuery
from graph.exports.subscriptions import ExportSubscription
from graph.exports.types import ExportJob
from graph.followers.queries import FollowerQuery
from graph.followers.recounts import FollowerRecountMutation
from graph.followers.types import Follower
from graph.impressions.mutations import ImpressionMutation
from graph.impressions.types import Impression
from graph.interactions.mutations import InteractionMutation
from graph.interactions.queries import InteractionQuery
from graph.interactions.types import Interaction
from graph.leads.mutations import LeadMutation
from graph.leads.queries import LeadQuery
from graph.leads.types import Lead
from graph.levels import equip
from graph.live.queries import LiveQuery
from graph.mailings.mutations import MailingMutation
from graph.mailings.queries import MailingQuery
from graph.mailings.recipients import Recipient, TrackedLink
from graph.mailings.types import Mailing
from graph.nodes import NodeQuery
from graph.rate_limits import RateLimitQuery
from graph.scalars import SCALARS
from graph.spaces.mutations import SpaceMutation
from graph.spaces.queries import SpaceQuery
from graph.spaces.types import Space
from graph.workspaces import WorkspaceQuery

Query = merge_types(
    "Query",
    (
        NodeQuery,
        WorkspaceQuery,
        CampaignQuery,
        ChannelQuery,
        DeadLetterQuery,
        ContentQuery,
        FollowerQuery,
        InteractionQuery,
        SpaceQuery,
        AssetQuery,
        LeadQuery,
        EmailTemplateQuery,
        EmailPreviewQuery,
        MailingQuery,
        ExportQuery,
        LiveQuery,
        RateLimitQuery,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        BrandMutation,
        CampaignMutation,
        ImpressionMutation,
        EngagementMutation,
        ChannelMutation,
        EventMutation,
        DeadLetterMutation,
        ContentMutation,
        InteractionMutation,
        FollowerRecountMutation,
        SpaceMutation,
        AssetStoringMutation,
        AssetImportMutation,
        AssetMutation,
        LeadMutation,
        EmailTemplateMutation,
        MailingMutation,
        EmailEventMutation,
        ExportMutation,
        ClientMutation,
    ),
)
Subscription = merge_types("Subscription", (EngagementSubscription, CampaignSubscription, ExportSubscription))


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[
        ApiClient,
        Asset,
        Audience,
        Campaign,
        CampaignChannel,
        Channel,
        ContentItem,
        ContentPost,
        DeadLetter,
        EmailEvent,
        EmailTemplate,
        Event,
        ExportJob,
        Follower,
        Impression,
        Interaction,
        Lead,
        Mailing,
        Reaction,
        Recipient,
        Share,
        Comment,
        Space,
        TrackedLink,
    ],
    config=StrawberryConfig(scalar_map=SCALARS),
)
describe(schema)
equip(schema)
