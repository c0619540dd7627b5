"""A breadth-first executor for graphql-core: all objects of a level are answered in one pass.

It knows GraphQL and nothing of this project. See docs/execution.md.
"""

from graph.execution.executor import BreadthFirstExecutor
from graph.execution.hints import Attribute, Batch, Call, Constant, Hint, Own, Plain, always_own, hint, own
from graph.execution.kinds import Complete
from graph.execution.plan import FieldNodes, FieldPlan, Plans, SelectionPlan
from graph.execution.tally import Tally

__all__ = [
    "Attribute",
    "Batch",
    "BreadthFirstExecutor",
    "Call",
    "Complete",
    "Constant",
    "FieldNodes",
    "FieldPlan",
    "Hint",
    "Own",
    "Plain",
    "Plans",
    "SelectionPlan",
    "Tally",
    "always_own",
    "hint",
    "own",
]
