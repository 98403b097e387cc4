"""The mass action page, and the page of one job."""

from __future__ import annotations

import re
from io import BytesIO
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.dashboard.mass import MassDraft
from kovra.ids import new_request_id

FIRST = 600_000_000_000_000_000


def strangers(count):
    return list(range(FIRST, FIRST + count))


def shown(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)))


def job_of(answer):
    assert answer.status_code == 303, shown(answer)
    return UUID(answer.headers["Location"][-36:])


def look(who, cast, ids, **more):
    form = {"ids": ids, "action": "ban", "reason": "raid", "delete_window_s": "0", "duration_s": "3600"}
    return who.post(f"/g/{cast.harbour}/mass/review", form | more)


@pytest.fixture
def count(owner, cast):
    def ask(where="true"):
        with owner.transaction(cast.harbour) as session:
            return session.execute(text(f"SELECT count(*) FROM action_requests WHERE {where}")).scalar_one()

    return ask


@pytest.fixture
def budget(owner, cast):
    """``budget(3)``: the harbour's bans in an hour."""

    def set_to(bans):
        put = "INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, cast(:b AS jsonb), now())"
        with owner.transaction(cast.harbour) as session:
            session.execute(text(put), {"g": cast.harbour, "b": f'{{"ban": {bans}}}'})

    return set_to


def test_the_review_sorts_what_was_pasted_and_does_nothing(site, cast, count):
    pasted = f"<@{cast.quillon}>, {cast.banned} {cast.owner}\n{cast.admin} {FIRST} {FIRST} nonsense"

    page = look(site.signed_in(cast.admin), cast, pasted)

    assert page.status_code == 200
    words = shown(page)
    assert "2 of 7 will run" in words
    for reason in ("Banned already.", "owns this server", "cannot ban yourself", "The same as line 2", "Not an ID"):
        assert reason in words
    for label in (
        "Members 1",
        "Not here 1",
        "Banned already 1",
        "Above you 1",
        "Yourself 1",
        "Named twice 1",
        "Not an ID 1",
    ):
        assert label in words
    assert count() == 0


def test_the_review_tells_staff_and_bots_from_the_others(site, cast):
    page = look(site.signed_in(cast.owner), cast, f"{cast.moderator} {cast.guard} {cast.quillon}")

    assert "Members 1 Staff 1 Above Guard 1" in shown(page)


def test_what_is_confirmed_is_what_was_reviewed(site, cast, count):
    who, ids = site.signed_in(cast.admin), strangers(3)

    others = who.mass(ids, ids="\n".join(map(str, [*ids[:2], FIRST + 9])))
    another_act = who.mass(ids, action=Action.NOTE, mark=MassDraft(ids="\n".join(map(str, ids))).mark)
    another_reason = who.mass(ids, reason="raid of the 20th")

    for answer in (others, another_act):
        assert answer.status_code == 422
        assert "changed after the review" in shown(answer)
    assert another_reason.status_code == 303
    assert count() == count("action = 'ban'") == 3


def test_a_file_comes_into_the_box_line_by_line(site, cast):
    roll = f'\ufeffname;user id\n"a;b";{FIRST}\nno one;nobody\nc;<@{cast.quillon}>\n'

    page = look(site.signed_in(cast.admin), cast, "", csv=(BytesIO(roll.encode()), "raid.csv"))

    words = shown(page)
    assert page.status_code == 200
    assert "2 of 3 will run" in words
    assert "Read from the column “user id” of “raid.csv”" in words
    assert re.search(r"3 nobody Skipped. Not an ID", words)
    assert f"\n\n{FIRST}\nnobody\n&lt;@{cast.quillon}&gt;</textarea>" in page.get_data(as_text=True)


def test_what_a_file_held_stays_when_something_else_is_wrong(site, cast):
    page = look(
        site.signed_in(cast.admin), cast, "", csv=(BytesIO(f"{FIRST}\n".encode()), "raid.csv"), action="warn", reason=""
    )

    assert page.status_code == 422
    assert 'aria-describedby="m-reason-err"' in page.get_data(as_text=True)
    assert f"{FIRST}</textarea>" in page.get_data(as_text=True)


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_file_that_is_too_large_is_refused_in_words(site, cast, size):
    page = look(site.signed_in(cast.admin), cast, str(FIRST), csv=(BytesIO(b"1" * size), "raid.csv"))

    assert page.status_code in (413, 422)
    assert "too large" in shown(page) or "larger than 1 MB" in shown(page)


