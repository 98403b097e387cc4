"""A site with what stands behind it, and the people who visit it with their browsers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from kovra.actions.envelope import Key, open_envelope
from kovra.actions.request import CASE_ACTS, Action
from kovra.dashboard.access import masked, token_for
from kovra.dashboard.mass import MassDraft
from kovra.guard.case import NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.case_acts import change_of
from kovra.ids import ChannelId, GuildId, MessageId, UserId, new_request_id
from kovra.live.hub import Hub
from kovra.store.database import Database
from kovra.store.ledger import Ledger
from kovra.store.liveness import new_claim_key
from kovra.store.mirror import Mirror
from kovra.store.roster import Roster
from kovra.store.sessions import Sessions
from kovra.store.tables import ActionRequests
from tests.dashboard.people import HARBOUR, QUILLON

BASE_URL = "http://localhost:8000"
ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": BASE_URL}
SESSION_KEY = b"s" * 32
AUDIT_KEY = b"a" * 32
WEB_KEY = Key(kid="web-1", ring="web", secret=b"w" * 32)


@dataclass
class Site:
    """One dashboard, and what stands behind it."""

    app: Flask
    database: Database
    worker: Database
    sessions: Sessions
    mirror: Mirror
    hub: Hub
    discord_url: str
    _ledger: Ledger | None = field(default=None)

    def visitor(self) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(site=self, client=self.app.test_client())

    def signed_in(self, user_id: UserId, name: str = "somebody") -> Visitor:
        """A browser in which this person is signed in."""
        who = self.visitor()
        who.cookie = self.sessions.open(user_id=user_id, username=name, name=name, avatar=None, access_token=b"")
        who.client.set_cookie("kovra", who.cookie, domain="localhost")
        return who

    def carry_out(self, request_id: UUID, notice: NoticeStatus = NoticeStatus.SENT, code: int | None = None) -> int:
        """Do what the worker does with an accepted request, without Discord; gives the case number."""
        ledger = self._ledger or Ledger(self.worker, AUDIT_KEY, owner="test", claim_key=new_claim_key())
        self._ledger = ledger
        with self.worker.transaction(None) as session:
            row = session.get(ActionRequests, request_id)
            assert row is not None
        kept = open_envelope(row.body, row.kid, row.sig, keys={WEB_KEY.kid: WEB_KEY}, lane=GuildId(row.guild_id))
        claim = ledger.claim(kept)
        request = kept.request
        standing = Roster(self.worker).standing(request.guild_id, request.moderator_id, request.target_id)
        if request.action in CASE_ACTS:
            case = ledger.case(claim)
            assert case is not None
            if request.action is Action.RESEND:
                ledger.intend_notice(claim)
                ledger.record_notice(claim, NoticeResult(status=notice, text=f"About: {case.reason}", code=code))
            ledger.amend(claim, standing=standing, change=change_of(claim, case))
            ledger.close(claim)
            return case.case_no
        ledger.intend_notice(claim)
        ledger.record_notice(claim, NoticeResult(status=notice, text=f"About: {request.reason}", code=code))
        ledger.intend_effect(claim, {"until": None})
        length = request.params.get("duration_s")
        end = claim.now + timedelta(seconds=length) if length and not request.reverses else None
        case = ledger.finalise(claim, standing=standing, ends_at=end)
        ledger.intend_post(claim, ChannelId(500))
        posted = PostResult(status=PostStatus.SENT, channel_id=ChannelId(500), message_id=MessageId(501))
        ledger.finish(claim, posted)
        return case.case_no


@dataclass
class Visitor:
    """A person with a browser: same origin, the session's token in every form."""

    site: Site
    client: FlaskClient
    cookie: str = ""

    @property
    def token(self) -> str:
        return masked(token_for(SESSION_KEY, self.cookie)) if self.cookie else ""

    def get(self, path: str, **how: Any) -> TestResponse:
        return self.client.get(path, base_url=BASE_URL, **how)

    def fragment(self, path: str) -> TestResponse:
        return self.get(path, headers={**ORIGIN, "HX-Request": "true"})

    def post(self, path: str, form: dict[str, Any] | None = None, **how: Any) -> TestResponse:
        how.setdefault("headers", {**ORIGIN, "HX-Request": "true"})
        return self.client.post(path, base_url=BASE_URL, data={"csrf": self.token} | (form or {}), **how)

    def mass(self, targets: Iterable[int], action: Action = Action.BAN, guild: int = HARBOUR, **more: Any) -> Any:
        """Confirm a mass action as its review draws it."""
        ids = list(targets)
        form = {"batch_id": str(new_request_id()), "ids": "\n".join(map(str, ids)), "action": action.value}
        form |= {"reason": "raid", "delete_window_s": "0", "duration_s": "3600", "confirm": str(len(ids))}
        form["mark"] = MassDraft(ids=form["ids"], action=action, delete_window_s=0).mark
        return self.post(f"/g/{guild}/mass", form | more)

    def ask(
        self, action: Action = Action.WARN, /, target: int = QUILLON, guild: int = HARBOUR, **more: Any
    ) -> TestResponse:
        """Send the action dialog as it is drawn."""
        form: dict[str, Any] = {"request_id": str(new_request_id()), "action": action.value, "target_id": str(target)}
        form |= {"reason": "spam in #general"}
        form |= {"duration_s": "3600"} if action is Action.MUTE else {}
        form |= {"delete_window_s": "0"} if action is Action.BAN else {}
        return self.post(f"/g/{guild}/actions", form | more)


def words_of(answer: TestResponse) -> str:
    """What somebody reads of an answer: its text without the markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)))
