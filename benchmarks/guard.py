"""Guard against Discord's rate limits: 300 bans in a mass action and 200 single ones, beside stock py-cord.

Everything is real (PostgreSQL, Valkey, the worker, Pycord); the sandbox keeps Discord's buckets and its global limit,
80 ms away, and Guard keeps its pace. Nobody is told, and the log channel is posted to. A figure of Guard's ends with
the last case, a figure of py-cord's with the last answer. What py-cord does bare is one unmodified ``HTTPClient``, all
bans asked for at once, as a bot's own command would.

``http_429`` is what the limits refused Guard, ``stock_http_429`` what they refused py-cord. The floors are those of the
limits: 45 requests a second after a burst of 5, and one bulk ban of 200 in 5 s. ``calls_…`` counts what the sandbox was
asked meanwhile, ``cpu_…`` the CPU seconds of Kovra's processes and servers: on a machine that others use, these tell
more than the clock. ``posts_…`` counts the messages of their cases in the log channel, the last of them after
``posted_…_s``. ``rejoin_…_max_ms`` is the longest time from the moment a muted or quarantined member came back to
the moment they were muted or quarantined again, both by the sandbox's clock.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import discord
import redis
from sqlalchemy import Engine, create_engine, text

from benchmarks.chaos.control import control
from benchmarks.chaos.waiting import must
from benchmarks.fanout.ways import cpu_s
from benchmarks.measure import Report, host, say
from kovra import wiring
from kovra.actions.job import CHUNK_SIZE, Job
from kovra.actions.request import Action, ActionRequest, Source
from kovra.bot.pointing import point_pycord_at
from kovra.config import Process, from_environment
from kovra.ids import GuildId, UserId, new_request_id
from kovra.launcher import children
from kovra.launcher.postgres import SUPERUSER
from kovra.launcher.stack import Stack
from kovra.shared_state.pacing import BURST, PER_SECOND
from kovra.store.database import Database, sqlalchemy_url

BULK, SINGLE, REJOINING = 300, 200, 5
LATENCY_MS = 80

#: Seconds between two bulk bans (the sandbox's profile).
_BULK_GAP_S = 5.0

#: How many moderators ask at once: one alone asks one after the other.
_ASKING = 16

#: How often each moderator may act in an hour here.
_PLENTY = 100_000

#: What asks for a ban that nobody is told of.
_SILENT_BAN = {"delete_window_s": 0, "notice": 0}

#: How long the last case may take, in seconds.
_PATIENCE_S = 90.0


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid. The short form is the long one: it takes less than a minute."""
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        Path(folder).chmod(0o711)
        say("starting everything")
        with Stack(Path(folder) / "data", extra_env={"KOVRA_PACING": "on", "KOVRA_LOG_LEVEL": "WARNING"}) as stack:
            bench = Bench(stack, 2 * (BULK + SINGLE + REJOINING) + _ASKING)
            report = Report(name="guard", quick=quick, host=host(**bench.versions()))
            try:
                bench.measure(report)
            finally:
                bench.close()
    report.print(as_json=json)
    return 0


