"""The one way in for many single actions at once: each has its own wish, receipt and outcome, and all of them one trip.

A mass action (:mod:`kovra.actions.submit_job`) does one thing to many people, as a job that can be paused. Here each
request stands for itself, as what is asked of a list of ticked cases does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from kovra.actions import already, envelope
from kovra.actions.already import Held
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key, Sealed
from kovra.actions.job import Asked
from kovra.actions.ports import Bulletin, Clock
from kovra.actions.request import BY_HAND, ActionRequest, Receipt, Refusal
from kovra.actions.rights import Standing, looks_around
from kovra.actions.submit import judge, lifetime
from kovra.ids import GuildId, UserId

#: Most that are asked at once: as many as a mass action takes.
MOST = 500


class ManyRoster(Protocol):
    """Who is who in a guild now, for many requests at the cost of one."""

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> Mapping[UserId, Standing]:
        """Raises Unavailable when the guild has never been mirrored or the database does not answer."""

    def around_each(
        self, requests: Sequence[ActionRequest], standings: Mapping[UserId, Standing]
    ) -> Mapping[UUID, Standing]:
        """By request: the standing of its target, with what else the request names. Raises Unavailable."""

    def held_among(self, guild_id: GuildId, target_ids: Sequence[UserId]) -> Mapping[UserId, Held]:
        """What each of them is under now, as far as it is known."""


class ManyRequests(Protocol):
    """The queue of record."""

    def accept(self, asked: Asked) -> Sequence[Receipt]:
        """Keep them all in one transaction, each as ``ports.Requests.accept`` keeps one; the receipts in this order.

        Raises Conflict when an id was used for another wish, and Unavailable; then nothing was kept.
        """

    def mark_enqueued(self, guild_id: GuildId, request_ids: Sequence[UUID]) -> None:
        """Note that the lane took these. Best effort."""


class ManyOutbox(Protocol):
    """The way onto a guild's lane. Best effort: what Redis does not take, the relay brings later."""

    def put_each(self, sealed: Sequence[Sealed]) -> Sequence[Sealed]:
        """Those that the lane holds now. Never raises for a Redis that is away."""


@dataclass(frozen=True, kw_only=True)
class SubmitMany:
    """Ask for many actions of one moderator. Built once per process; ``at`` is for tests."""

    roster: ManyRoster
    requests: ManyRequests
    outbox: ManyOutbox
    bulletin: Bulletin
    clock: Clock
    signing_key: Key
    at: Callable[[str], None] = nowhere

    def __call__(self, requests: Sequence[ActionRequest]) -> list[Receipt]:
        """Ask for each, in this order: check rights, seal, accept all at once, enqueue.

        Returns:
            The receipts in this order. A budget that is too small is used up in it too, and asking again with the
            same ids returns what became of those that were kept.

        Raises:
            ValueError: they are of several guilds or moderators, or more than 500.
            Conflict: an id was used for another wish; nothing was accepted.
            Unavailable: Postgres did not answer; nothing was accepted, and the same ids may be asked again.
        """
        if not requests:
            return []
        askers = {(one.guild_id, one.moderator_id, one.source in BY_HAND) for one in requests}
        if len(requests) > MOST or askers != {(requests[0].guild_id, requests[0].moderator_id, True)}:
            # The caps of what asks in Guard's name are counted one by one.
            raise ValueError(f"many are up to {MOST} requests of one moderator, by their own hand, in one guild")
        guild_id = requests[0].guild_id
        decided = self._decided(requests)
        now = self.clock.now()
        asked = [(envelope.seal(one, self.signing_key, now + lifetime(one)), refusal) for one, refusal in decided]
        self.at("before_accept")
        receipts = self.requests.accept(asked)
        self.at("after_accept")
        new = {receipt.request_id for receipt in receipts if receipt.accepted and not receipt.replay}
        put = self.outbox.put_each([sealed for sealed, _ in asked if sealed.request.request_id in new])
        if put:
            self.at("after_enqueue")
            self.requests.mark_enqueued(guild_id, [sealed.request.request_id for sealed in put])
        self.bulletin.ring(guild_id)
        self.at("before_answer")
        return list(receipts)

    def _decided(self, requests: Sequence[ActionRequest]) -> list[tuple[ActionRequest, Refusal | None]]:
        """Each with the first reason why not: as rights and hierarchy say, and because it is so already."""
        first, target_ids = requests[0], list(dict.fromkeys(one.target_id for one in requests))
        standings = self.roster.standings(first.guild_id, first.moderator_id, target_ids)
        around = [one for one in requests if looks_around(one)]
        seen = self.roster.around_each(around, standings) if around else {}
        standing_of = {one.request_id: seen.get(one.request_id, standings[one.target_id]) for one in requests}
        refusals = {one.request_id: judge(one, standing_of[one.request_id]) for one in requests}
        open_still = [
            one
            for one in requests
            if refusals[one.request_id] is None and already.in_question(one, standing_of[one.request_id])
        ]
        held = (
            self.roster.held_among(first.guild_id, list(dict.fromkeys(one.target_id for one in open_still)))
            if open_still
            else {}
        )
        for one in open_still:
            name = standing_of[one.request_id].target.name
            refusals[one.request_id] = already.refusal(one, name, held[one.target_id])
        return [(one, refusals[one.request_id]) for one in requests]
