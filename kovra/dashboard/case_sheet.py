"""The side sheet of one case: its whole story, and what of it this viewer may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.case_rights import TOLD
from kovra.actions.request import INVERSE, Action
from kovra.dashboard import evidence, trace, wording
from kovra.dashboard.services import services
from kovra.dashboard.wording import muted
from kovra.guard.case import UNTOLD
from kovra.guard.notice_words import notice_sentence
from kovra.ids import GuildId, new_request_id
from kovra.store.case_detail import CaseDetail
from kovra.store.case_thread import Entry
from kovra.store.guilds import GuildScope

#: How many earlier cases of the person are listed.
EARLIER = 5
#: The DM did not arrive, so that it may be worth sending again.

#: What the sheet offers for a member, and the key for it.
_OFFERS = ((Action.WARN, "W"), (Action.MUTE, "M"), (Action.NOTE, "N"), (Action.BAN, "B"))


@dataclass(frozen=True, kw_only=True)
class Said:
    """One entry of the thread as it is read: who did what when, what they wrote, and what it changed."""

    number: int
    author: str
    did: str
    icon: str
    text: str
    written_at: datetime
    changes: Sequence[tuple[str, str, str]] = ()


def drawn(viewer: GuildScope, case_no: int) -> dict[str, Any] | None:
    """What the sheet shows; None when there is no such case for this viewer."""
    detail = services().cases.detail(viewer, case_no, EARLIER + 1) if case_no < 1 << 62 else None
    if detail is None:
        return None
    shown = detail.row
    return {
        "detail": detail,
        "row": shown,
        "earlier": detail.earlier[:EARLIER],
        "earlier_more": len(detail.earlier) > EARLIER,
        "trace": trace.draw(detail.steps),
        "lasts": _lasts(detail),
        "delete_window": _delete_window(detail),
        "purged": _purged(detail),
        "notice_sentence": notice_sentence(shown.action, shown.notice, shown.notice_code),
        "log_url": _log_url(viewer.guild_id, detail),
        "log_sentence": wording.post_sentence(detail.post, detail.post_code),
        "thread": [said(entry) for entry in detail.thread],
        "sheet_actions": _offers(viewer, detail),
        "comment_id": new_request_id(),
        **_changes(viewer, detail),
        **evidence.shown(viewer, detail.request_id),
    }


def said(entry: Entry) -> Said:
    """One entry of a thread, in words."""
    did, icon = {
        Action.COMMENT: ("commented", "msg"),
        Action.AMEND: ("amended", "edit"),
        Action.VOID: ("voided this case", "x"),
        Action.RESEND: ("sent the DM again", "mail"),
    }.get(entry.kind, (entry.kind.noun, "note"))
    changes = [
        (label, words(entry.before.get(name)), words(entry.after.get(name)))
        for name, label, words in (("reason", "Reason", _reason), ("ends_at", "Ends", _end))
        if name in entry.after
    ]
    return Said(
        number=entry.number,
        author=entry.author_name,
        did=did,
        icon=icon,
        text=entry.text,
        written_at=entry.written_at,
        changes=changes,
    )


def last_entry(thread: Sequence[Entry]) -> int:
    """The number by which a form knows what its case said when it was drawn."""
    return max((entry.number for entry in thread if entry.kind in (Action.AMEND, Action.VOID)), default=0)


def _reason(text: Any) -> str:
    return str(text) if text else "none given"


def _end(moment: Any) -> str:
    return wording.utc(datetime.fromisoformat(moment)) if moment else "until lifted"


def _changes(viewer: GuildScope, detail: CaseDetail) -> Mapping[str, object]:
    """What the sheet offers to change. Whether it can be done now, and why not, the dialog says."""
    shown = detail.row
    own = shown.moderator_id == viewer.viewer.user_id
    may = viewer.may(Capability.AMEND) or (own and viewer.may(NEEDS.get(shown.action, Capability.AMEND)))
    opposite = INVERSE.get(shown.action)
    return {
        "inverse": opposite,
        "may_amend": may and not shown.voided,
        "may_resend": may and not shown.voided and shown.action in TOLD and shown.notice in UNTOLD,
        "may_reverse": opposite is not None and viewer.may(NEEDS[opposite]) and shown.active,
        "may_comment": viewer.may(Capability.NOTE) and viewer.may(Capability.VIEW_NOTES),
        "may_more": may or viewer.may(Capability.NOTE),
    }


def _lasts(detail: CaseDetail) -> str | None:
    shown = detail.row
    if shown.action is Action.BAN and shown.ends_at is None:
        return "Until lifted"
    if shown.ends_at is None:
        return None
    length = round((shown.ends_at - shown.created_at).total_seconds())
    return f"{wording.duration(length)}, until {wording.utc(shown.ends_at)}"


def _delete_window(detail: CaseDetail) -> str | None:
    seconds = detail.params.get("delete_window_s")
    if detail.row.action is not Action.BAN or seconds is None:
        return None
    return f"Those of the last {wording.duration(int(seconds))} deleted" if seconds else "Kept"


def _purged(detail: CaseDetail) -> str | None:
    deleted = (detail.result or {}).get("deleted")
    return None if deleted is None else f"{wording.count(int(deleted), 'message')} deleted"


def _log_url(guild_id: GuildId, detail: CaseDetail) -> str | None:
    if detail.post_message_id is None or detail.post_channel_id is None:
        return None
    base = services().addresses.discord_base_url
    return f"{base}/channels/{guild_id}/{detail.post_channel_id}/{detail.post_message_id}"


def _offers(viewer: GuildScope, detail: CaseDetail) -> list[tuple[Action, str | None]]:
    target = detail.target
    offers: list[tuple[Action, str | None]] = list(_OFFERS)
    if target is not None and target.banned:
        offers = [(Action.UNBAN, None), (Action.NOTE, "N")]
    elif target is not None and not target.member:
        offers = [(Action.NOTE, "N"), (Action.BAN, "B")]
    elif target is not None and muted(target):
        offers = [(Action.UNMUTE, None), (Action.WARN, "W"), (Action.NOTE, "N"), (Action.BAN, "B")]
    return [(action, key) for action, key in offers if viewer.may(NEEDS[action])]
