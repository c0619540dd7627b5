"""Money: an exact amount and its currency. Amounts of different currencies are never added."""

from decimal import Decimal

import strawberry

from graph.inputs import built_by_name


@strawberry.type(description="An amount of money. Amounts of different currencies are never added.")
class Money:
    """What is answered."""

    amount: Decimal = strawberry.field(description="Exact, unrounded.")
    currency: str = strawberry.field(description="Three letters, ISO 4217.")


@built_by_name
@strawberry.input(description="An amount of money.")
class MoneyInput:
    """What comes in."""

    amount: Decimal = strawberry.field(description="Zero or more, below 10^15, at most 12 decimals.")
    currency: str = strawberry.field(
        description="Three letters, ISO 4217: where it is a campaign's money, the campaign's own currency."
    )
