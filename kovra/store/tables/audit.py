"""The audit log: who asked for what, chained."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from kovra.store.tables.base import Base, Json, Key, Moment, Snowflake


class AuditLogRows(Base):
    """The append-only record. ``number`` counts from 1 in each guild; ``seal`` is keyed and bound to the one before."""

    __tablename__ = "audit_log"

    guild_id: Mapped[Key]
    number: Mapped[Key]
    kind: Mapped[str]
    actor_id: Mapped[Snowflake | None]
    facts: Mapped[Json]
    written_at: Mapped[Moment]
    digest: Mapped[bytes]
    seal: Mapped[bytes]


class AuditHeads(Base):
    """Where each guild's chain stands. Appending holds this row until commit."""

    __tablename__ = "audit_heads"
    __table_args__ = {"postgresql_with": {"fillfactor": "50"}}

    guild_id: Mapped[Key]
    last_number: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[bytes]


class AuditAnchors(Base):
    """What pruning leaves: entries up to ``number`` are gone, and the chain went on from ``seal``. Signed."""

    __tablename__ = "audit_anchors"

    guild_id: Mapped[Key]
    number: Mapped[Key]
    seal: Mapped[bytes]
    signature: Mapped[bytes]
    anchored_at: Mapped[Moment]
