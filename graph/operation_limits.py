"""Settings of what an operation may ask for, and of what a client may ask for in a minute."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph.environment import SettingsError, whole

DEEPEST = 60
"""LIMIT_DEPTH at most: what walks a document, graphql-core's rules among it, takes frames of the interpreter's stack for each level."""


@dataclass(frozen=True)
class OperationLimits:
    """What one operation may ask for. The names in capitals are environment variables; docs/limits.md says how each is counted."""

    bytes: int = 65_536
    """LIMIT_BYTES: of a document's text in UTF-8."""
    tokens: int = 2_000
    """LIMIT_TOKENS: of a document, comments among them."""
    definitions: int = 200
    """LIMIT_DEFINITIONS: operations and fragments of a document."""
    depth: int = 32
    """LIMIT_DEPTH: fields within fields."""
    root_fields: int = 100
    """LIMIT_ROOT_FIELDS."""
    fields: int = 1_500
    """LIMIT_FIELDS: with those of fragments, as often as they are spread."""
    aliases: int = 500
    """LIMIT_ALIASES: with those of fragments, as often as they are spread."""
    directives: int = 200
    """LIMIT_DIRECTIVES: with those of fragments, as often as they are spread."""
    comparisons: int = 9_000
    """LIMIT_COMPARISONS: what comparing the fields of one name with each other may take, in graphql-core's units: it is quadratic in them."""
    objects: int = 100_000
    """LIMIT_OBJECTS: that an answer could hold."""
    cost: int = 500_000
    """LIMIT_COST: of an operation, as it is worked out before it runs."""
    budget: int = 20_000_000
    """COST_BUDGET: cost that a client may use up in a minute in one process. 0: as much as it likes."""
    in_flight: int = 100_000
    """COST_IN_FLIGHT: cost of the operations that one process executes at once, small ones aside. 0: of all that come."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "OperationLimits":
        """Reads and checks the environment. Raises SettingsError."""
        usual = cls()

        def limit(name: str, default: int, least: int = 1, most: int | None = None) -> int:
            return whole(environ, name, default, least=least, most=most)

        limits = cls(
            bytes=limit("LIMIT_BYTES", usual.bytes),
            tokens=limit("LIMIT_TOKENS", usual.tokens),
            definitions=limit("LIMIT_DEFINITIONS", usual.definitions),
            depth=limit("LIMIT_DEPTH", usual.depth, most=DEEPEST),
            root_fields=limit("LIMIT_ROOT_FIELDS", usual.root_fields),
            fields=limit("LIMIT_FIELDS", usual.fields),
            aliases=limit("LIMIT_ALIASES", usual.aliases, least=0),
            directives=limit("LIMIT_DIRECTIVES", usual.directives, least=0),
            comparisons=limit("LIMIT_COMPARISONS", usual.comparisons),
            objects=limit("LIMIT_OBJECTS", usual.objects),
            cost=limit("LIMIT_COST", usual.cost),
            budget=limit("COST_BUDGET", usual.budget, least=0),
            in_flight=limit("COST_IN_FLIGHT", usual.in_flight, least=0),
        )
        if 0 < limits.budget < limits.cost:
            raise SettingsError(
                f"COST_BUDGET must be 0 or at least LIMIT_COST, {limits.cost}: what costs more than it could never run."
            )
        return limits
