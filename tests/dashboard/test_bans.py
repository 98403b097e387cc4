"""Who is banned."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.store.mirror import BanRow


def ban(mirror, cast, user_id, name, reason=None):
    row = BanRow(user_id=user_id, username=name, global_name=None, avatar=None, bot=False, reason=reason)
    mirror.ban(cast.harbour, row)


def listed(who, cast, words=""):
    page = who.get(f"/g/{cast.harbour}/bans{words}").get_data(as_text=True)
    return [int(found) for found in re.findall(r'id="ban-(\d+)"', page)], page


def test_the_latest_with_a_case_stand_first_with_why_and_by_whom(site, cast, mirror, a_case):
    first, second = a_case(Action.BAN, target=cast.stranger), a_case(Action.BAN, target=cast.nobody, reason="phishing")
    ban(mirror, cast, cast.stranger, "one")
    ban(mirror, cast, cast.nobody, "two", reason="what Discord keeps")

    ids, page = listed(site.signed_in(cast.moderator), cast)

    rows = {user_id: page.split(f'id="ban-{user_id}"')[1].split("</tr>")[0] for user_id in ids}
    assert ids == [cast.nobody, cast.stranger, cast.banned]
    assert f"#{second}</a>" in rows[cast.nobody]
    assert "phishing" in rows[cast.nobody]
    assert "pell" in rows[cast.nobody]
    assert f"#{first}</a>" in rows[cast.stranger]
    assert "raid" in rows[cast.banned]
    assert "Unban gone" in rows[cast.banned]


@pytest.mark.parametrize("typed", ["kettle", "kettlbird", "3000000000000000209", "phish"])
def test_a_ban_is_found_by_name_id_and_reason(site, cast, mirror, typed):
    ban(mirror, cast, 3_000_000_000_000_000_209, "kettlebird", reason="Phishing links")

    ids, _ = listed(site.signed_in(cast.moderator), cast, f"?q={typed}")

    assert ids == [3_000_000_000_000_000_209]


def test_the_pages_hold_each_ban_once(site, cast, mirror, a_case):
    a_case(Action.BAN, target=cast.stranger + 5)
    for at in range(60):
        ban(mirror, cast, cast.stranger + at, f"b{at}")
    who = site.signed_in(cast.moderator)

    first, page = listed(who, cast)
    older = re.search(r'rel="next" href="[^"]+(\?before=u\d+)"', page)[1]
    second, last = listed(who, cast, older)

    assert first[0] == cast.stranger + 5
    assert len(first) == 50
    assert sorted(first + second) == sorted([cast.banned, *(cast.stranger + at for at in range(60))])
    assert 'rel="next"' not in last


def test_temporary_bans_are_those_that_end_by_themselves(site, cast, mirror, owner, a_case):
    number = a_case(Action.BAN, target=cast.stranger)
    ban(mirror, cast, cast.stranger, "one")
    with owner.transaction(cast.harbour) as session:
        session.execute(
            text(
                "INSERT INTO scheduled_ends (request_id, guild_id, target_id, punishment, case_no, state, began_at, "
                "ends_at, due_at, next_at) VALUES (gen_random_uuid(), :g, :u, 'ban', :n, 'open', now(), "
                "now() + interval '1 day', now() + interval '1 day', now() + interval '1 day')"
            ),
            {"g": cast.harbour, "u": cast.stranger, "n": number},
        )

    ids, _ = listed(site.signed_in(cast.moderator), cast, "?ends=1")

    assert ids == [cast.stranger]


def test_a_row_stays_when_its_ban_was_lifted(site, cast, mirror):
    mirror.member_gone(cast.harbour, cast.quillon)
    ban(mirror, cast, cast.quillon, "quillon")
    who = site.signed_in(cast.moderator)
    held = who.fragment(f"/g/{cast.harbour}/bans/{cast.quillon}/row").get_data(as_text=True)
    mirror.ban_gone(cast.harbour, cast.quillon)

    lifted = who.fragment(f"/g/{cast.harbour}/bans/{cast.quillon}/row").get_data(as_text=True)

    assert "Until lifted" in held
    assert ">Lifted<" in lifted
    assert "Unban" not in lifted
    assert who.fragment(f"/g/{cast.harbour}/bans/{cast.stranger}/row").status_code == 404
