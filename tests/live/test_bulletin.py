"""The doorbell never fails its writer."""

from __future__ import annotations

import logging

import pytest

from kovra.ids import GuildId
from kovra.live.bulletin import QUIET_S, Bulletin, connect, read
from kovra.live.events import Hint, HintKind

GUILD = GuildId(110_000_000_000_000_001)


class Line:
    """A client that fails when told to."""

    def __init__(self) -> None:
        self.down, self.tried = False, 0

    def publish(self, channel, message):
        self.tried += 1
        if self.down:
            raise ConnectionRefusedError("refused")


def test_ringing_an_absent_redis_raises_nothing_and_is_logged_once(tmp_path, caplog):
    with connect(f"unix://{tmp_path}/nobody.sock") as client:
        bulletin = Bulletin(client, monotonic=lambda: float("inf"))

        for _ in range(5):
            bulletin.ring(GUILD)
            bulletin.hint(GUILD, "member.left", {"user_id": 1})

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_after_a_failure_rings_are_saved_for_a_moment_and_each_outage_has_its_line(caplog):
    line, now = Line(), [0.0]
    bulletin = Bulletin(line, monotonic=lambda: now[0])
    line.down = True

    bulletin.ring(GUILD)
    bulletin.ring(GUILD)
    assert line.tried == 1

    now[0] += QUIET_S
    line.down = False
    bulletin.ring(GUILD)
    assert line.tried == 2

    line.down = True
    bulletin.ring(GUILD)
    assert line.tried == 3
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


_DEEP = b"1 member.left " + b"[" * 100_000


@pytest.mark.parametrize(
    "noise",
    [
        *(b"", b" ", b"x", b"1 a", b"\xff"),
        *(b"1 member.left [1]", b"1 member.left 3", b"1 member.left {", _DEEP, b"1 A {}", b"1 case.created {}"),
    ],
)
def test_noise_is_no_ring(noise):
    assert read(noise) is None


def test_a_hint_of_no_known_kind_is_a_mistake_of_its_caller():
    with pytest.raises(ValueError, match="member.exploded"):
        Bulletin(Line()).hint(GUILD, "member.exploded", {})


def test_a_ring_and_a_hint_are_read_back():
    assert read(b"42") == GuildId(42)
    assert read(b'42 member.joined {"user_id":"7"}') == Hint(
        guild_id=GuildId(42), kind=HintKind.MEMBER_JOINED, facts={"user_id": "7"}
    )
