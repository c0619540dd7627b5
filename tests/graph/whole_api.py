"""Operations over all of the schema: every root field, every argument and input, out of what a workspace has seen."""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from graph.ids import BadId, encode, parts

_NEVER = 10**15
"""Added to a key it gives one that never was."""
_OF_PAGES = {"edges", "pageInfo", "node", "nodes"}
_TOLD_BY_CLOCKS = {"liveCursor", "rateLimit"}
_WITH_FILES = {"importAssets", "importPerformance"}
_KINDS = {
    "adCopy": "Asset",
    "leadIds": "Lead",
    "campaignIds": "Campaign",
    "contentId": "ContentItem",
    "parentId": "Comment",
    "uploadId": "Upload",
    "templateId": "EmailTemplate",
}
"""What arguments are about whose names do not say it."""
_BY_FIELD = {
    "createSpaceFromTemplate.templateId": "Space",
    "editComment.id": "Comment",
    "discardDeadLetters.ids": "DeadLetter",
    "updateImpressions.id": "Impression",
    "cancelExport.id": "ExportJob",
    "revokeApiClient.id": "ApiClient",
}
_SHARED = ("key", "slug", "externalId", "externalPostId", "externalAssetId", "externalCampaignId", "userId", "usedInId")
"""What both workspaces name alike: what is taken in the one is free in the other."""
_FIXED = {
    "currency": "EUR",
    "contentType": "image/png",
    "ipAddress": "10.0.0.1",
    "userAgent": "Mozilla/5.0",
    "url": "https://example.com/",
    "profileUrl": "https://example.com/u",
}


