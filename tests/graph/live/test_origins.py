"""Pages of which origins get a WebSocket, over real connections, byte by byte."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.live import WAIT, Server


@pytest.fixture
def environment() -> dict[str, str]:
    return {"ALLOWED_ORIGINS": "https://app.example.com, http://[::1]:3000", "PUBLIC_URL": "https://gs.example.com"}


async def status_of(server: Server, origin: str | None) -> int:
    """What a handshake is answered with."""
    place = urlsplit(server.address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    lines = [
        "GET /graphql HTTP/1.1",
        f"Host: {place.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
        *([] if origin is None else [f"Origin: {origin}"]),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    line = await asyncio.wait_for(reader.readline(), WAIT)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def test_who_gets_a_connection(server: Server) -> None:
    port = urlsplit(server.address).port
    welcome = (None, server.address, "https://app.example.com", "http://[::1]:3000", "https://gs.example.com")
    assert [await status_of(server, origin) for origin in welcome] == [101] * len(welcome)
    foreign = (
        *("null", "", "*", "https://evil.example.com", "http://app.example.com", "https://app.example.com:8443"),
        *(
            "HTTPS://APP.EXAMPLE.COM",
            "http://[::1]:3001",
            f"http://localhost:{port}",
            "http://127.0.0.1",
            "http://[::1",
        ),
        *("http://gs.example.com", "file://", f"{server.address}.evil.example.com"),
    )
    assert [await status_of(server, origin) for origin in foreign] == [403] * len(foreign)
