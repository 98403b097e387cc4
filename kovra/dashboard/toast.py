"""One request as a toast: from queued to its end, always in words that are true at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from kovra.actions.request import INVERSE, Action, Receipt, State
from kovra.dashboard import wording
from kovra.guard.case import UNTOLD, NoticeStatus
from kovra.guard.notice_words import notice_sentence
from kovra.ids import new_request_id
from kovra.store.requests import RequestStatus


@dataclass(frozen=True, kw_only=True)
class Toast:
    """One request as a toast. ``kind`` is ``done``, ``held`` or ``fail``; an ``open`` one is looked at again, and a
    ``cancellable`` one has a button that takes it back. ``undo``: what it did can be taken back.
    """

    request_id: UUID
    title: str
    text: str
    kind: str = ""
    icon: str = "check"
    case_no: int | None = None
    open: bool = False
    cancellable: bool = False
    undo: bool = False


def of_receipt(receipt: Receipt, target_name: str) -> Toast:
    """The toast of a request that was accepted a moment ago."""
    what = f"{wording.action_label(receipt.action)} · {wording.plain(target_name)}"
    return Toast(request_id=receipt.request_id, title="Queued", text=what, open=True, cancellable=True)


def of_status(found: RequestStatus, *, cancellable: bool = False, undo: bool = False) -> Toast:
    """The toast of a request as it stands; ``cancellable`` when this viewer may take it back now, ``undo`` when they
    may take back what it did.
    """
    label, name = wording.action_label(found.action), wording.plain(found.target_name)
    what = f"{label} · {name}"
    if found.state in (State.ACCEPTED, State.EXECUTING):
        title = "Queued" if found.state is State.ACCEPTED else "Running"
        if found.state is State.ACCEPTED and found.due_at is not None:
            title, what = "Queued, waiting", f"{what} · tried again soon"
        return Toast(request_id=found.request_id, title=title, text=what, open=True, cancellable=cancellable)
    if found.state is State.APPLIED:
        title = f"Case #{found.case_no} {_did(found)}"
        return Toast(
            request_id=found.request_id,
            title=title,
            text=f"{what} · messages on their way",
            case_no=found.case_no,
            open=True,
        )
    if found.state is State.DONE:
        return replace(_done(found, what), undo=undo and found.action in INVERSE)
    if found.state is State.CANCELLED:
        return _cancelled(found, f"{label} cancelled · {name}")
    titles = {
        State.REJECTED: "Not done",
        State.FAILED: f"{label} failed",
        State.DEAD: f"{label} failed",
        State.EXPIRED: f"{label} expired",
    }
    fallback = "It waited too long and is no longer wanted. Nothing was done." if found.state is State.EXPIRED else what
    return Toast(
        request_id=found.request_id,
        title=f"{titles[found.state]} · {name}",
        text=found.sentence or fallback,
        kind="fail",
        icon="x",
        case_no=found.case_no,
    )


def said(title: str, text: str) -> Toast:
    """Something that was done at once and makes no case."""
    return Toast(request_id=new_request_id(), title=title, text=text, kind="done")


def of_many(deed: str, asked: int, refused: Sequence[str]) -> Toast:
    """What became of many dead letters that were decided about at once; the refusals say why not."""
    word = {"retry": "tried again", "discard": "discarded"}[deed]
    if not refused:
        return said(f"{wording.count(asked, 'dead letter')} {word}", "The audit log has each with your name.")
    title = f"{asked - len(refused)} of {wording.count(asked, 'dead letter')} {word}"
    text = " ".join(dict.fromkeys(refused))
    return Toast(request_id=new_request_id(), title=title, text=text, kind="held", icon="warn")


def not_cancelled(request_id: UUID, sentence: str, *, still_open: bool) -> Toast:
    """The answer to a request that could not be taken back; an open one goes on to its end."""
    return Toast(
        request_id=request_id, title="Not cancelled", text=sentence, kind="held", icon="clock", open=still_open
    )


def _cancelled(found: RequestStatus, title: str) -> Toast:
    by = f"Cancelled by {wording.plain(found.cancelled_by)}. " if found.cancelled_by else ""
    told = (
        "It was not done, but the DM about it had gone out already."
        if found.notice in (NoticeStatus.SENT, NoticeStatus.SENDING, NoticeStatus.UNKNOWN)
        else "Nothing was done."
    )
    return Toast(request_id=found.request_id, title=title, text=by + told, kind="held", icon="x")


def _did(found: RequestStatus) -> str:
    """What became of the case."""
    return {
        Action.AMEND: "amended",
        Action.VOID: "voided",
        Action.RESEND: "told again",
        Action.COMMENT: "commented",
    }.get(found.action, "created")


def _done(found: RequestStatus, what: str) -> Toast:
    lost = found.notice in UNTOLD
    took = ""
    if found.accepted_at and found.done_at:
        milliseconds = (found.done_at - found.accepted_at).total_seconds() * 1000
        took = f" · {milliseconds:,.0f} ms" if milliseconds < 10_000 else f" · {milliseconds / 1000:,.1f} s"
    if not lost:
        title = f"Done · case #{found.case_no} {_did(found)}"
        return Toast(request_id=found.request_id, title=title, text=what + took, kind="done", case_no=found.case_no)
    sentence = notice_sentence(found.action, found.notice, found.notice_code)
    return Toast(
        request_id=found.request_id,
        title=f"Done · case #{found.case_no} {_did(found)}, DM {wording.notice_label(found.notice).lower()}",
        text=sentence,
        kind="held",
        icon="mailx",
        case_no=found.case_no,
    )
