"""What happens on a server and is no case, as it is posted: who comes and goes, what is renamed, edited and deleted.

It is posted where a channel was chosen for its class. The words of members in it are shown as text: no markup of theirs
means anything, nothing in it is a link, and nobody is pinged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kovra.actions.request import Action
from kovra.guard.case_post import MOST_TEXT, text_in
from kovra.guard.log_channels import EventClass
from kovra.guard.notice_texts import cut, plain
from kovra.guard.ports import Message
from kovra.ids import ChannelId, GuildId, UserId, audit_ref, snowflake_ms

#: What was heard in a moment shares a message, ten at most; and so long it is waited for more.
MOST_HEARD, GATHERED = 10, timedelta(seconds=2)

#: Of one server no more than this waits to be posted. What comes beyond is counted, and the count is posted.
MOST_WAITING = 500

#: Of a message that somebody wrote no more is kept or posted, and of a sweep the texts of so many messages.
MOST_LETTERS, MOST_SWEPT = 1000, 10

#: By cases of these a member is removed. A prune names nobody.
REMOVES = frozenset({Action.BAN, Action.SOFTBAN, Action.KICK})

#: What is left of each text: as much as all of them have room for. Of the last, ten of the longest fit.
_TEXTS = (MOST_LETTERS, 400, 200, 90, 40)

_GREEN, _GREY, _BLUE, _YELLOW, _RED = 0x3FA66B, 0x7A8699, 0x4A90D9, 0xD9B13B, 0xD9534F
_COLOURS = {
    EventClass.JOINS: _GREEN,
    EventClass.LEAVES: _GREY,
    EventClass.NAMES: _BLUE,
    EventClass.ROLES: _BLUE,
    EventClass.EDITS: _YELLOW,
    EventClass.DELETIONS: _RED,
    EventClass.VOICE: _GREY,
}
_NAMES = {"username": "User name", "global_name": "Display name", "nick": "Nickname"}
#: How many roles of one change are named; a server has 250 at most.
_MOST_ROLES = 15
#: How many who may have deleted a message are named.
_MOST_NAMED = 3
_MISSED = {
    EventClass.JOINS: "joined",
    EventClass.LEAVES: "left",
    EventClass.NAMES: "changed names",
    EventClass.ROLES: "changed roles",
    EventClass.EDITS: "edited messages",
    EventClass.DELETIONS: "deleted messages",
    EventClass.VOICE: "moves between voice channels",
}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One thing that happened. ``facts`` are those of its class; ``case_no`` is the case by which somebody left, or
    by which Guard deleted."""

    event_id: UUID
    guild_id: GuildId
    event_class: EventClass
    at: datetime
    user_id: UserId | None = None
    user_name: str = ""
    channel_id: ChannelId | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    case_no: int | None = None


def heard_post(heard: Sequence[Heard], post_id: UUID) -> Message:
    """The message that shows these, ten at most. Its first footer carries the mark by which it is found again."""
    for most in _TEXTS:
        embeds = tuple(_embed(one, most, audit_ref(post_id)) for one in heard)
        if sum(map(text_in, embeds)) <= MOST_TEXT:
            break
    return Message(embeds=embeds)


def quoted(text: str, most: int = MOST_LETTERS) -> str:
    """What somebody wrote, as text: no markup, no mention, no link, and no longer than this."""
    shown = plain(text).replace("<", "\\<").replace("://", "\\://").replace("@", "@\u200b")
    # At the start of a line these would be a heading, a list or small print.
    return cut(re.sub(r"(?m)^(\s*)(#|-|\d+\.)", r"\1\\\2", shown), most)


def _embed(heard: Heard, most: int, mark: str) -> dict[str, Any]:
    title, fields = _missed(heard) if "missed" in heard.facts else _SAID[heard.event_class](heard, most)
    return {
        "title": cut(title, 120),
        "description": "",
        "color": _COLOURS[heard.event_class],
        "fields": fields,
        "footer": {"text": mark},
        "timestamp": heard.at.isoformat(),
    }


def _missed(heard: Heard) -> tuple[str, list[dict[str, Any]]]:
    many = f"{heard.facts['missed']:,} more of a kind: {_MISSED[heard.event_class]}"
    return many, [_field("Not posted one by one", "Too many at once for this channel.")]


