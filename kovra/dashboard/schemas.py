"""What a form may hold. Unknown fields are refused.

Who acts, from where and in which guild is never the form's to say.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from kovra.actions import submit_many
from kovra.actions.request import MAX_REASON, Action
from kovra.actions.reverse import MOST_MINUTES
from kovra.dashboard.act_choices import On
from kovra.errors import Malformed
from kovra.ids import parse_snowflake

#: So many cases can be acted on at once.
MOST_TICKED = submit_many.MOST
#: The form field that proves a form was drawn for this session.
TOKEN_FIELD = "csrf"


class Form(Schema):
    """A form of ours: every field known, the token already checked."""

    class Meta:
        unknown = RAISE

    csrf = fields.String(load_only=True)

    @pre_load
    def flat(self, data: Any, **_: Any) -> dict[str, Any]:
        """Browsers may send a field twice; then it is not ours."""
        if hasattr(data, "lists"):
            twice = [name for name, values in data.lists() if len(values) > 1]
            if twice:
                raise ValidationError({name: ["Sent twice."] for name in twice})
            return dict(data.items())
        return dict(data)


class Snowflake(fields.Field[int]):
    """A Discord id, as people paste it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:
        try:
            return parse_snowflake(str(value))
        except Malformed as error:
            raise ValidationError(str(error)) from error


class RequestId(fields.Field[UUID]):
    """A UUIDv7, as the form was drawn with."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> UUID:
        try:
            read = UUID(str(value))
        except ValueError as error:
            raise ValidationError("This form has lost its id. Close it and open it again.") from error
        if read.version != 7:
            raise ValidationError("This form has a wrong id. Close it and open it again.")
        return read


class ActionForm(Form):
    """The action dialog."""

    request_id = RequestId(required=True)
    action = fields.Enum(Action, by_value=True, required=True, error_messages={"required": "Choose what to do."})
    target_id = Snowflake(required=True, error_messages={"required": "Choose a member first."})
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))
    duration_s = fields.Integer(strict=False)
    #: A ban's; 0 is until someone lifts it.
    ban_duration_s = fields.Integer(strict=False)
    delete_window_s = fields.Integer(strict=False)
    #: What it is done to; a purge is of a member or of a channel.
    on = fields.Enum(On, by_value=True, load_default=On.MEMBER)
    role_id = Snowflake()
    count = fields.Integer(strict=False)
    slow_s = fields.Integer(strict=False)
    #: Of a purge of a member: in this channel alone.
    channel_id = Snowflake()
    #: ``asks_notice``: the form had the switch of the DM; ``notice``: it was on.
    asks_notice = fields.Boolean(load_default=False)
    notice = fields.Boolean(load_default=False)

    @pre_load
    def unsaid(self, data: Any, **_: Any) -> Any:
        """A choice that was left open is none."""
        for name in ("role_id", "channel_id"):
            if data.get(name) == "":
                data = {key: text for key, text in data.items() if key != name}
        return data


class CaseActForm(Form):
    """A dialog about a case, or the comment under it. ``entry``: the last change that its writer has seen."""

    request_id = RequestId(required=True)
    entry = fields.Integer(strict=False, load_default=0, validate=validate.Range(min=0, max=(1 << 53) - 1))
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))
    #: Empty: the end stays as it is.
    duration_s = fields.String(load_default="", validate=validate.Regexp(r"\A\d{0,11}\Z", error="Choose how long."))


class MassForm(Form):
    """A mass action: whom, what, and when it is confirmed the number typed. ``ids`` is what stands in the box;
    ``mark`` says what was reviewed."""

    batch_id = RequestId(load_default=None)
    mark = fields.String(load_default="", validate=validate.Length(max=64))
    ids = fields.String(load_default="")
    action = fields.Enum(Action, by_value=True, required=True, error_messages={"required": "Choose what to do."})
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))
    duration_s = fields.Integer(strict=False)
    delete_window_s = fields.Integer(strict=False)
    notice = fields.Integer(strict=False, load_default=0)
    confirm = fields.String(load_default="")


class ReleaseForm(Form):
    """Release what went over somebody's budget. The id was minted when the button was drawn."""

    batch_id = RequestId(required=True)


class CaseNumbers(fields.Field[list[int]]):
    """Numbers of cases with commas between them, each once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> list[int]:
        words = [word for word in str(value).split(",") if word]
        if not words:
            raise ValidationError("Tick at least one case.")
        if not all(word.isascii() and word.isdigit() and 0 < int(word) < 1 << 53 for word in words if len(word) < 17):
            raise ValidationError("These are no numbers of cases.")
        if any(len(word) > 16 for word in words):
            raise ValidationError("These are no numbers of cases.")
        if len(words) > MOST_TICKED:
            raise ValidationError(f"{len(words)} cases are ticked; at most {MOST_TICKED} can be acted on at once.")
        return list(dict.fromkeys(map(int, words)))


class ManyForm(Form):
    """An act on all the cases that are ticked. ``many_id`` was minted when the dialog was drawn."""

    many_id = RequestId(required=True)
    cases = CaseNumbers(required=True)
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))


class ReversalOf(Form):
    """What is to be taken back: a mass action, or the last ``minutes`` of somebody."""

    batch = fields.UUID(load_default=None)
    moderator = Snowflake(load_default=None)
    minutes = fields.Integer(strict=False, load_default=None, validate=validate.Range(min=1, max=MOST_MINUTES))
    reason = fields.String(load_default="", validate=validate.Length(max=MAX_REASON))


class ReversalForm(ReversalOf):
    """The same, confirmed. ``reversal_id`` was minted when the dialog was drawn, ``confirm`` is the number typed."""

    reversal_id = RequestId(required=True)
    confirm = fields.String(load_default="", validate=validate.Length(max=20))


class ExportForm(Form):
    """A file of the cases that the address asks for, or of those that are ticked."""

    cases = CaseNumbers(load_default=None)

    kind = fields.String(required=True, validate=validate.OneOf(("csv", "jsonl")))


class DensityForm(Form):
    """How close the rows of lists stand."""

    density = fields.String(required=True, validate=validate.OneOf(("regular", "compact")))
    next = fields.String(load_default="/")


class LinkForm(Form):
    """Link two accounts, or with ``unlink`` take the link back. ``other`` is an id, a mention or a name."""

    other = fields.String(
        required=True,
        validate=validate.Length(min=1, max=100),
        error_messages={"required": "Give the ID or the name of the other account."},
    )
    why = fields.String(load_default="", validate=validate.Length(max=300))
    unlink = fields.Boolean(load_default=False)


class ViewForm(Form):
    """A view of the case list under a name; what it shows stands in the address."""

    name = fields.String(
        required=True,
        validate=validate.Length(min=1, max=40, error="Give it a name of at most 40 characters."),
        error_messages={"required": "Give it a name."},
    )
    shared = fields.Integer(load_default=0, validate=validate.Range(min=0, max=1))

    @pre_load
    def tidy(self, data: Any, **_: Any) -> dict[str, Any]:
        given = self.flat(data)
        return given | {"name": " ".join(str(given.get("name", "")).split())}


class ThemeForm(Form):
    """The theme of the account menu."""

    theme = fields.String(required=True, validate=validate.OneOf(("dark", "light", "system")))
    next = fields.String(load_default="/")


def first_sentences(error: ValidationError) -> dict[str, str]:
    """One sentence per field."""
    messages = error.messages_dict
    return {name: str(text[0] if isinstance(text, list) else text) for name, text in messages.items()}
