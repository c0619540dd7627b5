"""Generated functions: the answers of a level, as far as they are leaves that need no resolver, in one pass.

The Python of a function depends on the selection alone, so that selections of one shape share its compilation.
"""

import keyword
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any

from graph.execution.hints import Attribute, Constant
from graph.execution.kinds import expression

if TYPE_CHECKING:
    from graph.execution.plan import FieldPlan

Builder = Callable[[Sequence[Any]], list[dict[str, Any]]]


def builder(fields: "Sequence[FieldPlan]", columns: tuple[str, ...] | None) -> Builder:
    """The function from sources to answers, with None in the place of all that is not built.

    With ``columns`` the sources are unpacked by position. It raises something where a value is not as usual.
    """
    names: dict[str, Any] = {}
    items: list[str] = []
    lines: list[str] = []
    unpacked = None if columns is None else "(" + "".join(f"c{index}, " for index in range(len(columns))) + ")"
    whole = unpacked is None
    for index, field in enumerate(fields):
        if isinstance(field.hint, Constant):
            items.append(f"{field.key!r}: {field.hint.value!r}")
        elif field.is_pure and field.kind.form == "leaf":
            value, strict = f"v{index}", f"k{index}"
            position = _position(field.hint, columns)
            whole = whole or position is None
            lines.append(f"{value} = {_read(field.hint, f'h{index}', position, names)}")
            items.append(f"{field.key!r}: {expression(field.kind, value, strict, names)}")
        else:
            items.append(f"{field.key!r}: None")
    text = "\n".join(
        [
            "def build(sources):",
            "    outs = []",
            "    add = outs.append",
            f"    for {'s' if whole else unpacked} in sources:",
            *(f"        {line}" for line in ([f"{unpacked} = s"] if whole and unpacked else [])),
            *(f"        {line}" for line in lines),
            f"        add({{{', '.join(items)}}})",
            "    return outs",
        ]
    )
    exec(_compiled(text), names)  # noqa: S102 - names of the schema and of the document, which are identifiers
    made: Builder = names["build"]
    return made


@lru_cache(maxsize=512)
def _compiled(text: str) -> CodeType:
    return compile(text, "<level builder>", "exec")


def _position(hint: Any, columns: tuple[str, ...] | None) -> int | None:
    """Where a source that is unpacked holds the value; None where the source itself is asked."""
    if columns is None or not isinstance(hint, Attribute) or hint.name not in columns:
        return None
    return columns.index(hint.name)


def _read(hint: Any, name: str, position: int | None, names: dict[str, Any]) -> str:
    if not isinstance(hint, Attribute):
        names[name] = hint.function
        return f"{name}(s)"
    if position is not None:
        read = f"c{position}"
    elif hint.name.isidentifier() and not keyword.iskeyword(hint.name):
        read = f"s.{hint.name}"
    else:
        read = f"getattr(s, {hint.name!r})"
    if hint.through is None:
        return read
    names[name] = hint.through
    return f"{name}({read})"
