"""Fields that name something else: campaigns by their keys, channels and audiences by their names."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from db.engine import Transaction
from db.models.campaigns import CampaignStatus
from db.models.channels import Audience, Channel, ChannelKind
from db.queries import campaigns, channels, workspaces

LONGEST = 200
"""Characters of a key or a name."""


@dataclass(frozen=True)
class Reference:
    """A field that holds the key or the name of something. Its id goes to an attribute of the item."""

    field: str
    attribute: str
    missing: str
    """What is said of a name that nothing has, with a place for the name."""
    find: Callable[[Transaction, Sequence[str]], Awaitable[dict[str, int]]]
    """The ids by name; missing ones are left out."""
    create: Callable[[Transaction, Sequence[str]], Awaitable[None]] | None = None
    """Makes those of sorted names that are not there. None: nothing makes them."""
    option: str | None = None
    """What of the command line makes them."""
    required: bool = False
    """Whether every row has to name one."""

    def unknown(self, name: str) -> str:
        """What is said of a name that nothing has."""
        return self.missing.format(name)


async def _create_campaigns(transaction: Transaction, keys: Sequence[str]) -> None:
    currency = await workspaces.currency(transaction)
    plain = {"status": CampaignStatus.ACTIVE, "currency": currency, "created_by": "import"}
    await campaigns.create_missing(transaction, [{"key": key, "name": key, **plain} for key in keys])


async def _find_channels(transaction: Transaction, names: Sequence[str]) -> dict[str, int]:
    return await channels.ids_of_names(transaction, Channel, names)


async def _create_channels(transaction: Transaction, names: Sequence[str]) -> None:
    await channels.create_missing(transaction, Channel, names, kind=ChannelKind.OTHER)


async def _find_audiences(transaction: Transaction, names: Sequence[str]) -> dict[str, int]:
    return await channels.ids_of_names(transaction, Audience, names)


async def _create_audiences(transaction: Transaction, names: Sequence[str]) -> None:
    await channels.create_missing(transaction, Audience, names)


CAMPAIGN = Reference(
    "campaign", "campaign_id", "No campaign has the key {!r}.",
    campaigns.ids_of_keys, _create_campaigns, "--create-campaigns", required=True,
)  # fmt: skip
CHANNEL = Reference(
    "channel", "channel_id", "No channel has the name {!r}.", _find_channels, _create_channels, "--create-channels"
)
AUDIENCE = Reference(
    "audience", "audience_id", "No audience has the name {!r}.", _find_audiences, _create_audiences, "--create-channels"
)
OF_CAMPAIGN = (CAMPAIGN,)
WITH_CHANNEL = (CAMPAIGN, CHANNEL, AUDIENCE)
"""In the order in which rows are made of them, which is one for all writers."""
