"""The Cancel button of a queued request."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from tests.dashboard.visitor import words_of


def asked_id(answer):
    return UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True)).group(1))


def state_of(owner, guild_id, request_id):
    with owner.transaction(guild_id) as session:
        found = text("SELECT state FROM action_requests WHERE request_id = :id")
        return session.scalars(found, {"id": request_id}).one()


@pytest.fixture
def queued(site, cast):
    """A warning the moderator has asked for and nobody has begun; and where it is cancelled."""
    asked = site.signed_in(cast.moderator).ask(Action.WARN)
    return asked, asked_id(asked), f"/g/{cast.harbour}/requests/{asked_id(asked)}"


def test_the_toast_of_a_queued_request_can_be_taken_back(site, cast, owner, queued):
    asked, request_id, path = queued

    answer = site.signed_in(cast.moderator).post(f"{path}/cancel")

    assert f'hx-post="{path}/cancel"' in asked.get_data(as_text=True)
    assert answer.status_code == 200
    assert "Warn cancelled · Quillon" in words_of(answer)
    assert "Cancelled by pell. Nothing was done." in words_of(answer)
    assert "data-open " not in answer.get_data(as_text=True)
    assert state_of(owner, cast.harbour, request_id) == "cancelled"


def test_only_whoever_may_cancel_sees_the_button(site, cast, queued):
    _, _, path = queued

    seen = {
        name: f"{path}/cancel" in site.signed_in(getattr(cast, name)).fragment(path).get_data(as_text=True)
        for name in ("moderator", "trial", "auditor", "admin", "owner")
    }

    assert seen == {"moderator": True, "trial": False, "auditor": False, "admin": True, "owner": True}


@pytest.mark.parametrize("name", ["trial", "auditor"])
def test_whoever_may_not_is_told_why_and_nothing_changes(site, cast, owner, queued, name):
    _, request_id, path = queued

    answer = site.signed_in(getattr(cast, name)).post(f"{path}/cancel")

    assert answer.status_code == 409
    assert "only pell, who asked for it" in words_of(answer)
    assert state_of(owner, cast.harbour, request_id) == "accepted"


def test_too_late_is_said_and_the_case_stays(site, cast, owner, queued):
    _, request_id, path = queued
    site.carry_out(request_id)

    who = site.signed_in(cast.moderator)
    answer, toast = who.post(f"{path}/cancel"), who.fragment(path)

    assert answer.status_code == 409
    assert "already ended" in words_of(answer)
    assert f"{path}/cancel" not in toast.get_data(as_text=True)
    assert state_of(owner, cast.harbour, request_id) == "done"


def test_a_cancel_without_the_sessions_token_is_refused(site, cast, owner, queued):
    _, request_id, path = queued

    answer = site.signed_in(cast.moderator).post(f"{path}/cancel", {"csrf": "0" * 64})

    assert answer.status_code == 403
    assert state_of(owner, cast.harbour, request_id) == "accepted"


def test_the_request_of_another_guild_or_of_nobody_is_not_found(site, cast, owner):
    theirs = asked_id(site.signed_in(cast.neighbour).ask(Action.WARN, guild=cast.meadow))
    who = site.signed_in(cast.owner)

    answers = [who.post(f"/g/{cast.harbour}/requests/{one}/cancel").status_code for one in (theirs, uuid4())]

    assert answers == [404, 404]
    assert state_of(owner, cast.meadow, theirs) == "accepted"
