"""The conformance suite goes through its steps once for each client; ``--full`` makes it longer."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="more members and more interruptions")
