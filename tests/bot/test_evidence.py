"""Files of a kept message, from a server that lies about them: none stops the act, and each says what became of it."""

from __future__ import annotations

import asyncio
import gzip
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from kovra.bot.evidence import EvidenceRoom
from kovra.guard.evidence import MAX_FILE_BYTES, MAX_FILES
from kovra.ids import new_request_id
from kovra.store.evidence import EvidenceKeeper

GUILD, MODERATOR = 1 << 40, 7
PICTURE = b"\x89PNG" + bytes(2000)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
#: What is written before the server of files is believed never to stop.
ENDLESS = 64 << 20


@dataclass
class Liar:
    """Discord's server of files, as it would be at its worst. ``sent``: how much of an endless file it got rid of."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, name: str, write) -> None:
        match name:
            case "good":
                write(OK + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
            case "endless":
                write(OK + b"\r\n")
                while self.sent < ENDLESS:
                    write(bytes(1 << 20))
                    self.sent += 1 << 20
            case "announced-huge":
                write(OK + b"Content-Length: %d\r\n\r\n" % (MAX_FILE_BYTES + 1) + bytes(100))
            case "cut-short":
                write(OK + b"Content-Length: 2004\r\n\r\n" + PICTURE[:1000])
            case "less-than-told":
                write(OK + b"Content-Length: 1000\r\n\r\n" + PICTURE[:1000])
            case "negative":
                write(OK + b"Content-Length: -1\r\n\r\n" + PICTURE)
            case "packed":
                bomb = gzip.compress(bytes(MAX_FILE_BYTES + 1))
                write(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
            case "elsewhere":
                write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/attachments/1/2/x.png\r\n\r\n")
            case "loop":
                write(b"HTTP/1.1 302 Found\r\nLocation: /attachments/1/2/loop\r\n\r\n")
            case "gone":
                write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            case "silent":
                self.over.wait(30)
            case "stalls":
                write(OK + b"Content-Length: 2004\r\n\r\n" + PICTURE[:1000])
                self.over.wait(30)
            case "garbage":
                write(b"\x00\xff not http\r\n\r\n")


@pytest.fixture
def liar() -> Iterator[Liar]:
    told = Liar()

    class Asked(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass  # the rest of what was asked
            told.asked.append(path)
            try:
                told.answer(path.rsplit("/", 1)[1], self.wfile.write)
            except OSError:
                return  # the reader had enough

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Asked) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield told
        told.over.set()
        server.shutdown()


@pytest.fixture
def keep(database, liar):
    """``keep(names)`` keeps a message with these files; gives whether the act may go on, once they are settled."""

    def run(*names: str, request_id: UUID | None = None) -> bool:
        files = [
            {"filename": name, "content_type": "image/png", "size": 2004, "url": f"{liar.url}/attachments/1/2/{name}"}
            for name in names
        ]
        message = {
            "id": "11",
            "channel_id": "12",
            "author": {"id": "13", "username": "spammer"},
            "content": "free nitro",
            "timestamp": "2026-01-02T03:04:05+00:00",
            "attachments": files,
        }

        async def story() -> bool:
            room, wish = EvidenceRoom(EvidenceKeeper(database), liar.url, stalled_s=0.3), request_id or new_request_id()
            room.begin(GUILD, wish, MODERATOR, message)
            held = await room.settled(GUILD, wish, 20.0)
            await room.close()
            return held

        return asyncio.run(story())

    return run


WORST = {
    "endless": "too_large",
    "announced-huge": "too_large",
    "cut-short": "lost",
    "negative": "lost",
    "packed": "lost",
    "elsewhere": "lost",
    "loop": "lost",
    "gone": "lost",
    "silent": "lost",
    "stalls": "lost",
    "garbage": "lost",
}


def test_no_file_stops_the_act_and_each_says_what_became_of_it(keep, rows, liar):
    for names in (list(WORST)[:MAX_FILES], list(WORST)[MAX_FILES:]):
        assert keep(*names)

    found = dict(rows("SELECT filename, status FROM evidence_files WHERE content IS NULL AND sha256 IS NULL"))
    assert found == WORST
    # Nobody is followed elsewhere, asked twice, or listened to for ever.
    assert sorted(path.rsplit("/", 1)[1] for path in liar.asked) == sorted(WORST)
    assert liar.sent < ENDLESS


def test_a_file_that_stalls_costs_the_others_nothing(keep, rows):
    assert keep("silent", "stalls", "silent", "good")

    assert rows("SELECT status FROM evidence_files ORDER BY place") == [("lost",), ("lost",), ("lost",), ("kept",)]


def test_a_file_that_is_shorter_than_discord_said_is_kept_as_it_came(keep, rows):
    assert keep("less-than-told")

    assert rows("SELECT status, size, octet_length(content) FROM evidence_files") == [("kept", 2004, 1000)]


def test_of_too_many_files_the_first_are_kept_and_the_rest_is_told_of(keep, rows, liar):
    assert keep(*["good"] * (MAX_FILES + 2))

    found = rows("SELECT status FROM evidence_files ORDER BY place")
    assert found == [("kept",)] * MAX_FILES + [("too_many",)] * 2
    assert len(liar.asked) == MAX_FILES