def _joined(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    made = _since(snowflake_ms(heard.user_id or 0) // 1000)
    kind = "Bot added" if heard.facts.get("bot") else "Joined"
    return f"{kind} · {_name(heard)}", [_member(heard), _field("Account made", made)]


def _left(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    fields = [_member(heard)]
    if joined_at := heard.facts.get("joined_at"):
        fields.append(_field("Joined", _since(int(datetime.fromisoformat(joined_at).timestamp()))))
    if heard.case_no is None:
        return f"Left · {_name(heard)}", fields
    return f"Removed · {_name(heard)}", [*fields, _field("Case", f"#{heard.case_no}")]


def _renamed(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    changed = [
        _field(_NAMES[kind], f"{_or_none(before)} → {_or_none(after)}")
        for kind, (before, after) in heard.facts["changed"].items()
    ]
    return f"Name changed · {_name(heard)}", [_member(heard), *changed]


def _roles(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    many = max(1, min(most // 25, _MOST_ROLES))
    changed = [
        _field(label, " ".join(f"<@&{role_id}>" for role_id in ids[:many]) + ("…" if ids[many:] else ""))
        for label, ids in (("Given", heard.facts["given"]), ("Taken", heard.facts["taken"]))
        if ids
    ]
    return f"Roles changed · {_name(heard)}", [_member(heard), *changed]


def _edited(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    where = f"https://discord.com/channels/{heard.guild_id}/{heard.channel_id}/{heard.facts['message_id']}"
    fields = [_member(heard), _field("Channel", f"<#{heard.channel_id}>\n[Message]({where})")]
    before = heard.facts["before"]
    fields += [
        _field("Before", "Not known: written before Guard listened." if before is None else _text(before, most)),
        _field("After", _text(heard.facts["after"], most)),
    ]
    return f"Message edited · {_name(heard)}", fields


def _deleted(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    fields = [_field("Channel", f"<#{heard.channel_id}>"), _field("Deleted by", _deleter(heard))]
    if "count" in heard.facts:
        share = max(most // MOST_SWEPT, 10)
        known = "\n".join(f"{quoted(name, 32)}: {quoted(text, share)}" for name, text in heard.facts["texts"])
        texts = [_field("Of these", cut(known, MOST_LETTERS))] if known else []
        return f"{heard.facts['count']:,} messages deleted", [*fields, *texts]
    fields.append(_field("Written", _since(snowflake_ms(int(heard.facts["message_id"])) // 1000)))
    if heard.user_id is None:
        return "Message deleted", [*fields, _field("Text", "Not known: written before Guard listened.")]
    fields = [_member(heard), *fields, _field("Text", _text(heard.facts["text"], most))]
    if files := heard.facts.get("files"):
        fields.append(_field("Attachments", quoted(", ".join(files), 200)))
    return f"Message deleted · {_name(heard)}", fields


def _deleter(heard: Heard) -> str:
    """Who deleted it, as far as the record and Discord's audit log prove it."""
    facts = heard.facts
    if asked_by := facts.get("asked_by"):
        return f"<@{asked_by}> through Guard" + (f", case #{heard.case_no}" if heard.case_no is not None else "")
    people = " or ".join(f"<@{one}>" for one in facts.get("by", ())[:_MOST_NAMED])
    if not people:
        # Neither stands in Discord's audit log.
        return (
            "Not told by Discord: a ban, or a bot" if "count" in facts else "Not told by Discord: its author, or a bot"
        )
    return people if facts["certain"] else f"Probably {people}"


def _voice(heard: Heard, most: int) -> tuple[str, list[dict[str, Any]]]:
    before, after = heard.facts.get("from"), heard.facts.get("to")
    said = "left" if after is None else "entered" if before is None else "changed"
    way = " → ".join(f"<#{channel_id}>" for channel_id in (before, after) if channel_id)
    return f"Voice channel {said} · {_name(heard)}", [_member(heard), _field("Channel", way)]


_SAID = {
    EventClass.JOINS: _joined,
    EventClass.LEAVES: _left,
    EventClass.NAMES: _renamed,
    EventClass.ROLES: _roles,
    EventClass.EDITS: _edited,
    EventClass.DELETIONS: _deleted,
    EventClass.VOICE: _voice,
}


def _name(heard: Heard) -> str:
    return cut(plain(heard.user_name), 80)


def _member(heard: Heard) -> dict[str, Any]:
    return _field("Member", f"<@{heard.user_id}>\n`{heard.user_id}`")


def _or_none(name: str | None) -> str:
    return quoted(name, 80) if name else "none"


def _text(text: str, most: int) -> str:
    return quoted(text, most) or "No text"


def _since(seconds: int) -> str:
    return f"<t:{seconds}:f> (<t:{seconds}:R>)"


def _field(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "inline": True}
