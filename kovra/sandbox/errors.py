"""Discord's refusals: the HTTP status, the JSON code and Discord's own words for each."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is an error.

    Args:
        status: the HTTP status.
        code: Discord's JSON error code; 0 is its general one.
        message: Discord's words.
        errors: for code 50035, the tree of field errors.
        headers: headers that go with the answer, such as ``Retry-After``.
        extra: further keys of the body, such as ``retry_after``.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} ({code}): {message}")
        self.status, self.code, self.message = status, code, message
        self.errors, self.headers, self.extra = errors, headers or {}, extra or {}

    def body(self) -> dict[str, Any]:
        """The JSON body Discord would send."""
        body: dict[str, Any] = {"message": self.message, "code": self.code, **self.extra}
        if self.errors:
            body["errors"] = self.errors
        return body


def unauthorized() -> Refusal:
    return Refusal(401, 0, "401: Unauthorized")


def not_found() -> Refusal:
    """A path that Discord does not have."""
    return Refusal(404, 0, "404: Not Found")


def method_not_allowed() -> Refusal:
    return Refusal(405, 0, "405: Method Not Allowed")


def unknown_application() -> Refusal:
    return Refusal(404, 10002, "Unknown Application")


def unknown_channel() -> Refusal:
    return Refusal(404, 10003, "Unknown Channel")


def unknown_guild() -> Refusal:
    return Refusal(404, 10004, "Unknown Guild")


def unknown_invite() -> Refusal:
    return Refusal(404, 10006, "Unknown Invite")


def unknown_member() -> Refusal:
    return Refusal(404, 10007, "Unknown Member")


def unknown_message() -> Refusal:
    return Refusal(404, 10008, "Unknown Message")


def unknown_overwrite() -> Refusal:
    return Refusal(404, 10009, "Unknown Overwrite")


def unknown_role() -> Refusal:
    return Refusal(404, 10011, "Unknown Role")


def unknown_user() -> Refusal:
    return Refusal(404, 10013, "Unknown User")


def unknown_emoji() -> Refusal:
    return Refusal(400, 10014, "Unknown Emoji")


def unknown_webhook() -> Refusal:
    return Refusal(404, 10015, "Unknown Webhook")


def unknown_ban() -> Refusal:
    return Refusal(404, 10026, "Unknown Ban")


def unknown_interaction() -> Refusal:
    return Refusal(404, 10062, "Unknown interaction")


def unknown_command() -> Refusal:
    return Refusal(404, 10063, "Unknown application command")


def unknown_rule() -> Refusal:
    return Refusal(404, 10066, "Unknown auto moderation rule")


def unknown_voice_state() -> Refusal:
    return Refusal(404, 10065, "Unknown Voice State")


def too_many(code: int, what: str, most: int) -> Refusal:
    """One of Discord's maxima is reached; each has its code.

    Args:
        what: Discord's word for the things, in the plural.
    """
    return Refusal(400, code, f"Maximum number of {what} reached ({most})")


def target_not_in_voice() -> Refusal:
    return Refusal(400, 40032, "Target user is not connected to voice.")


def already_acknowledged() -> Refusal:
    return Refusal(400, 40060, "Interaction has already been acknowledged.")


def missing_access() -> Refusal:
    """The bot is not in the guild, or cannot see the channel."""
    return Refusal(403, 50001, "Missing Access")


def dm_channel() -> Refusal:
    return Refusal(403, 50003, "Cannot execute action on a DM channel")


def thread_archived() -> Refusal:
    return Refusal(400, 50083, "Thread is archived")


def thread_locked() -> Refusal:
    return Refusal(403, 160005, "Thread is locked")


def edits_another_author() -> Refusal:
    return Refusal(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> Refusal:
    return Refusal(400, 50006, "Cannot send an empty message")


def dm_refused() -> Refusal:
    return Refusal(403, 50007, "Cannot send messages to this user")


def missing_permissions() -> Refusal:
    """A permission is lacking, or the hierarchy forbids it: Discord has one code for both."""
    return Refusal(403, 50013, "Missing Permissions")


def bulk_delete_count() -> Refusal:
    return Refusal(400, 50016, "You can only bulk delete between 2 and 100 messages")


def wrong_channel_type() -> Refusal:
    return Refusal(400, 50024, "Cannot execute action on this channel type")


def invalid_webhook_token() -> Refusal:
    return Refusal(401, 50027, "Invalid Webhook Token")


def invalid_recipient() -> Refusal:
    return Refusal(400, 50033, "Invalid Recipient(s)")


def bulk_delete_age() -> Refusal:
    return Refusal(400, 50034, "You can only bulk delete messages that are under 14 days old.")


def invalid_json() -> Refusal:
    return Refusal(400, 50109, "The request body contains invalid JSON.")


def no_mutual_guild() -> Refusal:
    return Refusal(403, 50278, "Cannot send messages to this user due to having no mutual guilds")


def nobody_banned() -> Refusal:
    """Discord documents the code of a bulk ban without a single success, not its status; 400 is our choice."""
    return Refusal(400, 500000, "Failed to ban users")


def too_long_reason() -> Refusal:
    return Refusal(400, 0, "In reason: Must be 512 or fewer in length.")


def invalid_form(field: str, code: str, message: str) -> Refusal:
    """One field of the body is wrong.

    Args:
        field: the path of the field, dotted: ``embeds.0.title``.
        code: Discord's name of the fault, such as ``BASE_TYPE_MAX_LENGTH``.
        message: Discord's words about it.
    """
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(field.split(".")):
        errors = {part: errors}
    return Refusal(400, 50035, "Invalid Form Body", errors=errors)


def too_long(field: str, most: int) -> Refusal:
    return invalid_form(field, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def too_large(field: str, most: int) -> Refusal:
    return invalid_form(field, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {most}.")


def required(field: str) -> Refusal:
    return invalid_form(field, "BASE_TYPE_REQUIRED", "This field is required")


def not_a_snowflake(field: str, value: object) -> Refusal:
    return invalid_form(field, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


def rate_limited(retry_after_s: float, scope: str) -> Refusal:
    """Too many requests.

    Args:
        retry_after_s: when to try again.
        scope: ``user`` for a route's bucket, ``global`` for the bot's own limit.
    """
    headers = {"Retry-After": str(int(retry_after_s) + 1), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"
    extra = {"retry_after": round(retry_after_s, 3), "global": scope == "global"}
    return Refusal(429, 0, "You are being rate limited.", headers=headers, extra=extra)
