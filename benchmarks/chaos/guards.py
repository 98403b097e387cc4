"""The guards of the protocol, each with a trap that it alone keeps shut.

A trap is set twice: with the guard, when nothing may come of it, and without, when something must. One more guard is
one more function with ``@guard``: it takes the bare Kovra and whether the guard stands, and says what was broken.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

import kovra.store.requests as store_requests
from benchmarks.chaos.bare import WEB, Bare, CountingDiscord, Without, run, swapped
from benchmarks.chaos.forgeries import sign
from kovra.actions import envelope
from kovra.actions.request import Action, Source
from kovra.errors import ClaimLost, Conflict, EnvelopeRefused
from kovra.guard.claim import NotClaimed
from kovra.guard.outcome import Failure, FailureKind
from kovra.queue.locks import Offer
from kovra.queue.relay import Relay
from kovra.store.backlog import Backlog
from kovra.store.database import sqlalchemy_url
from kovra.store.roster import Roster


@dataclass(frozen=True)
class Guard:
    """One guard. ``trap(bare, stands)`` says what was broken; nothing when it holds."""

    name: str
    trap: Callable[[Bare, bool], Iterator[str]]


GUARDS: list[Guard] = []


def guard(trap: Callable[[Bare, bool], Iterator[str]]) -> Callable[[Bare, bool], Iterator[str]]:
    """Add a guard under the name of its function."""
    GUARDS.append(Guard(trap.__name__, trap))
    return trap


@guard
def relay(bare: Bare, stands: bool) -> Iterator[str]:
    """Redis lost the entry: only the relay brings the request back."""
    wish, lane = bare.wish(), []
    bare.accept(wish)
    outbox = Without(
        None, answers=lambda: True, offer_each=lambda some, again: lane.extend(some) or [Offer.ENQUEUED] * len(some)
    )
    backlog = Backlog(bare.worker, patience=timedelta())
    if not stands:
        backlog = Without(backlog, overdue=lambda limit, but: [])  # type: ignore[assignment]
    no_jobs: Any = Without(None, overdue=list)
    Relay(backlog=backlog, jobs=no_jobs, outbox=outbox).tick()  # type: ignore[arg-type]
    if str(wish.request_id) not in {message.message_id for message in lane}:
        yield "an accepted request is on no lane"


@guard
def nonce(bare: Bare, stands: bool) -> Iterator[str]:
    """A worker dies right after the DM left: the next one sends it again, with the same nonce."""
    discord = CountingDiscord()
    forgetful = Without(discord, send=lambda where, what, nonce: discord.send(where, what, nonce=""))
    seen: Any = discord if stands else forgetful
    wish = bare.wish()
    sealed = bare.accept(wish)
    run(bare.worker_of(seen, dies_at="after_notice_post"), sealed)
    run(bare.worker_of(seen), sealed)
    if discord.sent[str(wish.target_id)] != 1:
        yield f"{discord.sent[str(wish.target_id)]} DMs for one ban"


@guard
def probe(bare: Bare, stands: bool) -> Iterator[str]:
    """A worker dies right after the ban: the next one looks before it bans again."""
    discord = CountingDiscord()
    blind = Without(discord, fetch_ban=lambda *_: None, noted=lambda *_: False)
    seen: Any = discord if stands else blind
    wish = bare.wish()
    sealed = bare.accept(wish)
    run(bare.worker_of(seen, dies_at="after_effect_call"), sealed)
    run(bare.worker_of(seen), sealed)
    if discord.deeds["ban", wish.target_id] != 1:
        yield f"banned {discord.deeds['ban', wish.target_id]} times"


@guard
def intent(bare: Bare, stands: bool) -> Iterator[str]:
    """The same, where nobody had written down that the ban was about to be done."""
    discord, ledger = CountingDiscord(), bare.ledger()
    if not stands:
        ledger = Without(ledger, intend_effect=lambda claim, before: math.inf)  # type: ignore[assignment]
    wish = bare.wish()
    sealed = bare.accept(wish)
    run(bare.worker_of(discord, ledger=ledger, dies_at="after_effect_call"), sealed)
    run(bare.worker_of(discord), sealed)
    if discord.deeds["ban", wish.target_id] != 1:
        yield f"banned {discord.deeds['ban', wish.target_id]} times"


@guard
def joined_at_fence(bare: Bare, stands: bool) -> Iterator[str]:
    """Somebody leaves and comes back between two tries of a kick: the old wish is not about their second stay."""
    discord, wish, ledger = CountingDiscord(), bare.wish(Action.KICK), bare.ledger()
    back = datetime.now(UTC)

    def with_a_fresh_fence(claim: Any, before: Any) -> float:
        return ledger.intend_effect(claim, {"joined_at": back.isoformat(), "tries": 1})

    kept = ledger if stands else Without(ledger, intend_effect=with_a_fresh_fence)
    sealed = bare.accept(wish)
    run(bare.worker_of(discord, ledger=kept, dies_at="after_effect_intent"), sealed)
    discord.joined[wish.target_id] = back
    run(bare.worker_of(discord), sealed)
    if discord.deeds["kick", wish.target_id]:
        yield "kicked somebody who had come back"


@guard
def epoch(bare: Bare, stands: bool) -> Iterator[str]:
    """A worker that stood still wakes up after another took over: it writes nothing more."""
    wish = bare.wish()
    sealed = bare.accept(wish)
    opened = envelope.open_envelope(sealed.body, sealed.kid, sealed.sig, keys={WEB.kid: WEB}, lane=wish.guild_id)
    slow, quick = bare.ledger(claim_s=0), bare.ledger()
    old, new = slow.claim(opened), quick.claim(opened)
    assert not isinstance(old, NotClaimed)
    assert not isinstance(new, NotClaimed)
    claim = old if stands else dataclasses.replace(old, epoch=new.epoch)
    with suppress(ClaimLost):
        slow.fail(claim, Failure(kind=FailureKind.FORBIDDEN, sentence="too late", code=0))
    if bare.state(wish) != "executing":
        yield "a worker that had lost its claim ended the request"


@guard
def leaving_in_time(bare: Bare, stands: bool) -> Iterator[str]:
    """A worker stands still between intent and call; another kicks, they come back, and the first one wakes up."""
    discord, wish, slow = CountingDiscord(), bare.wish(Action.KICK), bare.ledger(claim_s=0)
    sealed = bare.accept(wish)

    def for_ever(claim: Any, before: Any) -> float:
        slow.intend_effect(claim, before)
        return math.inf

    def meanwhile(point: str) -> None:
        if point == "after_effect_intent":
            run(bare.worker_of(discord), sealed)
            discord.gone.discard(wish.target_id)

    ledger: Any = slow if stands else Without(slow, intend_effect=for_ever)
    run(bare.worker_of(discord, ledger=ledger, meets=meanwhile), sealed)
    if discord.deeds["kick", wish.target_id] != 1:
        yield f"kicked {discord.deeds['kick', wish.target_id]} times"


@guard
def attempts_cap(bare: Bare, stands: bool) -> Iterator[str]:
    """A request that kills whoever takes it is given up at some point."""
    wish = bare.wish()
    sealed = bare.accept(wish)
    ledger = bare.ledger(max_attempts=3 if stands else 1_000_000)
    for _ in range(5):
        run(bare.worker_of(CountingDiscord(), ledger=ledger, dies_at="after_claim"), sealed)
    if bare.state(wish) != "dead":
        yield "it goes on killing workers"


@guard
def request_unique(bare: Bare, stands: bool) -> Iterator[str]:
    """One id in two guilds is one wish: the key of the table decides, for neither guild sees the other's rows."""
    wish = bare.wish(Action.NOTE)
    there = dataclasses.replace(wish, guild_id=bare.another_guild())
    with (
        nullcontext()
        if stands
        else schema(
            bare,
            "ALTER TABLE action_requests DROP CONSTRAINT pk_action_requests",
            f"DELETE FROM action_requests WHERE request_id = '{wish.request_id}'",
            "ALTER TABLE action_requests ADD CONSTRAINT pk_action_requests PRIMARY KEY (request_id)",
        )
    ):
        bare.accept(wish)
        try:
            bare.accept(there)
        except Conflict:
            return  # the guard stands
        yield "one id is two requests"


