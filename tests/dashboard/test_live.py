"""The stream of events, over the real hub, bulletin and database."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from kovra.actions.request import Action
from kovra.ids import RoleId
from kovra.live.bulletin import CHANNEL, Bulletin, connect
from kovra.live.events import HintKind
from kovra.store.events import EventKind
from kovra.store.mirror import RoleRow
from tests.dashboard.people import member

ROOT = Path(__file__).parents[2]

PATIENCE_S = 20


def toast_id(answer):
    return UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True)).group(1))


class Stream:
    """An open stream, read on a thread of its own as a browser does."""

    def __init__(self, who, guild_id, since=None, last=None):
        headers = {"Sec-Fetch-Site": "same-origin"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        path = f"/g/{guild_id}/live" + (f"?since={since}" if since is not None else "")
        self.answer = who.get(path, headers=headers, buffered=False)
        self.text, self.ended = "", threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        if self.answer.status_code == 200:
            self._thread.start()

    def _read(self):
        try:
            for chunk in self.answer.iter_encoded():
                self.text += chunk.decode()
        finally:
            self.ended.set()

    @property
    def events(self):
        """What a browser would dispatch: number, kind, data."""
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            if "event" in fields and fields["event"] != "beat":
                found.append((int(fields.get("id", 0)), fields["event"], json.loads(fields["data"])))
        return found

    def until(self, wanted):
        deadline = time.monotonic() + PATIENCE_S
        while not wanted(self):
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)  # between two looks
        return self


@pytest.fixture
def bell(valkey_url, site):
    """The bulletin as the bot has it, once the site's hub listens."""
    with connect(valkey_url) as client:
        deadline = time.monotonic() + PATIENCE_S
        while not dict(client.pubsub_numsub(CHANNEL)).get(CHANNEL.encode()):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # between two looks
        yield Bulletin(client)


@pytest.fixture
def listen(site):
    opened = []

    def make(who, guild_id, **how):
        opened.append(Stream(who, guild_id, **how))
        return opened[-1]

    yield make
    site.app.extensions["kovra_streams"].close()
    for stream in opened:
        stream.ended.wait(PATIENCE_S) if stream.answer.status_code == 200 else None


def test_an_action_is_told_in_order_with_ids_and_states_only(site, cast, listen):
    who = site.signed_in(cast.moderator)
    stream = listen(site.signed_in(cast.admin), cast.harbour, since=0)

    asked = who.ask(Action.WARN, reason="a secret reason")
    site.carry_out(toast_id(asked))

    stream.until(lambda s: [kind for _, kind, _ in s.events][-1:] == ["action.done"])
    assert [kind for _, kind, _ in stream.events] == ["action.queued", "action.running", "case.created", "action.done"]
    assert [number for number, _, _ in stream.events] == [1, 2, 3, 4]
    assert {data["request_id"] for _, _, data in stream.events} == {str(toast_id(asked))}
    for secret in ("secret", "Quillon", "quillon", "pell"):
        assert secret not in stream.text


def test_a_reader_that_was_away_gets_what_it_missed_once(site, cast, listen):
    who, reader = site.signed_in(cast.moderator), site.signed_in(cast.admin)
    site.carry_out(toast_id(who.ask()))
    site.carry_out(toast_id(who.ask()))

    stream = listen(reader, cast.harbour, since=0, last=6)

    stream.until(lambda s: len(s.events) == 2)
    assert [number for number, _, _ in stream.events] == [7, 8]


def test_a_number_from_the_future_means_reload_everything(site, cast, listen):
    stream = listen(site.signed_in(cast.admin), cast.harbour, since=999)

    stream.until(lambda s: s.events)
    assert [kind for _, kind, _ in stream.events] == ["resync"]


@pytest.mark.parametrize("last", ["abc", "-1", "1.5", "٣", "9" * 40, "1; DROP"])
def test_a_nonsense_number_means_reload_everything(site, cast, listen, last):
    stream = listen(site.signed_in(cast.admin), cast.harbour, last=last.encode("utf-8").decode("latin-1"))

    stream.until(lambda s: s.events)
    assert [kind for _, kind, _ in stream.events] == ["resync"]


