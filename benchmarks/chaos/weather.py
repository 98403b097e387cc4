"""How Discord can misbehave: the faults of the sandbox, in the shares a scenario asks for."""

from __future__ import annotations

from benchmarks.chaos.rig import Rig

#: A rate limit in the form of Discord's, which must be told from Cloudflare's.
_LIMITED = {
    "status": 429,
    "headers": {"Retry-After": "1", "X-RateLimit-Scope": "user"},
    "extra": {"retry_after": 0.3, "global": False},
}

#: Longer than any client waits.
HANG_MS = 30_000

#: Each kind of bad answer: a limit, an error before anything was done, and three ways of hiding that it was done.
KINDS = {
    "limited": {**_LIMITED, "when": "before"},
    "500 before": {"status": 500, "when": "before"},
    "502 after": {"status": 502, "when": "after"},
    "reset before": {"drop": True, "when": "before"},
    "reset after": {"drop": True, "when": "after"},
    "hang after": {"drop": True, "when": "after", "delay_ms": HANG_MS},
}


def spoil(rig: Rig, share: float, kinds: tuple[str, ...] = tuple(KINDS)) -> None:
    """Let this share of Discord's answers be bad, in equal parts of each kind, until the faults are cleared."""
    rig.discord("DELETE", "faults")
    left = share
    for number, kind in enumerate(kinds):
        part = left / (len(kinds) - number)
        # What the kinds before it left over: together they make the whole share.
        rig.discord("POST", "faults", {**KINDS[kind], "times": None, "share": part / (1 - (share - left))})
        left -= part
