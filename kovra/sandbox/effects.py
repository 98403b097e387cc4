"""What really happened, counted per request: the outside judge of "never lost, never done twice".

Guard ends every audit reason with a mark, ``[kv:…]`` (:func:`kovra.ids.audit_ref`), and puts the same mark into the
messages it sends. The sandbox counts here what each mark caused, where no fault injected into the answer can reach it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_MARK_AT_END = re.compile(r"\[kv:([a-z2-7]{16})\]\s*\Z")
_MARK = re.compile(r"\[kv:([a-z2-7]{16})\]")


@dataclass(slots=True, kw_only=True)
class Effects:
    """Counters: ``calls`` and ``changes`` per "ref verb", ``messages`` per "ref kind", ``nonces`` per nonce.

    A call that succeeded without changing anything (a ban of someone banned already) counts as a call only.
    """

    calls: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    nonces: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        for counter in (self.calls, self.changes, self.messages, self.nonces):
            counter.clear()

    def deed(self, reason: str | None, verb: str, *, changed: bool) -> None:
        """Count a successful deed of the bot when its audit reason ends in a mark."""
        mark = _MARK_AT_END.search(reason) if reason else None
        if mark is None:
            return
        key = f"{mark[1]} {verb}"
        self.calls[key] += 1
        if changed:
            self.changes[key] += 1

    def message(self, content: str, embeds: list[dict[str, Any]], nonce: str | int | None, kind: str) -> None:
        """Count a message the bot created: per nonce, and per mark in its text or in a footer (kind: dm or channel)."""
        if nonce is not None:
            self.nonces[str(nonce)] += 1
        texts = [content, *((embed.get("footer") or {}).get("text") or "" for embed in embeds)]
        for ref in {found for text in texts for found in _MARK.findall(text)}:
            self.messages[f"{ref} {kind}"] += 1

    def report(self, ref: str | None = None) -> dict[str, Any]:
        """All counters as JSON, or those of one mark (written with or without ``[kv:…]``)."""
        wanted = None if ref is None else ref.strip().removeprefix("[kv:").removesuffix("]")
        deeds = [
            {"ref": key[:16], "verb": key[17:], "count": count, "changed": self.changes[key]}
            for key, count in self.calls.items()
            if wanted in (None, key[:16])
        ]
        messages = [
            {"ref": key[:16], "kind": key[17:], "count": count}
            for key, count in self.messages.items()
            if wanted in (None, key[:16])
        ]
        report: dict[str, Any] = {"effects": deeds, "messages": messages}
        if wanted is None:
            report["nonces"] = dict(self.nonces)
        return report
