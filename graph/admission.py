"""Whether an operation may run by what it costs, and the account of it afterwards."""

from collections.abc import Mapping
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode

from graph.budgets import Budgets, Charge
from graph.context import Context
from graph.costs import cost_of
from graph.documents import Document
from graph.errors import limit_reached, rate_limited
from graph.operation_limits import OperationLimits
from graph.usage import used

TOO_MANY_REQUESTS = 429


class Admission:
    """Lets operations in that are within the limits and their client's budget."""

    def __init__(self, limits: OperationLimits) -> None:
        self._limits = limits
        self.budgets = Budgets(limits.budget)

    def refusal(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: Context
    ) -> GraphQLError | None:
        """Why an operation may not run; None where it may, and then its client is charged."""
        cost, limits = cost_of(document, operation, variables), self._limits
        if cost.objects > limits.objects:
            return limit_reached(
                f"The answer could hold {cost.objects:,} objects; at most {limits.objects:,}. Ask for smaller pages."
            )
        if cost.requested > limits.cost:
            return limit_reached(
                f"The operation could cost {cost.requested:,}; at most {limits.cost:,}. Ask for smaller pages."
            )
        charge = self.budgets.charge(context.client, cost.requested, cost.always)
        if isinstance(charge, Charge):
            context.charge = charge
            return None
        return self._later(context, cost.requested, charge)

    def settle(
        self, context: Context, executor: object, result: ExecutionResult, extensions: Mapping[str, Any] | None
    ) -> None:
        """Gives back what an operation that was answered did not use, and tells the client."""
        charge = context.charge
        if charge is None:
            return
        tally = getattr(executor, "tally", None)
        if tally is not None:  # the stock executor does not count: what it answers costs what was asked for
            charge.settle(charge.always + used(tally))
        if charge.standing is not None:
            self._tell(context)
        if extensions is not None and extensions.get("cost") is True:
            result.extensions = {**(result.extensions or {}), "cost": charge.told()}

    def _later(self, context: Context, requested: int, seconds: int) -> GraphQLError:
        self._tell(context)
        context.response_headers["retry-after"] = str(seconds)
        context.response_status = TOO_MANY_REQUESTS
        standing = self.budgets.standing_of(context.client)
        return rate_limited(
            f"You have used up what you may in a minute. Ask again in {seconds} s.",
            retryAfter=seconds,
            cost={"requested": requested, "limit": standing.limit, "remaining": standing.remaining},
        )

    def _tell(self, context: Context) -> None:
        standing = self.budgets.standing_of(context.client)
        headers = context.response_headers
        headers["ratelimit-policy"] = self.budgets.policy
        headers["ratelimit"] = f'"cost";r={standing.remaining};t={standing.seconds}'
