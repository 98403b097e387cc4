"""Open streams on the real web server: handed over, followed, left, revoked."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from benchmarks.person import Person
from kovra.actions.request import Action


class Line:
    """A browser's connection, byte for byte."""

    def __init__(self, web_url, guild_id, person, since=None):
        address = urlsplit(web_url)
        cookie = "; ".join(f"{name}={value}" for name, value in person.session.cookies.get_dict().items())
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)
        since = "" if since is None else f"?since={since}"
        self.socket.sendall(
            f"GET /g/{guild_id}/live{since} HTTP/1.1\r\nHost: {address.netloc}\r\nSec-Fetch-Site: same-origin\r\n"
            f"Cookie: {cookie}\r\n\r\n".encode()
        )
        self.got = b""

    def until(self, wanted):
        while wanted not in self.got:
            more = self.socket.recv(65536)
            assert more, self.got
            self.got += more
        return self


@pytest.fixture
def line(path):
    opened = []

    def open_line(user, **how):
        person = user if isinstance(user, Person) else Person(path.stack.web_url, path.discord.people[user])
        opened.append(Line(path.stack.web_url, path.guild_id, person, **how))
        return opened[-1]

    yield open_line
    for each in opened:
        each.socket.close()


def test_the_server_lets_go_of_a_stream_and_the_hub_writes_it(path, line):
    stream = line("juniperlock").until(b": open\n\n")
    head = stream.got.split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    for header in (b"x-accel-buffering: no", b"cache-control: no-store", b"content-security-policy: "):
        assert header in head

    case = path.run(path.a(Action.WARN, path.discord.someone()))

    stream.until(b"event: case.created\n")
    assert case


def test_tabs_that_went_away_take_no_places(path, line):
    person = Person(path.stack.web_url, path.discord.people["juniperlock"])

    for _ in range(30):  # six at once would be too many
        stream = line(person)
        stream.until(b"\r\n\r\n")
        assert b" 200 " in stream.got.split(b"\r\n")[0]
        stream.socket.close()
        path.until(lambda: person.session.get(f"{path.stack.web_url}/healthz", timeout=10).ok)


def test_signing_out_ends_the_stream(path, line):
    person = Person(path.stack.web_url, path.discord.people["juniperlock"])
    stream = line(person).until(b": open\n\n")

    page = person.session.get(f"{path.stack.web_url}/g/{path.guild_id}/cases", timeout=30).text
    token = page.split('name="csrf" value="')[1].split('"')[0]
    person.session.post(f"{path.stack.web_url}/logout", data={"csrf": token}, timeout=30)

    stream.until(b"event: revoked\n")
    assert line(person).until(b"\r\n\r\n").got.split(b"\r\n")[0].split()[1] == b"204"
