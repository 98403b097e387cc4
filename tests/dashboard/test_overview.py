"""The front page of a server."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import new_request_id
from kovra.store import guilds
from tests.dashboard.visitor import words_of


def request_of(answer) -> UUID:
    return UUID(answer.get_data(as_text=True).split('id="toast-')[1][:36])


def past_case(owner, cast, number, ago, action=Action.WARN):
    """A case of the past, as an import leaves one."""
    row = {"g": cast.harbour, "n": number, "id": new_request_id(), "a": action.value, "t": cast.quillon}
    row |= {"m": cast.moderator, "at": datetime.now(UTC) - ago, "seal": bytes(32)}
    with owner.transaction(cast.harbour) as session:
        session.execute(
            text(
                "INSERT INTO mod_cases (guild_id, case_no, request_id, action, target_id, target_name, moderator_id, "
                "moderator_name, source, reason, params, created_at, digest, seal, state) VALUES (:g, :n, :id, :a, :t, "
                "'Quillon', :m, 'pell', 'import', '', '{}', :at, :seal, :seal, 'done')"
            ),
            row,
        )


def chart_of(page: str) -> str:
    return re.search(r'aria-label="Cases by action\. ([^"]*)"', page).group(1)


def test_the_front_page_of_a_server_is_its_overview(site, cast):
    answer = site.signed_in(cast.moderator).get(f"/g/{cast.harbour}/")

    assert answer.headers["Location"].endswith(f"/g/{cast.harbour}/overview")


def test_chart_and_table_show_the_same_numbers(site, cast, owner):
    for number, days in enumerate((1, 1, 3, 40), 1):
        past_case(owner, cast, number, timedelta(days=days))

    page = site.signed_in(cast.moderator).get(f"/g/{cast.harbour}/overview").get_data(as_text=True)

    assert chart_of(page).startswith("3 cases. Busiest day: ")
    assert "1 in the 30 days before" in page
    table = page.split("Cases by action, as a table")[1].split("</table>")[0]
    assert [int(number) for number in re.findall(r"<td class=\"r\">(\d+)</td></tr>", table) if number != "0"] == [2, 1]


def test_a_span_of_hours_counts_by_the_hour(site, cast, owner):
    past_case(owner, cast, 1, timedelta(minutes=30))
    past_case(owner, cast, 2, timedelta(days=2))

    page = site.signed_in(cast.moderator).get(f"/g/{cast.harbour}/overview?span=24h").get_data(as_text=True)

    assert chart_of(page).startswith("1 case. Busiest hour: ")


def test_notes_are_counted_for_those_who_may_read_them_alone(site, cast, owner):
    past_case(owner, cast, 1, timedelta(hours=1), Action.NOTE)
    known = site.app.extensions["kovra"]
    reader = known.guilds.scope(cast.moderator, cast.harbour)
    held = {name: limit for name, limit in reader.capabilities.items() if name is not Capability.VIEW_NOTES}
    other = replace(reader, capabilities=held, made=guilds._BUILT_HERE)

    seen = [
        known.overview.activity(
            scope, start=datetime.now(UTC) - timedelta(days=1), length=timedelta(days=2), by_hour=True
        ).total
        for scope in (reader, other)
    ]

    assert seen == [1, 0]
    assert [known.overview.pulse(scope).today <= number for scope, number in ((reader, 1), (other, 0))] == [True, True]


def test_latency_is_that_of_single_actions_and_says_how_many_were_measured(site, cast):
    who = site.signed_in(cast.moderator)
    before = who.fragment(f"/g/{cast.harbour}/overview/now").get_data(as_text=True)
    site.carry_out(request_of(who.ask()))

    after = who.fragment(f"/g/{cast.harbour}/overview/now").get_data(as_text=True)

    assert "no action in 24 h" in before
    assert "promise 1 s" in after
    assert "1 action in 24 h" in after


def test_what_waits_for_somebody_is_named(site, cast, owner, worker):
    worker()
    who = site.signed_in(cast.moderator)
    quiet = who.fragment(f"/g/{cast.harbour}/overview/now").get_data(as_text=True)
    dead, late = request_of(who.ask(Action.KICK)), request_of(who.ask(Action.BAN, ban_duration_s="3600"))
    site.carry_out(late)
    with owner.transaction(cast.harbour) as session:
        session.execute(
            text(
                "UPDATE action_requests SET state = 'dead', done_at = clock_timestamp(), failure_sentence = :why "
                "WHERE request_id = :id"
            ),
            {"id": dead, "why": "Discord did not answer ten times."},
        )
        session.execute(
            text(
                "UPDATE scheduled_ends SET began_at = t, ends_at = t, due_at = t, next_at = t "
                "FROM (SELECT clock_timestamp() - interval '5 minutes' AS t) AS past WHERE request_id = :id"
            ),
            {"id": late},
        )
        session.execute(text("UPDATE gateway_shards SET heard_at = heard_at - interval '2 minutes'"))
        session.execute(
            text("INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, :b, now())"),
            {"g": cast.harbour, "b": '{"ban": 1}'},
        )

    page = who.fragment(f"/g/{cast.harbour}/overview/now").get_data(as_text=True)

    assert "Nothing waits for you" in quiet
    for sentence in (
        "Guard is away",
        "1 action failed",
        "Discord did not answer ten times.",
        "1 punishment overdue",
        "The first is case #1.",
        "pell used all 1 bans of the hour",
    ):
        assert sentence in page, sentence


def test_a_permission_guard_lacks_is_named(site, cast, owner):
    with owner.transaction(cast.harbour) as session:
        session.execute(
            text("UPDATE roles SET permissions = 2 WHERE guild_id = :g AND name = 'Guard'"), {"g": cast.harbour}
        )

    page = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/overview/now").get_data(as_text=True)

    assert "Missing in Discord: Ban Members, Manage Channels, Manage Messages" in page


def test_a_paused_lane_is_said_with_who_paused_it(site, cast, worker):
    worker()
    admin = site.signed_in(cast.admin, "Odalys")
    now = f"/g/{cast.harbour}/overview/now"

    admin.post(f"/g/{cast.harbour}/queue/pause")
    paused = words_of(admin.fragment(now))
    admin.post(f"/g/{cast.harbour}/queue/resume")

    assert re.search(r"The Action Queue is paused By Odalys, .* waits until its time runs out", paused)
    assert "paused" not in words_of(admin.fragment(now))
