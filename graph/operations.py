"""Which operation of a document is meant."""

from typing import Any

from graphql import OperationDefinitionNode


def operation_of(document: Any, name: str | None) -> OperationDefinitionNode:
    """The operation of this name; the first one where no name is given."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    return next(d for d in operations if name is None or (d.name is not None and d.name.value == name))
