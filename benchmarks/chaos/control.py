"""The sandbox's control API, as the rig and the judge ask it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any


def control(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the sandbox at ``url``."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{url}/control/{path}", data=data, method=method)
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read() or b"null")
