"""``python3 -m kovra demo``: all of Kovra, a Discord to try it on, and what to try first."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from kovra.launcher.say import Say
from kovra.launcher.stack import Cancelled, Stack
from kovra.launcher.trouble import Trouble

FIRST_STEPS = (
    "Sign in as {high} and open the server.",
    "Press W, pick a member and give a reason: queued, then done, with the number of the case.",
    "Sign in as {low} in a private window: the case is there too, and some things are not allowed.",
)


#: A new town is lively, at a pace at which one can still read along: something happens every four or five seconds.
FIRST_SCENE, FIRST_PACE = "busy", 0.5


def run(*, data: Path, port: int, sandbox_port: int, fresh: bool, scene: str | None, say: Say) -> int:
    """Start, wait for Ctrl-C or SIGTERM, stop; returns the exit status."""
    ended, began = threading.Event(), time.monotonic()
    stack = Stack(data, port, sandbox_port, fresh=fresh, outside=os.environ, cancel=ended, step=say.done)
    choose_scene(stack, scene)
    with _stop_signals(ended):
        say.line()
        say.line(f"  {say.bold('Kovra')}")
        say.line()
        try:
            stack.start()  # when it fails nothing is left, and why is the only news
        except Cancelled:
            _stop(stack, say)
            return 0
        try:
            _invite(stack, say, time.monotonic() - began)
            stack.watch(ended, say.note)
        finally:
            _stop(stack, say)
    return 0


def choose_scene(stack: Stack, asked: str | None) -> None:
    """What the town plays: what was asked for, the lively one at first, and later what played when the demo stopped."""
    if asked is not None:
        stack.scene = asked
    elif stack.fresh or not stack.sandbox_state.exists():
        stack.scene, stack.pace = FIRST_SCENE, FIRST_PACE


def _stop(stack: Stack, say: Say) -> None:
    began = time.monotonic()
    say.line()
    with say.working("Stopping"):
        stack.stop()
    say.done("Stopped", time.monotonic() - began)


@contextlib.contextmanager
def _stop_signals(ended: threading.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal stop in order, once; more of them change nothing, or some child would be
    left behind.
    """

    def stop(number: int, frame: object) -> None:
        ended.set()  # and no exception: it would strike in the middle of starting something

    # nohup ignores SIGHUP on purpose.
    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _invite(stack: Stack, say: Say, seconds: float) -> None:
    """The address, who one can be, and what to try first."""
    say.line()
    say.line(f"  Open      {say.link(stack.web_url)}   {say.dim(f'ready after {seconds:.1f} s')}")
    if stack.sandboxed:
        say.line(f"  Discord   {say.dim(stack.sandbox_url)}   {say.dim('the sandbox: a stand-in on this machine')}")
        people = _people(stack.sandbox_url)
        say.title("Sign in as")
        for row in _table(people):
            say.line(f"    {row}")
        say.title("Try first")
        for number, text in enumerate(FIRST_STEPS, 1):
            say.line(f"    {number}. {text.format(high=_name(people[0]), low=_name(people[-1]))}")
    say.line()
    kept = "what you do is kept; --fresh starts over"
    say.line(f"  {say.dim(f'Ctrl-C stops everything; {kept}. Logs: {stack.logs}')}")
    say.line()


def _people(sandbox_url: str) -> list[dict[str, Any]]:
    """Who can sign in to the sandbox.

    Raises:
        Trouble: it does not say.
    """
    try:
        with urlopen(f"{sandbox_url}/control/people", timeout=10) as answer:
            return list(json.load(answer))
    except (OSError, ValueError) as error:
        raise Trouble("The sandbox does not say who lives in it.", f"It answered: {error}") from error


def _table(people: Sequence[dict[str, Any]]) -> list[str]:
    """One line a person: name, rank, and what they may do."""
    rows = [(_name(one), str(one["rank"]), str(one["can"])) for one in people]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{name:<{widths[0]}}   {rank:<{widths[1]}}   {can}".rstrip() for name, rank, can in rows]


def _name(person: dict[str, Any]) -> str:
    return str(person.get("display_name") or person["username"])
