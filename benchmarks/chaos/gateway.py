"""The gateway breaks in every way there is, while people moderate by hand in Discord, and come and go.

Connections dropped, asked to reconnect, sessions invalidated, resumable and not; cuts that outlast the time in which a
session may be resumed, with the next connections refused; the bot killed; in the long form a gateway that falls silent.
All that Discord still tells is known in the end: each deed by hand is one case (``cases_missing``, ``cases_doubled``),
the mirror of members and bans is Discord's own (``mirror_wrong``), and whoever was muted, left and came back is muted
again, at most once for each time (``free_again``, ``muted_twice``). Kovra's own load goes on meanwhile, and the judge
looks at it as ever.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from benchmarks.chaos.load import Crowd
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import must, until
from benchmarks.measure import Report, say

#: Seconds of trouble, deeds by hand a second, Kovra's own actions a second, and deeds by hand between two troubles.
LONG_S, QUICK_S, RATE, LOAD, BETWEEN = 600.0, 10.0, 4.0, 1, 4

#: How long everything may take to be known after the last trouble, in seconds.
PATIENCE_S = 90.0

_HOUR_S = 3600


def main(quick: bool, json: bool, seconds: float | None = None) -> int:
    """Run and print; 1 when a promise was broken."""
    lasts_s = seconds or (QUICK_S if quick else LONG_S)
    return perform(
        "chaos gateway",
        lambda rig, report: gateway(rig, report, lasts_s),
        quick=quick,
        json=json,
        guilds=2,
        members=int(3 * RATE * lasts_s) + 60,
        banned=12,
    )


def gateway(rig: Rig, report: Report, lasts_s: float = QUICK_S) -> None:
    """Trouble after trouble, each while the hands go on."""
    hands = Hands(rig, rig.crowds[0])
    troubles = Counter[str]()
    with rig.reviving(), rig.load(rate=LOAD, seed=5), hands:
        ends_at = time.monotonic() + lasts_s
        for name, trouble in itertools.cycle(_troubles(rig, report.quick).items()):
            if time.monotonic() > ends_at and (not report.quick or len(troubles) == len(_troubles(rig, True))):
                break
            say(name)
            trouble()
            troubles[name] += 1
            seen = hands.done.total()
            must(lambda seen=seen: hands.done.total() >= seen + BETWEEN, "deeds by hand between two troubles")
    rig.settle(report, PATIENCE_S)
    report.add("troubles", sum(troubles.values()))
    report.add("by_hand", hands.done.total())
    until(lambda: not any(hands.wrongs().values()), PATIENCE_S)
    for key, count in hands.wrongs().items():
        report.add(key, count)
    report.figures["violations"] += sum(hands.wrongs().values())


def _troubles(rig: Rig, quick: bool) -> dict[str, Callable[[], Any]]:
    def on_gateway(**what: Any) -> Callable[[], Any]:
        return lambda: rig.discord("POST", "gateway", what)

    def cut() -> None:
        # Nobody comes back at once: what happens meanwhile is told to no session.
        on_gateway(do="refuse", codes=[4000, 4000])()
        on_gateway(do="cut")()

    troubles = {
        "dropped": on_gateway(do="drop", code=4000),
        "cut for longer than a session lasts": cut,
        "asked to reconnect": on_gateway(do="reconnect"),
        "invalid, resumable": on_gateway(do="invalidate", resumable=True),
        "invalid": on_gateway(do="invalidate"),
        "the bot dies": lambda: rig.kill("bot"),
    }
    # Pycord takes a minute to give up a silent connection.
    return troubles if quick else troubles | {"silent": on_gateway(do="silence")}


class Hands:
    """People who moderate in Discord itself, and members who come and go, while the block runs."""

    def __init__(self, rig: Rig, crowd: Crowd) -> None:
        self._rig, self._crowd = rig, crowd
        #: What was done by hand, by action and target; each is to be one case.
        self.done: Counter[tuple[str, int]] = Counter()
        self._joins: Counter[int] = Counter()
        self._muted = [self._crowd.members.popleft() for _ in range(6)]
        #: What came of troubles before these, in the same guilds.
        self._muted_before = self._muted_again()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hands", daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> Hands:
        for user_id in self._muted:
            self._do("timeouts", "mute", user_id, seconds=_HOUR_S)
        until(lambda: not self._missing(), PATIENCE_S)  # who leaves before the mute is known leaves it behind
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def wrongs(self) -> dict[str, int]:
        """What is not as it should be, as it stands now."""
        rows = self._rig.judge.rows(
            "SELECT action, target_id, count(*) AS cases FROM mod_cases"
            " WHERE guild_id = ANY(:guilds) AND source = 'native' GROUP BY action, target_id"
        )
        # The rig, too, bans by hand before it begins.
        ours = {target_id for _, target_id in self.done}
        kept = Counter({(row.action, row.target_id): row.cases for row in rows if row.target_id in ours})
        again = self._muted_again()
        return {
            "cases_missing": (self.done - kept).total(),
            "cases_doubled": (kept - self.done).total(),
            "mirror_wrong": self._mirror_wrong(),
            "free_again": len(set(self._muted) - self._timed_out()),
            "muted_twice": (again - self._muted_before - self._joins).total(),
        }

    def _missing(self) -> int:
        return self.wrongs()["cases_missing"]

    def _run(self) -> None:
        try:
            deeds = itertools.cycle(self._deeds())
            while not self._ended.wait(1 / RATE):
                next(deeds)()
        except BaseException as error:
            self._error = error

    def _deeds(self) -> Iterator[Callable[[], None]]:
        banned: list[int] = []
        quitters = itertools.cycle(self._muted)

        def ban() -> None:
            banned.append(self._fresh())
            self._do("bans", "ban", banned[-1])

        def unban() -> None:
            self._do("unbans", "unban", banned.pop(0))

        def kick() -> None:
            kicked = self._fresh()
            self._do("kicks", "kick", kicked)
            # The rig brings back at once whoever is kicked, and an earlier scenario may have left them muted.
            self._joins[kicked] += 1

        def come_back() -> None:
            user_id = next(quitters)
            self._ask("leave", user_id)
            self._ask("join", user_id)
            self._joins[user_id] += 1

        return iter(
            [
                ban,
                kick,
                come_back,
                unban,
                lambda: self._do("timeouts", "mute", self._fresh(), seconds=_HOUR_S),
                lambda: self._ask("leave", self._fresh()),
            ]
        )

    def _fresh(self) -> int:
        return self._crowd.members.popleft()

    def _do(self, path: str, action: str, user_id: int, **facts: Any) -> None:
        self._ask(path, user_id, **facts)
        self.done[action, user_id] += 1

    def _ask(self, path: str, user_id: int, **facts: Any) -> None:
        body = {"guild_id": str(self._crowd.guild_id), "user_id": str(user_id), **facts}
        self._rig.discord("POST", path, body)

    def _muted_again(self) -> Counter[int]:
        """How often Guard has muted anybody who came back."""
        rows = self._rig.judge.rows(
            "SELECT target_id, count(*) AS cases FROM mod_cases WHERE guild_id = ANY(:guilds) AND source = 'system'"
            " AND action = 'mute' GROUP BY target_id"
        )
        return Counter({row.target_id: row.cases for row in rows})

    def _timed_out(self) -> set[int]:
        members = self._rig.discord("GET", f"guilds/{self._crowd.guild_id}/members")
        untils = {int(each["user"]["id"]): each.get("communication_disabled_until") for each in members}
        now = datetime.now(UTC)
        return {user_id for user_id, moment in untils.items() if moment and datetime.fromisoformat(moment) > now}

    def _mirror_wrong(self) -> int:
        """Members and bans that the mirror and Discord do not agree on."""
        path = f"guilds/{self._crowd.guild_id}"
        wrong = 0
        for table, known in (("members", "gone_at IS NULL"), ("bans", "true")):
            told = {int(each["user"]["id"]) for each in self._rig.discord("GET", f"{path}/{table}")}
            rows = self._rig.judge.rows(
                f"SELECT user_id FROM {table} WHERE guild_id = :guild AND {known}", guild=self._crowd.guild_id
            )
            wrong += len(told ^ {row.user_id for row in rows})
        return wrong
