"""Interactions: a person runs a command, the bot answers, and the answer can be read.

The desk keeps each one with everything that happened to it. Discord's clocks apply: three seconds to acknowledge,
fifteen minutes to follow up; a second acknowledgement is refused.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import messages as deeds
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, Guild, Message, User

#: How long the bot may take to acknowledge, and how long its token lives (Interactions, Receiving and Responding).
ACKNOWLEDGE_WITHIN_S = 3
TOKEN_LIVES_S = 15 * 60

# Interaction types.
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
# Callback types.
REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, SHOW_MODAL = 4, 5, 6, 7, 8, 9
CALLBACKS = frozenset({REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, SHOW_MODAL})
# Option types whose value names something that goes into ``resolved``.
SUBCOMMAND, GROUP, USER, CHANNEL, ROLE, MENTIONABLE = 1, 2, 6, 7, 8, 9


class CommandRefused(Exception):
    """The command cannot be run; the message says why."""


@dataclass(slots=True, kw_only=True)
class Interaction:
    """One use of a command and what became of it."""

    id: int
    token: str
    type: int
    user_id: int
    guild_id: int | None
    channel_id: int
    made_at: float
    callback: dict[str, Any] | None = None
    message: Message | None = None
    deferred: bool = False
    followups: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


class Desk:
    """Where interactions begin and their answers arrive. ``locale`` is the language of everybody's Discord."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.locale = "en-US"
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    # -- beginning -------------------------------------------------------------------------------------------------

    def begin(
        self,
        user: User,
        guild: Guild | None,
        channel: Channel,
        kind: int,
        data: dict[str, Any],
        pressed_on: Message | None = None,
    ) -> Interaction:
        """Dispatch an interaction of a person and wait for nothing.

        Args:
            data: what was run, chosen or filled in, in Discord's form.
            pressed_on: the message whose button was pressed.
        """
        stage = self._stage
        self._forget_old()
        interaction = Interaction(
            id=stage.new_id(),
            token=secrets.token_urlsafe(40),
            type=kind,
            user_id=user.id,
            guild_id=None if guild is None else guild.id,
            channel_id=channel.id,
            made_at=stage.clock(),
            message=pressed_on,
        )
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        stage.tell("INTERACTION_CREATE", guild, lambda: self._payload(interaction, user, guild, channel, data))
        return interaction

    def _payload(
        self, interaction: Interaction, user: User, guild: Guild | None, channel: Channel, data: dict[str, Any]
    ) -> dict[str, Any]:
        world, now = self._stage.world, self._stage.now()
        payload: dict[str, Any] = {
            "id": str(interaction.id),
            "application_id": str(world.bot_id),
            "type": interaction.type,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(channel.id),
            "channel": payloads.channel(channel, world),
            "locale": self.locale,
            "entitlements": [],
            "attachment_size_limit": 10 << 20,
        }
        if guild is None:
            return {
                **payload,
                "user": payloads.user(user),
                "app_permissions": str(permissions.ALL),
                "authorizing_integration_owners": {"1": str(user.id)},
                "context": 1,
            }
        if interaction.message is not None:
            payload["message"] = payloads.message(interaction.message, world)
        rights = permissions.in_channel(guild, channel, user.id, now)
        member = payloads.member(guild.members[user.id], user)
        return {
            **payload,
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": "en-US", "features": guild.features},
            "guild_locale": "en-US",
            "member": {**member, "permissions": str(rights)},
            "app_permissions": str(permissions.in_channel(guild, channel, world.bot_id, now)),
            "authorizing_integration_owners": {"0": str(guild.id)},
            "context": 0,
        }

    def _forget_old(self) -> None:
        overdue = self._stage.clock() - TOKEN_LIVES_S
        for interaction in [i for i in self._by_id.values() if i.made_at < overdue]:
            del self._by_id[interaction.id]
            del self._by_token[interaction.token]

    # -- answering -------------------------------------------------------------------------------------------------

    def answer(self, interaction_id: int, token: str, body: dict[str, Any]) -> dict[str, Any]:
        """Take the bot's acknowledgement; returns Discord's answer to it.

        Raises:
            Refusal: 10062 when unknown or later than three seconds, 40060 when acknowledged before.
        """
        interaction = self._by_id.get(interaction_id)
        now = self._stage.clock()
        if interaction is None or interaction.token != token:
            raise errors.unknown_interaction()
        if interaction.callback is not None:
            raise errors.already_acknowledged()
        if now - interaction.made_at > ACKNOWLEDGE_WITHIN_S:
            raise errors.unknown_interaction()
        kind, data = body.get("type"), body.get("data") or {}
        interaction.callback = body
        interaction.deferred = kind in (DEFER, DEFER_UPDATE)
        self._note(interaction, "callback", {"type": kind, **data})
        answer: dict[str, Any] = {
            "interaction": {
                "id": str(interaction.id),
                "type": interaction.type,
                "response_message_loading": kind == DEFER,
                "response_message_ephemeral": bool(int(data.get("flags") or 0) & deeds.EPHEMERAL),
            }
        }
        if kind == UPDATE and interaction.message is not None:
            channel = self._stage.world.channels[interaction.channel_id]
            deeds.edit(self._stage, channel, interaction.message, data)
            resource = payloads.message(interaction.message, self._stage.world)
            answer["resource"] = {"type": kind, "message": resource}
        if kind in (REPLY, DEFER):
            message = self._say(interaction, data, loading=kind == DEFER)
            interaction.message = message
            answer["interaction"]["response_message_id"] = str(message.id)
            # Discord describes a resource for an answer with a message and none for a deferred one.
            if kind == REPLY:
                answer["resource"] = {"type": kind, "message": payloads.message(message, self._stage.world)}
        return answer

    def open(self, token: str) -> Interaction:
        """The interaction whose token this is, while it lives."""
        interaction = self._by_token.get(token)
        if interaction is None or self._stage.clock() - interaction.made_at > TOKEN_LIVES_S:
            raise errors.invalid_webhook_token()
        return interaction

    def original(self, interaction: Interaction) -> Message:
        """The first answer, as long as it was not deleted."""
        if interaction.message is None:
            raise errors.unknown_message()
        return interaction.message

    def follow_up(self, interaction: Interaction, body: dict[str, Any]) -> Message:
        """Post a further message. The first one after a deferral fills the deferred answer, as on Discord."""
        if interaction.callback is None:
            raise errors.unknown_webhook()
        if interaction.deferred and interaction.message and interaction.message.flags & deeds.LOADING:
            self.edit(interaction, interaction.message, body)
            return interaction.message
        message = self._say(interaction, body, loading=False)
        interaction.followups.append(message.id)
        self._note(interaction, "followup", body)
        return message

    def edit(self, interaction: Interaction, message: Message, body: dict[str, Any]) -> None:
        """Change an answer."""
        deeds.edit(self._stage, self._stage.world.channels[message.channel_id], message, body)
        self._note(interaction, "edit", body)

    def delete(self, interaction: Interaction, message: Message) -> None:
        channel = self._stage.world.channels[message.channel_id]
        deeds.delete(self._stage, channel, message, by=message.author_id, reason=None)
        if interaction.message is message:
            interaction.message = None
        self._note(interaction, "delete", {"message_id": str(message.id)})

    def message(self, interaction: Interaction, message_id: int) -> Message:
        """One of the interaction's own messages."""
        first = interaction.message
        if message_id not in interaction.followups and (first is None or first.id != message_id):
            raise errors.unknown_message()
        return self._stage.world.messages[interaction.channel_id][message_id]

    def _say(self, interaction: Interaction, data: dict[str, Any], *, loading: bool) -> Message:
        stage = self._stage
        flags = int(data.get("flags") or 0) | (deeds.LOADING if loading else 0)
        hidden = interaction.user_id if flags & deeds.EPHEMERAL else None
        channel = stage.world.channels[interaction.channel_id]
        body = {**data, "flags": flags}
        return deeds.post(stage, channel, stage.world.bot_id, body, type=deeds.COMMAND_ANSWER, ephemeral_for=hidden)

    def _note(self, interaction: Interaction, what: str, body: dict[str, Any]) -> None:
        interaction.history.append({"at": round(self._stage.clock(), 3), "what": what, "body": body})

    def shown(self, user_id: int, custom_id: str) -> dict[str, Any] | None:
        """The dialog of this name that was shown to somebody last."""
        for interaction in reversed(self._by_id.values()):
            modal = _data_of(interaction) if (interaction.callback or {}).get("type") == SHOW_MODAL else {}
            if interaction.user_id == user_id and modal.get("custom_id") == custom_id:
                return modal
        return None

    # -- reading ---------------------------------------------------------------------------------------------------

    def report(self, interaction_id: int) -> dict[str, Any] | None:
        """An interaction as the control API shows it, or None."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None:
            return None
        world, first = self._stage.world, interaction.message
        held = world.messages.get(interaction.channel_id, {})
        followups = [payloads.message(held[i], world) for i in interaction.followups if i in held]
        return {
            "interaction_id": str(interaction.id),
            "acked": interaction.callback is not None,
            "deferred": interaction.deferred,
            "loading": first is not None and bool(first.flags & deeds.LOADING),
            "ephemeral": first is not None and first.ephemeral_for is not None,
            "content": "" if first is None else first.content,
            "embeds": [] if first is None else first.embeds,
            "components": [] if first is None else first.components,
            "choices": _data_of(interaction).get("choices", []),
            "modal": _data_of(interaction) if (interaction.callback or {}).get("type") == SHOW_MODAL else None,
            "followups": followups,
            "history": interaction.history,
        }


def _data_of(interaction: Interaction) -> dict[str, Any]:
    return (interaction.callback or {}).get("data") or {}
