"""The judge's own stream reads what comes as it comes: an event stream has neither a length nor an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests

from benchmarks.chaos.source import Source


@pytest.fixture
def server() -> Iterator[tuple[str, list[str | None]]]:
    """Tells the two events after the last one seen; the first stream then breaks, the second stays open."""
    asked: list[str | None] = []
    over = threading.Event()

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            last = self.headers["Last-Event-ID"]
            asked.append(last)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for number in (int(last) + 1, int(last) + 2):
                self.wfile.write(b"id: %d\nevent: case.created\ndata: {}\n\n" % number)
            if len(asked) > 1:
                over.wait(30)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stream) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", asked
        over.set()
        listening.shutdown()


def test_it_hears_at_once_and_goes_on_after_a_break(server):
    url, asked = server
    source = Source(SimpleNamespace(web_url=url, session=requests.Session()), 7, since=4)

    deadline = time.monotonic() + 20
    while len(source.seen) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)  # between two looks
    source.close()

    assert source.seen == [5, 6, 7, 8]
    assert asked == ["4", "6"]