@guard
def live_unique(bare: Bare, stands: bool) -> Iterator[str]:
    """Two moderators ban the same person: one of them is told that it is under way."""
    first = bare.wish()
    second = bare.wish(target_id=first.target_id)
    with nullcontext() if stands else without_index(bare, "uq_action_requests_live", first.target_id):
        bare.accept(first)
        if bare.requests().accept(bare.seal(second), None).accepted:
            yield "the same ban is queued twice"


@guard
def one_at_a_time(bare: Bare, stands: bool) -> Iterator[str]:
    """Ban and unban of one person keep their order: the second waits."""
    first = bare.wish()
    second = bare.wish(Action.UNBAN, target_id=first.target_id)
    with nullcontext() if stands else without_index(bare, "uq_action_requests_executing", first.target_id):
        sealed = [bare.accept(wish) for wish in (first, second)]
        for each in sealed:
            opened = envelope.open_envelope(each.body, each.kid, each.sig, keys={WEB.kid: WEB}, lane=first.guild_id)
            bare.ledger().claim(opened)
        if [bare.state(first), bare.state(second)] == ["executing", "executing"]:
            yield "ban and unban run at once"


@guard
def budget_lock(bare: Bare, stands: bool) -> Iterator[str]:
    """Twenty tabs of one moderator ask at once for what one place is left for."""
    moderator = bare.moderator()
    requests = bare.requests(limits={Action.WARN: 1})
    sealed = [bare.seal(bare.wish(Action.WARN, moderator_id=moderator)) for _ in range(20)]
    ready = threading.Barrier(len(sealed))

    def ask(each: Any) -> bool:
        ready.wait()
        return requests.accept(each, None).accepted

    no_lock = swapped(store_requests, "moderators_turn", lambda *_: "SELECT 1;")
    with nullcontext() if stands else no_lock, ThreadPoolExecutor(len(sealed)) as hands:
        granted = sum(hands.map(ask, sealed))
    if granted != 1:
        yield f"{granted} granted of a budget of 1"


