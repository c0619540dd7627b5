"""What a resolver gets: who asks, the operation's snapshot and loaders, and the way to change something."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import strawberry

from db.changes import Outcome, change
from db.engine import Database, Reads, Transaction
from db.models.live import Topic
from db.queries.live import log
from db.together import Together
from graph.access import Viewer
from graph.budgets import Charge
from graph.errors import unauthenticated
from graph.files import Links, Storage
from graph.live import cursors
from graph.live.hub import Live, Subject
from graph.live.sources import Events, Gauge, Show, Visibility
from graph.loaders import Loaders

T = TypeVar("T")


class Deadline(Protocol):
    """The loop's time at which an operation is cancelled."""

    until: float


class Context:
    """One operation's surroundings. Close it when the answer is complete."""

    # What most operations never set stands here once: each has a context.
    _reads: Reads | None = None
    _loaders: Loaders | None = None
    _over = False
    together: Together | None = None
    """The transaction of all changes and reads, where they are to stand or fall together."""
    streams = False
    """Whether the transport can send more than one answer."""
    resume_after: str | None = None
    """The cursor that the transport says a stream is resumed from: it wins over the one in the operation."""
    deadline: Deadline | None = None
    """When all that it does is cancelled, while it is being answered."""
    idempotency_key: str | None = None
    """The key under which the client may send this request again, as its transport says it."""
    charge: Charge | None = None
    """What the operation was charged; None as long as it was not, and for the events of a stream."""
    response_status: int | None = None
    """The status of an HTTP response to this operation where nothing of it was done; None: the usual one."""

    def __init__(
        self, database: Database, viewer: Viewer | None, live: Live | None = None, links: Links | None = None
    ) -> None:
        self._database = database
        self._viewer = viewer
        self._live = live
        self._links = links
        self.scopes: frozenset[str] | None = None if viewer is None else viewer.scopes
        """What the viewer may do; None without a credential."""
        self.response_headers: dict[str, str] = {}
        """What an HTTP response to this operation says beside the usual, names in lower case."""

    @property
    def workspace_id(self) -> int | None:
        """The viewer's workspace; None without a credential."""
        return None if self._viewer is None else self._viewer.workspace_id

    @asynccontextmanager
    async def untimed(self) -> AsyncIterator[None]:
        """Does not count what the block takes against the operation's deadline."""
        deadline, now = self.deadline, asyncio.get_running_loop().time
        if deadline is None:
            yield
            return
        left, deadline.until = deadline.until - now(), math.inf
        try:
            yield
        finally:
            deadline.until = now() + left

    @property
    def live(self) -> Live:
        """The live stream of this process."""
        if self._live is None:
            raise RuntimeError("there is no live stream here")
        return self._live

    @property
    def links(self) -> Links:
        """What makes links to files."""
        if self._links is None:
            raise RuntimeError("there are no files here")
        return self._links

    @property
    def storage(self) -> Storage:
        """What takes files in."""
        if self.links.storage is None:
            raise RuntimeError("no files are taken in here")
        return self.links.storage

    @property
    def viewer(self) -> Viewer:
        """Who asks. Raises UNAUTHENTICATED where nobody said."""
        if self._viewer is None:
            raise unauthenticated("Send a token: Authorization: Bearer ...")
        return self._viewer

    @property
    def client(self) -> tuple[int, str]:
        """Whose budget an operation is charged to. All that come without a credential share one."""
        viewer = self._viewer
        return (0, "") if viewer is None else (viewer.workspace_id, viewer.subject)

    @property
    def loaders(self) -> Loaders:
        """The loaders of what is read from the snapshot."""
        if self._loaders is None:
            self._loaders = Loaders(lambda: self.reads)
        return self._loaders

    @property
    def reads(self) -> Reads:
        """The snapshot that all reads of this operation share."""
        if self._over:
            # A loader whose waiters were cancelled comes late: it must not open what nobody will close.
            raise RuntimeError("the operation is over")
        if self._reads is None:
            self._reads = (self.together or self._database).reads(self.viewer.workspace_id, self.viewer.restricted_to)
        return self._reads

    async def events(
        self, topic: Topic, keys: tuple[int, ...], types: frozenset[str] | None, cursor: str | None
    ) -> Events:
        """What a subscription to entries of a topic answers, as the viewer sees them. Raises CURSOR_EXPIRED."""
        position = epoch = None
        cursor = self.resume_after or cursor
        if cursor is not None:
            head = await log.head_of(self.reads)
            position, epoch = cursors.after(cursor, head), head.epoch
        await self.release()  # nothing is held between the events
        seen_by = Visibility(self.viewer.workspace_id, self.viewer.restricted_to)
        return Events(self._database, self.live.hub, seen_by, topic, keys, types, position, epoch)

    async def gauge(self, subjects: tuple[Subject, ...], interval: float, show: Show) -> Gauge:
        """What a subscription to a value answers, as the viewer sees it. ``interval``: seconds."""
        await self.release()  # nothing is held between two looks
        seen_by = Visibility(self.viewer.workspace_id, self.viewer.restricted_to)
        return Gauge(self._database, self.live.hub, seen_by, subjects, interval, show)

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> Outcome[T]:
        """Runs one transaction; whatever is read of its result afterwards is read from a fresh snapshot."""
        await self.release()
        if self.together is not None:
            return await self.together.change(work)
        return await change(self._database, self.viewer.workspace_id, work, self.viewer.restricted_to)

    def transaction(self, opened: Callable[[Transaction], Awaitable[None]]) -> Together:
        """A transaction of the viewer's for all changes of this operation: set ``together`` while it runs, and commit it."""
        return Together(self._database, self.viewer.workspace_id, self.viewer.restricted_to, opened)

    async def close(self) -> None:
        """Ends the operation and its snapshot. Nothing can be read afterwards."""
        self._over = True
        if self._reads is not None:
            await self.release()

    async def release(self) -> None:
        """Gives the snapshot back; what is read next opens another, with loaders of its own."""
        reads = self._left()
        if reads is not None:
            await reads.close()

    async def break_off(self) -> None:
        """The same where ``together`` is rolled back: what still reads within it is cancelled, and not waited for."""
        reads = self._left()
        if reads is not None:
            await reads.break_off()

    def _left(self) -> Reads | None:
        reads, self._reads = self._reads, None
        self._loaders = None
        return reads


Info = strawberry.Info[Context, None]
