"""What mail providers say changes recipients once, if they have signed it; nothing else that comes changes anything."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from starlette.applications import Starlette
from structlog.testing import capture_logs

from db.engine import Database
from db.queries import workspaces
from graph.routes.mail_webhooks.endpoint import LARGEST_OF_SENDGRID, LARGEST_OF_SNS, SENDGRID, SES, routes
from jobs.mailings.keys import tokens_of
from jobs.mailings.providers import ProviderOptions
from jobs.mailings.providers.sns import Certificates, Unreachable
from jobs.mailings.tokens import Kind, Token, Tokens
from tests.api import build
from tests.conftest import UrlOf, admin
from tests.mail_providers import (
    CERTIFICATE,
    SUBSCRIBE,
    TOPIC,
    Sns,
    enveloped,
    notification,
    sendgrid,
    sendgrid_public_key,
    ses,
    ses_bounce,
    signed,
    written,
)
from tests.mailings import mailing_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPTIONS = ProviderOptions(frozenset({TOPIC}), sendgrid_public_key())
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
TIMES = ("opened_at", "clicked_at", "bounced_at", "unsubscribed_at", "complained_at")


@dataclass
class Person:
    """A recipient to whom a mail was sent an hour ago, and the token of that mail."""

    workspace: int
    id: int
    token: str


@dataclass
class World:
    """The endpoints over a database of this file's own, and people of two workspaces whom nothing has happened to yet."""

    database: Database
    client: httpx.AsyncClient
    sns: Sns
    tokens: Tokens
    people: Iterator[Person]
    others: Iterator[Person]
    keys: int = field(default=0)

    async def ses(self, event: Any, **fields: Any) -> httpx.Response:
        """What SNS is answered that brings an event."""
        self.keys += 1
        return await self.envelope(notification(event, **{"MessageId": f"m{self.keys}", **fields}))

    async def envelope(self, envelope: Any, **headers: str) -> httpx.Response:
        """What SNS is answered."""
        body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
        headers = {"content-type": "text/plain; charset=UTF-8", **headers}
        return await self.client.post(SES, content=body, headers=headers)

    async def sendgrid(self, *events: Any) -> httpx.Response:
        """What SendGrid is answered."""
        body = json.dumps(events).encode()
        return await self.client.post(SENDGRID, content=body, headers=signed(body))

    async def times(self, person: Person) -> set[str]:
        """What has happened to somebody."""
        row = await self.row(person, "SELECT * FROM recipients WHERE workspace_id = :workspace AND id = :id")
        return {name for name in TIMES if getattr(row, name) is not None}

    async def suppressed(self, person: Person) -> str | None:
        """Why nothing is sent to somebody any more."""
        row = await self.row(person, "SELECT reason FROM suppressions WHERE workspace_id = :workspace AND recipient_id = :id")  # fmt: skip
        return None if row is None else row.reason

    async def events(self, person: Person) -> list[Any]:
        """Key, type, data and whether a machine did it, of all that was recorded of somebody."""
        statement = "SELECT key, type, data, is_machine FROM email_events WHERE workspace_id = :workspace AND recipient_id = :id ORDER BY id"  # fmt: skip
        async with self.database.write(person.workspace) as transaction:
            values = {"workspace": person.workspace, "id": person.id}
            return [tuple(row) for row in await transaction.rows(text(statement), values)]

    async def row(self, person: Person, statement: str) -> Any:
        """A row about somebody."""
        async with self.database.write(person.workspace) as transaction:
            return await transaction.row(text(statement), {"workspace": person.workspace, "id": person.id})


