"""Each guard of the protocol switched off: whoever takes one away is caught.

The guards and their traps are in :mod:`benchmarks.chaos.guards` and :mod:`benchmarks.chaos.doors`. A trap that catches
something although its guard stands is no trap, and a guard without which nothing happens is no guard: both count as not
caught.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import benchmarks.chaos.doors  # noqa: F401 - adds the guards of the pages
from benchmarks.chaos.bare import Bare
from benchmarks.chaos.guards import GUARDS, Guard
from benchmarks.measure import Report, host, say
from kovra.launcher.postgres import SUPERUSER, EmbeddedPostgres
from kovra.store.migrate import upgrade


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a guard could be taken away unnoticed. Both forms try every guard."""
    with tempfile.TemporaryDirectory(prefix="kovra-ablation-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as nobody when we are root, and must be able to walk through
        with EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server:
            upgrade(server.url)
            bare = Bare(server.url, server.url_of("kovra", SUPERUSER))
            try:
                return ablate(bare, quick=quick, json=json)
            finally:
                bare.close()


def ablate(bare: Bare, *, quick: bool, json: bool) -> int:
    """Try every guard and print what was caught."""
    with bare.web.transaction(None) as session:
        version = str(session.connection().exec_driver_sql("SHOW server_version").scalar())
    report = Report(name="chaos ablation", quick=quick, host=host(postgres=version))
    caught = [guard for guard in GUARDS if is_caught(bare, guard)]
    report.add("guards", len(GUARDS))
    report.add("caught", len(caught))
    report.print(as_json=json)
    return 0 if len(caught) == len(GUARDS) else 1


def is_caught(bare: Bare, guard: Guard) -> bool:
    """Whether nothing is broken with the guard, and something without it."""
    whole = list(guard.trap(bare, True))
    broken = list(guard.trap(bare, False))
    verdict = "its trap is broken: " + whole[0] if whole else broken[0] if broken else "NOT CAUGHT"
    say(f"without {guard.name:<20} {verdict}")
    return not whole and bool(broken)
