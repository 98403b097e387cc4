"""The menus *Moderate* and *Act on this message*: from the click to the request, through real Pycord."""

from __future__ import annotations

import base64
import hashlib

import pytest

from kovra.actions.request import MAX_MUTE, Action, Source, State
from kovra.bot.evidence import EvidenceRoom
from kovra.errors import Unavailable
from kovra.ids import derived_request_id, snowflake_ms
from kovra.sandbox.deeds import places
from kovra.store.cases import Cases
from kovra.store.evidence import EvidenceKeeper
from kovra.store.guilds import Guilds
from kovra.store.health import Health, HealthKeeper
from kovra.store.undoing import Undoing
from kovra.wiring import CaseBook


@pytest.fixture
def book(database):
    return CaseBook(
        guilds=Guilds(database), cases=Cases(database), undoing=Undoing(database, bytes(32)), health=Health(database)
    )


@pytest.fixture
def begin(registered, start_bot, book):
    """Start a bot whose commands Discord knows."""
    return lambda **options: start_bot(**({"book": book} | options))


@pytest.fixture
def people(sandbox):
    """Ids by rank; ``nobody`` has no rights at all, ``target`` is an ordinary member."""

    def look(s):
        ranks = {person.rank: person.user_id for person in s.world.cast.people}
        return ranks | {"nobody": s.world.cast.plain[1], "target": s.world.cast.plain[0]}

    return sandbox.call(look)


@pytest.fixture
def asks(control, people):
    """``asks(by, …)`` begins an interaction as somebody and gives its id."""
    return lambda by, **asked: int(control("interactions", user_id=str(people[by]), **asked)["interaction_id"])


@pytest.fixture
def opened(asks, control, eventually, people):
    """``opened(by)`` uses the menu on the target and gives the id of the click and the dialog."""

    def use(by="Moderator"):
        click = asks(by, command="Moderate", target_id=str(people["target"]))
        eventually(lambda: control(f"interactions/{click}")["modal"], "the dialog")
        return click, control(f"interactions/{click}")["modal"]

    return use


def choices(dialog):
    return [option["value"] for option in dialog["components"][0]["component"]["options"]]


FILLED = [
    ({"action": "warn", "reason": "be nice"}, {}),
    ({"action": "note", "reason": "seen before"}, {}),
    ({"action": "mute", "duration": "2h", "reason": "calm"}, {"duration_s": 7200}),
    ({"action": "mute", "duration": "28d"}, {"duration_s": int(MAX_MUTE.total_seconds())}),
    ({"action": "unmute"}, {}),
    ({"action": "kick", "reason": "bye"}, {}),
    ({"action": "softban"}, {"delete_window_s": 86_400}),
    (
        {"action": "ban", "duration": "7d", "delete_messages": "3600"},
        {"duration_s": 604_800, "delete_window_s": 3600},
    ),
    ({"action": "quarantine", "duration": "1d"}, {"duration_s": 86_400}),
]


def test_what_is_filled_in_makes_the_canonical_request(begin, opened, asks, says, submit, people, sandbox):
    begin()
    guild_id = sandbox.call(lambda s: s.world.cast.guild_id)

    for fields, params in FILLED:
        submit.requests.clear()
        click, dialog = opened("Owner")
        sent = asks("Owner", modal={"custom_id": dialog["custom_id"], "fields": fields})
        says(sent, f"Queued: {fields['action']} of ")

        [request] = submit.requests
        assert (request.action.value, dict(request.params)) == (fields["action"], params)
        assert request.reason == fields.get("reason", "")
        assert (request.guild_id, request.target_id, request.moderator_id) == (
            guild_id,
            people["target"],
            people["Owner"],
        )
        assert request.source is Source.DISCORD
        assert request.request_id == derived_request_id(snowflake_ms(click), "form", click, people["Owner"])


def test_the_outcome_is_edited_in_with_its_buttons(begin, opened, asks, says, submit, ends):
    begin(dashboard_url="https://kovra.example")

    filled = {"custom_id": opened()[1]["custom_id"], "fields": {"action": "mute", "duration": "1h"}}
    sent = asks("Moderator", modal=filled)
    says(sent, "Queued")
    ends.end(submit.requests[0], State.DONE, case_no=7)
    told = says(sent, "Done · case #7 created")

    assert told["ephemeral"]
    labels = [each["label"] for row in told["components"] for each in row["components"]]
    assert labels == ["Undo", "Open case"]


def test_a_form_that_is_sent_twice_asks_for_the_same_thing(begin, opened, asks, says, submit):
    begin()

    filled = {"custom_id": opened()[1]["custom_id"], "fields": {"action": "warn", "reason": "once"}}
    for _ in range(2):
        says(asks("Moderator", modal=filled), "Queued")

    first, second = submit.requests
    assert first.request_id == second.request_id
    assert first.fingerprint() == second.fingerprint()


