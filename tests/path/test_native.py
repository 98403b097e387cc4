"""What is done in Discord itself, the whole way: every act one case, with the right moderator and source."""

import json
import time

import pytest

from kovra.actions.request import Action
from kovra.guard.native import NOBODY
from kovra.ids import audit_ref

#: Discord's numbers of the entries that must become cases, and the action of each.
ACTIONS = {20: "kick", 21: "prune", 22: "ban", 23: "unban", 143: "block"}


@pytest.fixture
def by_hand(path):
    """``by_hand("bans", user_id, by="juniperlock", …)``: somebody does it in Discord; the entries it left."""

    def do(what, user_id, by="juniperlock", **more):
        before = {entry["id"] for entry in audit_log(path)}
        facts = {"user_id": str(user_id), "guild_id": str(path.guild_id)} | more
        if by is not None:
            facts["by"] = str(path.discord.people.get(by, by))
        path.discord.ask("POST", what, facts)
        return [entry for entry in audit_log(path) if entry["id"] not in before]

    return do


def audit_log(path):
    return path.discord.ask("GET", f"guilds/{path.guild_id}/audit")


def cases_of(path, target):
    return path.all("SELECT * FROM mod_cases WHERE target_id = :t ORDER BY case_no", t=target)


def native_cases(path, target):
    return [(case["action"], case["moderator_id"], case["reason"]) for case in cases_of(path, target)]


def test_what_a_moderator_does_by_hand_becomes_a_case(path, by_hand):
    target, moderator = path.discord.someone(), path.discord.people["juniperlock"]

    [entry] = by_hand("bans", target, reason="scam links")

    case = path.until(lambda: (found := cases_of(path, target)) and found[0])
    assert (case["action"], case["source"], case["moderator_id"]) == ("ban", "native", moderator)
    assert (case["reason"], case["params"]["audit_id"]) == ("scam links", int(entry["id"]))
    row = path.end_of(case["request_id"])
    assert (row["state"], row["post_status"], row["notice_status"]) == ("done", "sent", "not_needed")
    assert path.events_of(case["request_id"])[0] == "case.created"
    assert len(path.audit("action.captured", request_id=str(case["request_id"]))) == 1
    [post] = path.discord.log_posts(case["request_id"])
    assert "native" in json.dumps(post["embeds"])
    assert path.discord.dms(target) == []


def test_each_kind_of_act_becomes_its_case_once(path, by_hand):
    kicked, banned, muted, blocked, *pruned = (path.discord.someone() for _ in range(7))
    moderator = path.discord.people["juniperlock"]
    bot = int(path.discord.world["notable"]["bot_member"])
    corner = path.discord.world["channels"]["bot-corner"]

    by_hand("kicks", kicked, reason="out")
    by_hand("bans", banned, by=str(bot), reason="raid")
    by_hand("unbans", banned, by="tamsin_reed")
    by_hand("timeouts", muted, seconds=600, reason="calm down")
    by_hand("timeouts", muted, seconds=60, reason="calmer")
    by_hand("timeouts", muted, seconds=0)
    by_hand("roles", muted, role="Minstrel")
    by_hand("prunes", 0, user_ids=[str(user_id) for user_id in pruned], days=30)
    by_hand("automod", blocked, by=None, channel_id=corner, content="free nitro", seconds=300)
    strangers = path.discord.strangers(1)
    by_hand("bans", strangers[0], by=str(bot), named=False)

    path.until(lambda: cases_of(path, strangers[0]))
    assert native_cases(path, kicked) == [("kick", moderator, "out")]
    assert native_cases(path, banned) == [("ban", bot, "raid"), ("unban", path.discord.people["tamsin_reed"], "")]
    assert [case["params"].get("by_bot") for case in cases_of(path, banned)] == [1, None]
    assert native_cases(path, muted) == [
        ("mute", moderator, "calm down"),
        ("mute", moderator, "calmer"),
        ("unmute", moderator, ""),
    ]
    [prune] = path.all("SELECT * FROM mod_cases WHERE action = 'prune'")
    assert (prune["moderator_id"], prune["target_name"], prune["params"]["removed"]) == (moderator, "3 members", 3)
    assert [(case["action"], case["moderator_id"], case["moderator_name"]) for case in cases_of(path, blocked)] == [
        ("block", NOBODY, "Discord’s AutoMod"),
        ("mute", NOBODY, "Discord’s AutoMod"),
    ]
    assert [case["moderator_name"] for case in cases_of(path, strangers[0])] == ["Unknown"]


def test_a_mark_that_somebody_else_wrote_hides_nothing(path, by_hand):
    target = path.discord.someone()
    own = path.a(Action.WARN, target)
    path.run(own)

    by_hand("kicks", target, reason=f"spam {audit_ref(own.request_id)}")

    path.until(lambda: len(cases_of(path, target)) == 2)
    assert [case["source"] for case in cases_of(path, target)] == ["dashboard", "native"]


