"""The one way this room gets its Redis clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

#: What says that Redis could not be asked, as opposed to: it was asked and refused.
UNREACHED: tuple[type[Exception], ...] = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    # of a cluster: a node is away, or nobody serves a slot at the moment
    redis.exceptions.RedisClusterException,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MovedError,
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
)


def is_cluster(url: str) -> bool:
    """Whether an address names a Redis Cluster: ``redis://host:6379?cluster=true``."""
    return dict(parse_qsl(urlsplit(url).query)).get("cluster", "") == "true"


def of_one_node(url: str) -> str:
    """The address without the word that makes it a cluster's: Pub/Sub reaches all of a cluster through any node."""
    if not is_cluster(url):
        return url
    parts = urlsplit(url)
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "cluster"])
    return urlunsplit(parts._replace(query=query))


def connect(url: str, *, socket_timeout_s: float = 5.0, connect_timeout_s: float = 2.0) -> redis.Redis | RedisCluster:
    """A client for ``redis://``, ``rediss://`` or ``unix://``. Opens nothing until it is used, but for a cluster, whose
    nodes it asks at once who has which slot.

    redis-py repeats a command up to ten times when no answer comes, also one that was carried out. Here nothing is
    repeated: whoever asked knows best what a lost answer means.

    Args:
        socket_timeout_s: longest silence on a connection; blocking calls must be shorter.
        connect_timeout_s: longest wait for a connection; short, because a door may stand behind it.
    """
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    options = {"socket_timeout": socket_timeout_s, "socket_connect_timeout": connect_timeout_s, "protocol": 2}
    once = Retry(NoBackoff(), 0)
    if is_cluster(url):
        return RedisCluster.from_url(of_one_node(url), **keepalive, **options, retry=once)
    return redis.Redis.from_url(url, **keepalive, **options, retry=once, retry_on_error=[], retry_on_timeout=False)


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
