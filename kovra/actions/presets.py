"""Bundles of capabilities that a server's admins give with one choice, from the least to the most."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kovra.actions.capabilities import Capability, Limit

_C = Capability
_FREELY = Limit()
#: The longest mute of somebody who is tried out.
TRIAL_MUTE_S = 24 * 3600


def _with(lesser: Mapping[Capability, Limit], *more: Capability) -> Mapping[Capability, Limit]:
    return MappingProxyType({**lesser, **dict.fromkeys(more, _FREELY)})


_VIEWER = _with({}, _C.VIEW)
_TRIAL = MappingProxyType(
    {**_with(_VIEWER, _C.VIEW_NOTES, _C.NOTE, _C.WARN), _C.MUTE: Limit(longest_s=TRIAL_MUTE_S)},
)
_MODERATOR = _with(_TRIAL, _C.MUTE, _C.KICK, _C.BAN, _C.CHANNELS, _C.ROLES, _C.INBOX)
_SENIOR = _with(
    _MODERATOR, _C.MASS, _C.LOCKDOWN, _C.AMEND, _C.REVERSE, _C.APPROVE, _C.APPEALS, _C.VIEW_AUDIT
)  # fmt: skip
_ADMIN = _with(_SENIOR, _C.AUTOMOD, _C.ANTINUKE, _C.QUEUE_OPS, _C.EXPORT, _C.SETTINGS)

PRESETS: Mapping[str, Mapping[Capability, Limit]] = MappingProxyType(
    {"viewer": _VIEWER, "trial": _TRIAL, "moderator": _MODERATOR, "senior": _SENIOR, "admin": _ADMIN}
)
