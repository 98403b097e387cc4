"""The judge can go red: each promise is broken for real, in the database or in the sandbox, and it says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import create_engine, text

from benchmarks.chaos.judge import Broken, Judge
from kovra.ids import audit_ref, message_nonce, new_request_id
from kovra.launcher.postgres import SUPERUSER, EmbeddedPostgres
from kovra.sandbox import DEFAULT_TOKEN, Hosted, Sandbox, hosted, lanternfall
from kovra.store.database import sqlalchemy_url
from kovra.store.migrate import upgrade

_REQUEST = text(
    "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid, sig,"
    " fingerprint, state, issued_at, created_at, expires_at, effect_at, effect_before, case_no)"
    " VALUES (:id, :g, :action, :target, 7, 'dashboard', '', 'web-1', '', '', :state, now(), now(), now(), now(),"
    " '{\"tries\": 1}', :no)"
)
_CASE = text(
    "INSERT INTO mod_cases (guild_id, case_no, request_id, action, target_id, target_name, moderator_id,"
    " moderator_name, source, reason, params, created_at, digest, seal, state)"
    " VALUES (:g, :no, :id, 'ban', 9, 'raider', 7, 'owner', 'dashboard', '', '{}', now(), '', '', 'done')"
)
_EVENT = text(
    "INSERT INTO guild_events (guild_id, seq, kind, request_id, facts, at)"
    " VALUES (:g, :seq, 'case.created', :id, jsonb_build_object('case_no', cast(:no AS bigint)), now())"
)


class Scene:
    """A guild with three bans behind it, all in order, and an open page that was told of each."""

    def __init__(self, host: Hosted, url: str) -> None:
        self.host, self.engine = host, create_engine(url)
        self.cast = host.sandbox.world.cast
        self.guild_id = self.cast.guild_id
        self.answered: list[str] = []
        self.seen: list[int] = []
        self.ids = [self.ban(number) for number in (1, 2, 3)]

    def judged(self) -> set[Broken]:
        judge = Judge(engine=self.engine, sandbox_url=self.host.base_url, since={self.guild_id: 0})
        return {finding.broken for finding in judge.findings(self.answered, {self.guild_id: self.seen})}

    def ban(self, number: int, *, done: bool = True, job: UUID | None = None) -> UUID:
        """One ban, in order; one of a job carries the mark of the job."""
        request_id = new_request_id()
        target = self.cast.plain[number]
        if done:
            self.put_ban(job or request_id, target)
            self.say(request_id)
        row = {"id": request_id, "g": self.guild_id, "no": number, "seq": number, "target": target}
        with self.engine.begin() as line:
            line.execute(_REQUEST, {**row, "action": "ban", "state": "done"})
            line.execute(_CASE, row)
            line.execute(_EVENT, row)
        if job is not None:
            self.sql("UPDATE action_requests SET batch_id = :job WHERE request_id = :of", job=job, of=request_id)
        self.answered.append(str(request_id))
        self.seen.append(number)
        return request_id

    def job(self) -> UUID:
        """A mass ban of two, in order."""
        batch_id = new_request_id()
        for number in (4, 5):
            self.ban(number, job=batch_id)
        return batch_id

    def sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as line:
            line.execute(text(statement), {"g": self.guild_id, "id": self.ids[1], **values})

    def put_ban(self, request_id: UUID, target: int) -> None:
        self._rest("PUT", f"guilds/{self.guild_id}/bans/{target}", {}, f"owner: spam {audit_ref(request_id)}")

    def say(self, request_id: UUID, kind: str = "l") -> None:
        footer = {"embeds": [{"title": "Case", "footer": {"text": audit_ref(request_id)}}]}
        channel = next(c.id for c in self.host.sandbox.world.channels.values() if c.name == "mod-log")
        self._rest("POST", f"channels/{channel}/messages", {**footer, "nonce": message_nonce(request_id, kind)})

    def lift(self, target: int) -> None:
        """A person lifts the ban by hand."""
        url = f"{self.host.base_url}/control/unbans"
        requests.post(url, json={"user_id": str(target)}, timeout=10).raise_for_status()

    def _rest(self, method: str, path: str, body: dict[str, Any], reason: str | None = None) -> None:
        headers = {"Authorization": f"Bot {DEFAULT_TOKEN}"} | ({"X-Audit-Log-Reason": reason} if reason else {})
        answer = requests.request(
            method, f"{self.host.base_url}/api/v10/{path}", json=body, headers=headers, timeout=10
        )
        answer.raise_for_status()


@pytest.fixture(scope="module")
def migrated(new_database: Callable[..., str]) -> str:
    url = new_database()
    upgrade(url)
    return url


@pytest.fixture
def scene(migrated: str, new_database: Callable[..., str], postgres_server: EmbeddedPostgres) -> Iterator[Scene]:
    """On a database and a sandbox of its own: these tests take constraints away."""
    name = sqlalchemy_url(new_database(template=migrated)).database
    with hosted(lambda: Sandbox(lanternfall(time.time, members=12))) as host:
        made = Scene(host, sqlalchemy_url(postgres_server.url_of(str(name), SUPERUSER)))
        yield made
        made.engine.dispose()


def test_what_is_in_order_has_no_findings(scene):
    assert scene.judged() == set()


def unkept(scene):
    scene.answered.append(str(new_request_id()))


def unended(scene):
    scene.sql("UPDATE action_requests SET state = 'executing' WHERE request_id = :id")


def done_twice(scene):
    scene.lift(scene.cast.plain[2])
    scene.put_ban(scene.ids[1], scene.cast.plain[2])
    scene.sql("UPDATE action_requests SET effect_before = '{\"tries\": 2}' WHERE request_id = :id")


def done_oftener_than_intended(scene):
    scene.put_ban(scene.ids[1], scene.cast.plain[2])  # changes nothing any more, and yet it was not intended


def done_without_an_intent(scene):
    scene.sql("UPDATE action_requests SET effect_at = NULL, effect_before = NULL WHERE request_id = :id")


def two_cases(scene):
    scene.sql("ALTER TABLE mod_cases DROP CONSTRAINT uq_mod_cases_request_id")
    scene.sql("UPDATE mod_cases SET request_id = :id WHERE case_no = 3")


def a_number_left_out(scene):
    scene.sql("UPDATE mod_cases SET case_no = 4 WHERE case_no = 3")


def numbers_against_the_order(scene):
    scene.sql("UPDATE guild_events SET facts = '{\"case_no\": 9}' WHERE seq = 1")


def posted_twice(scene):
    scene.say(scene.ids[1])


def told_twice_under_another_nonce(scene):
    scene.say(scene.ids[1], "x")


def an_event_not_told(scene):
    scene.seen.remove(2)


def an_event_told_twice(scene):
    scene.seen.append(3)


def events_out_of_order(scene):
    scene.seen[:] = [1, 3, 2]


def done_for_nobody(scene):
    scene.put_ban(new_request_id(), scene.cast.plain[5])


def recorded_and_not_done(scene):
    scene.ban(4, done=False)


def half_done_and_recorded_as_whole(scene):
    scene.sql("UPDATE action_requests SET action = 'softban' WHERE request_id = :id")


def a_purge_of(scene, parts):
    """What was done for the first request was a purge in so many parts."""
    kept = f'{{"parts": {list(range(parts))}, "done": {parts - 1}}}'
    purge = "UPDATE action_requests SET action = 'purge', effect_before = cast(:kept AS jsonb) WHERE request_id = :id"
    scene.sql(purge, kept=kept)


def a_part_of_a_purge_not_done(scene):
    a_purge_of(scene, 2)


def a_part_of_a_purge_done_twice(scene):
    done_twice(scene)
    a_purge_of(scene, 1)


def done_and_recorded_as_not(scene):
    scene.sql("UPDATE action_requests SET state = 'failed', case_no = NULL WHERE request_id = :id")


@pytest.mark.parametrize(
    ("violation", "broken"),
    [
        (unkept, Broken.LOST),
        (unended, Broken.LOST),
        (done_twice, Broken.DEED_DOUBLED),
        (done_oftener_than_intended, Broken.UNINTENDED),
        (done_without_an_intent, Broken.UNINTENDED),
        (two_cases, Broken.CASE_DOUBLED),
        (a_number_left_out, Broken.CASE_MISSING),
        (numbers_against_the_order, Broken.CASE_MISSING),
        (posted_twice, Broken.MESSAGE_DOUBLED),
        (told_twice_under_another_nonce, Broken.MESSAGE_DOUBLED),
        (an_event_not_told, Broken.EVENT_MISSING),
        (an_event_told_twice, Broken.EVENT_DOUBLED),
        (events_out_of_order, Broken.EVENT_DOUBLED),
        (done_for_nobody, Broken.UNACCEPTED),
        (recorded_and_not_done, Broken.UNPROVEN),
        (half_done_and_recorded_as_whole, Broken.UNPROVEN),
        (a_part_of_a_purge_not_done, Broken.UNPROVEN),
        (a_part_of_a_purge_done_twice, Broken.DEED_DOUBLED),
        (done_and_recorded_as_not, Broken.UNPROVEN),
    ],
)
def test_each_broken_promise_is_found(scene, violation, broken):
    violation(scene)

    assert scene.judged() == {broken}


def test_a_purge_whose_parts_were_each_done_once_is_in_order(scene):
    done_twice(scene)
    a_purge_of(scene, 2)

    assert scene.judged() == set()


def test_a_job_in_order_has_no_findings(scene):
    scene.job()

    assert scene.judged() == set()


def oftener_than_it_has_requests(scene, job):
    for number in (6, 7):
        scene.put_ban(job, scene.cast.plain[number])
    scene.sql("UPDATE action_requests SET effect_before = '{\"tries\": 2}' WHERE batch_id = :job", job=job)


def called_oftener_than_intended(scene, job):
    scene.put_ban(job, scene.cast.plain[4])


def one_of_it_not_done(scene, job):
    scene.sql("UPDATE action_requests SET batch_id = :job WHERE request_id = :of", job=job, of=scene.ban(6, done=False))


def one_of_it_done_and_recorded_as_not(scene, job):
    scene.sql("UPDATE action_requests SET state = 'failed', case_no = NULL WHERE case_no = 5")


@pytest.mark.parametrize(
    ("violation", "broken"),
    [
        (oftener_than_it_has_requests, {Broken.DEED_DOUBLED, Broken.UNPROVEN}),
        (called_oftener_than_intended, {Broken.UNINTENDED}),
        (one_of_it_not_done, {Broken.UNPROVEN}),
        (one_of_it_done_and_recorded_as_not, {Broken.UNPROVEN}),
    ],
)
def test_each_broken_promise_of_a_job_is_found(scene, violation, broken):
    violation(scene, scene.job())

    assert scene.judged() == broken


def test_an_end_that_admits_not_to_know_is_no_lie(scene):
    scene.sql(
        "UPDATE action_requests SET state = 'failed', failure_kind = 'unconfirmed', case_no = NULL"
        " WHERE request_id = :id"
    )

    assert scene.judged() == set()


def test_what_somebody_did_in_discord_itself_is_no_deed_of_ours(scene):
    captured = scene.ban(4, done=False)
    scene.sql("UPDATE action_requests SET source = 'native' WHERE request_id = :captured", captured=captured)

    assert scene.judged() == set()
