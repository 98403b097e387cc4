"""The command palette: what it finds for whom."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from kovra.actions.request import Action


def options(answer) -> list[str]:
    """The options as they read, under ``group: ``."""
    page = answer.get_data(as_text=True)
    found = []
    for group in page.split('<div role="group"')[1:]:
        name = re.search(r'role="presentation">([^<]+)<', group)[1]
        for option in group.split('role="option"')[1:]:
            words = re.sub(r"<[^>]+>", " ", option.split(">", 1)[1].split("</div>")[0])
            found.append(f"{name}: {' '.join(words.split())}")
    return found


@pytest.fixture
def ask(site, cast):
    def typed(text, who=cast.moderator):
        return site.signed_in(who).fragment(f"/g/{cast.harbour}/palette?q={text}")

    return typed


@pytest.mark.parametrize("typed", ["quillon", "QUIL", "quilon", "300000000000000006"])
def test_a_member_is_found_by_a_part_of_the_name_a_typing_error_and_the_id(ask, typed):
    assert any("Members: " in option and "Quillon" in option for option in options(ask(typed)))


@pytest.mark.parametrize("typed", ["case 1", "%231", "1", "CASE %231"])
def test_a_case_is_found_by_its_number(site, cast, ask, typed):
    asked = site.signed_in(cast.moderator).ask()
    site.carry_out(UUID(asked.get_data(as_text=True).split('id="toast-')[1][:36]))

    assert "Cases: #1 Warn · Quillon spam in #general" in options(ask(typed))


def test_a_member_who_is_meant_brings_their_cases(site, cast, ask):
    asked = site.signed_in(cast.moderator).ask()
    site.carry_out(UUID(asked.get_data(as_text=True).split('id="toast-')[1][:36]))

    assert "Cases: #1 Warn · Quillon spam in #general" in options(ask("quillon"))


def test_an_action_and_a_name_open_the_dialog_for_both(ask, cast):
    page = ask("ban quil").get_data(as_text=True)

    assert f'data-act="ban" data-member="{cast.quillon}"' in page
    assert "Ban Quillon" in page


@pytest.mark.parametrize(("who", "offered"), [("moderator", True), ("trial", False)])
def test_only_what_one_may_do_is_offered(ask, cast, who, offered):
    bare, with_name = ask(">ban", getattr(cast, who)), ask("ban quil", getattr(cast, who))

    assert ("Actions: Ban a member" in options(bare)) == offered
    assert ('data-act="ban"' in with_name.get_data(as_text=True)) == offered


def test_somebody_nobody_here_knows_is_found_by_the_whole_id(ask, cast):
    page = ask(str(cast.stranger)).get_data(as_text=True)

    assert f'data-side="{cast.stranger}"' in page
    assert 'data-act="ban"' in page
    assert 'data-act="kick"' not in page


def test_a_page_is_found_by_the_beginning_of_one_of_its_words(ask):
    assert "Go to: Overview G O" in options(ask("over"))
    assert [option for option in options(ask("%3Ecas")) if option.startswith("Go to")] == ["Go to: Cases G C"]


def test_without_a_word_it_shows_whom_one_acted_on_lately_and_the_pages(site, cast, ask):
    before = options(ask(""))
    asked = site.signed_in(cast.moderator).ask(Action.NOTE)
    site.carry_out(UUID(asked.get_data(as_text=True).split('id="toast-')[1][:36]))

    after = options(ask(""))

    assert not [option for option in before if option.startswith("Recent")]
    assert after[0].startswith("Recent: QU Quillon quillon")
    assert [option for option in options(ask("", cast.admin)) if option.startswith("Recent")] == []


def test_what_finds_nothing_says_so_with_the_letters_made_visible(ask):
    page = ask("zzzz%E2%80%AEqq").get_data(as_text=True)

    assert "Nothing here goes by “zzzz[U+202E]qq”." in page
