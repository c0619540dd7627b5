"""Who may ask what the schema is like: everybody, whoever has a credential, or nobody.

Suggestions ("Did you mean ...") tell the same bit by bit, and so only the same are given any.
"""

from dataclasses import dataclass

from graphql import FieldNode, FragmentSpreadNode, GraphQLError, OperationDefinitionNode

from graph.documents import Document
from graph.errors import forbidden, unauthenticated

FIELDS = frozenset({"__schema", "__type"})
"""``__typename`` says only what the answer is, and is for everybody."""


@dataclass(frozen=True)
class Introspection:
    """The setting: on, token or off."""

    setting: str = "off"

    def is_open(self, is_known: bool) -> bool:
        """Whether the schema is open to somebody, who has a credential or has none."""
        return self.setting == "on" or (is_known and self.setting == "token")

    def errors(self, document: Document, is_known: bool) -> list[GraphQLError]:
        """What is wrong with a document, as somebody is told of it."""
        return document.explained() if document.errors and self.is_open(is_known) else document.errors

    def refusal(self, document: Document, operation: OperationDefinitionNode, is_known: bool) -> GraphQLError | None:
        """Why an operation may not run that asks for the schema; None where it may, or asks for something else."""
        if self.is_open(is_known):
            return None
        node = document.once(("introspection", id(operation)), lambda: _first(document, operation))
        if node is None:
            return None
        if self.setting == "token":
            error = unauthenticated("The schema is shown to who has a token: Authorization: Bearer ...")
        else:
            error = forbidden("The schema is not shown here: INTROSPECTION is off.")
        return GraphQLError(error.message, nodes=[node], extensions=error.extensions)


def _first(document: Document, operation: OperationDefinitionNode) -> FieldNode | None:
    """A field of an operation that asks for the schema, wherever it is. Each fragment is looked through once."""
    waiting, seen = [operation.selection_set], set()
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in seen:
                    seen.add(name)
                    waiting.append(document.fragments[name].selection_set)
            elif isinstance(node, FieldNode) and node.name.value in FIELDS:
                return node
            elif (inner := getattr(node, "selection_set", None)) is not None:
                waiting.append(inner)
    return None
