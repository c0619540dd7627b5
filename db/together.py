"""Changes that stand or fall together: one transaction for all of an operation, with each change a savepoint of it."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TypeVar

from db.changes import LostRace, Outcome, change_within
from db.engine import Database, Reads, ReadsWithin, Transaction

T = TypeVar("T")


class Together:
    """The changes of an operation. What was not committed when the block ends is rolled back.

    The transaction is opened by the first change, or before it by ``begin``. From then on all reads have to go through it:
    an operation that holds one connection never asks for another.
    """

    def __init__(
        self,
        database: Database,
        workspace_id: int,
        client_id: int | None,
        opened: Callable[[Transaction], Awaitable[None]],
    ) -> None:
        self._database = database
        self._workspace_id, self._client_id = workspace_id, client_id
        self._opened = opened
        self._stack = AsyncExitStack()
        self._transaction: Transaction | None = None
        self._refused: Exception | None = None
        self.changes = 0
        """Changes that were made, and not refused."""
        self.lost_a_race = False
        """Whether one was rolled back for a deadlock with another operation: the whole operation is to be run again."""

    async def __aenter__(self) -> "Together":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction = None
        undone = error or _NotCommittedError()
        try:
            await self._stack.__aexit__(type(undone), undone, trace)
        except _NotCommittedError:
            return

    async def begin(self) -> Transaction:
        """The transaction, which is opened where it is not yet. Raises what ``opened`` raises, again and again."""
        if self._refused is not None:
            raise self._refused
        if self._transaction is None:
            opened = self._database.write(self._workspace_id, self._client_id)
            self._transaction = await self._stack.enter_async_context(opened)
            try:
                await self._opened(self._transaction)
            except Exception as error:
                self._refused = error
                raise
        return self._transaction

    def reads(self, workspace_id: int, client_id: int | None) -> Reads:
        """Reads as of the transaction; of a snapshot of their own as long as it is not open. Close them."""
        if self._transaction is None:
            return self._database.reads(workspace_id, client_id)
        return ReadsWithin(self._database, self._transaction)

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> Outcome[T]:
        """Runs one change, as ``db.changes.change`` does. What is refused leaves the changes before it as they are."""
        try:
            outcome = await change_within(await self.begin(), work)
        except LostRace:
            self.lost_a_race = True
            raise
        if not outcome.problems:
            self.changes += 1
        return outcome

    async def commit(self) -> None:
        """Commits. Whether that was done is not known where it raises: what was kept in the transaction tells."""
        self._transaction = None
        await self._stack.aclose()


class _NotCommittedError(Exception):
    """Ends a transaction that nobody has committed."""
