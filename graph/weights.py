"""What things cost, in objects: an object that is answered costs 1, and some things cost more. docs/limits.md explains it."""

from collections.abc import Mapping

from graphql import OperationType

OPERATIONS: Mapping[OperationType, int] = {
    OperationType.QUERY: 1,
    OperationType.MUTATION: 10,
    OperationType.SUBSCRIPTION: 10,
}
"""An operation, whatever it asks for. A subscription costs its own and one answer, when it begins; what it sends later costs nothing."""

OBJECTS: Mapping[str, int] = {
    "CampaignMetrics": 4,
    "ChannelPerformance": 4,
    "EmailPreview": 20,
    "Engager": 4,
    "EventMetrics": 4,
    "FollowerCohort": 9,
    "MailingMetrics": 4,
    "SimilarAsset": 9,
    "SpaceStats": 4,
}
"""Types whose objects are worked out from many rows: what each costs beyond 1."""

FIELDS: Mapping[str, int] = {"totalCount": 10}
"""Fields that cost something although they are no objects, on each object that has them."""

SEARCH = 20
"""A field whose filter searches a text, each time."""

ITEM = 1
"""An item of a list that a mutation brings."""

LISTS: Mapping[str, int] = {
    "Asset.similar": 20,
    "Campaign.metricSeries": 100,
    "Campaign.eventSeries": 100,
    "CampaignChannel.metricSeries": 100,
    "Channel.metricSeries": 100,
    "ContentItem.tags": 50,
    "ContentItem.platforms": 10,
    "EventMetrics.revenue": 10,
    "ExportJob.parts": 100,
}
"""How many objects lists are taken for whose length no argument says. Series may have more, up to 1,000: what is answered beyond is
charged afterwards."""

ANY_LIST = 10
"""How many those are taken for that are not named here."""
