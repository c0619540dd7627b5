"""Documents: texts of operations, each parsed, validated and looked at once, however often it is sent."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graph.execution import Plans

T = TypeVar("T")

MOST_TOKENS = 20_000
_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
_MOST = 1_000
_MOST_TEXT = 1_000_000
"""Characters of all documents that are kept. A parsed one takes some hundred times its text."""


class Document:
    """A text and all that is known of it without knowing who asks, and with which variables."""

    def __init__(self, schema: GraphQLSchema, text: str) -> None:
        self.schema = schema
        self.text = text
        self.errors: list[GraphQLError] = []
        """What is wrong with it. Nothing of it runs then."""
        self.node = DocumentNode(definitions=())
        try:
            self.node = parse(text, max_tokens=MOST_TOKENS)
            self.errors = validate(schema, self.node, _RULES)
        except GraphQLError as error:
            self.errors = [error]
        except Exception as error:
            self.errors = [GraphQLError(str(error), original_error=error)]
        definitions = self.node.definitions
        self.operations = [node for node in definitions if isinstance(node, OperationDefinitionNode)]
        self.fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        self.fragment_details = {name: FragmentDetails(node) for name, node in self.fragments.items()}
        self.plans = Plans(definitions)
        self._known: dict[Hashable, Any] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of this name, or the first one where no name is given. None: there is none."""
        for node in self.operations:
            if name is None or (node.name is not None and node.name.value == name):
                return node
        return None

    def changes(self, name: str | None) -> bool:
        """Whether the operation of this name is a mutation."""
        operation = self.operation(name)
        return operation is not None and operation.operation == OperationType.MUTATION

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """What some work found out about the document when it was asked first."""
        if key not in self._known:
            self._known[key] = work()
        return cast(T, self._known[key])


class Documents:
    """The documents that were sent last."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._length = 0

    def of(self, text: str) -> Document:
        """The document of a text."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        document = self._known[text] = Document(self._schema, text)
        self._length += len(text)
        while len(self._known) > _MOST or (self._length > _MOST_TEXT and len(self._known) > 1):
            forgotten, _ = self._known.popitem(last=False)
            self._length -= len(forgotten)
        return document
