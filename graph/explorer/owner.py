"""Who may know the development token: whoever sees the terminal that it was printed in, the user who runs the server."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
from starlette.datastructures import Headers
from starlette.types import Scope

from graph.environment import is_loopback

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_PROXIED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_of_owner(scope: Scope) -> bool:
    """Whether a request is a page that the user of this process opens in a browser on this machine, on no other's behalf.

    Not the program of another user of the machine, what a proxy hands on, a page under a foreign name that leads here (DNS
    rebinding), or a frame, a script or a request of another page. Looks at the connections of the machine.
    """
    headers = Headers(scope=scope)
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or not is_loopback(client[0]):
        return False
    if any(name in headers for name in _PROXIED) or headers.get("sec-fetch-dest", "document") != "document":
        return False
    host = headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return False
    return _is_own_name(host) and _is_own_connection(client[1], server[1])


def _is_own_name(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_own_connection(client_port: int, server_port: int) -> bool:
    """Whether the other end of a connection belongs to the user of this process."""
    if any(table.exists() for table in _TABLES):
        found = {user for table in _TABLES if table.exists() for user in _users(table, client_port, server_port)}
        return found == {os.geteuid()}
    return _is_of_own_process(client_port, server_port)


def _users(table: Path, client_port: int, server_port: int) -> set[int]:
    """Who has connections between two ports, whatever the addresses: one too many only keeps the token back."""
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    ports = (f"{client_port:04X}", f"{server_port:04X}")
    return {int(row[7]) for row in rows if (row[1].rpartition(":")[2], row[2].rpartition(":")[2]) == ports}


def _is_of_own_process(client_port: int, server_port: int) -> bool:
    """The same where the system has no table of it: by the connections of the user's processes."""
    own = psutil.Process().username()
    for process in psutil.process_iter():
        try:
            if process.username() == own and any(
                one.laddr and one.raddr and (one.laddr.port, one.raddr.port) == (client_port, server_port)
                for one in process.net_connections("tcp")
            ):
                return True
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return False
