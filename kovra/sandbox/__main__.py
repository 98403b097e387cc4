"""``python -m kovra.sandbox``: a small Discord on loopback, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from kovra.sandbox import snapshot
from kovra.sandbox.conformance import Description
from kovra.sandbox.scenes import SCENES
from kovra.sandbox.seed import DEFAULT_BOT_ID, lanternfall
from kovra.sandbox.server import DEFAULT_SECRET, DEFAULT_TOKEN, Sandbox
from kovra.sandbox.world import World


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run the sandbox; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        sandbox = build(options, environment)
    except (OSError, ValueError) as error:
        print(f"kovra: sandbox cannot start: {error}", file=sys.stderr)
        return 1
    return asyncio.run(_run(sandbox, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kovra.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8400, help="port on 127.0.0.1 (0 takes a free one)")
    parser.add_argument("--state", type=Path, help="JSON file that keeps the state between runs")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same people")
    parser.add_argument("--members", type=int, default=300, help="members besides staff and bots")
    parser.add_argument(
        "--scene",
        action="append",
        choices=list(SCENES),
        default=[],
        help="play this from the start; may be repeated. Without it, what played when the state was kept goes on",
    )
    parser.add_argument("--pace", type=_pace, default=1.0, help="how many times faster the scenes play; 0.5 is half")
    parser.add_argument("--limits", action="store_true", help="switch Discord's rate limits on")
    parser.add_argument(
        "--check", action="store_true", help="hold every answer against the description that DISCORD_OPENAPI names"
    )
    return parser


def _pace(text: str) -> float:
    pace = float(text)
    if not pace > 0:
        raise argparse.ArgumentTypeError("the pace must be above 0")
    return pace


def build(options: argparse.Namespace, environment: Mapping[str, str]) -> Sandbox:
    """The sandbox these options and this environment ask for.

    Raises:
        ValueError: the state file or the environment cannot be read.
    """
    bot_id = int(environment.get("DISCORD_CLIENT_ID") or DEFAULT_BOT_ID)
    description = environment.get("DISCORD_OPENAPI")
    if options.check and not description:
        raise ValueError("--check needs DISCORD_OPENAPI, the path of Discord's OpenAPI description")

    def fresh() -> World:
        return lanternfall(time.time, seed=options.seed, members=options.members, bot_id=bot_id)

    kept = snapshot.load(options.state) if options.state else None
    if kept is not None and kept.world.bot_id != bot_id:
        raise ValueError(f"{options.state} belongs to application {kept.world.bot_id}, not {bot_id}")
    return Sandbox(
        fresh() if kept is None else kept.world,
        token=environment.get("DISCORD_TOKEN") or DEFAULT_TOKEN,
        client_secret=environment.get("DISCORD_CLIENT_SECRET") or DEFAULT_SECRET,
        state=options.state,
        description=Description(Path(description)) if options.check and description else None,
        limited=options.limits,
        effects=None if kept is None else kept.effects,
        grants=None if kept is None else kept.grants,
        went_on=() if kept is None else kept.scenes,
        fresh=fresh,
    )


async def _run(sandbox: Sandbox, options: argparse.Namespace) -> int:
    port: int = options.port
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    try:
        await sandbox.start(port)
    except OSError as error:
        print(f"kovra: sandbox cannot listen on port {port}: {error.strerror}", file=sys.stderr)
        return 1
    if options.scene:
        for scene in options.scene:
            sandbox.theatre.start(scene, seed=options.seed, pace=options.pace)
    else:
        sandbox.theatre.resume(sandbox.went_on)
    print(f"kovra: sandbox ready on {sandbox.base_url}", flush=True)
    await told_to_stop.wait()
    await sandbox.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
