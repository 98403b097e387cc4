import pytest

from kovra.config import ConfigError, Process, from_environment

HEX = "ab" * 32
WHOLE = {
    "DATABASE_URL": "postgres://u:p@h/d",
    "REDIS_URL": "redis://h",
    "DISCORD_TOKEN": "t0ken",
    "DISCORD_CLIENT_ID": "1",
    "DISCORD_CLIENT_SECRET": "s3cret",
    "KOVRA_BASE_URL": "https://kovra.example.org/",
    "KOVRA_WEB_KEYS": f"web-2:{HEX}, web-1:{HEX}",
    "KOVRA_GUARD_KEYS": f"guard-1:{HEX}",
    "KOVRA_AUDIT_KEY": HEX,
    "KOVRA_SESSION_KEY": HEX,
}


def test_whole_environment_is_read():
    config = from_environment(Process.WORKER, WHOLE)

    assert [key.kid for key in config.web_keys] == ["web-2", "web-1"]
    assert config.verifying_keys.keys() == {"web-1", "web-2", "guard-1"}
    assert config.base_url == "https://kovra.example.org"
    assert config.discord_base_url == "https://discord.com"


@pytest.mark.parametrize("process", Process)
def test_everything_missing_is_named_at_once(process):
    with pytest.raises(ConfigError) as caught:
        from_environment(process, {})

    from kovra.config import NEEDS

    for name in NEEDS[process] | {"DATABASE_URL"}:
        assert name in str(caught.value)


def test_a_worker_may_serve_some_shards():
    config = from_environment(Process.WORKER, WHOLE | {"KOVRA_WORKER_SHARDS": "40, 0-2,1"})

    assert config.worker_shards == (0, 1, 2, 40)
    assert from_environment(Process.WORKER, WHOLE).worker_shards == ()
    for wrong in ("64", "one", "1-2-3", "9-3", "-1", "0-99999"):
        with pytest.raises(ConfigError, match="KOVRA_WORKER_SHARDS"):
            from_environment(Process.WORKER, WHOLE | {"KOVRA_WORKER_SHARDS": wrong})


def test_web_starts_without_guards_secrets():
    environ = {name: value for name, value in WHOLE.items() if name not in ("DISCORD_TOKEN", "KOVRA_GUARD_KEYS")}

    assert from_environment(Process.WEB, environ).guard_keys == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KOVRA_AUDIT_KEY", "short"),
        ("KOVRA_WEB_KEYS", "nokey"),
        ("KOVRA_WEB_KEYS", f":{HEX}"),
        ("KOVRA_GUARD_KEYS", "guard:zz"),
        ("KOVRA_BASE_URL", "kovra.example.org"),
        ("KOVRA_PROXIES", "two"),
        ("DISCORD_BASE_URL", "https://discord.example.org"),
    ],
)
def test_wrong_value_is_named(name, value):
    with pytest.raises(ConfigError, match=name):
        from_environment(Process.WORKER, {**WHOLE, name: value})


def test_a_revoked_key_is_marked_and_still_known():
    config = from_environment(Process.WORKER, {**WHOLE, "KOVRA_REVOKED_KEYS": "web-1, guard-0"})

    assert {kid: key.revoked for kid, key in config.verifying_keys.items()} == {
        "web-2": False,
        "web-1": True,
        "guard-1": False,
    }


@pytest.mark.parametrize(
    ("process", "kid", "name"),
    [(Process.WEB, "web-2", "KOVRA_WEB_KEYS"), (Process.BOT, "guard-1", "KOVRA_GUARD_KEYS")],
)
def test_no_process_starts_to_sign_with_a_revoked_key(process, kid, name):
    with pytest.raises(ConfigError, match=f"put a new key first in {name}: its first signs, and {kid} is revoked"):
        from_environment(process, {**WHOLE, "KOVRA_REVOKED_KEYS": kid})


def test_one_name_for_two_keys_is_refused():
    # The rings are told apart by the names of their keys: a shared name would let one sign as the other.
    with pytest.raises(ConfigError, match="its own name .web-1 is twice."):
        from_environment(Process.WORKER, {**WHOLE, "KOVRA_GUARD_KEYS": f"web-1:{'cd' * 32}"})


def test_no_secret_shows_in_its_repr():
    text = repr(from_environment(Process.WORKER, WHOLE))

    assert not any(secret in text for secret in ("t0ken", "s3cret", HEX, repr(bytes.fromhex(HEX)), "u:p@h"))


def test_the_shards_of_a_process_are_named_among_all():
    config = from_environment(Process.BOT, WHOLE | {"DISCORD_SHARDS": "4", "DISCORD_SHARD_IDS": "3, 1"})
    assert (config.shard_count, config.shard_ids) == (4, (1, 3))

    for wrong in ({"DISCORD_SHARD_IDS": "1"}, {"DISCORD_SHARDS": "2", "DISCORD_SHARD_IDS": "2"}):
        with pytest.raises(ConfigError, match="DISCORD_SHARDS"):
            from_environment(Process.BOT, WHOLE | wrong)
    with pytest.raises(ConfigError, match="DISCORD_SHARD_IDS"):
        from_environment(Process.BOT, WHOLE | {"DISCORD_SHARDS": "2", "DISCORD_SHARD_IDS": "one"})
