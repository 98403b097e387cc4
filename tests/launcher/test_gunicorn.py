"""The web server's settings, with the real gunicorn and a dashboard of thirty lines."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import sys
from pathlib import Path

import psycopg2
import pytest

from benchmarks.chaos.waiting import must
from kovra.launcher.supervisor import Process, answers

CONFIG = Path(__file__).resolve().parents[2] / "gunicorn.conf.py"

APP = """
import os, pathlib, queue, resource, time
import psycopg2

print("loading", flush=True)
while pathlib.Path("gate").exists():
    time.sleep(0.01)  # between two looks

lines, started = [], []

class App:
    extensions = {"kovra_start": lambda: started.append(os.getpid())}

    def __call__(self, environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        path = environ["PATH_INFO"]
        if path == "/slow":
            connection = psycopg2.connect(os.environ["DATABASE_URL"])
            connection.cursor().execute("SELECT pg_advisory_xact_lock(1)")
            return [b"slow"]
        if path == "/stream":
            line = queue.Queue()
            lines.append(line)
            return self.stream(line)
        if path == "/files":
            return [str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).encode()]
        if path == "/started":
            return [str(started == [os.getpid()]).encode()]
        return [environ["wsgi.url_scheme"].encode()]

    def stream(self, line):
        yield b": open\\n\\n"
        while line.get() is not None:
            pass

class Streams:
    def close(self):
        for line in lines:
            line.put(None)

app = App()
app.extensions["kovra_streams"] = Streams()
"""


@pytest.fixture
def server(tmp_path, postgres_url):
    """Starts nothing yet; ``more`` are words of its command."""
    (tmp_path / "app.py").write_text(APP)
    made = []

    def make(*more):
        made.append(_server(tmp_path, postgres_url, more))
        return made[-1]

    yield make
    for process in made:
        process.kill()


@pytest.fixture
def web(server):
    process = server()
    process.start()
    process.await_ready()
    return process


def _server(folder, postgres_url, more):
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    # An hour's grace: whatever would need it makes the stop fail, instead of slow.
    words = ["-c", str(CONFIG), "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "3600", *more, "app:app"]
    process = Process(
        name="web",
        argv=[sys.executable, "-m", "gunicorn", *words],
        env={**os.environ, "DATABASE_URL": postgres_url},
        cwd=folder,
        log=folder / "web.log",
        ready=answers(f"http://127.0.0.1:{port}/"),
    )
    process.port = port
    return process


def ask(web, path, **headers):
    line = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    line.request("GET", path, headers=headers)
    return line


def test_it_says_that_it_serves(web):
    assert "kovra: web ready" in web.written().splitlines()


def test_a_query_that_waits_does_not_stop_the_others(web, postgres_url):
    holder = psycopg2.connect(postgres_url)
    holder.cursor().execute("SELECT pg_advisory_xact_lock(1)")
    slow = [ask(web, "/slow") for _ in range(3)]

    fast = ask(web, "/").getresponse().read()
    holder.rollback()
    holder.close()

    assert fast == b"http"
    assert [line.getresponse().read() for line in slow] == [b"slow"] * 3


def test_open_streams_are_ended_at_sigterm_and_do_not_hold_the_stop(web):
    streams = [ask(web, "/stream").getresponse() for _ in range(3)]
    assert [stream.readline() for stream in streams] == [b": open\n"] * 3

    went_by_itself = web.stop(within_s=60)

    assert went_by_itself
    assert web.status == 0
    assert [stream.read() for stream in streams] == [b"\n"] * 3


def test_connections_kept_open_for_nothing_do_not_hold_the_stop(web):
    line = ask(web, "/")
    line.getresponse().read()

    went_by_itself = web.stop(within_s=60)

    assert went_by_itself
    assert line.sock.recv(1) == b""


def test_a_request_under_way_is_answered_before_the_stop(web, postgres_url):
    holder = psycopg2.connect(postgres_url)
    holder.cursor().execute("SELECT pg_advisory_xact_lock(1)")
    slow = ask(web, "/slow")
    ask(web, "/").getresponse().read()  # so the slow one has arrived

    web.ask_to_stop()
    holder.rollback()
    holder.close()

    assert slow.getresponse().read() == b"slow"


def test_the_proxy_on_this_machine_is_believed_about_https(web):
    answer = ask(web, "/", **{"X-Forwarded-Proto": "https"}).getresponse().read()

    assert answer == b"https"


def test_more_streams_than_a_shell_allows_files_may_be_open(web):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    files = int(ask(web, "/files").getresponse().read())

    assert files == (65_536 if most == resource.RLIM_INFINITY else min(most, 65_536))


@pytest.mark.parametrize("more", [[], ["--reuse-port"]])
def test_nobody_connects_to_a_process_that_is_still_loading(server, tmp_path, more):
    (tmp_path / "gate").touch()
    web = server(*more)
    web.start()
    must(lambda: "loading" in web.written(), "the load")

    with pytest.raises(ConnectionRefusedError):
        ask(web, "/")
    (tmp_path / "gate").unlink()
    web.await_ready()

    assert ask(web, "/").getresponse().read() == b"http"


def test_what_runs_beside_the_pages_is_started_once_by_the_process_that_serves_them(web):
    assert ask(web, "/started").getresponse().read() == b"True"


def test_nothing_is_patched_too_late(web):
    assert "MonkeyPatchWarning" not in web.written()
