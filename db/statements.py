"""Statements that are built and compiled once, and then run on the driver itself.

Building a statement and finding its compiled form costs more than PostgreSQL takes to answer it. What a statement looks
like depends on little: which columns, which order, whether there is a cursor. So a function from just that to a
statement is marked with ``prepared``; what differs from one execution to the next are its named parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal, ParamSpec, cast

import asyncpg
from sqlalchemy import ARRAY, BigInteger, Executable, Numeric, ScalarSelect, Text, bindparam, select
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg

P = ParamSpec("P")


class _Compiler(PGCompiler_asyncpg):
    """Spells constants out, so that a plan which PostgreSQL keeps knows them and can use partial indexes."""

    def visit_bindparam(self, bindparam: Any, *args: Any, **kwargs: Any) -> Any:
        if not bindparam.required:
            kwargs["literal_binds"] = True
        return super().visit_bindparam(bindparam, *args, **kwargs)  # type: ignore[no-untyped-call]


class _Dialect(PGDialect_asyncpg):
    statement_compiler = _Compiler
    supports_statement_cache = True


_DIALECT = _Dialect()  # type: ignore[no-untyped-call]
_MOST = 1_000
"""Statements that a function keeps."""


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row as the driver decodes it. Each statement has a class of its own, whose attributes are its columns."""

    __slots__ = ()

    def _asdict(self) -> dict[str, Any]:
        """The columns by name, as SQLAlchemy's rows answer them."""
        return dict(self)

    @classmethod
    def of(cls, columns: tuple[str, ...]) -> "type[Row]":
        """The class of the rows of these columns."""
        attributes = {name: property(itemgetter(index)) for index, name in enumerate(columns)}
        return type("Row", (cls,), {"__slots__": (), **attributes})


class Rows(list[Any]):
    """Rows of one statement, or some of them. ``columns`` names what each consists of, in order."""

    __slots__ = ("columns",)

    def __init__(self, rows: Iterable[Any] = (), columns: tuple[str, ...] = ()) -> None:
        super().__init__(rows)
        self.columns = columns

    def part(self, which: slice) -> "Rows":
        """Some of the rows."""
        return Rows(self[which], self.columns)


class BadText(ValueError):
    """A text that PostgreSQL cannot hold. The message is for the caller."""

    def __init__(self) -> None:
        super().__init__("A text cannot hold the character U+0000.")


def refuse_null_character(*texts: str) -> None:
    """Raises BadText. Before a statement is sent: one that fails would take its whole snapshot with it."""
    if any("\0" in text for text in texts):
        raise BadText


class Prepared:
    """A statement, compiled. Its parameters are named, ``workspace`` among them where it is of one."""

    def __init__(self, statement: Executable, name: str | None = None) -> None:
        self.name = name
        """Of the function that built it."""
        compiled: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        self.sql: str = compiled.string
        self.columns: tuple[str, ...] = tuple(column.keyname for column in compiled._result_columns)  # noqa: SLF001
        self.row_class = Row.of(self.columns)
        self._names: tuple[str, ...] = tuple(compiled.positiontup)
        _refuse_conversions(compiled)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """What the driver is given, in the order in which the statement counts its parameters. Raises BadText."""
        given = [values[name] for name in self._names]
        for value in given:
            if type(value) is str:
                refuse_null_character(value)
            elif type(value) is list and value and type(value[0]) is str:
                refuse_null_character(*value)
        return given


def _refuse_conversions(compiled: Any) -> None:
    """Values go to the driver and come from it as they are: a column or parameter that needs more is a mistake."""
    given = [name for name in compiled._bind_processors if _is_converted(compiled.binds[name].type, "bind")]  # noqa: SLF001
    read = [column.keyname for column in compiled._result_columns if _is_converted(column.type, "result")]  # noqa: SLF001
    if given or read or compiled.post_compile_params or compiled.literal_execute_params:
        raise TypeError(f"not for the driver: {[*given, *read]} in {compiled.string}")


def _is_converted(kind: Any, way: Literal["bind", "result"]) -> bool:
    if isinstance(kind, ARRAY):
        return _is_converted(kind.item_type, way)
    if isinstance(kind, Numeric):
        return False  # cannot be asked without a result; the driver has Decimal, or float
    kind = kind.dialect_impl(_DIALECT)
    found = kind.bind_processor(_DIALECT) if way == "bind" else kind.result_processor(_DIALECT, None)
    return found is not None


def prepared(build: Callable[P, Executable], *, named: bool = True) -> Callable[P, Prepared]:
    """Marks a function that builds a statement: each statement that was asked for lately is compiled once.

    The function's arguments are hashable and say what the statement looks like, not what it is asked with.
    ``named`` is False for a function that makes a statement of any SQL: its name would say nothing of what is done.
    """

    name = f"{build.__module__.removeprefix('db.queries.')}.{build.__name__}"

    @lru_cache(_MOST)
    def compiled(*args: P.args, **kwargs: P.kwargs) -> Prepared:
        return Prepared(build(*args, **kwargs), name if named else None)

    return cast(Callable[P, Prepared], compiled)


def workspace() -> ScalarSelect[int]:
    """The workspace that a prepared statement is asked for. A subquery, see ``OfWorkspace.workspace``."""
    return select(bindparam("workspace", type_=BigInteger)).scalar_subquery()


def given_ids() -> Any:
    """The parameter ``ids``, a list of keys."""
    return bindparam("ids", type_=ARRAY(BigInteger))


def given_texts(name: str) -> Any:
    """A parameter that is a list of texts."""
    return bindparam(name, type_=ARRAY(Text))
