"""A WebSocket client that costs next to nothing: it counts what comes, so that the server is what is measured."""

import asyncio
import base64
import json
import os
import struct
from typing import Any


class Wire(asyncio.Protocol):
    """One connection that speaks graphql-transport-ws, and counts text frames once it was let in."""

    def __init__(self) -> None:
        self.frames = 0
        self.last: bytes = b""
        self.lost = asyncio.Event()
        self._buffer = bytearray()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    @classmethod
    async def connect(cls, host: str, port: int, authorization: str, path: str = "/graphql") -> "Wire":
        """A connection that was let in."""
        _, wire = await asyncio.get_running_loop().create_connection(cls, host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        wire.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Authorization: {authorization}\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        await asyncio.wait_for(wire.opened, 30)  # frames sent together with the request would be lost
        wire.send({"type": "connection_init", "payload": {"authorization": authorization}})
        await asyncio.wait_for(wire.acknowledged, 30)
        return wire

    def subscribe(self, query: str, **variables: Any) -> None:
        """Starts the one subscription."""
        self.send({"type": "subscribe", "id": "1", "payload": {"query": query, "variables": variables}})

    def send(self, message: Any) -> None:
        """Sends a text frame."""
        data, mask = json.dumps(message).encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.transport.write(b"\x81" + size + mask + masked)

    def stop_reading(self) -> None:
        """Takes nothing more of what comes."""
        self.transport.pause_reading()

    def close(self) -> None:
        """Leaves."""
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by asyncio."""
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        buffer = self._buffer
        buffer += data
        if not self.opened.done():
            head, found, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            self.opened.set_result(None)
            self._buffer = buffer = bytearray(rest)
        at = 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                if len(buffer) - at < 4:
                    break
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            if len(buffer) - start < size:
                break
            self._take(buffer[at] & 15, buffer, start, size)
            at = start + size
        del buffer[:at]

    def _take(self, opcode: int, buffer: bytearray, start: int, size: int) -> None:
        if opcode == 9:  # a ping of the WebSocket itself
            self.transport.write(b"\x8a\x80" + b"\0\0\0\0" if size == 0 else self._pong(buffer[start : start + size]))
        elif opcode == 1:
            self.last = bytes(buffer[start : start + size])
            if b'"next"' in self.last[:40]:
                self.frames += 1
            elif b"connection_ack" in self.last and not self.acknowledged.done():
                self.acknowledged.set_result(None)
            elif b'"error"' in self.last:
                self.close()  # whoever waits for frames says that they did not come

    @staticmethod
    def _pong(data: bytearray) -> bytes:
        return b"\x8a" + bytes([0x80 | len(data)]) + b"\0\0\0\0" + bytes(data)
