"""A lane that staff paused, through the worker and past a Redis that forgets."""

from __future__ import annotations

from kovra.actions.request import Action, State
from kovra.store.guilds import Guilds
from kovra.store.lane_pauses import LanePauses


def test_a_paused_lane_waits_although_redis_forgets_and_goes_on_when_resumed(path):
    pauses = LanePauses(path.database, path.config.audit_key)
    scope = Guilds(path.database).scope(path.discord.people["tamsin_reed"], path.guild_id)
    told_to_wait = f"kovra:{{s{(path.guild_id >> 22) % 64}}}:guard:paused"
    pauses.change(scope, True)
    path.until(lambda: path.redis.smembers(told_to_wait))

    path.redis.flushall()
    path.until(lambda: path.redis.smembers(told_to_wait))
    request = path.a(Action.NOTE, path.discord.someone())
    path.submit(request)
    state = path.row(request.request_id)["state"]
    pauses.change(scope, False)

    assert state == State.ACCEPTED
    assert path.end_of(request.request_id)["state"] == State.DONE
