"""The words of a notice: a server's own or Kovra's, filled in, within what Discord takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kovra.actions.request import Action
from kovra.guard.notice_texts import (
    MAX_MESSAGE,
    TOLD_AFTER,
    TOLD_BEFORE,
    VARIABLES,
    NoticeTexts,
    Telling,
    appeal_problem,
    default_text,
    lasting,
    notice_text,
    problems_of,
)
from kovra.guard.notice_tongues import TONGUES

TOLD = sorted(TOLD_BEFORE | TOLD_AFTER)
ENDS = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
FOXES = NoticeTexts(server="Foxes")
BAN = Telling(action=Action.BAN, member="raider", moderator="odalys", reason="spam")
MUTE = replace(BAN, action=Action.MUTE, ends_at=ENDS, lasts_s=600, case_no=42)


def own(text: str, action: Action = Action.MUTE, **more) -> NoticeTexts:
    return NoticeTexts(server="Foxes", by_action={action: text}, **more)


def test_without_a_text_of_its_own_a_server_says_what_kovra_says():
    assert notice_text(FOXES, BAN) == "You are being banned from **Foxes**.\nReason: spam"
    assert notice_text(FOXES, replace(BAN, case_no=7)) == (
        "You have been banned in **Foxes**.\nReason: spam\n-# Case #7"
    )
    assert notice_text(FOXES, MUTE) == (
        "You have been muted in **Foxes**.\nUntil: <t:1767355200:f>\nReason: spam\n-# Case #42"
    )


def test_every_variable_is_filled_in():
    every = own("\n".join(f"{name}={{{name}}}" for name in VARIABLES), appeal_url="https://foxes.example/appeal")

    assert notice_text(every, MUTE).splitlines() == [
        "member=raider",
        "server=Foxes",
        "action=muted",
        "reason=spam",
        "duration=10 minutes",
        "expires=<t:1767355200:f>",
        "case=42",
        "moderator=odalys",
        "appeal=https://foxes.example/appeal",
    ]


def test_a_line_that_names_what_there_is_not_is_left_out():
    text = own("You are out of {server}, {member}.\nUntil {expires}, {duration} in all.\n\nBye. {reason}", Action.BAN)

    assert notice_text(text, replace(BAN, reason="")) == "You are out of Foxes, raider."
    assert notice_text(text, BAN) == "You are out of Foxes, raider.\n\nBye. spam"


def test_a_text_of_which_nothing_is_left_gives_way_to_the_default():
    assert notice_text(own("Until {expires}", Action.BAN), BAN) == notice_text(FOXES, BAN)


def test_what_people_wrote_is_never_filled_in_itself_and_a_name_is_only_a_name():
    said = notice_text(own("{member}: {reason}"), replace(MUTE, member="{server} *x*", reason="{case} **really**"))

    assert said == "{server} \\*x\\*: {case} **really**"


@pytest.mark.parametrize("action", TOLD)
def test_the_longest_notice_fits_a_message(action):
    told = replace(MUTE, action=action, reason="x" * 4000)

    assert len(notice_text(NoticeTexts(server="*" * 100), told)) <= MAX_MESSAGE
    assert notice_text(own("{reason} {reason}\n" + "y" * 1500, action), told).count("x…") == 2


@given(
    text=st.lists(
        st.sampled_from(["{reason}", "{server}", "{case}", "{expires}", "word ", "\n", "{", "}"]), max_size=60
    ).map("".join)
    | st.text(max_size=2500),
    reason=st.text(max_size=4000),
)
def test_any_text_that_is_allowed_fits_and_says_something(text, reason):
    told = replace(BAN, reason=reason, member="*" * 32)
    said = notice_text(NoticeTexts(server="_" * 100, by_action={Action.BAN: text}), told)

    assert 0 < len(said) <= MAX_MESSAGE
    if not problems_of(Action.BAN, text) and reason[:100].isascii() and reason[:100].isalnum() and "{reason}" in text:
        assert reason[:100] in said


@pytest.mark.parametrize("action", TOLD)
def test_a_default_text_may_be_taken_over_as_ones_own(action):
    assert problems_of(action, default_text(action)) == []
    assert problems_of(action, " ") == []


def test_an_unknown_name_is_answered_with_the_known_ones():
    [said] = problems_of(Action.WARN, "Hello {user}, {user} and {nick}")

    assert said.startswith("{user}, {nick} is nothing Guard can fill in. It knows {member}, {server}, ")
    assert all(f"{{{name}}}" in said for name in VARIABLES)


def test_a_text_that_may_say_nothing_is_refused():
    [said] = problems_of(Action.BAN, "Until {expires}\n\nCase {case}")

    assert said.startswith("One line must stand without {reason}, {duration}, {expires}, {case}, {appeal}")


def test_a_text_is_measured_filled_in_with_the_longest_names_and_part_of_a_reason():
    fits = "{server}" + "x" * 1800
    [over] = problems_of(Action.WARN, fits + "x")

    assert problems_of(Action.WARN, fits) == []
    assert over == "Filled in, this text may take 2,001 characters; Discord takes 2,000. Shorten it by 1."
    assert "Shorten it by 200." in problems_of(Action.WARN, fits + "\n{reason}")[0].replace("201", "200")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://foxes.example/appeal?x=1", True),
        ("http://foxes.example", False),
        ("foxes.example", False),
        ("https://", False),
        ("https://a b.example", False),
        ("https://[::1", False),
        ("javascript:alert(1)", False),
        ("https://foxes.example/" + "x" * 200, False),
    ],
)
def test_an_address_for_appeals_is_a_whole_one(url, good):
    assert (appeal_problem(url) is None) == good


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (45, "45 seconds"),
        (599.8, "10 minutes"),
        (3600, "1 hour"),
        (86_400 + 3600 * 6 + 60, "1 day 6 hours"),
        (timedelta(days=3650).total_seconds(), "3,650 days"),
    ],
)
def test_a_length_of_time_reads_as_people_say_it(seconds, said):
    assert lasting(round(seconds)) == said


class TestLanguages:
    """A server's own words are its own; Kovra's are in the server's language."""

    @pytest.mark.parametrize(
        ("locale", "discord_locale", "first"),
        [
            (None, None, "You are being banned from **Foxes**."),
            (None, "en-GB", "You are being banned from **Foxes**."),
            (None, "de", "Du wirst von **Foxes** gebannt."),
            (None, "es-419", "Se te va a banear de **Foxes**."),
            ("fr", "de", "Vous êtes banni(e) de **Foxes**."),
            ("en", "de", "You are being banned from **Foxes**."),
            (None, "ja", "You are being banned from **Foxes**."),
        ],
    )
    def test_what_a_server_chose_stands_before_what_discord_says_and_english_for_what_is_not_known(
        self, locale, discord_locale, first
    ):
        texts = NoticeTexts(server="Foxes", locale=locale, discord_locale=discord_locale)

        assert notice_text(texts, BAN).splitlines()[0] == first

    def test_every_line_is_in_the_language(self):
        texts = NoticeTexts(server="Foxes", appeal_url="https://foxes.example", locale="de")
        told = replace(MUTE, lasts_s=93_600)

        assert notice_text(texts, told).splitlines() == [
            "Du wurdest auf **Foxes** stummgeschaltet.",
            f"Bis: <t:{int(MUTE.ends_at.timestamp())}:f>",
            "Grund: spam",
            "Einspruch: https://foxes.example",
            "-# Fall #42",
        ]
        own = replace(texts, by_action={Action.MUTE: "{action}, {duration}"})
        assert notice_text(own, told) == "stummgeschaltet, 1 Tag 2 Stunden"

    @pytest.mark.parametrize("language", TONGUES)
    def test_each_language_says_the_same_and_fits(self, language):
        for action in TOLD_BEFORE | TOLD_AFTER:
            for known in (False, True):
                text = default_text(action, language, known=known)

                assert problems_of(action, text) == []
                named = [name for name in VARIABLES if f"{{{name}}}" in text]
                assert named == ["server", "reason", "expires", "case", "appeal"]
        assert len(TONGUES[language].units) == 4

    def test_the_languages_are_those_of_the_commands(self):
        from kovra.bot.tongues import LOCALES

        assert set(TONGUES) == {"en", *LOCALES}
