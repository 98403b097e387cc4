"""A chunk brings names; what may run is decided request by request. And what a bulk ban's answers mean."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from kovra.actions import envelope
from kovra.actions.capabilities import Person
from kovra.actions.job import Chunk, Job, JobState, seal_chunk
from kovra.actions.request import Action, Source
from kovra.actions.rights import Standing
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached, EnvelopeRefused, Unavailable
from kovra.guard.bulk import BulkBan, fits
from kovra.guard.chunk import ExecuteChunk
from kovra.guard.claim import Claim
from kovra.guard.job_ports import Entry, Work
from kovra.ids import UserId, audit_ref, new_request_id
from tests.guard.cast import EVERY, GUILD, KEY, MODERATOR, NOON

#: Until when what was just intended is surely ours.
OURS_UNTIL = 30.0


def a_job(count=12, action=Action.BAN, **changes):
    facts = {"guild_id": GUILD, "moderator_id": MODERATOR, "source": Source.DASHBOARD, "reason": "raid"}
    facts |= {"issued_at": NOON, "batch_id": new_request_id()}
    return Job(action=action, targets=tuple(UserId(1_000 + n) for n in range(count)), **(facts | changes))


def entries(job, begun=False):
    found = []
    for request in job.requests():
        kept = envelope.seal(request, KEY, NOON + timedelta(hours=24))
        one = Entry(request_id=request.request_id, body=kept.body, kid=kept.kid, sig=kept.sig, begun=begun)
        found.append(one)
    return tuple(found)


@dataclass
class Record:
    """The ledger, the roster and Discord of one chunk. ``story`` is what happened, ``answers`` what Discord says."""

    job: Job
    answers: list = field(default_factory=list)
    bans: dict = field(default_factory=dict)
    strangers: set = field(default_factory=set)
    guard_bits: int = EVERY
    decided: JobState = JobState.RUNNING
    begun: bool = False
    revoked: bool = False
    lost: set = field(default_factory=set)
    story: list = field(default_factory=list)

    def claim_all(self, verified):
        facts = {"epoch": 1, "attempt": 1, "state": "executing", "accepted_at": NOON, "now": NOON}
        more = {"effect_at": NOON, "effect_before": {"bulk": True, "tries": 1}} if self.begun else {}
        until = NOON + timedelta(hours=24)
        return [Claim(request=one.request, expires_at=until, revoked=self.revoked, **facts, **more) for one in verified]

    def state(self, chunk):
        return self.decided

    def intend_all(self, claims, tries):
        self.story.append(("intend", len(claims), tries))
        return [claim for claim in claims if claim.request.target_id not in self.lost], OURS_UNTIL

    def settle(self, claims, standings):
        self.story.append(("settle", len(claims)))

    def give_back_all(self, claims, *, delay_s, intent_stays=False):
        if claims:
            self.story.append(("give_back", len(claims), delay_s, intent_stays))

    def go_singly(self, chunk):
        self.story.append(("singly",))

    def fail(self, claim, failure):
        self.story.append(("fail", failure.kind.value))

    def reject(self, claim, refusal):
        self.story.append(("reject", refusal.kind.value))

    def standings(self, guild_id, moderator_id, target_ids):
        guard = Person(user_id=UserId(2), name="Guard", member=True, permissions=self.guard_bits, rank=9, bot=True)
        moderator = Person(user_id=MODERATOR, name="odalys", member=True, permissions=EVERY, rank=5)

        def of(target_id):
            target = Person(user_id=target_id, name="raider", member=target_id not in self.strangers, rank=1)
            facts = {"guild_id": GUILD, "owner_id": UserId(1), "guard": guard, "moderator": moderator}
            return Standing(target=target, **facts)

        return {target_id: of(target_id) for target_id in target_ids}

    @contextmanager
    def leaving_before(self, moment):
        self.leave_before = moment
        try:
            yield
        finally:
            self.leave_before = None

    def bulk_ban(self, guild_id, user_ids, *, delete_window_s, reason):
        assert self.leave_before == OURS_UNTIL
        answer = self.answers.pop(0) if self.answers else None
        self.story.append(("ban", len(user_ids)))
        if isinstance(answer, Exception):
            raise answer
        done = [user_id for user_id in user_ids if user_id not in self.bans]
        self.bans |= dict.fromkeys(done, reason)
        if answer == "lost":
            raise DiscordUnknown("reset")
        return frozenset(done)

    def bans_among(self, guild_id, user_ids):
        return {user_id: self.bans[user_id] for user_id in user_ids if user_id in self.bans}

    def noted_targets(self, guild_id, action, mark):
        return frozenset()


def run(record):
    waits = []
    bulk = BulkBan(ledger=record, single=record, roster=record, discord=record, wait=waits.append)
    chunk = Chunk(guild_id=GUILD, batch_id=record.job.batch_id, number=0)
    keys = {"w1": KEY}
    opened = [envelope.open_envelope(e.body, e.kid, e.sig, keys=keys, lane=GUILD) for e in entries(record.job)]
    bulk(chunk, opened)
    return record.story, waits


def test_the_intent_is_kept_before_the_call_and_each_is_settled():
    story, _ = run(Record(a_job(30)))

    assert story == [("intend", 30, 1), ("ban", 30), ("settle", 25), ("settle", 5)]


def test_claims_that_cannot_be_written_on_are_let_go():
    class Away(Record):
        def settle(self, claims, standings):
            raise Unavailable("the database does not answer")

        def leave(self, claim):
            self.story.append(("leave",))

    record = Away(a_job(12))

    with pytest.raises(Unavailable):
        run(record)

    assert record.story == [("intend", 12, 1), ("ban", 12), *[("leave",)] * 12]


def test_who_lost_a_claim_is_left_out_of_the_call():
    story, _ = run(Record(a_job(12), lost={UserId(1_000), UserId(1_001)}))

    assert story == [("intend", 12, 1), ("ban", 10), ("settle", 10)]


def test_a_lost_answer_is_looked_up_and_nobody_is_banned_again():
    story, _ = run(Record(a_job(12), answers=["lost"]))

    assert story == [("intend", 12, 1), ("ban", 12), ("settle", 12)]


def test_a_call_that_never_arrived_is_made_once_more():
    story, _ = run(Record(a_job(12), answers=[DiscordUnknown("time is up")]))

    assert story == [("intend", 12, 1), ("ban", 12), ("intend", 12, 2), ("ban", 12), ("settle", 12)]


def test_a_call_that_fails_twice_is_left_to_single_ones():
    story, _ = run(Record(a_job(12), answers=[DiscordUnknown("x"), DiscordUnknown("x")]))

    assert story[-2:] == [("give_back", 12, 0, False), ("singly",)]


def test_what_an_earlier_worker_began_is_looked_up_first():
    job = a_job(12)
    ours = f"odalys: raid {audit_ref(job.batch_id)}"

    story, _ = run(Record(job, begun=True, bans=dict.fromkeys(job.targets[:7], ours)))

    assert story == [("settle", 7), ("intend", 5, 2), ("ban", 5), ("settle", 5)]


def test_another_ban_is_not_taken_for_ours():
    job = a_job(12)

    story, _ = run(Record(job, bans={job.targets[0]: "by hand"}))

    assert story == [("intend", 12, 1), ("ban", 12), ("settle", 11), ("fail", "already_banned")]


@pytest.mark.parametrize("error", [DiscordRefused(400, 500000, "nobody"), DiscordRefused(403, 50013, "no")])
def test_a_refusal_of_all_is_tried_one_by_one(error):
    story, _ = run(Record(a_job(12), answers=[error]))

    assert story[2:] == [("give_back", 12, 0, False), ("singly",)]


def test_too_many_strangers_wait_and_members_do_not():
    job = a_job(12)
    error = DiscordRefused(400, 30035, "too many")

    story, _ = run(Record(job, answers=[error], strangers=set(job.targets[:4])))

    assert story[2:] == [("give_back", 4, 60.0, False), ("intend", 8, 1), ("ban", 8), ("settle", 8)]


def test_a_place_in_the_line_is_waited_for():
    story, waits = run(Record(a_job(12), answers=[DiscordLimited(4.5)]))

    assert waits == [4.5]
    assert story[-2:] == [("ban", 12), ("settle", 12)]


@pytest.mark.parametrize(
    ("error", "delay_s"), [(DiscordLimited(60.0), 60.0), (DiscordUnreached("refused"), 5.0)], ids=["limited", "away"]
)
def test_a_long_wait_is_given_back(error, delay_s):
    story, waits = run(Record(a_job(12), answers=[error]))

    assert (story[-1], waits) == (("give_back", 12, delay_s, False), [])


@pytest.mark.parametrize("decided", [JobState.PAUSED, JobState.CANCELLED])
def test_a_job_that_was_stopped_makes_no_call(decided):
    story, _ = run(Record(a_job(12), decided=decided))

    assert story == [("give_back", 12, 0, False)]


def test_without_manage_server_guard_bans_one_by_one():
    from kovra.actions.capabilities import Permission

    story, _ = run(Record(a_job(12), guard_bits=Permission.BAN_MEMBERS.value))

    assert story == [("give_back", 12, 0, False), ("singly",)]


def test_what_a_revoked_key_signed_does_not_begin():
    story, _ = run(Record(a_job(12), revoked=True))

    assert story == [("reject", "key_revoked")] * 12


class TestFits:
    def work(self, job, **changes):
        facts = {"state": JobState.RUNNING, "action": job.action, "singly": False, "entries": entries(job)}
        return Work(**(facts | changes))

    def test_many_bans_alike_go_in_one_call(self):
        job = a_job(10)

        assert fits(self.work(job), job.requests())

    @pytest.mark.parametrize(
        "job",
        [a_job(9), a_job(10, Action.KICK), a_job(10, params={"notice": 1}), a_job(10, params={"duration_s": 60})],
        ids=["few", "kick", "told", "for a time"],
    )
    def test_others_go_one_by_one(self, job):
        assert not fits(self.work(job), job.requests())

    def test_what_discord_would_not_take_at_once_goes_one_by_one(self):
        job = a_job(10)

        assert not fits(self.work(job, singly=True), job.requests())

    def test_what_was_begun_in_bulk_goes_on_so_however_few(self):
        job = a_job(2)

        assert fits(self.work(job, entries=entries(job, begun=True)), job.requests())


@dataclass
class Bench:
    """What an executor of chunks is made of, with one chunk of kicks in the record."""

    work: Work
    executed: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    disowned: list = field(default_factory=list)

    def open(self, chunk, body):
        return self.work

    def state(self, chunk):
        return JobState.RUNNING

    def disown(self, entry, guild_id):
        self.disowned.append(entry.request_id)

    def refuse(self, *, lane, body, cause, request=None):
        self.refused.append(cause)

    def execute(self, *, lane, body, kid, sig):
        self.executed.append(body)

    def ring(self, guild_id):
        pass

    def carry(self, job, **how):
        sealed = seal_chunk(Chunk(guild_id=GUILD, batch_id=job.batch_id, number=0), KEY)
        parts = {"ledger": self, "execute": self.execute, "bulk": None, "quarantine": self}
        execute = ExecuteChunk(bulletin=self, keys={"w1": KEY}, **parts, **how)
        execute(lane=GUILD, body=sealed.body, kid=sealed.kid, sig=sealed.sig)


def kicks(job, *changed):
    return Bench(Work(state=JobState.RUNNING, action=Action.KICK, singly=False, entries=changed or entries(job)))


def test_each_request_of_a_chunk_is_executed_with_its_own_seal():
    job = a_job(3, Action.KICK)
    bench = kicks(job)

    bench.carry(job)

    assert bench.executed == [entry.body for entry in entries(job)]


def test_a_request_whose_seal_does_not_hold_is_ended_and_the_others_go_on():
    job = a_job(3, Action.KICK)
    first, *others = entries(job)
    bench = kicks(job, replace(first, sig="0" * 64), *others)

    bench.carry(job)

    assert (bench.refused, bench.disowned) == (["signature"], [first.request_id])
    assert bench.executed == [entry.body for entry in others]


def test_a_request_of_another_job_does_not_run_in_this_one():
    job, other = a_job(1, Action.KICK), a_job(1, Action.KICK)
    bench = kicks(job, *entries(other))

    bench.carry(job)

    assert (bench.refused, bench.executed) == (["row_differs"], [])


def test_a_stop_is_heard_between_two_targets():
    job, left = a_job(5, Action.KICK), iter([False, False, True])
    bench = kicks(job)

    bench.carry(job, stopping=lambda: next(left))

    assert len(bench.executed) == 2


def test_a_worker_gives_its_thread_to_others_after_a_while():
    job, seconds = a_job(5, Action.KICK), iter([0.0, 1.0, 9.0, 11.0])
    bench = kicks(job)

    bench.carry(job, monotonic=lambda: next(seconds))

    assert len(bench.executed) == 2


def test_a_forged_entry_opens_nothing():
    job = a_job(2, Action.KICK)
    bench = kicks(job)
    execute = ExecuteChunk(
        ledger=bench, execute=bench.execute, bulk=None, quarantine=bench, bulletin=bench, keys={"w1": KEY}
    )

    with pytest.raises(EnvelopeRefused):
        execute(lane=GUILD, body=b"{}", kid="w1", sig="0" * 64)

    assert (bench.refused, bench.executed) == (["signature"], [])
