"""Mass actions, from the confirmation to the last post."""

import pytest

from kovra.actions.job import JobState
from kovra.actions.request import Action, State
from kovra.ids import audit_ref
from kovra.queue.outbox import chunk_message
from kovra.store.guilds import Guilds
from kovra.store.job_control import JobControl

BULK_BAN = {"method": "POST", "route": "/guilds/{guild_id}/bulk-ban"}
SINGLE_BAN = {"method": "PUT", "route": "/guilds/{guild_id}/bans/{user_id}"}


#: These tests ban more than a person may in an hour.
pytestmark = pytest.mark.usefixtures("wide_budget")


@pytest.fixture(autouse=True)
def calm(path):
    yield
    path.discord.ask("DELETE", "faults")


def every_case_once(path, job, rows):
    """Each done request has one case and one post, each other none, and the guild's numbers have no gap."""
    done = [row for row in rows if row["state"] == State.DONE]
    cases = path.all("SELECT * FROM mod_cases WHERE batch_id = :id", id=job.batch_id)
    assert sorted(case["request_id"] for case in cases) == sorted(row["request_id"] for row in done)
    assert {case["post_status"] for case in cases} <= {"sent"}
    posts = path.discord.ask("GET", f"channels/{path.discord.world['channels']['mod-log']}/messages?limit=1000")
    footers = [embed["footer"]["text"] for post in posts for embed in post["embeds"]]
    assert [footers.count(audit_ref(case["request_id"])) for case in cases] == [1] * len(cases)
    numbers = [row["case_no"] for row in path.all("SELECT case_no FROM mod_cases ORDER BY case_no")]
    assert numbers == list(range(1, len(numbers) + 1))
    for row in rows:
        events = path.events_of(row["request_id"])
        assert events.count("case.created") == (row["state"] == State.DONE), events
        assert events.count("action.done") == (row["state"] == State.DONE), events


def banned_once(path, job, targets):
    """All are banned, and Discord counts no ban twice."""
    assert set(targets) <= set(path.discord.banned())
    effects = path.all("SELECT request_id FROM action_requests WHERE batch_id = :id", id=job.batch_id)
    refs = [job.batch_id, *(row["request_id"] for row in effects)]
    counted = [deed for ref in refs for deed in path.discord.deeds(ref)["effects"] if deed["verb"] == "ban"]
    assert sum(deed["changed"] for deed in counted) == len(targets)


def test_sixty_bans_are_one_call_and_what_cannot_be_done_is_said(path):
    already, protected = path.discord.strangers(1)[0], path.discord.people["maren.oake"]
    path.run(path.a(Action.BAN, already, by="tamsin_reed"))
    raiders = path.discord.strangers(55) + [path.discord.someone() for _ in range(5)]
    job = path.a_job(Action.BAN, [already, protected, *raiders, raiders[0]])

    receipt = path.submit_job(job)
    rows = path.end_of_job(job)

    ends = {row["target_id"]: row for row in rows if row["refusal_kind"] != "duplicate"}
    assert [one.refusal.kind for one in receipt.rejected if one.target_id != already] == ["owner", "duplicate"]
    assert {ends[target]["state"] for target in raiders} == {State.DONE}
    # At the door when the mirror is sure of it by now, otherwise by Discord's list.
    assert ends[already]["failure_kind"] == "already_banned" or ends[already]["refusal_kind"] == "already"
    assert ends[protected]["state"] == State.REJECTED
    assert [row["target_id"] for row in rows][:6] == [protected, *raiders[55:]], "members come first"
    reasons = {path.discord.banned()[target] for target in raiders}
    assert len(reasons) == 1
    assert reasons.pop().endswith(audit_ref(job.batch_id))
    banned_once(path, job, raiders)
    every_case_once(path, job, rows)
    assert {case["notice_status"] for case in map(path.case_of, (r["request_id"] for r in rows)) if case} == {
        "not_needed"
    }


def test_more_than_a_chunk_are_all_banned(path):
    raiders = path.discord.strangers(210)
    job = path.a_job(Action.BAN, raiders)

    path.submit_job(job)
    rows = path.end_of_job(job)

    assert {row["state"] for row in rows} == {State.DONE}
    assert {row["chunk"] for row in rows} == {0, 1}
    every_case_once(path, job, rows)


@pytest.mark.parametrize("action", [Action.KICK, Action.MUTE, Action.NOTE])
def test_other_actions_are_carried_one_by_one(path, action):
    targets = [path.discord.someone() for _ in range(4)]
    params = {"duration_s": 600} if action is Action.MUTE else {}
    job = path.a_job(action, targets, params=params)

    path.submit_job(job)
    rows = path.end_of_job(job)

    assert {row["state"] for row in rows} == {State.DONE}
    assert {row["notice_status"] for row in rows} == {"not_needed"}
    assert [path.discord.dms(target) for target in targets] == [[]] * 4
    every_case_once(path, job, rows)


