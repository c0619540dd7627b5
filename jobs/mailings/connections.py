"""Connections to a mail server: each step of the dialogue apart, so that it is known what was refused, and when it was lost."""

import asyncio
import socket
from contextlib import suppress

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.protocol import PERIOD_REGEX, normalize_message_line_endings

from jobs.mailings import replies
from jobs.mailings.messages import Made
from jobs.mailings.options import SmtpUrl
from jobs.mailings.transports import (
    Accepted,
    Away,
    Deferred,
    Rejected,
    Result,
    Session,
    TransportAway,
    TransportRefused,
    Uncertain,
    Unsendable,
)

MOST_MESSAGES = 1_000
"""Of one connection; then it is made anew."""
_DONE, _WILL_FORWARD, _GO_ON = 250, 251, 354
_FAREWELL_SECONDS = 1.0
_LOST = (SMTPServerDisconnected, SMTPTimeoutError, OSError)


class SmtpTransport:
    """A mail server. ``timeout``: seconds for each of its answers. Raises ValueError for a URL that is none."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = SmtpUrl.parse(url)
        self.timeout = timeout
        self._name: str | None = None

    def session(self) -> Session:
        """A connection to it, not yet open."""
        return SmtpSession(self)

    async def client(self) -> SMTP:
        """A client that is not connected.

        Where TLS is only taken as offered, and no password is at stake, certificates are not looked at: whoever could
        show a wrong one could as well not offer TLS.
        """
        if self._name is None:
            self._name = await asyncio.to_thread(_own_name)
        url = self.url
        return SMTP(
            hostname=url.host,
            port=url.port,
            username=url.user,
            password=url.password,
            local_hostname=self._name,
            timeout=self.timeout,
            use_tls=url.tls,
            start_tls={"offered": None, "required": True, "never": False}[url.starttls] if not url.tls else False,
            validate_certs=url.tls or url.starttls == "required" or url.user is not None,
        )


def _own_name() -> str:
    """What this host says that it is."""
    name = socket.getfqdn()
    return name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"


class SmtpSession:
    """One connection, made when it is needed, again when it was lost, and anew after many messages."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport
        self._client: SMTP | None = None
        self._sent = 0
        self._is_named = False
        self.may_have_sent = False

    async def open(self) -> None:
        """Connects and logs in. Raises TransportAway, and TransportRefused where the settings are to blame."""
        if self._client is not None and self._client.is_connected and self._sent < MOST_MESSAGES:
            return
        await self.close()
        client = await self._transport.client()
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except SMTPException as error:
            client.close()
            raise _no_connection(error) from None
        except (OSError, ValueError) as error:
            client.close()
            raise TransportAway(f"The mail server cannot be reached: {error}") from None
        self._client, self._sent = client, 0

    async def send(self, made: Made) -> Result:
        """One message. A connection that was lost is made again once: servers close idle ones, and some more often."""
        try:
            result = await self._dialogue(made)
            if isinstance(result, Away):
                await self.close()
                await self.open()
                result = await self._dialogue(made)
        except TransportAway as error:
            return Away(str(error))
        except TransportRefused as error:
            return Unsendable(str(error))
        if isinstance(result, Away) and self._is_named:
            # It is there, and hangs up when it hears of this recipient: others are not to wait for that for ever.
            return Deferred(result.reason)
        return result

    async def _dialogue(self, made: Made) -> Result:
        client = self._client
        if client is None or not client.is_connected:
            return Away("The connection to the mail server was lost.")
        self._sent += 1
        self.may_have_sent = self._is_named = False
        result = await self._envelope(client, made) or await self._content(client, made)
        self.may_have_sent = False
        if not isinstance(result, Accepted):
            await self._reset(client, result)
        return result

    async def _envelope(self, client: SMTP, made: Made) -> Result | None:
        """Sender, recipient, and that there is a message; None where all are welcome."""
        # Both addresses are bare, and no others: aiosmtplib's own commands would take them apart again.
        try:
            code, text = await client.execute_command(b"MAIL", b"FROM:<%b>" % made.sender.encode("ascii"))
            if code != _DONE:
                return replies.of_sender(code, text)
            self._is_named = True
            code, text = await client.execute_command(b"RCPT", b"TO:<%b>" % made.recipient.encode("ascii"))
            if code not in (_DONE, _WILL_FORWARD):
                return replies.of_recipient(code, text)
            code, text = await client.execute_command(b"DATA")
            return None if code == _GO_ON else replies.of_content(code, text)
        except SMTPTimeoutError as error:
            if not self._is_named:
                return Away(f"The mail server cannot be reached: {_said(error)}")
            # It answers others. Were this no attempt, one such recipient would hold its mailing up for ever.
            return Deferred("The mail server did not answer in time when it was told of this recipient.")
        except (SMTPException, OSError) as error:
            return Away(f"The connection to the mail server was lost: {_said(error)}")
        except ValueError as error:  # UnicodeError included
            return Rejected(f"Not sent: {error}")

    async def _content(self, client: SMTP, made: Made) -> Result:
        """The message itself. From here on what is lost is not known."""
        protocol = client.protocol
        if protocol is None:
            return Away("The connection to the mail server was lost.")
        content = PERIOD_REGEX.sub(b"..", normalize_message_line_endings(made.content))
        self.may_have_sent = True
        try:
            protocol.write(content + b".\r\n")
            code, text = await protocol.read_response(self._transport.timeout)
        except SMTPResponseException as error:
            return Uncertain(_unknown(f"it answered with {replies.shown(error.code, error.message)}"))
        except (SMTPException, OSError) as error:
            client.close()
            return Uncertain(_unknown(_said(error)))
        if code // 100 == 2:
            return Accepted()
        if code // 100 in (4, 5):
            return replies.of_content(code, text)
        return Uncertain(_unknown(f"it answered with {replies.shown(code, text)}"))

    async def _reset(self, client: SMTP, result: Result) -> None:
        """Has the server forget what was begun; a connection on which that fails is not used again."""
        try:
            if isinstance(result, Away | Uncertain):
                client.close()
            elif client.is_connected:
                await client.rset()
        except (SMTPException, OSError):
            client.close()

    async def close(self) -> None:
        """Says farewell, if it is connected and nothing is under way."""
        client, self._client, self._sent = self._client, None, 0
        if client is None:
            return
        if client.is_connected and not self.may_have_sent:
            with suppress(SMTPException, OSError):
                await client.quit(timeout=_FAREWELL_SECONDS)
        client.close()


def _no_connection(error: SMTPException) -> TransportAway | TransportRefused:
    if isinstance(error, SMTPAuthenticationError) and error.code // 100 == 5:
        said = replies.shown(error.code, error.message)
        return TransportRefused(f"The mail server does not take the user and password of SMTP_URL: {said}")
    if isinstance(error, SMTPConnectResponseError | SMTPResponseException):
        return TransportAway(f"The mail server takes no mail now: {replies.shown(error.code, error.message)}")
    if isinstance(error, _LOST):
        return TransportAway(f"The mail server cannot be reached: {_said(error)}")
    return TransportRefused(f"The mail server does not offer what SMTP_URL asks for: {_said(error)}")


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".") + "."


def _unknown(reason: str) -> str:
    return f"Not known whether it was sent: the mail server had it, and then {reason[:1].lower()}{reason[1:]}"
