"""Server processes that can be killed and started again, on ports that stay the same."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from bench.server import SECRET, address_of


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One server process."""

    def __init__(self, url: str, log: Path, *, stock: bool = False, **environment: str) -> None:
        self.port = free_port()
        serve = ["-c", "from graph.cli import main; main()", "serve", "--no-demo", "--port", str(self.port)]
        self._command = [sys.executable, *(["-m", "bench.stock", url, str(self.port)] if stock else serve)]
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {"DATABASE_URL": url, "JWT_SECRET": SECRET, "COST_BUDGET": "0", **environment}
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        address_of(self._process)

    def kill(self) -> None:
        """Ends it without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it as an operator does."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._running()
        process.send_signal(number)
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise RuntimeError("it does not run")
        return self._process
