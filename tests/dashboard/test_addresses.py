"""Addresses of rows: built once for a page, and nothing but a number put into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import url_for

from kovra.dashboard.addresses import url_each, url_once
from kovra.ids import UserId
from kovra.store.mirror import MemberRow


def crowd(count, first):
    now = datetime.now(UTC)
    return [
        MemberRow(
            user_id=UserId(first + at), username=f"m{at}", global_name=None, nick=None, avatar=None, bot=False,
            role_ids=(), joined_at=now - timedelta(seconds=at), timed_out_until=None,
        )
        for at in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "name", "given"),
    [
        ("members.row", "user_id", {}),
        ("profile.page", "user_id", {}),
        ("cases.index", "case", {}),
        ("act.form", "target", {"action": "role_add", "on": None}),
        ("act.form", "target", {"action": "ban", "on": "a&b=<é>"}),
    ],
)
def test_each_is_what_url_for_gives(site, cast, endpoint, name, given):
    with site.app.test_request_context("/"):
        for number in (1, cast.quillon, (1 << 63) - 1):
            expected = url_for(endpoint, **{name: number}, guild_id=cast.harbour, **given)
            assert url_each(endpoint, name, number, guild_id=cast.harbour, **given) == expected


@pytest.mark.parametrize("given", [{}, {"case": 7}, {"q": "a&b=<é>"}, {"action": ["ban", "kick"]}, {"_external": True}])
def test_an_address_that_is_kept_is_what_url_for_gives_at_each_host(site, cast, given):
    for host in ("http://one.example/", "http://two.example/below", "http://one.example/"):
        with site.app.test_request_context("/", base_url=host):
            expected = url_for("cases.index", guild_id=cast.harbour, **given)
            assert url_once("cases.index", guild_id=cast.harbour, **given) == expected


def test_nothing_but_a_number_is_put_in(site, cast):
    with site.app.test_request_context("/"), pytest.raises(ValueError, match="invalid literal"):
        url_each("profile.page", "user_id", "1/../settings", guild_id=cast.harbour)


def test_fifty_members_ask_for_no_more_addresses_than_ten(site, cast, mirror, monkeypatch):
    who, built, build = site.signed_in(cast.admin), [], site.app.url_for
    monkeypatch.setattr(site.app, "url_for", lambda *what, **given: built.append(what) or build(*what, **given))

    costs = []
    for count in (10, 50):
        mirror.members(cast.harbour, crowd(count, cast.stranger), complete=False)
        built.clear()
        page = who.fragment(f"/g/{cast.harbour}/members/list?q=m").get_data(as_text=True)
        assert page.count('id="member-') == count
        costs.append(len(built))

    assert costs[1] <= costs[0] < 20
