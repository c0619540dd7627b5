"""A breadth-first executor for graphql-core: all objects of a level are answered in one pass.

It knows GraphQL and nothing of this project. See docs/execution.md.
"""

from graph.execution.executor import BreadthFirstExecutor
from graph.execution.hints import Attribute, Batch, Plain, always_own, hint
from graph.execution.plan import FieldNodes, Plans

__all__ = ["Attribute", "Batch", "BreadthFirstExecutor", "FieldNodes", "Plain", "Plans", "always_own", "hint"]
