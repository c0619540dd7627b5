"""Making channels and audiences, and putting campaigns on channels."""

from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Problem, not_found, refuse
from db.models.campaigns import Campaign
from db.models.channels import LONGEST_DESCRIPTION, LONGEST_NAME, ChannelKind
from db.models.channels import Channel as ChannelRow
from db.models.platforms import Platform
from db.models.rules import text_problems
from db.queries import channels, references
from graph import ids
from graph.channels.types import Audience, CampaignChannel, Channel
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.selection import selection_of

_ALL_THAT_IS_WRONG = "All that is wrong. Empty when all is well."


@strawberry.input(description="A new channel.")
class CreateChannelInput:
    """What createChannel takes."""

    name: str = strawberry.field(description="1 to 200 characters, unique in the workspace.")
    kind: ChannelKind = strawberry.field(description="What sort of channel it is.")
    platform: Platform | None = strawberry.field(default=None, description="Whose platform it is, if anybody's.")


@strawberry.input(description="A new audience.")
class CreateAudienceInput:
    """What createAudience takes."""

    name: str = strawberry.field(description="1 to 200 characters, unique in the workspace.")
    description: str | None = strawberry.field(default=None, description="At most 2000 characters.")


@strawberry.input(description="A campaign that runs on a channel.")
class AddCampaignChannelInput:
    """What addCampaignChannel takes."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    channel_id: strawberry.ID = strawberry.field(description="The channel.")


@strawberry.type(description="What came of a change to a channel.")
class ChannelPayload:
    """The channel, or what is wrong."""

    channel_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The channel as it is now; null when something was wrong.")
    def channel(self, info: Info) -> Channel | None:
        return _found(info, channels.by_ids, self.channel_id)


@strawberry.type(description="What came of a change to an audience.")
class AudiencePayload:
    """The audience, or what is wrong."""

    audience_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The audience as it is now; null when something was wrong.")
    def audience(self, info: Info) -> Audience | None:
        return _found(info, channels.audiences_by_ids, self.audience_id)


@strawberry.type(description="What came of putting a campaign on a channel.")
class CampaignChannelPayload:
    """The campaign on the channel, or what is wrong."""

    campaign_channel_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The campaign on the channel; null when something was wrong.")
    def campaign_channel(self, info: Info) -> CampaignChannel | None:
        return _found(info, channels.campaign_channels_by_ids, self.campaign_channel_id)


@strawberry.type
class ChannelMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a channel.")
    async def create_channel(self, info: Info, input: CreateChannelInput) -> ChannelPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            refuse(list(text_problems("name", input.name, LONGEST_NAME)))
            platform = None if input.platform is None else input.platform.value
            return await channels.create_channel(transaction, input.name, input.kind.value, platform)

        outcome = await info.context.change(work)
        return ChannelPayload(channel_id=outcome.value, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(description="Makes an audience.")
    async def create_audience(self, info: Info, input: CreateAudienceInput) -> AudiencePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems = list(text_problems("name", input.name, LONGEST_NAME))
            text = input.description
            if text is not None:
                problems += text_problems("description", text, LONGEST_DESCRIPTION, may_be_empty=True)
            refuse(problems)
            return await channels.create_audience(transaction, input.name, text)

        outcome = await info.context.change(work)
        return AudiencePayload(audience_id=outcome.value, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(
        description="Puts a campaign on a channel. Where it is on it already, that is answered: nothing is there twice."
    )
    async def add_campaign_channel(self, info: Info, input: AddCampaignChannelInput) -> CampaignChannelPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            campaign_id = ids.checked("Campaign", input.campaign_id, problems, "campaign_id")
            channel_id = ids.checked("Channel", input.channel_id, problems, "channel_id")
            if campaign_id is not None and not await references.known(transaction, Campaign, {campaign_id}):
                problems.append(not_found("No such campaign.", "campaign_id"))
            if channel_id is not None and not await references.known(transaction, ChannelRow, {channel_id}):
                problems.append(not_found("No such channel.", "channel_id"))
            refuse(problems)
            return await channels.linked(transaction, campaign_id or 0, channel_id or 0)

        outcome = await info.context.change(work)
        return CampaignChannelPayload(campaign_channel_id=outcome.value, user_errors=user_errors(outcome.problems))


def _found(info: Info, fetch: Any, key: int | None) -> Any:
    return None if key is None else info.context.loaders.one(fetch, (selection_of(info).names,), key)
