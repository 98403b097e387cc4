"""Under gevent's patching the hub is green: the web process goes on while it waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Runs in a process of its own, because patching cannot be undone.
PROGRAM = """
from gevent import monkey; monkey.patch_all()
import sys, threading, time
import gevent
sys.path.insert(0, {tests!r})
from conftest import GUILD, History
from kovra.live.bulletin import Bulletin, connect
from kovra.live.hub import Hub

history, url = History(), {url!r}
hub = Hub(url, history, 60.0)
hub.start()
streams = [hub.subscribe(GUILD, None, lambda event: True) for _ in range(200)]
client = connect(url)
while not client.pubsub_numsub("kovra:bulletin")[0][1]:
    gevent.sleep(0.01)  # between two looks

turns = 0
def other_requests():
    global turns
    while True:
        turns += 1
        gevent.sleep(0.001)  # what another request would take
gevent.spawn(other_requests)

got = [[] for _ in streams]
def read(number):
    while len(got[number]) < 50:
        frame = streams[number].next(30)
        assert frame, "nothing came"
        got[number].append(int(frame.split()[1]))
readers = [gevent.spawn(read, number) for number in range(len(streams))]
with gevent.Timeout(60):  # everyone waits: whoever blocked the loop would stop the turns
    while turns < 50:
        gevent.sleep(0.01)  # between two looks
for _ in range(50):
    history.write()
    Bulletin(client).ring(GUILD)
    gevent.sleep(0)  # readers get their turn
gevent.joinall(readers, timeout=60, raise_error=True)
assert got == [list(range(1, 51))] * len(streams), "not every stream got every event in order"

waiting = [gevent.spawn(list, stream) for stream in streams]
gevent.sleep(0)  # until each of them waits
hub.stop()
assert len(gevent.joinall(waiting, timeout=30)) == len(streams), "stop left a reader waiting"
assert all(type(t).__name__ != "Thread" or not t.name.startswith("kovra-hub") for t in threading.enumerate())
print("green")
"""


def test_the_hub_leaves_the_loop_to_others_under_gevent(valkey_url):
    program = PROGRAM.format(tests=str(Path(__file__).parent), url=valkey_url)

    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=110)

    assert ended.stdout.strip() == "green", ended.stderr
