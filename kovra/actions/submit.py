"""The one way in. Dashboard, slash commands, AutoMod and the API all call this, and nothing else makes an action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from kovra.actions import already, case_rights, envelope, rights
from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key
from kovra.actions.ports import Attempt, AuditLog, Bulletin, Clock, Outbox, Requests, Roster
from kovra.actions.request import CASE_ACTS, Action, ActionRequest, Receipt, Refusal, Source
from kovra.actions.rights import Standing
from kovra.ids import GuildId, UserId

#: How long an accepted request is still wanted. A stale ban is a surprise; a stale kick hits someone who came back.
LIFETIME = timedelta(hours=1)
LIFETIME_OF: Mapping[Action, timedelta] = MappingProxyType({Action.KICK: timedelta(minutes=15)})

#: An attempt is kept in the audit log, but not at any length.
_MAX_ATTEMPT_TEXT = 200


def lifetime(request: ActionRequest) -> timedelta:
    """How long this request is still wanted once it was accepted."""
    return LIFETIME_OF.get(request.action, LIFETIME)


def judge(request: ActionRequest, standing: Standing) -> Refusal | None:
    """The first reason why the moderator may not ask for this now; None when they may."""
    return (case_rights.check if request.action in CASE_ACTS else rights.check)(request, standing)


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Ask for actions. Built once per process with the keys of its ring; ``at`` is for tests."""

    roster: Roster
    requests: Requests
    outbox: Outbox
    bulletin: Bulletin
    audit: AuditLog
    clock: Clock
    signing_key: Key
    at: Callable[[str], None] = nowhere

    def __call__(self, request: ActionRequest) -> Receipt:
        """Ask for one action: check rights, seal, accept, enqueue.

        Returns:
            The receipt: accepted, or rejected with its reason. Either is kept and audited in one transaction; asking
            twice with one request_id returns the first, whatever rights have become since.

        Raises:
            Conflict: the request_id was used for another wish.
            Unavailable: Postgres did not answer; nothing was accepted, and the same id may be asked again.
        """
        standing = self.roster.standing(request.guild_id, request.moderator_id, request.target_id)
        if rights.looks_around(request):
            standing = self.roster.around(request, standing)
        refusal = judge(request, standing) or self._already(request, standing)
        sealed = envelope.seal(request, self.signing_key, self.clock.now() + lifetime(request))
        self.at("before_accept")
        receipt = replace(self.requests.accept(sealed, refusal), target_name=standing.target.name)
        self.at("after_accept")
        if receipt.accepted and not receipt.replay and self.outbox.put(sealed):
            self.at("after_enqueue")
            self.requests.mark_enqueued(receipt)
        self.bulletin.ring(request.guild_id)
        self.at("before_answer")
        return receipt

    def _already(self, request: ActionRequest, standing: Standing) -> Refusal | None:
        if not already.in_question(request, standing):
            return None
        held = self.roster.held(request.guild_id, request.target_id)
        return already.refusal(request, standing.target.name, held)

    def malformed(
        self, *, guild_id: GuildId, moderator_id: UserId, source: Source, attempt: Attempt, sentence: str
    ) -> None:
        """Record input that could not become a request. It has no row; the audit log keeps what was tried."""
        facts = {name: str(value)[:_MAX_ATTEMPT_TEXT] for name, value in attempt.items()}
        self.audit.append(
            AuditEntry(
                guild_id=guild_id,
                kind=AuditKind.ACTION_MALFORMED,
                actor_id=moderator_id,
                facts={"source": source.value, "attempt": facts, "sentence": sentence},
            )
        )