def test_who_is_to_be_told_is_told(path):
    targets = [path.discord.someone() for _ in range(3)]
    job = path.a_job(Action.WARN, targets, params={"notice": 1})

    path.submit_job(job)
    rows = path.end_of_job(job)

    assert {row["notice_status"] for row in rows} == {"sent"}


@pytest.mark.parametrize(
    "fault",
    [
        {**BULK_BAN, "when": "after", "status": 502},
        {**BULK_BAN, "when": "before", "status": 502},
        {**BULK_BAN, "when": "after", "drop": True},
        {**BULK_BAN, "when": "before", "status": 400, "code": 500000},
        {**BULK_BAN, "when": "before", "status": 403, "code": 50013},
        {**BULK_BAN, "when": "before", "status": 429, "extra": {"retry_after": 0.3, "global": False}},
        {**BULK_BAN, "when": "before", "status": 400, "code": 30035},
    ],
    ids=["lost_after", "lost_before", "dropped_after", "nobody", "forbidden", "limited", "strangers"],
)
def test_whatever_becomes_of_the_call_each_is_banned_once(path, fault):
    raiders = [path.discord.someone() for _ in range(10)]
    job = path.a_job(Action.BAN, raiders)
    path.discord.ask("POST", "faults", fault)

    path.submit_job(job)
    if fault.get("code") == 30035:
        # Not a minute for a test: as if it were over.
        path.until(lambda: any(row["due_at"] for row in path.rows_of(job)))
        path.write("UPDATE action_requests SET due_at = now() WHERE batch_id = :id", id=job.batch_id)
    rows = path.end_of_job(job)

    assert {row["state"] for row in rows} == {State.DONE}
    banned_once(path, job, raiders)
    every_case_once(path, job, rows)


def test_a_lost_lane_is_filled_again(path):
    path.discord.ask("POST", "latency", {"ms": 20})
    job = path.a_job(Action.KICK, [path.discord.someone() for _ in range(12)])
    path.submit_job(job)
    path.until(lambda: any(row["state"] == State.DONE for row in path.rows_of(job)))

    path.redis.flushall()
    rows = path.end_of_job(job)

    path.discord.ask("POST", "latency", {"ms": 0})
    assert {row["state"] for row in rows} == {State.DONE}
    every_case_once(path, job, rows)


@pytest.mark.parametrize(
    "point", ["after_bulk_intent", "after_bulk_call", "after_bulk_settle", "after_claim", "after_log_post"]
)
def test_a_worker_that_dies_in_a_chunk_bans_nobody_twice(path, point):
    raiders = path.discord.strangers(30)
    job = path.a_job(Action.BAN, raiders)

    with path.dying_worker(point) as worker:
        path.submit_job(job)
        path.until(lambda: worker.pid is None)
    rows = path.end_of_job(job)

    assert {row["state"] for row in rows} == {State.DONE}
    banned_once(path, job, raiders)
    every_case_once(path, job, rows)


def test_a_forged_chunk_executes_nothing(path):
    job = path.a_job(Action.KICK, [path.discord.someone()])
    part = path.chunk_of(job, 0)
    forged = chunk_message(
        guild_id=path.guild_id,
        batch_id=str(job.batch_id),
        number=0,
        body=part.body,
        kid=part.kid,
        sig="0" * 64,
    )

    path.submit_job.outbox.broker.offer(forged)

    path.until(lambda: path.audit("envelope.refused", cause="signature"))
    assert path.rows_of(job) == []


def test_a_signed_chunk_without_a_record_executes_nothing(path):
    job = path.a_job(Action.KICK, [path.discord.someone()])

    path.submit_job.outbox.put_chunk(path.chunk_of(job, 0))

    path.until(lambda: path.audit("envelope.refused", cause="unknown_request"))
    assert path.discord.member(job.targets[0]) is not None


def test_a_single_ban_goes_before_a_mass_action_of_the_same_server(path):
    path.discord.ask("POST", "latency", {"ms": 30})
    job = path.a_job(Action.KICK, [path.discord.someone() for _ in range(15)])
    path.submit_job(job)

    request = path.a(Action.NOTE, path.discord.someone())
    path.run(request)

    left = [row for row in path.rows_of(job) if row["state"] != State.DONE]
    path.discord.ask("POST", "latency", {"ms": 0})
    assert left, "the job was faster than the single action"
    path.end_of_job(job)


@pytest.fixture
def scope(path):
    """The server as its head moderator may see it."""
    return Guilds(path.database).scope(path.discord.people["tamsin_reed"], path.guild_id)


@pytest.fixture
def control(path):
    return JobControl(path.database, path.config.audit_key)


