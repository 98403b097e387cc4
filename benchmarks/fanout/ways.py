"""The ways that are compared. Each is a running server, the requests that open its streams, and how an event enters."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import redis

from benchmarks.fanout.per_client import CHANNEL
from kovra.ids import GuildId, UserId
from kovra.launcher import children
from kovra.launcher.bootstrap import CHECKOUT
from kovra.launcher.keys import fresh_keys
from kovra.launcher.supervisor import Process, answers
from kovra.live.bulletin import Bulletin, connect
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.mirror import GuildRow, MemberRow, Mirror, RoleRow
from kovra.store.sessions import Sessions

GUILD, OWNER, GUARD = GuildId(200_000_000_000_000_001), UserId(300_000_000_000_000_001), UserId(300_000_000_000_000_002)

#: An event is about as large as Kovra's largest usual one, in bytes with its frame.
PADDING = "x" * 120

#: Streams of one session and sessions of one person: what Kovra allows.
PER_SESSION, SESSIONS_EACH = 6, 3


class Way(Protocol):
    """One way to bring events to streams."""

    prefix: str
    address: tuple[str, int]
    other_path: str

    @property
    def pids(self) -> Sequence[int]:
        """The processes that carry events to sockets."""

    def heads(self, count: int) -> list[bytes]:
        """The requests that open so many streams."""

    def publish(self, due: float) -> None:
        """Send one event, which was due at this moment of ``time.monotonic``."""

    def close(self) -> None:
        """Stop it."""


def facts(due: float) -> dict[str, str]:
    """What every event says, with when it was due."""
    return {"case_no": "42", "padding": PADDING, "at_ns": str(int(due * 1e9))}


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of these processes, with all their threads, to the nanosecond."""
    spent = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def rss_kib(pids: Sequence[int]) -> int:
    """Resident memory of these processes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * resource.getpagesize() // 1024


class _Gunicorn:
    """One gunicorn gevent worker with Kovra's settings."""

    def __init__(self, folder: Path, name: str, app: str, env: dict[str, str]) -> None:
        self.address = ("127.0.0.1", _free_port())
        words = ["-c", str(CHECKOUT / "gunicorn.conf.py"), "--bind", f"{self.address[0]}:{self.address[1]}", app]
        self._process = Process(
            name=name,
            argv=[sys.executable, "-m", "gunicorn", *words],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **env},
            cwd=CHECKOUT,
            log=folder / f"{name}.log",
            ready=answers(f"http://{self.address[0]}:{self.address[1]}/healthz"),
        )
        self._process.start()
        self._process.await_ready()

    @property
    def pids(self) -> Sequence[int]:
        pid = self._process.pid
        return list(children.descendants(pid)) if pid else []

    def close(self) -> None:
        self._process.kill()


class Kovra(_Gunicorn):
    """The dashboard's web process with its hub: events are rows, a ring tells of them."""

    prefix, other_path = "", "/healthz"

    def __init__(self, folder: Path, database_url: str, redis_url: str, most: int) -> None:
        self._owner = Database(database_url, role=None)
        self._bell = Bulletin(connect(redis_url))
        self._cookies = _people(database_url, most)
        env = fresh_keys() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "KOVRA_LOG_LEVEL": "WARNING"}
        env |= {"DISCORD_BASE_URL": "http://127.0.0.1:9", "DISCORD_CDN_URL": "http://127.0.0.1:9"}
        super().__init__(folder, "kovra", "app:app", env | {"KOVRA_BASE_URL": "http://localhost:8000"})

    def heads(self, count: int) -> list[bytes]:
        cookies = [cookie for cookie in self._cookies for _ in range(PER_SESSION)][:count]
        return [
            f"GET /g/{GUILD}/live HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            f"Cookie: kovra={cookie}\r\n\r\n".encode()
            for cookie in cookies
        ]

    def publish(self, due: float) -> None:
        told = facts(due)
        with self._owner.transaction(GUILD) as session:
            append_event(session, GUILD, EventKind.CASE_CREATED, None, told)
        self._bell.ring(GUILD)


