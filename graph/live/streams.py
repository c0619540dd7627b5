"""Operations of connections that stay open: checked, and answered by one message or by a stream of them."""

import inspect
from collections import Counter
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
from graph.requests import asked_of, key_of


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

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    resume_after: str | None = None
    """The cursor that the transport knows to be the last one seen."""
    may_change: bool = True
    """Whether it may be a mutation: not by GET."""
    document_id: str | None = None
    """Of a document that the server has."""
    idempotency_key: str | None = None
    """As the transport's headers have it; extensions may have one, too."""

    @classmethod
    def of(cls, given: Any, **further: Any) -> "Request":
        """The request that a decoded body means. Raises BAD_USER_INPUT."""
        query, name, variables, extensions, document_id = asked_of(given)
        return cls(query, name, variables or {}, extensions or {}, document_id=document_id, **further)


class Streams:
    """Runs operations. Subscriptions that ask the same share their answers."""

    def __init__(self, database: Database, live: Live, links: Links, operations: Operations) -> None:
        self.live = live
        self.groups = Groups()
        self.delivered = 0
        """Messages of subscriptions that were given to their subscribers."""
        self.ended: Counter[str] = Counter()
        """Operations that were refused, or whose streams ended with an error, by code."""
        self._database = database
        self._links = links
        self._operations = operations

    async def run(self, viewer: Viewer, request: Request) -> AsyncGenerator[Message]:
        """The messages of an operation. Raises Refused where it may not run, and where its stream ends with an error."""
        try:
            operation = self._operation(request)
            if request.query:
                self._operations.stored.keep(request.query, request.extensions)
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
                        self.delivered += 1
                        yield message
        except (GraphQLError, Refused) as error:
            errors = error.errors if isinstance(error, Refused) else [shown(error, request.operation_name)]
            self.ended.update(str((one.extensions or {}).get("code")) for one in errors)
            raise Refused(errors) from None

    def is_subscription(self, request: Request) -> bool:
        """Whether a request asks for more than one answer. Raises Refused, and GraphQLError, where it may not run."""
        return self._operation(request).node.operation is OperationType.SUBSCRIPTION

    def document(self, request: Request) -> Document:
        """The document of a request, valid. Raises Refused, and GraphQLError where it is none of those that may run."""
        stored = self._operations.stored
        document = self._operations.document(stored.text(request.query, request.document_id, request.extensions))
        if document.errors:
            # Nobody gets as far as here without a credential.
            errors = self._operations.errors(document, is_known=True)
            raise Refused([shown(error, None) for error in errors])
        return document

    async def _answer(self, viewer: Viewer, request: Request, operation: Operation) -> str:
        context = Context(self._database, viewer, self.live, self._links)
        context.idempotency_key = key_of(request.idempotency_key, request.extensions)
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
        opening = patiently(partial(self._source, viewer, request, operation))
        source = await self._operations.opening(operation.document, operation.node, opening)
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
                self._operations.settle(context, executor)
                raise Refused([shown(error, operation.name) for error in executor])
            made = create_source_event_stream(executor)
            found: Any = (await made) if inspect.isawaitable(made) else made
        finally:
            await context.close()
        if isinstance(found, ExecutionResult):
            errors = found.errors or []
            for error in errors:
                if error.original_error is not None and is_unavailable(error.original_error):
                    self._operations.withdraw(context)  # it is tried again, and charged then
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
