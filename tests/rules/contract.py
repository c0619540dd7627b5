"""Which parts of the contract are built. A later issue moves its part out of LATER; at the end nothing is left."""

from dataclasses import replace
from typing import Any

from graphql import DocumentNode, GraphQLSchema, build_ast_schema, get_named_type, parse

LATER_FIELDS: dict[str, set[str]] = {}
"""Fields of types that are there, which belong to later issues."""

ROOTS = {
    "Query": {
        "node",
        "nodes",
        "viewer",
        "campaign",
        "campaignByKey",
        "campaigns",
        "liveCursor",
        "channels",
        "audiences",
        "topChannels",
        "exportJob",
        "exportJobs",
        "contentItem",
        "contentItems",
        "follower",
        "followers",
        "followerCohorts",
        "interactions",
        "space",
        "spaces",
        "asset",
        "assets",
        "leads",
        "emailTemplates",
        "mailing",
        "mailings",
    },
    "Subscription": {"engagements", "campaignMetrics", "exportJob"},
    "Mutation": {
        "createBrand",
        "createCampaign",
        "updateCampaign",
        "recordImpressions",
        "updateImpressions",
        "react",
        "unreact",
        "share",
        "addComment",
        "editComment",
        "deleteComment",
        "createChannel",
        "createAudience",
        "addCampaignChannel",
        "recordEvents",
        "upsertContent",
        "recordInteractions",
        "recalculateScores",
        "createSpace",
        "updateSpace",
        "deleteSpace",
        "restoreSpace",
        "markSpaceAsTemplate",
        "createSpaceFromTemplate",
        "updateSpacePerformance",
        "createAsset",
        "createUpload",
        "completeUpload",
        "importAssets",
        "importPerformance",
        "updateAssetPerformance",
        "updateAsset",
        "deleteAsset",
        "restoreAsset",
        "recordAssetReuse",
        "upsertLeads",
        "createEmailTemplate",
        "updateEmailTemplate",
        "deleteEmailTemplate",
        "createMailing",
        "updateMailing",
        "deleteMailing",
        "addRecipients",
        "scheduleMailing",
        "unscheduleMailing",
        "startMailing",
        "pauseMailing",
        "resumeMailing",
        "recordEmailEvents",
        "startExport",
        "cancelExport",
        "createApiClient",
        "revokeApiClient",
    },
}
"""The root fields that are built."""


def built_part(contract: str) -> GraphQLSchema:
    """The contract without what belongs to later issues: the built root fields and all that they reach."""
    definitions = [_without_later(d) for d in parse(contract).definitions]
    whole = build_ast_schema(DocumentNode(definitions=tuple(definitions)))
    reached: set[str] = set()
    for root in (whole.query_type, whole.mutation_type, whole.subscription_type):
        _reach(root, reached)
    kept = tuple(d for d in definitions if d.name.value in reached)
    return build_ast_schema(DocumentNode(definitions=kept))


def _without_later(definition: Any) -> Any:
    name, fields = definition.name.value, getattr(definition, "fields", None)
    if not fields:
        return definition
    wanted = ROOTS.get(name, {field.name.value for field in fields}) - LATER_FIELDS.get(name, set())
    return replace(definition, fields=tuple(field for field in fields if field.name.value in wanted))


def _reach(kind: Any, reached: set[str]) -> None:
    named = get_named_type(kind)
    if named.name in reached:
        return
    reached.add(named.name)
    for interface in getattr(named, "interfaces", ()):
        _reach(interface, reached)
    for field in getattr(named, "fields", {}).values():
        _reach(field.type, reached)
        for argument in getattr(field, "args", {}).values():
            _reach(argument.type, reached)