def client_of(database: Database, options: ProviderOptions, pages: Sns) -> httpx.AsyncClient:
    """The endpoints alone."""
    app = Starlette(routes=routes(database, options, Certificates(pages.fetch)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def people_of(database: Database, tokens: Tokens, key: str, number: int) -> Iterator[Person]:
    """People of a new workspace."""
    workspace = await workspaces.create(database, key, key, "UTC", "EUR")
    sent_at = datetime.now(UTC) - timedelta(hours=1)
    made = await mailing_of(database, workspace, number, sent=number, sent_at=sent_at)
    return iter(
        [Person(workspace, one, tokens.sign(Token(Kind.RECIPIENT, workspace, one))) for one in made.recipient_ids]
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(url_of: UrlOf, template: str) -> AsyncIterator[World]:
    """All tests of this file on one database, each with people of its own."""
    name = f"groundswell_webhooks_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    database, pages = Database(url_of(name)), Sns.usual()
    tokens = await tokens_of(database)
    people, others = [await people_of(database, tokens, key, 40) for key in ("one", "two")]
    async with client_of(database, OPTIONS, pages) as client:
        yield World(database, client, pages, tokens, people, others)
    await database.close()
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


def counts(response: httpx.Response) -> tuple[int, int, int]:
    """Accepted, duplicates and ignored of an answer that all is well."""
    assert response.status_code == 200, response.text
    return tuple(response.json()[name] for name in ("accepted", "duplicates", "ignored"))


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an answer that nothing was recorded."""
    [error] = response.json()["errors"]
    return response.status_code, error["extensions"]["code"], error["message"]


async def test_a_bounce_suppresses_and_a_second_one_is_a_duplicate(world: World) -> None:
    ann = next(world.people)
    envelope = notification(ses_bounce(ann.token), MessageId="bounced")
    assert counts(await world.envelope(envelope)) == (1, 0, 0)
    assert counts(await world.envelope(envelope)) == (0, 1, 0)
    assert (await world.times(ann), await world.suppressed(ann)) == ({"bounced_at"}, "BOUNCED")
    data = {"bounceType": "Permanent", "bounceSubType": "General", "status": "5.1.1", "errorMessage": "smtp; 550 5.1.1 user unknown"}  # fmt: skip
    assert await world.events(ann) == [("ses:bounced:0", "BOUNCE", data, False)]


async def test_a_bounce_that_is_not_final_suppresses_nobody(world: World) -> None:
    ann = next(world.people)
    assert counts(await world.ses(ses_bounce(ann.token, "Transient", "MailboxFull", status="5.2.2"))) == (1, 0, 0)
    assert (await world.times(ann), await world.suppressed(ann)) == ({"bounced_at"}, None)


async def test_a_complaint_suppresses(world: World) -> None:
    ann = next(world.people)
    assert counts(await world.ses(ses("Complaint", ann.token, complaintFeedbackType="abuse"))) == (1, 0, 0)
    assert (await world.times(ann), await world.suppressed(ann)) == ({"complained_at"}, "COMPLAINED")


async def test_opens_of_people_and_of_machines(world: World) -> None:
    ann, bob = next(world.people), next(world.people)
    assert counts(await world.ses(ses("Open", ann.token, userAgent=BROWSER, ipAddress="192.0.2.1"))) == (1, 0, 0)
    assert counts(await world.ses(ses("Open", bob.token, userAgent="Mozilla/5.0", ipAddress="192.0.2.1"))) == (1, 0, 0)
    assert (await world.times(ann), await world.times(bob)) == ({"opened_at"}, set())
    assert [event[3] for event in await world.events(bob)] == [True]


async def test_a_batch_of_sendgrid_reaches_all_workspaces(world: World) -> None:
    ann, bob, cid, dan, eve = *(next(world.people) for _ in range(4)), next(world.others)
    events = [
        sendgrid("open", ann.token, 1, useragent=BROWSER, sg_machine_open=True),
        sendgrid("click", ann.token, 2, useragent=BROWSER, url="https://shop.example/"),
        sendgrid("bounce", eve.token, 3, type="bounce", status="5.1.1", reason="550 unknown"),
        sendgrid("unsubscribe", bob.token, 4),
        sendgrid("spamreport", cid.token, 5),
        sendgrid("delivered", dan.token, 6),
    ]
    assert counts(await world.sendgrid(*events)) == (5, 0, 1)
    assert counts(await world.sendgrid(*reversed(events))) == (0, 5, 1)
    assert [await world.times(one) for one in (ann, bob, cid, dan, eve)] == [
        {"opened_at", "clicked_at"},
        {"unsubscribed_at"},
        {"complained_at"},
        set(),
        {"bounced_at"},
    ]
    assert [await world.suppressed(one) for one in (ann, bob, cid, eve)] == [None, "UNSUBSCRIBED", "COMPLAINED", "BOUNCED"]  # fmt: skip
    assert [(key, machine) for key, _, _, machine in await world.events(ann)] == [
        ("sg:ZGVmZXJyZWQtMC01", True),
        ("sg:ZGVmZXJyZWQtMC02", False),
    ]


async def test_what_cannot_be_recorded_keeps_nothing_else_from_being_recorded(world: World) -> None:
    ann = next(world.people)
    unknown = world.tokens.sign(Token(Kind.RECIPIENT, ann.workspace, 2**62))
    nowhere = world.tokens.sign(Token(Kind.RECIPIENT, 2**62, ann.id))
    foreign = world.tokens.sign(Token(Kind.RECIPIENT, next(world.others).workspace, ann.id))
    events = [sendgrid("spamreport", one, n) for n, one in enumerate((unknown, nowhere, foreign, "", ann.token), 10)]
    with capture_logs() as logs:
        assert counts(await world.sendgrid(*events)) == (1, 0, 4)
    assert [(one["event"], one["events"]) for one in logs] == [("events of mails without effect", 4)]
    assert await world.times(ann) == {"complained_at"}


async def test_a_subscription_is_confirmed(world: World) -> None:
    world.sns.visited.clear()
    envelope = enveloped("SubscriptionConfirmation", "You have chosen to subscribe.", "2")
    response = await world.envelope(envelope, **{"x-amz-sns-message-type": "SubscriptionConfirmation"})
    assert (counts(response), world.sns.visited[-1]) == ((0, 0, 0), SUBSCRIBE)
    assert counts(await world.envelope(enveloped("UnsubscribeConfirmation", "You have left."))) == (0, 0, 0)


async def test_what_is_forged_changes_nothing(world: World) -> None:
    ann = next(world.people)
    bounce = ses_bounce(ann.token)
    changed = {**notification({}), "Message": json.dumps(bounce)}
    elsewhere = {**notification(bounce), "SigningCertURL": "https://sns.example.com/x.pem"}
    day = timedelta(days=1, seconds=5)
    foreign = "This topic is none of those in SES_TOPIC_ARNS. Nothing was recorded."
    for envelope, why in (
        (changed, "The signature is not Amazon's. Nothing was recorded."),
        (notification(bounce, signer=1), "The signature is not Amazon's. Nothing was recorded."),
        (elsewhere, "The certificate is not at Amazon SNS. Nothing was recorded."),
        (notification(bounce, TopicArn=f"{TOPIC}2"), foreign),
        (enveloped("SubscriptionConfirmation", "one", TopicArn=f"{TOPIC}2"), foreign),
        (notification(bounce, Timestamp=written(datetime.now(UTC) - day)), "It was sent too long ago. Nothing was recorded."),
    ):  # fmt: skip
        assert refusal(await world.envelope(envelope)) == (403, "FORBIDDEN", why)
    body = json.dumps([sendgrid("bounce", ann.token, type="bounce", status="5.1.1")]).encode()
    for headers in ({}, signed(body, signer=1), signed(b"[]"), signed(body, "1772362800")):
        assert refusal(await world.client.post(SENDGRID, content=body, headers=headers))[:2] == (403, "FORBIDDEN")
    assert (await world.times(ann), await world.events(ann)) == (set(), [])


async def test_what_is_malformed_says_so(world: World) -> None:
    other = await world.envelope(notification({}), **{"x-amz-sns-message-type": "SubscriptionConfirmation"})
    assert refusal(other)[2] == "The header says another type than the message. Nothing was recorded."
    assert refusal(await world.envelope(b"{"))[:2] == (400, "BAD_USER_INPUT")
    response = await world.client.post(SENDGRID, content=b"{}", headers=signed(b"{}"))
    assert refusal(response) == (400, "BAD_USER_INPUT", "SendGrid sends a list of events. Nothing was recorded.")


async def test_what_is_too_large_is_not_read(world: World) -> None:
    async def pieces(number: int) -> AsyncIterator[bytes]:
        for _ in range(number):
            yield b" " * 1024

    for path, most in ((SES, LARGEST_OF_SNS), (SENDGRID, LARGEST_OF_SENDGRID)):
        for content in (b" " * (most + 1), pieces(most // 1024 + 1)):
            response = await world.client.post(path, content=content)
            assert refusal(response) == (413, "TOO_LARGE", f"A body has at most {most:,} bytes. Nothing was recorded.")
    assert (await world.client.get(SES)).status_code == 405


async def test_while_something_is_away_all_is_to_be_sent_again(world: World) -> None:
    ann = next(world.people)
    away = Database("postgresql+asyncpg://ann@127.0.0.1:1/none")
    body = json.dumps([sendgrid("spamreport", ann.token, 20)]).encode()
    async with client_of(away, OPTIONS, Sns.usual()) as client:
        answers = [
            await client.post(SES, json=notification(ses_bounce(ann.token))),
            await client.post(SENDGRID, content=body, headers=signed(body)),
        ]
    async with client_of(world.database, OPTIONS, Sns({CERTIFICATE: Unreachable()})) as client:
        answers.append(await client.post(SES, json=notification(ses_bounce(ann.token))))
    await away.close()
    assert [refusal(one)[:2] for one in answers] == [(503, "UNAVAILABLE")] * 3
    assert [one.headers["retry-after"] for one in answers] == ["5"] * 3
    assert await world.events(ann) == []


async def test_nothing_is_taken_until_it_is_set_up(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path) as api:
        answers = [await api.client.post(path, content=b"[]") for path in (SES, SENDGRID)]
    assert [refusal(one)[:2] for one in answers] == [(404, "NOT_FOUND")] * 2
    assert ["SES_TOPIC_ARNS" in answers[0].text, "SENDGRID_PUBLIC_KEY" in answers[1].text] == [True, True]
    async with build(database_url, tmp_path, SES_TOPIC_ARNS=TOPIC, SENDGRID_PUBLIC_KEY=sendgrid_public_key()) as api:
        assert counts(await api.client.post(SENDGRID, content=b"[]", headers=signed(b"[]"))) == (0, 0, 0)
        assert refusal(await api.client.post(SES, content=b"[]"))[:2] == (400, "BAD_USER_INPUT")


async def test_logs_hold_no_tokens_and_no_addresses(world: World) -> None:
    ann = next(world.people)
    with capture_logs() as logs:
        await world.ses(ses("Delivery", ann.token))
        await world.ses(ses_bounce(ann.token), signer=1)
    assert len(logs) == 2
    assert not any(secret in str(logs) for secret in (ann.token, ann.token.replace(".", ""), "ann@example.com"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ENVELOPES = st.dictionaries(st.sampled_from(["Type", "MessageId", "Timestamp", "TopicArn", "Signature", "SigningCertURL"]), JSON, max_size=3)  # fmt: skip


async def test_whatever_comes_is_answered_and_never_is_it_our_fault(world: World) -> None:
    loop = asyncio.get_running_loop()
    ann = next(world.people)

    async def check(wrong: dict[str, Any], value: Any, event: dict[str, Any]) -> None:
        for envelope in ({**notification(ses_bounce(ann.token)), **wrong}, value):
            assert (await world.envelope(envelope)).status_code in (200, 400, 403)
        assert (await world.ses({**ses_bounce(ann.token), **event})).status_code == 200
        for events in ([{**sendgrid("open", ann.token), **event}, value], value):
            body = json.dumps(events).encode()
            response = await world.client.post(SENDGRID, content=body, headers=signed(body))
            assert response.status_code in (200, 400)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(
        ENVELOPES,
        JSON,
        st.dictionaries(st.sampled_from(["mail", "bounce", "eventType", "timestamp", "ip", "url"]), JSON),
    )
    def bodies(wrong: dict[str, Any], value: Any, event: dict[str, Any]) -> None:
        asyncio.run_coroutine_threadsafe(check(wrong, value, event), loop).result()

    await asyncio.to_thread(bodies)
