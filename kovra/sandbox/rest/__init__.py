"""REST v10: the routes, split by subject.

``routing`` the table and the router; ``call`` what a handler gets; ``shapes`` what clients may send.

Handlers: ``users`` (users, applications, DMs, the gateway's address), ``guilds`` (settings, incident actions),
``members``, ``bans``, ``roles``, ``channels``, ``messages``, ``commands``, ``interactions`` (callbacks and follow-ups),
``threads``, ``webhooks``, ``reactions``, ``pins``, ``search``, ``prune``, ``audit``, ``automod``, ``invites``.
"""

from kovra.sandbox.rest import (
    audit,
    automod,
    bans,
    channels,
    commands,
    guilds,
    interactions,
    invites,
    members,
    messages,
    pins,
    prune,
    reactions,
    roles,
    search,
    threads,
    users,
    webhooks,
)
from kovra.sandbox.rest.routing import Router

SUBJECTS = (
    users,
    guilds,
    members,
    bans,
    prune,
    roles,
    channels,
    invites,
    threads,
    messages,
    pins,
    search,
    reactions,
    commands,
    interactions,
    webhooks,
    audit,
    automod,
)


def router() -> Router:
    """The router over every subject."""
    return Router([route for subject in SUBJECTS for route in subject.table.routes])
