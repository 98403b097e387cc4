"""What the bot knows of itself when a session begins, for the health check."""

from __future__ import annotations

from kovra.bot import commands
from kovra.bot.payloads import Payload
from kovra.bot.writer import Writer
from kovra.store.health import HealthKeeper


class Introduction:
    """Notes the application's flags and the commands that this version has."""

    def __init__(self, keeper: HealthKeeper, writer: Writer) -> None:
        self._keeper, self._writer = keeper, writer
        self._digest = commands.digest(commands.payloads())

    def tap(self, name: str, data: Payload) -> None:
        """See one event of the gateway."""
        if name == "READY":
            application = data["application"]
            application_id, flags = int(application["id"]), int(application.get("flags") or 0)
            self._writer.put(lambda: self._keeper.started(application_id, flags, self._digest))

    def ask_again(self) -> None:
        """Nothing is to be tried again."""

    def close(self) -> None:
        """Nothing is open."""
