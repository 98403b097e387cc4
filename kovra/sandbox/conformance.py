"""Is the sandbox a true Discord? Its answers, and the requests it accepts, held against Discord's OpenAPI description.

The description is not part of Kovra; its path is handed in. Five deviations are known and coded here, each with its
reason; anything else is a finding.

1. Discord takes snowflakes as JSON numbers and integers as text, so requests are held against a lenient copy.
2. Bans: the description requires a body; Pycord sends none, and ``delete_message_seconds`` in the query.
3. Field errors carry codes that are words (``BASE_TYPE_REQUIRED``); the description says numbers.
4. A deferred callback has no ``resource``: the description knows none of that type. (The sandbox leaves it out.)
5. Only requests that were accepted are held against the description: a bad request is refused, and that is right.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from kovra.sandbox.rest.routing import Route

Json = dict[str, Any]

#: Deviation 2.
_BODY_OPTIONAL = {("PUT", "/guilds/{}/bans/{}"), ("DELETE", "/guilds/{}/bans/{}")}
_QUERY_ALLOWED = {("PUT", "/guilds/{}/bans/{}"): {"delete_message_seconds"}}

_DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


class Description:
    """Discord's OpenAPI description, read once; any number of sandboxes may share it.

    Args:
        path: where its ``openapi.json`` is.
    """

    def __init__(self, path: Path) -> None:
        # Part of what tests install, not of what the demo needs: it is missed only when a check is asked for.
        import jsonschema_rs

        self._validator_of: Any = jsonschema_rs.Draft202012Validator
        self._spec = _with_word_codes(json.loads(path.read_text()))
        self._registry = jsonschema_rs.Registry(
            [("urn:strict", {**_DRAFT, **self._spec}), ("urn:lenient", {**_DRAFT, **_lenient(self._spec)})]
        )
        self._operations = {
            (method.upper(), _nameless(path)): operation
            for path, operations in self._spec["paths"].items()
            for method, operation in operations.items()
            if method in ("get", "put", "post", "patch", "delete")
        }
        self._validators: dict[str, Any] = {}
        self._plans: dict[tuple[str, str], _Plan] = {}

    def plan(self, route: Route) -> _Plan:
        """What a route's exchanges are held against, worked out once."""
        key = (route.method, route.template)
        if key not in self._plans:
            self._plans[key] = self._plan(route.method, _nameless(route.template))
        return self._plans[key]

    def answer(self, plan: _Plan, status: int) -> Any:
        """A validator, None for an answer without a body, or what is wrong with the status; worked out once."""
        if status not in plan.answers:
            plan.answers[status] = self._answer(plan, status)
        return plan.answers[status]

    def _plan(self, method: str, path: str) -> _Plan:
        operation = self._operations.get((method, path))
        if operation is None:
            return _Plan(None, set(), None, False)
        query = {p["name"] for p in operation.get("parameters", []) if p.get("in") == "query"}
        query |= _QUERY_ALLOWED.get((method, path), set())
        request = operation.get("requestBody")
        if request is None:
            return _Plan(operation, query, None, False)
        content = request["content"]
        schema = (content.get("application/json") or next(iter(content.values())))["schema"]
        required = bool(request.get("required")) and (method, path) not in _BODY_OPTIONAL
        return _Plan(operation, query, self._validator("urn:lenient", schema), required)

    def _answer(self, plan: _Plan, status: int) -> Any:
        assert plan.operation is not None
        responses = plan.operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if response is None:
            return "the status is not in the description"
        if "$ref" in response:
            response = self._spec["components"]["responses"][response["$ref"].rsplit("/", 1)[-1]]
        content = response.get("content")
        return None if content is None else self._validator("urn:strict", content["application/json"]["schema"])

    def _validator(self, root: str, schema: Json) -> Any:
        key = root + json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            self._validators[key] = self._validator_of(
                _rooted(schema, root), registry=self._registry, validate_formats=True
            )
        return self._validators[key]


