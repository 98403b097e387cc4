"""What happens in the world around the executor, in its order, and what is made to go wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.guard.cast import NOON


class Died(BaseException):
    """The process is gone: nothing may catch it."""


@dataclass
class Story:
    """``story`` keeps what happened, ``fail[what]`` is raised instead of ``what``."""

    now: datetime = NOON
    story: list[str] = field(default_factory=list)
    fail: dict[str, BaseException] = field(default_factory=dict)

    def _tell(self, what: str) -> None:
        if (error := self.fail.get(what)) is not None:
            raise error
        self.story.append(what)
