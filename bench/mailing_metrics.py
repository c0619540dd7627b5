"""Whether the numbers of a mailing cost more because it has more recipients.

    python -m bench mailing-metrics [--few 1000] [--many 1000000] [--rounds 200]

Two mailings, whose numbers are read in turn through the whole application: medians are compared. PostgreSQL makes leads, recipients
and events, and its triggers count them, as they do when mails are sent.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from bench.server import application, embedded
from db.engine import Database
from db.queries import workspaces
from graph.ids import encode
from tests.senders import draft, leads

TARGET = 1.5
PARTS = 8
"""Connections that write at once, as workers do: numbers are spread over slots by them."""
COUNTS = (
    "totalRecipients emailsSent emailsDelivered emailsOpened emailsClicked emailsReplied emailsBounced emailsFailed emailsSuppressed "
    "emailsUnopened emailsUncertain unsubscribed complained forwarded opensTotal clicksTotal"
)
RATES = "openRate clickRate replyRate bounceRate unsubscribeRate complaintRate clickToOpenRate"
STATUSES = "recipientsByStatus { status count }"
QUERIES = {
    "metrics, every number": f"metrics {{ {COUNTS} {RATES} }}",
    "recipientsByStatus": STATUSES,
    "both": f"metrics {{ {COUNTS} {RATES} }} {STATUSES}",
}
# As it is: a third opens, a tenth of those click, a few bounce or fail.
_RECIPIENTS = """
INSERT INTO recipients (workspace_id, mailing_id, lead_id, email_address, address, queued_at, intent_at, sent_at, opened_at, clicked_at,
  bounced_at, failed_at)
SELECT workspace_id, :mailing, id, email, address, day, day, CASE WHEN id % 50 > 0 THEN day END,
  CASE WHEN id % 3 = 1 AND id % 50 > 0 THEN day + interval '1 hour' END,
  CASE WHEN id % 30 = 1 AND id % 50 > 0 THEN day + interval '2 hours' END,
  CASE WHEN id % 100 = 99 THEN day + interval '1 hour' END, CASE WHEN id % 50 = 0 THEN day END
FROM (SELECT * FROM leads WHERE workspace_id = :workspace ORDER BY id LIMIT :count) AS first,
  CAST('2026-03-01' AS timestamptz) AS day
WHERE id % :parts = :part
"""
_EVENTS = """
INSERT INTO email_events (workspace_id, key, mailing_id, recipient_id, type, is_machine, occurred_at)
SELECT workspace_id, type || id, mailing_id, id, type, id % 7 = 0, at
FROM recipients, LATERAL (VALUES ('OPEN', opened_at), ('CLICK', clicked_at)) AS event (type, at)
WHERE workspace_id = :workspace AND mailing_id = :mailing AND id % :parts = :part AND at IS NOT NULL
"""


async def fill(database: Database, workspace: int, count: int) -> str:
    """The global id of a mailing to the first so many leads, opened and clicked."""
    mailing = await draft(database, workspace)
    given = {"workspace": workspace, "mailing": mailing, "parts": PARTS}

    async def fill_part(part: int) -> None:
        async with database.write(workspace) as transaction:
            await transaction.run(text(_RECIPIENTS), given | {"count": count, "part": part})
            await transaction.run(text(_EVENTS), given | {"part": part})

    await asyncio.gather(*map(fill_part, range(PARTS)))
    return encode("Mailing", mailing)


async def run(url: str, data_dir: Path, sizes: list[int], rounds: int) -> bool:
    """Fills, measures, prints. Answers whether the target was reached."""
    database = Database(url)
    try:
        workspace = await workspaces.create(database, "bench", "Bench", "Europe/Berlin", "EUR")
        await leads(database, workspace, max(sizes))
        ids = [await fill(database, workspace, count) for count in sizes]
        async with database.engine.connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    finally:
        await database.close()
    async with application(url, data_dir, "bench") as ask:
        print(
            f"\nmedian milliseconds of {rounds} requests each, in turn: {' and '.join(f'{n:,}' for n in sizes)} recipients"
        )
        return all([await _compared(ask, name, selection, ids, rounds) for name, selection in QUERIES.items()])


async def _compared(ask: Any, name: str, selection: str, ids: list[str], rounds: int) -> bool:
    """Asks for both mailings in turn, and prints how long it took. Answers whether the target was reached."""
    query = f"query ($id: ID!) {{ mailing(id: $id) {{ {selection} }} }}"
    seconds: dict[str, list[float]] = {mailing: [] for mailing in ids}
    for number in range(rounds + 5):
        for mailing in ids:
            began = time.perf_counter()
            await ask(query, {"id": mailing})
            if number >= 5:  # the first ones warm up
                seconds[mailing].append(time.perf_counter() - began)
    low, high = (median(found) * 1000 for found in seconds.values())
    print(f"  {name:30} {low:8.2f} {high:8.2f}   ratio {high / low:5.2f}  (at most {TARGET})")
    return high / low <= TARGET


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    parser = argparse.ArgumentParser(
        "bench mailing-metrics", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), [given.few, given.many], given.rounds)) else 1
