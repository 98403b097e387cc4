"""Where things are posted: each class of cases in a channel of its own, the common one, or none.

What only happens on the server (who comes and goes, what is edited) has classes too; it is posted where a channel was
chosen for it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kovra.actions.request import Action, Source
from kovra.guard.case import Case
from kovra.ids import ChannelId


class EventClass(StrEnum):
    """What something is to those who read along: a case, or something that happened on the server."""

    ACTIONS = "actions"
    """What moderators do through Kovra, wherever they asked for it."""
    NOTES = "notes"
    """Notes of the staff."""
    NATIVE = "native"
    """What is done by hand in Discord itself."""
    AUTOMOD = "automod"
    """What AutoMod and anti-nuke do, and Discord's own AutoMod."""
    ENDS = "ends"
    """What ends or goes on by itself."""

    JOINS = "joins"
    """Who came."""
    LEAVES = "leaves"
    """Who left, or was removed."""
    NAMES = "names"
    """User names, display names and nicknames that changed."""
    ROLES = "roles"
    """Roles that members got and lost."""
    EDITS = "edits"
    """Messages that their authors changed."""
    DELETIONS = "deletions"
    """Messages that were deleted, by whomever."""
    VOICE = "voice"
    """Who enters, changes and leaves voice channels."""


#: The classes of what happens on the server and is no case.
HEARD = frozenset(
    {
        *(EventClass.JOINS, EventClass.LEAVES, EventClass.NAMES, EventClass.ROLES),
        *(EventClass.EDITS, EventClass.DELETIONS, EventClass.VOICE),
    }
)
#: The classes of cases.
OF_CASES = frozenset(EventClass) - HEARD


@dataclass(frozen=True, kw_only=True)
class LogChannels:
    """The channels of a guild. ``by_class`` names only what differs; None there: not posted at all.

    ``common`` is that of cases; None while the guild has no such channel.
    """

    common: ChannelId | None
    by_class: Mapping[EventClass, ChannelId | None] = field(default_factory=dict)

    def of(self, event_class: EventClass) -> ChannelId | None:
        """Where this class is posted; None: nowhere."""
        return self.by_class.get(event_class, self.common if event_class in OF_CASES else None)

    def lost(self, event_class: EventClass) -> bool:
        """Whether this class is wanted where there is no channel now: somebody may make one again."""
        return event_class in OF_CASES and event_class not in self.by_class and self.common is None

    def of_case(self, case: Case) -> ChannelId | None:
        """Where this case is posted; None: nowhere."""
        return self.of(class_of(case.action, case.source))


def class_of(action: Action, source: Source) -> EventClass:
    """The class of a case."""
    if source in (Source.AUTOMOD, Source.ANTINUKE) or action is Action.BLOCK:
        return EventClass.AUTOMOD
    if source is Source.SYSTEM:
        return EventClass.ENDS
    if source is Source.NATIVE:
        return EventClass.NATIVE
    return EventClass.NOTES if action is Action.NOTE else EventClass.ACTIONS
