"""A real browser without a screen, led by the DevTools protocol: it looks, fills in and clicks.

Scripts of pages are switched off in it. https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = (360, 740)
WAIT_SECONDS = 20.0
PICTURES = os.environ.get("ANTIPHON_TEST_PICTURES", "")  # a folder for pictures to be looked at
T = TypeVar("T")


def browser_path() -> str | None:
    """Where one is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class Gone(Exception):
    """What was asked for is not there: the page may just be changing."""


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "DOM"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setScriptExecutionDisabled", value=True)
        self.size(*PHONE)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        self._socket.send(
            json.dumps({**asked, "sessionId": self._session} if self._session else asked)
        )
        while True:
            said = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if said.get("id") == number:
                if "error" in said:
                    raise Gone(said["error"]["message"])
                result: dict[str, Any] = said["result"]
                return result

    def size(self, width: int, height: int) -> None:
        """Of the window, as on a telephone."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=True,
        )

    def open(self, url: str) -> None:
        """Go there."""
        self._call("Page.navigate", url=url)
        self.wait_for("body main, body h1")

    @property
    def html(self) -> str:
        """The document as it stands."""

        def look() -> str:
            root = self._call("DOM.getDocument", depth=0)["root"]["nodeId"]
            return str(self._call("DOM.getOuterHTML", nodeId=root)["outerHTML"])

        return self._soon(look, "document")

    def wait_for(self, what: str) -> int:
        """The node of a CSS selector, as soon as it is there."""

        def look() -> int:
            root = self._call("DOM.getDocument", depth=0)["root"]["nodeId"]
            return int(self._call("DOM.querySelector", nodeId=root, selector=what)["nodeId"])

        return self._soon(look, what)

    def wait_for_text(self, text: str) -> None:
        """Until the page says it."""
        self._soon(lambda: text in self.html, repr(text))

    @staticmethod
    def _soon(look: Callable[[], T], what: str) -> T:
        """What is found, as soon as there is something."""
        ends = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < ends:
            with contextlib.suppress(Gone):
                if found := look():
                    return found
            time.sleep(0.02)
        raise AssertionError(f"no {what} on the page")

    def box(self, what: str) -> tuple[float, float, float, float]:
        """x, y, width, height of an element, within the window."""
        node = self.wait_for(what)
        self._call("DOM.scrollIntoViewIfNeeded", nodeId=node)
        quad = self._call("DOM.getContentQuads", nodeId=node)["quads"][0]
        xs, ys = quad[0::2], quad[1::2]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

    def click(self, what: str) -> None:
        """As a finger or a mouse does, in its middle."""
        x, y, width, height = self.box(what)
        place = {"x": x + width / 2, "y": y + height / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, **place)

    def type(self, what: str, text: str) -> None:
        """Write into a field."""
        self._call("DOM.focus", nodeId=self.wait_for(what))
        self._call("Input.insertText", text=text)

    @property
    def width(self) -> float:
        """Of all that there is to see; more than the window's: one would have to scroll aside."""
        found: float = self._call("Page.getLayoutMetrics")["cssContentSize"]["width"]
        return found

    def picture(self, path: Path) -> None:
        """A screenshot of the whole page, to be looked at."""
        said = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """A page of a browser that is started for it; `folder` is for what it keeps."""
    path = browser_path()
    assert path is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += ["--no-first-run", "--no-proxy-server", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [path, *flags, f"--user-data-dir={folder}", "about:blank"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        found = None
        for line in process.stderr:
            found = re.search(r"DevTools listening on (ws://\S+)", line)
            if found:
                break
        assert found, "the browser did not start"
        with connect(found[1], max_size=None, proxy=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def fits(page: Page, name: str) -> bool:
    """Whether nothing is wider than a telephone."""
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.png")
    return page.width <= PHONE[0]
