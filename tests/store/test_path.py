"""One action through the whole store."""

from __future__ import annotations

from kovra.actions.request import State
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.store.events import Events


def test_an_accepted_ban_becomes_case_1_and_is_done(accept, guard, requests, odalys, web, say):
    kept, receipt = accept()

    case = guard.carry(kept)

    status = requests.status(odalys, receipt.request_id)
    assert (receipt.state, case.case_no, status.state, status.case_no) == (State.ACCEPTED, 1, State.DONE, 1)
    assert (status.notice, status.post, status.target_name) == (NoticeStatus.SENT, PostStatus.SENT, "Brass Key")
    kinds = [event.kind for event in Events(web).after(say.HARBOUR, 0)]
    assert kinds == ["action.queued", "action.running", "case.created", "action.done"]
