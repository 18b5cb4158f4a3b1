"""A headless Chromium, driven through its DevTools protocol over a pipe: no package, and no port."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--window-size=1400,900", "--remote-debugging-pipe"),
    "--disable-dev-shm-usage",  # which is small in many containers
)
PATIENCE = 120.0  # seconds until a browser that does not answer fails a test


class Browser:
    """One tab. The protocol takes its commands from file 3 and answers on file 4, each ended by a zero byte."""

    def __init__(self, profile: Path) -> None:
        command_read, self._commands = os.pipe()
        self._answers, answer_write = os.pipe()
        script = 'read="$1"; write="$2"; shift 2; exec "$@" 3<&"$read" 4>&"$write"'
        numbers = (str(command_read), str(answer_write))
        assert CHROMIUM is not None
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *numbers, CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(command_read, answer_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._numbers = itertools.count(1)
        self._unread = b""
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        attached = self._send("Target.attachToTarget", targetId=self._first_tab(), flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")

    def close(self) -> None:
        self._session = None
        self._write("Browser.close")
        while self._piece():  # it may end before it answers
            pass
        self._process.wait(PATIENCE)
        os.close(self._commands)
        os.close(self._answers)

    def _first_tab(self) -> str:
        """The tab that the browser opens when it starts, maybe after it has answered."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for target in self._send("Target.getTargets")["targetInfos"]:
                if target["type"] == "page":
                    return str(target["targetId"])
            time.sleep(0.01)
        raise AssertionError("the browser opens no tab")

    def _write(self, method: str, **parameters: Any) -> int:
        """Send a command, and return its number."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        return number

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = self._write(method, **parameters)
        while (answer := self._read())["id"] != number:
            pass
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def _piece(self) -> bytes:
        """What it writes next; nothing where it has ended."""
        ready, _, _ = select.select([self._answers], [], [], PATIENCE)
        assert ready, "the browser does not answer"
        return os.read(self._answers, 1 << 20)

    def _read(self) -> dict[str, Any]:
        """The next answer; events on the way are kept."""
        while True:
            while b"\0" not in self._unread:
                piece = self._piece()
                assert piece, "the browser has ended"
                self._unread += piece
            whole, _, self._unread = self._unread.partition(b"\0")
            message: dict[str, Any] = json.loads(whole)
            if "id" in message:
                return message
            self.events.append(message)

    def open(self, page: Path, fragment: str = "") -> None:
        """Load the explorer page in a file, and wait until it is ready."""
        self._send("Page.navigate", url="about:blank")
        self.events.clear()
        self._send("Page.navigate", url=f"{page.as_uri()}#{fragment}")
        self.wait_for("document.documentElement?.dataset.ready !== undefined")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self._send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @contextmanager
    def counting(self) -> Iterator[list[int]]:
        """Count how often each function and each of its branches runs in the page, however long that takes: the sum is
        there behind the block."""
        runs: list[int] = []
        self._send("Profiler.enable")
        self._send("Profiler.startPreciseCoverage", callCount=True, detailed=True)
        yield runs
        found = self._send("Profiler.takePreciseCoverage")["result"]
        self._send("Profiler.disable")
        functions = [function for script in found if script["url"] for function in script["functions"]]
        runs.append(sum(branch["count"] for function in functions for branch in function["ranges"]))

    def wait_for(self, condition: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"never true: {condition}"
            time.sleep(0.01)

    def place(self, selector: str) -> tuple[float, float]:
        """The middle of an element, which must be in sight."""
        box = self.evaluate(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def move(self, x: float, y: float) -> None:
        self._send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def hover(self, selector: str) -> None:
        self.move(*self.place(selector))

    def click_at(self, x: float, y: float) -> None:
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click(self, selector: str) -> None:
        self.click_at(*self.place(selector))

    def wheel(self, x: float, y: float, delta: float) -> None:
        self._send("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta)

    def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        code = codes.get(key, ord(key[0]))
        self._send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self._send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self._send("Input.insertText", text=text)

    def problems(self) -> list[Any]:
        """What went wrong in the page: exceptions, and messages of the browser about it."""
        self.evaluate("0")
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """The addresses that the page has asked for."""
        self.evaluate("0")
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [parameters["request"]["url"] for parameters in sent]
