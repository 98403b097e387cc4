"""Commands typed in Discord, the whole way: the sandbox's people, Guard's answers, and what became of it."""

import pytest


@pytest.fixture
def room(path):
    return path.discord.world["channels"]["staff-room"]


@pytest.fixture
def typed(path, room):
    """``typed("mod ban", by=…, user=…)`` runs a command and gives what its answer ends as."""

    def run(command, by="juniperlock", starts="Done", **options):
        asked = {"command": command, "options": {name: str(value) for name, value in options.items()}}
        return settle(path, room, by, asked, starts)

    return run


def settle(path, room, by, asked, starts):
    who = {"user_id": str(path.discord.people[by]), "guild_id": str(path.guild_id), "channel_id": room}
    told = path.discord.ask("POST", "interactions", {**who, **asked})
    seen = f"interactions/{told['interaction_id']}"
    return path.until(lambda: (now := path.discord.ask("GET", seen))["content"].startswith(starts) and now)


def number_of(answer):
    return int(answer["content"].split("#")[1].split()[0])


def buttons(answer):
    return {each["label"]: each for row in answer["components"] for each in row["components"]}


def test_an_outcome_names_its_case_links_to_it_and_can_be_undone(path, typed, room):
    target = path.discord.someone()

    answer = typed("mod ban", user=target, reason="scam links", duration="7d")
    assert path.discord.is_banned(target)
    found = buttons(answer)
    assert set(found) == {"Undo", "Open case"}
    assert found["Open case"]["url"].endswith(f"?case={number_of(answer)}")
    assert answer["ephemeral"]

    by = path.discord.people["juniperlock"]
    held = path.discord.ask("GET", f"channels/{room}/messages?as={by}&limit=1000")
    message = next(each for each in held if each["content"] == answer["content"])
    pressed = {"component": {"custom_id": found["Undo"]["custom_id"], "message_id": message["id"]}}
    # Until Guard answers, the press shows the message that was pressed on.
    settle(path, room, "juniperlock", pressed, "Done")
    case = path.until(lambda: path.first("SELECT * FROM mod_cases WHERE reverses = :no", no=number_of(answer)))

    assert case["action"] == "unban"
    assert not path.discord.is_banned(target)
    viewed = typed("case view", number=number_of(answer), starts="**Case")
    assert f"Taken back by case #{case['case_no']}" in viewed["content"]
    again = settle(path, room, "juniperlock", pressed, "Not queued")
    assert "taken back already" in again["content"]


def test_a_case_is_viewed_edited_voided_and_listed(path, typed):
    target = path.discord.someone()
    number = number_of(typed("mod warn", user=target, reason="be kind"))

    viewed = typed("case view", number=number, starts="**Case")
    assert "be kind" in viewed["content"]
    assert "Open in Kovra" in buttons(viewed)
    kinder = "be kinder" + " to all" * 500
    edited = typed("case edit", number=number, reason=kinder)
    assert f"case #{number} updated" in edited["content"]
    voided = typed("case void", number=number, reason="a misunderstanding")
    assert f"case #{number} updated" in voided["content"]

    history = typed("history", user=target, starts="The latest")
    assert "void · be kinder" in history["content"]
    again = typed("case view", number=number, starts="**Case")["content"]
    # However long the reason is, what comes after it is there too.
    assert "…\nBy Juniper" in again
    assert "Void: it does not count any more" in again
    listed = typed("case list", starts="The latest")
    assert f"#{number}" in listed["content"]
    case = path.first("SELECT * FROM mod_cases WHERE case_no = :no", no=number)
    assert (case["reason"], case["voided_at"] is not None) == (kinder, True)


def begun(path, by, asked):
    """Begin an interaction; gives what Guard shows: a dialog, or a sentence."""
    told = path.discord.ask("POST", "interactions", {"user_id": str(by), "guild_id": str(path.guild_id), **asked})
    seen = f"interactions/{told['interaction_id']}"
    return path.until(lambda: (now := path.discord.ask("GET", seen)) and (now["modal"] or now["content"]) and now)


