"""Every command, as every rank gives it: what it may do is done, what it may not is refused in words, nobody waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kovra.actions.request import Action
from kovra.bot import commands

OWNER, ADMIN, MODERATOR, HELPER, MEMBER = "maren.oake", "tamsin_reed", "juniperlock", "pip.hollow", "nobody"
RANKS = (OWNER, ADMIN, MODERATOR, HELPER, MEMBER)
LEADS = {OWNER, ADMIN}
STAFF = {*LEADS, MODERATOR}
HELPS = {*STAFF, HELPER}

FORM, DONE = "a form", "Done · case #"
#: Who may not look at cases is not told which there are.
UNSEEN = "Not queued: this server has no case #"
NOT_YOURS = ("You may not", UNSEEN)
READS = "You may not look at the cases of this server"

#: Each command: who may do it, what it ends as for them, and how it is refused to everybody else. Later ones lean on
#: what earlier ones did: whoever is banned by a rank is unbanned by it.
TABLE = (
    ("mod ban", STAFF, DONE, "You may not ban here"),
    ("mod unban", STAFF, DONE, "You may not unban here"),
    ("mod softban", STAFF, DONE, "You may not softban here"),
    ("mod kick", STAFF, DONE, "You may not kick here"),
    ("mod mute", HELPS, DONE, "You may not mute here"),
    ("mod unmute", HELPS, DONE, "You may not unmute here"),
    ("mod warn", HELPS, DONE, "You may not warn here"),
    ("mod note", HELPS, DONE, "You may not note here"),
    ("mod role", LEADS, DONE, "You may not give roles here"),
    ("mod quarantine", LEADS, DONE, "You may not quarantine here"),
    ("mod purge", LEADS, DONE, "You may not delete messages here"),
    ("mod lock", LEADS, DONE, "You may not lock channels here"),
    ("mod unlock", LEADS, DONE, "You may not unlock channels here"),
    ("mod slowmode", LEADS, DONE, "You may not slow channels down here"),
    ("mod lockdown", LEADS, DONE, "You may not end a lockdown here"),
    ("mod doctor", HELPS, ("**", "All is well"), READS),
    ("case view", HELPS, "**Case #", READS),
    ("case list", HELPS, "The latest cases", READS),
    ("case edit", LEADS, DONE, NOT_YOURS),
    ("case void", LEADS, DONE, NOT_YOURS),
    ("case reverse", HELPS, DONE, UNSEEN),
    ("history", HELPS, "The latest cases", READS),
    ("History", HELPS, "The latest cases", READS),
    ("Moderate", HELPS, FORM, "You may not moderate in this server"),
    ("Act on this message", HELPS, FORM, "You may not moderate in this server"),
)


@pytest.fixture
def people(path):
    return path.discord.people | {MEMBER: path.discord.someone()}


#: Who was here before may have banned as many as one may in an hour.
pytestmark = pytest.mark.usefixtures("wide_budget")


@pytest.fixture
def given(path):
    """``given(command, rank)``: what the command is given. Each rank has people and channels of its own."""
    where = path.discord.world["channels"]
    channel = dict(zip(RANKS, (where[one] for one in ("map-room", "trade-post", *["bot-corner"] * 3)), strict=True))
    role = path.discord.world["roles"]["Minstrel"]
    banned, muted, others = ({rank: path.discord.someone() for rank in RANKS} for _ in range(3))
    cases = {(act, rank): a_case(path) for act in ("edit", "void") for rank in LEADS}
    cases |= {("reverse", rank): a_case(path) for rank in HELPS}
    any_case = next(iter(cases.values()))

    def give(command, rank):
        act = command.split()[-1]
        fresh = {"mod softban": {}, "mod kick": {}, "mod warn": {"reason": "x"}, "mod note": {"reason": "x"}}
        fresh |= {"mod role": {"change": "give", "role": role}, "mod quarantine": {"change": "begin"}}
        if command == "Act on this message":
            return say(path, others[rank], channel[rank])
        if command in fresh:
            return {"user": path.discord.someone(), **fresh[command]}
        if command.startswith("case ") and act != "list":
            more = {"edit": {"reason": "y"}, "void": {"reason": "x"}}.get(act, {})
            return {"number": cases.get((act, rank), any_case), **more}
        return {
            "mod ban": {"user": banned[rank]},
            "mod unban": {"user": banned[rank]},
            "mod mute": {"user": muted[rank], "duration": "1h"},
            "mod unmute": {"user": muted[rank]},
            "mod purge": {"count": 1, "channel": channel[rank]},
            "mod lock": {"channel": channel[rank]},
            "mod unlock": {"channel": channel[rank]},
            "mod slowmode": {"channel": channel[rank], "seconds": 30},
            "mod lockdown": {"change": "on" if rank == OWNER else "off"},
            "history": {"user": muted[OWNER]},
            "History": muted[OWNER],
            "Moderate": others[rank],
        }.get(command, {})

    return give


def say(path, user_id, channel_id):
    message = {"user_id": str(user_id), "channel_id": channel_id, "content": "hello"}
    return path.discord.ask("POST", "messages", message)["id"]


def a_case(path):
    """A mute of the owner's; its number."""
    return path.run(path.a(Action.MUTE, path.discord.someone(), by=OWNER))["case_no"]


def told(path, people, command, rank, options):
    """What the answer ends as: a form, or its last words."""
    where = path.discord.world["channels"]
    own = {OWNER: "map-room", ADMIN: "trade-post"}.get(rank, "bot-corner")
    asked = {"user_id": str(people[rank]), "guild_id": str(path.guild_id), "command": command}
    asked["channel_id"] = where[own]
    if isinstance(options, dict):
        asked["options"] = {name: str(value) for name, value in options.items()}
    else:
        asked["target_id"] = str(options)
    begun = path.discord.ask("POST", "interactions", asked)

    def ended():
        now = path.discord.ask("GET", f"interactions/{begun['interaction_id']}")
        if now["modal"]:
            return FORM
        return now["content"] if not now["content"].startswith("Queued") else ""

    return path.until(ended)


def test_the_table_has_every_command():
    known = [
        *(f"mod {one.name}" for one in commands.MOD),
        *(f"case {one.name}" for one in commands.CASE),
        "history",
        *(one["name"] for one in commands.payloads() if one.get("type", 1) != 1),
    ]

    assert sorted(command for command, *_ in TABLE) == sorted(known)


def test_every_rank_is_answered_by_every_command(path, people, given):
    wrong = []
    with ThreadPoolExecutor(len(RANKS)) as together:
        for command, may, outcome, refusal in TABLE:
            options = {rank: given(command, rank) for rank in RANKS}
            ask = lambda rank, c=command, o=options: told(path, people, c, rank, o[rank])  # noqa: E731
            # One after the other where it is the same server that is closed and opened.
            answers = map(ask, RANKS) if command == "mod lockdown" else together.map(ask, RANKS)
            for rank, words in zip(RANKS, answers, strict=True):
                if not words.startswith(outcome if rank in may else refusal):
                    wrong.append((command, rank, words))

    assert not wrong, "\n".join(map(str, wrong))