@guard
def row_match(bare: Bare, stands: bool) -> Iterator[str]:
    """Somebody with a stolen key signs an accepted ban again, for somebody else."""
    discord, wish, ledger = CountingDiscord(), bare.wish(), bare.ledger()
    kept = bare.accept(wish)
    other = bare.seal(dataclasses.replace(wish, target_id=bare.member()))

    def by_id_alone(verified: Any) -> Any:
        true = envelope.open_envelope(kept.body, kept.kid, kept.sig, keys={WEB.kid: WEB}, lane=wish.guild_id)
        return dataclasses.replace(ledger.claim(true), request=verified.request)

    run(bare.worker_of(discord, ledger=ledger if stands else Without(ledger, claim=by_id_alone)), other)
    if discord.deeds:
        yield "banned somebody nobody asked to ban"


@guard
def canonical_form(bare: Bare, stands: bool) -> Iterator[str]:
    """The same wish in another spelling, signed with a stolen key, is no envelope."""
    wish = bare.wish()
    body = bare.seal(wish).body.replace(b'"action":', b'"action": ', 1)
    loose = swapped(envelope, "_body", lambda *_: body)
    with nullcontext() if stands else loose, suppress(EnvelopeRefused):
        envelope.open_envelope(body, WEB.kid, sign(WEB, body), keys={WEB.kid: WEB}, lane=wish.guild_id)
        yield "a second spelling was opened"


@guard
def ring_of_key(bare: Bare, stands: bool) -> Iterator[str]:
    """The dashboard's key signs as AutoMod."""
    wish = bare.wish(source=Source.AUTOMOD)
    any_source = {ring: frozenset(Source) for ring in ("web", "guard")}
    with swapped(envelope, "SOURCES_OF_RING", any_source):
        sealed = bare.seal(wish)
    with nullcontext() if stands else swapped(envelope, "SOURCES_OF_RING", any_source), suppress(EnvelopeRefused):
        envelope.open_envelope(sealed.body, sealed.kid, sealed.sig, keys={WEB.kid: WEB}, lane=wish.guild_id)
        yield "a key of the dashboard spoke as Guard"


