"""Reading a stream in a test: its frames, their numbers, and that nothing more comes."""

from __future__ import annotations

from kovra.ids import GuildId

OTHER = GuildId(110_000_000_000_000_009)


def all_of(event):
    return True


def number(frame: bytes) -> int:
    assert frame.startswith(b"id: "), frame
    return int(frame.split(b"\n")[0][4:])


def take(stream, count, within_s=30.0):
    """The next ``count`` frames."""
    frames = []
    while len(frames) < count:
        frame = stream.next(within_s)
        assert frame is not None, f"only {len(frames)} of {count} came"
        frames.append(frame)
    return frames


def numbers(stream, count):
    return [number(frame) for frame in take(stream, count)]


def nothing_more(stream):
    return stream.next(0.2) is None
