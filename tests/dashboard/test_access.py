"""Who may open what. The matrix is made from the routes themselves: a new route is in it, or the first test fails."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from werkzeug.routing import AnyConverter

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import OPEN, REPORTS, policy_of
from kovra.ids import new_request_id

PRINCIPALS = (
    "anonymous",
    "nobody",
    "auditor",
    "trial",
    "moderator",
    "admin",
    "owner",
    "neighbour",
    "expired",
    "closed",
)
MEMBERS_OF_STAFF = frozenset({"auditor", "trial", "moderator", "admin", "owner"})
#: What neither trial nor moderator nor auditor of this cast may do.
ADMINS_ONLY = frozenset(
    {
        *(Capability.MASS, Capability.APPROVE, Capability.REVERSE),
        *(Capability.EXPORT, Capability.QUEUE_OPS, Capability.SETTINGS),
    }
)
SIGNED_OUT = frozenset({"anonymous", "expired", "closed"})

#: What an address is filled with, so that it leads to something the harbour has.
THINGS = {
    "case_no": 1,
    "place": 0,
    "act": "comment",
    "asked": "0",
    "name": "kovra.js",
    "user_id": 300_000_000_000_000_006,
    "view_id": UUID(int=7),
    "kind": "common",
}


def lacks(name, capability):
    """Whether this member of staff has some capability, but not this one."""
    if capability is Capability.VIEW_AUDIT:
        return name not in ("admin", "owner", "auditor")
    if capability is Capability.NOTE:
        return name == "auditor"
    return capability in ADMINS_ONLY and name not in ("admin", "owner")


def principal(site, cast, owner, name):
    if name == "anonymous":
        return site.visitor()
    user_id = getattr(cast, name, cast.admin)
    who = site.signed_in(user_id, name)
    if name == "closed":
        site.sessions.close(who.cookie)
    if name == "expired":
        with owner.transaction(None) as session:
            session.execute(text("UPDATE sessions SET seen_at = seen_at - interval '61 minutes'"))
    return who


def address(rule, guild_id, request_id, batch_id=None):
    values = {name: THINGS.get(name) for name in rule.arguments}
    if "guild_id" in rule.arguments:
        values["guild_id"] = guild_id
    if "request_id" in rule.arguments:
        values["request_id"] = request_id
    if "many_id" in rule.arguments:
        values["many_id"] = request_id
    if "reversal_id" in rule.arguments:
        values["reversal_id"] = request_id
    if "batch_id" in rule.arguments:
        values["batch_id"] = batch_id or request_id
    values |= {
        name: sorted(converter.items)[-1]
        for name, converter in rule._converters.items()
        if isinstance(converter, AnyConverter)
    }
    built = rule.build(values)
    assert built is not None, rule
    return built[1]


def ask(who, rule, path):
    if "POST" in rule.methods:
        return who.post(path, {"request_id": str(new_request_id()), "action": "warn", "target_id": "nonsense"})
    # A stream never ends by itself; its head says whether it was opened.
    answer = who.get(path, headers={"Sec-Fetch-Site": "same-origin", "HX-Request": "true"}, buffered=False)
    answer.close()
    return answer


def test_every_route_has_a_policy_and_only_these_are_open(site):
    policies = {rule.endpoint: policy_of(site.app, rule.endpoint) for rule in site.app.url_map.iter_rules()}

    assert [endpoint for endpoint, policy in policies.items() if policy is None] == []
    assert {endpoint for endpoint, policy in policies.items() if not policy.session} == {
        "assets.file",
        "csp_report",
        "healthz",
        "login.begin",
        "login.callback",
        "login.page",
    }
    assert policies["csp_report"] is REPORTS
    assert policies["healthz"] is OPEN


def test_a_route_of_a_guild_names_a_capability(site):
    for rule in site.app.url_map.iter_rules():
        in_guild = "guild_id" in rule.arguments

        assert in_guild == (policy_of(site.app, rule.endpoint).capability is not None), rule


@pytest.mark.parametrize("name", PRINCIPALS)
def test_the_access_matrix(site, cast, owner, name):
    asked = site.signed_in(cast.moderator).ask()
    assert asked.status_code == 202
    request_id = UUID(asked.get_data(as_text=True).split('id="toast-')[1][:36])
    site.carry_out(request_id)
    batch_id = UUID(site.signed_in(cast.admin).mass([cast.stranger]).headers["Location"][-36:])
    who = principal(site, cast, owner, name)
    seen = {}

    for rule in site.app.url_map.iter_rules():
        policy = policy_of(site.app, rule.endpoint)
        if policy.session and rule.endpoint != "login.sign_out":
            seen[rule.rule, "".join(rule.methods)] = (
                policy,
                ask(who, rule, address(rule, cast.harbour, request_id, batch_id)).status_code,
            )

    for (route, method), (policy, status) in seen.items():
        if name in SIGNED_OUT:
            expected = {204} if policy.quiet else {401, 303}
        elif policy.capability is not None and name not in MEMBERS_OF_STAFF:
            expected = {404}
        elif lacks(name, policy.capability):
            expected = {403}
        elif policy.capability is not None:
            # 409: the request of the address is done, so there is nothing to cancel, to retry or to discard.
            # 400: an act on many cases names them, an export a format, and a form of settings has fields of its own;
            # this one has none of it.
            # 404: the case stands on no message, so there is no file of one.
            decided = route.endswith(("/cancel", "/<any(retry, discard):deed>")) and "POST" in method
            unread = "/settings/" in route and "POST" in method
            odd = {"/export": {400}, "/evidence/<int:place>": {404}, "/many/<act>/<uuid:many_id>": {400}}
            # What is to be taken back is named by the query or the form.
            odd |= {"/reverse": {400}, "/reverse/<uuid:reversal_id>": {400}}
            found = next((codes for end, codes in odd.items() if route.endswith(end)), {200, 303, 422})
            expected = {409} if decided else {400} if unread else found
        else:
            expected = {200, 303, 400, 422}
        assert status in expected, (name, route, status)
    assert len(seen) > 8


@pytest.mark.parametrize("name", ["admin", "owner"])
def test_the_other_guild_does_not_exist_for_its_neighbours(site, cast, owner, name):
    who = site.signed_in(getattr(cast, "admin" if name == "admin" else "nobody"))

    answers = {
        rule.rule: ask(who, rule, address(rule, cast.meadow, uuid4())).status_code
        for rule in site.app.url_map.iter_rules()
        if "guild_id" in rule.arguments
    }

    assert set(answers.values()) == {404}, answers


def test_a_guild_nobody_knows_looks_like_one_that_is_not_yours(site, cast):
    who = site.signed_in(cast.admin)

    unknown = who.get("/g/999999999999999999/cases")
    foreign = who.get(f"/g/{cast.meadow}/cases")
    absurd = who.get(f"/g/{1 << 70}/cases")

    assert unknown.status_code == foreign.status_code == absurd.status_code == 404
    assert unknown.data == foreign.data == absurd.data


def test_a_page_that_needs_more_names_the_missing_capability(site, cast):
    from kovra.dashboard.access import in_guild, policy

    @site.app.get("/g/<int:guild_id>/needs-settings")
    @policy(in_guild(Capability.SETTINGS))
    def needs_settings(guild_id):
        return "in"

    refused = site.signed_in(cast.trial).get(f"/g/{cast.harbour}/needs-settings")
    let_in = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/needs-settings")

    assert refused.status_code == 403
    assert "“settings”, which comes with Manage Server in Discord" in refused.get_data(as_text=True)
    assert let_in.status_code == 200


def test_a_route_without_a_policy_is_refused(site, cast):
    @site.app.get("/forgotten")
    def forgotten():
        return "open to all"

    answer = site.signed_in(cast.admin).get("/forgotten")

    assert answer.status_code == 500
    assert "open to all" not in answer.get_data(as_text=True)


def test_access_ends_with_the_role(site, cast):
    who = site.signed_in(cast.moderator)
    before = who.get(f"/g/{cast.harbour}/cases").status_code

    site.mirror.member_gone(cast.harbour, cast.moderator)

    assert (before, who.get(f"/g/{cast.harbour}/cases").status_code) == (200, 404)


def test_looking_at_a_page_keeps_a_session_awake_and_a_stream_does_not(site, cast, owner):
    who = site.signed_in(cast.admin)
    age = text("UPDATE sessions SET seen_at = seen_at - interval '50 minutes'")
    idle = text("SELECT clock_timestamp() - seen_at > interval '10 minutes' FROM sessions")
    with owner.transaction(None) as session:
        session.execute(age)

    stream = who.get(f"/g/{cast.harbour}/live", headers={"Sec-Fetch-Site": "same-origin"}, buffered=False)
    stream.close()
    with owner.transaction(None) as session:
        after_stream = session.scalars(idle).one()
    who.get(f"/g/{cast.harbour}/cases")
    with owner.transaction(None) as session:
        after_page = session.scalars(idle).one()

    assert (after_stream, after_page) == (True, False)
