"""The bot: the gateway, and the door ``/mod``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kovra.actions.reverse import Undo
from kovra.config import Config
from kovra.guard.health import Finding
from kovra.ids import GuildId, UserId
from kovra.live import bulletin
from kovra.live.bulletin import Bulletin
from kovra.live.hub import Hub
from kovra.live.outcomes import Outcomes
from kovra.queue.client import connect, of_one_node
from kovra.store.bygone import BygoneKeeper
from kovra.store.case_detail import CaseDetail
from kovra.store.case_rows import CaseRow
from kovra.store.cases import Cases
from kovra.store.database import Database
from kovra.store.events import Events
from kovra.store.evidence import EvidenceKeeper
from kovra.store.guilds import Guilds, GuildScope
from kovra.store.health import Health, HealthKeeper
from kovra.store.log_events import LogEventKeeper
from kovra.store.mirror import Mirror
from kovra.store.native_inbox import NativeInbox
from kovra.store.requests import Requests
from kovra.store.undoing import Undoing

if TYPE_CHECKING:
    from kovra.bot.gateway import BotProcess
from kovra.wiring.common import pacer_of
from kovra.wiring.submitting import build_submit


@dataclass(frozen=True, kw_only=True)
class CaseBook:
    """The cases as the bot's commands read them."""

    guilds: Guilds
    cases: Cases
    undoing: Undoing
    health: Health

    def scope(self, user_id: UserId, guild_id: GuildId) -> GuildScope | None:
        return self.guilds.scope(user_id, guild_id)

    def case(self, scope: GuildScope, case_no: int) -> Undo | None:
        return self.undoing.case(scope.guild_id, case_no)

    def detail(self, scope: GuildScope, case_no: int) -> CaseDetail | None:
        return self.cases.detail(scope, case_no)

    def latest(self, scope: GuildScope, user_id: UserId | None) -> Sequence[CaseRow]:
        if user_id is not None:
            return self.cases.earlier(scope, user_id, None)
        return self.cases.latest(scope, 10)

    def findings(self, scope: GuildScope) -> Sequence[Finding]:
        return self.health.findings(scope)


def build_bot(config: Config) -> BotProcess:
    """The bot: ``kovra_bot`` in PostgreSQL, the gateway, and the door ``/mod``."""
    from kovra.bot.evidence import EvidenceRoom
    from kovra.bot.gateway import BotProcess
    from kovra.bot.pointing import point_pycord_at
    from kovra.shared_state.identifying import IdentifyTurns

    point_pycord_at(config.discord_base_url, config.discord_cdn_url)
    database = Database(config.database_url, role="kovra_bot")
    requests = Requests(database, config.audit_key)
    hub = Hub(of_one_node(config.redis_url), Events(database))
    hub.start()
    return BotProcess(
        token=config.discord_token,
        base_url=config.discord_base_url,
        mirror=Mirror(database),
        native=NativeInbox(database),
        bygone=BygoneKeeper(database),
        heard=LogEventKeeper(database),
        health=HealthKeeper(database),
        submit=build_submit(config, database, config.guard_keys[0]),
        outcomes=Outcomes(hub, requests.progress),
        evidence=EvidenceRoom(EvidenceKeeper(database), config.discord_cdn_url),
        book=CaseBook(
            guilds=Guilds(database),
            cases=Cases(database),
            undoing=Undoing(database, config.audit_key),
            health=Health(database),
        ),
        dashboard_url=config.base_url,
        hints=Bulletin(bulletin.connect(of_one_node(config.redis_url))).hint,
        pacer=pacer_of(config),
        turns=IdentifyTurns(connect(config.redis_url)) if config.pacing else None,
        shard_count=config.shard_count or None,
        shard_ids=list(config.shard_ids) or None,
    )
