"""The dialog about one case as far as it is filled in: what is to become of it, and what would stand in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from kovra.actions import case_rights, rights
from kovra.actions.request import INVERSE, Action, ActionRequest, Source
from kovra.actions.reverse import not_reversible, opposite
from kovra.actions.rights import LASTING, Standing
from kovra.dashboard import wording
from kovra.dashboard.act_choices import AMENDED_LENGTHS
from kovra.dashboard.case_sheet import last_entry
from kovra.dashboard.draft import Check
from kovra.dashboard.services import Services
from kovra.errors import Malformed
from kovra.ids import UserId, new_request_id
from kovra.store.case_detail import CaseDetail
from kovra.store.guilds import GuildScope

#: Taking a case back is an act of its own kind: it makes a case.
REVERSE = "reverse"


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one thing that can be done with a case reads. ``many`` is its button for several cases."""

    label: str
    button: str
    icon: str
    what: str
    many: str = ""
    danger: bool = False


#: In the order of the list behind *More*.
ACTS: Mapping[str, Words] = {
    "amend": Words(
        label="Amend",
        button="Save changes",
        icon="edit",
        what="The thread keeps what it was. A new end is applied on Discord too.",
    ),
    "comment": Words(
        label="Comment on", button="Comment", icon="msg", what="Staff read it; nobody else does.", many="Comment on"
    ),
    "resend": Words(label="Resend the DM of", button="Send again", icon="mail", what="They get the same DM once more."),
    REVERSE: Words(
        label="Take back",
        button="Take back",
        icon="lift",
        what="Makes a case of its own, linked to this one.",
        many="Take back",
    ),
    "void": Words(
        label="Void",
        button="Void case",
        icon="x",
        what="It stays on record and counts no more. What Discord did stays: take the case back for that.",
        many="Void",
        danger=True,
    ),
}
#: These ask for words; what the others say is optional, or nothing.
WRITTEN = frozenset({"comment", "void"})


@dataclass(frozen=True, kw_only=True)
class CaseDraft:
    """One dialog. ``entry`` is the last change of the case that its writer has seen, ``duration`` what was chosen:
    seconds as text, or nothing for the end as it is.
    """

    act: str
    detail: CaseDetail
    request_id: UUID = field(default_factory=new_request_id)
    entry: int = 0
    reason: str = ""
    duration: str = ""
    durations: Sequence[tuple[int, str]] = ()
    no_duration: str | None = None
    checks: Sequence[Check] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def words(self) -> Words:
        return ACTS[self.act]

    @property
    def refused(self) -> bool:
        return any(not check.passed for check in self.checks)


def begun(detail: CaseDetail, act: str) -> CaseDraft:
    """The dialog as it opens."""
    reason = detail.row.reason if act == "amend" else ""
    return CaseDraft(act=act, detail=detail, entry=last_entry(detail.thread), reason=reason)


def completed(known: Services, viewer: GuildScope, draft: CaseDraft) -> CaseDraft:
    """Add what would stand in the way, and the lengths of time that may be chosen."""
    row = draft.detail.row
    standing = known.roster.standing(viewer.guild_id, viewer.viewer.user_id, row.target_id)
    draft = replace(draft, checks=[_check(known, viewer, draft, standing)])
    if draft.act != "amend" or row.action not in LASTING or draft.refused:
        return draft
    question = _act_on_case(known, viewer, draft, standing, {"duration_s": 1})
    standing = known.roster.around(question, standing)
    judged = [(length, case_rights.check(_lasting(question, length[0]), standing)) for length in AMENDED_LENGTHS]
    open_to_them = [length for length, refusal in judged if refusal is None]
    first = next((refusal.sentence for _, refusal in judged if refusal is not None), None)
    return replace(draft, durations=open_to_them, no_duration=None if open_to_them else first)


