"""The protocol as a machine that Hypothesis plays with: whatever happens in whatever order, the promises hold.

The rules, the store and PostgreSQL are the real ones; the lane is a list that may be emptied, doubled and written to by
anyone, and Discord counts. ``pytest tests/chaos/test_protocol.py --hypothesis-profile=long`` plays 500 games of 50
moves. A game that breaks a promise is printed as a program: it becomes a test of its own below.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from benchmarks.chaos.bare import AUDIT_KEY, GUARD, WEB, Bare, CountingDiscord, Without, carry
from kovra.actions.envelope import Key, Sealed
from kovra.actions.request import Action, State
from kovra.crash import EXECUTOR
from kovra.errors import Conflict
from kovra.ids import audit_ref
from kovra.launcher.postgres import SUPERUSER
from kovra.store.backlog import Backlog
from kovra.store.cancelling import Cancelling
from kovra.store.database import sqlalchemy_url
from kovra.store.expiry import Expiry
from kovra.store.guilds import Guilds
from kovra.store.migrate import upgrade

#: What every run plays; a longer game is for the profile.
SHORT = settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ACTIONS = (Action.BAN, Action.KICK, Action.UNBAN, Action.WARN, Action.NOTE)


PICK = st.integers(0, 2)


class SetClock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class Protocol(RuleBasedStateMachine):
    """One guild, two moderators, three members, one lane, and two keys."""

    bare: ClassVar[Bare]
    clock: ClassVar[SetClock]
    wishes = Bundle("wishes")

    def __init__(self) -> None:
        super().__init__()
        bare = self.bare
        bare.guild_id = bare.another_guild()
        self.members = [bare.member() for _ in range(3)]
        self.moderators = [bare.moderator() for _ in range(2)]
        self.discord = CountingDiscord()
        self.seen: Any = self.discord
        self.lane: list[tuple[bytes, str, str]] = []
        self.keys = [WEB, Key(kid="web2", ring="web", secret=b"2" * 32)]
        self.revoked: set[str] = set()
        self.ends: dict[str, str] = {}
        #: What nobody had begun when its key was revoked. What had been begun may still turn out to have been done.
        self.untouched: set[str] = set()

    # -- who asks -----------------------------------------------------------------------------------------------------

    @rule(target=wishes, action=st.sampled_from(ACTIONS), who=PICK, by=st.integers(0, 1), lost=st.booleans())
    def submit(self, action: Action, who: int, by: int, lost: bool) -> Sealed:
        wish = self.bare.wish(action, target_id=self.members[who], moderator_id=self.moderators[by])
        sealed = self.bare.seal(wish, self.keys[0])
        receipt = self.bare.requests().accept(sealed, None)
        if receipt.accepted and not lost:
            self.lane.append(entry(sealed))
        return sealed

    @rule(sealed=wishes)
    def duplicate(self, sealed: Sealed) -> None:
        receipt = self.bare.requests().accept(sealed, None)

        assert receipt.replay
        assert receipt.state.value == self.bare.state(sealed.request)

    @rule(sealed=wishes)
    def use_its_id_for_something_else(self, sealed: Sealed) -> None:
        other = dataclasses.replace(sealed.request, reason="something else")

        with pytest.raises(Conflict):
            self.bare.requests().accept(self.bare.seal(other), None)

    @rule(sealed=wishes)
    def cancel(self, sealed: Sealed) -> None:
        scope = Guilds(self.bare.web).scope(sealed.request.moderator_id, self.bare.guild_id)
        assert scope is not None
        ended = Cancelling(self.bare.web, AUDIT_KEY).cancel(scope, sealed.request.request_id)

        assert ended is not None
        assert (ended.sentence is None) == (self.bare.state(sealed.request) == "cancelled")

    # -- who works ----------------------------------------------------------------------------------------------------

    @rule()
    def work(self) -> None:
        if self.lane:
            self._execute(self.lane.pop(0))

    @rule(point=st.sampled_from(EXECUTOR))
    def die(self, point: str) -> None:
        """The entry stays on the lane, as one in a dead consumer's hands does."""
        if self.lane:
            self._execute(self.lane[0], dies_at=point)

    @rule()
    def relay(self) -> None:
        for row in Backlog(self.bare.worker).overdue():
            if row.guild_id == self.bare.guild_id:
                self.lane.append((bytes(row.body), row.kid, row.sig))

    @rule()
    def expire(self) -> None:
        Expiry(self.bare.worker, AUDIT_KEY).expire()

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    @rule()
    def flush(self) -> None:
        self.lane.clear()

    @rule(sealed=wishes, often=st.integers(1, 3))
    def replay(self, sealed: Sealed, often: int) -> None:
        self.lane[:0] = [entry(sealed)] * often

    @rule(sealed=wishes, how=st.sampled_from(["sig", "kid", "body", "target", "unaccepted"]))
    def forge(self, sealed: Sealed, how: str) -> None:
        request = sealed.request
        if how == "target":
            other = self.members[(self.members.index(request.target_id) + 1) % 3]
            sealed = self.bare.seal(dataclasses.replace(request, target_id=other), self.keys[0])
        if how == "unaccepted":
            sealed = self.bare.seal(self.bare.wish(target_id=request.target_id), self.keys[0])
        body, kid, sig = entry(sealed)
        changes = {"sig": (body, kid, "0" * 64), "kid": (body, "web9", sig), "body": (body + b" ", kid, sig)}
        self.lane.insert(0, changes.get(how, (body, kid, sig)))

    @rule(seconds=st.sampled_from([1, 5, 40, 600, 3700]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at += timedelta(seconds=seconds)

    @rule()
    def rotate(self) -> None:
        self.keys.reverse()

    @rule()
    def revoke(self) -> None:
        """The key that does not sign, at most one in a game."""
        if not self.revoked:
            leaked = self.keys[1]
            self.revoked.add(leaked.kid)
            self.untouched = {
                str(row.request_id) for row in self._rows() if row.kid == leaked.kid and row.effect_at is None
            } - {str(row.request_id) for row in self._rows() if row.case_no is not None}
            self.keys = [self.keys[0], dataclasses.replace(leaked, revoked=True)]

    # -- what must always be true -------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        rows = self._rows()
        refs = {audit_ref(row.request_id).strip(): row for row in rows}
        for mark, count in self.discord.marks.items():
            assert mark in refs, "something was done that nobody asked for"
            assert count == 1, f"{refs[mark].action} was done {count} times"
            state = refs[mark].state
            assert state not in ("cancelled", "expired"), f"done, and {state}"
        for row in rows:
            request_id = str(row.request_id)
            if request_id in self.ends:
                assert row.state == self.ends[request_id], "an end was changed"
            if State(row.state).terminal:
                self.ends[request_id] = row.state
            if request_id in self.untouched:
                assert audit_ref(row.request_id).strip() not in self.discord.marks, "done under a revoked key"
        numbers = sorted(row.case_no for row in rows if row.case_no is not None)
        assert numbers == list(range(1, len(numbers) + 1)), f"cases {numbers}"

    def teardown(self) -> None:
        """Calm: everything that was accepted reaches an end, in an order of events without a gap."""
        for _ in range(40):
            if all(State(row.state).terminal for row in self._rows()):
                break
            self.clock.at += timedelta(seconds=10)
            self.relay()
            while self.lane:
                self._execute(self.lane.pop(0))
            self.promises_hold()
        stuck = [(row.action, row.state) for row in self._rows() if not State(row.state).terminal]
        assert stuck == []
        self._events_are_whole()

    def _execute(self, brought: tuple[bytes, str, str], dies_at: str = "") -> None:
        body, kid, sig = brought
        keys = {key.kid: key for key in (*self.keys, GUARD)}
        execute = self.bare.worker_of(self.seen, keys=keys, dies_at=dies_at)
        carry(execute, self.bare.guild_id, body, kid, sig)

    def _rows(self) -> list[Any]:
        with self.bare.worker.transaction(self.bare.guild_id) as session:
            return list(session.execute(text("SELECT * FROM action_requests WHERE guild_id = kovra_guild()")))

    def _events_are_whole(self) -> None:
        with self.bare.worker.transaction(self.bare.guild_id) as session:
            told = session.execute(
                text("SELECT seq, kind, request_id FROM guild_events WHERE guild_id = kovra_guild() ORDER BY seq")
            ).all()
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        ends = Counter(event.request_id for event in told if event.kind in ENDS)
        assert set(ends.values()) <= {1}
        assert set(ends) == {row.request_id for row in self._rows()}


ENDS = {f"action.{end}" for end in ("done", "failed", "rejected", "cancelled", "expired")}


def entry(sealed: Sealed) -> tuple[bytes, str, str]:
    return sealed.body, sealed.kid, sealed.sig


@pytest.fixture(scope="module")
def machine(new_database, postgres_server):
    """The machine, on a database of its own."""
    url, clock = new_database(), SetClock()
    upgrade(url)
    bare = Bare(url, postgres_server.url_of(str(sqlalchemy_url(url).database), SUPERUSER), clock)
    yield type("Protocol", (Protocol,), {"bare": bare, "clock": clock})
    bare.close()


def test_the_promises_hold_in_whatever_order_things_happen(machine, pytestconfig):
    chosen = pytestconfig.getoption("--hypothesis-profile", None)

    run_state_machine_as_test(machine, settings=settings.get_profile(chosen) if chosen else SHORT)


def test_the_game_is_lost_when_nobody_looks_before_doing_it_again(machine):
    """The machine sees what it is there to see."""
    game = machine()
    game.seen = Without(game.discord, fetch_ban=lambda *_: None, noted=lambda *_: False)
    game.submit(Action.BAN, 0, 0, lost=False)
    game.die("after_effect_call")
    game.work()

    with pytest.raises(AssertionError, match="ban was done 2 times"):
        game.promises_hold()
