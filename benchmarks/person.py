"""A moderator without a browser: signs in through the sandbox's consent page, fills in forms, listens to the stream."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

_CHECKED = re.compile(r'<input type="checkbox"[^>]* name="(\w+)" value="([^"]*)" checked')
_HIDDEN = re.compile(r'<input type="hidden"(?: form="[\w-]+")? name="(\w+)"[^>]* value="([^"]*)"')


class Person:
    """One signed-in moderator.

    Args:
        web_url: the dashboard's address.
        user_id: whom to sign in as; somebody of the sandbox.
    """

    def __init__(self, web_url: str, user_id: int) -> None:
        self.web_url, self.user_id = web_url, user_id
        self.session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_connections=32, pool_maxsize=32)
        self.session.mount("http://", adapter)
        self.session.headers.update({"Sec-Fetch-Site": "same-origin", "Origin": web_url})
        self._sign_in()

    def _sign_in(self) -> None:
        consent = self.session.post(f"{self.web_url}/login", data={"next": "/"}, timeout=10)
        consent.raise_for_status()
        inside = self.session.post(consent.url, data={"person": str(self.user_id), "decision": "authorize"}, timeout=10)
        inside.raise_for_status()
        if not inside.url.startswith(self.web_url):
            raise RuntimeError(f"signing in ended at {inside.url}")

    def draw(self, guild_id: int, target_id: int, action: str) -> dict[str, str]:
        """The fields of the action dialog as a browser sends them untouched: token and request id among them."""
        found = self.session.get(
            f"{self.web_url}/g/{guild_id}/act", params={"target": target_id, "action": action}, timeout=10
        )
        found.raise_for_status()
        return dict(_HIDDEN.findall(found.text)) | dict(_CHECKED.findall(found.text)) | {"action": action}

    def send(self, guild_id: int, fields: Mapping[str, str]) -> requests.Response:
        """Press the button."""
        return self.session.post(f"{self.web_url}/g/{guild_id}/actions", data=fields, timeout=30)

    def ban_many(self, guild_id: int, batch_id: str, targets: Sequence[int]) -> requests.Response:
        """Have a mass ban reviewed and confirm it; the answer leads to the page of the job."""
        page = f"{self.web_url}/g/{guild_id}/mass"
        form = self.session.get(page, timeout=10)
        form.raise_for_status()
        fields = {
            "csrf": dict(_HIDDEN.findall(form.text))["csrf"],
            "batch_id": batch_id,
            "ids": "\n".join(map(str, targets)),
            "action": "ban",
            "reason": "chaos",
            "delete_window_s": "0",
            "duration_s": "3600",
            "notice": "0",
        }
        reviewed = self.session.post(f"{page}/review", data=fields, timeout=30)
        reviewed.raise_for_status()
        fields |= {"mark": dict(_HIDDEN.findall(reviewed.text)).get("mark"), "confirm": str(len(targets))}
        return self.session.post(page, data=fields, timeout=30, allow_redirects=False)

    def listen(self, guild_id: int, heard: Callable[[str, dict[str, Any], float], None]) -> Stream:
        """Open the guild's stream; ``heard(kind, facts, monotonic seconds)`` is called in the stream's thread."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.session.cookies.get_dict().items())
        return Stream(self.web_url, f"/g/{guild_id}/live", cookie, heard)


class Stream:
    """One open event stream over a plain socket, read as the bytes arrive."""

    def __init__(
        self, web_url: str, path: str, cookie: str, heard: Callable[[str, dict[str, Any], float], None]
    ) -> None:
        address = urlsplit(web_url)
        self._heard = heard
        self._line = socket.create_connection((address.hostname, address.port), timeout=10)
        self._line.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n"
            f"Sec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        first = self._line.recv(4096)
        if b" 200 " not in first.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"the stream did not open: {first[:200]!r}")
        self._line.settimeout(None)
        self._thread = threading.Thread(target=self._read, args=(first,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._line.close()

    def _read(self, rest: bytes) -> None:
        while True:
            at = time.monotonic()
            *frames, rest = rest.split(b"\n\n")
            for frame in frames:
                self._tell(frame, at)
            more = self._line.recv(65536)
            if not more:
                return
            rest += more

    def _tell(self, frame: bytes, at: float) -> None:
        kind = re.search(rb"^event: (.+)$", frame, re.MULTILINE)
        data = re.search(rb"^data: (.+)$", frame, re.MULTILINE)
        if kind and data:
            self._heard(kind[1].decode().strip(), json.loads(data[1]), at)
