"""What mails lead to: the picture whose loading is an open, links that count a click, and unsubscribing.

A hit is on disk before it is answered, and recorded afterwards: none of this waits for the database.
"""

import asyncio
import hashlib
import ipaddress
import re
from collections.abc import Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, urlsplit

import structlog
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from db.engine import Database, is_unavailable
from db.models.email_words import LONGEST_AGENT, EmailEventType
from graph.refusals import ClientLeft, TooQuiet, pieces
from graph.routes import tracking_pages as pages
from jobs.mailings.keys import tokens_of
from jobs.mailings.machines import is_machine
from jobs.mailings.recording import Recorder
from jobs.mailings.spool import Hit, Spool, new_key
from jobs.mailings.tokens import Kind, Token, Tokens

log = structlog.get_logger("groundswell.tracking")

PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
"""A GIF of one transparent pixel."""
WRITE_SECONDS = 1.0
"""How long an open or a click waits for the disk at most."""
RECORD_SECONDS, DIRECT_SECONDS = 2.0, 5.0
"""How long an unsubscribe waits for the database: when it is on disk, and when it could not be written."""
BODY_BYTES, BODY_SECONDS = 64 * 1024, 5.0
"""Of the body of an unsubscribe, which says nothing that its address does not say."""
_BEGIN_SECONDS, _BEGIN_AGAIN = 5.0, 1.0
_ASKED = frozenset({b"user-agent", b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DEVIATING = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")
"""What Python's IDNA, that of 2003, makes another host of than browsers do."""
_COMMON = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE = (*_COMMON, (b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", pages.POLICY.encode()))
_PICTURE = [*_COMMON, (b"content-type", b"image/gif"), (b"content-length", str(len(PIXEL)).encode())]
_RETRY = (b"retry-after", b"5")


class Tracking:
    """What knows the tokens of mails, and keeps what was done with them. Lives as long as the application."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self.tokens: Tokens | None = None
        """None until the database could be reached once."""
        self._spool: Spool | None = None
        self._recorder: Recorder | None = None
        self._is_failing = False

    async def begin(self) -> None:
        """Gets the tokens. Where the database is away, ``run`` tries again. Never fails."""
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                tokens = await tokens_of(self._database)
        except Exception as error:
            if not is_unavailable(error) and not isinstance(error, TimeoutError):
                log.exception("the key of the links in mails could not be read; trying again")
            return
        # Hits of another database on the same folder are none of ours: its ids mean something else.
        name = hashlib.sha256(tokens.sign(Token(Kind.RECIPIENT, 0, 0)).encode()).hexdigest()[:16]
        self._spool = Spool(self._folder / name)
        self._recorder = Recorder(self._database, self._spool)
        self.tokens = tokens

    async def run(self) -> None:
        """Records what was done, until it is cancelled."""
        while self._recorder is None:
            await asyncio.sleep(_BEGIN_AGAIN)
            await self.begin()
        await self._recorder.run()

    async def close(self) -> None:
        """Records what can be recorded at once, and leaves the rest on disk for the next start. Never fails."""
        if self._recorder is None or self._spool is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORD_SECONDS):
                await self._recorder.finish()
        await self._spool.close()

    def token(self, text: str, kind: Kind) -> Token | None:
        """What a token of this kind says; None for a wrong one, and while tokens are not known."""
        return None if self.tokens is None else self.tokens.read(text, kind)

    async def keep(self, hit: Hit) -> None:
        """Keeps an open or a click: on disk, or in memory where the disk does not take it. Never fails, never takes long."""
        spool, recorder = self._parts()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await spool.append(hit)
            self._is_failing = False
        except TimeoutError:
            pass  # it is still being written
        except OSError as error:
            self._complain(error)
            if not recorder.take(hit):
                log.error("a hit was lost: neither disk nor database take any", key=hit.key)

    async def unsubscribe(self, hit: Hit) -> bool:
        """Keeps an unsubscribe, and gives it a little time to hold. False where it could not be kept anywhere, or was refused."""
        spool, recorder = self._parts()
        recorded = recorder.expect(hit.key)
        try:
            try:
                await spool.append(hit)
            except OSError as error:
                self._complain(error)
                await asyncio.wait({recorded}, timeout=DIRECT_SECONDS if recorder.take(hit) else 0)
                return recorded.done() and recorded.result()
            await asyncio.wait({recorded}, timeout=RECORD_SECONDS)
            return not recorded.done() or recorded.result()
        finally:
            recorder.forget(hit.key)

    def _parts(self) -> tuple[Spool, Recorder]:
        if self._spool is None or self._recorder is None:
            raise RuntimeError("without a token that was read there is nothing to keep")
        return self._spool, self._recorder

    def _complain(self, error: OSError) -> None:
        if not self._is_failing:
            log.error("hits cannot be written to disk, and go to the database at once", reason=str(error))
        self._is_failing = True


def routes(tracking: Tracking) -> list[Route]:
    """The three of them. Nobody needs a credential: the token in the address is one."""
    return [
        Route("/t/o/{token:path}", _Opens(tracking), methods=["GET"]),
        Route("/t/c/{token:path}", _Clicks(tracking), methods=["GET"]),
        Route("/t/u/{token:path}", _Unsubscribes(tracking), methods=["GET", "POST"]),
    ]


class _Opens:
    """The picture: always there, whatever the token is, and whatever else does not work."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            token = self._tracking.token(scope["path_params"]["token"].removesuffix(".gif"), Kind.OPEN)
            if token is not None:
                await self._tracking.keep(_hit(EmailEventType.OPEN, token, scope))
        except Exception:
            log.exception("an open was not kept")
        await send({"type": "http.response.start", "status": 200, "headers": _PICTURE})
        await send({"type": "http.response.body", "body": PIXEL})


class _Clicks:
    """Links. They lead only to where the token says, which nobody else can write."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if self._tracking.tokens is None:
            await _show(send, 503, pages.LATER, _RETRY)
            return
        token = self._tracking.token(scope["path_params"]["token"], Kind.CLICK)
        location = None if token is None or token.url is None else location_of(token.url)
        if token is None or location is None:
            await _show(send, 404, pages.WRONG)
            return
        try:
            await self._tracking.keep(_hit(EmailEventType.CLICK, token, scope))
        except Exception:
            log.exception("a click was not kept")
        headers = [*_COMMON, (b"location", location), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body"})


class _Unsubscribes:
    """The page that asks, and the answer. Programs look at every address of a mail: only a POST changes something."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = self._tracking.token(scope["path_params"]["token"], Kind.UNSUBSCRIBE)
        if self._tracking.tokens is None:
            await _show(send, 503, pages.LATER, _RETRY)
        elif token is None:
            await _show(send, 404, pages.WRONG)
        elif scope["method"] != "POST":
            await _show(send, 200, pages.ASKING)
        else:
            # RFC 8058 has the body say List-Unsubscribe=One-Click. Whatever it says, nobody posts here for anything else.
            cut = () if await _is_whole(receive) else ((b"connection", b"close"),)
            if await self._tracking.unsubscribe(_hit(EmailEventType.UNSUBSCRIBE, token, scope)):
                await _show(send, 200, pages.DONE, *cut)
            else:
                await _show(send, 503, pages.TRY_AGAIN, _RETRY, *cut)


async def _is_whole(receive: Receive) -> bool:
    """Reads a body to its end, if that comes soon enough."""
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS), aclosing(pieces(receive)) as body:
            async for piece in body:
                size += len(piece)
                if size > BODY_BYTES:
                    return False
    except (TimeoutError, TooQuiet, ClientLeft):
        return False
    return True


async def _show(send: Send, status: int, page: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [*_PAGE, (b"content-length", str(len(page)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": page})


def _hit(kind: EmailEventType, token: Token, scope: Scope) -> Hit:
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _ASKED}
    client = scope.get("client")
    return Hit(
        key=new_key(),
        type=kind,
        workspace_id=token.workspace_id,
        recipient_id=token.recipient_id,
        occurred_at=datetime.now(UTC),
        link_id=token.link_id,
        user_agent=_agent(headers),
        ip_address=_ip_address(client[0]) if client else None,
        is_machine=is_machine(kind, scope["method"], headers),
    )


def _agent(headers: Mapping[str, str]) -> str | None:
    return _CONTROLS.sub(" ", headers.get("user-agent", "")).strip()[:LONGEST_AGENT] or None


@lru_cache(maxsize=8_192)
def _ip_address(host: str) -> str | None:
    """An address as PostgreSQL takes it. Sockets for both kinds write IPv4 as a part of IPv6, and links have names."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def location_of(url: str) -> bytes | None:
    """An address as a header says it; None unless it is one of the web."""
    if _CONTROLS.search(url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    url = url.replace(parts.netloc, _in_ascii(parts.netloc), 1)
    return quote(url, safe=":/?#[]@!$&'()*+,;=%-._~").encode()


def _in_ascii(netloc: str) -> str:
    """A host as all clients find it. What cannot be written so is left to browsers, which read it percent-encoded."""
    if netloc.isascii() or _DEVIATING.search(netloc):
        return netloc
    user, mark, place = netloc.rpartition("@")
    host, colon, port = place.partition(":")
    with suppress(UnicodeError):
        return f"{user}{mark}{host.encode('idna').decode()}{colon}{port}"
    return netloc