def test_pages_listen_for_every_kind_there_is():
    script = (ROOT / "kovra/dashboard/static/live.js").read_text()
    numbered, hints = (
        set(re.findall(r'"([a-z.]+)"', script.split(f"const {name} = [")[1].split("]")[0]))
        for name in ("NUMBERED", "HINTS")
    )

    assert numbered == set(EventKind)
    assert hints == set(HintKind) - {HintKind.SESSION_ENDED}


def test_the_stream_is_never_stored_nor_held_back(site, cast, listen):
    headers = listen(site.signed_in(cast.admin), cast.harbour).answer.headers

    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"


def test_it_beats_while_nothing_happens(site, cast, listen):
    stream = listen(site.signed_in(cast.admin), cast.harbour)

    stream.until(lambda s: s.text.count("event: beat\ndata: {}\n\n") >= 3)


def test_browsers_are_told_to_come_back_at_different_moments_and_soon(site, cast, listen):
    who = site.signed_in(cast.admin)

    streams = [listen(who, cast.harbour).until(lambda s: s.text) for _ in range(6)]

    waits = [int(re.match(r"retry: (\d+)\n\n", stream.text).group(1)) for stream in streams]
    assert len(set(waits)) > 1
    assert all(1000 <= wait_ms <= 2500 for wait_ms in waits)


@pytest.mark.parametrize("how", ["role", "session", "guild"])
def test_a_stream_ends_when_its_viewers_access_does(site, cast, listen, how):
    who = site.signed_in(cast.moderator)
    stream = listen(who, cast.harbour)
    stream.until(lambda s: s.text)

    if how == "role":
        site.mirror.member_gone(cast.harbour, cast.moderator)
    elif how == "session":
        site.sessions.close(who.cookie)
    else:
        site.mirror.guild_gone(cast.harbour)

    assert stream.ended.wait(PATIENCE_S)
    assert [kind for _, kind, _ in stream.events] == ["revoked"]


@pytest.fixture
def slow_looks(pace):
    """Nothing is looked at unless somebody says that it may have changed."""
    pace["reauthorise_s"] = 3600


@pytest.mark.parametrize("how", ["role", "left", "session", "guild"])
def test_a_stream_ends_at_once_when_told_that_access_did(slow_looks, site, cast, listen, bell, how):
    who = site.signed_in(cast.moderator)
    stream, other = listen(who, cast.harbour), listen(site.signed_in(cast.owner), cast.harbour)
    stream.until(lambda s: s.text)

    if how == "role":
        site.mirror.role_gone(cast.harbour, cast.moderator_role)
        bell.hint(cast.harbour, "role.updated", {})
    elif how == "left":
        site.mirror.member_gone(cast.harbour, cast.moderator)
        bell.hint(cast.harbour, "member.left", {"user_id": str(cast.moderator)})
    elif how == "session":
        who.post("/logout")
    else:
        site.mirror.guild_gone(cast.harbour)
        bell.hint(cast.harbour, "guild.left", {})

    assert stream.ended.wait(PATIENCE_S)
    assert [kind for _, kind, _ in stream.events][-1:] == ["revoked"]
    if how == "guild":
        assert other.ended.wait(PATIENCE_S)
    else:
        assert not other.ended.is_set()


def test_what_happens_to_others_is_no_reason_to_end(slow_looks, site, cast, listen, bell):
    stream = listen(site.signed_in(cast.moderator), cast.harbour)
    leaver = listen(site.signed_in(cast.trial), cast.harbour)
    leaver.until(lambda s: s.text)
    site.mirror.member_gone(cast.meadow, cast.neighbour)
    site.mirror.member_gone(cast.harbour, cast.trial)

    bell.hint(cast.meadow, "guild.left", {})
    bell.hint(cast.harbour, "member.left", {"user_id": str(cast.trial)})

    assert leaver.ended.wait(PATIENCE_S)
    assert not stream.ended.is_set()


def test_a_stream_begins_anew_when_its_viewer_may_read_more(site, cast, listen):
    stream = listen(site.signed_in(cast.moderator), cast.harbour)
    stream.until(lambda s: s.text)
    (opened, viewer), *_ = site.app.extensions["kovra_streams"].viewers().items()

    site.app.extensions["kovra"].watch.add(opened, replace(viewer, reads_notes=False))

    assert stream.ended.wait(PATIENCE_S)
    assert opened.why == "over"
    assert stream.events == []


