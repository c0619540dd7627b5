"""Documents: texts of operations, each parsed, validated and looked at once, however often it is sent."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.validation import ASTValidationRule, OverlappingFieldsCanBeMergedRule, ValidationContext
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graph import shapes
from graph.errors import limit_reached
from graph.execution import Plans
from graph.operation_limits import OperationLimits

T = TypeVar("T")

MOST_ERRORS = 3
"""Of a document that are told. Looking for what else is wrong with it is work that nobody asked for."""
_MOST = 1_000
_MOST_TEXT = 1_000_000
"""Characters of all documents that are kept. A parsed one takes some hundred times its text."""


def _rules(comparisons: int) -> list[type[ASTValidationRule]]:
    class Overlapping(OverlappingFieldsCanBeMergedRule):
        """graphql-core's, which gives up much earlier."""

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = comparisons

    rules = [Overlapping if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules]
    return [*rules, MaybeNullValidationRule, OneOfInputValidationRule]


class Document:
    """A text and all that is known of it without knowing who asks, and with which variables."""

    def __init__(
        self, schema: GraphQLSchema, text: str, limits: OperationLimits, rules: Collection[type[ASTValidationRule]]
    ) -> None:
        self.schema = schema
        self.text = text
        self._limits, self._rules = limits, rules
        self.errors: list[GraphQLError] = []
        """What is wrong with it, without a word of what the schema has instead. Nothing of it runs then."""
        self.node = DocumentNode(definitions=())
        try:
            self.node = _parsed(text, limits)
            self.errors = _problems(schema, self.node, limits, rules)
        except GraphQLError as error:
            self.errors = [error]
        except RecursionError:
            self.errors = [GraphQLError("The document is nested too deeply.")]
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

    def explained(self) -> list[GraphQLError]:
        """What is wrong with it, with what may have been meant: for those who may know the schema."""
        return self.once("explained", self._explained)

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """What some work found out about the document when it was asked first."""
        if key not in self._known:
            self._known[key] = work()
        found: T = self._known[key]
        return found

    def _explained(self) -> list[GraphQLError]:
        # What did not come through parsing or validation has nothing to be explained by, and looking for what was meant is dear.
        if not self.node.definitions or len(self.errors) > MOST_ERRORS:
            return self.errors
        try:
            return _problems(self.schema, self.node, self._limits, self._rules, hide_suggestions=False)
        except Exception:
            return self.errors


class Documents:
    """The documents that were sent last."""

    def __init__(self, schema: GraphQLSchema, limits: OperationLimits) -> None:
        self._schema = schema
        self._limits = limits
        self._rules = _rules(limits.comparisons)
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._length = 0

    def of(self, text: str) -> Document:
        """The document of a text."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        document = self._known[text] = Document(self._schema, text, self._limits, self._rules)
        self._length += len(text)
        while len(self._known) > _MOST or (self._length > _MOST_TEXT and len(self._known) > 1):
            forgotten, _ = self._known.popitem(last=False)
            self._length -= len(forgotten)
        return document


def _parsed(text: str, limits: OperationLimits) -> DocumentNode:
    """The document of a text. Raises GraphQLError."""
    length = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    if length > limits.bytes:
        raise limit_reached(f"The document has {length:,} bytes; at most {limits.bytes:,}.")
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLSyntaxError as error:
        if "Parsing aborted" not in error.message:
            raise
        if "nested" in error.message:
            raise limit_reached("The document is nested too deeply.") from None
        raise limit_reached(
            f"The document has too many tokens or comments; at most {limits.tokens:,} of each."
        ) from None


def _problems(
    schema: GraphQLSchema,
    document: DocumentNode,
    limits: OperationLimits,
    rules: Collection[type[ASTValidationRule]],
    *,
    hide_suggestions: bool = True,
) -> list[GraphQLError]:
    refusal = shapes.refusal(document, limits)
    if refusal is not None:
        return [refusal]
    errors = validate(schema, document, rules, MOST_ERRORS, hide_suggestions=hide_suggestions)
    if len(errors) <= MOST_ERRORS and any(isinstance(error, ValidationAbortedError) for error in errors):
        return [
            limit_reached(
                "The document has too many fields of one name side by side, or fragments too deep in each other."
            )
        ]
    return errors
