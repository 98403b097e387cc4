"""The one way in, for a process that signs with a key of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kovra.actions.envelope import Key
from kovra.actions.reverse import Reverse
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.actions.submit_many import SubmitMany
from kovra.config import Config
from kovra.live import bulletin
from kovra.live.bulletin import Bulletin
from kovra.queue.client import of_one_node
from kovra.queue.outbox import Outbox
from kovra.store.audit import AuditLog
from kovra.store.database import Database, PostgresClock
from kovra.store.jobs import Jobs
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.together import Together
from kovra.store.undoing import Undoing

if TYPE_CHECKING:
    pass
from kovra.wiring.common import AT_THE_DOOR_S, build_broker, checkpoint_of


def build_submit(config: Config, database: Database, signing_key: Key) -> Submit:
    """The one way in, for a process that signs with this key."""
    return Submit(
        roster=Roster(database),
        requests=Requests(database, config.audit_key, at=checkpoint_of(config)),
        outbox=Outbox(broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=())),
        bulletin=Bulletin(bulletin.connect(of_one_node(config.redis_url))),
        audit=AuditLog(database, config.audit_key),
        clock=PostgresClock(database),
        signing_key=signing_key,
        at=checkpoint_of(config),
    )


def build_reverse(config: Config, database: Database, submit_many: SubmitMany) -> Reverse:
    """Taking back many cases at once, for a process that submits so."""
    return Reverse(
        roster=Roster(database),
        undoing=Undoing(database, config.audit_key),
        submit=submit_many,
        audit=AuditLog(database, config.audit_key),
        clock=PostgresClock(database),
    )


def build_submit_job(config: Config, database: Database, signing_key: Key) -> SubmitJob:
    """The one way in for mass actions, for a process that signs with this key."""
    return SubmitJob(
        roster=Roster(database),
        jobs=Jobs(database, config.audit_key),
        outbox=Outbox(broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=())),
        bulletin=Bulletin(bulletin.connect(of_one_node(config.redis_url))),
        clock=PostgresClock(database),
        signing_key=signing_key,
        at=checkpoint_of(config),
    )


def build_submit_many(config: Config, database: Database, submit: Submit) -> SubmitMany:
    """The one way in for many single actions at once, for a process that submits so."""
    return SubmitMany(
        roster=Roster(database),
        requests=Together(database, config.audit_key),
        outbox=Outbox(broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=())),
        bulletin=submit.bulletin,
        clock=submit.clock,
        signing_key=submit.signing_key,
        at=submit.at,
    )
