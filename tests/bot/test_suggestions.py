"""What is offered while somebody types, and in which languages the commands are shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kovra.bot import commands
from kovra.bot.durations import parse_until
from kovra.bot.suggestions import DURATIONS, suggest_durations, suggest_reasons
from kovra.bot.tongues import LOCALES
from kovra.errors import Malformed

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def offered(suggest, typed):
    return asyncio.run(suggest(SimpleNamespace(value=typed)))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", list(DURATIONS)),
        ("3", ["3m", "3h", "3d", "3w"]),
        ("1", ["1m", "1h", "1d", "1w"]),
        ("7D", ["7d"]),
        ("2026-12-24", ["2026-12-24"]),
    ],
)
def test_a_bare_number_is_offered_with_each_unit(typed, expected):
    assert offered(suggest_durations, typed) == expected


def test_reasons_are_found_by_any_part_and_what_was_typed_comes_first():
    assert offered(suggest_reasons, "scam") == ["scam", "Scam or phishing links"]
    assert offered(suggest_reasons, "Raid") == ["Raid"]
    assert all(len(each) <= 100 for each in offered(suggest_reasons, "x" * 300))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("2026-01-03", 12 * 3600),
        ("2026-01-02 13:30", 5400),
        ("2026-1-2T12:01 UTC", 60),
    ],
)
def test_a_duration_or_the_date_of_its_end_will_do(text, seconds):
    assert parse_until(text, NOW) == seconds


@pytest.mark.parametrize("text", ["2026-01-02", "2025-12-24", "2026-02-31", "2099-01-01", "tomorrow"])
def test_a_date_that_is_over_or_none_at_all_is_refused(text):
    with pytest.raises(Malformed):
        parse_until(text, NOW)


def everything(command):
    yield command
    for option in command.get("options", ()):
        yield from everything(option)


@pytest.mark.parametrize(
    "command", commands.payloads(), ids=lambda command: f"{command.get('type', 1)} {command['name']}"
)
def test_every_description_is_there_in_every_language(command):
    for each in everything(command):
        told = "description" if each.get("description") else "name"
        shown = each[f"{told}_localizations"]
        # Whoever reads Spanish in Latin America has a language of its own in Discord.
        assert set(shown) == {*LOCALES, "es-419"}, each[told]
        assert all(0 < len(text) <= 100 for text in shown.values())
