"""One person to a server."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from kovra.actions.request import Action
from kovra.store.bygone import BygoneKeeper


def profile(who, cast, user_id, words=""):
    answer = who.get(f"/g/{cast.harbour}/members/{user_id}{words}")
    return answer.get_data(as_text=True) if answer.status_code == 200 else answer.status_code


def test_what_was_done_stands_with_what_became_of_it(site, cast, owner, a_case):
    warn, mute, note = a_case(Action.WARN), a_case(Action.MUTE), a_case(Action.NOTE, reason="talked it over")
    with owner.transaction(cast.harbour) as session:
        session.execute(text("UPDATE mod_cases SET voided_at = now() WHERE case_no = :n"), {"n": warn})
        session.execute(text("UPDATE mod_cases SET reverses = :m WHERE case_no = :n"), {"m": mute, "n": note})

    page = profile(site.signed_in(cast.moderator), cast, cast.quillon)
    cases = {int(no): body for no, body in re.findall(r'<li id="pc-(\d+)"(.*?)</li>', page, re.DOTALL)}

    assert list(cases) == [note, mute, warn]
    assert ">Void<" in cases[warn]
    assert f'Reversed by <a class="cid lk" href="/g/{cast.harbour}/cases?case={note}"' in cases[mute]
    assert "Reverses" in cases[note]
    assert page.count("talked it over") == 2  # in the history and among the notes


def test_what_holds_them_is_said_also_when_there_is_no_case_of_it(site, cast, mirror, a_case):
    who = site.signed_in(cast.moderator)

    by_hand = profile(who, cast, cast.banned)
    a_case(Action.BAN, target=cast.stranger)
    by_case = profile(who, cast, cast.stranger)

    assert "Banned in Discord: raid" in by_hand
    assert "Not in the server" not in by_hand
    assert "Until lifted" in by_case.split('id="h-h"')[1].split("</section>")[0]


def test_who_is_known_from_nothing_has_no_profile(site, cast):
    who = site.signed_in(cast.moderator)

    assert profile(who, cast, cast.stranger) == 404
    assert profile(who, cast, 1 << 65) == 404


def test_names_joinings_messages_and_what_stands_out(site, cast, mirror, databases):
    keeper, now = BygoneKeeper(databases("kovra_bot")), datetime.now(UTC)
    keeper.joined(cast.harbour, [(cast.quillon, now - timedelta(days=3))])
    keeper.left(cast.harbour, [cast.quillon])
    keeper.joined(cast.harbour, [(cast.quillon, now)], "k7Qe", cast.moderator)
    keeper.wrote(cast.harbour, {(cast.quillon, now.date()): 36, (cast.quillon, now.date() - timedelta(days=9)): 5})
    row = mirror_row(cast, now)
    mirror.member(cast.harbour, row)

    page = profile(site.signed_in(cast.moderator), cast, cast.quillon)

    assert "Joined 2 times" in page
    assert "Has not accepted the rules" in page
    assert "“<bdi>quillon</bdi>”" in page  # the name before
    assert f'href="/g/{cast.harbour}/members/{cast.moderator}"><bdi>pell</bdi></a> <span class="dim"><bdi>k7Qe' in page
    assert "41 messages in 30 days" in page
    assert re.search(r'<th scope="row">[^<]+</th><td class="r num">36</td>', page)


def mirror_row(cast, now):
    from kovra.store.mirror import MemberRow

    return MemberRow(
        user_id=cast.quillon,
        username="quill",
        global_name="Quillon",
        nick=None,
        avatar=None,
        bot=False,
        role_ids=[],
        joined_at=now,
        timed_out_until=None,
        pending=True,
    )


def test_the_history_is_walked_by_its_links(site, cast, owner, a_case):
    first = a_case(Action.NOTE)
    with owner.transaction(cast.harbour) as session:
        for number in range(2, 30):
            columns = "target_id, target_name, moderator_id, moderator_name, source, reason, params, created_at"
            columns += ", digest, seal, state, action, guild_id"
            session.execute(
                text(
                    f"INSERT INTO mod_cases (case_no, request_id, {columns}) "
                    f"SELECT :n, gen_random_uuid(), {columns} FROM mod_cases WHERE case_no = :first"
                ),
                {"n": number, "first": first},
            )
    who = site.signed_in(cast.moderator)

    page = profile(who, cast, cast.quillon)
    older = re.search(r'rel="next" href="[^"]+(\?before=\d+)"', page)[1]
    rest = re.findall(r'id="pc-(\d+)"', profile(who, cast, cast.quillon, older))

    assert re.findall(r'id="pc-(\d+)"', page) == [str(number) for number in range(29, 9, -1)]
    assert rest == [str(number) for number in range(9, 0, -1)]


def linked(page):
    return [int(found) for found in re.findall(r'members/(\d+)"', page.split('id="links"')[1].split("</section>")[0])]


def test_accounts_are_linked_through_each_other_on_record_and_taken_back(site, cast, owner, words):
    who = site.signed_in(cast.moderator)
    base = f"/g/{cast.harbour}/members"

    first = who.post(f"{base}/{cast.quillon}/links", {"other": str(cast.nobody), "why": "same words"})
    again = who.post(f"{base}/{cast.nobody}/links", {"other": str(cast.quillon)})
    second = who.post(f"{base}/{cast.nobody}/links", {"other": str(cast.banned)})
    seen = linked(profile(who, cast, cast.quillon))
    gone = who.post(f"{base}/{cast.banned}/links", {"other": str(cast.nobody), "unlink": "1"})

    assert (first.status_code, again.status_code, second.status_code, gone.status_code) == (200, 422, 200, 200)
    assert seen == [cast.nobody, cast.banned]
    assert linked(profile(who, cast, cast.quillon)) == [cast.nobody]
    assert linked(profile(who, cast, cast.banned)) == []
    assert [entry["kind"] for entry in words(owner, cast.harbour)] == [
        "accounts.linked",
        "accounts.linked",
        "accounts.unlinked",
    ]


def test_a_link_needs_two_accounts_and_somebody_who_may_note(site, cast):
    who, base = site.signed_in(cast.moderator), f"/g/{cast.harbour}/members/{cast.quillon}/links"

    self_link = who.post(base, {"other": str(cast.quillon)})
    nobody = who.post(base, {"other": "no such name"})
    auditor = site.signed_in(cast.auditor).post(base, {"other": str(cast.nobody)})

    assert "That is this account itself." in self_link.get_data(as_text=True)
    assert "Nobody here goes by that." in nobody.get_data(as_text=True)
    assert auditor.status_code == 403
