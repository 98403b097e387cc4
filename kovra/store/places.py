"""The channels of a guild, and what Guard holds in them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kovra.actions.rights import WRITTEN_IN
from kovra.ids import ChannelId, GuildId
from kovra.store.tables import Channels, Holds


@dataclass(frozen=True, kw_only=True)
class PlaceCard:
    """A channel in which people write, or the server itself; ``held`` names the acts that Guard can take back there."""

    place_id: int
    name: str
    held: Collection[str]


def written_channels(session: Session, guild_id: GuildId) -> list[PlaceCard]:
    """The channels in which people write, as Discord orders them."""
    row = Channels
    wanted = select(row).where(row.guild_id == guild_id, row.kind.in_(WRITTEN_IN))
    held = held_in(session, guild_id)
    return [
        PlaceCard(place_id=ChannelId(one.channel_id), name=f"#{one.name}", held=held.get(one.channel_id, frozenset()))
        for one in session.scalars(wanted.order_by(row.position, row.channel_id))
    ]


def held_in(session: Session, guild_id: GuildId) -> dict[int, frozenset[str]]:
    """What Guard holds, by whom or what it is held on."""
    found: dict[int, frozenset[str]] = {}
    for target_id, kind in session.execute(select(Holds.target_id, Holds.kind).where(Holds.guild_id == guild_id)):
        found[target_id] = found.get(target_id, frozenset()) | {kind}
    return found