def test_after_sign_out_a_reconnect_is_told_to_stop(site, cast):
    who = site.signed_in(cast.moderator)
    who.post("/logout")

    answer = who.get(f"/g/{cast.harbour}/live", headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 204


def test_another_site_may_not_listen(site, cast):
    who = site.signed_in(cast.moderator)

    answers = [
        who.get(f"/g/{cast.harbour}/live", headers=headers).status_code
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {})
    ]

    assert answers == [403, 403, 403]


def test_a_session_has_six_streams_and_gets_a_place_back(site, cast, listen):
    who, other = site.signed_in(cast.moderator), site.signed_in(cast.admin)
    streams = [listen(who, cast.harbour) for _ in range(6)]

    seventh = listen(who, cast.harbour)
    elsewhere = listen(other, cast.harbour)
    site.sessions.close(who.cookie)
    assert all(stream.ended.wait(PATIENCE_S) for stream in streams)

    assert (seventh.answer.status_code, elsewhere.answer.status_code) == (429, 200)
    deadline = time.monotonic() + PATIENCE_S
    while len(site.app.extensions["kovra_streams"]) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks


def test_a_person_has_twenty_streams_over_all_sessions(site, cast, listen):
    sessions = [site.signed_in(cast.moderator) for _ in range(4)]
    opened = [listen(who, cast.harbour) for who in sessions[:3] for _ in range(6)]
    opened += [listen(sessions[3], cast.harbour) for _ in range(2)]

    one_more = listen(sessions[3], cast.harbour)
    elsewhere = listen(site.signed_in(cast.admin), cast.harbour)

    assert {stream.answer.status_code for stream in opened} == {200}
    assert (one_more.answer.status_code, elsewhere.answer.status_code) == (429, 200)


def test_closing_ends_every_stream_at_once_and_takes_no_new_one(site, cast, listen):
    who = site.signed_in(cast.moderator)
    streams = [listen(who, cast.harbour) for _ in range(3)]
    for stream in streams:
        stream.until(lambda s: s.text)

    site.app.extensions["kovra_streams"].close()

    assert all(stream.ended.wait(PATIENCE_S) for stream in streams)
    assert listen(who, cast.harbour).answer.status_code == 429


def test_what_happens_next_door_is_not_heard(site, cast, listen):
    stream = listen(site.signed_in(cast.admin), cast.harbour, since=0)
    site.signed_in(cast.neighbour).ask(guild=cast.meadow)

    site.signed_in(cast.moderator).ask()

    stream.until(lambda s: s.events)
    assert [number for number, _, _ in stream.events] == [1]
    assert len(stream.events) == 1


def test_notes_are_heard_only_by_those_who_may_read_them(site, cast):
    from kovra.actions.capabilities import Capability
    from kovra.dashboard.live import visible_to

    class Viewer:
        def __init__(self, *held):
            self.held = held

        def may(self, capability):
            return capability in self.held

    class Note:
        facts = {"action": "note"}

    class Ban:
        facts = {"action": "ban"}

    reader, onlooker = visible_to(Viewer(Capability.VIEW_NOTES)), visible_to(Viewer(Capability.VIEW))

    assert (reader(Note), reader(Ban), onlooker(Note), onlooker(Ban)) == (True, True, False, True)


def test_a_stream_ends_at_once_when_what_its_role_is_given_is_taken_away(slow_looks, site, cast, listen):
    role_id, admin = RoleId(77), site.signed_in(cast.admin)
    site.mirror.role(cast.harbour, RoleRow(role_id=role_id, name="Helper", position=1, permissions=0))
    site.mirror.member(cast.harbour, replace(member(cast.nobody, "plain"), role_ids=[role_id]))
    admin.post(f"/g/{cast.harbour}/settings/access", {"role": str(role_id), "warn": "yes"})
    stream, other = listen(site.signed_in(cast.nobody), cast.harbour), listen(admin, cast.harbour)
    stream.until(lambda s: s.text)

    admin.post(f"/g/{cast.harbour}/settings/access", {"role": str(role_id)})

    assert stream.ended.wait(PATIENCE_S)
    assert [kind for _, kind, _ in stream.events][-1:] == ["revoked"]
    assert not other.ended.is_set()
