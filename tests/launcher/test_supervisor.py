from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading

import pytest

from kovra.launcher.supervisor import Watch, answers, await_ready, describe, every, said, stop_together
from kovra.launcher.trouble import Trouble

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SERVE = "print('kovra: toy ready', flush=True)\nimport time\nwhile True: time.sleep(60)"


def test_a_process_is_ready_when_it_says_so(toy):
    process = toy()

    process.start()
    process.await_ready()

    assert process.pid is not None
    assert process.written() == "kovra: toy ready\n"


def test_a_process_is_ready_when_its_address_answers_200(toy):
    class Health(http.server.BaseHTTPRequestHandler):
        statuses = [503, 503, 200]

        def do_GET(self):
            self.send_response(self.statuses.pop(0))
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = toy(ready=answers(f"http://127.0.0.1:{server.server_port}/healthz"))

        process.start()
        process.await_ready()
        server.shutdown()

    assert Health.statuses == []


def test_a_process_that_shares_its_port_is_not_ready_by_the_answers_of_another(toy):
    first = toy(ready=every(said("kovra: toy ready"), lambda process: True))
    second = toy("import time\ntime.sleep(600)", name="second", ready=first.ready)

    first.start()
    second.start()
    first.await_ready()

    assert not second.is_ready()


def test_a_process_that_ends_while_starting_is_named_with_its_last_words(toy):
    process = toy("print('the disk is full'); raise SystemExit(3)", name="worker")

    process.start()
    with pytest.raises(Trouble) as caught:
        process.await_ready()

    assert caught.value.what == "worker stopped while starting (exit status 3)."
    assert caught.value.said == ("the disk is full",)


def test_a_process_that_never_gets_ready_is_named(toy):
    process = toy("import time; time.sleep(600)", ready_within_s=0.2)

    process.start()

    with pytest.raises(Trouble, match=r"toy was not ready within 0 s"):
        process.await_ready()


def test_one_bad_process_is_noticed_while_others_still_start(toy):
    slow, bad = toy("import time; time.sleep(600)", name="slow"), toy("raise SystemExit(1)", name="bad")

    slow.start()
    bad.start()

    with pytest.raises(Trouble, match="bad stopped while starting"):
        await_ready([slow, bad])


def test_the_words_of_an_earlier_run_do_not_make_a_process_ready(toy):
    process = toy()
    process.start()
    process.await_ready()
    process.kill()

    process.argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    process.ready_within_s = 0.3
    process.start()

    with pytest.raises(Trouble, match="not ready"):
        process.await_ready()


def test_a_process_that_ignores_sigterm_is_killed_and_named(toy):
    polite, deaf = toy(name="polite"), toy(DEAF + SERVE, name="deaf")
    for process in (polite, deaf):
        process.start()
    await_ready([polite, deaf])

    killed = stop_together([polite, deaf], within_s=1)

    assert killed == ["deaf"]
    assert polite.pid is deaf.pid is None


def test_a_process_is_stopped_with_all_it_started(toy, until, gone):
    process = toy(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n" + SERVE
    )
    process.start()
    process.await_ready()
    child = int(process.written().splitlines()[0])

    process.stop()

    until(lambda: gone(child))


def test_nothing_survives_the_death_of_its_launcher(tmp_path, until, gone):
    # The child is asked for by a thread that ends at once: the kernel looks at threads, people look at processes.
    program = (
        "import sys, threading, time\n"
        "from kovra.launcher import children\n"
        "def begin():\n"
        "    child = children.spawn([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    print(child.pid, flush=True)\n"
        "thread = threading.Thread(target=begin); thread.start(); thread.join()\n"
        "time.sleep(600)\n"
    )
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = int(launcher.stdout.readline())
    alive_with_its_launcher = not gone(child)

    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()

    assert alive_with_its_launcher
    until(lambda: gone(child))


class Watched:
    def __init__(self, processes, **options):
        self.said, self.ended, self.trouble = [], threading.Event(), None
        self.watch = Watch(processes, self.said.append, backoff_s=0.01, **options)
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self.watch.run(self.ended)
        except Trouble as trouble:
            self.trouble = trouble

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()


def test_a_process_that_dies_is_started_again_and_that_is_said(toy, until):
    process = toy(name="worker")
    process.start()
    process.await_ready()
    first = process.pid

    with Watched([process]) as watched:
        os.kill(first, signal.SIGKILL)
        until(lambda: "worker runs again." in watched.said)

    assert process.pid not in (None, first)
    assert watched.said == ["worker stopped (ended by SIGKILL); starting it again.", "worker runs again."]


def test_a_process_that_keeps_dying_is_given_up_with_its_last_words(toy, until):
    process = toy(name="bot")
    process.start()
    process.await_ready()
    process.argv = [sys.executable, "-c", "print('no such guild'); raise SystemExit(4)"]

    with Watched([process], restarts=2) as watched:
        process.kill()
        until(lambda: watched.trouble)

    assert watched.trouble.what == "bot keeps stopping (bot stopped while starting (exit status 4))."
    assert watched.trouble.said == ("no such guild",)
    assert len(watched.said) == 2


def test_a_killed_server_is_started_again_too(postgres_in, until):
    server = postgres_in()
    server.start()
    first = server.pid

    with Watched([server]) as watched:
        server.kill()
        until(lambda: "postgres runs again." in watched.said)

    assert server.pid not in (None, first)


@pytest.mark.parametrize(("status", "words"), [(0, "exit status 0"), (3, "exit status 3"), (-9, "ended by SIGKILL")])
def test_an_exit_status_in_words(status, words):
    assert describe(status) == words
