from __future__ import annotations

import psycopg2
import redis


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
