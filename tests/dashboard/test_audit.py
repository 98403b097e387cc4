"""The audit log as its readers see it."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.request import Action


def numbers(answer) -> list[int]:
    return [int(number) for number in re.findall(r'id="entry-(\d+)"', answer.get_data(as_text=True))]


@pytest.fixture
def log(site, cast):
    """Four entries: two warnings by two people, a refusal, and a change of settings; the last request's id."""
    site.signed_in(cast.admin).ask(reason="first")
    asked = site.signed_in(cast.moderator).ask(reason="second")
    site.signed_in(cast.trial).ask(Action.BAN)
    facts = {"before": {"ban": 170}, "after": {"ban": 20}}
    site.app.extensions["kovra"].audit_log.append(
        AuditEntry(guild_id=cast.harbour, kind=AuditKind.SETTINGS_CHANGED, actor_id=cast.admin, facts=facts)
    )
    return UUID(asked.get_data(as_text=True).split('id="toast-')[1][:36])


@pytest.fixture
def read(site, cast):
    def page(query="", who=cast.admin):
        return site.signed_in(who).get(f"/g/{cast.harbour}/audit?{query}")

    return page


def test_it_says_who_did_what_to_whom_and_why_newest_first(log, read):
    page = read().get_data(as_text=True)

    assert numbers(read()) == [4, 3, 2, 1]
    assert "ban: 170 → 20" in page
    assert re.search(r"Rejected.*Ban Quillon, You may not ban here", page, re.DOTALL)
    assert "Quillon, “second”" in page
    assert "<h1>Audit log</h1>" in page
    assert "Today, " in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=refused", [3]),
        ("kind=settings", [4]),
        ("q=odalys", [4, 1]),
        ("q=pell", [2]),
        ("q=300000000000000005", [3]),
        ("kind=actions&q=odalys", [1]),
        ("from=2020-01-01&to=2020-12-31", []),
        ("from=2020-01-01", [4, 3, 2, 1]),
        ("kind=nonsense", [4, 3, 2, 1]),
        ("from=nonsense", [4, 3, 2, 1]),
        ("q=zzzzqqqq", []),
    ],
)
def test_every_filter_stands_in_the_address(log, read, query, found):
    assert numbers(read(query)) == found


def test_all_about_one_request_is_found_by_its_id(log, read):
    assert numbers(read(f"q={log}")) == [2]


def test_pages_stay_where_they_are_while_entries_are_added(log, read, monkeypatch, site, cast):
    monkeypatch.setattr("kovra.dashboard.pages.audit.PER_PAGE", 2)
    older = re.search(r'rel="next" href="([^"]+)"', read().get_data(as_text=True))[1].replace("&amp;", "&")
    site.signed_in(cast.admin).ask(reason="meanwhile")

    page = site.signed_in(cast.admin).get(older)
    newer = re.search(r'rel="prev" href="([^"]+)"', page.get_data(as_text=True))[1]

    assert numbers(page) == [2, 1]
    assert numbers(site.signed_in(cast.admin).get(newer)) == [4, 3]


def test_verify_finds_all_as_it_was_written(log, site, cast):
    page = site.signed_in(cast.admin).post(f"/g/{cast.harbour}/audit/verify").get_data(as_text=True)

    assert "Nothing was changed." in page


def test_verify_names_the_first_entry_that_was_changed(log, site, cast, owner):
    with owner.transaction(cast.harbour) as session:
        session.execute(text("ALTER TABLE audit_log DISABLE TRIGGER USER"))
        session.execute(text("UPDATE audit_log SET actor_id = 1 WHERE number IN (2, 3)"))
        session.execute(text("ALTER TABLE audit_log ENABLE TRIGGER USER"))

    page = site.signed_in(cast.admin).post(f"/g/{cast.harbour}/audit/verify").get_data(as_text=True)

    assert "Entry 2 is not as it was written" in page


def test_an_entry_made_by_an_attacker_is_only_text(site, cast, read):
    facts = {"cause": "<b>bold</b>\u202e", "target_id": "not a number", "source": "nowhere", "request_id": 7}
    site.app.extensions["kovra"].audit_log.append(
        AuditEntry(guild_id=cast.harbour, kind=AuditKind.ENVELOPE_REFUSED, actor_id=None, facts=facts)
    )

    page = read().get_data(as_text=True)

    assert "&lt;b&gt;bold&lt;/b&gt;[U+202E]" in page
    assert "Forged or altered" in page


@pytest.mark.parametrize("kind", list(AuditKind))
def test_every_kind_of_entry_has_words(kind):
    from kovra.dashboard.audit_words import _WORDS

    assert kind is AuditKind.ACTION_ACCEPTED or kind in _WORDS


def test_it_takes_the_capability(read, cast):
    assert read(who=cast.auditor).status_code == 200
    assert read(who=cast.moderator).status_code == 403
