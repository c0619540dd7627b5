"""The demo's mail: leads, a template, and a mailing that was sent in March, with what became of it."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from db.changes import change
from db.engine import Database, Transaction
from db.errors import Refused
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import EmailEventType
from db.models.lead_items import NewLead
from db.models.mailings import Recipient, TrackedLink
from db.queries import email_templates, imports
from db.queries.email_events import recording
from db.queries.leads import writing as leads
from db.queries.mailings import history, moving
from db.queries.mailings import writing as mailings
from jobs.mailings.starting import links_of

CAMPAIGN = "demo-03"
"""The key of the campaign that it is of: City Bike Spring Launch."""
LEADS = 240
_FINGERPRINT = "demo-mailings"  # Never counted up: what somebody deletes does not come back.
_BY = "demo"
_SEED = 20260310
_FIRST = ("Ada", "Bela", "Chiara", "Deniz", "Emil", "Farah", "Greta", "Hugo", "Ines", "Jonas", "Katja", "Luca")
_LAST = ("Albers", "Brandt", "Castro", "Dreyer", "Engel", "Ferrari", "Grün", "Holm", "Ivanova", "Jansen")
_CITIES = ("Hamburg", "Berlin", "Vienna", "Zurich", "Kraków")
_SUBJECT = "{{ name | default('Hello') }}, the city bike is here"
_HTML = """<!doctype html>
<html><body>
<h1>Hello {{ name | default("there") }}</h1>
<p>Eight gears, a belt instead of a chain, 13 kilograms.
{% if city %}You can <a href="https://example.com/test-rides?city={{ city }}">ride it in {{ city }}</a> for a week.
{% else %}You can <a href="https://example.com/test-rides">ride it</a> for a week.{% endif %}</p>
<p><a href="https://example.com/city-bike">All about it</a></p>
<p><a href="{{ unsubscribe_url }}">No more of these</a></p>
</body></html>
"""
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.7.0",
)
_T = EmailEventType


async def load(database: Database, workspace_id: int, campaign_id: int, first_day: datetime) -> None:
    """Makes all of it or nothing, and once. Raises Refused."""
    outcome = await change(database, workspace_id, partial(_make, campaign_id=campaign_id, first_day=first_day))
    if outcome.problems:
        raise Refused(outcome.problems)


async def _make(transaction: Transaction, campaign_id: int, first_day: datetime) -> None:
    # Locked until the transaction ends: whoever comes meanwhile waits, and finds it finished.
    run = await imports.begin(transaction, _FINGERPRINT)
    if run.finished_at is not None:
        return
    written = await leads.upsert(transaction, dict(enumerate(_leads())))
    content = {"name": "City bike launch", "subject": _SUBJECT, "html": _HTML}
    template_id = await email_templates.create(transaction, content, _BY)
    values = {
        "campaign_id": campaign_id,
        "name": "City bike launch, first wave",
        "template_id": template_id,
        "from_address": "Nordlicht Cycles <news@nordlicht.example>",
    }
    mailing_id = await mailings.create(transaction, values, _BY)
    await mailings.add_recipients(transaction, mailing_id, written.ids, {})
    await moving.start(transaction, mailing_id, links_of)
    ids, links = await _parts_of(transaction, mailing_id)
    rng = random.Random(_SEED)  # noqa: S311 - a demo, no secret
    start = first_day + timedelta(days=8, hours=8)
    sent_at = {recipient: start + timedelta(seconds=place) for place, recipient in enumerate(ids)}
    await history.write_down(transaction, mailing_id, sent_at)
    events = [event for recipient in ids for event in _events(rng, recipient, sent_at[recipient], links)]
    await recording.record(transaction, events)
    rows = LEADS + len(events)
    await imports.save(transaction, _FINGERPRINT, {"rows_read": rows, "accepted": rows})
    await imports.finish(transaction, _FINGERPRINT)


async def _parts_of(transaction: Transaction, mailing_id: int) -> tuple[list[int], list[int]]:
    """The ids of a mailing's recipients and links, in order."""
    mine = (Recipient.workspace_id == transaction.workspace, Recipient.mailing_id == mailing_id)
    ids = [row.id for row in await transaction.rows(select(Recipient.id).where(*mine).order_by(Recipient.id))]
    its = (TrackedLink.workspace_id == transaction.workspace, TrackedLink.mailing_id == mailing_id)
    links = await transaction.rows(select(TrackedLink.id).where(*its).order_by(TrackedLink.position))
    return ids, [row.id for row in links]


def _leads() -> Iterator[NewLead]:
    for number in range(LEADS):
        first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
        attributes = {} if number % 7 == 6 else {"city": _CITIES[number % len(_CITIES)]}
        values = {"name": None if number % 11 == 10 else f"{first} {last}", "attributes": attributes}
        yield NewLead(f"demo-{number + 1:03}", f"demo-{number + 1:03}@example.com", values)


def _events(rng: random.Random, recipient: int, sent_at: datetime, links: list[int]) -> Iterator[NewEmailEvent]:
    """What became of one mail: most are opened, some are clicked, few bounce."""

    def event(type_: EmailEventType, after: float, number: int = 0, **more: Any) -> NewEmailEvent:
        key = f"demo-mail-{recipient}-{type_.lower()}-{number}"
        return NewEmailEvent(key, recipient, type_, sent_at + timedelta(seconds=after), **more)

    fate = rng.random()
    if fate < 0.03:
        data = {"bounceType": "Permanent", "status": "5.1.1", "errorMessage": "550 5.1.1 No such user"}
        yield event(_T.BOUNCE, rng.uniform(5, 90), data=data)
        return
    if fate < 0.2:  # somebody's scanner looks at everything first
        yield event(_T.CLICK, rng.uniform(0.2, 2), 9, link_id=links[0], user_agent=None, is_machine=True)
    person: dict[str, Any] = {
        "user_agent": rng.choice(_AGENTS),
        "ip_address": f"203.0.113.{rng.randrange(1, 255)}",
    }
    if rng.random() < 0.46:
        opened = rng.uniform(30, 200_000)
        for number in range(rng.choice((1, 1, 1, 2, 3))):
            yield event(_T.OPEN, opened + 3_600 * number, number, **person)
        if rng.random() < 0.3:
            link = rng.choice(links)
            yield event(_T.CLICK, opened + rng.uniform(5, 90), link_id=link, **person)
        if rng.random() < 0.03:
            yield event(_T.REPLY, opened + rng.uniform(600, 90_000))
        if rng.random() < 0.03:
            yield event(_T.UNSUBSCRIBE, opened + rng.uniform(20, 200), **person)
        if rng.random() < 0.01:
            yield event(_T.COMPLAIN, opened + 300)
