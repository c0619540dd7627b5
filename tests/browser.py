"""A headless Chromium, driven by its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

WAIT = 30.0
"""Seconds after which something that should be on a page is missed."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-port=0",
    "--window-size=1500,950",
)


class Page:
    """A page, with what it said on its console and asked for."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.session = ""
        self.problems: list[str] = []
        """Errors and warnings of the console, exceptions, what the policy forbade, and what could not be loaded."""
        self.workers: list[str] = []
        """The addresses of the scripts of its workers, whose problems and requests count as the page's."""
        self._tasks: list[asyncio.Task[Any]] = []
        self.requests: list[str] = []
        """The addresses of all requests, WebSockets included."""
        self.answers: list[tuple[str, int]] = []
        """The addresses of what was answered, and the statuses."""

    async def listen(self) -> None:
        """Takes what the browser says until it is gone."""
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            else:
                self._take(message["method"], message["params"])

    def _take(self, method: str, told: Any) -> None:
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Network.responseReceived":
            self.answers.append((told["response"]["url"], told["response"]["status"]))
        elif method == "Network.webSocketCreated":
            self.requests.append(told["url"])
        elif method == "Target.attachedToTarget" and told["targetInfo"]["type"] == "worker":
            self.workers.append(told["targetInfo"]["url"])
            for domain in ("Runtime", "Log", "Network"):
                self._tasks.append(asyncio.create_task(self.command(f"{domain}.enable", told["sessionId"])))

    async def command(self, method: str, to: str = "", /, **given: Any) -> Any:
        """A command of the protocol, to the page or to another session."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        name = to or self.session
        session = {"sessionId": name} if name else {}
        await self._connection.send(json.dumps({"id": number, "method": method, "params": given, **session}))
        message = await asyncio.wait_for(answer, WAIT)
        assert "error" not in message, (method, message["error"])
        return message["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression; a promise's when it is kept."""
        done = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def until(self, condition: str) -> Any:
        """The value of an expression as soon as it is true, looked at whenever the page is drawn anew."""
        script = f"""new Promise((kept, broken) => {{
          const end = performance.now() + {WAIT * 900};
          const look = () => {{
            const found = ({condition});
            if (found) kept(found instanceof Node ? true : found);
            else if (performance.now() > end) broken(new Error('missed: ' + document.body.innerText.slice(0, 2000)));
            else setTimeout(look, 30);
          }};
          look();
        }})"""
        return await self.run(script)

    async def click(self, text: str, kind: str = "button") -> None:
        """Clicks what has this text, or label, as soon as it is there."""
        found = (
            f"[...document.querySelectorAll({kind!r})].find((one) => "
            f"[one.innerText.trim(), one.ariaLabel].includes({text!r}))"
        )
        await self.until(found + " !== undefined")
        await self.run(found + ".click()")

    async def picture(self, path: Path) -> None:
        """Writes a picture of the page, a PNG."""
        taken = await self.command("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(taken["data"]))


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Page]:
    """A page of a browser of its own, which has nothing of other browsers and ends with it."""
    assert CHROMIUM is not None
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # root has none
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *_OPTIONS, *sandbox, f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.PIPE
        )
        try:
            async with connect(await _address_of(process), max_size=None, open_timeout=WAIT, proxy=None) as connection:
                page = Page(connection)
                listening = asyncio.create_task(page.listen())
                try:
                    await _attach(page)
                    await page.command("Page.navigate", url=address)
                    yield page
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
        finally:
            process.kill()
            await process.communicate()


async def _address_of(process: asyncio.subprocess.Process) -> str:
    """Where the browser is driven: it says so on its standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT):
        while line := (await process.stderr.readline()).decode(errors="replace"):
            if line.startswith("DevTools listening on "):
                return line.removeprefix("DevTools listening on ").strip()
    raise AssertionError("the browser ended at once")


async def _attach(page: Page) -> None:
    targets = (await page.command("Target.getTargets"))["targetInfos"]
    [target] = [one["targetId"] for one in targets if one["type"] == "page"]
    page.session = (await page.command("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        await page.command(f"{domain}.enable")
    await page.command("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
