"""A lost permission and a lost log channel show in the health check as soon as Discord tells."""

from __future__ import annotations

import pytest

from kovra.guard.health import Area, examine
from kovra.ids import GuildId
from kovra.sandbox.deeds import places
from kovra.store.database import Database
from kovra.store.health import Health, HealthKeeper


@pytest.fixture
def found(database, sandbox):
    """``found()``: the areas in which the health check of the dashboard finds something."""
    url = database.engine.url.render_as_string(hide_password=False)
    web = Database(url, role="kovra_web")
    guild_id = GuildId(sandbox.call(lambda s: s.world.cast.guild_id))
    yield lambda: {finding.area for finding in examine(Health(web).vitals(guild_id))}
    web.dispose()


def test_what_guard_loses_is_found_while_it_runs(sandbox, database, start_bot, rows, eventually, found):
    guild = sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])
    start_bot(health=HealthKeeper(database))
    # Nobody has synchronised commands here; the Council stands above Guard by design.
    eventually(lambda: found() == {Area.ROLE_ORDER, Area.COMMANDS})

    def lose(s):
        role_ids = guild.members[s.world.bot_id].roles
        for role in [guild.roles[role_id] for role_id in role_ids]:
            role.permissions = 0
            places.role_changed(s.stage, guild, role, [], by=guild.owner_id, reason=None)
        channel = next(c for c in s.world.guild_channels(guild) if c.name == "mod-log")
        places.delete_channel(s.stage, guild, channel, by=guild.owner_id, reason=None)

    sandbox.call(lose)

    eventually(lambda: {Area.PERMISSIONS, Area.LOG_CHANNEL} <= found())
