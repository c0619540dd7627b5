"""What a client has left to ask for."""

from datetime import datetime

import strawberry

from graph.budgets import Charge, Standing
from graph.context import Info
from graph.scalars import BigInt


@strawberry.type(
    description="What the credential may still ask for, in cost, from this server process. See docs/limits.md."
)
class RateLimit:
    """A view of a charge."""

    charge: strawberry.Private[Charge]
    standing: strawberry.Private[Standing]

    @strawberry.field(description="How much a minute holds.")
    def limit(self) -> BigInt:
        return BigInt(self.standing.limit)

    @strawberry.field(description="How much is left now, this operation charged as it was asked for.")
    def remaining(self) -> BigInt:
        return BigInt(self.standing.remaining)

    @strawberry.field(description="How much is used up now: the limit without what remains.")
    def used(self) -> BigInt:
        return BigInt(self.standing.limit - self.standing.remaining)

    @strawberry.field(description="When all of it will be there again, if nothing more is asked for.")
    def reset_at(self) -> datetime:
        return self.standing.reset_at

    @strawberry.field(
        description="What this operation was charged at first. What it does not use is given back when it is answered."
    )
    def cost(self) -> BigInt:
        return BigInt(self.charge.requested)


@strawberry.type
class RateLimitQuery:
    """The root field."""

    @strawberry.field(description="What you may still ask for; null where that is not limited.")
    def rate_limit(self, info: Info) -> RateLimit | None:
        charge = info.context.charge
        standing = None if charge is None else charge.standing
        return None if charge is None or standing is None else RateLimit(charge=charge, standing=standing)
