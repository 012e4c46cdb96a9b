"""The report in a real browser: on a phone and on a screen, dark and light, and printed."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.unit.bulk.reporting.jobs import whole
from xoxo_async.bulk.reporting.charts import DARK, LIGHT
from xoxo_async.bulk.reporting.page import page_of

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium"),
]

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
LOOK = """
JSON.stringify({
  wide: document.documentElement.scrollWidth,
  back: getComputedStyle(document.body).backgroundColor,
  bars: [...document.querySelectorAll("svg path, svg rect")].map(bar => getComputedStyle(bar).fill),
  charts: [...document.querySelectorAll(".chart")].filter(chart => chart.offsetWidth).map(chart => chart.className),
  small: [...document.querySelectorAll("svg text")].map(text => text.getBoundingClientRect().height)
    .filter(height => height && height < 10).length,
})
"""


class Tab:
    """One tab of a browser, spoken to over its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method, and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (message := await self._read()).get("id") != number:
            pass
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    async def open(self, url: str) -> None:
        """Open a page, and wait until it is there."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            await self._read()

    async def _read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await self._socket.receive(timeout=20)).data)
        if "method" in message:
            self.events.append(message)
        return message

    def of(self, *methods: str) -> list[dict[str, Any]]:
        """Return the events of some methods."""
        return [event["params"] for event in self.events if event["method"] in methods]


def started(folder: Path) -> subprocess.Popen[bytes]:
    """Start a browser with a profile of its own, in a process group of its own."""
    return subprocess.Popen(
        [BROWSER or "", *FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@asynccontextmanager
async def tab(folder: Path) -> AsyncIterator[Tab]:
    """Start a browser, and give its tab."""
    process = started(folder)
    try:
        port = folder / "DevToolsActivePort"
        with anyio.fail_after(30):
            while not (port.exists() and port.read_text().count("\n")):
                await anyio.sleep(0.02)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port.read_text().splitlines()[0]}") as session:
            async with session.get("/json") as answer:
                pages = [page for page in await answer.json(content_type=None) if page["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rgb(colour: str) -> str:
    """Return a colour as a browser computes it."""
    return f"rgb({', '.join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))})"


async def test_a_report_fits_every_screen(tmp_path: Path) -> None:
    """No width overflows, no chart is hidden or tiny, colours follow the scheme, and nothing is loaded or logged."""
    file = tmp_path / "report.html"
    file.write_text(page_of(whole(), zone=UTC).replace("<details>", "<details open>"))
    async with tab(tmp_path / "profile") as browser:
        await browser.open(file.as_uri())
        for (width, shown), (scheme, palette) in itertools.product(
            [(360, "narrow"), (800, "middle"), (1440, "wide")], [("light", LIGHT), ("dark", DARK)]
        ):
            await browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 400
            )
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await browser.call("Emulation.setEmulatedMedia", features=features)
            seen = json.loads((await browser.call("Runtime.evaluate", expression=LOOK))["result"]["value"])
            assert seen["wide"] <= width, width
            assert {rgb(palette.issued), rgb(palette.accent)} <= set(seen["bars"])
            assert any(shown in kind for kind in seen["charts"])
            assert len(seen["charts"]) == 6
            assert seen["small"] == 0
            assert (seen["back"] == "rgb(16, 22, 29)") is (scheme == "dark")
        printed = await browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        assert base64.b64decode(printed["data"]).startswith(b"%PDF-")
        assert [request["request"]["url"] for request in browser.of("Network.requestWillBeSent")] == [file.as_uri()]
        assert browser.of("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
