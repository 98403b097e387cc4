"""The canonical request: the same payload from every door, and what comes back for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from kovra.errors import Malformed
from kovra.ids import GuildId, UserId

#: A case keeps the whole reason; Discord's audit log takes 512 characters of it.
MAX_REASON = 4000

#: Discord accepts a timeout of less than 28 days (API reference, Modify Guild Member); a minute for clock skew.
MAX_MUTE = timedelta(days=28, seconds=-60)

#: The longest a punishment may be asked to last; what shall last longer is asked for without an end.
MAX_DURATION = timedelta(days=3650)

#: Longest window of messages that a ban may delete (API reference, Create Guild Ban), in seconds.
MAX_DELETE_WINDOW_S = 604_800


class Action(StrEnum):
    """What may be asked for."""

    BAN = "ban"
    UNBAN = "unban"
    SOFTBAN = "softban"
    KICK = "kick"
    MUTE = "mute"
    UNMUTE = "unmute"
    WARN = "warn"
    NOTE = "note"
    ROLE_ADD = "role_add"
    ROLE_REMOVE = "role_remove"
    QUARANTINE = "quarantine"
    UNQUARANTINE = "unquarantine"
    PURGE = "purge"
    LOCK = "lock"
    UNLOCK = "unlock"
    SLOWMODE = "slowmode"
    SLOWMODE_OFF = "slowmode_off"
    LOCKDOWN = "lockdown"
    LOCKDOWN_OFF = "lockdown_off"
    AMEND = "amend"
    VOID = "void"
    RESEND = "resend"
    COMMENT = "comment"
    # These are Discord's own and only ever heard of.
    PRUNE = "prune"
    BLOCK = "block"

    @property
    def noun(self) -> str:
        """What a person reads for it: ``role add``."""
        return self.value.replace("_", " ")

    @property
    def verb(self) -> str:
        """As it stands before whom it is done to: ``You may not … them``."""
        return _VERBS.get(self, self.value)

    @property
    def doing(self) -> str:
        """As it stands alone: ``You may not … here``."""
        return _DOING.get(self, self.verb)


_VERBS = {
    Action.ROLE_ADD: "give a role to",
    Action.ROLE_REMOVE: "take a role from",
    Action.UNQUARANTINE: "end the quarantine of",
    Action.PURGE: "delete messages of",
    Action.SLOWMODE: "slow down",
    Action.SLOWMODE_OFF: "end the slowmode of",
    Action.LOCKDOWN: "lock down",
    Action.LOCKDOWN_OFF: "end the lockdown of",
    Action.AMEND: "amend a case of",
    Action.VOID: "void a case of",
    Action.RESEND: "write again to",
    Action.COMMENT: "comment on a case of",
}

_DOING = {
    Action.ROLE_ADD: "give roles",
    Action.ROLE_REMOVE: "take roles",
    Action.UNQUARANTINE: "end a quarantine",
    Action.PURGE: "delete messages",
    Action.LOCK: "lock channels",
    Action.UNLOCK: "unlock channels",
    Action.SLOWMODE: "slow channels down",
    Action.SLOWMODE_OFF: "end slowmode",
    Action.LOCKDOWN: "lock the server down",
    Action.LOCKDOWN_OFF: "end a lockdown",
}

#: These change a case that exists and make none. ``case_no`` names it; the target is the case's.
CASE_ACTS = frozenset({Action.AMEND, Action.VOID, Action.RESEND, Action.COMMENT})
#: Nobody asks Guard for these: they are done in Discord, by a person or by Discord's own AutoMod.
NATIVE_ONLY = frozenset({Action.PRUNE, Action.BLOCK})


#: These are done to a channel, whose id is their target; the last two to the server, whose id is theirs.
TO_CHANNELS = frozenset({Action.LOCK, Action.UNLOCK, Action.SLOWMODE, Action.SLOWMODE_OFF})
TO_SERVER = frozenset({Action.LOCKDOWN, Action.LOCKDOWN_OFF})

#: Longest pause between two messages that a channel may ask for (API reference, Modify Channel), in seconds.
MAX_SLOWMODE_S = 21_600

#: Most messages of one purge: Discord takes a hundred every three seconds in a channel.
MAX_PURGE = 1000

#: By what an act is taken back.
INVERSE: Mapping[Action, Action] = MappingProxyType(
    {
        Action.BAN: Action.UNBAN,
        Action.MUTE: Action.UNMUTE,
        Action.QUARANTINE: Action.UNQUARANTINE,
        Action.LOCK: Action.UNLOCK,
        Action.SLOWMODE: Action.SLOWMODE_OFF,
        Action.LOCKDOWN: Action.LOCKDOWN_OFF,
        Action.ROLE_ADD: Action.ROLE_REMOVE,
        Action.ROLE_REMOVE: Action.ROLE_ADD,
    }
)


class Source(StrEnum):
    """Where the wish arose."""

    DASHBOARD = "dashboard"
    DISCORD = "discord"
    AUTOMOD = "automod"
    NATIVE = "native"
    ANTINUKE = "antinuke"
    SYSTEM = "system"
    APPEAL = "appeal"
    IMPORT = "import"
    API = "api"


#: What a person asks for with their own hand: on their budget, within their rights, theirs to take back.
BY_HAND = frozenset({Source.DASHBOARD, Source.DISCORD, Source.API})


class State(StrEnum):
    """The life of a request; ``docs/states.md`` names the one writer of each transition."""

    ACCEPTED = "accepted"
    EXECUTING = "executing"
    APPLIED = "applied"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DEAD = "dead"

    @property
    def terminal(self) -> bool:
        """Nothing more will happen to a request in this state by itself."""
        return self not in (State.ACCEPTED, State.EXECUTING, State.APPLIED)


#: These act by what they say, so they say it.
REASON_REQUIRED = frozenset({Action.WARN, Action.NOTE, Action.VOID, Action.COMMENT})

_DURATION_S = (1, int(MAX_DURATION.total_seconds()))
_CASE_NO = (1, (1 << 53) - 1)
_SNOWFLAKE = (1, (1 << 63) - 1)
#: The case that is taken back; ``of_many``: it was, with others at once.
_TAKES_BACK = {"reverses": _CASE_NO, "of_many": (1, 1)}
#: The message over which somebody is acted on, when it is to be deleted with the act.
_OVER_MESSAGE = {"delete_channel_id": _SNOWFLAKE, "delete_message_id": _SNOWFLAKE}

#: The parameters each action takes, each a whole number, and its bounds. ``…_s`` are seconds; ``notice`` says whether
#: the target is told (1) or not (0); ``for_case`` is the case whose end Guard keeps with it;
#: ``role_id`` is the role that is given or taken, of a quarantine the one they have meanwhile.
PARAMS: Mapping[Action, Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        Action.BAN: {
            "delete_window_s": (0, MAX_DELETE_WINDOW_S),
            "duration_s": _DURATION_S,
            "notice": (0, 1),
            **_OVER_MESSAGE,
        },
        Action.UNBAN: {"for_case": _CASE_NO, **_TAKES_BACK},
        Action.UNMUTE: _TAKES_BACK,
        Action.SOFTBAN: {"delete_window_s": (0, MAX_DELETE_WINDOW_S), "notice": (0, 1), **_OVER_MESSAGE},
        Action.KICK: {"notice": (0, 1), **_OVER_MESSAGE},
        Action.MUTE: {"duration_s": _DURATION_S, "for_case": _CASE_NO, "notice": (0, 1), **_OVER_MESSAGE},
        Action.WARN: {"notice": (0, 1), **_OVER_MESSAGE},
        Action.NOTE: _OVER_MESSAGE,
        Action.ROLE_ADD: {"role_id": _SNOWFLAKE, **_TAKES_BACK},
        Action.ROLE_REMOVE: {"role_id": _SNOWFLAKE, **_TAKES_BACK},
        Action.QUARANTINE: {
            "duration_s": _DURATION_S,
            "for_case": _CASE_NO,
            "notice": (0, 1),
            "role_id": _SNOWFLAKE,
            **_OVER_MESSAGE,
        },
        Action.UNQUARANTINE: {"for_case": _CASE_NO, **_TAKES_BACK},
        # Of a channel, or with ``of_member`` of a person, in one channel or in all.
        Action.PURGE: {"count": (1, MAX_PURGE), "of_member": (1, 1), "channel_id": _SNOWFLAKE},
        Action.LOCK: {"duration_s": _DURATION_S},
        Action.UNLOCK: {"for_case": _CASE_NO, **_TAKES_BACK},
        Action.SLOWMODE: {"slow_s": (0, MAX_SLOWMODE_S), "duration_s": _DURATION_S},
        Action.SLOWMODE_OFF: {"for_case": _CASE_NO, **_TAKES_BACK},
        Action.LOCKDOWN: {"duration_s": _DURATION_S, "for_case": _CASE_NO},
        Action.LOCKDOWN_OFF: {"for_case": _CASE_NO, **_TAKES_BACK},
        # The new length counts from the case's beginning, as if it had been asked for so; 0 is until somebody lifts it.
        Action.AMEND: {"case_no": _CASE_NO, "duration_s": (0, _DURATION_S[1])},
        Action.VOID: {"case_no": _CASE_NO},
        Action.RESEND: {"case_no": _CASE_NO},
        Action.COMMENT: {"case_no": _CASE_NO},
        Action.PRUNE: {"days": (0, 1 << 31), "removed": (0, 1 << 31)},
    }
)

#: What an action cannot be without, and what is said when it is missing. One of the names is enough.
_REQUIRED: Mapping[Action, tuple[frozenset[str], str]] = MappingProxyType(
    {
        Action.MUTE: (frozenset({"duration_s", "for_case"}), "A mute needs a duration."),
        Action.ROLE_ADD: (frozenset({"role_id"}), "Choose the role to give."),
        Action.ROLE_REMOVE: (frozenset({"role_id"}), "Choose the role to take."),
        Action.PURGE: (frozenset({"count"}), f"Say how many messages: from 1 to {MAX_PURGE}."),
        Action.SLOWMODE: (frozenset({"slow_s"}), "Say how long between two messages: up to 6 hours, 0 for no pause."),
        **{action: (frozenset({"case_no"}), "Say which case it is about.") for action in CASE_ACTS},
    }
)

#: What comes with every act that was done in Discord itself: the number of its entry in Discord's audit log, whether a
#: bot did it, and whether newer acts on the same person were known before it was heard of.
NATIVE_PARAMS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"audit_id": (1, (1 << 63) - 1), "by_bot": (1, 1), "late": (1, 1)}
)


@dataclass(frozen=True, kw_only=True)
class ActionRequest:
    """One wish to moderate. Snowflakes are ``int``; ``issued_at`` is aware UTC; ``params`` holds whole numbers.

    ``batch_id`` is the job it belongs to; ``releases`` the over-budget request of somebody else that it stands in for.

    Raises:
        Malformed: a field breaks a rule that holds whoever asks (reason missing or too long, unknown parameter, …).
    """

    request_id: UUID
    guild_id: GuildId
    action: Action
    target_id: UserId
    moderator_id: UserId
    source: Source
    reason: str
    issued_at: datetime
    params: Mapping[str, int] = field(default_factory=dict)
    batch_id: UUID | None = None
    releases: UUID | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason.strip())
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        if self.action in REASON_REQUIRED and not self.reason:
            raise Malformed(
                f"A {self.action.noun} needs a reason: it is what the {self.action.noun} says.", about="reason"
            )
        if len(self.reason) > MAX_REASON:
            raise Malformed(
                f"The reason has {len(self.reason)} characters; a case keeps at most {MAX_REASON}.", about="reason"
            )
        if any((letter < " " and letter not in "\t\n\r") or "\ud800" <= letter <= "\udfff" for letter in self.reason):
            raise Malformed("The reason holds a character that no text may hold.", about="reason")
        self._check_params()

    def _check_params(self) -> None:
        native = self.source is Source.NATIVE
        if self.action in NATIVE_ONLY and not native:
            raise Malformed(f"Nobody asks Guard for a {self.action}: it is done in Discord itself.")
        bounds = {**PARAMS.get(self.action, {}), **(NATIVE_PARAMS if native else {})}
        for name, value in self.params.items():
            if name not in bounds:
                raise Malformed(f"A {self.action.noun} takes no {name}.", about=name)
            low, high = bounds[name]
            if type(value) is not int or not low <= value <= high:
                raise Malformed(f"{name} must be a whole number from {low} to {high}.", about=name)
        needed, sentence = _REQUIRED.get(self.action, (frozenset(), ""))
        if needed and not native and not needed & self.params.keys():
            raise Malformed(sentence, about=min(needed))
        if self.action is Action.AMEND and not self.reason and "duration_s" not in self.params:
            raise Malformed("Say what is to change: the reason, the duration, or both.", about="reason")
        if self.action is Action.PURGE and "channel_id" in self.params and "of_member" not in self.params:
            raise Malformed("A purge of a channel has that channel as its target, and no other.")
        if ("delete_message_id" in self.params) != ("delete_channel_id" in self.params):
            raise Malformed("A message to delete is named with its channel.")
        if self.action in TO_SERVER and self.target_id != self.guild_id:
            raise Malformed("A lockdown is of the whole server.")
        if self.for_case is not None and self.source is not Source.SYSTEM:
            raise Malformed("Only Guard itself keeps the end of a case.")

    @property
    def for_case(self) -> int | None:
        """The case whose end this request keeps, when Guard asks for it itself."""
        return self.params.get("for_case")

    @property
    def case_no(self) -> int | None:
        """The case that this request changes."""
        return self.params.get("case_no")

    @property
    def over_message(self) -> tuple[int, int] | None:
        """The message that goes with the act: its channel, and itself."""
        message_id = self.params.get("delete_message_id")
        return None if message_id is None else (self.params["delete_channel_id"], message_id)

    @property
    def of_place(self) -> bool:
        """Whether the target is a channel or the server, and no person."""
        in_channel = self.action is Action.PURGE and "of_member" not in self.params
        return in_channel or self.action in TO_CHANNELS | TO_SERVER

    @property
    def reverses(self) -> int | None:
        """The case that this request takes back."""
        return self.params.get("reverses")

    @property
    def tells(self) -> bool:
        """Whether the target is to be told: unless it says, one by one yes, in a job no."""
        if self.source is Source.NATIVE:
            return False  # whoever did it in Discord has told them, or not
        return bool(self.params.get("notice", self.batch_id is None))

    def fingerprint(self) -> str:
        """What makes two requests with one id the same wish: everything but the moment it was asked."""
        params = ",".join(f"{name}={self.params[name]}" for name in sorted(self.params))
        parts = (self.guild_id, self.action, self.target_id, self.moderator_id, self.source, params, self.reason)
        batch = () if self.batch_id is None else (self.batch_id, self.releases)
        return "|".join(map(str, (*parts, *batch)))


class RefusalKind(StrEnum):
    """Why a request was rejected, for words, tests and metrics."""

    SELF = "self"
    GUARD = "guard"
    OWNER = "owner"
    OUTRANKED = "outranked"
    GUARD_OUTRANKED = "guard_outranked"
    NOT_A_MEMBER = "not_a_member"
    TARGET_ADMINISTRATOR = "target_administrator"
    NO_CAPABILITY = "no_capability"
    CAPABILITY_LIMIT = "capability_limit"
    NO_LONGER_MEMBER = "no_longer_member"
    SUPERSEDED = "superseded"
    GUARD_PERMISSION = "guard_permission"
    GUARD_ABSENT = "guard_absent"
    BUDGET = "budget"
    RUNNING = "running"
    KEY_REVOKED = "key_revoked"
    BOT_TARGET = "bot_target"
    DUPLICATE = "duplicate"
    ALREADY = "already"
    OWN_REQUEST = "own_request"
    RELEASED = "released"
    NOT_OVER_BUDGET = "not_over_budget"
    ROLE_UNKNOWN = "role_unknown"
    ROLE_OUT_OF_REACH = "role_out_of_reach"
    CASE_UNKNOWN = "case_unknown"
    CASE_STATE = "case_state"
    REVERSED = "reversed"
    CHANNEL_UNKNOWN = "channel_unknown"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that will not run.

    ``sentence`` is complete and true for a moderator: what happened, what it means, what to do. ``until`` is set when
    time alone lifts the refusal, such as a budget that frees up.
    """

    kind: RefusalKind
    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The answer to a submit: the request is kept, accepted or rejected.

    ``replay`` says that the same id had been asked before and this is its present state. ``target_name`` is what the
    target was called when it was asked, for whoever answers.
    """

    request_id: UUID
    guild_id: GuildId
    action: Action
    target_id: UserId
    state: State
    refusal: Refusal | None = None
    case_no: int | None = None
    replay: bool = False
    target_name: str | None = field(default=None, compare=False)

    @classmethod
    def of(cls, request: ActionRequest, refusal: Refusal | None = None) -> Receipt:
        """What is answered to a request that was just kept: accepted, or rejected with this refusal."""
        return cls(
            request_id=request.request_id,
            guild_id=request.guild_id,
            action=request.action,
            target_id=request.target_id,
            state=State.REJECTED if refusal else State.ACCEPTED,
            refusal=refusal,
        )

    @property
    def accepted(self) -> bool:
        """True unless the request was rejected."""
        return self.state is not State.REJECTED
