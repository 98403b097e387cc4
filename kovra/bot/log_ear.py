"""What happens on a server and is no case, heard for its log channels: who comes and goes, renames, edits and deletes.

Only in guilds that chose a channel for it. Of messages Discord tells an id when they are deleted, and no text: so the
latest are remembered here, in guilds that want to read what was edited or deleted, and nowhere else.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kovra.bot import payloads
from kovra.bot.deleters import Deleters, DeletionLog
from kovra.bot.payloads import Payload
from kovra.bot.writer import Writer
from kovra.guard.deleters import Deletion
from kovra.guard.heard import MOST_LETTERS, MOST_SWEPT, Heard
from kovra.guard.log_channels import EventClass
from kovra.ids import ChannelId, GuildId, UserId, new_request_id
from kovra.store.log_events import LogEventKeeper

#: How many messages are remembered, over all guilds; and how old what is known of the settings may be, in seconds.
MOST_REMEMBERED, LOOK_AGAIN_S = 10_000, 2.0

_MESSAGES = frozenset({EventClass.EDITS, EventClass.DELETIONS})
_OF_MEMBERS = frozenset({EventClass.NAMES, EventClass.ROLES})


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A message as it was last seen. ``theirs``: a member wrote it; what bots write is not told of."""

    user_id: UserId
    name: str
    theirs: bool
    text: str = ""
    files: tuple[str, ...] = ()


