"""Connections for what is asked thousands of times a second."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import redis
from redis.cluster import RedisCluster


class Lines:
    """Sends commands over kept connections of a client's pool: as many as threads ask at once.

    redis-py's own way to run one command costs several times what the socket does, and most of a queue's work is such
    commands. Nothing is sent twice.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def ask(self, *words: Any) -> Any:
        """Send one command and read its answer.

        Raises:
            ConnectionError, TimeoutError: no answer came; the command may have been carried out.
            ResponseError: the server answered with an error.
        """
        line = self._line()
        try:
            line.send_command(*words)
            answer = line.read_response()
        except redis.ResponseError:
            self._idle.append(line)
            raise
        except BaseException:
            # What comes late must not be taken for the answer to the next command.
            line.disconnect()
            self._pool.release(line)
            raise
        self._idle.append(line)
        return answer

    def _line(self) -> Any:
        if self._pid != os.getpid():  # these sockets belong to the process that we were forked from
            self._idle, self._pid = deque(), os.getpid()
        try:
            line = self._idle.pop()
        except IndexError:
            return self._pool.get_connection()
        try:
            stale = line.can_read()
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            stale = True
        if stale:  # the server hung up meanwhile
            line.disconnect()
            self._pool.release(line)
            return self._pool.get_connection()
        return line


class ClusterLines:
    """The same for a Redis Cluster, redis-py's own way: it knows which node to ask and follows a slot that moves."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    def ask(self, *words: Any) -> Any:
        return self._client.execute_command(*words)

    def line_of(self, key: str) -> Any:
        """A connection of its own to the node that has a key, for a command that blocks. The caller hangs up."""
        manager = self._client.nodes_manager
        node = manager.get_node_from_slot(self._client.keyslot(key))
        return self._client.get_redis_connection(node).connection_pool.get_connection()

    def look_again(self) -> None:
        """Ask the nodes anew who has which slot."""
        self._client.nodes_manager.initialize()
