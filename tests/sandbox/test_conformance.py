"""The check against Discord's OpenAPI description: every route is described, and a stray answer is found."""

from __future__ import annotations

import pytest

from kovra.sandbox import conformance as module
from kovra.sandbox import rest
from kovra.sandbox.rest.routing import Access, Route


@pytest.fixture
def conformance(require, description):
    require("openapi")
    return module.Conformance(description)


def route(method: str, template: str) -> Route:
    return next(r for r in rest.router().routes if (r.method, r.template) == (method, template))


def test_every_route_of_the_sandbox_is_in_discords_description(conformance):
    for each in rest.router().routes:
        conformance.check(each, {}, None, 599, None)

    assert conformance.findings() == []


def test_an_answer_that_lacks_a_field_is_found(conformance):
    conformance.check(route("GET", "/users/{user_id}"), {}, None, 200, {"id": "1"})

    found = conformance.findings()
    assert {item["where"] for item in found} == {"answer"}
    assert any("username" in item["what"] for item in found)


def test_a_wrong_request_that_was_accepted_is_found_and_one_that_was_refused_is_not(conformance):
    edit = route("PATCH", "/guilds/{guild_id}/members/{user_id}")
    refusal = {"message": "Invalid Form Body", "code": 50035}

    conformance.check(edit, {}, {"nick": ["not", "text"]}, 400, refusal)
    assert conformance.findings() == []
    conformance.check(edit, {"unheard_of": "1"}, {"nick": ["not", "text"]}, 204, None)

    assert {item["where"] for item in conformance.findings()} == {"query", "request"}


def test_a_status_or_a_body_that_is_not_described_is_found(conformance):
    conformance.check(route("DELETE", "/guilds/{guild_id}/members/{user_id}"), {}, None, 204, {"extra": 1})
    conformance.check(route("GET", "/users/{user_id}"), {}, None, 202, {})

    assert len(conformance.findings()) == 2


def test_the_known_deviations_are_no_findings(conformance):
    ban = route("PUT", "/guilds/{guild_id}/bans/{user_id}")
    errors = {"reason": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be shorter."}]}}

    conformance.check(ban, {"delete_message_seconds": "60"}, None, 204, None)
    conformance.check(ban, {}, None, 400, {"message": "Invalid Form Body", "code": 50035, "errors": errors})
    conformance.check(
        route("POST", "/guilds/{guild_id}/bulk-ban"), {}, {"user_ids": [123456789012345678]}, 200,
        {"banned_users": ["123456789012345678"], "failed_users": []},
    )  # fmt: skip

    assert conformance.findings() == []


def test_a_route_discord_does_not_have_is_found(conformance):
    invented = Route(
        method="GET", template="/guilds/{guild_id}/lanterns", handler=len, access=Access.BOT, status=200, body=dict
    )

    conformance.check(invented, {}, None, 200, {})

    assert [item["where"] for item in conformance.findings()] == ["route"]


def test_the_findings_are_readable_from_outside(a_discord, require):
    require("openapi")
    with a_discord() as place:
        place.in_guild("GET", "/roles")

        assert place.control("GET", "findings") == {"findings": [], "checked": 1}
