"""From the names that rows hold to ids, chunk by chunk: looked up or made within the chunk's transaction."""

from collections.abc import Collection, Mapping, Sequence

from db.engine import Transaction
from db.errors import invalid
from db.models.rules import text_problems
from jobs.imports.errors import ImportFailedError
from jobs.imports.references import LONGEST, Reference
from jobs.imports.rows import Draft

Found = Mapping[str, Mapping[str, int]]
"""By a reference's field: ids by name."""


class Resolver:
    """Ids of what a run's rows name, remembered from chunk to chunk.

    ``references``: those that something feeds, in the order of a draft's names. ``made``: fields whose missing ones are
    made; names that nothing has are problems of the others' rows.
    """

    def __init__(self, references: Sequence[Reference], made: Collection[str]) -> None:
        self._references = references
        self._made = made
        self._known: dict[str, dict[str, int]] = {reference.field: {} for reference in references}

    async def require(self, transaction: Transaction, fixed: Mapping[str, str]) -> None:
        """What all rows refer to is there before the first of them, and not 60,000 rejects later, or will be made."""
        for reference in self._references:
            name = fixed.get(reference.field)
            if name is None:
                continue
            if problem := next(text_problems(reference.field, name, LONGEST), None):
                raise ImportFailedError(f"--{reference.field}: {problem.message}")
            if reference.field not in self._made and not await reference.find(transaction, [name]):
                advice = "" if reference.option is None else f" {reference.option} makes it."
                raise ImportFailedError(reference.unknown(name) + advice)

    async def resolve(self, transaction: Transaction, drafts: Sequence[Draft]) -> Found:
        """Gives each draft's item its ids, or the draft a problem. Answers those that were not known before.

        Looks up first what is not made: nothing is made for a row that is rejected.
        """
        found: dict[str, Mapping[str, int]] = {}
        for makes in (False, True):
            for place, reference in enumerate(self._references):
                if (reference.field in self._made) is makes:
                    found[reference.field] = await self._resolve(transaction, place, reference, drafts)
        return found

    def remember(self, found: Found) -> None:
        """Only what is committed: what was rolled back must not be remembered."""
        for name, ids in found.items():
            self._known[name] |= ids

    async def _resolve(
        self, transaction: Transaction, place: int, reference: Reference, drafts: Sequence[Draft]
    ) -> Mapping[str, int]:
        known, makes = self._known[reference.field], reference.field in self._made
        found: dict[str, int] = {}
        if unknown := sorted({draft.names[place] for draft in drafts} - known.keys() - {""}):
            if makes and reference.create is not None:
                wanted = {draft.names[place] for draft in drafts if not draft.problems}
                await reference.create(transaction, [name for name in unknown if name in wanted])
            found = await reference.find(transaction, [name for name in unknown if "\0" not in name])
        ids = known | found if found else known
        for draft in drafts:
            name = draft.names[place]
            number = ids.get(name)
            if number is not None:
                setattr(draft.item, reference.attribute, number)
            elif name and not makes:
                _complain(draft, reference, name)
        return found


def _complain(draft: Draft, reference: Reference, name: str) -> None:
    """Says that nothing has the name, unless what is wrong with the name itself is said already."""
    if not any(problem.field == (reference.field,) for problem in draft.problems):
        draft.problems = [*draft.problems, invalid(reference.unknown(name), reference.field)]
