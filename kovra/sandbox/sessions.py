"""What a client identified as: it survives its connection, and may be taken up again."""

from __future__ import annotations

import secrets
from collections import deque

from kovra.sandbox import events
from kovra.sandbox.sockets import Socket

#: Events kept for a RESUME; a session that missed more starts anew.
REPLAY_EVENTS = 50_000


class Session:
    """A client: its shard, intents, sequence and the events it may ask for again."""

    def __init__(self, shard: tuple[int, int], intents: int, large_threshold: int, socket: Socket) -> None:
        self.id = secrets.token_hex(16)
        self.shard, self.intents, self.large_threshold = shard, intents, large_threshold
        self.socket: Socket | None = socket
        self.seq = 0
        self.detached_at = 0.0
        self._sent: deque[tuple[int, str]] = deque(maxlen=REPLAY_EVENTS)

    def push(self, name: str, data: str) -> None:
        """Number an event, keep it for a RESUME, and send it when somebody is connected."""
        self.seq += 1
        text = f'{{"op":0,"s":{self.seq},"t":"{name}","d":{data}}}'
        self._sent.append((self.seq, text))
        if self.socket is not None:
            self.socket.put(text)

    def carries(self, guild_id: int | None) -> bool:
        return events.shard_of(guild_id, self.shard[1]) == self.shard[0]

    def since(self, seq: int) -> list[str] | None:
        """The events after ``seq``, or None when some of them are no longer kept."""
        if self._sent and self._sent[0][0] > seq + 1:
            return None
        return [text for number, text in self._sent if number > seq]
