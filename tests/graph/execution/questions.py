"""Queries over Groundswell's own schema, out of the ids, keys and cursors that a workspace has."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from graphql import GraphQLField, GraphQLNonNull, GraphQLSchema, get_named_type

from tests.graph.execution.documents import Documents

DISCOVERY = """{
  viewer { workspace { id brands { edges { cursor node { id } } } apiClients { edges { cursor node { id } } } } }
  channels { edges { cursor node { id } } }
  audiences { edges { cursor node { id } } }
  deadLetters { edges { cursor node { id } } }
  exportJobs { edges { cursor node { id } } }
  contentItems(first: 4) { edges { cursor node { id slug posts { edges { cursor node { id } } } } } }
  followers(first: 3) { edges { cursor node { id } } }
  interactions(first: 3) { edges { cursor node { id key } } }
  spaces(first: 3) { edges { cursor node { id assets(first: 2) { edges { cursor node { id } } } } } }
  assets(first: 3) { edges { cursor node { id usages { edges { cursor node { usedInId } } } } } }
  leads(first: 3) { edges { cursor node { id key } } }
  emailTemplates(first: 3) { edges { cursor node { id } } }
  mailings(first: 3) { edges { cursor node { id key
    recipients(first: 3) { edges { cursor node { id } } }
    links(first: 2) { edges { cursor node { id } } }
    events(first: 3) { edges { cursor node { id } } }
  } } }
  campaigns(first: 8, filter: { status: [ACTIVE, COMPLETED] }) { edges { cursor node {
    id key
    impressions(first: 3) { edges { cursor node { id } } }
    engagements(first: 3) { edges { cursor node { id } } }
    comments(first: 3, orderBy: MOST_REPLIES) { edges { cursor node { id replies { edges { cursor node { id } } } } } }
    channels(first: 3) { edges { cursor node { id } } }
    spaces(first: 2) { edges { cursor node { id } } }
    events(first: 3) { edges { cursor node { id key } } }
    engagers(first: 3, didAll: [CLICKED]) { edges { cursor node { engagements } } }
  } } }
}"""
"""Finds what the others ask for."""

_WINDOWS = (
    "null",
    "{}",
    '{from: "2026-03-08T23:00:00Z"}',
    '{from: "2026-03-08T23:00:00Z", to: "2026-03-10T22:30:00.5+01:00"}',
)
_VALUES: Mapping[str, Sequence[str]] = {
    "Int": ("1", "2", "3", "$n"),
    "CampaignFilter": (
        "null",
        "{}",
        "{status: [ACTIVE, $status]}",
        '{search: "a", activeOn: "2026-03-10"}',
        "{search: $text}",
    ),
    "ImpressionFilter": (
        "null",
        "{clicked: true}",
        "{viewable: false, charged: false}",
        '{deviceType: "mobile"}',
        "$filter",
        *(f"{{window: {window}}}" for window in _WINDOWS),
    ),
    "EventFilter": (
        "null",
        "{types: [CLICK]}",
        '{types: [IMPRESSION, CONVERSION], window: {to: "2026-03-09T23:00:00Z"}}',
        *(f"{{window: {window}}}" for window in _WINDOWS),
    ),
    "CampaignOrder": ("NEWEST", "OLDEST", "NAME", "STARTS_ON", "null"),
    "ContentFilter": (
        "null",
        "{platform: META, hasComments: false}",
        '{search: "a", tag: {type: "topic", value: "sleep"}}',
        "{search: $text, hasComments: $yes}",
    ),
    "ContentOrder": ("NEWEST", "OLDEST", "MOST_COMMENTS", "MOST_INTERACTIONS", "null"),
    "DateTime": ('"2026-03-29T12:00:00Z"', '"2026-03-09T01:00:00.5+01:00"', "null"),
    "FollowerFilter": (
        "null",
        "{platform: TIKTOK, minScore: 5}",
        "{tier: [SUPER_FAN, LURKER]}",
        '{search: "c", tier: [ACTIVE, LURKER]}',
        "{search: $text, minScore: $n}",
    ),
    "FollowerOrder": ("SCORE", "NEWEST", "LAST_SEEN", "USERNAME", "null"),
    "InteractionType": ("[COMMENT]", "[LIKE, SHARE, SAVE]", "[]", "null"),
    "Platform": ("TIKTOK", "META", "REDDIT", "null"),
    "SpaceFilter": (
        "null",
        "{platform: META, isArchived: false}",
        '{tags: ["sale"], search: "s"}',
        "{search: $text, isTemplate: $yes}",
    ),
    "AssetFilter": (
        "null",
        "{types: [HEADLINE, AD_COPY]}",
        '{tags: ["sale"], types: []}',
        "{search: $text, includeDeleted: $yes}",
    ),
    "MailingFilter": (
        "null",
        "{status: [COMPLETED, RUNNING]}",
        '{search: "a", createdBy: "demo"}',
        '{search: $text, started: {from: "2026-01-01T00:00:00Z"}}',
        "{scheduled: $window, status: []}",
    ),
    "RecipientFilter": (
        "null",
        "{status: [SENT, UNSUBSCRIBED]}",
        '{search: "a", unopened: true}',
        "{search: $text, unopened: $yes, status: [SENT, BOUNCED]}",
    ),
    "EmailEventFilter": (
        "null",
        "{types: [OPEN], isMachine: $yes}",
        '{types: [CLICK, UNSUBSCRIBE], window: {to: "2026-03-20T00:00:00Z"}}',
        *(f"{{window: {window}}}" for window in _WINDOWS),
    ),
    "PreviewEmailInput": (
        '{subject: "{{ name }}", html: "<p>{{ city }}</p>", attributes: {city: "<X>"}}',
        '{subject: "S", html: "<a href=\\"https://example.com/{{ key }}\\">x</a>", text: "{{ email }}", email: "a@example.com"}',
    ),
    "JSON": ('{city: "<X>", age: 7}', "{}", "null"),
    "CommentOrder": ("NEWEST", "OLDEST", "MOST_REPLIES", "null"),
    "EngagementType": ("[LIKE]", "[SHARE, COMMENT]", "null", "$types"),
    "AudienceAction": ("[CLICKED]", "[LIKED]", "[VIEWED, COMMENTED]"),
    "JobStatus": ("[QUEUED]", "[RUNNING, FAILED]", "[]", "null"),
    "TimeWindow": (*_WINDOWS, "$window"),
    "TimeBucket": ("WEEK", "MONTH", "DAY"),
}
_BAD: Mapping[str, Sequence[str]] = {
    "Int": ("0", "101", "-1", "null"),
    "String": ('"x"', '""', '"W10="', "null"),
    "ID": ('"?"', '"Q2FtcGFpZ246MA=="', '"TW9uZXk6MQ=="', '"Q2FtcGFpZ246OTk5OTk="'),
    "CampaignFilter": ('{brandId: "?"}', '{search: "\\u0000"}'),
    "FollowerFilter": ('{search: "a b c d e f g h i"}', '{search: "\\u0000"}'),
    "DateTime": ('"1899-12-31T00:00:00Z"', '"2026-03-29T12:00:00"'),
    "SpaceFilter": ('{brandId: "?"}', '{search: "\\u0000"}'),
    "AssetFilter": ('{search: "a b c d e f g h i"}', '{tags: ["\\u0000"]}'),
    "MailingFilter": ('{campaignId: "?"}', '{search: "\\u0000"}'),
    "RecipientFilter": ('{search: "a b c d e f g h i"}', '{search: "\\u0000"}'),
    "EmailEventFilter": ('{ipAddress: "?"}',),
    "PreviewEmailInput": ('{subject: "{{ nothing }}", html: ""}',),
    "JSON": ("[1]",),
    "EngagementType": ("[]",),
    "AudienceAction": ("[]",),
    "TimeWindow": ('{from: "2026-03-09T00:00:00Z", to: "2026-03-08T00:00:00Z"}',),
}
"""What is refused, or finds nothing."""


class Found:
    """The ids, keys and slugs, and the cursors of each list, that an answer holds."""

    def __init__(self, answer: Any) -> None:
        self.ids: list[str] = []
        self.keys: list[str] = []
        self.cursors: dict[str, list[str]] = {}
        self._look(answer, "")

    def _look(self, value: Any, field: str) -> None:
        for name, below in value.items() if isinstance(value, dict) else ():
            for one in below if isinstance(below, list) else [below]:
                self._note(name, one, field)
                self._look(one, field if name in ("edges", "node") else name)

    def _note(self, name: str, value: Any, field: str) -> None:
        if name == "id":
            self.ids.append(value)
        elif name in ("key", "slug"):
            self.keys.append(value)
        elif name == "cursor":
            self.cursors.setdefault(field, []).append(value)


class Questions(Documents):
    """Generates the queries of a seed. ``bad``: how often an argument makes no sense."""

    variables: ClassVar[Mapping[str, tuple[str, Sequence[Any]]]] = {
        "n": ("Int", (None, 1, 2)),
        "text": ("String", (None, "a", "ß")),
        "status": ("CampaignStatus! = PAUSED", (None, "COMPLETED")),
        "types": ("[EngagementType!] = [SAVE]", (None, ["COMMENT"], ["LIKE", "SHARE"])),
        "window": ("TimeWindow", (None, {"to": "2026-03-09T23:00:00Z"}, {"from": None})),
        "filter": ("ImpressionFilter", (None, {"converted": True}, {"placement": "feed", "window": {}})),
        "yes": ("Boolean!", (True, False)),
        "no": ("Boolean = false", (None, True, False)),
    }

    def __init__(self, schema: GraphQLSchema, rng: random.Random, found: Found, bad: float) -> None:
        super().__init__(schema, rng)
        self._found, self._bad = found, bad

    def _arguments(self, name: str, field: GraphQLField) -> str:
        given = ", ".join(f"{argument}: {value}" for argument, value in self._given(name, field))
        return f"({given})" if given else ""

    def _given(self, name: str, field: GraphQLField) -> Iterator[tuple[str, str]]:
        for argument, definition in field.args.items():
            kind = get_named_type(definition.type).name
            needed = isinstance(definition.type, GraphQLNonNull)
            if not needed and self._rng.random() > _CHANCES.get(argument, 0.4):
                continue
            value = self._value(name, argument, kind)
            if value != "null" or not needed:
                yield argument, value

    def _value(self, field: str, argument: str, kind: str) -> str:
        if kind in _BAD and self._rng.random() < self._bad:
            value = self._rng.choice(_BAD[kind])
            return f"[{value}]" if argument == "ids" else value
        if argument == "ids":
            return json.dumps(self._rng.choices(self._found.ids, k=self._rng.randrange(4)))
        if kind == "ID":
            wanted = _NAMED.get(field if argument == "id" else argument, "")
            return json.dumps(self._rng.choice([one for one in self._found.ids if one.startswith(wanted)]))
        if kind == "String" and argument in _TEXTS:
            return json.dumps(self._rng.choice(_TEXTS[argument]))
        if kind == "String":
            return json.dumps(
                self._rng.choice(self._found.keys if argument in ("key", "slug") else self._found.cursors[field])
            )
        return self._rng.choice(_VALUES[kind])

    def _below(self, of: Any, depth: int) -> str:
        """Often nothing but leaves of the rows, which PostgreSQL may write, with what may stand beside them."""
        if not of.name.endswith("Connection") or self._rng.random() < 0.4:
            return self._selection(of, depth)
        beside = [self._rng.choice(("", "", "", *one)) for one in (_BEFORE, _BEHIND)]
        rows = self._selection(get_named_type(of.fields["nodes"].type), self._rng.choice((0, 0, 1)))
        return f"{{ {beside[0]} {self._rng.choice(('', 'rows: '))}nodes {self._condition()}{rows} {beside[1]} }}"


_NAMED = {
    "campaign": "Q2FtcGFpZ246",
    "campaignId": "Q2FtcGFpZ246",
    "exportJob": "RXhwb3J0Sm9i",
    "channel": "Q2hhbm5lbD",
    "contentItem": "Q29udGVudEl0ZW",
    "contentId": "Q29udGVudEl0ZW",
    "follower": "Rm9sbG93ZXI6",
    "lead": "TGVhZDo",
    "leadId": "TGVhZDo",
    "emailTemplate": "RW1haWxUZW1wbGF0ZTo",
    "templateId": "RW1haWxUZW1wbGF0ZTo",
    "mailing": "TWFpbGluZzo",
}
"""How the ids begin of what a field or an argument is about."""
_TEXTS = {"search": ("a", "", "demo city"), "name": ("Ada", "ß"), "email": ("a@example.com",)}
_CHANCES = {"first": 0.9, "last": 0.1, "after": 0.15, "before": 0.1}
_BEFORE = ("totalCount", "t: __typename", "pageInfo { hasNextPage endCursor }", "... on Node { id }")
_BEHIND = ("count: totalCount", "edges { cursor }", "pageInfo { hasPreviousPage }", "nodes { __typename }")
