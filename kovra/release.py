"""The release step: migrate the database, then tell Discord the slash commands if they have changed.

Run once per deploy, before the processes: ``python3 -m kovra release``.
"""

from __future__ import annotations

import base64
import binascii
import sys

from kovra import config, logs
from kovra.errors import DiscordError, Unavailable
from kovra.store.command_syncs import KnownCommands
from kovra.store.database import Database
from kovra.store.migrate import upgrade
from kovra.store.roles import MigrationRefused


def main() -> int:
    """0 when everything is in place; otherwise one sentence says what is not."""
    logs.configure()
    try:
        settings = config.from_environment(config.Process.RELEASE)
        upgrade(settings.database_url)
        told = _sync_commands(settings)
    except (config.ConfigError, MigrationRefused, Unavailable, DiscordError) as error:
        print(f"The release stopped. {error}", file=sys.stderr)
        return 1
    print(f"kovra: release done, slash commands {'synced' if told else 'unchanged'}", flush=True)
    return 0


def _sync_commands(settings: config.Config) -> bool:
    from kovra.bot.commands import sync
    from kovra.bot.pointing import point_pycord_at
    from kovra.bot.rest import GuardRest

    application_id = _application_id(settings.discord_token)
    point_pycord_at(settings.discord_base_url, settings.discord_cdn_url)
    rest = GuardRest(settings.discord_token, settings.discord_base_url)
    database = Database(settings.database_url, role=None, pool_size=1)
    rest.start()
    try:
        return sync(rest, application_id, KnownCommands(database, application_id))
    finally:
        rest.close()
        database.dispose()


def _application_id(token: str) -> int:
    """A bot token begins with its application's id in base64 (API reference, Authentication)."""
    first = token.split(".")[0]
    try:
        return int(base64.b64decode(first + "=" * (-len(first) % 4)))
    except (binascii.Error, ValueError) as error:
        raise config.ConfigError("DISCORD_TOKEN is not a bot token: copy it from Discord's developer portal") from error