def test_acting_on_a_message_keeps_it_and_deletes_it(path, room):
    author, by = path.discord.someone(), path.discord.people["maren.oake"]
    hall = path.discord.world["channels"]["main-hall"]
    picture = {"filename": "nitro.png", "content_type": "image/png", "base64": "iVBORw0KGgo="}
    facts = {"user_id": str(author), "channel_id": hall, "content": "free nitro", "attachments": [picture]}
    message = path.discord.ask("POST", "messages", facts)
    where = {"channel_id": hall, "command": "Act on this message", "target_id": message["id"]}
    dialog = begun(path, by, where)["modal"]
    fields = {"action": "mute", "duration": "1h", "reason": "scam", "message": "delete"}

    answer = settle(path, room, "maren.oake", {"modal": {"custom_id": dialog["custom_id"], "fields": fields}}, "Done")

    case = path.first("SELECT * FROM mod_cases WHERE case_no = :no", no=number_of(answer))
    assert (case["action"], case["target_id"], case["result"]) == ("mute", author, {"message": "deleted"})
    kept = path.first("SELECT * FROM evidence WHERE request_id = :id", id=case["request_id"])
    assert (kept["content"], kept["message_id"]) == ("free nitro", int(message["id"]))
    file = path.first("SELECT * FROM evidence_files WHERE request_id = :id", id=case["request_id"])
    assert (file["filename"], file["status"], bytes(file["content"])[1:4]) == ("nitro.png", "kept", b"PNG")
    left = path.discord.ask("GET", f"channels/{hall}/messages?as={by}&limit=1000")
    assert message["id"] not in [each["id"] for each in left]


def test_each_rank_is_told_what_it_may_not(path, typed):
    target = path.discord.someone()

    trainee = typed("mod ban", by="pip.hollow", user=target, starts="You may not")
    assert "capability “ban”" in trainee["content"]
    moderator = typed("mod lockdown", change="on", starts="You may not")
    assert "capability “lockdown”" in moderator["content"]
    stranger = str(path.discord.someone())
    path.discord.people["somebody"] = int(stranger)
    assert typed("history", by="somebody", user=target, starts="You may not look")
    assert typed("case view", number=999_999, starts="This server has no case")
    assert typed("case reverse", number=999_999, starts="Not queued: this server has no case")


def test_a_member_menu_shows_their_history(path, room):
    target = path.discord.someone()
    asked = {"command": "History", "target_id": str(target)}

    answer = settle(path, room, "juniperlock", asked, "Nothing on record")

    assert answer["ephemeral"]


def test_a_member_menu_moderates_through_its_form(path, room):
    target, by = path.discord.someone(), path.discord.people["juniperlock"]
    who = {"user_id": str(by), "guild_id": str(path.guild_id), "channel_id": room}
    click = path.discord.ask("POST", "interactions", {**who, "command": "Moderate", "target_id": str(target)})
    seen = f"interactions/{click['interaction_id']}"
    dialog = path.until(lambda: path.discord.ask("GET", seen)["modal"])

    filled = {"custom_id": dialog["custom_id"], "fields": {"action": "mute", "duration": "1h", "reason": "calm"}}
    answer = settle(path, room, "juniperlock", {"modal": filled}, "Done")

    case = path.first("SELECT * FROM mod_cases WHERE case_no = :no", no=number_of(answer))
    assert (case["action"], case["source"], case["target_id"]) == ("mute", "discord", target)
    assert set(buttons(answer)) == {"Undo", "Open case"}


def test_what_is_typed_is_completed(path, room):
    who = {"user_id": str(path.discord.people["juniperlock"]), "guild_id": str(path.guild_id), "channel_id": room}
    asked = {"command": "mod mute", "options": {"duration": "3"}, "autocomplete": "duration"}

    told = path.discord.ask("POST", "interactions", {**who, **asked})

    seen = f"interactions/{told['interaction_id']}"
    choices = path.until(lambda: path.discord.ask("GET", seen)["choices"])
    assert [each["value"] for each in choices] == ["3m", "3h", "3d", "3w"]
