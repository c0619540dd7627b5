"""Operations of connections that stay open: checked, and answered by one message or by a stream of them."""

import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationType, create_source_event_stream

from db import requests
from db.engine import Database, is_unavailable
from graph.access import Viewer
from graph.context import Context
from graph.documents import Document
from graph.errors import bad_input, limit_reached, shown
from graph.files import Links
from graph.live.cursors import expired
from graph.live.groups import Group, Groups
from graph.live.hub import Live
from graph.live.mailbox import Mailbox, Message, Over
from graph.live.operation import Answerer, Operation, message_of, patiently
from graph.live.sources import Events, Source
from graph.operations import Operations


class Refused(Exception):
    """An operation cannot run, or its stream has ended with errors."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors

    @property
    def formatted(self) -> list[Any]:
        """The errors as an answer holds them."""
        return [error.formatted for error in self.errors]


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    resume_after: str | None = None
    """The cursor that the transport knows to be the last one seen."""
    may_change: bool = True
    """Whether it may be a mutation: not by GET."""

    @classmethod
    def of(cls, given: Any, **further: Any) -> "Request":
        """The request that a decoded body means. Raises BAD_USER_INPUT."""
        if not isinstance(given, dict) or not isinstance(given.get("query"), str):
            raise bad_input("Send an object with a query.")
        name, variables, extensions = (given.get(key) for key in ("operationName", "variables", "extensions"))
        if name is not None and not isinstance(name, str):
            raise bad_input("operationName must be a text.")
        for key, value in (("variables", variables), ("extensions", extensions)):
            if value is not None and not isinstance(value, dict):
                raise bad_input(f"{key} must be an object.")
        return cls(given["query"], name or None, variables or {}, extensions or {}, **further)


class Streams:
    """Runs operations. Subscriptions that ask the same share their answers."""

    def __init__(self, database: Database, live: Live, links: Links, operations: Operations) -> None:
        self.live = live
        self.groups = Groups()
        self._database = database
        self._links = links
        self._operations = operations

    async def run(self, viewer: Viewer, request: Request) -> AsyncGenerator[Message]:
        """The messages of an operation. Raises Refused where it may not run, and where its stream ends with an error."""
        try:
            operation = self._operation(request)
            kind = operation.node.operation
            if kind == OperationType.MUTATION and not request.may_change:
                raise bad_input("A mutation is not for GET.")
            if kind != OperationType.SUBSCRIPTION:
                yield Message(await self._answer(viewer, request, operation))
                return
            asks = requests.current.get()
            if asks is not None:
                asks.patience = None  # a stream goes on, and may wait for its connection
            with self._counted(viewer):
                async with aclosing(self._subscribe(viewer, request, operation)) as messages:
                    async for message in messages:
                        yield message
        except GraphQLError as error:
            raise Refused([shown(error, request.operation_name)]) from None

    def document(self, request: Request) -> Document:
        """The document of a request, valid. Raises Refused."""
        document = self._operations.document(request.query)
        if document.errors:
            raise Refused([shown(error, None) for error in document.errors])
        return document

    async def _answer(self, viewer: Viewer, request: Request, operation: Operation) -> str:
        context = Context(self._database, viewer, self.live, self._links)
        try:
            result = await self._operations.answer(
                operation.document, operation.node, operation.name, operation.variables, context, request.extensions
            )
        finally:
            await context.close()
        return message_of(result)

    @contextmanager
    def _counted(self, viewer: Viewer) -> Iterator[None]:
        subject, counts = (viewer.workspace_id, viewer.subject), self.live.subscriptions
        if counts[subject] >= self.live.limits.per_client:
            raise limit_reached(f"At most {self.live.limits.per_client:,} subscriptions at a time.")
        counts[subject] += 1
        try:
            yield
        finally:
            counts[subject] -= 1
            if not counts[subject]:
                del counts[subject]

    def _operation(self, request: Request) -> Operation:
        document, name = self.document(request), request.operation_name
        node = document.operation(name)
        if node is None:
            what = "The document has no operation." if name is None else f"There is no operation named {name!r}."
            raise bad_input(what)
        return Operation(self._operations, document, node, name, request.variables)

    async def _subscribe(self, viewer: Viewer, request: Request, operation: Operation) -> AsyncGenerator[Message]:
        source = await patiently(partial(self._source, viewer, request, operation))
        answerer = Answerer(self._database, self.live, self._links, viewer, operation)
        identity = (operation.identity(), viewer.workspace_id, viewer.restricted_to)

        def group() -> Group:
            return self.groups.of(identity, lambda: Group(self.live.hub, answerer, source))

        messages = self._events(source, answerer, group) if isinstance(source, Events) else self._values(group())
        async with aclosing(messages):
            async for message in messages:
                yield message

    async def _events(
        self, source: Events, answerer: Answerer, group_of: Callable[[], Group]
    ) -> AsyncGenerator[Message]:
        """What stands after the source's position: from history up to where the group is, and then as it comes."""
        position = source.after
        if position is not None:
            async for page in _past(source, answerer, position, None):
                position = page.reaches
                for message in page.messages:
                    yield message
        group = group_of()
        begins = group.position if position is None else position
        mailbox = Mailbox(self.live.limits.queue, answerer.cursor(begins))
        with group.joined(mailbox):
            if source.epoch is not None and self.live.hub.epoch != source.epoch:
                raise expired()  # from here on the group itself hears of another one
            if begins < group.position:
                async for page in _past(source, answerer, begins, group.position):
                    begins = page.reaches
                    for message in page.messages:
                        yield message
                mailbox.begin_after(answerer.cursor(begins))
            while True:
                message = await mailbox.get()
                if message.position is not None and message.position > begins:
                    yield message

    async def _values(self, group: Group) -> AsyncGenerator[Message]:
        """The value of a gauge, and every one that comes after it; until the last, if there is one."""
        mailbox = Mailbox(self.live.limits.queue, None)
        with group.joined(mailbox), suppress(Over):
            while True:
                yield await mailbox.get()

    async def _source(self, viewer: Viewer, request: Request, operation: Operation) -> Source:
        context = Context(self._database, viewer, self.live, self._links)
        context.streams, context.resume_after = True, request.resume_after
        try:
            refusal = self._operations.refusal(
                operation.document, operation.node, operation.name, operation.variables, context
            )
            if refusal is not None:
                raise refusal
            executor = operation.executor(context)
            if isinstance(executor, list):
                raise Refused([shown(error, operation.name) for error in executor])
            made = create_source_event_stream(executor)
            found: Any = (await made) if inspect.isawaitable(made) else made
        finally:
            await context.close()
        if isinstance(found, ExecutionResult):
            errors = found.errors or []
            for error in errors:
                if error.original_error is not None and is_unavailable(error.original_error):
                    raise error.original_error
            raise Refused([shown(error, operation.name) for error in errors])
        source: Source = found
        return source


@dataclass(frozen=True)
class _Page:
    messages: list[Message]
    reaches: int
    """The position up to which nothing is left out."""


async def _past(source: Events, answerer: Answerer, after: int, upto: int | None) -> AsyncGenerator[_Page]:
    """History, page by page."""
    is_last = False
    while not is_last:
        entries, after, is_last = await patiently(partial(source.history, after, upto))
        wanted = source.wanted(entries)
        yield _Page(await answerer.messages(wanted) if wanted else [], after)
