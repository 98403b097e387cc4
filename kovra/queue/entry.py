"""One entry of a lane, as it travels and as a worker holds it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock as Mutex

from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from kovra.queue.keys import DEFAULT_LANE, INTERACTIVE, is_lane, is_name

#: Larger messages are refused; an action of two hundred targets with the longest reason stays far below.
MAX_BYTES = 32 * 1024


class Refused(Exception):
    """An entry that must not run.

    Args:
        cause: one word, kept on the dead letter.
        detail: what was found, for people.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause, detail)
        self.cause, self.detail = cause, detail


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a message travels: its lane and priority, the key it is ordered by, and the lock it takes.

    ``order_key`` and ``lock`` are empty when the message has none.
    """

    lane: str = DEFAULT_LANE
    priority: int = INTERACTIVE
    order_key: str = ""
    lock: str = ""


def place_of(message: Message) -> Place:
    """Read the options ``lane``, ``priority``, ``order_key`` and ``lock`` of a message.

    Raises:
        ValueError: one of them, or the message id, has a form that Redis keys cannot carry.
    """
    options = message.options
    lane, priority = options.get("lane"), options.get("priority")
    place = Place(
        lane=DEFAULT_LANE if lane is None else lane,
        priority=INTERACTIVE if priority is None else priority,
        order_key=options.get("order_key") or "",
        lock=options.get("lock") or "",
    )
    if not isinstance(place.lane, str) or not is_lane(place.lane):
        raise ValueError(f"{place.lane!r} is no lane: up to 64 letters, digits, '_', '.' and '-'")
    if type(place.priority) is not int or place.priority not in (0, 1):
        raise ValueError(f"{place.priority!r} is no priority: 0 is interactive, 1 is bulk")
    for name in (place.order_key, place.lock):
        if not isinstance(name, str) or name and not is_name(name):
            raise ValueError(f"{name!r} is no name: up to 200 visible ASCII characters without '|'")
    if not isinstance(message.message_id, str) or not is_name(message.message_id):
        raise ValueError(f"{message.message_id!r} is no message id: up to 200 visible ASCII characters without '|'")
    return place


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One item of a fetch, as the server answered it. ``cause`` is not empty when it must not run."""

    prefix: str
    ref: str
    payload: bytes
    order_key: str
    lock: str
    cause: str
    deliveries: int

    @property
    def lane(self) -> str:
        return self.ref.split("|", 2)[2]

    @property
    def priority(self) -> int:
        return int(self.ref[0])


def read_item(prefix: str, item: list) -> Fetched:
    """Name the parts of one item of a fetch. Text that no program of ours wrote is read leniently and judged later."""
    ref, payload, order_key, lock, cause, deliveries = item
    return Fetched(
        prefix=prefix,
        ref=ref.decode(errors="surrogateescape"),
        payload=payload,
        order_key=order_key.decode(errors="replace"),
        lock=lock.decode(errors="replace"),
        cause=cause.decode(),
        deliveries=int(deliveries),
    )


def decode(fetched: Fetched, queue_name: str) -> Message:
    """The message of an entry that may stand in this lane of this queue.

    Raises:
        Refused: it does not decode, belongs to another queue, or says another lane, priority, order key or lock than
            the entry that carries it. A message of another queue would kill Dramatiq's worker thread.
    """
    if fetched.cause:
        raise Refused(fetched.cause, f"delivered {fetched.deliveries} times")
    try:
        message = Message.decode(fetched.payload)
    except DecodeError as error:
        raise Refused("undecodable", str(error.error)) from error
    if not _well_formed(message):
        raise Refused("undecodable", "a part of the message has another type")
    if message.queue_name != queue_name:
        raise Refused("queue", f"the message says {message.queue_name[:80]!r}")
    # Dramatiq keeps a message with an eta in the worker's memory; delays are ours.
    if "eta" in message.options:
        raise Refused("options", "eta")
    try:
        place = place_of(message)
    except ValueError as error:
        raise Refused("options", str(error)) from error
    found = Place(lane=fetched.lane, priority=fetched.priority, order_key=fetched.order_key, lock=fetched.lock)
    for part in ("lane", "priority", "order_key", "lock"):
        if getattr(place, part) != getattr(found, part):
            raise Refused(part, f"the message says {getattr(place, part)!r}")
    return message


