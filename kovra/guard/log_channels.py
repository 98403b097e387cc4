"""Where a case is posted: each class of cases has a channel of its own, the common one, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kovra.actions.request import Action, Source
from kovra.guard.case import Case
from kovra.ids import ChannelId


class EventClass(StrEnum):
    """What a case is to those who read along."""

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


@dataclass(frozen=True, kw_only=True)
class LogChannels:
    """The channels of a guild. ``by_class`` names only what differs; None there: not posted at all."""

    common: ChannelId | None
    by_class: Mapping[EventClass, ChannelId | None] = field(default_factory=dict)

    def of(self, event_class: EventClass) -> ChannelId | None:
        """Where this class is posted; None: nowhere."""
        return self.by_class.get(event_class, self.common)

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
