"""Who asks for something while many streams are written to is answered between two turns, under gevent too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Runs in a process of its own, because patching cannot be undone. The first write brings somebody's request.
PROGRAM = """
from gevent import monkey; monkey.patch_all()
import socket, threading
import gevent
from kovra.live.crowd import Crowd
from kovra.live.turns import TURN
from kovra.live.wire import Wire

asks, serves = socket.socketpair()
written, when_served = 0, None

class Line:
    def send(self, data, flags):
        global written
        written += bool(data)
        if data and written == 1:
            asks.send(b"GET /")
        return len(data)

def serve():
    global when_served
    serves.recv(5)
    when_served = written

waiting = gevent.spawn(serve)
gevent.sleep(0)  # it runs until it waits
writing = threading.Lock()
crowd = Crowd(bool, 0, writing)
for _ in range(20 * TURN):
    wire = Wire(1, 0, bool, lambda stream: None, writing)
    wire.open(Line(), b"", lambda wire: None)
    assert wire.join(crowd, 0)
assert crowd.write(b"data: {}\\n\\n", 1) == 20 * TURN
waiting.join(30)
print(when_served // TURN)
"""


def test_somebody_who_asks_meanwhile_is_answered_after_a_turn_or_two():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ended.stdout.strip() in {"1", "2"}, ended.stdout + ended.stderr
