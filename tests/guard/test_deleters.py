"""Who deleted what: certain only where one reading is possible."""

from __future__ import annotations

from uuid import UUID

import pytest

from kovra.guard.deleters import Deleter, Deletion, log_entry, whose
from kovra.ids import ChannelId, UserId

HALL, CORNER = ChannelId(5), ChannelId(6)
PELL, QUILL, MORA, IDRIS = UserId(11), UserId(12), UserId(21), UserId(22)
FIRST, SECOND = UUID(int=1), UUID(int=2)


def gone(event_id=FIRST, author=PELL, channel=HALL, swept=None):
    return Deletion(event_id=event_id, channel_id=channel, author_id=author, swept=swept)


def entry(actor=MORA, author=PELL, channel=HALL, count=1, counted=0, fresh=True):
    """As Discord writes it; without an author it is of a sweep."""
    options = {"count": str(count)} | ({"channel_id": str(channel)} if author else {})
    kind, target = (72, author) if author else (73, channel)
    payload = {"id": "900", "action_type": kind, "user_id": str(actor), "target_id": str(target), "options": options}
    return log_entry(payload, counted, fresh=fresh)


def by(*actors, certain=False):
    return Deleter(actor_ids=actors, certain=certain)


@pytest.mark.parametrize(
    ("deletions", "entries", "told"),
    [
        ([gone()], [entry()], {FIRST: by(MORA, certain=True)}),
        ([gone(author=None)], [entry()], {FIRST: by(MORA, certain=True)}),
        # Its author may have deleted one of two.
        ([gone(), gone(SECOND)], [entry()], {FIRST: by(MORA), SECOND: by(MORA)}),
        # An entry that has grown says how many, and not when.
        ([gone()], [entry(count=3, counted=2, fresh=False)], {FIRST: by(MORA)}),
        ([gone(), gone(SECOND)], [entry(), entry(IDRIS)], {FIRST: by(MORA, IDRIS), SECOND: by(MORA, IDRIS)}),
        # Nobody knows which of two authors an old message was of.
        (
            [gone(author=None), gone(SECOND, author=QUILL)],
            [entry(), entry(IDRIS, author=QUILL)],
            {FIRST: by(MORA, IDRIS), SECOND: by(IDRIS)},
        ),
        ([gone(channel=CORNER)], [entry()], {}),
        ([gone(author=QUILL)], [entry()], {}),
        ([gone()], [], {}),
        ([gone(swept=3)], [entry()], {}),
        ([gone(swept=3, author=None)], [entry(author=None, count=3)], {FIRST: by(MORA, certain=True)}),
        ([gone(swept=3, author=None)], [entry(author=None, count=2)], {}),
        (
            [gone(swept=3, author=None), gone(SECOND, None, swept=3)],
            [entry(author=None, count=3), entry(IDRIS, None, count=3)],
            {FIRST: by(MORA, IDRIS), SECOND: by(MORA, IDRIS)},
        ),
        # A ban sweeps as many at the same moment, and leaves no entry.
        (
            [gone(swept=3, author=None), gone(SECOND, None, swept=3)],
            [entry(author=None, count=3)],
            {FIRST: by(MORA), SECOND: by(MORA)},
        ),
    ],
)
def test_what_fits_one_reading_only_is_certain(deletions, entries, told):
    assert whose(deletions, entries) == told


def test_other_entries_and_those_that_did_not_grow_say_nothing():
    kick = {"id": "900", "action_type": 20, "user_id": "21", "target_id": "11"}

    assert log_entry(kick) is None
    assert log_entry(kick | {"action_type": 72}) is None
    assert entry(count=2, counted=2) is None