def test_a_form_that_was_opened_before_a_restart_can_still_be_sent(begin, opened, asks, says, submit):
    before = begin()
    _, dialog = opened()
    before.stop()
    begin()

    says(asks("Moderator", modal={"custom_id": dialog["custom_id"], "fields": {"action": "kick"}}), "Queued")

    assert [request.action for request in submit.requests] == [Action.KICK]


AMISS = [
    ({"action": "warn"}, "Not queued: A warn needs a reason"),
    ({"action": "mute", "reason": "calm"}, "Not queued: A mute needs a duration"),
    ({"action": "mute", "duration": "soon"}, "Not queued: 'soon' is not a duration"),
    ({"action": "kick", "duration": "2h"}, "Not queued: kick takes no duration"),
    ({"action": "kick", "delete_messages": "3600"}, "Not queued: kick deletes no messages"),
]


def test_what_does_not_go_together_is_said_and_recorded(begin, opened, asks, says, submit):
    begin()

    for fields, shown in AMISS:
        submit.malformed_attempts.clear()
        says(asks("Moderator", modal={"custom_id": opened()[1]["custom_id"], "fields": fields}), shown)

        assert submit.requests == []
        [attempt] = submit.malformed_attempts
        assert attempt["attempt"] == {"command": "menu moderate"} | fields


def test_a_form_offers_what_its_reader_may_do(begin, opened):
    begin()

    everything = ["warn", "note", "mute", "unmute", "kick", "softban", "ban", "quarantine"]
    assert choices(opened("Owner")[1]) == everything
    assert choices(opened("Trainee")[1]) == ["warn", "note", "mute", "unmute"]


def test_who_may_do_nothing_is_told_so_and_it_is_on_record(begin, asks, says, submit, people, eventually):
    begin()

    told = says(asks("nobody", command="Moderate", target_id=str(people["target"])), "You may not moderate")

    assert told["ephemeral"]
    assert told["modal"] is None
    eventually(lambda: submit.malformed_attempts)
    assert submit.malformed_attempts[0]["moderator_id"] == people["nobody"]


def test_without_a_database_no_form_is_shown_and_it_is_said(begin, asks, says, people, book):
    class Away:
        def __getattr__(self, name):
            raise Unavailable("away")

    begin(book=Away())

    says(asks("Moderator", command="Moderate", target_id=str(people["target"])), "Not queued: Kovra’s database")


def test_a_form_speaks_the_language_of_its_reader(begin, opened, sandbox):
    sandbox.call(lambda s: setattr(s.desk, "locale", "de"))
    begin()

    dialog = opened()[1]

    assert dialog["title"].startswith("Moderieren: ")
    assert [field["label"] for field in dialog["components"]] == ["Aktion", "Grund", "Dauer", "Nachrichten löschen"]


# On a message


PICTURE = b"\x89PNG" + bytes(2000)


@pytest.fixture
def keeper(database):
    return EvidenceKeeper(database)


@pytest.fixture
def begin_keeping(begin, keeper, sandbox):
    """Start a bot that keeps messages; Discord's files are the sandbox's."""
    return lambda **options: begin(evidence=EvidenceRoom(keeper, f"{sandbox.base_url}/cdn"), **options)


@pytest.fixture
def hall(sandbox):
    def look(s):
        guild = s.world.guilds[s.world.cast.guild_id]
        return next(channel.id for channel in s.world.guild_channels(guild) if channel.name == "main-hall")

    return sandbox.call(look)


@pytest.fixture
def said(control, people, hall):
    """``said(content, *files)``: somebody writes, with files of name, type and bytes; gives the message."""

    def write(content, *files):
        attachments = [
            {"filename": name, "content_type": kind, "base64": base64.b64encode(data).decode()}
            for name, kind, data in files
        ]
        who = {"user_id": str(people["target"]), "channel_id": str(hall)}
        return control("messages", content=content, attachments=attachments, **who)

    return write


@pytest.fixture
def opened_on(asks, control, eventually, hall):
    """``opened_on(message)`` uses the menu on a message and gives the dialog."""

    def use(message, by="Owner"):
        click = asks(by, command="Act on this message", target_id=message["id"], channel_id=str(hall))
        eventually(lambda: control(f"interactions/{click}")["modal"], "the dialog")
        return control(f"interactions/{click}")["modal"]

    return use


def files_of(rows):
    return rows("SELECT filename, status, sha256, content FROM evidence_files ORDER BY place")


def test_a_message_is_kept_with_its_files_before_anybody_is_acted_on(
    begin_keeping, said, opened_on, asks, says, submit, rows, people, hall, control
):
    begin_keeping()
    message = said("free nitro", ("a b.png", "image/png", PICTURE), ("x.html", "text/html", b"<script>"))

    dialog = opened_on(message)
    assert [field["label"] for field in dialog["components"]][1] == "This message"
    fields = {"action": "warn", "reason": "scam", "message": "delete"}
    says(asks("Owner", modal={"custom_id": dialog["custom_id"], "fields": fields}), "Queued: warn")

    [request] = submit.requests
    assert request.target_id == people["target"]
    assert request.over_message == (hall, int(message["id"]))
    [kept] = rows("SELECT request_id, author_id, message_id, channel_id, content, kept_by FROM evidence")
    assert kept == (str(request.request_id), people["target"], int(message["id"]), hall, "free nitro", people["Owner"])
    picture, page = files_of(rows)
    assert (picture[0], picture[1], bytes(picture[2]), bytes(picture[3])) == (
        "a b.png",
        "kept",
        hashlib.sha256(PICTURE).digest(),
        PICTURE,
    )
    assert page == ("x.html", "wrong_type", None, None)


