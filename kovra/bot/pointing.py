"""Which Discord Pycord talks to: the real one, or a sandbox."""

from __future__ import annotations

import discord
import discord.asset


def point_pycord_at(base_url: str, cdn_url: str) -> None:
    """Choose the Discord of this process, ``https://discord.com`` or a sandbox; once, before Pycord is used.

    Pycord knows its address as two class attributes. The gateway's address is asked from Discord itself.
    """
    discord.http.Route.API_BASE_URL = base_url.rstrip("/") + "/api/v{API_VERSION}"
    discord.asset.Asset.BASE = cdn_url.rstrip("/")


def points_at(base_url: str) -> bool:
    """Whether Pycord talks to this Discord. A token must never be sent to another one."""
    return discord.http.Route.API_BASE_URL.startswith(base_url.rstrip("/") + "/api/")
