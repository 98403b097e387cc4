"""What operators watch, over all guilds and in numbers alone. For the worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from kovra.store.database import Database
from kovra.store.tables import ActionRequests


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The requests in one of the open states: how many, and the age of the oldest."""

    state: str
    requests: int
    oldest_s: float


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """How long one step took: of so many requests half less than ``p50_s``, all but a twentieth less than ``p95_s``."""

    step: str
    requests: int
    p50_s: float
    p95_s: float


class Operations:
    """The operators' questions. Each raises Unavailable when PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[Waiting]:
        """What is accepted, executing or applied and not done; what is deferred counts from when it is due."""
        row = ActionRequests
        age = func.extract("epoch", self._database.now() - func.greatest(row.accepted_at, row.due_at))
        states = ("accepted", "executing", "applied")
        question = select(row.state, func.count(), func.max(age)).where(row.state.in_(states)).group_by(row.state)
        with self._database.transaction(None) as session:
            found = {state: (count, oldest) for state, count, oldest in session.execute(question)}
        return [
            Waiting(state=state, requests=count, oldest_s=max(0.0, float(oldest or 0)))
            for state in states
            for count, oldest in [found.get(state, (0, 0))]
        ]

    def dead(self) -> int:
        """The requests that gave up and that nobody has tried again or discarded."""
        with self._database.transaction(None) as session:
            return session.execute(select(func.kovra_dead_waiting())).scalar_one()

    def steps(self, lately: timedelta) -> list[StepTime]:
        """How long each step took, of the requests made lately."""
        told = func.kovra_steps_since(self._database.now() - lately).table_valued("step", "requests", "p50_s", "p95_s")
        question = select(told.c.step, told.c.requests, told.c.p50_s, told.c.p95_s)
        with self._database.transaction(None) as session:
            return [
                StepTime(step=step, requests=requests, p50_s=p50_s, p95_s=p95_s)
                for step, requests, p50_s, p95_s in session.execute(question)
            ]

    def outcomes(self, lately: timedelta) -> dict[str, int]:
        """The requests made lately by state; ``unconfirmed`` (nobody knows whether it was done), ``taken_again`` (a
        second worker had to take it) and ``replays`` (copies of finished ones) are counted beside these."""
        told = func.kovra_outcomes_since(self._database.now() - lately).table_valued("outcome", "requests")
        with self._database.transaction(None) as session:
            rows = session.execute(select(told.c.outcome, told.c.requests)).all()
            return {row.outcome: row.requests for row in rows}
