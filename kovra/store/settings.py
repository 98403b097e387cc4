"""What people set for their server: budgets, the texts of notices, where cases are posted, what is kept how long.

Each change is one transaction with its audit entry, which says what was set before and what now, and its event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.budget import DEFAULT_LIMITS, GUILD_CAPS
from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.guard.health import lacking_to_post
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts, appeal_problem, problems_of
from kovra.guard.notice_tongues import TONGUES
from kovra.ids import ChannelId, GuildId
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.forgetting import EVIDENCE_DAYS
from kovra.store.guilds import GuildScope
from kovra.store.health import guards_place
from kovra.store.roster import TEXT_CHANNELS, Roster, log_channels_of
from kovra.store.tables import Channels, GuildSettings

#: The highest budget or cap of an hour that a server may set.
MAX_BUDGET = 10_000

#: What a server may keep for a term of its own, and the longest term, in days. What it has not set is kept for ever.
LONGEST_KEPT: Mapping[str, int] = MappingProxyType({EVIDENCE_DAYS: 3650})

#: Whoever lacks ``settings`` reads this.
TAKES_SETTINGS = "It takes the capability settings to change this."

#: Whoever wrote over something they had not seen reads this.
CHANGED_MEANWHILE = (
    "Not kept yet: somebody changed these settings while you wrote. What you typed is below; save again to "
    "put it in the place of theirs, or open the section anew to see theirs."
)

Problems = Mapping[str, Sequence[str]]
_Numbers = InstrumentedAttribute[Any]


def always(_: object) -> bool:
    """Write over whatever is kept."""
    return True


@dataclass(frozen=True, kw_only=True)
class PostingPlace:
    """A channel in which cases could be posted. ``lacking``: the permissions that Guard lacks there."""

    channel_id: ChannelId
    name: str
    lacking: Sequence[str]


class SettingsBook:
    """Read and change what a server has set."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database, self._audit = database, AuditLog(database, audit_key)

    def notices(self, scope: GuildScope) -> NoticeTexts:
        """The server's own texts. Who has none there reads ``notice_texts.default_text``."""
        return Roster(self._database).notice_texts(scope.guild_id)

    def log_channels(self, scope: GuildScope) -> LogChannels:
        """Where cases are posted. While nobody chose a common channel it is the one that is named for it."""
        with self._database.transaction(scope.guild_id) as session:
            return log_channels_of(session, scope.guild_id)

    def places(self, scope: GuildScope) -> list[PostingPlace]:
        """Every channel that can be chosen, in Discord's order."""
        row = Channels
        found = select(row).where(row.guild_id == scope.guild_id, row.kind.in_(TEXT_CHANNELS))
        with self._database.transaction(scope.guild_id) as session:
            guard = guards_place(session, scope.guild_id)
            return [
                PostingPlace(
                    channel_id=ChannelId(one.channel_id),
                    name=one.name,
                    lacking=lacking_to_post(one.overwrites or (), **guard),
                )
                for one in session.scalars(found.order_by(row.position, row.channel_id))
            ]

    def budgets(self, scope: GuildScope) -> dict[str, int]:
        """What the server has changed of budgets and caps: an action's or a source's word → how many in an hour."""
        return self._numbers(scope, GuildSettings.budgets)

    def change_budgets(
        self,
        scope: GuildScope,
        limits: Mapping[str, int | None],
        still: Callable[[Mapping[str, int]], bool] = always,
    ) -> Problems:
        """Let these budgets and caps be so; None is the default. Returns as :meth:`change_notices`."""
        known = {*DEFAULT_LIMITS, *GUILD_CAPS}
        problems = {
            name: [f"A whole number from 0 to {MAX_BUDGET:,}; empty is the default."]
            for name, limit in limits.items()
            if name not in known or (limit is not None and not 0 <= limit <= MAX_BUDGET)
        }
        return self._change_numbers(scope, GuildSettings.budgets, limits, problems, still)

    def retention(self, scope: GuildScope) -> dict[str, int]:
        """For how many days the server keeps what it does not keep for ever, by the words of ``LONGEST_KEPT``."""
        return self._numbers(scope, GuildSettings.retention)

    def change_retention(
        self,
        scope: GuildScope,
        days: Mapping[str, int | None],
        still: Callable[[Mapping[str, int]], bool] = always,
    ) -> Problems:
        """Keep this for so many days; None is for ever. What is older goes within minutes and does not come back.

        Returns as :meth:`change_notices`.
        """
        problems = {
            name: [f"A whole number of days from 1 to {LONGEST_KEPT.get(name, 0):,}; empty is for ever."]
            for name, term in days.items()
            if name not in LONGEST_KEPT or (term is not None and not 1 <= term <= LONGEST_KEPT[name])
        }
        return self._change_numbers(scope, GuildSettings.retention, days, problems, still)

    def change_notices(
        self,
        scope: GuildScope,
        by_action: Mapping[Action, str],
        appeal_url: str | None,
        still: Callable[[NoticeTexts], bool] = always,
        *,
        locale: str | None = None,
    ) -> Problems:
        """Let notices read so: the texts that are named, and the address for appeals. An empty text is the default.

        ``locale`` is the language of Kovra's own words; None is that of the server on Discord.

        Returns:
            What stands in the way, by action, ``appeal_url``, ``locale`` or ``form``; then nothing is changed. Empty:
            it is kept.
        """
        if not scope.may(Capability.SETTINGS):
            return {"form": [TAKES_SETTINGS]}
        appeal_url = (appeal_url or "").strip() or None
        texts = {action: text.replace("\r\n", "\n").strip() for action, text in by_action.items()}
        problems: dict[str, Sequence[str]] = {
            action.value: said for action, text in texts.items() if (said := problems_of(action, text, appeal_url))
        }
        if appeal_url and (said := appeal_problem(appeal_url)):
            problems["appeal_url"] = [said]
        if locale is not None and locale not in TONGUES:
            problems["locale"] = ["Choose a language from the list."]
        if problems:
            return problems
        with self._database.transaction(scope.guild_id) as session:
            row = locked_settings(session, self._database, scope.guild_id)
            own = {Action(name): text for name, text in row.notice_texts.items()}
            before = NoticeTexts(
                server=scope.guild_name, by_action=own, appeal_url=row.appeal_url, locale=row.notice_locale
            )
            if not still(before):
                return {"form": [CHANGED_MEANWHILE]}
            kept = row.notice_texts | {action.value: text for action, text in texts.items()}
            values = {"notice_texts": {name: text for name, text in kept.items() if text}, "appeal_url": appeal_url}
            values |= {"notice_locale": locale}
            return self._write(session, scope, row, values)

    def change_log_channels(
        self,
        scope: GuildScope,
        common: ChannelId | None,
        by_class: Mapping[EventClass, ChannelId | None],
        still: Callable[[LogChannels], bool] = always,
    ) -> Problems:
        """Post cases there. ``common`` None: the channel that is named for it; a class that is None is not posted,
        one that is not named goes to the common channel. Returns as :meth:`change_notices`.
        """
        if not scope.may(Capability.SETTINGS):
            return {"form": [TAKES_SETTINGS]}
        chosen = {"common": common, **{one.value: channel_id for one, channel_id in by_class.items()}}
        with self._database.transaction(scope.guild_id) as session:
            known = select(Channels.channel_id).where(
                Channels.guild_id == scope.guild_id, Channels.kind.in_(TEXT_CHANNELS)
            )
            there = {*session.scalars(known), None}
            problems = {
                name: ["There is no such text channel in this server any more: choose another."]
                for name, channel_id in chosen.items()
                if channel_id not in there
            }
            if problems:
                return problems
            row = locked_settings(session, self._database, scope.guild_id)
            if not still(log_channels_of(session, scope.guild_id)):
                return {"form": [CHANGED_MEANWHILE]}
            values = {
                "log_channel_id": common,
                "log_channels": {
                    one.value: str(channel_id) if channel_id else None for one, channel_id in by_class.items()
                },
            }
            return self._write(session, scope, row, values)

    def _numbers(self, scope: GuildScope, column: _Numbers) -> dict[str, int]:
        with self._database.transaction(scope.guild_id) as session:
            own = session.scalars(select(column).where(GuildSettings.guild_id == scope.guild_id)).one_or_none()
            return dict(own or {})

    def _change_numbers(
        self,
        scope: GuildScope,
        column: _Numbers,
        wanted: Mapping[str, int | None],
        problems: Problems,
        still: Callable[[Mapping[str, int]], bool],
    ) -> Problems:
        """Let these numbers of one column be so, unless there are problems; None takes one away."""
        if not scope.may(Capability.SETTINGS):
            return {"form": [TAKES_SETTINGS]}
        if problems:
            return problems
        with self._database.transaction(scope.guild_id) as session:
            row = locked_settings(session, self._database, scope.guild_id)
            before = getattr(row, column.key)
            if not still(before):
                return {"form": [CHANGED_MEANWHILE]}
            kept = {name: number for name, number in {**before, **wanted}.items() if number is not None}
            return self._write(session, scope, row, {column.key: kept})

    def _write(self, session: Session, scope: GuildScope, row: GuildSettings, values: Mapping[str, Any]) -> Problems:
        before, after = _facts({name: getattr(row, name) for name in values}), _facts(values)
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        if not changed:
            return {}
        now = self._database.read_now(session)
        write = update(GuildSettings).where(GuildSettings.guild_id == scope.guild_id)
        session.connection().execute(write.values(**values, changed_at=now, changed_by=scope.viewer.user_id))
        append_event(session, scope.guild_id, EventKind.SETTINGS_CHANGED, None, {})
        facts = {
            "before": {name: before.get(name) for name in changed},
            "after": {name: after.get(name) for name in changed},
        }
        entry = AuditEntry(
            guild_id=scope.guild_id, kind=AuditKind.SETTINGS_CHANGED, actor_id=scope.viewer.user_id, facts=facts
        )
        self._audit.append_in(session, entry)
        return {}


def locked_settings(session: Session, database: Database, guild_id: GuildId) -> GuildSettings:
    """The settings, which nobody else changes until the transaction ends."""
    empty = insert(GuildSettings).values(guild_id=guild_id, changed_at=database.now())
    session.connection().execute(empty.on_conflict_do_nothing())
    return session.get_one(GuildSettings, guild_id, with_for_update=True)


def _facts(values: Mapping[str, Any]) -> dict[str, str]:
    """What the record says was set; what is not named is the default."""
    said: dict[str, str] = {}
    for name, value in values.items():
        if name == "notice_texts":
            said |= {f"notice_of_{action}": text for action, text in value.items()}
        elif name == "budgets":
            said |= {f"budget_of_{one}": str(limit) for one, limit in value.items()}
        elif name == "retention":
            said |= {one: str(days) for one, days in value.items()}
        elif name == "log_channels":
            said |= {f"log_channel_of_{one}": channel_id or "none" for one, channel_id in value.items()}
        elif value is not None:
            said[name] = str(value)
    return said
