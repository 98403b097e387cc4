"""What people set for their server: kept, refused in words, on record, and read by who acts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kovra.actions.request import Action
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts
from kovra.ids import ChannelId
from kovra.store.events import Events
from kovra.store.forgetting import EVIDENCE_DAYS
from kovra.store.mirror import ChannelRow, GuildRow
from kovra.store.settings import TAKES_SETTINGS, SettingsBook

RAIDS, VOICE = ChannelId(31), ChannelId(32)


@pytest.fixture
def settings(web, say):
    return SettingsBook(web, say.AUDIT_KEY)


@pytest.fixture
def boss(guilds, say, mirror):
    """The owner's scope, in a server with one more channel for text and one for voice."""
    mirror.channel(say.HARBOUR, ChannelRow(channel_id=RAIDS, name="raids", kind=0, position=9))
    mirror.channel(say.HARBOUR, ChannelRow(channel_id=VOICE, name="voice", kind=2))
    return guilds.scope(say.OWNER, say.HARBOUR)


def test_texts_are_kept_beside_each_other_and_read_by_who_sends(settings, boss, roster, say):
    settings.change_notices(boss, {Action.BAN: "Out of {server}.\r\nBye.", Action.WARN: "Careful."}, None)
    settings.change_notices(boss, {Action.WARN: "  "}, "https://harbour.example/appeal")

    kept = NoticeTexts(
        server="Harbour", by_action={Action.BAN: "Out of {server}.\nBye."}, appeal_url="https://harbour.example/appeal"
    )
    assert (settings.notices(boss), roster.notice_texts(say.HARBOUR)) == (kept, kept)


def test_the_language_is_what_discord_says_until_one_is_chosen(settings, boss, roster, mirror, audit_log, say):
    harbour = GuildRow(
        guild_id=say.HARBOUR, name="Harbour", icon=None, owner_id=say.OWNER, guard_id=say.GUARD, member_count=5
    )
    mirror.guild(replace(harbour, locale="de"))
    heard = roster.notice_texts(say.HARBOUR).language

    settings.change_notices(boss, {}, None, locale="pt-BR")
    refused = settings.change_notices(boss, {}, None, locale="tlh")

    assert (heard, roster.notice_texts(say.HARBOUR).language) == ("de", "pt-BR")
    assert set(refused) == {"locale"}
    assert audit_log.entries(boss)[0].facts["after"] == {"notice_locale": "pt-BR"}


def test_a_text_that_cannot_be_filled_in_changes_nothing(settings, boss, audit_log):
    said = settings.change_notices(boss, {Action.BAN: "Bye {user}", Action.WARN: "Careful."}, "harbour.example")

    assert set(said) == {"ban", "appeal_url"}
    assert "{user}" in said["ban"][0]
    assert settings.notices(boss).by_action == {}
    assert audit_log.entries(boss) == []


def test_each_class_of_cases_has_its_channel_the_common_one_or_none(settings, boss, roster, say):
    settings.change_log_channels(boss, say.MOD_LOG, {EventClass.NATIVE: RAIDS, EventClass.NOTES: None})

    chosen = LogChannels(common=say.MOD_LOG, by_class={EventClass.NATIVE: RAIDS, EventClass.NOTES: None})
    assert (settings.log_channels(boss), roster.log_channels(say.HARBOUR)) == (chosen, chosen)
    assert [chosen.of(one) for one in (EventClass.ACTIONS, EventClass.NATIVE, EventClass.NOTES)] == [
        say.MOD_LOG,
        RAIDS,
        None,
    ]


def test_a_channel_that_is_not_there_or_not_for_text_is_refused(settings, boss):
    said = settings.change_log_channels(boss, ChannelId(99), {EventClass.NATIVE: VOICE, EventClass.NOTES: None})

    assert set(said) == {"common", "native"}
    assert settings.log_channels(boss).by_class == {}


def test_the_channels_to_choose_from_say_what_guard_lacks_there(settings, boss, mirror, say):
    closed = [{"id": str(say.HARBOUR), "type": 0, "allow": "0", "deny": str(1 << 11)}]
    mirror.channel(say.HARBOUR, ChannelRow(channel_id=RAIDS, name="raids", kind=0, position=9, overwrites=closed))

    found = {one.channel_id: one for one in settings.places(boss)}

    assert VOICE not in found
    assert (found[RAIDS].name, "Send Messages" in found[RAIDS].lacking) == ("raids", True)


def test_a_change_is_on_record_with_before_and_after_and_live_and_the_same_again_is_none(
    settings, boss, audit_log, web, say
):
    settings.change_notices(boss, {Action.BAN: "Bye."}, None)
    settings.change_log_channels(boss, RAIDS, {EventClass.NOTES: None})
    settings.change_log_channels(boss, RAIDS, {EventClass.NOTES: None})

    second, first = audit_log.entries(boss)
    assert (first.actor_id, first.facts) == (
        say.OWNER,
        {"before": {"notice_of_ban": None}, "after": {"notice_of_ban": "Bye."}},
    )
    assert second.facts["after"] == {"log_channel_id": str(RAIDS), "log_channel_of_notes": "none"}
    assert [one.kind for one in Events(web).after(say.HARBOUR, 0)] == ["settings.changed"] * 2


def test_it_takes_settings(settings, odalys, boss):
    refused = [settings.change_notices(odalys, {}, None), settings.change_log_channels(odalys, RAIDS, {})]

    assert refused == [{"form": [TAKES_SETTINGS]}] * 2
    assert settings.log_channels(boss).common != RAIDS


def test_how_long_evidence_is_kept_is_for_ever_until_it_is_set(settings, boss, audit_log):
    assert settings.retention(boss) == {}
    assert settings.change_retention(boss, {EVIDENCE_DAYS: 90}) == {}

    assert settings.retention(boss) == {EVIDENCE_DAYS: 90}
    [entry] = audit_log.entries(boss)
    assert entry.facts == {"before": {EVIDENCE_DAYS: None}, "after": {EVIDENCE_DAYS: "90"}}


@pytest.mark.parametrize("days", [{EVIDENCE_DAYS: 0}, {EVIDENCE_DAYS: 3651}, {"case_days": 30}])
def test_a_term_that_cannot_be_kept_changes_nothing(settings, boss, days):
    assert set(settings.change_retention(boss, days)) == set(days)

    assert settings.retention(boss) == {}