def test_what_a_message_passes_on_and_its_stickers_are_kept(
    begin_keeping, said, opened_on, asks, says, rows, people, hall, control
):
    begin_keeping()
    first = said("free nitro", ("a.png", "image/png", PICTURE))
    sticker = {"name": "wave", "format_type": 1, "base64": base64.b64encode(PICTURE[:500]).decode()}
    origin = {"channel_id": str(hall), "message_id": first["id"]}
    who = {"user_id": str(people["target"]), "channel_id": str(hall)}
    message = control("messages", content="", forwards=origin, stickers=[sticker], **who)

    filled = {"custom_id": opened_on(message)["custom_id"], "fields": {"action": "warn", "reason": "scam"}}
    says(asks("Owner", modal=filled), "Queued: warn")

    [(content, [passed_on])] = rows("SELECT content, forwarded FROM evidence")
    assert (content, passed_on["content"], passed_on["message_id"]) == ("", "free nitro", first["id"])
    found = rows("SELECT kind, filename, status, sha256 FROM evidence_files ORDER BY place")
    assert [(kind, name, status, bytes(digest)) for kind, name, status, digest in found] == [
        ("forwarded", "a.png", "kept", hashlib.sha256(PICTURE).digest()),
        ("sticker", "wave.png", "kept", hashlib.sha256(PICTURE[:500]).digest()),
    ]


def test_a_message_that_is_left_where_it_is_asks_for_no_deletion(begin_keeping, said, opened_on, asks, says, submit):
    begin_keeping()

    filled = {"custom_id": opened_on(said("hello"))["custom_id"], "fields": {"action": "note", "reason": "seen"}}
    says(asks("Owner", modal=filled), "Queued: note")

    assert submit.requests[0].over_message is None


def test_who_may_delete_no_messages_is_not_offered_it(begin_keeping, said, opened_on):
    begin_keeping()

    labels = [field["label"] for field in opened_on(said("hello"), by="Trainee")["components"]]

    assert labels == ["Action", "Reason", "Duration", "Delete messages"]


def test_a_file_that_discord_does_not_give_is_told_as_lost(
    begin_keeping, said, opened_on, asks, says, control, hall, rows, sandbox
):
    begin_keeping()
    message = said("gone soon", ("a.png", "image/png", PICTURE))
    sandbox.call(lambda s: s.files._held.clear())

    filled = {"custom_id": opened_on(message)["custom_id"], "fields": {"action": "kick"}}
    says(asks("Owner", modal=filled), "Queued: kick")

    assert files_of(rows) == [("a.png", "lost", None, None)]


def test_nobody_is_acted_on_over_a_message_that_is_not_kept(
    begin_keeping, said, opened_on, asks, says, submit, keeper, monkeypatch
):
    begin_keeping()
    # As if the database had been away when the form was opened.
    monkeypatch.setattr(keeper, "keep", lambda *args: None)
    filled = {"custom_id": opened_on(said("hello"))["custom_id"], "fields": {"action": "kick"}}

    says(asks("Owner", modal=filled), "Not queued: the message could not be kept")

    assert submit.requests == []


# The doctor


def test_the_doctor_tells_what_is_wrong_and_what_to_do_within_a_minute(
    begin, asks, says, sandbox, database, eventually, control
):
    begin(health=HealthKeeper(database))
    guild = sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])
    first = says(asks("Trainee", command="mod doctor"), "**0 broken")["content"]
    assert "Guard’s role is not above Council" in first
    assert "→ If Guard is to act on them" in first

    def lose(s):
        for role_id in guild.members[s.world.bot_id].roles:
            guild.roles[role_id].permissions = 0
            places.role_changed(s.stage, guild, guild.roles[role_id], [], by=guild.owner_id, reason=None)
        channel = next(c for c in s.world.guild_channels(guild) if c.name == "mod-log")
        places.delete_channel(s.stage, guild, channel, by=guild.owner_id, reason=None)

    sandbox.call(lose)

    def told():
        seen = asks("Trainee", command="mod doctor")
        eventually(lambda: control(f"interactions/{seen}")["content"])
        return control(f"interactions/{seen}")["content"]

    eventually(lambda: "lacks Ban Members" in told(), "the lost permission")
    assert "→ In Discord: Server Settings, Roles" in told()
    assert len(told()) <= 2000


def test_the_doctor_sees_nobody_without_rights(begin, asks, says):
    begin()

    says(asks("nobody", command="mod doctor"), "You may not look")
