"""Joins the domains into one schema; printed to schema.graphql."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from graph.brands import BrandMutation
from graph.campaigns.mutations import CampaignMutation
from graph.campaigns.queries import CampaignQuery
from graph.campaigns.subscriptions import CampaignSubscription
from graph.campaigns.types import Campaign
from graph.clients.mutations import ClientMutation
from graph.clients.types import ApiClient
from graph.descriptions import describe
from graph.engagement.mutations import EngagementMutation
from graph.engagement.subscriptions import EngagementSubscription
from graph.engagement.types import Comment, Reaction, Share
from graph.impressions.mutations import ImpressionMutation
from graph.impressions.types import Impression
from graph.levels import equip
from graph.live.queries import LiveQuery
from graph.nodes import NodeQuery
from graph.scalars import SCALARS
from graph.workspaces import WorkspaceQuery

Query = merge_types("Query", (NodeQuery, WorkspaceQuery, CampaignQuery, LiveQuery))
Mutation = merge_types(
    "Mutation", (BrandMutation, CampaignMutation, ImpressionMutation, EngagementMutation, ClientMutation)
)
Subscription = merge_types("Subscription", (EngagementSubscription, CampaignSubscription))


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[ApiClient, Campaign, Impression, Reaction, Share, Comment],
    config=StrawberryConfig(scalar_map=SCALARS),
)
describe(schema)
equip(schema)