def test_a_paused_job_outlives_the_worker_and_goes_on(path, control, scope):
    path.discord.ask("POST", "latency", {"ms": 40})
    job = path.a_job(Action.KICK, [path.discord.someone() for _ in range(10)])
    path.submit_job(job)
    path.until(lambda: any(row["state"] == State.DONE for row in path.rows_of(job)))

    control.change(scope, job.batch_id, JobState.PAUSED)
    path.until(lambda: not any(row["state"] == State.EXECUTING for row in path.rows_of(job)))
    path.stack.restart("worker")
    path.redis.flushall()
    waiting = [row["request_id"] for row in path.rows_of(job) if row["state"] == State.ACCEPTED]
    path.discord.ask("POST", "latency", {"ms": 0})
    # Whatever the relay would bring, it has had its turn once a single action came through.
    path.run(path.a(Action.NOTE, path.discord.someone()))
    assert waiting, "the job was faster than the pause"
    assert [row["request_id"] for row in path.rows_of(job) if row["state"] == State.ACCEPTED] == waiting

    control.change(scope, job.batch_id, JobState.RUNNING)
    rows = path.end_of_job(job)

    assert {row["state"] for row in rows} == {State.DONE}
    every_case_once(path, job, rows)


def test_a_cancelled_job_does_no_more(path, control, scope):
    path.discord.ask("POST", "latency", {"ms": 40})
    job = path.a_job(Action.KICK, [path.discord.someone() for _ in range(10)])
    path.submit_job(job)
    path.until(lambda: any(row["state"] == State.DONE for row in path.rows_of(job)))

    control.change(scope, job.batch_id, JobState.CANCELLED)
    rows = path.end_of_job(job)

    path.discord.ask("POST", "latency", {"ms": 0})
    assert {row["state"] for row in rows} == {State.DONE, State.CANCELLED}
    cancelled = [row for row in rows if row["state"] == State.CANCELLED]
    assert all(path.discord.member(row["target_id"]) for row in cancelled)
    assert {path.events_of(row["request_id"])[-1] for row in cancelled} == {"action.cancelled"}
    every_case_once(path, job, rows)


def test_a_rest_that_somebody_releases_is_done_in_their_name(path, control, scope):
    job = path.a_job(Action.WARN, [path.discord.someone() for _ in range(3)])
    # Other trips may have warned somebody in this hour: one more is left.
    path.write(
        "UPDATE guild_settings SET budgets = jsonb_build_object('warn', 1 + (SELECT count(*) FROM action_requests"
        " WHERE guild_id = :g AND moderator_id = :m AND action = 'warn' AND accepted_at IS NOT NULL))"
        " WHERE guild_id = :g",
        g=path.guild_id,
        m=job.moderator_id,
    )
    path.submit_job(job)
    path.write("UPDATE guild_settings SET budgets = '{\"ban\": 9000}' WHERE guild_id = :g", g=path.guild_id)
    rest = control.releasable(control.targets(scope, job.batch_id))
    release = path.a_job(
        Action.WARN,
        [one.target_id for one in rest],
        by="maren.oake",
        releases=tuple(one.request_id for one in rest),
    )

    path.submit_job(release)
    rows = path.end_of_job(release)

    assert [(row["state"], row["releases"]) for row in rows] == [(State.DONE, one.request_id) for one in rest]
    assert len(rows) == 2
    assert path.case_of(rows[0]["request_id"])["moderator_id"] == path.discord.people["maren.oake"]


def test_a_request_whose_seal_was_changed_in_the_record_is_not_executed(path):
    job = path.a_job(Action.KICK, [path.discord.someone() for _ in range(2)])
    path.stack.processes["worker"].stop(10)
    path.submit_job(job)
    bad = path.rows_of(job)[0]
    path.write("UPDATE action_requests SET sig = repeat('0', 64) WHERE request_id = :id", id=bad["request_id"])

    path.stack.restart("worker")
    rows = path.end_of_job(job)

    assert [row["state"] for row in rows] == [State.REJECTED, State.DONE]
    assert rows[0]["refusal_kind"] == "key_revoked"
    assert path.audit("action.rejected", request_id=str(bad["request_id"]), refusal="key_revoked")
    assert path.discord.member(bad["target_id"]) is not None


def test_a_post_whose_answer_hangs_longer_than_its_claim_is_in_the_channel_once(path):
    raiders = path.discord.strangers(12)
    hangs = {"method": "POST", "route": "/channels/{channel_id}/messages", "when": "after", "delay_ms": 20_000}
    path.discord.ask("POST", "faults", {**hangs, "drop": True, "times": 1})
    job = path.a_job(Action.BAN, raiders)

    path.submit_job(job)
    rows = path.end_of_job(job)

    banned_once(path, job, raiders)
    every_case_once(path, job, rows)
