"""The judge: what was promised, against what the database, the sandbox's counters and the open streams say.

Each way to break a promise is a ``Broken``. The judge looks from outside, as the owner of the database and of the
sandbox may, and says what it found in words.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

from benchmarks.chaos.control import control
from benchmarks.chaos.waiting import until
from kovra.ids import audit_ref

#: The states that nothing follows by itself.
ENDS = ("done", "failed", "rejected", "expired", "dead", "cancelled")

#: The case is the deed.
DEEDLESS = ("warn", "note")

#: Done by people in Discord itself, and written down: nothing of it is Guard's deed.
BY_OTHERS = "native"


class Broken(StrEnum):
    """What can be broken."""

    LOST = "lost"  #: promised with a 202 and not kept, or kept and never ended
    DEED_DOUBLED = "deed doubled"  #: Discord was changed twice for one request
    CASE_DOUBLED = "case doubled"  #: one request made two cases
    CASE_MISSING = "case missing"  #: a gap in the numbers, or numbers against the order of the commits
    MESSAGE_DOUBLED = "message doubled"  #: two notices, or two log posts, of one request
    EVENT_MISSING = "event missing"  #: a stream was not told what the log holds
    EVENT_DOUBLED = "event doubled"  #: a stream was told twice, or out of order
    UNACCEPTED = "unaccepted"  #: Discord was changed for something nobody accepted
    UNPROVEN = "unproven"  #: recorded as done without having been, or done and recorded as not
    UNINTENDED = "unintended"  #: Discord was changed more often than was committed beforehand


@dataclass(frozen=True)
class Finding:
    """One broken promise, in words."""

    broken: Broken
    what: str

    def __str__(self) -> str:
        return f"{self.broken}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Looks at some guilds. ``since`` is the number of each guild's last event before the test began."""

    engine: Engine
    sandbox_url: str
    since: Mapping[int, int]

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Rows of these guilds; the statement names them ``:guilds``. A database that is just away is waited for."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with self.engine.connect() as line:
                    return line.execute(text(statement), {"guilds": list(self.since), **values}).all()
            except (OperationalError, InterfaceError):
                # What is wrong with the question itself is another error, and told at once.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # between two looks

    def request(self, request_id: str) -> Any:
        """The row of one request, or None."""
        found = self.rows("SELECT * FROM action_requests WHERE request_id = :id", id=request_id)
        return found[0] if found else None

    def job(self, batch_id: str) -> Sequence[Any]:
        """The rows of one mass action."""
        return self.rows("SELECT * FROM action_requests WHERE batch_id = :id", id=batch_id)

    def requests(self) -> Sequence[Any]:
        """Every request of these guilds."""
        return self.rows("SELECT * FROM action_requests WHERE guild_id = ANY(:guilds) ORDER BY created_at")

    def unfinished(self) -> Sequence[Any]:
        """What has not reached an end, or whose case waits for its post in the log channel with others of its job."""
        open_ = (
            "SELECT * FROM action_requests WHERE guild_id = ANY(:guilds)"
            " AND (state <> ALL(:ends) OR post_status = 'waiting')"
        )
        return self.rows(open_, ends=list(ENDS))

    def findings(self, answered: Collection[str], seen: Mapping[int, Sequence[int]]) -> list[Finding]:
        """Everything that is broken, once the load has stopped and everything had its time to end.

        Args:
            answered: the requests that somebody holds a 202 for.
            seen: the numbers that a stream of each guild was told, in the order they came.
        """
        rows = self.requests()
        effects = control(self.sandbox_url, "GET", "effects")
        jobs: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            if row.batch_id is not None:
                jobs[_mark(row.batch_id)].append(row)
        named = {_mark(row.request_id): row for row in rows}
        looks: tuple[Iterable[Finding], ...] = (
            self._lost(rows, answered),
            _doubled(effects, named, jobs),
            self._cases(),
            self._streams(seen),
            _unaccepted(effects, self._marks(), self._known_elsewhere),
            _unproven([row for row in rows if row.batch_id is None and row.source != BY_OTHERS], effects),
            _unproven_jobs(jobs, effects),
        )
        return [finding for look in looks for finding in look]

    def await_streams(self, seen: Mapping[int, Sequence[int]], patience_s: float = 10.0) -> None:
        """Give the streams the time to catch up with the log."""
        wanted = self._log()
        until(lambda: all(set(wanted[guild_id]) <= set(seen[guild_id]) for guild_id in seen), patience_s)

    def _lost(self, rows: Sequence[Any], answered: Collection[str]) -> Iterator[Finding]:
        kept = {str(row.request_id) for row in rows}
        for request_id in answered:
            if request_id not in kept:
                yield Finding(Broken.LOST, f"{request_id} was answered with 202 and has no row")
        for row in rows:
            if row.state not in ENDS:
                yield Finding(Broken.LOST, f"{row.action} {row.request_id} is {whereabouts(row)}")

    def _cases(self) -> Iterator[Finding]:
        cases = self.rows(
            "SELECT guild_id, case_no, request_id FROM mod_cases WHERE guild_id = ANY(:guilds) ORDER BY case_no"
        )
        for request_id, count in Counter(case.request_id for case in cases).items():
            if count > 1:
                yield Finding(Broken.CASE_DOUBLED, f"{request_id} has {count} cases")
        numbers: dict[int, list[int]] = defaultdict(list)
        for case in cases:
            numbers[case.guild_id].append(case.case_no)
        for guild_id, found in numbers.items():
            if missing := sorted(set(range(1, max(found) + 1)) - set(found)):
                yield Finding(Broken.CASE_MISSING, f"guild {guild_id} has no case {missing[:5]} of {max(found)}")
        told = self.rows(
            "SELECT guild_id, seq, (facts->>'case_no')::bigint AS case_no FROM guild_events"
            " WHERE guild_id = ANY(:guilds) AND kind = 'case.created' ORDER BY guild_id, seq"
        )
        for earlier, later in zip(told, told[1:], strict=False):
            if later.guild_id == earlier.guild_id and later.case_no <= earlier.case_no:
                yield Finding(Broken.CASE_MISSING, f"case {later.case_no} was committed after case {earlier.case_no}")

    def _log(self) -> dict[int, list[int]]:
        kept: dict[int, list[int]] = defaultdict(list)
        for row in self.rows("SELECT guild_id, seq FROM guild_events WHERE guild_id = ANY(:guilds) ORDER BY seq"):
            if row.seq > self.since[row.guild_id]:
                kept[row.guild_id].append(row.seq)
        return kept

    def _streams(self, seen: Mapping[int, Sequence[int]]) -> Iterator[Finding]:
        wanted = self._log()
        for guild_id, heard in seen.items():
            came = list(heard)
            if missing := sorted(set(wanted[guild_id]) - set(came)):
                what = f"the stream of guild {guild_id} was not told {len(missing)}: {missing[:5]}"
                yield Finding(Broken.EVENT_MISSING, what)
            for earlier, later in zip(came, came[1:], strict=False):
                if later <= earlier:
                    yield Finding(Broken.EVENT_DOUBLED, f"the stream of guild {guild_id} told {later} after {earlier}")

    def _marks(self) -> set[str]:
        """The marks of everything asked for, read after the effects: a click that was given up may be accepted late."""
        return {_mark(each) for row in self.requests() for each in (row.request_id, row.batch_id) if each is not None}

    def _known_elsewhere(self, ref: str) -> bool:
        """Whether a mark belongs to a request of a guild we do not look at."""
        others = self.rows("SELECT request_id, batch_id FROM action_requests WHERE guild_id <> ALL(:guilds)")
        return any(ref == _mark(each) for row in others for each in row if each is not None)


