"""Small parts of pages that depend on nothing but what they are called with, each drawn once.

A page has a hundred icons of some thirty kinds, and calling a macro costs as much as all that it draws.
"""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment

#: Macros of ``parts.html`` that ask neither who reads nor what time it is.
PURE = ("icon", "act", "source", "notice")
#: How many of each are kept, at some 200 bytes.
KEPT = 512


def keep(env: Environment) -> None:
    """Let templates that import ``parts.html``, without context and so the same module, find them drawn."""
    module = env.get_template("parts.html").module
    for name in PURE:
        setattr(module, name, lru_cache(maxsize=KEPT)(getattr(module, name)))