class LogEar:
    """Hears what is to be posted. Belongs to the gateway's loop; hears each event before the mirror does."""

    def __init__(
        self,
        keeper: LogEventKeeper,
        writer: Writer,
        reader: DeletionLog,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keeper, self._writer, self._monotonic = keeper, writer, monotonic
        # Queued behind the deletions themselves.
        self._deleters = Deleters(
            reader, lambda guild_id, found: writer.put(lambda: keeper.credit(guild_id, found)), monotonic
        )
        #: What each guild wants; the writer's thread puts a new one here.
        self._wanted: dict[GuildId, frozenset[EventClass]] = {}
        self._looked_at = float("-inf")
        self._written: OrderedDict[int, _Written] = OrderedDict()
        self._in_voice: dict[tuple[GuildId, UserId], str] = {}
        self._readers: dict[str, Callable[[GuildId, Payload], None]] = {
            "GUILD_MEMBER_ADD": self._joined,
            "GUILD_MEMBER_REMOVE": self._left,
            "GUILD_MEMBER_UPDATE": self._changed,
            "MESSAGE_CREATE": self._wrote,
            "MESSAGE_UPDATE": self._edited,
            "MESSAGE_DELETE": self._deleted,
            "MESSAGE_DELETE_BULK": self._swept,
            "GUILD_AUDIT_LOG_ENTRY_CREATE": self._logged,
            "VOICE_STATE_UPDATE": self._moved,
        }

    def tap(self, name: str, data: Payload) -> None:
        """See one event of the gateway."""
        if name == "GUILD_CREATE":
            self._look()
            for state in data.get("voice_states") or ():
                self._in_voice[GuildId(int(data["id"])), UserId(int(state["user_id"]))] = state["channel_id"]
        elif (reader := self._readers.get(name)) is not None and data.get("guild_id"):
            self._look()
            reader(GuildId(int(data["guild_id"])), data)

    def ask_again(self) -> None:
        """See what is wanted now; who wants it no more has nothing remembered for it."""
        self._look()
        if not any(_MESSAGES & wanted for wanted in self._wanted.values()):
            self._written.clear()

    def close(self) -> None:
        """What was heard is with the writer. Who deleted it is not asked for any more."""
        self._deleters.close()

    def _look(self) -> None:
        if self._monotonic() >= self._looked_at + LOOK_AGAIN_S:
            self._looked_at = self._monotonic()

            def read() -> None:
                self._wanted = self._keeper.wanted()

            self._writer.put(read)

    def _wants(self, guild_id: GuildId, classes: Set[EventClass]) -> frozenset[EventClass]:
        """Which of these classes a guild wants."""
        return self._wanted.get(guild_id, frozenset()) & classes

    # Members

    def _joined(self, guild_id: GuildId, data: Payload) -> None:
        user = data["user"]
        # Who leaves from here on left what begins now: that is read when it has been written down.
        self._writer.part(("log left", guild_id))
        facts = {"bot": True} if user.get("bot") else {}
        self._keep(guild_id, EventClass.JOINS, user_id=UserId(int(user["id"])), user_name=_name(data), facts=facts)

    def _left(self, guild_id: GuildId, data: Payload) -> None:
        if self._wants(guild_id, {EventClass.LEAVES}):
            user_id = UserId(int(data["user"]["id"]))
            one = _heard(guild_id, EventClass.LEAVES, user_id=user_id, user_name=_name(data))
            self._writer.put_with(("log left", guild_id), one, lambda some: self._keeper.left(guild_id, some))

    def _changed(self, guild_id: GuildId, data: Payload) -> None:
        if wanted := self._wants(guild_id, _OF_MEMBERS):
            row, at = payloads.member_row(data), datetime.now(UTC)
            # In its place in the line: the mirror, which stands behind it, still has what was before.
            self._writer.put(lambda: self._keeper.changed(guild_id, row, at, wanted))

    # Messages

    def _wrote(self, guild_id: GuildId, data: Payload) -> None:
        if self._wants(guild_id, _MESSAGES):
            self._remember(int(data["id"]), _written(data))

    def _edited(self, guild_id: GuildId, data: Payload) -> None:
        # A preview of a link that Discord adds is an update too; only an edit has its time.
        if not self._wants(guild_id, _MESSAGES) or not data.get("author"):
            return
        before, now = self._written.get(int(data["id"])), _written(data)
        self._remember(int(data["id"]), now)
        if not now.theirs or not data.get("edited_timestamp") or (before and before.text == now.text):
            return
        facts = {"message_id": data["id"], "before": before.text if before else None, "after": now.text}
        self._keep(
            guild_id, EventClass.EDITS, user_id=now.user_id, user_name=now.name, channel=data["channel_id"], facts=facts
        )

    def _deleted(self, guild_id: GuildId, data: Payload) -> None:
        known = self._written.pop(int(data["id"]), None)
        if known is not None and not known.theirs:
            return
        facts: dict[str, Any] = {"message_id": data["id"]}
        author: dict[str, Any] = {}
        if known is not None:
            facts |= {"text": known.text, "files": list(known.files)}
            author = {"user_id": known.user_id, "user_name": known.name}
        self._keep_deletion(guild_id, data, facts, **author)

    def _swept(self, guild_id: GuildId, data: Payload) -> None:
        known = [one for each in data["ids"] if (one := self._written.pop(int(each), None)) and one.theirs]
        texts = [[one.name, one.text or ", ".join(one.files)] for one in known[:MOST_SWEPT]]
        # One of them is enough to know again what Guard swept itself.
        facts = {"count": len(data["ids"]), "texts": texts, "message_id": data["ids"][0]}
        self._keep_deletion(guild_id, data, facts, swept=len(data["ids"]))

    def _keep_deletion(
        self, guild_id: GuildId, data: Payload, facts: dict[str, Any], swept: int | None = None, **author: Any
    ) -> None:
        kept = self._keep(guild_id, EventClass.DELETIONS, channel=data["channel_id"], facts=facts, **author)
        if kept is not None and kept.channel_id is not None:
            self._deleters.deleted(
                guild_id,
                Deletion(event_id=kept.event_id, channel_id=kept.channel_id, author_id=kept.user_id, swept=swept),
            )

    def _logged(self, guild_id: GuildId, data: Payload) -> None:
        if self._wants(guild_id, {EventClass.DELETIONS}):
            self._deleters.logged(guild_id, data)

    def _remember(self, message_id: int, written: _Written) -> None:
        self._written[message_id] = written
        self._written.move_to_end(message_id)
        if len(self._written) > MOST_REMEMBERED:
            self._written.popitem(last=False)

    # Voice

    def _moved(self, guild_id: GuildId, data: Payload) -> None:
        who, now = (guild_id, UserId(int(data["user_id"]))), data.get("channel_id")
        before = self._in_voice.pop(who, None)
        if now is not None:
            self._in_voice[who] = now
        # Muting oneself is a state too.
        if before != now and data.get("member"):
            name = _name(data["member"])
            facts = {"from": before, "to": now}
            self._keep(guild_id, EventClass.VOICE, user_id=who[1], user_name=name, facts=facts)

    # Around it

    def _keep(self, guild_id: GuildId, event_class: EventClass, **facts: Any) -> Heard | None:
        if not self._wants(guild_id, {event_class}):
            return None
        one = _heard(guild_id, event_class, **facts)
        self._writer.put_with(("log", guild_id), one, lambda some: self._keeper.keep(guild_id, some))
        return one


def _heard(guild_id: GuildId, event_class: EventClass, *, channel: str | None = None, **more: Any) -> Heard:
    return Heard(
        event_id=new_request_id(),
        guild_id=guild_id,
        event_class=event_class,
        at=datetime.now(UTC),
        channel_id=ChannelId(int(channel)) if channel else None,
        **more,
    )


def _written(data: Payload) -> _Written:
    author = data["author"]
    member = data.get("member") or {}
    return _Written(
        user_id=UserId(int(author["id"])),
        name=member.get("nick") or author.get("global_name") or author["username"],
        theirs=not author.get("bot") and not data.get("webhook_id"),
        text=data.get("content", "")[:MOST_LETTERS],
        files=tuple(one["filename"][:100] for one in data.get("attachments") or ())[:10],
    )


def _name(member: Payload) -> str:
    user = member["user"]
    return member.get("nick") or user.get("global_name") or user["username"]
