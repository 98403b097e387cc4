"""One moderation action done by the smallest client that can be killed anywhere: Python's standard library alone.

``small_client.py JOURNAL [POINT]`` with the order on standard input does it; run again with the same journal it
finishes what is left. POINT names where it kills itself: ``before:STEP`` or ``after:STEP`` of :data:`STEPS`.

How it neither loses nor doubles anything: it writes down what it wants before it acts and never what it did. Every
step first asks Discord whether it is done: a ban by its reason, a time-out by its moment, a kick by when the member
joined and by the audit log, a message by the mark in the channel's history. A message also carries an enforced nonce.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

#: What it does, in this order. ``door`` opens the channel for the notice.
STEPS = ("intent", "door", "notice", "effect", "post")
_TRIES = 8
_KICK = 20


class Unknown(Exception):
    """Nobody knows whether it happened: no answer, or one of Discord's 5xx."""


class Client:
    def __init__(self, order: dict[str, Any], die_at: str) -> None:
        self.order, self._die_at = order, die_at
        self.guild, self.user, self.mark = f"/guilds/{order['guild_id']}", order["user_id"], order["mark"]

    def run(self, journal: Path) -> None:
        self._step("intent", lambda: self._remember(journal))
        # The notice goes first: whoever is gone cannot be written to. So where the effect is, the notice was.
        if not self._until_known(self._done):
            door = self._until_known(lambda: self._step("door", self._open_dm))
            self._until_known(lambda: self._tell("notice", door, "d"))
            self._until_known(lambda: self._done() or self._step("effect", self._act))
        self._until_known(lambda: self._tell("post", self.order["log_id"], "l"))

    # -- the steps -------------------------------------------------------------------------------------------------

    def _remember(self, journal: Path) -> None:
        """The intent, with what the world was before: a member who came back later must not be kicked."""
        if not journal.exists():
            member = self._call("GET", f"{self.guild}/members/{self.user}")
            making = journal.with_suffix(".making")
            making.write_text(json.dumps({"joined_at": member["joined_at"], "until": self.order["until"]}))
            making.rename(journal)
        self.before = json.loads(journal.read_text())

    def _open_dm(self) -> str:
        return str(self._call("POST", "/users/@me/channels", {"recipient_id": self.user})["id"])

    def _tell(self, step: str, channel_id: str, kind: str) -> None:
        history = self._call("GET", f"/channels/{channel_id}/messages?limit=100")
        if not any(self.mark in message["content"] for message in history):
            nonce = f"{self.mark[4:20]}-{kind}"
            body = {"content": f"{self.order['verb']} {self.mark}", "nonce": nonce, "enforce_nonce": True}
            self._step(step, lambda: self._call("POST", f"/channels/{channel_id}/messages", body))

    def _act(self) -> None:
        member = f"{self.guild}/members/{self.user}"
        if self.order["verb"] == "ban":
            self._call("PUT", f"{self.guild}/bans/{self.user}")
        elif self.order["verb"] == "kick":
            self._call("DELETE", member)
        else:
            self._call("PATCH", member, {"communication_disabled_until": self.before["until"]})

    def _done(self) -> bool:
        if self.order["verb"] == "ban":
            ban = self._call("GET", f"{self.guild}/bans/{self.user}", missing=404)
            return ban is not None and self.mark in (ban["reason"] or "")
        member = self._call("GET", f"{self.guild}/members/{self.user}", missing=404)
        if self.order["verb"] == "mute":
            # Discord writes a moment in its own way: moments are compared, never their letters.
            ends, wanted = member["communication_disabled_until"], datetime.fromisoformat(self.before["until"])
            return ends is not None and datetime.fromisoformat(ends) == wanted
        if member is not None and member["joined_at"] == self.before["joined_at"]:
            return False
        log = self._call("GET", f"{self.guild}/audit-logs?action_type={_KICK}")["audit_log_entries"]
        if any(self.mark in (entry.get("reason") or "") for entry in log):
            return True
        raise SystemExit("gone, and not by us")

    # -- how it calls, tries again and dies --------------------------------------------------------------------------

    def _step(self, name: str, act: Any) -> Any:
        self._perhaps_die(f"before:{name}")
        done = act()
        self._perhaps_die(f"after:{name}")
        return done

    def _perhaps_die(self, point: str) -> None:
        if point == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _until_known(self, act: Any) -> Any:
        """Each try asks first, so a lost answer costs a question and never a second effect."""
        for _ in range(_TRIES):
            try:
                return act()
            except Unknown:
                time.sleep(0.01)  # between two looks
        raise SystemExit("Discord did not answer")

    def _call(self, method: str, path: str, body: Any = None, missing: int = 0) -> Any:
        headers = {
            "Authorization": f"Bot {self.order['token']}",
            "X-Audit-Log-Reason": urllib.parse.quote(f"{self.order['verb']} {self.mark}"),
        }
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["Content-Type"] = "application/json"
        address = f"{self.order['base_url']}/api/v10{path}"
        asked = urllib.request.Request(address, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=self.order["answer_within_s"]) as answer:
                text = answer.read()
                return json.loads(text) if text else {}
        except urllib.error.HTTPError as refused:
            if refused.code == missing:
                return None
            if refused.code == 429:
                time.sleep(json.loads(refused.read())["retry_after"])  # as Discord asks
            if refused.code == 429 or refused.code >= 500:
                raise Unknown from refused
            raise
        except OSError as lost:
            raise Unknown from lost


if __name__ == "__main__":
    Client(json.load(sys.stdin), *sys.argv[2:] or [""]).run(Path(sys.argv[1]))
