"""The one way this room gets its Redis clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

#: What says that Redis could not be asked, as opposed to: it was asked and refused.
UNREACHED: tuple[type[redis.RedisError], ...] = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
)


def connect(url: str, *, socket_timeout_s: float = 5.0, connect_timeout_s: float = 2.0) -> redis.Redis:
    """A client for ``redis://``, ``rediss://`` or ``unix://``. Opens nothing until it is used.

    redis-py repeats a command up to ten times when no answer comes, also one that was carried out. Here nothing is
    repeated: whoever asked knows best what a lost answer means.

    Args:
        socket_timeout_s: longest silence on a connection; blocking calls must be shorter.
        connect_timeout_s: longest wait for a connection; short, because a door may stand behind it.
    """
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return redis.Redis.from_url(
        url,
        **keepalive,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=connect_timeout_s,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        retry_on_timeout=False,
        protocol=2,
    )


@contextmanager
def told_as_closed() -> Iterator[None]:
    """Tell in Dramatiq's words that Redis did not answer. Dramatiq tries an acknowledgement again only for these.

    Raises:
        ConnectionClosed: what was asked may or may not have been done.
    """
    try:
        yield
    except UNREACHED as error:
        raise ConnectionClosed(error) from error
