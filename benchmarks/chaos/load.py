"""A steady load of mixed actions, asked for by people who press the button again until somebody answers."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from benchmarks.measure import say
from benchmarks.person import Person
from kovra.ids import new_request_id

#: How often each action is asked for, of 11.
WEIGHTS = {"mute": 3, "ban": 2, "warn": 2, "note": 2, "kick": 1, "unban": 1}

#: What the form asks for beside the reason.
FIELDS = {
    "mute": {"duration_s": "600"},
    "ban": {"delete_window_s": "0"},
    "softban": {"delete_window_s": "0"},
    "purge": {"count": "4"},
}

#: How long a person waits before pressing again, and how often: a browser's person gives up at some point.
AGAIN_S, PATIENCE_S = 0.3, 60.0


@dataclass
class Crowd:
    """One guild with who moderates it and who can be acted on. ``banned`` were banned by hand beforehand."""

    guild_id: int
    people: Sequence[Person]
    members: deque[int]
    banned: deque[int] = field(default_factory=deque)

    def target(self, action: str) -> int | None:
        """Whom to act on; whoever stays a member comes round again after all others."""
        free = self.banned if action == "unban" else self.members
        if not free:
            return None
        target = free.popleft()
        if action not in ("ban", "unban"):
            free.append(target)
        return target


@dataclass
class MassWish:
    """One mass ban somebody wants. ``answered`` once they were led to its page."""

    person: Person
    guild_id: int
    targets: Sequence[int]
    batch_id: str = field(default_factory=lambda: str(new_request_id()))
    answered: bool = False

    def press(self) -> None:
        """Confirm it, again until somebody answers: the id stays the same."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.answered and time.monotonic() < deadline:
            try:
                answer = self.person.ban_many(self.guild_id, self.batch_id, self.targets)
                self.answered = answer.status_code == 303
            except requests.RequestException:
                pass  # broken off: pressed again, as somebody would
            if not self.answered:
                time.sleep(AGAIN_S)  # before pressing again


@dataclass
class Wish:
    """One action somebody wants: what was pressed, and how it was answered.

    ``answers`` has what came of each try, in order: the status, or the name of the error when there was no answer;
    ``presses`` counts those that came as far as the button; ``status`` is the last answer, None when there was none;
    ``pressed_at`` is the Unix time of the first press.
    """

    person: Person
    guild_id: int
    target_id: int
    action: str
    request_id: str = ""
    presses: int = 0
    answers: list[str] = field(default_factory=list)
    status: int | None = None
    pressed_at: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status == 202


class Load:
    """Asks for ``rate`` actions a second, from the same dice for the same seed, until stopped.

    As a browser's person would: a form is drawn, a button pressed, and pressed again when the answer is broken or says
    that Kovra is away. Each press carries the request id that the form was drawn with.
    """

    def __init__(self, crowds: Sequence[Crowd], rate: float, seed: int = 7, hands: int = 64) -> None:
        self.crowds, self.rate, self.dice = crowds, rate, random.Random(seed)
        self.wishes: list[Wish] = []
        self.mass_wishes: list[MassWish] = []
        self.dropped = 0
        self._hands = ThreadPoolExecutor(hands)
        self._under_way: list[Future[None]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask for nothing new; returns when every press was answered or given up.

        Wishes that no hand was free for are dropped, as if they had never been: a slow machine gets a smaller load.
        """
        self._ended.set()
        self._thread.join()
        self._hands.shutdown(wait=True, cancel_futures=True)
        for pressing in self._under_way:
            if not pressing.cancelled():
                pressing.result()
        pressed = [wish for wish in self.wishes if wish.answers]
        self.dropped = len(self.wishes) - len(pressed)
        if self.dropped:
            say(f"{self.dropped} wishes were dropped: no hand was free for them")
        self.wishes = pressed

    @property
    def answered(self) -> list[str]:
        """The requests somebody holds a 202 for."""
        return [wish.request_id for wish in self.wishes if wish.accepted]

    @property
    def pressed_again(self) -> int:
        """How many buttons had to be pressed more than once."""
        return sum(wish.presses > 1 for wish in self.wishes)

    def _run(self) -> None:
        started, number = time.monotonic(), 0
        while not self._ended.wait(max(0.0, started + number / self.rate - time.monotonic())):
            number += 1
            if wish := self._wish():
                self.wishes.append(wish)
                self._under_way.append(self._hands.submit(self._press, wish))

    def _wish(self) -> Wish | None:
        crowd = self.dice.choice(self.crowds)
        action = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        target = crowd.target(action)
        if target is None:
            return None
        return Wish(self.dice.choice(crowd.people), crowd.guild_id, target, action)

    def ask_for_many(self, most: int) -> None:
        """A mass ban by a guild's owner, beside everything else; half of the guild is left to the others."""
        crowd = max(self.crowds, key=lambda crowd: len(crowd.members))
        targets = [crowd.members.pop() for _ in range(min(most, len(crowd.members) // 2))]
        wish = MassWish(crowd.people[0], crowd.guild_id, targets)
        self.mass_wishes.append(wish)
        self._under_way.append(self._hands.submit(wish.press))

    def _press(self, wish: Wish) -> None:
        deadline = time.monotonic() + PATIENCE_S
        fields = None
        while time.monotonic() < deadline:
            try:
                if fields is None:
                    drawn = wish.person.draw(wish.guild_id, wish.target_id, wish.action)
                    fields = drawn | {"reason": "chaos"} | FIELDS.get(wish.action, {})
                    wish.request_id, wish.pressed_at = fields["request_id"], time.time()
                wish.presses += 1
                wish.status = wish.person.send(wish.guild_id, fields).status_code
                wish.answers.append(str(wish.status))
                if wish.status < 500:
                    return
            except requests.RequestException as error:
                wish.answers.append(type(error).__name__)
            time.sleep(AGAIN_S)  # as somebody would, before pressing again
