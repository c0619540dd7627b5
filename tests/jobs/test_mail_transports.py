"""What is known of a message after it was handed over, and what is not: connections to a real server, and a folder."""

import asyncio
import mailbox
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jobs.mailings import connections, replies
from jobs.mailings.connections import SmtpTransport
from jobs.mailings.maildir import Maildir
from jobs.mailings.messages import Made
from jobs.mailings.options import SmtpUrl
from jobs.mailings.transports import (
    Accepted,
    Away,
    Bounced,
    Deferred,
    Rejected,
    Result,
    Session,
    TransportAway,
    TransportRefused,
    Uncertain,
    Unsendable,
)
from tests.mail import Faults, MailServer

CONTENT = b"Subject: Hello\r\n\r\n.dots\r\n..more\r\nand an end\r\n"


def made(recipient: str = "ann@example.com") -> Made:
    return Made("<1@groundswell.example>", "ada@groundswell.example", recipient, CONTENT)


@asynccontextmanager
async def session(url: str, patience: float = 20) -> AsyncIterator[Session]:
    """A connection that is open."""
    session = SmtpTransport(url, patience).session()
    await session.open()
    yield session
    await session.close()


@asynccontextmanager
async def script(*lines: str) -> AsyncIterator[str]:
    """A server that answers each line with the next of these, and hangs up where there is none. The message is one line of
    it; all clients go on where the last one was."""
    left = list(lines)
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        is_content = False
        writer.write(b"220 here\r\n")
        while line := await reader.readuntil(b"\r\n.\r\n" if is_content else b"\r\n"):
            said = "250 hello" if line.startswith((b"EHLO", b"RSET")) else left.pop(0) if left else ""
            is_content = said.startswith("354")
            if not said:
                break
            writer.write(f"{said}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://mail.example", ("mail.example", 25, False, "offered", None, None)),
        ("smtps://ada:s%40lt@mail.example", ("mail.example", 465, True, "offered", "ada", "s@lt")),
        ("smtp://mail.example:587?starttls=required", ("mail.example", 587, False, "required", None, None)),
    ],
)
def test_addresses_of_servers(url: str, wanted: tuple[object, ...]) -> None:
    found = SmtpUrl.parse(url)
    assert (found.host, found.port, found.tls, found.starttls, found.user, found.password) == wanted
    assert "s@lt" not in repr(found)


@pytest.mark.parametrize(
    "url",
    ["http://ada:geheim@mail.example", "smtp://ada:geheim@", "smtp://ada:geheim@m:x", "smtp://ada:geheim@m?tls=1"],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"this is no address|it must be|it may say") as refused:
        SmtpUrl.parse(url)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "said", "wanted"),
    [
        (450, "4.2.1 Busy", Deferred("450 4.2.1 Busy")),
        (550, "5.1.1 Unknown\nuser", Bounced(550, "550 5.1.1 Unknown user")),
        (550, "Unknown user", Bounced(550, "550 Unknown user")),
        (553, "5.1.10 Null MX", Bounced(553, "553 5.1.10 Null MX")),
        (552, "Too much mail", Rejected("552 Too much mail")),
        (550, "5.7.1 Spam\x00\udcff", Rejected("550 5.7.1 Spam")),
        (550, "5.1.8 Your domain does not exist", Rejected("550 5.1.8 Your domain does not exist")),
        (299, "What", Away("The mail server said what it may not say: 299 What")),
    ],
)
def test_what_replies_say_of_a_recipient(code: int, said: str, wanted: Result) -> None:
    assert replies.of_recipient(code, said) == wanted


async def test_one_connection_takes_many_messages_and_outlives_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MailServer(Faults(temporary=1)) as server, session(server.url) as one:
        wanted = [
            "ann@example.com",
            "bounce-550-b@example.com",
            "temporary-451-c@example.com",
            "content-554-d@example.com",
        ]
        results = [await one.send(made(recipient)) for recipient in [*wanted, "eve@example.com"]]
        assert results == [
            Accepted(),
            Bounced(550, "550 5.1.1 No such user here"),
            Deferred("451 4.3.0 Try again later"),
            Rejected("554 5.7.1 Refused"),
            Accepted(),
        ]
        assert server.connections == 1
        monkeypatch.setattr(connections, "MOST_MESSAGES", 5)
        await one.open()
        assert await one.send(made()) == Accepted()
        assert server.connections == 2
    assert [message.content for message in server.received] == [CONTENT] * 3


async def test_a_sender_that_is_refused() -> None:
    async with MailServer() as server, session(server.url) as one:
        server.replies["MAIL"] = "550 5.7.1 Not you"
        wanted = Unsendable("The mail server does not take mail of this sender: 550 5.7.1 Not you")
        assert await one.send(made()) == wanted
        server.replies["MAIL"] = "451 4.3.0 Not now"
        assert await one.send(made()) == Deferred("451 4.3.0 Not now")


