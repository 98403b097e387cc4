"""The settings pages: what is kept, what is refused in words, and that nothing typed or written by others is lost."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.dashboard import settings_words
from kovra.guard.notice_texts import NoticeTexts
from kovra.ids import RoleId
from kovra.store.mirror import RoleRow
from tests.dashboard.people import member
from tests.dashboard.test_live import Stream
from tests.trips import until

#: How many wait for a row that somebody holds.
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted")


def section(who, cast, name, **query):
    return who.get(f"/g/{cast.harbour}/settings/{name}", query_string=query).get_data(as_text=True)


def seen(page):
    return re.search(r'name="seen" value="(\w+)"', page)[1]


def test_a_budget_is_kept_with_its_name_in_the_audit_log(site, cast, owner, words):
    admin = site.signed_in(cast.admin)

    answer = admin.post(f"/g/{cast.harbour}/settings/budgets", {"ban": "25", "automod": "1,000"})
    page = section(admin, cast, "budgets", saved="yes")

    assert answer.status_code == 303
    assert 'name="ban" value="25"' in page
    assert "instead of 170" in page
    assert "Saved." in page
    kept = [entry for entry in words(owner, cast.harbour) if entry["kind"] == "settings.changed"]
    assert [entry["actor_id"] for entry in kept] == [cast.admin]
    assert kept[0]["facts"]["after"] == {"budget_of_ban": "25", "budget_of_automod": "1000"}


def test_a_budget_holds_at_once_and_empty_is_the_default_again(site, cast):
    admin, moderator = site.signed_in(cast.admin), site.signed_in(cast.moderator)
    admin.post(f"/g/{cast.harbour}/settings/budgets", {"warn": "0"})
    refused = moderator.ask(Action.WARN).get_data(as_text=True)

    admin.post(f"/g/{cast.harbour}/settings/budgets", {"warn": ""})

    assert "your warn budget is used up, 0 of 0 this hour" in refused
    assert "Queued" in moderator.ask(Action.WARN).get_data(as_text=True)


def test_what_is_no_number_changes_nothing_and_stays_in_its_field(site, cast):
    admin = site.signed_in(cast.admin)

    answer = admin.post(f"/g/{cast.harbour}/settings/budgets", {"ban": "many", "kick": "12", "mute": "10001"})
    page = answer.get_data(as_text=True)

    assert answer.status_code == 422
    assert 'name="ban" value="many"' in page
    assert 'name="kick" value="12"' in page
    assert page.count("write a whole number from 0 to 10,000") == 2
    assert "data-unsaved" in page
    assert (
        site.app.extensions["kovra"].settings.budgets(
            site.app.extensions["kovra"].guilds.scope(cast.admin, cast.harbour)
        )
        == {}
    )


def test_a_form_drawn_before_somebody_else_saved_is_held_and_loses_nothing(site, cast):
    admin = site.signed_in(cast.admin)
    drawn = seen(section(admin, cast, "budgets"))
    admin.post(f"/g/{cast.harbour}/settings/budgets", {"ban": "25", "seen": drawn})

    held = admin.post(f"/g/{cast.harbour}/settings/budgets", {"ban": "30", "seen": drawn})
    again = admin.post(f"/g/{cast.harbour}/settings/budgets", {"ban": "30", "seen": seen(held.get_data(as_text=True))})

    assert held.status_code == 422
    assert "somebody changed these settings while you wrote" in held.get_data(as_text=True)
    assert 'name="ban" value="30"' in held.get_data(as_text=True)
    assert again.status_code == 303


def test_of_two_who_save_at_once_one_is_told(site, cast, owner):
    writers = [site.signed_in(cast.admin), site.signed_in(cast.owner)]
    writers[0].post(f"/g/{cast.harbour}/settings/budgets", {"ban": "25"})
    drawn, answers = seen(section(writers[0], cast, "budgets")), []

    def save(who, limit):
        answers.append(who.post(f"/g/{cast.harbour}/settings/budgets", {"ban": limit, "seen": drawn}))

    saving = [threading.Thread(target=save, args=(who, str(30 + at))) for at, who in enumerate(writers)]
    with owner.transaction(cast.harbour) as session:
        session.execute(text("SELECT 1 FROM guild_settings FOR UPDATE"))
        for one in saving:
            one.start()
        until(lambda: session.scalar(WAITING) == 2)
    for one in saving:
        one.join()

    assert sorted(answer.status_code for answer in answers) == [303, 422]


def test_a_notice_is_previewed_kept_and_refused_with_what_was_typed(site, cast):
    admin = site.signed_in(cast.admin)
    address = f"/g/{cast.harbour}/settings/notices"

    shown = section(admin, cast, "notices/preview", action="ban", text="Out of **{server}**, {member}.")
    refused = admin.post(address, {"action": "ban", "text": "Bye {user}", "appeal_url": ""})
    kept = admin.post(address, {"action": "ban", "text": "Out of {server}.", "appeal_url": ""})

    assert "Out of <b>Harbour</b>" in re.sub(r"\s+", " ", shown)
    assert refused.status_code == 422
    assert "Bye {user}</textarea>" in refused.get_data(as_text=True)
    assert "{user} is nothing Guard can fill in" in refused.get_data(as_text=True)
    assert kept.headers["Location"].endswith("action=ban")
    assert "Out of {server}.</textarea>" in section(admin, cast, "notices", action="ban")


def test_notices_are_in_the_language_that_is_chosen_and_the_preview_shows_one_before(site, cast):
    admin = site.signed_in(cast.admin)
    address = f"/g/{cast.harbour}/settings/notices"

    shown = admin.get(f"{address}/preview?action=kick&text=&locale=de").get_data(as_text=True)
    before = section(admin, cast, "notices", action="kick")
    kept = admin.post(address, {"action": "kick", "text": "", "locale": "fr"})
    refused = admin.post(address, {"action": "kick", "text": "", "locale": "tlh"})
    after = section(admin, cast, "notices", action="kick")

    assert "Du wirst von" in shown
    assert "As on Discord: English" in before
    assert "You are being kicked from" in before
    assert (kept.status_code, refused.status_code) == (303, 422)
    assert "Choose a language from the list." in refused.get_data(as_text=True)
    assert "Vous êtes expulsé(e) de" in after
    assert '<option value="fr" lang="fr" selected>' in after


def test_cases_are_posted_elsewhere_and_a_channel_that_is_not_there_is_refused(site, cast):
    admin = site.signed_in(cast.admin)
    address = f"/g/{cast.harbour}/settings/logging"

    kept = admin.post(address, {"common": "500", "notes": "none", "joins": "500"})
    refused = admin.post(address, {"common": "501"})
    page = section(admin, cast, "logging")

    assert (kept.status_code, refused.status_code) == (303, 422)
    assert "There is no such text channel" in refused.get_data(as_text=True)
    assert page.count('<option value="500" selected># mod-log</option>') == 2
    assert 'name="deletions"' in page
    assert '<option value="none" selected>Nowhere</option>' in page


def test_the_health_check_names_each_finding_with_its_remedy(site, cast):
    page = section(site.signed_in(cast.admin), cast, "health")

    assert "Guard’s role is not above" in page or "Discord" in page
    assert page.count('id="finding-') >= 1


def test_appearance_is_for_everybody_and_kept_in_the_browser(site, cast):
    trial = site.signed_in(cast.trial)

    answer = trial.post("/density", {"density": "compact", "next": f"/g/{cast.harbour}/settings/appearance"})
    page = section(trial, cast, "appearance")

    assert answer.status_code == 303
    assert 'data-density="compact"' in page
    assert "Budgets" not in page.split("<main")[1]
    assert trial.post("/density", {"density": "tiny"}).status_code == 400


def test_a_preview_reads_markup_as_discord_does():
    texts = NoticeTexts(server="A_B", by_action={}, appeal_url=None)

    lines = settings_words.preview(texts, Action.WARN, "**{server}**\n-# case {case}", _noon())

    assert [(line.parts, line.small) for line in lines] == [
        ([("", False), ("A_B", True), ("", False)], False),
        ([("case 42", False)], True),
    ]


def _noon():
    from datetime import UTC, datetime

    return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def helpers(site, cast):
    """A role whom Discord gives nothing; its one member is nobody here until somebody gives it something."""
    role_id = RoleId(77)
    site.mirror.role(cast.harbour, RoleRow(role_id=role_id, name="Helper", position=1, permissions=0))
    site.mirror.member(cast.harbour, replace(member(cast.nobody, "plain"), role_ids=[role_id]))
    return str(role_id)


def test_a_role_is_given_what_is_ticked_and_nothing_else(site, cast, helpers):
    admin, helper = site.signed_in(cast.admin), site.signed_in(cast.nobody)
    before = helper.get(f"/g/{cast.harbour}/cases").status_code
    drawn = section(admin, cast, "access", role=helpers)

    form = {"role": helpers, "seen": seen(drawn), "warn": "yes", "mute": "yes", "mute_longest": "86400"}
    answer = admin.post(f"/g/{cast.harbour}/settings/access", form)

    assert (before, answer.status_code) == (404, 303)
    assert "Given here: view, warn, mute" not in section(admin, cast, "access")
    assert "Given here: warn, mute" in section(admin, cast, "access")
    assert "Queued" in helper.ask(Action.MUTE).get_data(as_text=True)
    assert "at most 24 h" in helper.ask(Action.MUTE, duration_s="172800").get_data(as_text=True)
    assert "takes the capability “ban”" in helper.ask(Action.BAN).get_data(as_text=True)


def test_what_discord_gives_stands_ticked_with_its_permission_and_a_preset_is_not_saved_yet(site, cast, mirror):
    admin = site.signed_in(cast.admin)
    moderators = str(cast.moderator_role)

    drawn = section(admin, cast, "access", role=moderators, preset="senior")

    assert re.search(r'name="ban" value="yes" checked disabled', drawn)
    assert "by Discord: Ban Members" in drawn
    assert re.search(r'name="view_audit" value="yes" checked aria', drawn)
    assert "data-unsaved" in drawn
    assert "Given here" not in section(admin, cast, "access")


def test_a_grant_that_somebody_changed_meanwhile_is_held_with_what_was_ticked(site, cast, helpers):
    admin = site.signed_in(cast.admin)
    drawn = seen(section(admin, cast, "access", role=helpers))
    admin.post(f"/g/{cast.harbour}/settings/access", {"role": helpers, "seen": drawn, "warn": "yes"})

    held = admin.post(f"/g/{cast.harbour}/settings/access", {"role": helpers, "seen": drawn, "kick": "yes"})

    assert held.status_code == 422
    assert "somebody changed these settings" in held.get_data(as_text=True)
    assert re.search(r'name="kick" value="yes" checked', held.get_data(as_text=True))


def give(who, cast, person, **ticked):
    drawn = seen(section(who, cast, "access", person=person))
    return who.post(f"/g/{cast.harbour}/settings/access", {"person": str(person), "seen": drawn} | ticked)


def test_a_person_is_found_and_given_something_for_a_time(site, cast, helpers, words, owner):
    admin, plain = site.signed_in(cast.admin), site.signed_in(cast.nobody)
    found = section(admin, cast, "access", find="plai")

    answer = give(admin, cast, cast.nobody, warn="yes", mute="yes", mute_longest="3600", term="86400")

    assert f'?person={cast.nobody}"' in found
    assert (answer.status_code, answer.location.split("?")[1]) == (303, f"saved=yes&person={cast.nobody}")
    listed = section(admin, cast, "access")
    assert re.search(rf'id="person-{cast.nobody}".*?Given here: warn, mute.*?holds <time[^>]*>until ', listed, re.S)
    assert "Queued" in plain.ask(Action.WARN).get_data(as_text=True)
    assert "at most 1 h" in plain.ask(Action.MUTE, duration_s="7200").get_data(as_text=True)
    kept = [entry for entry in words(owner, cast.harbour) if entry["kind"] == "settings.changed"]
    assert f"capabilities of plain ({cast.nobody})" in kept[0]["facts"]["after"]


def test_what_is_taken_from_a_person_ends_their_stream_at_once(site, cast):
    admin = site.signed_in(cast.admin)
    give(admin, cast, cast.nobody, warn="yes", term="")
    stream = Stream(site.signed_in(cast.nobody), cast.harbour)

    answer = give(admin, cast, cast.nobody, term="before")

    assert answer.status_code == 303
    assert stream.ended.wait(20)
    assert [kind for _, kind, _ in stream.events][-1:] == ["revoked"]
    assert "person-" not in section(admin, cast, "access")


def test_one_s_own_grants_cannot_be_ticked_and_strangers_have_no_page(site, cast):
    admin, address = site.signed_in(cast.admin), f"/g/{cast.harbour}/settings/access"

    own = section(admin, cast, "access", person=cast.admin)
    answer = admin.post(address, {"person": str(cast.admin), "warn": "yes", "term": ""})

    assert "only another admin can change" in own
    assert 'name="warn" value="yes" checked disabled' in own
    assert answer.status_code in (303, 422)
    for person in (cast.guard, cast.stranger, cast.neighbour, "me"):
        assert admin.get(f"{address}?person={person}").status_code == 404


def test_a_grant_that_ends_says_when_and_keeps_its_end_unless_told_otherwise(site, cast):
    admin = site.signed_in(cast.admin)
    give(admin, cast, cast.nobody, warn="yes", term="86400")
    ends = re.search(r'datetime="([^"]+)"', section(admin, cast, "access", person=cast.nobody).split('id="c-warn"')[1])

    give(admin, cast, cast.nobody, warn="yes", kick="yes", term="before")

    drawn = section(admin, cast, "access", person=cast.nobody)
    assert f'datetime="{ends[1]}"' in drawn.split('id="c-warn"')[1].split("</li>")[0]
    assert "until" not in drawn.split('id="c-kick"')[1].split("</li>")[0]


def test_evidence_is_kept_for_so_many_days_or_for_ever(site, cast, owner, words):
    admin, address = site.signed_in(cast.admin), f"/g/{cast.harbour}/settings/retention"

    refused = admin.post(address, {"evidence_days": "0"})
    answer = admin.post(address, {"evidence_days": "90"})

    assert refused.status_code == 422
    assert "write a whole number of days from 1 to 3,650" in refused.get_data(as_text=True)
    assert answer.status_code == 303
    assert 'name="evidence_days" value="90"' in section(admin, cast, "retention")
    kept = [entry["facts"]["after"] for entry in words(owner, cast.harbour) if entry["kind"] == "settings.changed"]
    assert len(kept) == 1
    assert "90" in kept[0].values()
