"""The list of bans, page by page: with their latest case first, then those that nobody told Guard of."""

from __future__ import annotations

import pytest

from kovra.actions.request import Action
from kovra.ids import UserId
from kovra.store import ban_list
from kovra.store.ban_list import BanFilter, BanList, BanPlace
from kovra.store.mirror import BanRow

PEOPLE = 910_000_000_000_000_000


@pytest.fixture
def banned(accept, guard, mirror, say):
    """Four with a case, one of them banned anew later; one lifted; two that Guard has no case of.

    Gives the list as it should read: whom, and the number of the case.
    """
    acts = [(Action.BAN, person) for person in range(5)]
    for action, person in (*acts, (Action.UNBAN, 0), (Action.BAN, 0), (Action.UNBAN, 4)):
        kept, _ = accept(action=action, target_id=UserId(PEOPLE + person))
        guard.carry(kept, None)
    nobody = {"global_name": None, "avatar": None, "bot": False, "reason": "spam"}
    held = (0, 1, 2, 3, 11, 12)
    mirror.banned(say.HARBOUR, [BanRow(user_id=UserId(PEOPLE + one), username=f"gull{one}", **nobody) for one in held])
    return [(0, 7), (3, 4), (2, 3), (1, 2), (12, None), (11, None)]


@pytest.mark.parametrize("many", [False, True], ids=["few", "many"])
@pytest.mark.parametrize("limit", [1, 2, 4, 50])
def test_every_ban_is_met_once_whichever_way_they_are_looked_for(banned, web, odalys, monkeypatch, many, limit):
    if many:
        monkeypatch.setattr(ban_list, "COUNTED", 1)
        monkeypatch.setattr(ban_list, "FEW", 0)
    met, place = [], BanPlace()

    while True:
        page = BanList(web).page(odalys, BanFilter(), place, limit)
        met += [(line.user_id - PEOPLE, line.case_no) for line in page.lines]
        if not page.below:
            break
        last = page.lines[-1]
        place = BanPlace(user_id=last.user_id) if last.case_no is None else BanPlace(case_no=last.case_no)

    assert met == banned
