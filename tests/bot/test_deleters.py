"""Deletions and entries of the audit log meet, whatever becomes of a look into the log."""

from __future__ import annotations

import asyncio
from uuid import UUID

from kovra.bot.deleters import Deleters
from kovra.guard.deleters import Deletion
from kovra.ids import ChannelId, GuildId, UserId

GUILD, HALL, PELL, MORA = GuildId(1), ChannelId(5), UserId(11), UserId(21)


def entry(count):
    options = {"count": str(count), "channel_id": str(HALL)}
    return {"id": "900", "action_type": 72, "user_id": str(MORA), "target_id": str(PELL), "options": options}


class Log:
    """Discord's audit log: what it gives at each look, or how it fails."""

    def __init__(self, *pages):
        self.pages = list(pages)

    async def deletions(self, guild_id):
        page = self.pages.pop(0)
        self.looked()
        if isinstance(page, Exception):
            raise page
        return page


def test_a_look_that_fails_costs_only_what_it_was_about():
    log, told, now, moved = Log(ValueError("no JSON"), [entry(3)]), {}, [0.0], asyncio.Event()
    log.looked = moved.set

    def credit(guild_id, found):
        told.update(found)
        moved.set()

    deleters = Deleters(log, credit, monotonic=lambda: now[0])

    async def until(condition):
        while not condition():
            moved.clear()
            await moved.wait()

    def gone(number):
        deleters.deleted(GUILD, Deletion(event_id=UUID(int=number), channel_id=HALL, author_id=PELL))
        now[0] += 1.5

    async def story():
        deleters.logged(GUILD, entry(1))
        gone(1)
        await until(lambda: told)
        gone(2)
        await until(lambda: len(log.pages) == 1)
        now[0] += 10
        gone(3)
        await until(lambda: len(told) == 2)
        deleters.close()

    asyncio.run(asyncio.wait_for(story(), 30))

    assert {event_id.int: (one.actor_ids, one.certain) for event_id, one in told.items()} == {
        1: ((MORA,), True),
        3: ((MORA,), False),
    }
