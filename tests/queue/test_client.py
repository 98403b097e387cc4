import socket
import threading

import pytest
import redis

from kovra.queue.client import UNREACHED, connect, is_cluster, of_one_node


def test_a_command_without_an_answer_is_sent_once():
    heard = []

    def answer(line):
        with line:
            while data := line.recv(65536):
                heard.append(data)
                if b"INCR" not in data:
                    line.sendall(b"+OK\r\n" * data.count(b"*"))  # the greeting of a new connection

    def listen(server):
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return  # the test is over
            threading.Thread(target=answer, args=(line,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, args=(server,), daemon=True).start()
        client = connect(f"redis://127.0.0.1:{server.getsockname()[1]}", socket_timeout_s=0.3)

        with pytest.raises(UNREACHED):
            client.execute_command("INCR", "n")
        client.close()

    assert sum(data.count(b"INCR") for data in heard) == 1


def test_nobody_there_is_said_at_once_as_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(redis.ConnectionError):
        connect(f"redis://127.0.0.1:{port}").ping()


def test_tls_and_unix_addresses_open_nothing_until_used():
    connect("rediss://redis.example:6380/0")
    connect("unix:///tmp/nowhere.sock?db=0")


def test_an_address_says_whether_it_is_a_clusters():
    assert is_cluster("rediss://:secret@host:6379?cluster=true&socket_timeout=3")
    assert not is_cluster("redis://host:6379/0")
    assert of_one_node("rediss://:secret@host:6379?cluster=true&socket_timeout=3") == (
        "rediss://:secret@host:6379?socket_timeout=3"
    )
    for other in ("unix:///run/redis.sock?db=0", "redis://host:6379/0", "rediss://host:6379?socket_timeout=3"):
        assert of_one_node(other) == other