def whereabouts(row: Any) -> str:
    """Where a request that reaches no end is stuck."""
    moments = {
        name: getattr(row, name) for name in ("enqueued_at", "relayed_at", "claimed_at", "claim_until", "due_at")
    }
    times = " ".join(f"{name}={moment:%H:%M:%S.%f}"[:-3] for name, moment in moments.items() if moment)
    return f"still {row.state}, attempt {row.attempts}, owner {row.claim_owner}, {times}"


def _doubled(
    effects: Mapping[str, Any], named: Mapping[str, Any], jobs: Mapping[str, Sequence[Any]]
) -> Iterator[Finding]:
    """The deeds of a bulk call carry the mark of the job: as many as it has requests are in order. A purge deletes in
    parts, each once.
    """

    def name(ref: str) -> str:
        return f"{named[ref].action} {named[ref].request_id}" if ref in named else f"[kv:{ref}]"

    for effect in effects["effects"]:
        parts = _parts(named[effect["ref"]]) if effect["ref"] in named else 1
        if effect["changed"] > max(parts, len(jobs.get(effect["ref"], ()))):
            yield Finding(Broken.DEED_DOUBLED, f"{name(effect['ref'])}: {effect['verb']} x{effect['changed']}")
    for message in effects["messages"]:
        if message["count"] > 1:
            yield Finding(Broken.MESSAGE_DOUBLED, f"{name(message['ref'])}: {message['kind']} x{message['count']}")
    for nonce, count in effects["nonces"].items():
        if count > 1:
            yield Finding(Broken.MESSAGE_DOUBLED, f"nonce {nonce} x{count}")


