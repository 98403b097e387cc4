"""The live stream through Debian's nginx with the settings of docs/live.md, word for word."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.person import Person
from kovra.actions.request import Action

DOCS = Path(__file__).parents[2] / "docs" / "live.md"

AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; {settings} }}
}}
"""


@pytest.fixture
def nginx(require, path, tmp_path):
    """The address of an nginx in front of the warm Kovra."""
    require("nginx")
    (settings,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert "http://127.0.0.1:8000;" in settings
    settings = settings.replace("http://127.0.0.1:8000;", f"http://{urlsplit(path.stack.web_url).netloc};")
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    config = tmp_path / "nginx.conf"
    config.write_text(AROUND.format(folder=tmp_path, port=port, settings=settings))
    log = (tmp_path / "said").open("wb")
    process = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(config)], stdout=log, stderr=log)

    def listens():
        assert process.poll() is None, (tmp_path / "said").read_text()
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", port)) == 0

    path.until(listens)
    yield "127.0.0.1", port
    process.terminate()
    process.wait(timeout=30)
    log.close()


def test_events_pass_at_once_and_a_reader_who_leaves_is_gone(nginx, path):
    person = Person(path.stack.web_url, path.discord.people["juniperlock"])
    cookie = "; ".join(f"{name}={value}" for name, value in person.session.cookies.get_dict().items())

    for _ in range(8):  # six at once would be too many
        with socket.create_connection(nginx, timeout=30) as stream:
            stream.sendall(
                f"GET /g/{path.guild_id}/live HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
                f"Cookie: {cookie}\r\n\r\n".encode()
            )
            got = until(stream, b"", b": open\n\n")
            assert got.startswith(b"HTTP/1.1 200")
        path.until(lambda: person.session.get(f"{path.stack.web_url}/healthz", timeout=10).ok)

    with socket.create_connection(nginx, timeout=30) as stream:
        stream.sendall(
            f"GET /g/{path.guild_id}/live HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
            f"Cookie: {cookie}\r\n\r\n".encode()
        )
        got = until(stream, b"", b": open\n\n")
        path.run(path.a(Action.WARN, path.discord.someone()))
        until(stream, got, b"event: case.created\n")


def until(stream, got, wanted):
    while wanted not in got:
        more = stream.recv(65536)
        assert more, got
        got += more
    return got
