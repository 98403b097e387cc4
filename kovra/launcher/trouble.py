"""What the launcher tells a person when it cannot go on."""

from __future__ import annotations

from collections.abc import Sequence


class Trouble(Exception):
    """A plain sentence about what is wrong, and one about what to do.

    Args:
        said: the last lines of the log of whatever failed, to be shown below.
    """

    def __init__(self, what: str, remedy: str, *, said: Sequence[str] = ()) -> None:
        super().__init__("\n".join([f"{what} {remedy}", *said]))
        self.what, self.remedy, self.said = what, remedy, tuple(said)