def test_what_is_over_the_budget_is_said_before(site, cast, budget):
    budget(3)

    words = shown(look(site.signed_in(cast.admin), cast, "\n".join(map(str, strangers(5)))))

    assert "3 of 5 will run" in words
    assert "2 are over your budget" in words


@pytest.mark.parametrize("pasted", ["", "hello there", "\n".join(map(str, range(FIRST, FIRST + 501)))])
def test_what_cannot_be_reviewed_is_said_at_the_field(site, cast, pasted):
    page = look(site.signed_in(cast.admin), cast, pasted)

    assert page.status_code == 422
    assert 'aria-describedby="ids-err"' in page.get_data(as_text=True)


def test_a_confirmed_mass_action_is_a_job_with_its_own_page(site, cast, count):
    who = site.signed_in(cast.admin)

    batch_id = job_of(who.mass(strangers(3)))
    page = who.get(f"/g/{cast.harbour}/jobs/{batch_id}")

    assert count("state = 'accepted'") == 3
    assert "done of 3" in shown(page)
    assert shown(page).count(" Waiting ") == 4  # the legend and the targets
    assert str(batch_id) in who.get(f"/g/{cast.harbour}/mass").get_data(as_text=True)


@pytest.mark.parametrize("typed", ["", "2", "three"])
def test_another_number_starts_nothing(site, cast, count, typed):
    answer = site.signed_in(cast.admin).mass(strangers(3), confirm=typed)

    assert answer.status_code == 422
    assert "3 will run" in shown(answer)
    assert count() == 0


def test_a_form_sent_twice_leads_to_the_same_job(site, cast, count):
    who, batch_id = site.signed_in(cast.admin), str(new_request_id())

    first = who.mass(strangers(3), batch_id=batch_id)
    second = who.mass(strangers(3), batch_id=batch_id)

    assert job_of(first) == job_of(second) == UUID(batch_id)
    assert count() == 3


@pytest.mark.parametrize("field", ["moderator_id", "source", "guild_id", "state", "releases"])
def test_a_form_may_not_say_what_is_not_its_to_say(site, cast, count, field):
    assert site.signed_in(cast.admin).mass(strangers(1), **{field: "1"}).status_code == 422
    assert count() == 0


def test_more_than_the_budget_is_run_in_part(site, cast, budget, count):
    budget(3)

    job_of(site.signed_in(cast.admin).mass(strangers(5), confirm="3"))

    assert (count("state = 'accepted'"), count("refusal_kind = 'budget'")) == (3, 2)


def test_a_job_is_paused_goes_on_and_is_cancelled(site, cast, count):
    who = site.signed_in(cast.admin)
    batch_id = job_of(who.mass(strangers(3)))
    words = []

    for verb in ("pause", "resume", "stop"):
        job_of(who.post(f"/g/{cast.harbour}/jobs/{batch_id}/{verb}"))
        words.append(shown(who.fragment(f"/g/{cast.harbour}/jobs/{batch_id}/progress")))

    assert "Paused" in words[0]
    assert "Go on" in words[0]
    assert "Running" in words[1]
    assert "Finished" in words[2]
    assert "Cancelled 3" in words[2]
    assert count("state = 'cancelled'") == 3


def test_targets_are_shown_by_what_became_of_them_exported_and_asked_for_again(site, cast, budget, owner, words):
    budget(3)
    who = site.signed_in(cast.admin)
    where = f"/g/{cast.harbour}/jobs/{job_of(who.mass(strangers(5), confirm='3'))}"

    refused = who.get(f"{where}?show=rejected")
    file = who.post(f"{where}/export?show=rejected", {"kind": "csv"})
    lines = who.post(f"{where}/export", {"kind": "jsonl"})
    again = who.post(f"{where}/again?show=rejected")

    assert [str(FIRST + n) in shown(refused) for n in range(5)] == [False] * 3 + [True] * 2
    assert [line.split(",")[:3] for line in file.get_data(as_text=True).split("\r\n")[1:3]] == [
        [str(FIRST + n), str(FIRST + n), "rejected"] for n in (3, 4)
    ]
    assert lines.get_data(as_text=True).count('"state": "accepted"') == 3
    assert [entry["facts"]["shown"] for entry in words(owner, cast.harbour) if entry["kind"] == "job.exported"] == [
        "rejected",
        "all",
    ]
    assert "0 of 2 will run" in shown(again)
    assert ">raid</textarea>" in again.get_data(as_text=True)


