"""The whole history as one file: how long it takes, and what the web process grows by meanwhile."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterable

from benchmarks.casefile.seed import GUILD
from benchmarks.fanout.ways import rss_kib

#: A part of the long history may wait for what else the machine does.
PATIENCE_S = 60
_LOOK_EVERY_S = 0.05


def exported(address: tuple[str, int], cookie: str, pids: Callable[[], Iterable[int]]) -> tuple[float, int, float]:
    """Megabytes of growth, lines that came, seconds. What a process loads once is loaded before: a small file first,
    on the same connection and so by the same process.
    """
    line = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    _fetch(line, cookie, "?action=kick&to=2015-02-01")
    web = list(pids())
    before, highest, over = rss_kib(web), [0], threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY_S):
            highest[0] = max(highest[0], rss_kib(web))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began = time.monotonic()
    lines = _fetch(line, cookie, "")
    took = time.monotonic() - began
    over.set()
    watcher.join()
    return (max(highest[0], before) - before) / 1024, lines, took


def _fetch(line: http.client.HTTPConnection, cookie: str, words: str) -> int:
    headers = {"Cookie": f"kovra={cookie}", "Host": "localhost", "Sec-Fetch-Site": "same-origin"}
    line.request("GET", f"/g/{GUILD}/cases?action=kick", headers=headers)
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', line.getresponse().read().decode())
    assert token is not None
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    line.request("POST", f"/g/{GUILD}/cases/export{words}", f"csrf={token[1]}&kind=jsonl", headers)
    answer = line.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"the export was answered with {answer.status}")
    lines = 0
    while chunk := answer.read(1 << 16):
        lines += chunk.count(b"\n")
    return lines