class PerClient(_Gunicorn):
    """A greenlet and a Redis connection for each stream."""

    prefix, other_path = "per_client_", "/other"

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url)
        super().__init__(folder, "per-client", "benchmarks.fanout.per_client:app", {"REDIS_URL": redis_url})

    def heads(self, count: int) -> list[bytes]:
        return [b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"] * count

    def publish(self, due: float) -> None:
        self._redis.publish(CHANNEL, json.dumps(facts(due), separators=(",", ":")))


class Nchan:
    """nginx with nchan, one worker, fed by HTTP."""

    prefix, other_path = "nchan_", "/other"

    def __init__(self, folder: Path) -> None:
        self.address = ("127.0.0.1", _free_port())
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=self.address[1]))
        self._process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.pids or not _connects(self.address):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("nginx did not start")
            time.sleep(0.02)  # between two looks
        self._line = http.client.HTTPConnection(*self.address, timeout=30)

    @staticmethod
    def lacking() -> str | None:
        """Why it cannot be measured here."""
        module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
        there = shutil.which("nginx") and module.exists()
        return None if there else "no nginx with nchan (Debian: apt-get install libnginx-mod-nchan)"

    @property
    def pids(self) -> Sequence[int]:
        return list(children.descendants(self._process.pid))

    def heads(self, count: int) -> list[bytes]:
        return [b"GET /live HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"] * count

    def publish(self, due: float) -> None:
        self._line.request("POST", "/publish", json.dumps(facts(due), separators=(",", ":")))
        self._line.getresponse().read()

    def close(self) -> None:
        self._line.close()
        self._process.terminate()
        self._process.wait(timeout=10)


NGINX = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off; worker_processes 1; worker_rlimit_nofile 16000; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 15000; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 3600;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /publish {{ nchan_publisher; nchan_channel_id live; nchan_message_buffer_length 100; }}
    location = /live {{ nchan_subscriber eventsource; nchan_channel_id live; nchan_subscriber_first_message newest; }}
    location = /other {{ return 200 ok; }}
  }}
}}
"""


class Floor:
    """A bare loop of sends of the same bytes: what the kernel alone costs."""

    prefix, other_path = "floor_", ""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_send_to_all, args=(theirs,), daemon=True)
        self._process.start()
        self.address = ("127.0.0.1", self._ours.recv())

    @property
    def pids(self) -> Sequence[int]:
        return [self._process.pid or 0]

    def heads(self, count: int) -> list[bytes]:
        return [b"GET / HTTP/1.1\r\n\r\n"] * count

    def publish(self, due: float) -> None:
        told = json.dumps(facts(due), separators=(",", ":")).encode()
        self._ours.send_bytes(b"id: 1\nevent: case.created\ndata: %s\n\n" % told)

    def close(self) -> None:
        self._process.kill()


def _send_to_all(line: Connection) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    door = socket.create_server(("127.0.0.1", 0), backlog=2048)
    line.send(door.getsockname()[1])
    streams: dict[int, socket.socket] = {}
    poll = select.epoll()
    for number in (door.fileno(), line.fileno()):
        poll.register(number, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number == door.fileno():
                stream, _ = door.accept()
                stream.setblocking(False)
                streams[stream.fileno()] = stream
                poll.register(stream.fileno(), select.EPOLLIN)
            elif number == line.fileno():
                frame = line.recv_bytes()
                for stream in streams.values():
                    with suppress(OSError):
                        stream.send(frame)
            elif _asked(streams[number]):
                streams[number].send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            else:
                poll.unregister(number)
                streams.pop(number).close()


def _asked(stream: socket.socket) -> bool:
    try:
        return stream.recv(4096) != b""
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def _connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _people(database_url: str, streams: int) -> list[str]:
    """Enough signed-in moderators of one guild for so many streams; their cookies."""
    sessions_needed = -(-streams // PER_SESSION)
    users = [UserId(310_000_000_000_000_000 + number) for number in range(-(-sessions_needed // SESSIONS_EACH))]
    bot, web = Database(database_url, role="kovra_bot"), Database(database_url, role="kovra_web")
    mirror, sessions = Mirror(bot), Sessions(web)
    rows = [_member(user_id) for user_id in (OWNER, GUARD, *users)]
    mirror.guild(
        GuildRow(guild_id=GUILD, name="Bench", icon=None, owner_id=OWNER, guard_id=GUARD, member_count=len(rows))
    )
    # Everybody is an administrator: everybody may look.
    mirror.roles(GUILD, [RoleRow(role_id=GUILD, name="@everyone", position=0, permissions=8)])  # type: ignore[arg-type]
    mirror.members(GUILD, rows, complete=True)
    cookies = [
        sessions.open(user_id=users[number // SESSIONS_EACH], username="m", name="m", avatar=None, access_token=b"")
        for number in range(sessions_needed)
    ]
    bot.dispose()
    web.dispose()
    return cookies


def _member(user_id: UserId) -> MemberRow:
    return MemberRow(
        user_id=user_id,
        username=f"m{user_id}",
        global_name=None,
        nick=None,
        avatar=None,
        bot=user_id == GUARD,
        role_ids=[],
        joined_at=datetime.now(UTC),
        timed_out_until=None,
    )
