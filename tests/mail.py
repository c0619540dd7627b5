"""A mail server of the tests: it speaks SMTP on loopback, keeps what it took, and fails as it is told.

    python -m tests.mail --journal FILE [--temporary 2] [--cut-before 50] [--cut-after 50]

is one in a process of its own. It prints its address, and takes messages until its input ends. Its journal has a line of JSON for
each message, written before the client is told that it was taken: what really was accepted, whatever the client knows of it.

Addresses choose replies: ``bounce-550-ann@example.com`` is refused with 550, ``temporary-451-ann@example.com`` with 451 the first
few times, ``content-554-ann@example.com`` with 554 after its message was read, and ``silent-ann@example.com`` is never answered.
"""

import argparse
import asyncio
import ipaddress
import logging
import re
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import orjson
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
TOOK = "250 2.0.0 Ok"
logging.getLogger("mail.log").setLevel(logging.ERROR)  # it tells of every command, and of its own deprecations
_RULE = re.compile(r"(bounce|temporary|content)-(\d{3})-")
_REPLIES = {
    "550": "5.1.1 No such user here",
    "451": "4.3.0 Try again later",
    "452": "4.2.2 Mailbox is full",
    "554": "5.7.1 Refused",
}
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(rb"^X-Groundswell-Recipient:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken for a recipient. ``token`` is its X-Groundswell-Recipient, where it has one."""

    message_id: str
    sender: str
    recipient: str
    content: bytes
    at: datetime
    token: str = ""


@dataclass
class Faults:
    """What goes wrong. All counts are of messages that were read to their end; 0: never."""

    temporary: int = 1
    """How often a ``temporary-`` address is refused before it is not."""
    cut_before: int = 0
    """Every so manieth message is not taken: the connection is reset instead of a reply."""
    cut_after: int = 0
    """Every so manieth message is taken, and the connection is reset instead of the reply."""


class MailServer:
    """A mail server on the running loop, for as long as it is entered. ``received`` is what it took, in order."""

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        take: Callable[[Received], None] | None = None,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        port: int = 0,
    ) -> None:
        """``take`` gets each message instead of ``received``. With ``tls``: STARTTLS, or TLS from the first byte."""
        self.faults = faults or Faults()
        self.received: list[Received] = []
        self.replies: dict[str, str] = {}
        """Replies to every EHLO, MAIL, RCPT or DATA (once the message is read), until they are taken out again."""
        self.arrived = asyncio.Event()
        """Set once a message was read to its end."""
        self.taking = asyncio.Event()
        """While it is clear, messages that were read are neither taken nor answered."""
        self.answering = asyncio.Event()
        """While it is clear, messages are taken, and not answered."""
        self.connections = 0
        """How many clients have connected so far."""
        self.cuts = 0
        """How many connections were reset."""
        self.taking.set()
        self.answering.set()
        self._take = take or self.received.append
        self._login = login
        self._tls = tls
        self._implicit = implicit_tls
        self._port = port
        self._open: set[_Connection] = set()
        self._tried: Counter[str] = Counter()
        self._read = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        implicit = self._tls if self._implicit else None
        self._server = await loop.create_server(self._connection, HOST, self._port, ssl=implicit)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port; once it was drawn it stays the same."""
        return self._port

    @property
    def url(self) -> str:
        """Where it is, without the login."""
        return f"{'smtps' if self._implicit else 'smtp'}://{HOST}:{self._port}"

    async def close(self) -> None:
        """Goes away, and all connections are reset. Entered again, it is at the same port."""
        if self._server is not None:
            self._server.close()
        tasks = [connection.reset() for connection in tuple(self._open)]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connection(self) -> "_Connection":
        options: dict[str, Any] = {"hostname": "mail.test", "ident": "tests", "loop": asyncio.get_running_loop()}
        if self._tls is not None and not self._implicit:
            options |= {"tls_context": self._tls, "require_starttls": True}
        if self._login is not None:
            options |= {"authenticator": self._authenticate, "auth_require_tls": False}
        return _Connection(self, self._open, **options)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert self._login is not None
        wanted = LoginPassword(*(word.encode() for word in self._login))
        return AuthResult(success=data == wanted, handled=False)

    # What aiosmtpd calls. An answer that begins with 2 goes on as if there had been no hook.

    async def handle_EHLO(self, _s: Any, session: Any, _e: Any, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802
        """Knows the client, unless it is told not to."""
        if "EHLO" in self.replies:
            return [self.replies["EHLO"]]
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, _s: Any, session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802
        """Takes any sender who has logged in, where that is needed, unless it is told not to."""
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        if self._login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return TOOK

    async def handle_RCPT(self, server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802
        """Takes a recipient, or refuses it as its address says."""
        if "RCPT" in self.replies:
            return self.replies["RCPT"]
        if address.startswith("silent-"):
            await server.lost()
        rule = _RULE.match(address)
        if rule is not None and rule[1] == "temporary":
            self._tried[address] += 1
            if self._tried[address] <= self.faults.temporary:
                return _reply(rule[2])
        if rule is not None and rule[1] == "bounce":
            return _reply(rule[2])
        envelope.rcpt_tos.append(address)
        return TOOK

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Takes a message that was read to its end, and then answers, or does not."""
        self._read += 1
        number = self._read
        self.arrived.set()
        await self.taking.wait()
        if "DATA" in self.replies:
            return self.replies["DATA"]
        rule = _RULE.match(envelope.rcpt_tos[0])
        if rule is not None and rule[1] == "content":
            return _reply(rule[2])
        if _is_due(self.faults.cut_before, number):
            await self._cut(server)
        for recipient in envelope.rcpt_tos:
            self._take(_received(envelope.mail_from, recipient, envelope.content))
        if _is_due(self.faults.cut_after, number):
            await self._cut(server)
        await self.answering.wait()
        return TOOK

    async def _cut(self, connection: "_Connection") -> None:
        self.cuts += 1
        connection.reset()
        await connection.lost()


