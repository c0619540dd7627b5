"""The language of templates: Jinja's, cut down to placeholders, a few filters and conditions.

What is not named here does not exist in it. A template has no loops, so that it is as fast as it is long; it calls nothing
and looks into nothing, so that it can say no more than what it was given; and its variables are all known before it is sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, soft_str

_FILTERS = ("default", "upper", "lower", "title", "capitalize", "trim")
_RESERVED = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
"""Names that mean something to Jinja, whatever a lead's attributes are called."""
MOST_CONSTRUCTS = 2_000
"""Placeholders, conditions and comments of one template."""
_MOST_NODES = 10 * MOST_CONSTRUCTS
"""Of a syntax tree. Compiling takes long for each."""
_DEEPEST = 50
"""Levels of conditions and expressions. Python's own compiler ends at a hundred."""
_LARGEST_CONSTANT = 10**100
_TOO_LARGE = "A number is too large."
_STRAY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NOT_IN_URLS = re.compile(r"[\s\x00-\x20\"<>\\^`{|}]")

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Filter,
    nodes.Keyword,
    nodes.If,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Const,
    nodes.Compare,
    nodes.Operand,
)
_FORBIDDEN: tuple[tuple[tuple[type[nodes.Node], ...], str], ...] = (
    ((nodes.For,), "Templates have no loops."),
    ((nodes.Getattr,), "Templates know no attributes of variables (a dot behind a name)."),
    ((nodes.Getitem, nodes.Slice), "Templates know no items of variables (brackets behind a name)."),
    ((nodes.Call, nodes.CallBlock), "Templates call no functions."),
    ((nodes.Macro,), "Templates have no macros."),
    ((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends), "Templates include no other templates."),
    ((nodes.Block,), "Templates have no blocks to be replaced."),
    ((nodes.Assign, nodes.AssignBlock, nodes.With), "Templates set no variables."),
    ((nodes.FilterBlock,), "Templates have no filter blocks: filters stand within {{ }}."),
    ((nodes.Test,), 'Templates have no tests ("is"): conditions are variables, comparisons, and, or, not.'),
    ((nodes.CondExpr,), 'Templates have no "if" within {{ }}: use {% if %}, {% else %} and {% endif %}.'),
    ((nodes.Concat, nodes.BinExpr, nodes.UnaryExpr), "Templates do not calculate or join values."),
    ((nodes.List, nodes.Tuple, nodes.Dict), "Templates have no lists or objects."),
)


@dataclass(frozen=True, slots=True)
class Construct:
    """``{{ }}``, ``{% %}`` or ``{# #}``: where it stands in a source, its braces included."""

    kind: str
    start: int
    end: int
    inner: tuple[int, int]
    """What is between the braces."""

    @property
    def is_variable(self) -> bool:
        """Whether it writes something."""
        return self.kind == "variable"


class Environment(ImmutableSandboxedEnvironment):
    """Jinja without anything that templates could reach: no functions, and no filters but the named ones."""

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, keep_trailing_newline=True, cache_size=0)
        self.globals.clear()
        self.tests.clear()
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.filters["_url"], self.filters["_query"] = _url, _query


def _url(value: Any) -> Markup:
    """A value as an address or the path of one: what can stand in one stays as it is."""
    return Markup(_NOT_IN_URLS.sub(lambda found: quote(found[0]), soft_str(value).strip()))  # noqa: S704 - no markup in it


def _query(value: Any) -> Markup:
    """A value behind the ``?`` or ``#`` of an address: nothing of it can begin another parameter."""
    return Markup(quote(soft_str(value), safe="", errors="replace"))  # noqa: S704 - nor in this


PLAIN = Environment(autoescape=False)
HTML = Environment(autoescape=True)


def clean(text: str) -> str:
    """A text with line breaks of one kind, and without control characters, which neither HTML nor e-mail can hold."""
    if text.isprintable():
        return text
    return _STRAY.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def parsed(source: str) -> nodes.Template:
    """The syntax tree of a source. Raises TemplateError, with a line where there is one."""
    if sum(source.count(begin) for begin in ("{{", "{%", "{#")) > MOST_CONSTRUCTS:
        raise TemplateError(f"There are more than {MOST_CONSTRUCTS:,} placeholders, conditions and comments.")
    if source.endswith("{#"):
        # Right to Jinja, unless something is put behind it.
        raise TemplateSyntaxError("Missing end of comment tag", source.count("\n") + 1)
    try:
        return PLAIN.parse(source)
    except RecursionError:
        raise TemplateError("This is nested too deeply.") from None
    except ValueError:
        # Python's own: so many digits are no number to it.
        raise TemplateError(_TOO_LARGE) from None


