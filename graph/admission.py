"""Whether an operation may run by what it costs, and the account of it afterwards."""

from collections.abc import Mapping
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode

from graph.budgets import Budgets, Charge, Standing
from graph.capacity import Capacity
from graph.context import Context
from graph.costs import cost_of
from graph.documents import Document
from graph.errors import limit_reached, overloaded, rate_limited
from graph.operation_limits import OperationLimits
from graph.usage import used

TOO_MANY_REQUESTS = 429
RETRY_AFTER = 1
"""Seconds after which who was refused for others' sake may ask again."""


class Admission:
    """Lets operations in that are within the limits and their client's budget, and as many at once as there is room for."""

    def __init__(self, limits: OperationLimits) -> None:
        self._limits = limits
        self.budgets = Budgets(limits.budget)
        self.capacity = Capacity(limits.in_flight)

    def refusal(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: Context
    ) -> GraphQLError | None:
        """Why an operation may not run; None where it may, and then its client is charged."""
        (objects, always, requested), limits = cost_of(document, operation, variables), self._limits
        if objects > limits.objects:
            return limit_reached(
                f"The answer could hold {objects:,} objects; at most {limits.objects:,}. Ask for smaller pages."
            )
        if requested > limits.cost:
            return limit_reached(
                f"The operation could cost {requested:,}; at most {limits.cost:,}. Ask for smaller pages."
            )
        charge = self.budgets.charge(context.client, requested, always)
        if isinstance(charge, int):
            return self._later(context, requested, charge)
        context.charge = charge
        return None

    def enters(self, context: Context) -> bool:
        """Whether an operation that was charged runs at once. It leaves when it is answered. Where it does not, let it wait."""
        return self.capacity.try_enter(self._charge(context).requested)

    async def wait(self, context: Context) -> GraphQLError | None:
        """Lets an operation wait for its turn. None where it has come, and as with ``enters`` then."""
        charge = self._charge(context)
        if await self.capacity.enter(charge.requested, context.client):
            return None
        charge.settle(0)
        if charge.standing is not None:
            self._tell(context, charge.standing)
        context.response_headers["retry-after"] = str(RETRY_AFTER)
        context.response_status = TOO_MANY_REQUESTS
        message = f"The server has more to do than it has room for. Nothing was done: ask again in {RETRY_AFTER} s."
        return overloaded(message, RETRY_AFTER)

    def leave(self, context: Context) -> None:
        """Makes room for others, once an operation that entered is answered."""
        self.capacity.leave(self._charge(context).requested)

    def settle(
        self,
        context: Context,
        executor: object,
        result: ExecutionResult | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        """Gives back what an operation did not use, and tells the client. ``executor``: a list where it could not run."""
        charge = context.charge
        if charge is None:
            return
        tally = getattr(executor, "tally", None)
        if tally is not None:
            counted = charge.always + used(tally)
            charge.settle(counted if tally.is_complete else max(counted, charge.requested))
        elif isinstance(executor, list):
            charge.settle(charge.always)
        # The stock executor does not count: what it answers costs what was asked for.
        standing = charge.standing
        if standing is not None:
            self._tell(context, standing)
        if result is not None and extensions is not None and extensions.get("cost") is True:
            result.extensions = {**(result.extensions or {}), "cost": charge.told()}

    def withdraw(self, context: Context) -> None:
        """Gives back all that an operation was charged."""
        if context.charge is not None:
            context.charge.settle(0)

    @staticmethod
    def _charge(context: Context) -> Charge:
        assert context.charge is not None  # noqa: S101 - for the type checker: nothing enters that was not charged
        return context.charge

    def _later(self, context: Context, requested: int, seconds: int) -> GraphQLError:
        standing = self.budgets.standing_of(context.client)
        self._tell(context, standing)
        context.response_headers["retry-after"] = str(seconds)
        context.response_status = TOO_MANY_REQUESTS
        return rate_limited(
            f"You have used up what you may in a minute. Ask again in {seconds} s.",
            retryAfter=seconds,
            cost={"requested": requested, "limit": standing.limit, "remaining": standing.remaining},
        )

    def _tell(self, context: Context, standing: Standing) -> None:
        headers = context.response_headers
        headers["ratelimit-policy"] = self.budgets.policy
        headers["ratelimit"] = f'"cost";r={standing.remaining};t={standing.seconds}'
