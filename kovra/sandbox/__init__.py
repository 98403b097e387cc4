"""The sandbox: a small true Discord on loopback, to which real, unmodified clients connect.

The state, pure: ``world`` what there is, ``seed`` and ``names`` the demo's guild, ``settlement`` others,
``payloads`` and ``dressing`` all of it as Discord's JSON, ``permissions`` who may do what,
``errors`` Discord's refusals, ``snapshot`` it on disk.

What happens: ``stage`` the world with its clock, listeners and ledger; ``deeds`` everything that can happen on it;
``effects`` the ledger, counted per request of Guard; ``interactions`` and ``commands`` people running commands;
``people`` who they are; ``scenes``, ``theatre`` and ``talk`` what they do by themselves.

The wire: ``server`` one port for all; ``rest`` the API; ``gateway`` with ``sockets``, ``sessions``, ``chunks`` and
``events`` the event stream; ``oauth`` and ``consent`` signing in; ``pages``, ``front`` and
``paper`` looking around; ``limits`` and ``faults`` the weather; ``conformance`` the check against Discord's own
description; ``control`` the API that plays everybody else; ``hosting`` a sandbox on a thread.

The only home of aiohttp's server. Loopback only: it listens on 127.0.0.1 and sends people nowhere else.
"""

from kovra.sandbox.conformance import Description
from kovra.sandbox.hosting import Hosted, hosted
from kovra.sandbox.seed import DEFAULT_BOT_ID, lanternfall
from kovra.sandbox.server import DEFAULT_SECRET, DEFAULT_TOKEN, Sandbox
from kovra.sandbox.world import World

__all__ = [
    "DEFAULT_BOT_ID",
    "DEFAULT_SECRET",
    "DEFAULT_TOKEN",
    "Description",
    "Hosted",
    "Sandbox",
    "World",
    "hosted",
    "lanternfall",
]