ENDED = """
UPDATE action_requests SET state = :state, failure_kind = :why, failure_sentence = 'Nothing happened.', done_at = now(),
    claimed_at = now() - interval '1.5 seconds' WHERE target_id = ANY(:targets)
"""


def test_what_came_to_nothing_stands_by_reason_each_to_be_reviewed_again(site, cast, owner):
    who = site.signed_in(cast.admin)
    where = f"/g/{cast.harbour}/jobs/{job_of(who.mass(strangers(5)))}"
    running = shown(who.get(where))
    with owner.transaction(cast.harbour) as session:
        for state, why, some in (("failed", "forbidden", [0, 1]), ("failed", "refused", [2]), ("done", None, [3, 4])):
            session.execute(text(ENDED), {"state": state, "why": why, "targets": [FIRST + n for n in some]})

    page, one_reason = who.get(where), who.get(f"{where}?why=forbidden")
    again = who.post(f"{where}/again?why=forbidden")

    assert "Took" not in running.replace("Took Result", "")
    assert re.search(r"Took \d+(\.\d)? (ms|s|minutes?) Finished", shown(page))
    assert "3 targets came to nothing Copy IDs Guard’s role or permission 2 Move Guard’s role higher" in shown(page)
    assert "Discord refused it 1 Try again" in shown(page)
    assert page.get_data(as_text=True).count('m-took r num mid">1.5 s') == 5
    assert [str(FIRST + n) in shown(one_reason) for n in range(5)] == [True, True, False, False, False]
    assert "of 2 will run" in shown(again)
    assert who.get(f"{where}?why=nonsense").status_code == 200


def test_while_it_runs_the_page_says_how_fast_and_how_long_still(site, cast, owner):
    who = site.signed_in(cast.admin)
    batch_id = job_of(who.mass(strangers(5)))
    where = f"/g/{cast.harbour}/jobs/{batch_id}"
    with owner.transaction(cast.harbour) as session:
        session.execute(text(ENDED), {"state": "done", "why": None, "targets": [FIRST, FIRST + 1]})

    running = shown(who.fragment(f"{where}/progress"))
    who.post(f"{where}/pause")
    paused = shown(who.fragment(f"{where}/progress"))

    assert re.search(r"\d+ a minute · about \d+ s left Running", running)
    assert "a minute" not in paused


def test_the_rest_is_released_by_a_second_person_once(site, cast, budget, owner, count):
    budget(3)
    admin, boss = site.signed_in(cast.admin), site.signed_in(cast.owner)
    batch_id = job_of(admin.mass(strangers(5), confirm="3"))
    where, form = f"/g/{cast.harbour}/jobs/{batch_id}/release", {"batch_id": str(new_request_id())}
    assert "Release 2" not in shown(admin.get(f"/g/{cast.harbour}/jobs/{batch_id}"))
    assert "Release 2" in shown(boss.get(f"/g/{cast.harbour}/jobs/{batch_id}"))

    first, twice = boss.post(where, form), boss.post(where, form)
    again = boss.post(where, {"batch_id": str(new_request_id())})

    assert job_of(first) == job_of(twice)
    assert again.status_code == 422
    assert "nothing to release" in shown(again)
    assert count(f"releases IS NOT NULL AND state = 'accepted' AND moderator_id = {cast.owner}") == 2


def test_nobody_releases_their_own_rest(site, cast, budget, count):
    budget(3)
    who = site.signed_in(cast.admin)
    batch_id = job_of(who.mass(strangers(5), confirm="3"))

    who.post(f"/g/{cast.harbour}/jobs/{batch_id}/release", {"batch_id": str(new_request_id())})

    assert count("releases IS NOT NULL AND state = 'accepted'") == 0
    assert count("refusal_kind = 'own_request'") == 2


def test_a_job_of_another_server_is_not_there(site, cast):
    batch_id = job_of(site.signed_in(cast.admin).mass(strangers(2)))
    neighbour = site.signed_in(cast.neighbour)

    answers = [neighbour.get(f"/g/{cast.meadow}/jobs/{batch_id}").status_code]
    answers += [neighbour.post(f"/g/{cast.meadow}/jobs/{batch_id}/{verb}").status_code for verb in ("pause", "stop")]

    assert answers == [404] * 3


def test_names_are_text_and_nothing_else(site, cast):
    who = site.signed_in(cast.admin)

    page = look(who, cast, "<script>alert(1)</script>", action=Action.BAN.value)

    assert "<script>alert" not in page.get_data(as_text=True)