async def test_a_server_that_went_away_and_came_back() -> None:
    server = MailServer()
    async with server, session(server.url) as one:
        assert await one.send(made()) == Accepted()
        await server.close()
        assert isinstance(await one.send(made()), Away)
        async with server:
            await one.open()
            assert await one.send(made()) == Accepted()
            await server.close()
            async with server:  # the connection is lost, but a new one can be made
                assert await one.send(made()) == Accepted()
    with pytest.raises(TransportAway, match="cannot be reached"):
        await SmtpTransport(server.url, 1).session().open()


async def test_what_is_lost_behind_the_message_is_not_known() -> None:
    async with MailServer(Faults(cut_after=2)) as server, session(server.url) as one:
        assert await one.send(made()) == Accepted()
        lost = await one.send(made())
        assert isinstance(lost, Uncertain)
        assert lost.reason.startswith("Not known whether it was sent: the mail server had it")
        await one.open()
        assert await one.send(made()) == Accepted()
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["250 sender", "250 recipient", "354 go on", "250 taken"], Accepted),
        (["250 sender", "250 recipient", "354 go on", "gibberish"], Uncertain),
        (["250 sender", "250 recipient", "354 go on", "354 go on"], Uncertain),
        (["250 sender", "250 recipient", "354 go on"], Uncertain),
        (["250 sender", "250 recipient", "250 what"], Away),
        (["250 sender", "250 recipient", "452 no room"], Deferred),
        # It hangs up, is there again, and takes the message; or hangs up again, and again it is this recipient's turn.
        (["250 sender", "", "250 sender", "250 recipient", "354 go on", "250 taken"], Accepted),
        (["250 sender", "", "250 sender", ""], Deferred),
        # It takes no more over this connection, or none at all.
        (["421 too many", "250 sender", "250 recipient", "354 go on", "250 taken"], Accepted),
        (["421 too many", "421 not now"], Away),
        (["", ""], Away),
    ],
)
async def test_whatever_a_server_says(lines: Sequence[str], wanted: type[Result]) -> None:
    async with script(*lines) as url, session(url) as one:
        assert type(await one.send(made())) is wanted


async def test_silence() -> None:
    async with MailServer() as server, session(server.url, 0.1) as one:
        assert isinstance(await one.send(made("silent-ann@example.com")), Deferred)
        server.taking.clear()
        await one.open()
        assert isinstance(await one.send(made()), Uncertain)
        server.taking.set()


async def test_who_is_cancelled_knows_whether_the_message_was_under_way() -> None:
    async with MailServer() as server, session(server.url) as one:
        server.taking.clear()
        sending = asyncio.create_task(one.send(made()))
        await server.arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert one.may_have_sent
        server.taking.set()


@pytest.mark.parametrize(
    ("login", "query"), [("ada:wr0ng", ""), ("ada:right", "?starttls=required"), ("ada:right", "?starttls=never")]
)
async def test_logging_in(login: str, query: str) -> None:
    async with MailServer(login=("ada", "right")) as server:
        url = as_user(server, login) + query
        if query == "?starttls=never":
            async with session(url) as one:
                assert await one.send(made()) == Accepted()
        else:
            with pytest.raises(TransportRefused) as refused:
                await SmtpTransport(url, 20).session().open()
            assert "wr0ng" not in str(refused.value)


def as_user(server: MailServer, login: str) -> str:
    return server.url.replace("//", f"//{login}@")


async def test_tls_as_it_is_offered(tmp_path: Path) -> None:
    context = own_certificate(tmp_path)
    async with MailServer(tls=context) as server:
        async with session(server.url) as one:
            assert await one.send(made()) == Accepted()
        for url in (f"{server.url}?starttls=required", as_user(server, "ada:right")):
            with pytest.raises(TransportAway, match="certificate"):
                await SmtpTransport(url, 20).session().open()
        async with session(f"{server.url}?starttls=never") as one:
            assert isinstance(await one.send(made()), Unsendable)  # it wants TLS first
    async with MailServer(tls=context, implicit_tls=True) as server:
        with pytest.raises(TransportAway, match="certificate"):
            await SmtpTransport(server.url, 20).session().open()


def own_certificate(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    file = folder / "own.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_message_is_in_a_folder_once(tmp_path: Path) -> None:
    one = Maildir(tmp_path / "mail", 1).session()
    await one.open()
    assert [await one.send(made()), await one.send(made())] == [Accepted(), Accepted()]
    (message,) = mailbox.Maildir(str(tmp_path / "mail"), create=False)
    assert (message["Subject"], message.get_payload()) == ("Hello", ".dots\n..more\nand an end\n")
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


async def test_a_folder_that_cannot_be_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportAway, match="maildir cannot be written"):
        await Maildir(tmp_path / "file" / "mail", 1).session().open()
    one = Maildir(tmp_path / "mail", 1).session()
    await one.open()
    (tmp_path / "mail" / "tmp").rmdir()
    assert isinstance(await one.send(made()), Away)
    await one.open()
    assert await one.send(made()) == Accepted()
