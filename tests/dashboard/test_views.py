"""Views of the case list that people keep."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

ASKED = "action=ban&q=raid"


@pytest.fixture
def keep(cast):
    """``keep(who, name, …)`` saves what the address asks for, as the page's own form does."""

    def save(who, name="Raids", asked=ASKED, guild=cast.harbour, **fields):
        return who.post(f"/g/{guild}/views?{asked}", {"name": name} | fields)

    return save


def tabs(who, guild, asked=""):
    page = who.get(f"/g/{guild}/cases{asked}").get_data(as_text=True)
    nav = re.search(r'<nav class="tabs".*?</nav>', page, re.S)[0]
    return [re.sub(r"<[^>]*>", "", one).strip() for one in re.findall(r"<a .*?</a>", nav, re.S)], page


def test_a_view_is_its_address_under_a_name_and_ones_own(site, cast, keep):
    pell, pip = site.signed_in(cast.moderator), site.signed_in(cast.trial)

    saved = keep(pell, " Raids  of June ")

    assert (saved.status_code, saved.location) == (303, f"/g/{cast.harbour}/cases?action=ban&q=raid")
    names, page = tabs(pell, cast.harbour, f"?{ASKED}")
    assert names[-1] == "Raids of June"
    assert "Forget view" in page
    assert "Save view" not in page
    assert "Raids of June" not in tabs(pip, cast.harbour)[0]


def test_saving_under_the_same_name_takes_its_place(site, cast, keep, owner):
    pell = site.signed_in(cast.moderator)

    keep(pell)
    keep(pell, asked="action=kick")

    with owner.transaction(cast.harbour) as session:
        assert session.scalars(text("SELECT words FROM saved_views")).all() == [{"action": ["kick"]}]


def test_what_is_shared_is_everybodys_in_this_server_and_on_record(site, cast, keep, owner):
    keep(site.signed_in(cast.admin), shared="1")

    assert "Shared: Raids" in tabs(site.signed_in(cast.trial), cast.harbour)[0]
    assert "Shared: Raids" not in tabs(site.signed_in(cast.neighbour), cast.meadow)[0]
    with owner.transaction(cast.harbour) as session:
        facts = session.scalars(text("SELECT facts FROM audit_log WHERE kind = 'settings.changed'")).one()
    assert facts["after"] == {"view “Raids”": {"action": ["ban"], "q": ["raid"]}}


def test_only_holders_of_settings_share_and_take_away_what_is_shared(site, cast, keep, owner):
    pell = site.signed_in(cast.moderator)
    keep(site.signed_in(cast.admin), shared="1")
    with owner.transaction(cast.harbour) as session:
        view_id = session.scalars(text("SELECT view_id FROM saved_views")).one()

    shared = keep(pell, "Mine", shared="1")
    taken = pell.post(f"/g/{cast.harbour}/views/{view_id}/forget")

    assert (shared.status_code, taken.status_code) == (422, 422)
    assert "takes the capability “settings”" in taken.get_data(as_text=True)
    assert tabs(pell, cast.harbour)[0][-1] == "Shared: Raids"


def test_a_view_is_forgotten_by_whoever_keeps_it_and_by_nobody_else(site, cast, keep, owner):
    pell, pip = site.signed_in(cast.moderator), site.signed_in(cast.trial)
    keep(pell)
    with owner.transaction(cast.harbour) as session:
        view_id = session.scalars(text("SELECT view_id FROM saved_views")).one()

    pip.post(f"/g/{cast.harbour}/views/{view_id}/forget")
    still = tabs(pell, cast.harbour)[0]
    pell.post(f"/g/{cast.harbour}/views/{view_id}/forget")

    assert still[-1] == "Raids"
    assert "Raids" not in tabs(pell, cast.harbour)[0]


@pytest.mark.parametrize("name", ["", " ", "x" * 41])
def test_a_view_has_a_name_that_fits_on_a_tab(site, cast, keep, name):
    answer = keep(site.signed_in(cast.moderator), name)

    assert answer.status_code == 422
    assert "Give it a name" in answer.get_data(as_text=True)


