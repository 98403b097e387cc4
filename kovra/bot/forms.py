"""The dialog behind the menus: what it asks, and what was filled in.

What it is about stands in its id, so that one which was opened before Guard restarted can still be sent; and its
request is named after the interaction that opened it, so that sending it twice asks once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import discord
from discord.ui import DesignerModal, InputText, Label, Select

from kovra.actions.request import MAX_REASON, Action
from kovra.bot.asking import ACT, MODERATE
from kovra.bot.commands import DELETE_WINDOWS, description_of
from kovra.bot.tongues import said
from kovra.errors import Malformed
from kovra.ids import derived_request_id, snowflake_ms

#: What a form can ask for, in this order.
OFFERED = (
    Action.WARN,
    Action.NOTE,
    Action.MUTE,
    Action.UNMUTE,
    Action.KICK,
    Action.SOFTBAN,
    Action.BAN,
    Action.QUARANTINE,
)
_LASTING = frozenset({Action.MUTE, Action.BAN, Action.QUARANTINE})
_CLEARING = frozenset({Action.BAN, Action.SOFTBAN})

#: What becomes of the message.
_DELETE = "delete"
_FATES = {"stay": "Leave it where it is", _DELETE: "Delete it"}

_PREFIX = "kovra:form:"
#: A title and a label hold this many characters, a description more (API reference, Components).
_MOST_LABEL, _MOST_DESCRIPTION = 45, 100
#: A duration, or a date.
_MOST_DURATION = 40


@dataclass(frozen=True, kw_only=True)
class Form:
    """An open form: the interaction that opened it, whom it is about, and the message that is kept for it."""

    opened_by: int
    target_id: int
    channel_id: int | None = None
    message_id: int | None = None

    @property
    def custom_id(self) -> str:
        """Its name on Discord, at most 100 characters."""
        about = [self.opened_by, self.target_id]
        about += [each for each in (self.channel_id, self.message_id) if each is not None]
        return _PREFIX + ":".join(map(str, about))

    def request_id(self, user_id: int) -> UUID:
        """The id of what it asks for when this person sends it. Who sends it belongs to it: ids can be made up."""
        return derived_request_id(snowflake_ms(self.opened_by), "form", self.opened_by, user_id)


def form_of(interaction: discord.Interaction) -> Form | None:
    """The form that was sent; None of everything else."""
    custom_id = str((interaction.data or {}).get("custom_id", ""))
    if interaction.type is not discord.InteractionType.modal_submit or not custom_id.startswith(_PREFIX):
        return None
    parts = custom_id.removeprefix(_PREFIX).split(":")
    if len(parts) not in (2, 4) or not all(part.isascii() and part.isdigit() and int(part) < 1 << 63 for part in parts):
        return None
    opened_by, target_id, *message = map(int, parts)
    channel_id, message_id = message or (None, None)
    return Form(opened_by=opened_by, target_id=target_id, channel_id=channel_id, message_id=message_id)


def named(interaction: discord.Interaction) -> str:
    """The menu whose form was sent."""
    form = form_of(interaction)
    return ACT if form is not None and form.message_id is not None else MODERATE


def dialog(
    form: Form, name: str, offered: Sequence[Action], locale: str | None, *, deleting: bool = False
) -> DesignerModal:
    """What is shown; ``deleting``: it offers to delete the message. Pycord wants a running loop for every dialog."""

    def text(english: str) -> str:
        return said(english, locale)

    title = f"{text('Moderate')}: {name}"
    actions = [
        discord.SelectOption(
            label=action.noun.capitalize(),
            value=action.value,
            description=_cut(text(description_of(action)), _MOST_DESCRIPTION),
        )
        for action in offered
    ]
    windows = [discord.SelectOption(label=shown, value=str(seconds)) for shown, seconds in DELETE_WINDOWS.items()]
    long, short = discord.InputTextStyle.long, discord.InputTextStyle.short
    fields = [
        Label(text("Action"), Select(custom_id="action", options=actions, required=True)),
        Label(
            text("Reason"),
            InputText(style=long, custom_id="reason", max_length=MAX_REASON, required=False),
            description=text("A warning and a note need one"),
        ),
        Label(
            text("Duration"),
            InputText(style=short, custom_id="duration", max_length=_MOST_DURATION, required=False),
            description=text("Of a mute, ban or quarantine: 10m, 2h, 7d, or a date"),
        ),
        Label(
            text("Delete messages"),
            Select(custom_id="delete_messages", options=windows, min_values=0, required=False),
            description=text("With a ban or softban"),
        ),
    ]
    if deleting:
        fate = [discord.SelectOption(label=text(shown), value=value) for value, shown in _FATES.items()]
        about = Select(custom_id="message", options=fate, min_values=0, required=False)
        fields.insert(1, Label(text("This message"), about, description=text("It is kept as evidence either way")))
    return DesignerModal(
        *fields,
        title=_cut(title, _MOST_LABEL),
        custom_id=form.custom_id,
        # Pycord would remember each until the process ends; what was sent is known by its id.
        store=False,
    )


def filled_in(interaction: discord.Interaction) -> dict[str, str]:
    """What was chosen and typed, by field; what was left empty is not there."""
    found: dict[str, str] = {}
    for field in _fields((interaction.data or {}).get("components") or []):
        value = field["values"][0] if field.get("values") else field.get("value")
        if value and str(value).strip():
            found[str(field["custom_id"])] = str(value).strip()
    return found


def as_command(form: Form, filled: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The command that would ask for the same, and its options.

    Raises:
        Malformed: what was filled in does not go together.
    """
    action = next((each for each in OFFERED if each.value == filled.get("action")), None)
    if action is None:
        raise Malformed("choose an action.")
    if "duration" in filled and action not in _LASTING:
        raise Malformed(f"{action.noun} takes no duration. Leave it empty, or choose mute, ban or quarantine.")
    window = filled.get("delete_messages", "0")
    if window != "0" and action not in _CLEARING:
        raise Malformed(f"{action.noun} deletes no messages. Leave that empty, or choose ban or softban.")
    options: dict[str, Any] = {"user": discord.Object(form.target_id)}
    options |= {name: filled[name] for name in ("reason", "duration") if name in filled}
    if "delete_messages" in filled:
        if window not in map(str, DELETE_WINDOWS.values()):
            raise Malformed("choose how far back messages are deleted from the list.")
        options["delete_messages"] = int(window)
    if form.message_id is not None and filled.get("message") == _DELETE:
        options["delete_message"] = (form.channel_id, form.message_id)
    if action is Action.QUARANTINE:
        options["change"] = "begin"
    return f"mod {action.value}", options


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The fields of a sent dialog: each in a label, or in a row as dialogs used to have them."""
    for component in components:
        for field in [component["component"]] if component.get("component") else component.get("components", ()):
            if field.get("custom_id"):
                yield field


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