class World:
    """What one workspace has seen of itself, and what its client has sent."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.ids: dict[str, set[str]] = defaultdict(set)
        self.cursors: dict[str, set[str]] = defaultdict(set)
        """By the field of their list."""
        self.words: list[str] = []
        self.sent: set[str] = set()
        """Ids, words and cursors of others that its client has named: these may be said back to it."""
        self._marker = f"{key}zq"
        self._pattern = re.compile(rf"{self._marker}\d+")

    def word(self) -> str:
        """A word that nobody else has."""
        self.words.append(f"{self._marker}{len(self.words)}")
        return self.words[-1]

    def words_in(self, text: str) -> set[str]:
        """The words of this workspace that a text holds."""
        return set(self._pattern.findall(text))

    @property
    def every_id(self) -> set[str]:
        """The ids of all that it has."""
        return {one for found in self.ids.values() for one in found}

    def learn(self, value: Any) -> None:
        """Keeps the ids and cursors of an answer."""
        for path, found in _leaves(value):
            if not isinstance(found, str):
                continue
            if path[-1] in ("id", "uploadId"):
                self.ids[parts(found)[0]].add(found)
            elif path[-1] in ("cursor", "endCursor"):
                self.cursors[next((one for one in reversed(path[:-1]) if one not in _OF_PAGES), "")].add(found)


def ids_in(value: Any) -> set[str]:
    """All texts in an answer that are global ids."""
    return {one for _, one in _leaves(value) if isinstance(one, str) and _is_id(one)}


def never(global_id: str) -> str:
    """An id of the same type that never was."""
    kind, key = parts(global_id)
    return encode(kind, key + _NEVER)


def replaced(value: Any, by: Mapping[str, str]) -> Any:
    """The same with some texts exchanged."""
    if isinstance(value, dict):
        return {name: replaced(one, by) for name, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, by) for one in value]
    return by.get(value, value) if isinstance(value, str) else value


def named_texts(value: Any) -> Iterator[tuple[str, str]]:
    """All texts in an answer, each with the name of its field."""
    return ((path[-1], one) for path, one in _leaves(value) if path and isinstance(one, str))


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, (*path, key))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, path)
    else:
        yield path, value


def _is_id(text: str) -> bool:
    try:
        return bool(parts(text))
    except BadId:
        return False


class Operation:
    """A document of one root field, and its variables."""

    def __init__(self, schema: GraphQLSchema, rng: random.Random, own: World, other: World) -> None:
        self.variables: dict[str, Any] = {}
        self._schema, self._rng, self._own, self._other = schema, rng, own, other
        self._declared: list[str] = []
        root: Any = schema.mutation_type if rng.random() < 0.5 else schema.query_type
        self.is_mutation = root is schema.mutation_type
        names = [name for name in root.fields if name not in _TOLD_BY_CLOCKS | _WITH_FILES]
        self.name = rng.choice(names)
        body = self._field(self.name, root.fields[self.name], rng.choice((1, 2, 3)))
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        self.text = f"{'mutation' if self.is_mutation else 'query'} {declared} {{ {body} }}"

    @property
    def sent(self) -> set[str]:
        """All texts among the variables."""
        return {one for _, one in _leaves(self.variables) if isinstance(one, str)}

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        arguments = ", ".join(self._arguments(name, field))
        inner: Any = get_named_type(field.type)
        below = "" if is_leaf_type(inner) else f" {{ {' '.join(self._selection(inner, depth))} }}"
        return f"{name}{f'({arguments})' if arguments else ''}{below}"

    def _selection(self, of: Any, depth: int) -> Iterator[str]:
        yield "__typename"
        if not hasattr(of, "fields"):
            yield from self._of_possible_types(of, depth)
            return
        deep = []
        for name, field in of.fields.items():
            inner = get_named_type(field.type)
            if name in _TOLD_BY_CLOCKS or name.lower().endswith("url"):
                continue
            if is_leaf_type(inner) and not any(is_non_null_type(one.type) for one in field.args.values()):
                yield name
            elif not is_leaf_type(inner):
                deep.append(name)
        paged = [name for name in deep if name in ("edges", "nodes", "pageInfo", "userErrors", "rejected")]
        wanted = self._rng.sample(deep, min(len(deep), 2)) if depth > 0 else []
        for name in dict.fromkeys([*paged, *wanted]):
            yield self._field(name, of.fields[name], depth - (name not in paged))
        if not is_object_type(of):
            yield from self._of_possible_types(of, 0)

    def _of_possible_types(self, of: Any, depth: int) -> Iterator[str]:
        for kind in self._rng.sample(list(self._schema.get_possible_types(of)), 2):
            leaves = " ".join(f"{kind.name}_{one}: {one}" for one in _plain_leaves(kind))
            yield f"... on {kind.name} {{ {leaves} }}"

    def _arguments(self, name: str, field: GraphQLField) -> Iterator[str]:
        for argument, definition in field.args.items():
            chance = 0.1 if argument in ("after", "before", "last") else 0.4
            if not is_non_null_type(definition.type) and self._rng.random() > chance:
                continue
            variable = f"v{len(self._declared)}"
            self._declared.append(f"${variable}: {definition.type}")
            self.variables[variable] = self._value(argument, definition, name)
            yield f"{argument}: ${variable}"

    def _value(self, name: str, of: GraphQLArgument | GraphQLInputField, field: str) -> Any:
        inner: Any = get_named_type(of.type)
        kind = of.type.of_type if is_non_null_type(of.type) else of.type
        if is_list_type(kind):
            return [self._one(name, inner, field) for _ in range(self._rng.randint(1, 3))]
        return self._one(name, inner, field)

    def _one(self, name: str, kind: Any, field: str) -> Any:
        if isinstance(kind, GraphQLInputObjectType):
            return {
                key: self._value(key, one, field)
                for key, one in kind.fields.items()
                if get_named_type(one.type).name != "Upload"
                and (is_non_null_type(one.type) or key == "actor" or self._rng.random() < 0.25)
            }
        if isinstance(kind, GraphQLEnumType):
            return self._rng.choice(list(kind.values))
        return getattr(self, f"_{kind.name.lower()}")(name, field)

    def _id(self, name: str, field: str) -> str:
        chance = self._rng.random()
        world = self._own if chance < 0.65 else self._other
        if chance > 0.97:
            return self._rng.choice(("?", "", "Q2FtcGFpZ246MA=="))
        wanted = self._kind(name, field)
        found = sorted(world.ids.get(wanted, ())) or sorted(world.every_id)
        global_id = self._rng.choice(found)
        return never(global_id) if chance > 0.92 else global_id

    def _kind(self, name: str, field: str) -> str:
        named = _BY_FIELD.get(f"{field}.{name}") or _KINDS.get(name)
        if named is not None:
            return named
        words = field if name in ("id", "ids") else name.removesuffix("Id").removesuffix("Ids")
        kinds = sorted(set(self._own.ids) | set(self._other.ids), key=len, reverse=True)
        same = [kind for kind in kinds if kind.lower() == words.lower()]
        fitting = [kind for kind in kinds if kind.lower() in words.lower()]
        return same[0] if same else fitting[0] if fitting else self._rng.choice(kinds)

    def _string(self, name: str, field: str) -> str:
        if name in ("after", "before"):
            world = self._rng.choice((self._own, self._own, self._other))
            return self._rng.choice(sorted(world.cursors.get(field, ())) or ["W10="])
        if name in _FIXED:
            return _FIXED[name]
        if name in _SHARED:
            return f"shared{self._rng.randint(1, 6)}"
        if "mail" in name.lower() or name == "fromAddress":
            return f"{self._own.word()}@example.com"
        if not self.is_mutation:
            return self._rng.choice([*self._own.words[-20:], *self._other.words[-20:], "shared1", "theirs", "a"])
        return self._own.word()

    def _datetime(self, name: str, _field: str) -> str:
        return "2031-05-01T09:00:00Z" if name == "scheduledAt" else f"2026-03-0{self._rng.randint(1, 9)}T12:00:00Z"

    def _date(self, *_: str) -> str:
        return f"2026-03-0{self._rng.randint(1, 9)}"

    def _decimal(self, *_: str) -> str:
        return f"{self._rng.randint(0, 9)}.50"

    def _bigint(self, *_: str) -> int:
        return self._rng.randint(0, 50)

    def _int(self, *_: str) -> int:
        return self._rng.randint(1, 6)

    def _boolean(self, *_: str) -> bool:
        return self._rng.random() < 0.5

    def _json(self, *_: str) -> dict[str, str]:
        return {"city": self._own.word() if self.is_mutation else "x"}


def _plain_leaves(kind: Any) -> list[str]:
    return [
        name
        for name, field in kind.fields.items()
        if is_leaf_type(get_named_type(field.type)) and not field.args and not name.lower().endswith("url")
    ]