def refusal_of(known: Services, viewer: GuildScope, detail: CaseDetail, act: str) -> str | None:
    """Why this cannot be done with the case now; None when it can."""
    standing = known.roster.standing(viewer.guild_id, viewer.viewer.user_id, detail.row.target_id)
    check = _check(known, viewer, CaseDraft(act=act, detail=detail), standing)
    return None if check.passed else check.text


def asked(known: Services, viewer: GuildScope, draft: CaseDraft, **more: Any) -> ActionRequest:
    """The request that the dialog as it was sent stands for.

    Raises:
        Malformed: it breaks a rule, or would change nothing; the message says what to change.
    """
    row = draft.detail.row
    common: dict[str, Any] = {
        "request_id": draft.request_id,
        "guild_id": viewer.guild_id,
        "moderator_id": viewer.viewer.user_id,
        "source": Source.DASHBOARD,
        "issued_at": known.clock.now(),
    }
    if draft.act == REVERSE:
        undo = known.undoing.case(viewer.guild_id, row.case_no)
        if undo is None:
            raise Malformed(OF_REVERSAL.format(row.case_no))
        reason = draft.reason or f"Takes back case #{row.case_no}."
        return opposite(undo, reason=reason, **common, **more)
    params, reason = {"case_no": row.case_no}, draft.reason
    if draft.act == "amend":
        params, reason = _amended(draft, params)
    action, target_id = Action(draft.act), UserId(row.target_id)
    return ActionRequest(action=action, target_id=target_id, reason=reason, params=params, **common)


#: Said of a case that took another one back.
OF_REVERSAL = "Case #{} takes back another case itself. Ask anew for what it lifted."


def _amended(draft: CaseDraft, params: dict[str, int]) -> tuple[dict[str, int], str]:
    """What is new of it: an end or a reason that stays as it is is not asked for."""
    now = draft.detail.row.reason.strip()
    reason = draft.reason.strip()
    if now and not reason:
        raise Malformed("The reason can be replaced, not taken away: say what it was.")
    if draft.duration:
        params = params | {"duration_s": int(draft.duration)}
    if reason == now and not draft.duration:
        raise Malformed("The reason and the end are what they were: nothing would change.")
    return params, "" if reason == now else reason


def _check(known: Services, viewer: GuildScope, draft: CaseDraft, standing: Standing) -> Check:
    """Ask the rights as ``submit`` will."""
    row = draft.detail.row
    if draft.act == REVERSE:
        return _reversal(known, viewer, draft, standing)
    question = _act_on_case(known, viewer, draft, standing)
    refusal = case_rights.check(question, known.roster.around(question, standing))
    if refusal:
        return Check(passed=False, text=refusal.sentence)
    own = row.moderator_id == viewer.viewer.user_id
    return Check(passed=True, text="Your own case" if own else f"A case of {wording.plain(row.moderator_name)}")


def _reversal(known: Services, viewer: GuildScope, draft: CaseDraft, standing: Standing) -> Check:
    row = draft.detail.row
    undo = known.undoing.case(viewer.guild_id, row.case_no)
    why = OF_REVERSAL.format(row.case_no) if undo is None else not_reversible(undo)
    if why is not None:
        return Check(passed=False, text=why)
    question = asked(known, viewer, replace(draft, reason="-"))
    refusal = rights.check(question, known.roster.around(question, standing))
    if refusal:
        return Check(passed=False, text=refusal.sentence)
    return Check(passed=True, text=f"Asks for: {INVERSE[row.action].noun}")


def _act_on_case(
    known: Services, viewer: GuildScope, draft: CaseDraft, standing: Standing, params: Mapping[str, int] | None = None
) -> ActionRequest:
    return ActionRequest(
        request_id=new_request_id(),
        guild_id=viewer.guild_id,
        action=Action(draft.act),
        target_id=standing.target.user_id,
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason="-",
        issued_at=known.clock.now(),
        params={"case_no": draft.detail.row.case_no} | dict(params or {}),
    )


def _lasting(question: ActionRequest, duration_s: int) -> ActionRequest:
    return replace(question, params={**question.params, "duration_s": duration_s})