def test_a_time_out_that_was_changed_by_hand_takes_over_the_end(path, by_hand):
    target = path.discord.someone()
    request = path.a(Action.MUTE, target, params={"duration_s": 40 * 86_400})
    path.run(request)

    by_hand("timeouts", target, seconds=3600, reason="shorter")

    ends = "SELECT state, case_no, ends_at FROM scheduled_ends WHERE target_id = :t ORDER BY case_no"
    first, second = path.until(lambda: (found := path.all(ends, t=target))[1:] and found)
    assert (first["state"], second["state"]) == ("cancelled", "open")
    until = path.discord.member(target)["communication_disabled_until"]
    assert until.startswith(second["ends_at"].strftime("%Y-%m-%dT%H:%M:%S"))


def test_an_unban_that_was_missed_leaves_a_newer_ban_alone(path, by_hand):
    target = path.discord.someone()
    path.run(path.a(Action.BAN, target))
    path.stack.kill("bot")
    by_hand("unbans", target)
    newer = path.a(Action.BAN, target, params={"duration_s": 86_400})
    # What the bot would have written; and two clocks agree to within a second on what came first.
    path.write("DELETE FROM bans WHERE user_id = :t", t=target)
    unbanned_at = time.monotonic()
    path.until(lambda: time.monotonic() > unbanned_at + 1.1)
    path.run(newer)

    path.stack.restart("bot")

    path.until(lambda: len(cases_of(path, target)) == 3)
    late = cases_of(path, target)[2]
    assert (late["action"], late["params"]["late"]) == ("unban", 1)
    [end] = path.all("SELECT state FROM scheduled_ends WHERE target_id = :t", t=target)
    assert end["state"] == "open"


def test_every_act_is_one_case_whoever_was_away(path, by_hand):
    """Judged by Discord's own audit log: Guard is killed and started between native acts and its own."""
    first = max(int(entry["id"]) for entry in audit_log(path))
    plain = [path.discord.someone() for _ in range(8)]
    strangers = path.discord.strangers(12)
    own = [path.a(Action.BAN, target) for target in strangers[:6]]
    # Guard's own acts are held up: Discord answers some of them with a rate limit.
    path.discord.ask(
        "POST",
        "faults",
        {"method": "PUT", "route": "/guilds/{guild_id}/bans/{user_id}", "status": 429, "times": 3}
        | {"headers": {"Retry-After": "1", "X-RateLimit-Reset-After": "1"}},
    )

    path.submit(own[0])
    by_hand("kicks", plain[0])
    path.stack.kill("bot")
    by_hand("bans", plain[1], by="tamsin_reed")
    path.submit(own[1])
    path.submit(own[2])
    for stranger in strangers[6:]:
        by_hand("bans", stranger)
        by_hand("unbans", stranger)
    path.stack.restart("bot")
    by_hand("timeouts", plain[2], seconds=600)
    path.stack.kill("worker")
    by_hand("timeouts", plain[2], seconds=60)
    by_hand("kicks", plain[3], by="tamsin_reed")
    path.submit(own[3])
    path.stack.restart("worker")
    path.submit(own[4])
    path.stack.kill("bot")
    path.submit(own[5])
    path.discord.ask("POST", "gateway", {"do": "invalidate"})
    by_hand("kicks", plain[4])
    path.stack.restart("bot")
    by_hand("kicks", plain[5])
    for request in own:
        assert path.end_of(request.request_id)["state"] == "done"

    acts = [entry for entry in audit_log(path) if int(entry["id"]) > first]
    expected = {judged(path, entry, own) for entry in acts}
    assert len(expected) == len(acts) == 6 + 19

    def written():
        cases = path.all("SELECT * FROM mod_cases WHERE target_id = ANY(:ids)", ids=plain + strangers)
        return cases if len(cases) >= len(acts) else None

    cases = path.until(written)
    assert sorted(map(told, cases), key=str) == sorted(expected, key=str)
    assert path.until(lambda: path.all("SELECT count(*) AS n FROM native_entries") == [{"n": 0}])
    numbers = [
        case["case_no"] for case in path.all("SELECT case_no FROM mod_cases WHERE guild_id = :g", g=path.guild_id)
    ]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def judged(path, entry, own):
    """What the case of this entry must say."""
    mine = next((r for r in own if (entry.get("reason") or "").endswith(audit_ref(r.request_id))), None)
    if mine is not None:
        return "ban", mine.target_id, mine.moderator_id, "dashboard", None
    action = ACTIONS.get(entry["action_type"], "mute")
    return action, int(entry["target_id"]), int(entry["user_id"]), "native", int(entry["id"])


def told(case):
    """The same of a case."""
    by = (case["action"], case["target_id"], case["moderator_id"], case["source"])
    return (*by, case["params"].get("audit_id"))
