"""A headless Chromium for tests, driven over its DevTools protocol: https://chromedevtools.github.io/devtools-protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60


def found() -> str | None:
    """Return the browser on this machine, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. `messages` are the events of the protocol as they came in; `close` ends the process."""

    def __init__(self, folder: Path):
        import websocket

        command = [str(found()), "--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        command += ["--disable-gpu", "--no-first-run", "--remote-allow-origins=*", "--disable-dev-shm-usage"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # it has none for root
        self.process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = self._port(folder / "DevToolsActivePort")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = json.load(answer)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            self.socket = websocket.create_connection(address, timeout=SECONDS, enable_multithread=False)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.messages: list[dict[str, Any]] = []
        self.number = 0
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self.call(f"{domain}.enable")

    def _port(self, path: Path) -> int:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if path.is_file() and (text := path.read_text()):
                return int(text.split("\n")[0])
            if self.process.poll() is not None:
                raise RuntimeError(f"{found()} ended with {self.process.returncode}")
            time.sleep(0.05)
        raise TimeoutError(f"{found()} did not open a port")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.messages.append(message)

    def wait(self, event: str) -> None:
        """Wait until an event has come in since the last page was opened."""
        while not any(m["method"] == event for m in self.messages):
            self.messages.append(json.loads(self.socket.recv()))

    def open(self, address: str) -> None:
        """Open a page and wait until it has loaded; `messages` begins anew."""
        self.messages.clear()
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def size(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def media(self, medium: str = "screen", scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key, by the name that KeyboardEvent.key has, or one character."""
        codes = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Escape": (27, ""), "ArrowDown": (40, "")}
        code, text = codes.get(key, (ord(key[0].upper()), key))
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def picture(self, path: Path, whole: bool = True, top: float = 0.0, height: float | None = None) -> None:
        """Write a screenshot, of the whole page or of `height` pixels from `top`."""
        more: dict[str, Any] = {}
        if whole:
            content = self.call("Page.getLayoutMetrics")["cssContentSize"]
            size = {
                "x": 0,
                "y": top,
                "width": content["width"],
                "height": height or content["height"] - top,
                "scale": 1,
            }
            more = {"captureBeyondViewport": True, "clip": size}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **more)["data"]))

    def complaints(self) -> list[str]:
        """Return what the console holds of errors and warnings, broken policies among them."""
        self.evaluate("new Promise(done => setTimeout(done, 50))")
        found = []
        for message in self.messages:
            method, params = message["method"], message.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"]))
            elif method == "Log.entryAdded":
                found.append(f"{params['entry']['source']}: {params['entry']['text']}")
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(params["args"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses asked for since the page was opened, itself left out, data URIs too."""
        sent = [m["params"]["request"]["url"] for m in self.messages if m["method"] == "Network.requestWillBeSent"]
        return [address for address in sent[1:] if not address.startswith("data:")]

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
