"""How cases read in the log channel: one embed each, up to ten in a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kovra.actions.request import TO_SERVER, Action
from kovra.guard.case import UNTOLD, Case, NoticeStatus
from kovra.guard.endings import RENEWED
from kovra.guard.native import NOBODY
from kovra.guard.notice_texts import cut, plain
from kovra.guard.ports import Message
from kovra.ids import audit_ref

#: Discord takes ten embeds in a message, and 6,000 characters in all of them (API reference, Create Message).
MOST_CASES, MOST_TEXT = 10, 6000

#: What is left of each reason: as much as all of them have room for. Of the last, ten of the longest cases fit.
_REASONS = (1000, 400, 200, 100, 40)
_MOST_CHANNELS, _FEW_CHANNELS = 10, 3

_COLOURS = {
    Action.BAN: 0xD9534F,
    Action.KICK: 0xE0873E,
    Action.MUTE: 0x8E6BD8,
    Action.WARN: 0xD9B13B,
    Action.NOTE: 0x7A8699,
    Action.UNBAN: 0x3FA66B,
    Action.UNMUTE: 0x3FA66B,
    Action.SOFTBAN: 0xD9534F,
    Action.ROLE_ADD: 0x4A90D9,
    Action.ROLE_REMOVE: 0x4A90D9,
    Action.QUARANTINE: 0x8E6BD8,
    Action.UNQUARANTINE: 0x3FA66B,
    Action.PRUNE: 0xE0873E,
    Action.BLOCK: 0x7A8699,
    Action.PURGE: 0xE0873E,
    Action.LOCK: 0xD9B13B,
    Action.UNLOCK: 0x3FA66B,
    Action.SLOWMODE: 0xD9B13B,
    Action.SLOWMODE_OFF: 0x3FA66B,
    Action.LOCKDOWN: 0xD9534F,
    Action.LOCKDOWN_OFF: 0x3FA66B,
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A case as it is shown now: what became of its notice, and by which case it was taken back."""

    case: Case
    notice: NoticeStatus | None = None
    reversed_by: int | None = None


def post_of(cases: Sequence[Shown], base_url: str) -> Message:
    """The message that shows these cases, ten at most; ``base_url`` is the dashboard's, for their links."""
    for most in _REASONS:
        channels = _MOST_CHANNELS if len(cases) == 1 else _FEW_CHANNELS
        embeds = tuple(_embed(one, base_url, most, channels) for one in cases)
        if sum(map(text_in, embeds)) <= MOST_TEXT:
            break
    return Message(embeds=embeds)


def text_in(embed: Mapping[str, Any]) -> int:
    """The characters of an embed that count towards the sum."""
    fields = sum(len(one["name"]) + len(one["value"]) for one in embed["fields"])
    return len(embed["title"]) + len(embed["description"]) + len(embed["footer"]["text"]) + fields


def _embed(shown: Shown, base_url: str, most_reason: int, most_channels: int) -> dict[str, Any]:
    """Its footer carries the mark by which a lost post is found again."""
    case = shown.case
    fields = [
        *_whom(case, most_channels),
        _field("Moderator", _who(case)),
        _field("Source", case.source.value),
    ]
    if case.ends_at:
        fields.append(_field("Until", f"<t:{int(case.ends_at.timestamp())}:f>"))
    if case.role_id:
        fields.append(_field("Role", f"<@&{case.role_id}>"))
    if case.for_case:
        fields.append(_field("Carries on" if case.action in RENEWED else "Ends", f"#{case.for_case}"))
    if shown.notice in UNTOLD:
        fields.append(_field("DM", f"{shown.notice.value.replace('_', ' ')}: the member was not told"))
    if case.reverses:
        fields.append(_field("Reverses", f"#{case.reverses}"))
    if shown.reversed_by:
        fields.append(_field("Reversed by", f"#{shown.reversed_by}"))
    if case.voided:
        fields.append(_field("Void", "This case does not count any more."))
    return {
        "title": f"Case #{case.case_no} · {case.action.noun.capitalize()} · {cut(plain(case.target_name), 80)}",
        "url": f"{base_url}/g/{case.guild_id}/cases?case={case.case_no}",
        "description": cut(case.reason, most_reason) or "No reason given",
        "color": _COLOURS[case.action],
        "fields": fields,
        "footer": {"text": audit_ref(case.request_id)},
        "timestamp": case.created_at.isoformat(),
    }


def _whom(case: Case, most_channels: int) -> list[dict[str, Any]]:
    """The member or the channel of a case; a lockdown has neither."""
    if case.action in TO_SERVER:
        return []
    if case.of_place:
        found = [_field("Channel", f"<#{case.target_id}>")]
    else:
        named = f"<@{case.target_id}>\n`{case.target_id}`"
        # A prune names nobody.
        value = plain(case.target_name) if case.action is Action.PRUNE else named
        found = [_field("Member", value)]
    if case.result and "message" in case.result:
        found += [_field("Message", "deleted" if case.result["message"] == "deleted" else "could not be deleted")]
    if case.result and "deleted" in case.result:
        where = " ".join(f"<#{channel_id}>" for channel_id in case.result["channels"][:most_channels])
        found += [_field("Deleted", f"{case.result['deleted']} messages in {where}")]
    return found


def _who(case: Case) -> str:
    """Whom a case is credited to; Discord names nobody for its own AutoMod, nor for a bulk ban."""
    return plain(case.moderator_name) if case.moderator_id == NOBODY else f"<@{case.moderator_id}>"


def _field(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "inline": True}