def is_whole(source: str) -> bool:
    """Whether a part of a source could stand alone: no condition begins or ends outside of it."""
    try:
        return "{%" not in source or bool(parsed(source))
    except TemplateError:
        return False


def variables_of(source: str) -> frozenset[str]:
    """The names of the variables that a source mentions; none where its syntax is wrong, or it is nested far too deeply."""
    try:
        return frozenset(name.name for name in parsed(source).find_all(nodes.Name))
    except (TemplateError, RecursionError):
        return frozenset()


def forbidden(source: str) -> Iterator[str]:
    """What a source has and templates have not, each with its line. A syntax error is the only thing said."""
    try:
        tree = parsed(source)
    except TemplateSyntaxError as error:
        yield f"Line {error.lineno}: {(error.message or '').rstrip('.')}."
        return
    except TemplateError as error:
        yield str(error)
        return
    yield from (
        f"Line {line}: Templates have no raw blocks." for line, kind, _ in PLAIN.lex(source) if kind == "raw_begin"
    )
    yield from _said(tree)


def _said(tree: nodes.Template) -> Iterator[str]:
    """What is wrong with the nodes of a tree. What is below a wrong one is not looked at."""
    left: list[tuple[nodes.Node, int, int]] = [(tree, 0, 1)]
    count = 0
    while left:
        node, depth, line = left.pop()
        count += 1
        if count > _MOST_NODES:
            yield f"Line {node.lineno or line}: There are too many conditions and comparisons."
            return
        line = node.lineno or line
        problem = _wrong(node) if depth <= _DEEPEST else "This is nested too deeply."
        if problem:
            yield f"Line {line}: {problem}"
        else:
            left.extend((child, depth + 1, line) for child in reversed(list(node.iter_child_nodes())))


def _wrong(node: nodes.Node) -> str | None:
    if not isinstance(node, _ALLOWED):
        said = (message for kinds, message in _FORBIDDEN if isinstance(node, kinds))
        return next(said, "Templates have only texts, {{ placeholders }} with filters, and {% if %}.")
    if isinstance(node, nodes.Filter):
        return _wrong_filter(node)
    if isinstance(node, nodes.Const):
        return _wrong_constant(node.value)
    if isinstance(node, nodes.Operand) and node.op not in ("eq", "ne"):
        return "Templates compare by == and != only."
    if isinstance(node, nodes.Name) and (node.ctx != "load" or node.name in _RESERVED):
        return f"The name {node.name} is Jinja's own and cannot be a variable."
    return None


def _wrong_constant(value: object) -> str | None:
    """What is wrong with a text in quotes, which may write any character as ``\\x01``, or with a number."""
    if isinstance(value, str) and value != clean(value):
        return "A text in quotes has control characters or halves of pairs, which no mail can hold."
    if isinstance(value, int | float) and not abs(value) <= _LARGEST_CONSTANT:
        return _TOO_LARGE
    return None


def _wrong_filter(node: nodes.Filter) -> str | None:
    if node.name not in _FILTERS or node.node is None:
        return f"Templates have no filter {node.name}; the filters are {', '.join(_FILTERS)}."
    named = [keyword.key for keyword in node.kwargs]
    if node.name != "default" and (node.args or named or node.dyn_args or node.dyn_kwargs):
        return f"The filter {node.name} takes nothing in parentheses."
    if node.dyn_args or node.dyn_kwargs or named not in ([], ["boolean"]) or len(node.args) + len(named) > 2:
        return "The filter default takes a value, and whether it stands for empty values too."
    return None


def constructs(source: str) -> list[Construct]:
    """All constructs of a source that is without syntax errors and raw blocks, in order."""
    found: list[Construct] = []
    position = start = inner = 0
    for _, kind, text in PLAIN.lex(source):
        # The lexer leaves out what a ``-`` at a brace strips: white space, which comes before the token.
        position = source.index(text, position)
        if kind.endswith("_begin"):
            start, inner = position, position + len(text)
        position += len(text)
        if kind.endswith("_end"):
            found.append(Construct(kind.removesuffix("_end"), start, position, (inner, position - len(text))))
    return found


VARIABLE = "\ue000"


def masked(source: str, found: list[Construct], other: str = " ") -> str:
    """The source with VARIABLE in place of what writes and ``other`` of what does not: each place is where it was."""
    parts, last = [], 0
    for construct in found:
        filler = VARIABLE if construct.is_variable else other
        parts += [source[last : construct.start].replace(VARIABLE, "?"), filler * (construct.end - construct.start)]
        last = construct.end
    return "".join([*parts, source[last:].replace(VARIABLE, "?")])
