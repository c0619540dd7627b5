"""What arguments and enum values mean, where one sentence serves every place they stand in.

Types and fields say it where they are defined. A test refuses a schema in which anything is left undescribed.
"""

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    Undefined,
)
from strawberry import Schema

ROOTS = {
    "Query": "Everything that can be asked.",
    "Mutation": "Everything that can be changed. Each change is one transaction.",
    "Subscription": "Everything that can be watched: over WebSocket, or as a stream of server-sent events.",
}

ARGUMENTS = {
    "filter": "Which rows. All that is given must hold.",
    "orderBy": "In which order.",
    "id": "A global id.",
    "input": "What is to be done.",
    "window": "On the time the facts occurred; all time without it.",
    "bucket": "How wide a step is.",
}

ENUM_VALUES = {
    "SuppressionReason.UNSUBSCRIBED": "The person unsubscribed.",
    "SuppressionReason.COMPLAINED": "The person called a mail unwanted.",
    "SuppressionReason.BOUNCED": "A mail came back for good: nobody has the address.",
    "MailingStatus.DRAFT": "Being prepared.",
    "MailingStatus.SCHEDULED": "Starts by itself at its time.",
    "MailingStatus.RUNNING": "Is being sent.",
    "MailingStatus.PAUSED": "Was stopped, and can go on.",
    "MailingStatus.COMPLETED": "There is nobody left to send to.",
    "MailingStatus.FAILED": "Could not be sent, or not to its end: see statusReason. Can be started again.",
    "RecipientStatus.PENDING": "Waits to be sent to.",
    "RecipientStatus.QUEUED": "A worker is about to send it.",
    "RecipientStatus.UNCERTAIN": "The connection or the worker broke at the one moment at which it cannot be known whether the "
    "server took the message.",
    "RecipientStatus.SENT": "A mail server took it.",
    "RecipientStatus.FAILED": "It could not be sent, or was not to be.",
    "RecipientStatus.BOUNCED": "It came back.",
    "RecipientStatus.UNSUBSCRIBED": "The recipient unsubscribed with it.",
    "EmailEventType.OPEN": "The mail was opened, or a machine fetched its pictures.",
    "EmailEventType.CLICK": "A link in it was followed.",
    "EmailEventType.BOUNCE": "It came back, for now or for good.",
    "EmailEventType.REPLY": "It was answered.",
    "EmailEventType.FORWARD": "It was passed on.",
    "EmailEventType.UNSUBSCRIBE": "The recipient wants no more mails.",
    "EmailEventType.COMPLAIN": "The recipient called it spam.",
    "ChannelKind.EMAIL": "Mail.",
    "ChannelKind.ADS": "Paid ads.",
    "ChannelKind.SOCIAL": "A social network.",
    "ChannelKind.WEB": "Sites of one's own.",
    "ChannelKind.OTHER": "Anything else.",
    "Platform.GOOGLE_ADS": "Google Ads.",
    "Platform.META": "Meta: Facebook and Instagram together.",
    "Platform.FACEBOOK": "Facebook.",
    "Platform.INSTAGRAM": "Instagram.",
    "Platform.LINKEDIN": "LinkedIn.",
    "Platform.TWITTER": "X, formerly Twitter.",
    "Platform.TIKTOK": "TikTok.",
    "Platform.SNAPCHAT": "Snapchat.",
    "Platform.PINTEREST": "Pinterest.",
    "Platform.REDDIT": "Reddit.",
    "Platform.AMAZON_ADS": "Amazon Ads.",
    "Platform.MICROSOFT_ADS": "Microsoft Advertising.",
    "Platform.YOUTUBE": "YouTube.",
    "Platform.OTHER": "Any other.",
    "InteractionType.COMMENT": "A text was written: 5 points.",
    "InteractionType.LIKE": "It was liked: 1 point.",
    "InteractionType.SHARE": "It was passed on: 10 points.",
    "InteractionType.SAVE": "It was kept: 8 points.",
    "InteractionType.PROFILE_VISIT": "The profile was visited: 3 points.",
    "InteractionType.LINK_CLICK": "A link was clicked: 15 points.",
    "EngagementTier.SUPER_FAN": "A score of 500 or more.",
    "EngagementTier.ACTIVE": "A score from 100 to below 500.",
    "EngagementTier.LURKER": "A score from 10 to below 100.",
    "EngagementTier.INACTIVE": "A score below 10.",
    "FollowerOrder.SCORE": "The highest score first; of equal ones the one last seen later.",
    "FollowerOrder.NEWEST": "The one first seen last comes first.",
    "FollowerOrder.LAST_SEEN": "The one seen last comes first.",
    "FollowerOrder.USERNAME": "By username.",
    "ContentOrder.NEWEST": "The one created last comes first.",
    "ContentOrder.OLDEST": "The one created first comes first.",
    "ContentOrder.MOST_COMMENTS": "By comments of followers; the newer of two first.",
    "ContentOrder.MOST_INTERACTIONS": "By interactions of all types; the newer of two first.",
    "AssetType.IMAGE": "A picture: a file.",
    "AssetType.VIDEO": "A film: a file.",
    "AssetType.AD_COPY": "The text of an ad.",
    "AssetType.HEADLINE": "A headline.",
    "AssetType.DESCRIPTION": "A text that describes something.",
    "AssetType.CALL_TO_ACTION": "What a button says.",
    "AssetType.DOCUMENT": "A document: a file, such as PDF, office or plain text.",
    "AssetType.PERFORMANCE_DATA": "A report: a file, such as CSV, JSON or a spreadsheet.",
    "AssetType.OTHER": "Anything else: any file, or a text.",
    "ImportSource.MANUAL_UPLOAD": "One by one.",
    "ImportSource.PLATFORM_API": "Files that a platform exports of its own ads.",
    "ImportSource.CSV_IMPORT": "A CSV manifest of texts.",
    "ImportSource.BULK_IMPORT": "A ZIP of files, with a CSV manifest or without.",
    "EventType.IMPRESSION": "An ad was shown.",
    "EventType.CLICK": "An ad was clicked.",
    "EventType.CONVERSION": "What the ad was for was reached: something was bought, say.",
    "CampaignStatus.DRAFT": "Being written.",
    "CampaignStatus.PLANNED": "Agreed, without a fixed start.",
    "CampaignStatus.SCHEDULED": "Starts by itself on its date.",
    "CampaignStatus.ACTIVE": "Running.",
    "CampaignStatus.PAUSED": "Halted, may go on.",
    "CampaignStatus.COMPLETED": "Ended as planned. Final.",
    "CampaignStatus.FAILED": "Stopped by an error.",
    "CampaignStatus.CANCELLED": "Called off. Final.",
    "CampaignOrder.NEWEST": "The one created last comes first.",
    "CampaignOrder.OLDEST": "The one created first comes first.",
    "CampaignOrder.NAME": "By name, whatever the case of its letters.",
    "CampaignOrder.STARTS_ON": "By first day; those without one come last.",
    "EngagementType.LIKE": "A reaction.",
    "EngagementType.SHARE": "Passed on; an actor may do so often.",
    "EngagementType.COMMENT": "A text, or a reply to one.",
    "EngagementType.SAVE": "A reaction.",
    "EngagementType.BOOKMARK": "A reaction.",
    "ReactionType.LIKE": "Likes it.",
    "ReactionType.SAVE": "Keeps it.",
    "ReactionType.BOOKMARK": "Marks it to come back to.",
    "AudienceAction.VIEWED": "Had an impression.",
    "AudienceAction.CLICKED": "Clicked an impression.",
    "AudienceAction.CONVERTED": "Converted on an impression.",
    "AudienceAction.LIKED": "Has a like that stands.",
    "AudienceAction.SHARED": "Shared it.",
    "AudienceAction.COMMENTED": "Has a comment that is not deleted.",
    "AudienceAction.SAVED": "Has a save that stands.",
    "AudienceAction.BOOKMARKED": "Has a bookmark that stands.",
    "EngagementEventKind.ADDED": "It was recorded.",
    "EngagementEventKind.EDITED": "The text of a comment was changed.",
    "EngagementEventKind.REMOVED": "It was taken back or deleted.",
    "ExportDataset.EVENTS": "What the ad platforms reported, as it was when the export was asked for.",
    "ExportDataset.IMPRESSIONS": "Ad views, each as it is when it is written.",
    "ExportDataset.ENGAGEMENTS": "Reactions, shares and comments that stand, each as it is when it is written.",
    "ExportFormat.CSV": "Comma-separated values with a header. Texts that a spreadsheet would take for formulas begin with an apostrophe.",
    "ExportFormat.JSONL": "A JSON object a line.",
    "ExportFormat.PARQUET": "Apache Parquet, with typed columns.",
    "JobStatus.QUEUED": "Waits for a worker.",
    "JobStatus.RUNNING": "Is worked on.",
    "JobStatus.SUCCEEDED": "Is complete. Final.",
    "JobStatus.FAILED": "Was given up; errorMessage says why. Final.",
    "JobStatus.CANCELLED": "Was called off. Final.",
    "CommentOrder.NEWEST": "The one that occurred last comes first.",
    "CommentOrder.OLDEST": "The one that occurred first comes first.",
    "CommentOrder.MOST_REPLIES": "By replies that are not deleted; the newer of two first.",
    "Scope.READ": "May query.",
    "Scope.WRITE": "May change everything, for any actor.",
    "Scope.ENGAGE": "May engage as the actor that the credential names.",
    "Scope.INGEST": "May record facts in batches.",
    "Scope.LIVE": "May subscribe.",
    "Scope.ADMIN": "May manage API clients.",
    "TimeBucket.HOUR": "An hour of the local clock.",
    "TimeBucket.DAY": "From midnight to midnight: 23 to 25 hours where clocks are moved.",
    "TimeBucket.WEEK": "From Monday on.",
    "TimeBucket.MONTH": "From the first of the month on.",
    "UserErrorCode.INVALID": "A value is not allowed.",
    "UserErrorCode.NOT_FOUND": "Something that is named is not there.",
    "UserErrorCode.CONFLICT": "It does not fit what is there already.",
    "UserErrorCode.FORBIDDEN": "The credential does not allow it.",
    "UserErrorCode.TOO_LARGE": "It is more than is taken at once.",
    "UserErrorCode.UNSUPPORTED_TYPE": "Things of this type are not taken.",
    "UserErrorCode.LIMIT_REACHED": "A limit of the workspace is reached.",
}


def describe(schema: Schema) -> None:
    """Fills in the descriptions of roots, arguments and enum values that have none of their own.

    Takes back the default null that Python's signatures bring along: to leave a thing out says the same.
    """
    for name, kind in schema._schema.type_map.items():  # noqa: SLF001 - strawberry prints from this schema
        if isinstance(kind, GraphQLEnumType):
            for value_name, value in kind.values.items():
                value.description = value.description or ENUM_VALUES.get(f"{name}.{value_name}")
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            kind.description = kind.description or ROOTS.get(name)
            for field in kind.fields.values():
                for argument_name, argument in field.args.items():
                    argument.description = argument.description or ARGUMENTS.get(argument_name)
                    _without_default_null(argument)
        if isinstance(kind, GraphQLInputObjectType):
            for input_field in kind.fields.values():
                _without_default_null(input_field)


def _without_default_null(place: GraphQLArgument | GraphQLInputField) -> None:
    if place.default_value is None:
        place.default_value = Undefined
