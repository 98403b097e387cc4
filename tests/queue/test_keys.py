import pytest

from kovra.queue.keys import Keys, is_lane, is_name, lane_of_stream, spread


def test_all_keys_of_a_shard_share_one_tag():
    keys = Keys("kovra", 64)

    names = [keys.prefix("guard", 7), keys.lock("guard", 7, "r1"), keys.stream("guard", 7, "42", 1)]

    assert [name.split("}")[0] for name in names] == ["kovra:{s7"] * 3


def test_a_snowflake_goes_to_the_shard_of_its_time_bits():
    shard_of = spread(64)

    assert shard_of(str(175928847299117063)) == (175928847299117063 >> 22) % 64
    assert 0 <= shard_of("default") < 64


def test_a_found_key_is_read_back():
    keys = Keys("kovra", 64)

    found = keys.found("guard", keys.stream("guard", 7, "42", 1))

    assert (found.shard, found.kind, lane_of_stream(found.rest)) == (7, "q", "42")


@pytest.mark.parametrize("key", ["kovra:{s99}:guard:q:1:0", "kovra:{s1}:other:q:1:0", "x:{s1}:guard:q:1:0", "kovra"])
def test_keys_of_others_are_not_ours(key):
    assert Keys("kovra", 64).found("guard", key) is None


@pytest.mark.parametrize("rest", ["1:2", "a:b:0", ":0", "1", "é:0"])
def test_a_stream_of_another_form_names_no_lane(rest):
    assert lane_of_stream(rest) is None


@pytest.mark.parametrize("text", ["", "a b", "a|b", "é", "x" * 201, "a\nb"])
def test_a_name_holds_nothing_that_would_break_a_record(text):
    assert not is_name(text)


@pytest.mark.parametrize("text", ["", "a:b", "a|b", "é", "x" * 65])
def test_a_lane_holds_nothing_that_would_break_a_key(text):
    assert not is_lane(text)


def test_a_namespace_holds_no_pattern():
    with pytest.raises(ValueError, match="no namespace"):
        Keys("kov*", 64)
