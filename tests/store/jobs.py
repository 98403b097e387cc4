"""Mass actions for the tests of the store: jobs by Odalys, and their acceptance."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions import envelope
from kovra.actions.job import Chunk, Job, seal_chunk
from kovra.actions.request import Action, Source
from kovra.ids import UserId, new_request_id
from kovra.store.jobs import Jobs

FIRST = 700_000_000_000_000_000


@pytest.fixture
def jobs(web, mirror, say):
    return Jobs(web, say.AUDIT_KEY)


@pytest.fixture
def a_job(say):
    def make(count=3, *, first=FIRST, **changes):
        facts = {
            "batch_id": new_request_id(),
            "guild_id": say.HARBOUR,
            "action": Action.BAN,
            "targets": tuple(UserId(first + place) for place in range(count)),
            "moderator_id": say.ODALYS,
            "source": Source.DASHBOARD,
            "reason": "raid",
            "issued_at": say.NOON,
        }
        return Job(**(facts | changes))

    return make


@pytest.fixture
def accept_job(jobs, say):
    """``accept_job(job, refusals)`` has a job accepted; ``refusals`` by target."""

    def ask(job, refusals=None, of=None):
        key, until = say.KEYS["web"], say.NOON + timedelta(hours=24)
        asked = [(envelope.seal(r, key, until), (refusals or {}).get(r.target_id)) for r in job.requests()]
        parts = [seal_chunk(Chunk(guild_id=job.guild_id, batch_id=job.batch_id, number=n), key) for n in range(3)]
        return (of or jobs).accept(job, asked, parts)

    return ask


@pytest.fixture
def count_rows(owner, say):
    def ask(statement, **values):
        with owner.transaction(say.HARBOUR) as session:
            return session.execute(text(statement), values).scalar_one()

    return ask
