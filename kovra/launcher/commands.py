"""The words after ``python3 -m kovra``. Standard library only, until ``bootstrap`` has made the environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kovra.launcher import bootstrap
from kovra.launcher.say import Say
from kovra.launcher.trouble import Trouble

#: Where the demo keeps its data when root runs it: the checkout may lie where no other user can go.
ROOT_DATA = Path("/var/lib/kovra")

WEB_PORT = 8000
SANDBOX_PORT = 8090

#: What can go on in the sandbox's town: :data:`kovra.sandbox.scenes.SCENES`, which needs the environment made first.
SCENES = ("quiet", "busy", "raid", "spam", "drama")


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    say = Say(sys.stderr if "--json" in argv else None)
    try:
        if argv and argv[0] == "test":
            return test(list(argv[1:]), say)  # all its words are pytest's
        chosen = _parser().parse_args(argv)
        return int(chosen.run(chosen, say))
    except Trouble as trouble:
        say.failed(trouble)
        return 1
    except KeyboardInterrupt:
        say.line()
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m kovra", description="Kovra: moderation for Discord servers, from click to case."
    )
    words = parser.add_subparsers(required=True, metavar="COMMAND")

    demo_word = words.add_parser("demo", help="everything on this machine, with a stand-in Discord to try it on")
    demo_word.add_argument("--port", type=_port, default=None, help=f"of the dashboard (PORT, else {WEB_PORT})")
    demo_word.add_argument("--sandbox-port", type=_port, default=SANDBOX_PORT, help=f"({SANDBOX_PORT})")
    demo_word.add_argument("--fresh", action="store_true", help="forget what earlier demos did")
    demo_word.add_argument(
        "--scene", choices=SCENES, default=None, help=f"what goes on in the town ({SCENES[1]} at first)"
    )
    demo_word.add_argument("--data", type=Path, default=None, help="the folder that keeps what the demo does")
    demo_word.set_defaults(run=demo)

    test_word = words.add_parser("test", help="all tests this machine can carry; further words go to pytest")
    test_word.set_defaults(run=lambda chosen, say: test([], say))

    bench_word = words.add_parser("bench", help="measure; without a name: say what can be measured")
    bench_word.add_argument("name", nargs="?")
    bench_word.add_argument("--quick", action="store_true", help="at most a minute")
    bench_word.add_argument("--json", action="store_true", help="one JSON object as the last line")
    bench_word.add_argument("--clients", type=_counts, default=None, help="how many, where there are some: 1000,4000")
    bench_word.set_defaults(run=bench)

    chaos_word = words.add_parser("chaos", help="break everything on purpose; without a name: say what can be broken")
    chaos_word.add_argument("name", nargs="?")
    chaos_word.add_argument("--quick", action="store_true", help="a sample of it, at most 35 s")
    chaos_word.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chaos_word.add_argument("--seconds", type=float, default=None, help="how long, for those that last: storm, soak")
    chaos_word.set_defaults(run=chaos)

    sandbox_word = words.add_parser("sandbox", help="only the stand-in Discord")
    sandbox_word.add_argument("--port", type=_port, default=SANDBOX_PORT)
    sandbox_word.add_argument("--state", type=Path, default=None, help="the file that keeps its world")
    sandbox_word.add_argument("--scene", choices=SCENES, action="append", default=[], help="play this from the start")
    sandbox_word.set_defaults(run=sandbox)

    release_word = words.add_parser("release", help="migrate the database and sync Discord's commands, once per deploy")
    release_word.set_defaults(run=release)
    return parser


def _counts(word: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    counts = tuple(int(part) for part in word.split(","))
    if not all(count > 0 for count in counts):
        raise ValueError(word)
    return counts


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port: a port is a number from 0 to 65535, and 0 takes a free one"
        )
    return int(text)


def default_data() -> Path:
    """Where the demo of this user keeps its data."""
    return ROOT_DATA if os.geteuid() == 0 else bootstrap.CHECKOUT / ".kovra"


def demo(chosen: argparse.Namespace, say: Say) -> int:
    bootstrap.ensure(bootstrap.DEMO, say)
    from kovra.launcher.demo import run

    port = int(os.environ.get("PORT") or WEB_PORT) if chosen.port is None else chosen.port
    return run(
        data=(chosen.data or default_data()).resolve(),
        port=port,
        sandbox_port=chosen.sandbox_port,
        fresh=chosen.fresh,
        scene=chosen.scene,
        say=say,
    )


def test(words: list[str], say: Say) -> int:
    bootstrap.ensure(bootstrap.TEST, say)
    import pytest

    from kovra.launcher import needs

    status = int(pytest.main(words))
    unmet = needs.unmet()
    for need, missing in unmet:
        say.line(f"not run: {need.suite}: {missing}")
    if unmet and needs.all_required():
        say.line("KOVRA_REQUIRE=all: each of these is a failure")
        return status or 1
    return status


def bench(chosen: argparse.Namespace, say: Say) -> int:
    return _measure("benchmarks", chosen, say)


def chaos(chosen: argparse.Namespace, say: Say) -> int:
    return _measure("benchmarks.chaos", chosen, say)


def _measure(package: str, chosen: argparse.Namespace, say: Say) -> int:
    """Run ``main`` of one module of a package."""
    modules = bootstrap.CHECKOUT.joinpath(*package.split(".")).glob("*.py")
    known = sorted(module.stem for module in modules if "\ndef main(" in module.read_text())
    if chosen.name not in known:
        asked = f"There is no measurement called {chosen.name}." if chosen.name else "Which measurement?"
        raise Trouble(asked, f"There is: {', '.join(known) or 'none yet'}.")
    bootstrap.ensure(bootstrap.TEST, say)
    from importlib import import_module
    from inspect import signature

    main = import_module(f"{package}.{chosen.name}").main
    how = {"quick": chosen.quick, "json": chosen.json}
    for word in ("seconds", "clients"):
        if (said := getattr(chosen, word, None)) is not None:
            if word not in signature(main).parameters:
                raise Trouble(f"{chosen.name} takes no --{word}.", "Leave it out.")
            how[word] = said
    return int(main(**how))


def sandbox(chosen: argparse.Namespace, say: Say) -> int:
    bootstrap.ensure(bootstrap.DEMO, say)
    state = ["--state", str(chosen.state)] if chosen.state else []
    scenes = [word for scene in chosen.scene for word in ("--scene", scene)]
    words = [sys.executable, "-m", "kovra.sandbox", "--port", str(chosen.port), *state, *scenes]
    os.execv(sys.executable, words)


def release(chosen: argparse.Namespace, say: Say) -> int:
    # A production machine has the requirements in an environment of its own, in whatever versions it chose.
    bootstrap.ensure(bootstrap.PRODUCTION, say, exactly=False)
    from kovra.release import main as run

    return int(run())
