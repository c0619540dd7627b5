"""A real log of HubSpot's, recorded over the API: every number is that of its files, however often they are sent.

Its rows of sent mails, clicks, bounces and so on name no recipient: the n-th row of each file is taken for the n-th person's.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api
from tests.mailings import mailing_of

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "email" / "hubspot"
SENT_AT = datetime(2020, 1, 1, tzinfo=UTC)
"""Before all that became of it: the rows of sent mails are later than those of the bounces."""
KINDS = {
    "open": "OPEN",
    "click": "CLICK",
    "bounce": "BOUNCE",
    "spam_report": "COMPLAIN",
    "status_change": "UNSUBSCRIBE",
}
Row = dict[str, str]
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"the real log is not here: {FOLDER}")


def rows_of(name: str) -> list[Row]:
    """The rows of a file."""
    with (FOLDER / f"email_event_{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def moment(said: str) -> datetime:
    """A time of the log's, which is in UTC."""
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


def sendings(log: Sequence[Row]) -> dict[str, datetime]:
    """When each recipient of the log was sent something first."""
    found: dict[str, datetime] = {}
    for row in log:
        sent_at = moment(row["sent_by_created"] or row["created"])
        found[row["recipient"]] = min(sent_at, found.get(row["recipient"], sent_at))
    return found


def events_of(log: Sequence[Row], people: dict[str, str], others: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The events as recordEmailEvents takes them; their keys are the ids of the rows."""
    for row in log:
        if row["type"] == "OPEN":
            values = {"key": row["id"], "type": "OPEN", "recipientId": people[row["recipient"]]}
            yield {**values, "occurredAt": moment(row["created"]).isoformat()}
    for name, kind in KINDS.items():
        for number, row in enumerate(rows_of(f"{name}_data")):
            data = {"bounce": _of_bounce(row), "click": {"linkUrl": row.get("url")}}.get(name, {"file": name})
            yield {
                "key": row["id"],
                "type": kind,
                "recipientId": others[number],
                "occurredAt": moment(row["_fivetran_synced"]).isoformat(),
                # Its agents are hashes, and not to be told from a crawler's name.
                "data": data,
            }


def _of_bounce(row: Row) -> dict[str, Any]:
    return {"category": row.get("category"), "errorCode": row.get("status"), "diagnosticCode": row.get("response")}


async def record(api: Api, events: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Records events, of whom none may be rejected: how many were new, and how many known."""
    query = """mutation ($input: RecordEmailEventsInput!) { recordEmailEvents(input: $input) {
      accepted duplicates rejected { message } userErrors { message } } }"""
    answer = (await api.data(query, input={"events": list(events)}))["recordEmailEvents"]
    assert (answer["rejected"], answer["userErrors"]) == ([], [])
    return answer["accepted"], answer["duplicates"]


NUMBERS = """query ($id: ID!) { mailing(id: $id) { metrics { totalRecipients emailsSent emailsOpened emailsClicked emailsBounced
  unsubscribed complained opensTotal clicksTotal } recipientsByStatus { status count }
  links(first: 100) { nodes { url clicks uniqueClicks } } events { totalCount } } }"""


async def test_a_log_of_hubspot_adds_up(api: Api, database: Database, workspace: int) -> None:
    log, clicks = rows_of("data"), rows_of("click_data")
    first_sent = sendings(log)
    names = [*first_sent, *(row["id"] for row in rows_of("sent_data"))]
    urls = list(dict.fromkeys(row["url"] for row in clicks))
    emails = [f"{name}@example.com" for name in names]
    made = await mailing_of(
        database, workspace, len(names), sent=len(names), links=urls, emails=emails, sent_at=SENT_AT
    )
    ids = [encode("Recipient", one) for one in made.recipient_ids]
    people, others = dict(zip(first_sent, ids, strict=False)), ids[len(first_sent) :]
    async with database.write(workspace) as transaction:
        moved = "UPDATE recipients SET sent_at = :at, intent_at = :at WHERE id = :id"
        for one, sent_at in zip(made.recipient_ids, first_sent.values(), strict=False):
            await transaction.run(text(moved), {"at": sent_at, "id": one})
    events = list(events_of(log, people, others))
    assert await record(api, events) == (len(events), 0)
    before = await api.data(NUMBERS, id=encode("Mailing", made.mailing_id))
    for _ in range(2):
        assert await record(api, events) == (0, len(events))
    assert await api.data(NUMBERS, id=encode("Mailing", made.mailing_id)) == before

    mailing = before["mailing"]
    soon = timedelta(seconds=3)
    opens = [
        row["recipient"]
        for row in log
        if row["type"] == "OPEN" and moment(row["created"]) >= first_sent[row["recipient"]] + soon
    ]
    sizes = {name: len(rows_of(f"{name}_data")) for name in KINDS}
    assert mailing["metrics"] == {
        "totalRecipients": len(names),
        "emailsSent": len(names),
        "emailsOpened": len(set(opens)) + max(sizes["open"], sizes["click"]),
        "emailsClicked": sizes["click"],
        "emailsBounced": sizes["bounce"],
        "unsubscribed": sizes["status_change"],
        "complained": sizes["spam_report"],
        "opensTotal": len(opens) + sizes["open"],
        "clicksTotal": sizes["click"],
    }
    assert mailing["events"]["totalCount"] == sum(row["type"] == "OPEN" for row in log) + sum(sizes.values())
    counted = Counter(row["url"] for row in clicks)
    assert mailing["links"]["nodes"] == [
        {"url": url, "clicks": counted[url], "uniqueClicks": counted[url]} for url in urls
    ]
    statuses = {one["status"]: one["count"] for one in mailing["recipientsByStatus"] if one["count"]}
    assert statuses == {"SENT": len(first_sent), "UNSUBSCRIBED": sizes["status_change"]}
    async with database.write(workspace) as transaction:
        gone = text("SELECT reason, count(*) FROM suppressions GROUP BY reason ORDER BY reason")
        reasons = {row.reason: row.count for row in await transaction.rows(gone)}
    # Throttled, greylisted, full: no bounce of the log is for good. The earlier of two reasons stays.
    complaints = [moment(row["_fivetran_synced"]) for row in rows_of("spam_report_data")]
    left = [moment(row["_fivetran_synced"]) for row in rows_of("status_change_data")]
    earlier = sum(one < other for one, other in zip(complaints, left, strict=False))
    assert reasons == {"COMPLAINED": earlier, "UNSUBSCRIBED": len(left) - earlier}