def _well_formed(message: Message) -> bool:
    texts = (message.queue_name, message.actor_name, message.message_id)
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(message.kwargs, dict)
        and isinstance(message.options, dict)
        and isinstance(message.message_timestamp, int)
    )


class Entry(MessageProxy):
    """A message that this process holds.

    ``lane`` is the lane it was found in. ``deliveries`` above 1 says that it may have run before.
    """

    def __init__(self, message: Message, fetched: Fetched) -> None:
        super().__init__(message)
        # Dramatiq asks for these many times; MessageProxy would look for each in the message by name.
        self.queue_name, self.actor_name, self.message_id = message.queue_name, message.actor_name, message.message_id
        self.args, self.kwargs, self.options = message.args, message.kwargs, message.options
        self.prefix, self.ref, self.lane = fetched.prefix, fetched.ref, fetched.lane
        self.order_key, self.lock = fetched.order_key, fetched.lock
        self.priority, self.deliveries = fetched.priority, fetched.deliveries
        self.started = False  # a worker thread began to run it
        self.lost = False  # the server gave this process up meanwhile: somebody else may run it
        self.dropped = False  # it was lost before it started and must not be acknowledged


class Holdings:
    """What this process holds of all its queues. It outlives the consumers that Dramatiq makes anew after errors."""

    def __init__(self) -> None:
        self._mutex = Mutex()
        self._held: dict[str, dict[str, tuple[str, Entry]]] = {}  # by prefix and ref
        self._counts: dict[str, tuple[int, int]] = {}  # by queue: interactive and bulk entries
        #: When a suspect runs or waits to run alone: its queue and the prefix it is in.
        self.solo: tuple[str, str] | None = None

    def add(self, queue: str, entry: Entry) -> None:
        with self._mutex:
            shelf = self._held.setdefault(entry.prefix, {})
            if before := shelf.get(entry.ref):  # it came again, and the earlier copy was lost
                self._count(*before, -1)
            shelf[entry.ref] = (queue, entry)
            self._count(queue, entry, 1)

    def drop(self, entry: Entry) -> None:
        with self._mutex:
            shelf = self._held.get(entry.prefix, {})
            queue, held = shelf.get(entry.ref, ("", None))
            if held is entry:
                del shelf[entry.ref]
                self._count(queue, entry, -1)
                if not shelf:
                    del self._held[entry.prefix]

    def _count(self, queue: str, entry: Entry, by: int) -> None:
        interactive, bulk = self._counts.get(queue, (0, 0))
        self._counts[queue] = (interactive, bulk + by) if entry.priority else (interactive + by, bulk)

    def waits(self, queue: str) -> bool:
        """Whether an entry of a queue waits for a thread to run it."""
        with self._mutex:
            return any(
                owner == queue and not (entry.started or entry.dropped)
                for shelf in self._held.values()
                for owner, entry in shelf.values()
            )

    def empty(self) -> bool:
        return not self._held

    def count(self, queue: str) -> tuple[int, int]:
        """How many interactive and bulk entries of a queue are held."""
        return self._counts.get(queue, (0, 0))

    def total(self) -> int:
        """How many entries are held, of all queues."""
        return sum(map(sum, self._counts.values()))

    def within(self, prefix: str) -> list[Entry]:
        with self._mutex:
            return [entry for _, entry in self._held.get(prefix, {}).values()]

    def all(self) -> list[Entry]:
        with self._mutex:
            return [entry for shelf in self._held.values() for _, entry in shelf.values()]

    def prefixes(self, queue: str) -> list[str]:
        """Where entries of a queue are held; a prefix belongs to one queue."""
        with self._mutex:
            return sorted(prefix for prefix, shelf in self._held.items() if next(iter(shelf.values()))[0] == queue)


class Leases:
    """Until when the server takes this process for alive, by prefix. The clock runs on while the process is stopped."""

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_s = ttl_ms / 1000
        self._renewed: dict[str, float] = {}

    def renew(self, prefix: str, asked_at: float) -> None:
        """Args:
        asked_at: ``time.monotonic()`` before the server was asked, so that we never believe longer than it does.
        """
        self._renewed[prefix] = asked_at

    def holds(self, prefix: str) -> bool:
        return time.monotonic() - self._renewed.get(prefix, float("-inf")) < self._ttl_s
