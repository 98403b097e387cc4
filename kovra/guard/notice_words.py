"""What became of a DM, in words: the same on a page and in Discord."""

from __future__ import annotations

from kovra.actions.request import Action
from kovra.guard.case import NoticeStatus

#: Discord's error codes for a DM, in words (API reference, JSON error codes).
_REFUSED = {
    50007: "They do not accept DMs from this server",
    50278: "They share no server with Guard any more",
    20026: "Discord has limited Guard’s DMs",
}
#: The same of what was not tried, because Discord would have refused it.
_NOT_TRIED = {
    50007: "They did not accept DMs from this server within the last week, so none was tried",
    50278: "They are not in this server, so none could be tried",
}


def notice_sentence(action: Action, status: NoticeStatus | None, code: int | None) -> str:
    """What became of the DM, and why."""
    if status is NoticeStatus.NOT_TRIED:
        return f"{_NOT_TRIED.get(code or 0, 'Discord would have refused it')}."
    if status is NoticeStatus.REFUSED:
        why = _REFUSED.get(code or 0, "Discord refused it")
        return f"{why} (code {code})." if code else f"{why}."
    return {
        NoticeStatus.SKIPPED: "Its turn did not come in time, and the action did not wait for it.",
        NoticeStatus.UNKNOWN: "It left, and no answer came. It is not sent twice.",
        NoticeStatus.NOT_NEEDED: "A note is for staff only."
        if action is Action.NOTE
        else f"Not sent for {action.noun}.",
    }.get(status or NoticeStatus.SENT, "")
