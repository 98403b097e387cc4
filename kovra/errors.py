"""What can go wrong, as facts. Each door finds its own words; ``permanent`` says whether trying again can help."""

from __future__ import annotations


class KovraError(Exception):
    """Anything Kovra itself reports."""

    permanent = True


class Malformed(KovraError):
    """The input cannot be read; the message says which part and why.

    Args:
        sentence: the message.
        about: the field of a request that it is about, when it is one.
    """

    def __init__(self, sentence: str, about: str | None = None) -> None:
        super().__init__(sentence)
        self.about = about


class Unavailable(KovraError):
    """Something we need did not answer. Nothing was done; the same may be asked again."""

    permanent = False


class Conflict(KovraError):
    """A request id was used before for something else."""


class ClaimLost(KovraError):
    """Another worker took the request over; whoever sees this stops at once and writes nothing more."""


class EnvelopeRefused(KovraError):
    """A lane entry that must not be executed: forged, altered, stale or on the wrong lane.

    Args:
        cause: one word for the audit log, such as ``signature`` or ``lane``.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class DiscordError(KovraError):
    """Discord, or the way to it, said no."""


class DiscordRefused(DiscordError):
    """Discord answered with an error: the thing was certainly not done.

    Args:
        status: HTTP status.
        code: Discord's JSON error code, 0 when it sent none.
        text: Discord's own words.
    """

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"Discord answered {status} ({code}): {text}")
        self.status, self.code, self.text = status, code, text


class DiscordLimited(DiscordError):
    """A rate limit: not done, and may be asked again after ``retry_after_s``."""

    permanent = False

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"rate limited for {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class DiscordUnreached(DiscordError):
    """The request never left: refused connection, DNS, TLS. Certainly not done."""

    permanent = False


class DiscordUnknown(DiscordError):
    """The request left and no usable answer came (5xx, time-out, reset): it may or may not have been done."""

    permanent = False
