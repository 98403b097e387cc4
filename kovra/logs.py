"""One line a record: time, level, process, message. User text in a message cannot make a second line."""

from __future__ import annotations

import logging
import os


class OneLine(logging.Formatter):
    """Escapes control characters, so that a name with a line break forges no record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, its traceback included."""
        text = super().format(record)
        return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def configure() -> None:
    """Log to standard error at KOVRA_LOG_LEVEL (INFO by default)."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=os.environ.get("KOVRA_LOG_LEVEL", "INFO").upper(), handlers=[handler], force=True)