def _parts(row: Any) -> int:
    """In how many calls a request is done that Guard makes once each; only a purge has several."""
    return len((row.effect_before or {}).get("parts", ())) if row.action == "purge" else 1


def _unaccepted(
    effects: Mapping[str, Any], marks: Collection[str], elsewhere: Callable[[str], bool]
) -> Iterator[Finding]:
    for ref in {effect["ref"] for effect in effects["effects"]}.difference(marks):
        if not elsewhere(ref):
            yield Finding(Broken.UNACCEPTED, f"[kv:{ref}] was done and nobody asked for it")


def _unproven(rows: Sequence[Any], effects: Mapping[str, Any]) -> Iterator[Finding]:
    # Of a deed of two calls each is intended as often as the deed.
    calls: Counter[str] = Counter()
    verbs: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for effect in effects["effects"]:
        changes[effect["ref"]] += effect["changed"]
        calls[effect["ref"]] = max(calls[effect["ref"]], effect["count"])
        verbs[effect["ref"]] += 1
    for row in rows:
        if row.action in DEEDLESS:
            continue
        done, what = calls[_mark(row.request_id)], f"{row.action} {row.request_id} is {row.state}"
        if row.action == "purge":
            # Its messages were chosen beforehand: a part that is deleted again deletes nothing, and is no deed.
            done = changes[_mark(row.request_id)]
            if row.case_no is not None and done < _parts(row):
                yield Finding(Broken.UNPROVEN, f"{what} with case {row.case_no}, and {done} of {_parts(row)} parts are")
            done = min(done, 1)
        if row.case_no is not None and not done:
            yield Finding(Broken.UNPROVEN, f"{what} with case {row.case_no}, and was not done")
        if row.case_no is not None and row.action == "softban" and verbs[_mark(row.request_id)] == 1:
            yield Finding(Broken.UNPROVEN, f"{what} with case {row.case_no}, and only half of it was done")
        # An end that says that nobody could find out is no lie.
        if row.case_no is None and done and row.state in ENDS and row.failure_kind != "unconfirmed":
            yield Finding(Broken.UNPROVEN, f"{what} without a case ({row.failure_kind}), and was done")
        intended = (row.effect_before or {}).get("tries", 1) if row.effect_at else 0
        if done > intended and row.state in ENDS:
            yield Finding(Broken.UNINTENDED, f"{what}: done {done} times, intended {intended} times")


def _unproven_jobs(jobs: Mapping[str, Sequence[Any]], effects: Mapping[str, Any]) -> Iterator[Finding]:
    """What a job says it did, against what was done under its mark and, one by one, under those of its requests."""
    calls: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for effect in effects["effects"]:
        calls[effect["ref"]] += effect["count"]
        changes[effect["ref"]] += effect["changed"]
    for mark, rows in jobs.items():
        if rows[0].action in DEEDLESS:
            continue
        marks, what = {mark, *(_mark(row.request_id) for row in rows)}, f"{rows[0].action} of job {rows[0].batch_id}"
        done, recorded = sum(changes[each] for each in marks), sum(row.case_no is not None for row in rows)
        unsure = sum(row.failure_kind == "unconfirmed" or row.state not in ENDS for row in rows)
        if recorded > done:
            yield Finding(Broken.UNPROVEN, f"{what}: {recorded} have a case, and {done} were done")
        if done > recorded + unsure:
            yield Finding(Broken.UNPROVEN, f"{what}: {done} were done, and {recorded} have a case")
        called = sum(calls[each] for each in marks)
        intended = sum((row.effect_before or {}).get("tries", 1) if row.effect_at else 0 for row in rows)
        if called > intended and not unsure:
            yield Finding(Broken.UNINTENDED, f"{what}: called for {called}, intended {intended}")


def _mark(request_id: UUID) -> str:
    return audit_ref(request_id)[4:-1]
