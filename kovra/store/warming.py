"""Warm up before the first action: a cold process needs ten times as long for it as for the second.

What is slow the first time is made ready here: connections, SQLAlchemy's compiled statements, and what PostgreSQL
remembers of the tables in each connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.store.database import Database

#: Nobody's: Discord gives no id of 0, so nothing is found and nothing can be changed under it.
NO_GUILD, NO_USER = GuildId(0), UserId(0)

_log = logging.getLogger(__name__)


def warm(database: Database, connections: int, *steps: Callable[[], object]) -> None:
    """Open connections and go through these steps once for each; a database that is away is not waited for."""
    try:
        database.open_connections(connections)
        # The pool hands its connections out in turn, so each comes to know most of the statements.
        for _ in range(connections):
            for step in steps:
                step()
    except Unavailable as error:
        _log.info("nothing was warmed up: %s", error)
