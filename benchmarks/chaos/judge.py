"""The judge: what was promised, against what the database, the sandbox's counters and an open stream say."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from kovra.ids import audit_ref

ENDS = ("done", "failed", "rejected", "expired", "dead", "cancelled")


def control(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the sandbox's control API."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{url}/control/{path}", data=data, method=method)
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Looks at one guild as the owner of the database and of the sandbox may.

    ``since`` is the number of the last event before the test began.
    """

    engine: Engine
    sandbox_url: str
    guild_id: int
    since: int = 0

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        with self.engine.connect() as line:
            return line.execute(text(statement), {"g": self.guild_id, **values}).all()

    def request(self, request_id: str) -> Any:
        found = self.rows("SELECT * FROM action_requests WHERE request_id = :id", id=request_id)
        return found[0] if found else None

    def doubled(self, request_ids: Sequence[str]) -> list[str]:
        """Deeds, messages and cases that are there twice: the requests' names and of what."""
        report = control(self.sandbox_url, "GET", "effects")
        refs = {audit_ref(request_id)[4:-1]: str(request_id) for request_id in map(_uuid, request_ids)}
        twice = [f"{refs.get(e['ref'])} {e['verb']} x{e['changed']}" for e in report["effects"] if e["changed"] > 1]
        twice += [f"{refs.get(m['ref'])} {m['kind']} x{m['count']}" for m in report["messages"] if m["count"] > 1]
        twice += [f"nonce {nonce} x{count}" for nonce, count in report["nonces"].items() if count > 1]
        cases = Counter(row[0] for row in self.rows("SELECT request_id FROM mod_cases WHERE guild_id = :g"))
        return twice + [f"{request_id} cases x{count}" for request_id, count in cases.items() if count > 1]

    def unproven(self, request_ids: Sequence[str]) -> list[str]:
        """Deeds that are recorded as done without having been, or were done without a record."""
        report = control(self.sandbox_url, "GET", "effects")
        done = {effect["ref"] for effect in report["effects"]}
        wrong = []
        for request_id in request_ids:
            row = self.request(request_id)
            if row is None or row.action in ("warn", "note"):
                continue
            if (row.case_no is not None) != (audit_ref(_uuid(request_id))[4:-1] in done):
                wrong.append(f"{row.action} {request_id} is {row.state} with case {row.case_no}")
        return wrong

    def gaps(self) -> int:
        """Numbers of cases that nobody has."""
        numbers = {row[0] for row in self.rows("SELECT case_no FROM mod_cases WHERE guild_id = :g")}
        return max(numbers, default=0) - len(numbers)

    def stream(self, seen: list[int], patience_s: float = 10.0) -> tuple[int, int]:
        """Events of the log that the stream missed, and those that came twice or out of order."""
        kept = self.rows("SELECT seq FROM guild_events WHERE guild_id = :g AND seq > :since", since=self.since)
        wanted = {row[0] for row in kept}
        deadline = time.monotonic() + patience_s
        while not wanted <= set(seen) and time.monotonic() < deadline:
            time.sleep(0.05)
        came = list(seen)
        disordered = sum(later <= earlier for earlier, later in zip(came, came[1:], strict=False))
        return len(wanted - set(came)), disordered


def _uuid(request_id: str) -> Any:
    from uuid import UUID

    return UUID(str(request_id))
