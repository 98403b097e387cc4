"""The pages about the sandbox are true: the programs they print run as printed, the table of routes is the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kovra.launcher.needs import all_required
from kovra.sandbox import rest
from tests.conformance import installed

DOCS = Path(__file__).parents[2] / "docs"
ADDRESS = "127.0.0.1:8400"


def program(client: str) -> str:
    """The program that the page prints under a client's name."""
    page = (DOCS / "sandbox.md").read_text()
    return re.search(rf"^{re.escape(client)}: .*?```\w+\n(.*?)```", page, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture(params=["Pycord", "discord.py", "discord.js"])
def bot(request, require, small_discord, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """One of these programs, changed in nothing but the port."""
    text = program(request.param).replace(ADDRESS, small_discord.base_url.removeprefix("http://"))
    assert ADDRESS not in text
    file = tmp_path / ("bot.js" if request.param == "discord.js" else "bot.py")
    file.write_text(text)
    environment = dict(os.environ)
    try:
        if request.param == "discord.js":
            require("node clients")
            environment["NODE_PATH"] = str(installed.node_folder() / "node_modules")
        elif request.param == "discord.py":
            environment["PYTHONPATH"] = str(installed.discord_py())
    except installed.NotInstalled as error:
        (pytest.fail if all_required() else pytest.skip)(f"{request.param}: {error}")
    command = ["node" if file.suffix == ".js" else sys.executable, str(file)]
    errors = (tmp_path / "errors").open("w+")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    errors.close()


def test_each_program_of_the_page_connects_and_answers(bot, small_discord, eventually):
    assert bot.stdout.readline() == "Guard is in Lanternfall\n"
    corner = str(small_discord.channel("bot-corner"))
    body = {"user_id": str(small_discord.cast.plain[0]), "channel_id": corner, "content": "!ping"}

    small_discord.control("POST", "messages", body)

    said = eventually(
        lambda: [
            message["content"]
            for message in small_discord.control("GET", f"channels/{corner}/messages")
            if message["content"].startswith("pong")
        ]
    )
    assert len(said) == 1


def test_the_table_of_routes_is_the_codes():
    rows = re.findall(
        r"^\| (\w+) \| ([A-Z ]+) \| `(/[^`]*)` \|", (DOCS / "sandbox-routes.md").read_text(), re.MULTILINE
    )

    written = {(module, method, path) for module, methods, path in rows for method in methods.split()}
    built = {
        (subject.__name__.rsplit(".", 1)[1], route.method, route.template)
        for subject in rest.SUBJECTS
        for route in subject.table.routes
    }
    assert written == built


def test_a_channel_of_a_kind_that_is_not_built_is_refused(small_discord):
    answer = small_discord.in_guild("POST", "/channels", json={"name": "forum", "type": 15})

    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