class Bench:
    """A warm Kovra, a guild with enough people in it, and Discord 80 ms away."""

    def __init__(self, stack: Stack, people: int) -> None:
        self.stack = stack
        self.engine: Engine = create_engine(sqlalchemy_url(stack.postgres.url_of("kovra", SUPERUSER)))
        made = self._control("POST", "guilds", {"name": "Measured", "members": people})
        self.guild_id, self.owner_id = GuildId(int(made["guild_id"])), UserId(int(made["owner_id"]))
        self.targets: Iterator[UserId] = iter([UserId(int(user_id)) for user_id in made["members"]])
        staff = list(islice(self.targets, _ASKING))
        for user_id in staff:
            where = {"guild_id": str(self.guild_id), "user_id": str(user_id)}
            self._control("POST", "roles", {**where, "role": "Moderator"})
        self.moderators = itertools.cycle(staff)
        must(self._mirrored, "the mirror of the guild", 120)
        self._raise_budgets()
        config = from_environment(Process.WEB, stack.env)
        self.database = Database(config.database_url, role="kovra_web", pool_size=_ASKING)
        self.submit = wiring.build_submit(config, self.database, config.web_keys[0])
        self.submit_job = wiring.build_submit_job(config, self.database, config.web_keys[0])
        self._control("POST", "limits", {"on": True})
        self._control("POST", "latency", {"ms": LATENCY_MS})

    def measure(self, report: Report) -> None:
        """Guard first, then py-cord, under the same limits."""
        held = {action: self._held(action) for action in (Action.MUTE, Action.QUARANTINE)}
        for key, bans, words in (
            ("single_200", self.single, f"{SINGLE} single bans"),
            ("bulk_300", self.bulk, f"a mass ban of {BULK}"),
        ):
            say(words)
            began, calls, spent = self._now(), self._calls(), self._cpu_s()
            report.add(f"{key}_s", bans())
            report.add(f"calls_{key}", self._calls() - calls)
            report.add(f"cpu_{key}_s", self._cpu_s() - spent)
            posted_s, messages = self._last_post(began)
            report.add(f"posted_{key}_s", posted_s)
            report.add(f"posts_{key}", messages)
        say("held members leave and come back")
        for action, members in held.items():
            report.add(f"rejoin_{action}_max_ms", max(self._back_ms(user_id) for user_id in members), digits=0)
        report.add("http_429", self._refused())
        report.add("floor_single_200_s", (SINGLE - BURST) / PER_SECOND + LATENCY_MS / 1000)
        report.add("floor_bulk_300_s", (-(-BULK // CHUNK_SIZE) - 1) * _BULK_GAP_S + LATENCY_MS / 1000)
        say("the same with stock py-cord")
        stock = asyncio.run(self._stock())
        report.figures |= {key: round(value, 2) for key, value in stock.items()}
        report.add("stock_http_429", self._refused() - (report.figures["http_429"] or 0))

    def single(self) -> float:
        """Ask for bans one by one, as fast as they are taken; seconds from the first to the last case."""
        requests = [self._request(target) for target in islice(self.targets, SINGLE)]
        began = self._now()
        with ThreadPoolExecutor(_ASKING) as people:
            receipts = list(people.map(self.submit, requests))
        _all_accepted(receipts)
        return self._last_case(began, SINGLE)

    def bulk(self) -> float:
        """Ask for a mass ban; seconds to its last case."""
        job = Job(
            batch_id=new_request_id(),
            guild_id=self.guild_id,
            action=Action.BAN,
            targets=tuple(islice(self.targets, BULK)),
            moderator_id=self.owner_id,
            source=Source.DASHBOARD,
            reason="raid",
            issued_at=datetime.now(UTC),
            params={"delete_window_s": 0},
        )
        began = self._now()
        _all_accepted(self.submit_job(job).receipts)
        return self._last_case(began, BULK)

    def _held(self, action: Action) -> list[UserId]:
        """Mute or quarantine some members."""
        members, began = list(islice(self.targets, REJOINING)), self._now()
        params = {"duration_s": 3600, "notice": 0}
        _all_accepted([self.submit(self._request(user_id, action, params)) for user_id in members])
        self._last_case(began, REJOINING)
        return members

    def _back_ms(self, user_id: UserId) -> float:
        """One leaves and comes back; milliseconds until Guard has done it again."""
        where = {"guild_id": str(self.guild_id), "user_id": str(user_id)}
        self._control("POST", "leave", where)
        joined = datetime.fromisoformat(self._control("POST", "join", where)["joined_at"]).timestamp()

        def edited_at() -> float | None:
            last = self._control("GET", "requests?limit=50")["requests"]
            mine = [r["at"] for r in last if r["method"] == "PATCH" and r["path"].endswith(f"/members/{user_id}")]
            return next((at for at in mine if at >= joined), None)

        return (must(edited_at, f"the return of {user_id}", _PATIENCE_S) - joined) * 1000

    async def _stock(self) -> dict[str, float]:
        """Seconds that an unmodified py-cord takes for as many bans."""
        point_pycord_at(self.stack.sandbox_url, f"{self.stack.sandbox_url}/cdn")
        client = discord.http.HTTPClient(loop=asyncio.get_running_loop())
        await client.static_login(self.stack.env["DISCORD_TOKEN"])
        single, bulk = list(islice(self.targets, SINGLE)), list(islice(self.targets, BULK))
        began = time.monotonic()
        await asyncio.gather(*(client.ban(user_id, self.guild_id, reason="raid") for user_id in single))
        banned = time.monotonic()
        for first in range(0, BULK, CHUNK_SIZE):
            await client.bulk_ban(bulk[first : first + CHUNK_SIZE], self.guild_id, reason="raid")
        done = time.monotonic()
        await client.close()
        return {"stock_single_200_s": banned - began, "stock_bulk_300_s": done - banned}

    def versions(self) -> dict[str, str]:
        with self.engine.connect() as line:
            postgres = str(line.scalar(text("SHOW server_version"))).split()[0]
        with redis.Redis.from_url(self.stack.redis_url) as client:
            info = client.info("server")
        return {
            "postgres": postgres,
            "redis": str(info.get("valkey_version") or info["redis_version"]),
            "pycord": discord.__version__,
        }

    def close(self) -> None:
        self.database.dispose()
        self.engine.dispose()

    def _request(
        self, target: UserId, action: Action = Action.BAN, params: Mapping[str, int] = _SILENT_BAN
    ) -> ActionRequest:
        return ActionRequest(
            request_id=new_request_id(),
            guild_id=self.guild_id,
            action=action,
            target_id=target,
            moderator_id=self.owner_id if action is Action.QUARANTINE else next(self.moderators),
            source=Source.DASHBOARD,
            reason="raid",
            issued_at=datetime.now(UTC),
            params=params,
        )

    def _now(self) -> datetime:
        with self.engine.connect() as line:
            return line.scalar(text("SELECT clock_timestamp()"))

    def _last_case(self, began: datetime, wanted: int) -> float:
        """Wait for so many cases; seconds from ``began`` to the last of them, by PostgreSQL's clock."""
        look = text(
            "SELECT count(*), max(applied_at) FROM action_requests WHERE guild_id = :guild AND applied_at > :began"
        )

        def all_there() -> datetime | None:
            with self.engine.connect() as line:
                count, last = line.execute(look, {"guild": self.guild_id, "began": began}).one()
            return last if count >= wanted else None

        return (must(all_there, f"the case of each of {wanted}", _PATIENCE_S) - began).total_seconds()

    def _last_post(self, began: datetime) -> tuple[float, int]:
        """Wait until every case has its post; seconds from ``began``, and how many messages they are."""
        look = text(
            "SELECT count(*) FILTER (WHERE post_status IS DISTINCT FROM 'sent'), max(post_done_at),"
            " count(DISTINCT post_message_id) FROM action_requests WHERE guild_id = :guild AND applied_at > :began"
        )

        def all_there() -> tuple[datetime, int] | None:
            with self.engine.connect() as line:
                without, last, messages = line.execute(look, {"guild": self.guild_id, "began": began}).one()
            return None if without else (last, messages)

        last, messages = must(all_there, "the post of each case", _PATIENCE_S)
        return (last - began).total_seconds(), messages

    def _mirrored(self) -> bool:
        # A gateway that was not heard yet makes Guard ask Discord who is who.
        known = text(
            "SELECT 1 FROM guilds WHERE guild_id = :guild AND members_complete_at IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM gateway_shards)"
            " AND :staff <= (SELECT count(*) FROM members WHERE guild_id = :guild AND role_ids <> '{}')"
        )
        with self.engine.connect() as line:
            return line.execute(known, {"guild": self.guild_id, "staff": _ASKING}).scalar() == 1

    def _raise_budgets(self) -> None:
        raised = text(
            "INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:guild, cast(:plenty AS jsonb), now())"
            " ON CONFLICT (guild_id) DO UPDATE SET budgets = excluded.budgets"
        )
        with self.engine.begin() as line:
            line.execute(
                raised, {"guild": self.guild_id, "plenty": json.dumps({action.value: _PLENTY for action in Action})}
            )

    def _cpu_s(self) -> float:
        """CPU seconds of everything that is Kovra's, this process's accepting too; the sandbox is not."""
        roots = [part.pid for name, part in self.stack.parts().items() if part.pid is not None and name != "sandbox"]
        pids = [pid for root in roots for pid in (root, *children.descendants(root))]
        return cpu_s(pids) + time.process_time()

    def _calls(self) -> int:
        return int(self._control("GET", "requests?limit=1")["served"])

    def _refused(self) -> int:
        return sum(self._control("GET", "limits")["refused"].values())

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return control(self.stack.sandbox_url, method, path, body)


def _all_accepted(receipts: Sequence[Any]) -> None:
    refused = [receipt.refusal.sentence for receipt in receipts if receipt.refusal is not None]
    if refused:
        raise RuntimeError(f"{len(refused)} were refused, the first: {refused[0]}")
