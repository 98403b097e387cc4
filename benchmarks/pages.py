"""What pages weigh and how soon they are there, in a real browser: the worst page of each.

A warm Kovra with cases in it, and Chromium. First load: an empty cache. Later page: what a page takes when the one
before it filled the cache. Weights are bytes on the wire, headers included; the stream of events is left out, which
never ends. The first paint and the shifts are the browser's own entries, without a cache, at 1440 and at 390 pixels.
A tab is given a moment before it opens the page: with it Chromium makes a profile, half a second of the two cores' work
that no page asks for and no reader waits for.

``floor_fcp_ms`` is the first paint of a page of one line, served from this process: what this machine's browser takes
to start a renderer and to show a frame at all. Nothing a page does can be faster.
"""

from __future__ import annotations

import contextlib
import http.server
import json as reading
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Report, host, percentile, say
from benchmarks.person import Person
from kovra.launcher.needs import browser_program
from kovra.launcher.stack import Stack

#: The pages of a server, and who may see all of them.
PAGES = (
    "overview",
    "cases",
    "members",
    "bans",
    "mass",
    "audit",
    "queue",
    "settings/health",
    "settings/budgets",
    "settings/notices",
)
#: The short form looks at these.
SAMPLE = ("overview", "cases", "queue")
WHO = "tamsin_reed"
SIZES = ((1440, 900), (390, 844))
#: Until Chromium is done with the profile of a new tab.
SETTLE_MS = 700

_ENTRIES = """() => new Promise(done => {
  let shift = 0;
  new PerformanceObserver(list => { for (const one of list.getEntries()) shift += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (!paint) { requestAnimationFrame(look); return; }
    setTimeout(() => done([paint.startTime, shift]), 400);
  };
  look();
})"""


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        Path(folder).chmod(0o711)
        say("starting everything")
        with Stack(Path(folder) / "data", members=600, extra_env={"KOVRA_PACING": "off"}) as stack:
            try:
                from playwright.sync_api import sync_playwright
            except ImportError:
                return _nothing(quick, json, "the test requirements are not installed")
            if not browser_program():
                return _nothing(quick, json, "no Chromium was found on this machine")
            with sync_playwright() as player:
                browser = player.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
                report = Report(name="pages", quick=quick, host=host(chromium=browser.version))
                _measure(report, browser, _Site(stack), SAMPLE if quick else PAGES, 1 if quick else 3)
                browser.close()
    report.print(as_json=json)
    return 0


class _Site:
    """Where the pages are, and a moderator's cookie."""

    def __init__(self, stack: Stack) -> None:
        world, people = (_control(stack, asked) for asked in ("world", "people"))
        self.web_url, self.guild_id = stack.web_url, int(world["guild_id"])
        person = Person(stack.web_url, next(int(one["id"]) for one in people if one["username"] == WHO))
        self.cookies = [{"name": one.name, "value": one.value, "url": stack.web_url} for one in person.session.cookies]

    def address(self, page: str) -> str:
        return f"{self.web_url}/g/{self.guild_id}/{page}"


def _control(stack: Stack, asked: str) -> Any:
    with urllib.request.urlopen(f"{stack.sandbox_url}/control/{asked}", timeout=30) as answer:
        return reading.load(answer)


def _measure(report: Report, browser: Any, site: _Site, pages: Sequence[str], rounds: int) -> None:
    first, later, paints, shifts = {}, {}, {}, {}
    with _one_line() as address:
        floor = [_entries(browser, site, address, size)[0] for size in SIZES for _ in range(rounds)]
    for page in pages:
        say(page)
        first[page] = _weight(browser, site, page, None)
        later[page] = _weight(browser, site, page, "cases" if page != "cases" else "overview")
        told = [_entries(browser, site, site.address(page), size) for size in SIZES for _ in range(rounds)]
        paints[page] = percentile([paint for paint, _ in told], 0.5) or 0.0
        shifts[page] = max(shift for _, shift in told)
    for key, found, digits in (
        ("first_load_kb", first, 1),
        ("later_page_kb", later, 1),
        ("fcp_ms", paints, 0),
        ("cls", shifts, 4),
    ):
        worst = max(found, key=lambda page: found[page])
        report.add(key, found[worst], digits=digits)
        report.notes[key] = f"the worst is {worst}"
    report.add("floor_fcp_ms", percentile(floor, 0.5), digits=0)
    for page in pages:
        name = page.replace("/", "_")
        report.add(f"{name}_fcp_ms", paints[page], digits=0)
        report.add(f"{name}_first_kb", first[page], digits=1)
        report.add(f"{name}_later_kb", later[page], digits=1)


@contextlib.contextmanager
def _tab(browser: Any, site: _Site, size: tuple[int, int] = SIZES[0]) -> Any:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_cookies(site.cookies)
    try:
        yield context.new_page()
    finally:
        context.close()


def _weight(browser: Any, site: _Site, page: str, before: str | None) -> float:
    """Kilobytes on the wire until nothing but the stream is open; ``before`` is opened first and not counted."""
    with _tab(browser, site) as tab:
        wire = tab.context.new_cdp_session(tab)
        wire.send("Network.enable")
        streams, total = set(), [0]

        def answered(event: dict[str, Any]) -> None:
            if event["response"].get("mimeType") == "text/event-stream":
                streams.add(event["requestId"])

        def finished(event: dict[str, Any]) -> None:
            if event["requestId"] not in streams:
                total[0] += event["encodedDataLength"]

        wire.on("Network.responseReceived", answered)
        wire.on("Network.loadingFinished", finished)
        if before:
            _open(tab, site.address(before))
            total[0] = 0
        _open(tab, site.address(page))
        return total[0] / 1000


def _open(tab: Any, address: str) -> None:
    tab.goto(address, wait_until="load")
    tab.locator("#live:not(.wait, .off)").wait_for()
    tab.wait_for_timeout(300)


def _entries(browser: Any, site: _Site, address: str, size: tuple[int, int]) -> tuple[float, float]:
    with _tab(browser, site, size) as tab:
        tab.wait_for_timeout(SETTLE_MS)
        tab.goto(address, wait_until="load")
        paint, shift = tab.evaluate(_ENTRIES)
        return paint, shift


@contextlib.contextmanager
def _one_line() -> Iterator[str]:
    """The address of a page of one line on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OneLine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _OneLine(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        page = b"<!doctype html><title>One line</title><p>One line"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the report is on standard error."""


def _nothing(quick: bool, json: bool, why: str) -> int:
    report = Report(name="pages", quick=quick, host=host())
    for key in ("first_load_kb", "later_page_kb", "fcp_ms", "cls"):
        report.unmeasured(key, why)
    report.print(as_json=json)
    return 0