@guard
def revoked_key(bare: Bare, stands: bool) -> Iterator[str]:
    """A key leaked while a ban signed with it waited."""
    discord, wish = CountingDiscord(), bare.wish()
    sealed = bare.accept(wish)
    run(bare.worker_of(discord, keys={WEB.kid: dataclasses.replace(WEB, revoked=stands)}), sealed)
    if discord.deeds:
        yield "banned under a revoked key"


@guard
def rights_at_its_turn(bare: Bare, stands: bool) -> Iterator[str]:
    """A moderator is demoted while their ban waits."""
    discord, wish = CountingDiscord(), bare.wish()
    sealed = bare.accept(wish)
    then = Roster(bare.worker).standing(wish.guild_id, wish.moderator_id, wish.target_id)
    bare.mirror.member_gone(wish.guild_id, wish.moderator_id)
    now = Roster(bare.worker)
    stale = Without(now, standing=lambda *_: then)
    run(bare.worker_of(discord, roster=now if stands else stale), sealed)
    if discord.deeds:
        yield "banned for somebody who had lost the right"


@guard
def freshness(bare: Bare, stands: bool) -> Iterator[str]:
    """A ban that waited longer than it was wanted is not done any more."""
    discord, wish, ledger = CountingDiscord(), bare.wish(), bare.ledger()
    sealed = bare.accept(wish, wanted=timedelta(seconds=-1))

    def ageless(verified: Any) -> Any:
        claim = ledger.claim(verified)
        return dataclasses.replace(claim, expires_at=claim.now + timedelta(hours=1))

    run(bare.worker_of(discord, ledger=ledger if stands else Without(ledger, claim=ageless)), sealed)
    if discord.deeds:
        yield "a ban nobody wanted any more was done"


@guard
def guild_fence(bare: Bare, stands: bool) -> Iterator[str]:
    """A query that forgot its guild sees the rows of one guild all the same."""
    bare.accept(bare.wish(Action.NOTE))
    bare.accept(bare.wish(Action.NOTE, guild_id=bare.another_guild()))
    if stands:
        with bare.web.transaction(bare.guild_id) as session:
            seen = set(session.scalars(text("SELECT guild_id FROM action_requests")))
    else:
        engine = create_engine(sqlalchemy_url(bare.superuser_url))
        with engine.connect() as line:
            seen = set(line.scalars(text("SELECT guild_id FROM action_requests")))
        engine.dispose()
    if seen != {bare.guild_id}:
        yield f"{len(seen)} guilds were seen"


@guard
def doors_only_ask(bare: Bare, stands: bool) -> Iterator[str]:
    """The dashboard is taken over and writes a request that looks as if it had been executed."""
    wish = bare.wish(Action.NOTE)
    bare.accept(wish)
    database = bare.web if stands else bare.worker
    with suppress(DBAPIError), database.transaction(wish.guild_id) as session:
        session.execute(
            text("UPDATE action_requests SET state = 'done' WHERE request_id = :id"), {"id": wish.request_id}
        )
    if bare.state(wish) == "done":
        yield "a door wrote an end"


def without_index(bare: Bare, name: str, target_id: int) -> Any:
    """The database without one of its indexes, for this target only; afterwards it is whole again."""
    engine = create_engine(sqlalchemy_url(bare.superuser_url))
    with engine.connect() as line:
        made = line.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = :name"), {"name": name})
    engine.dispose()
    undo = f"UPDATE action_requests SET state = 'cancelled' WHERE target_id = {target_id}"
    return schema(bare, f"DROP INDEX {name}", undo, str(made))


class schema:
    """The schema changed by the first statement, and put back by the others."""

    def __init__(self, bare: Bare, change: str, *back: str) -> None:
        self._engine = create_engine(sqlalchemy_url(bare.superuser_url), isolation_level="AUTOCOMMIT")
        self._change, self._back = change, back

    def __enter__(self) -> None:
        self._run(self._change)

    def __exit__(self, *_: object) -> None:
        self._run(*self._back)
        self._engine.dispose()

    def _run(self, *statements: str) -> None:
        with self._engine.connect() as line:
            for statement in statements:
                line.execute(text(statement))