class _Connection(SMTP):
    """aiosmtpd's own protocol, which knows who is connected."""

    def __init__(self, server: MailServer, all_: "set[_Connection]", **options: Any) -> None:
        super().__init__(server, **options)
        self._mail_server = server
        self._all = all_

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self not in self._all:
            self._mail_server.connections += 1
            self._all.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._all.discard(self)

    def reset(self) -> "asyncio.Task[None]":
        """Resets the connection: nothing that is still to be written is. Answers the task that reads commands."""
        transport: Any = self.transport
        if transport is not None:
            transport.abort()
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    async def lost(self) -> None:
        """Never returns: whoever waits is cancelled once the connection is lost."""
        await asyncio.get_running_loop().create_future()


def _received(sender: str, recipient: str, content: bytes) -> Received:
    head = content.partition(b"\r\n\r\n")[0]
    message_id, token = (
        found[1].decode() if (found := header.search(head)) else "" for header in (_MESSAGE_ID, _RECIPIENT)
    )
    return Received(message_id, sender, recipient, content, datetime.now(UTC), token)


def _reply(code: str) -> str:
    return f"{code} {_REPLIES.get(code, 'As the address asks')}"


def _is_due(every: int, number: int) -> bool:
    return every > 0 and number % every == 0


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server speaks TLS by, and the file of the certificate that clients have to trust (SSL_CERT_FILE)."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now, address = datetime.now(UTC), x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    trusted, secret = folder / "certificate.pem", folder / "key.pem"
    trusted.write_bytes(signed.public_bytes(pem))
    secret.write_bytes(key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted


@dataclass(frozen=True, slots=True)
class Journalled:
    """A line of the journal of a server of its own."""

    message_id: str
    recipient: str
    token: str
    at: str


def journal(file: Path) -> list[Journalled]:
    """What a server took so far, in order. Lines that are still being written are left out."""
    whole, _, _ = file.read_bytes().rpartition(b"\n")
    return [Journalled(**orjson.loads(line)) for line in whole.splitlines()]


@dataclass
class MailProcess:
    """A mail server in a process of its own."""

    url: str
    file: Path
    process: asyncio.subprocess.Process

    def journal(self) -> list[Journalled]:
        """What it took so far, in order."""
        return journal(self.file)

    async def cuts(self) -> int:
        """How many connections it has reset. It has ended then."""
        said, _ = await self.process.communicate(b"")
        return int(said)


@asynccontextmanager
async def mail_process(file: Path | None, faults: Faults | None = None) -> AsyncIterator[MailProcess]:
    """A mail server in a process of its own, which journals to ``file``; without a file it counts only."""
    faults = faults or Faults()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(faults).items()]
    options += [] if file is None else [f"--journal={file}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, *options, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[1]
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        yield MailProcess(url, file or Path(), process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _serve(port: int, file: Path | None, faults: Faults) -> None:
    """Serves until the input ends, and prints how many connections it has reset."""
    with (file or Path("/dev/null")).open("ab", buffering=0) as written:

        def take(received: Received) -> None:
            line = Journalled(received.message_id, received.recipient, received.token, received.at.isoformat())
            written.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

        async with MailServer(faults, take=take, port=port) as server:
            print(server.url, flush=True)  # noqa: T201 - who started it reads it
            await asyncio.to_thread(sys.stdin.read)
        print(server.cuts, flush=True)  # noqa: T201


def _main() -> None:
    parser = argparse.ArgumentParser("python -m tests.mail", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--journal", type=Path)
    for name, value in vars(Faults()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    given = vars(parser.parse_args())
    asyncio.run(_serve(given.pop("port"), given.pop("journal"), Faults(**given)))


if __name__ == "__main__":
    _main()
