"""Many hints of one kind become few: the first is told at once, those close behind it together."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from kovra.ids import GuildId
from kovra.live.events import Hint, HintKind

#: Between two of one kind in one guild, in seconds: at first, and at most. While they keep coming each gap is twice the
#: one before, so that 300 joins in ten seconds are told in five frames, and a busy voice channel in fifteen a minute.
GAPS_S = (1.0, 4.0)

#: Of so many different ids all are named; of more none, and whoever shows one of that kind looks again.
MOST_IDS = 100


@dataclass
class _Spell:
    """One kind of one guild, from its first hint until it has been quiet for a gap."""

    gap_s: float
    count: int = 0
    ids: dict[str, set[str]] = field(default_factory=dict)

    def add(self, facts: Mapping[str, object]) -> None:
        self.count += 1
        for name, value in facts.items():
            if name.endswith("_id"):
                known = self.ids.setdefault(name, set())
                if len(known) <= MOST_IDS:
                    known.add(str(value))

    def take(self, guild_id: GuildId, kind: HintKind) -> Hint:
        """What was gathered, as one; begins anew."""
        named = {f"{name}s": sorted(known) for name, known in self.ids.items() if len(known) <= MOST_IDS}
        told = Hint(guild_id=guild_id, kind=kind, facts={"count": self.count, **named})
        self.count, self.ids = 0, {}
        return told


class Gathering:
    """Which hints are told when. The time is handed in; whoever asks guards it against other threads."""

    def __init__(self) -> None:
        self._spells: dict[tuple[GuildId, HintKind], _Spell] = {}
        self._ends: list[tuple[float, GuildId, HintKind]] = []  # a heap; one for each spell

    @property
    def next_at(self) -> float:
        """When ``due`` has something to do next."""
        return self._ends[0][0] if self._ends else float("inf")

    def take(self, hint: Hint, now: float) -> Hint | None:
        """What is to be told at once because of this one; None when it is held back until ``due``."""
        key = hint.guild_id, hint.kind
        if (spell := self._spells.get(key)) is not None:
            spell.add(hint.facts)
            return None
        spell = self._spells[key] = _Spell(GAPS_S[0])
        heapq.heappush(self._ends, (now + spell.gap_s, *key))
        spell.add(hint.facts)
        return spell.take(*key)

    def due(self, now: float) -> list[Hint]:
        """What was held back long enough."""
        told = []
        while self.next_at <= now:
            _, *key = heapq.heappop(self._ends)
            guild_id, kind = key
            spell = self._spells[guild_id, kind]
            if not spell.count:
                del self._spells[guild_id, kind]
                continue
            told.append(spell.take(guild_id, kind))
            spell.gap_s = min(spell.gap_s * 2, GAPS_S[1])
            heapq.heappush(self._ends, (now + spell.gap_s, guild_id, kind))
        return told
