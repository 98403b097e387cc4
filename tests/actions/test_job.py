"""A mass action as a value: its requests, its order, its chunks, and the seal of a chunk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions import envelope, rights
from kovra.actions.already import Held
from kovra.actions.capabilities import Capability, Limit, Permission, Person
from kovra.actions.envelope import Key, mac
from kovra.actions.job import Chunk, Job, JobReceipt, JobState, chunks, decide, open_chunk, seal_chunk
from kovra.actions.request import Action, RefusalKind, Source
from kovra.actions.rights import Standing
from kovra.actions.submit_job import SubmitJob
from kovra.errors import EnvelopeRefused, Malformed
from kovra.ids import GuildId, UserId, new_request_id

GUILD = GuildId(110_000_000_000_000_001)
MODERATOR = UserId(120_000_000_000_000_002)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
KEY = Key(kid="w1", ring="web", secret=b"w" * 32)
MASS = Permission.BAN_MEMBERS.value | Permission.MANAGE_GUILD.value


def a_job(*targets, **changes):
    facts = {
        "batch_id": new_request_id(),
        "guild_id": GUILD,
        "action": Action.BAN,
        "targets": tuple(map(UserId, targets or (1, 2, 3))),
        "moderator_id": MODERATOR,
        "source": Source.DASHBOARD,
        "reason": "raid",
        "issued_at": NOON,
    }
    return Job(**(facts | changes))


def standing_of(target_id, permissions=MASS, member=True, grants=None, rank=1):
    return Standing(
        guild_id=GUILD,
        owner_id=UserId(99),
        guard=Person(user_id=UserId(98), name="Guard", member=True, permissions=MASS, rank=9, bot=True),
        moderator=Person(user_id=MODERATOR, name="odalys", member=True, permissions=permissions, rank=5),
        target=Person(user_id=target_id, name=f"raider {target_id}", member=member, rank=rank),
        grants=grants or {},
    )


def everyone(job, **how):
    return {target_id: standing_of(target_id, **how) for target_id in job.targets}


def test_each_target_has_a_request_whose_id_never_changes():
    job = a_job(1, 2, 3)

    again = replace(job, issued_at=NOON + timedelta(minutes=5)).requests()

    assert [request.request_id for request in again] == [request.request_id for request in job.requests()]
    assert len({request.request_id for request in again}) == 3
    assert {request.batch_id for request in again} == {job.batch_id}


def test_another_job_has_other_ids():
    assert a_job(1).requests()[0].request_id != a_job(1).requests()[0].request_id


@pytest.mark.parametrize("count", [0, 501])
def test_a_mass_action_has_1_to_500_targets(count):
    with pytest.raises(Malformed):
        a_job(targets=tuple(range(1, count + 1)))


def test_a_job_that_no_single_request_could_be_is_malformed():
    with pytest.raises(Malformed, match="reason"):
        a_job(action=Action.WARN, reason=" ")


def test_members_come_before_strangers_and_keep_their_order():
    job = a_job(1, 2, 3, 4)
    standings = {target_id: standing_of(target_id, member=target_id % 2 == 0) for target_id in job.targets}

    assert [request.target_id for request, _ in decide(job, standings)] == [2, 4, 1, 3]


def test_who_is_named_twice_is_acted_on_once():
    job = a_job(1, 2, 1)

    refusals = [refusal and refusal.kind for _, refusal in decide(job, everyone(job))]

    assert refusals == [None, None, RefusalKind.DUPLICATE]


def test_rights_are_checked_for_each_target():
    job = a_job(1, 2)
    standings = {1: standing_of(1), 2: standing_of(2, rank=7)}

    assert [refusal and refusal.kind for _, refusal in decide(job, standings)] == [None, RefusalKind.OUTRANKED]


def test_a_mass_action_takes_its_own_capability():
    job = a_job(1)

    [(_, refusal)] = decide(job, everyone(job, permissions=Permission.BAN_MEMBERS.value))

    assert refusal.kind is RefusalKind.NO_CAPABILITY
    assert "“mass”, which comes with Ban Members and Manage Server" in refusal.sentence


def test_the_capability_is_checked_again_when_its_turn_comes():
    request = a_job(1).requests()[0]

    assert rights.check(request, standing_of(1)) is None
    assert rights.check(request, standing_of(1, permissions=Permission.BAN_MEMBERS.value)) is not None


def test_a_release_takes_approve_and_not_mass():
    request = a_job(1, releases=(new_request_id(),)).requests()[0]
    only_mass = {Capability.MASS: Limit()}

    refusal = rights.check(request, standing_of(1, permissions=Permission.BAN_MEMBERS.value, grants=only_mass))

    assert "“approve”" in refusal.sentence
    assert rights.check(request, standing_of(1)) is None


def test_a_granted_capability_may_bound_the_batch():
    job = a_job(1, 2, 3)
    bound = {"permissions": Permission.BAN_MEMBERS.value, "grants": {Capability.MASS: Limit(largest_batch=2)}}

    kinds = {refusal and refusal.kind for _, refusal in decide(job, everyone(job, **bound))}

    assert kinds == {RefusalKind.CAPABILITY_LIMIT}
    assert {refusal for _, refusal in decide(a_job(1, 2), everyone(a_job(1, 2), **bound))} == {None}


def test_a_job_tells_nobody_unless_asked():
    assert not a_job(1).requests()[0].tells
    assert a_job(1, params={"notice": 1}).requests()[0].tells


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (200, [200]), (201, [200, 1]), (500, [200, 200, 100])])
def test_a_chunk_has_at_most_200(count, sizes):
    assert [len(chunk) for chunk in chunks(range(count))] == sizes


def test_the_batch_is_under_the_seal_of_each_request():
    request = a_job(1, releases=(new_request_id(),)).requests()[0]
    sealed = envelope.seal(request, KEY, NOON)

    opened = envelope.open_envelope(sealed.body, "w1", sealed.sig, keys={"w1": KEY}, lane=GUILD).request

    assert (opened.batch_id, opened.releases) == (request.batch_id, request.releases)
    changed = sealed.body.replace(str(request.batch_id).encode(), str(new_request_id()).encode())
    with pytest.raises(EnvelopeRefused, match="signature"):
        envelope.open_envelope(changed, "w1", sealed.sig, keys={"w1": KEY}, lane=GUILD)


class TestChunk:
    CHUNK = Chunk(guild_id=GUILD, batch_id=new_request_id(), number=2)

    def open(self, sealed, **changes):
        entry = {"body": sealed.body, "kid": sealed.kid, "sig": sealed.sig, "lane": GUILD} | changes
        return open_chunk(entry.pop("body"), entry.pop("kid"), entry.pop("sig"), keys={"w1": KEY}, **entry)

    def test_a_sealed_chunk_opens(self):
        assert self.open(seal_chunk(self.CHUNK, KEY)) == self.CHUNK

    def test_a_request_is_no_chunk(self):
        """One key signs both; what was signed as the one is never taken for the other."""
        request = envelope.seal(a_job(1).requests()[0], KEY, NOON)

        with pytest.raises(EnvelopeRefused, match="signature"):
            self.open(request)

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            ({"body": b"x" * 30_000}, "size"),
            ({"kid": "w2"}, "key"),
            ({"sig": "0" * 64}, "signature"),
            ({"lane": GuildId(1)}, "lane"),
        ],
    )
    def test_a_forged_chunk_is_refused(self, change, cause):
        with pytest.raises(EnvelopeRefused, match=cause):
            self.open(seal_chunk(self.CHUNK, KEY), **change)

    @pytest.mark.parametrize("change", [(b'"chunk":2', b'"chunk":3'), (b'"chunk":2', b'"chunk": 2')])
    def test_an_altered_chunk_is_refused(self, change):
        sealed = seal_chunk(self.CHUNK, KEY)

        with pytest.raises(EnvelopeRefused, match="signature"):
            self.open(sealed, body=sealed.body.replace(*change))

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"batch_id":"x","chunk":2,"guild_id":"1","v":1}'])
    def test_signed_nonsense_is_refused(self, body):
        with pytest.raises(EnvelopeRefused, match="form"):
            open_chunk(body, "w1", mac(b"kovra.chunk.v1\0", KEY, body), keys={"w1": KEY}, lane=GUILD)

    def test_a_signature_made_for_a_request_is_none_for_a_chunk(self):
        sealed = seal_chunk(self.CHUNK, KEY)

        with pytest.raises(EnvelopeRefused, match="signature"):
            self.open(sealed, sig=mac(b"kovra.action.v1\0", KEY, sealed.body))


class Door:
    """What a job passes: a roster in which two of five are banned, and a record that keeps what it was asked."""

    def __init__(self, held):
        self.held, self.kept, self.looked_at = held, [], []

    def standings(self, guild_id, moderator_id, target_ids):
        return {target_id: standing_of(target_id, member=target_id == 1) for target_id in target_ids}

    def held_among(self, guild_id, target_ids):
        self.looked_at += target_ids
        return {target_id: self.held.get(target_id, Held(banned=False, muted=False)) for target_id in target_ids}

    def accept(self, job, asked, sealed_chunks):
        self.kept = [(sealed.request.target_id, refusal and refusal.kind) for sealed, refusal in asked]
        return JobReceipt(batch_id=job.batch_id, guild_id=job.guild_id, state=JobState.RUNNING, receipts=())

    def now(self):
        return NOON

    def ring(self, guild_id):
        pass


def ask(door, job):
    SubmitJob(roster=door, jobs=door, outbox=door, bulletin=door, clock=door, signing_key=KEY)(job)
    return door.kept


def test_whom_a_job_would_change_nothing_for_is_refused_however_few_it_names():
    ends = Held(banned=True, muted=False, ban_ends_at=NOON)
    door = Door({2: Held(banned=True, muted=False), 3: Held(banned=None, muted=None), 4: ends})

    kept = ask(door, a_job(1, 2, 3, 4, 5))

    assert kept == [(1, None), (2, RefusalKind.ALREADY), (3, None), (4, None), (5, None)]
    assert door.looked_at == [2, 3, 4, 5], "a member is not banned"


def test_what_rights_refuse_is_told_before_what_is_so_already():
    door = Door({2: Held(banned=True, muted=False)})

    kept = ask(door, a_job(2, 2))

    assert kept == [(2, RefusalKind.ALREADY), (2, RefusalKind.DUPLICATE)]