class Conformance:
    """The check of one sandbox."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._found: Counter[tuple[str, str, int, str, str]] = Counter()
        self.checked = 0

    def findings(self) -> list[Json]:
        """Every deviation found, each once, with how often it occurred."""
        return [
            {"method": method, "route": route, "status": status, "where": where, "what": what, "count": count}
            for (method, route, status, where, what), count in self._found.items()
        ]

    def clear(self) -> None:
        self._found.clear()

    def check(self, route: Route, query: Any, body: Any, status: int, answer: Any) -> None:
        """Hold one exchange against the description.

        Args:
            body: the request's JSON, None when it had none.
            answer: the JSON of the answer, None when it had none.
        """
        self.checked += 1
        plan = self._description.plan(route)
        if plan.operation is None:
            self._find(route, status, "route", "not in the description")
            return
        if status < 300:
            self._check_request(route, plan, query, body, status)
        if status < 500:
            self._check_answer(route, plan, status, answer)

    def _check_request(self, route: Route, plan: _Plan, query: Any, body: Any, status: int) -> None:
        for name in query:
            if name not in plan.query:
                self._find(route, status, "query", f"{name} is not in the description")
        if body is None:
            if plan.body_required:
                self._find(route, status, "request", "no body, and the description requires one")
        elif plan.body is None:
            self._find(route, status, "request", "a body, and the description has none")
        elif not plan.body.is_valid(body):
            for error in plan.body.iter_errors(body):
                self._find(route, status, "request", _words(error))

    def _check_answer(self, route: Route, plan: _Plan, status: int, answer: Any) -> None:
        validator = self._description.answer(plan, status)
        if isinstance(validator, str):
            self._find(route, status, "answer", validator)
        elif validator is None:
            if answer is not None:
                self._find(route, status, "answer", "a body, and the description has none")
        elif answer is None:
            self._find(route, status, "answer", "no body, and the description has one")
        elif not validator.is_valid(answer):
            for error in validator.iter_errors(answer):
                self._find(route, status, "answer", _words(error))

    def _find(self, route: Route, status: int, where: str, what: str) -> None:
        self._found[route.method, route.template, status, where, what] += 1


class _Plan:
    """What one route's exchanges are held against."""

    __slots__ = ("answers", "body", "body_required", "operation", "query")

    def __init__(self, operation: Json | None, query: set[str], body: Any, body_required: bool) -> None:
        self.operation, self.query, self.body, self.body_required = operation, query, body, body_required
        self.answers: dict[int, Any] = {}


def _words(error: Any) -> str:
    return f"{'/'.join(map(str, error.instance_path))}: {error.message[:200]}"


def _nameless(template: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", template)


def _rooted(schema: Any, root: str) -> Any:
    """The schema with its references pointing into the registered document."""
    if isinstance(schema, dict):
        return {
            key: root + value if key == "$ref" and isinstance(value, str) and value[0] == "#" else _rooted(value, root)
            for key, value in schema.items()
        }
    return [_rooted(item, root) for item in schema] if isinstance(schema, list) else schema


def _with_word_codes(spec: Json) -> Json:
    """Deviation 3."""
    schemas = spec["components"]["schemas"]
    field_error = copy.deepcopy(schemas["Error"])
    field_error["properties"]["code"] = {"type": ["string", "integer"]}
    schemas["FieldError"] = field_error
    schemas["InnerErrors"]["properties"]["_errors"]["items"] = {"$ref": "#/components/schemas/FieldError"}
    return spec


def _lenient(strict: Json) -> Json:
    """Deviation 1: a copy whose request schemas take numbers as text and ids as numbers."""
    spec = copy.deepcopy(strict)
    schemas = spec["components"]["schemas"]
    for name, schema in schemas.items():
        if not name.endswith("Response"):
            _loosen(schema)
    for operations in spec["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                _loosen(operation["requestBody"])
    schemas["SnowflakeType"] = {
        "anyOf": [{"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}, {"type": "integer", "minimum": 0}]
    }
    return spec


def _loosen(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _loosen(item)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "integer" and not {"enum", "oneOf", "const"} & schema.keys():
        schema["type"] = ["integer", "string"]
    elif isinstance(kind, list) and "integer" in kind and "string" not in kind:
        schema["type"] = [*kind, "string"]
    # What was told apart by its type may now fit twice.
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    for value in schema.values():
        _loosen(value)
