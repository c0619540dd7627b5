"""How long the door takes for documents that were made to hurt, each seen for the first time."""

import gc
import time
from collections.abc import Iterator, Sequence

from graph.documents import Documents
from graph.operation_limits import OperationLimits
from graph.schema import schema
from tests.graph.test_limits import BOMBS, WRONG

TARGET = 50
"""Milliseconds."""
_TIMES = 7


def main(_arguments: Sequence[str]) -> int:
    """Exit code 0 if all are refused within the target."""
    gc.collect()
    gc.freeze()  # as the server does: what is measured is the document
    slowest = 0.0
    for name, text in _documents():
        spent = min(_milliseconds(text) for _ in range(_TIMES))
        [error, *_] = Documents(schema._schema, OperationLimits()).of(text).errors  # noqa: SLF001 - has no public name
        print(f"{name:32} {len(text):7,} bytes {spent:6.1f} ms  {error.message.splitlines()[0][:80]}")
        slowest = max(slowest, spent)
    print(f"The slowest took {slowest:.1f} ms of a processor; at most {TARGET}.")
    return int(slowest > TARGET)


def _documents() -> Iterator[tuple[str, str]]:
    for name, make in BOMBS.items():
        for size in (150, 400, 1_000):
            text = make(size)
            if Documents(schema._schema, OperationLimits()).of(text).errors:  # noqa: SLF001
                yield f"{name} {size}", text
    yield from WRONG.items()


def _milliseconds(text: str) -> float:
    documents = Documents(schema._schema, OperationLimits())  # noqa: SLF001
    begun = time.process_time()
    documents.of(text)
    return 1000 * (time.process_time() - begun)