@pytest.fixture
def view_id(owner, cast):
    """The id of the only view there is."""

    def find():
        with owner.transaction(cast.harbour) as session:
            return session.scalars(text("SELECT view_id FROM saved_views")).one()

    return find


def test_a_view_gets_another_name_and_shows_itself(site, cast, keep, view_id):
    pell = site.signed_in(cast.moderator)
    keep(pell)

    changed = pell.post(f"/g/{cast.harbour}/views/{view_id()}/change", {"name": "Raids of June"})

    assert (changed.status_code, set(changed.location.split("?")[1].split("&"))) == (303, {"action=ban", "q=raid"})
    assert tabs(pell, cast.harbour)[0][-1] == "Raids of June"


def test_sharing_and_renaming_what_is_shared_is_on_record(site, cast, keep, view_id, owner):
    admin = site.signed_in(cast.admin)
    keep(admin)
    change = f"/g/{cast.harbour}/views/{view_id()}/change"

    admin.post(change, {"name": "Raids", "shared": "1"})
    admin.post(change, {"name": "June", "shared": "1"})
    seen = tabs(site.signed_in(cast.trial), cast.harbour)[0][-1]
    admin.post(change, {"name": "June"})

    assert seen == "Shared: June"
    assert tabs(site.signed_in(cast.trial), cast.harbour)[0][-1] != "Shared: June"
    with owner.transaction(cast.harbour) as session:
        kept = session.scalars(
            text("SELECT facts FROM audit_log WHERE kind = 'settings.changed' ORDER BY number")
        ).all()
    words = {"action": ["ban"], "q": ["raid"]}
    assert [(one["before"], one["after"]) for one in kept] == [
        ({"view “Raids”": "none"}, {"view “Raids”": words}),
        ({"view “Raids”": words, "view “June”": "none"}, {"view “Raids”": "none", "view “June”": words}),
        ({"view “June”": words}, {"view “June”": "none"}),
    ]


def test_nobody_changes_a_view_that_is_not_theirs_to_change(site, cast, keep, view_id):
    pell, pip = site.signed_in(cast.moderator), site.signed_in(cast.trial)
    keep(pell)
    change = f"/g/{cast.harbour}/views/{view_id()}/change"

    of_another = pip.post(change, {"name": "Mine"})
    shared = pell.post(change, {"name": "Raids", "shared": "1"})

    assert (of_another.status_code, shared.status_code) == (422, 422)
    assert tabs(pell, cast.harbour)[0][-1] == "Raids"


def test_every_refusal_says_what_to_do_and_leads_back_to_the_view(site, cast, keep, view_id):
    admin, pell = site.signed_in(cast.admin), site.signed_in(cast.moderator)
    keep(admin, "Storms", "action=kick", shared="1")
    at = f"/g/{cast.harbour}/views/{view_id()}"
    keep(pell)
    keep(pell, "Floods", "action=mute")
    for number in range(18):
        keep(pell, f"View {number}", "action=warn")

    refused = {
        "saved": [keep(pell, "Mine", shared="1"), keep(pell, "One more"), keep(pell, "")],
        "changed": [pell.post(f"{at}/change", {"name": "Gales"}), pell.post(f"{at}/change", {"name": ""})],
        "forgotten": [pell.post(f"{at}/forget")],
    }

    for deed, answers in refused.items():
        for answer in answers:
            page = answer.get_data(as_text=True)
            assert answer.status_code == 422
            assert f"<h1>The view was not {deed}</h1>" in page
            assert re.search(r'<p class="todo">\w.*\.</p>', page)
            asked = "action=ban&amp;q=raid" if deed == "saved" else "action=kick"
            assert f'/g/{cast.harbour}/cases?{asked}"' in page or "q=raid&amp;action=ban" in page
    # The page tells which of several things to do.
    assert "forget it in its menu" in refused["saved"][1].get_data(as_text=True)
