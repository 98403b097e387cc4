"""The signed bytes: whatever is not exactly what was sealed is refused, and nothing else ever comes out."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kovra.actions.envelope import MAX_BODY_BYTES, SOURCES_OF_RING, Key, open_envelope, seal
from kovra.actions.request import MAX_REASON, Action, ActionRequest, Source
from kovra.errors import EnvelopeRefused, Malformed
from kovra.ids import GuildId, UserId, new_request_id
from tests.wishes import ASKED

WEB = Key(kid="w1", ring="web", secret=b"w" * 32)
OLD = Key(kid="w0", ring="web", secret=b"o" * 32)
GUARD = Key(kid="g1", ring="guard", secret=b"g" * 32)
KEYS = {key.kid: key for key in (WEB, OLD, GUARD)}
LANE = GuildId(110_000_000_000_000_001)


def sign(body: bytes, key: Key = WEB) -> str:
    """A good signature over any bytes: what somebody with a stolen key could make."""
    return hmac.new(key.secret, b"kovra.action.v1\0" + key.kid.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def refused(body: bytes, sig: str | None = None, kid: str = "w1", lane: GuildId = LANE) -> str:
    """Why an entry is refused; fails when it is not."""
    with pytest.raises(EnvelopeRefused) as caught:
        open_envelope(body, kid, sign(body, KEYS.get(kid, WEB)) if sig is None else sig, keys=KEYS, lane=lane)
    return caught.value.cause


@pytest.fixture
def sealed(a, noon):
    return seal(a(params={"delete_window_s": 60}), WEB, noon + timedelta(hours=1))


def changed(sealed, **fields) -> bytes:
    """The sealed body with fields changed, spelled canonically."""
    raw = json.loads(sealed.body) | fields
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# -- what is sealed opens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ASKED)
def test_what_was_sealed_comes_out_unchanged(a, noon, action):
    request = a(action, reason='ünï 🦊 "quoted" \\ \n line')
    sealed = seal(request, WEB, noon + timedelta(hours=1))

    verified = open_envelope(sealed.body, sealed.kid, sealed.sig, keys=KEYS, lane=LANE)

    assert verified.request == request
    assert verified.expires_at == noon + timedelta(hours=1)
    assert verified.body == sealed.body


@given(
    reason=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200),
    window_s=st.integers(0, 604_800),
    target=st.integers(1, 2**63 - 1),
    second=st.integers(0, 4_000_000_000),
    ms=st.integers(0, 999),
)
@settings(max_examples=100, deadline=None)
def test_any_request_survives_the_trip(reason, window_s, target, second, ms):
    moment = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=ms)
    request = ActionRequest(
        request_id=new_request_id(),
        guild_id=LANE,
        action=Action.BAN,
        target_id=UserId(target),
        moderator_id=UserId(7),
        source=Source.API,
        reason=reason,
        issued_at=moment,
        params={"delete_window_s": window_s},
    )

    sealed = seal(request, WEB, moment)

    assert open_envelope(sealed.body, sealed.kid, sealed.sig, keys=KEYS, lane=LANE).request == request


def test_the_longest_reason_fits_an_envelope_however_it_is_written(a, noon):
    for letter in ("🦊", '"', "\\", "x"):
        sealed = seal(a(reason=letter * MAX_REASON), WEB, noon)
        assert len(sealed.body) <= MAX_BODY_BYTES
        assert open_envelope(sealed.body, sealed.kid, sealed.sig, keys=KEYS, lane=LANE)


def test_an_older_key_verifies_as_long_as_it_is_kept(a, noon):
    sealed = seal(a(), OLD, noon)

    assert open_envelope(sealed.body, "w0", sealed.sig, keys=KEYS, lane=LANE)
    with pytest.raises(EnvelopeRefused, match="key"):
        open_envelope(sealed.body, "w0", sealed.sig, keys={"w1": WEB}, lane=LANE)


def test_a_revoked_key_opens_what_it_sealed_and_says_so(a, noon):
    sealed = seal(a(), OLD, noon)
    revoked = dataclasses.replace(OLD, revoked=True)

    opened = open_envelope(sealed.body, "w0", sealed.sig, keys={"w1": WEB, "w0": revoked}, lane=LANE)

    assert opened.revoked
    assert not open_envelope(sealed.body, "w0", sealed.sig, keys=KEYS, lane=LANE).revoked


def test_a_key_is_never_shown():
    assert "w" * 8 not in repr(WEB)
    assert WEB.secret.hex()[:8] not in repr(WEB)


# -- forgeries without the key ---------------------------------------------------------------------------------------


def test_every_single_flipped_bit_is_refused(sealed):
    for position in range(len(sealed.body)):
        for bit in range(8):
            forged = bytearray(sealed.body)
            forged[position] ^= 1 << bit
            assert refused(bytes(forged), sealed.sig) == "signature"


def test_another_signature_is_refused(sealed):
    sig = sealed.sig
    for forged in ("", "0" * 64, sig[:-1], sig + "0", sig.upper(), f" {sig}", sig[::-1], "ü" * 64, "\ud800" * 64):
        assert refused(sealed.body, forged) == "signature"


def test_a_key_that_signs_for_another_kid_is_refused(sealed):
    assert refused(sealed.body, sealed.sig, kid="w0") == "signature"
    assert refused(sealed.body, sealed.sig, kid="g1") == "signature"


@pytest.mark.parametrize("kid", ["", "nobody", "W1", "w1\0", "ü", "\ud800", "w" * 100_000])
def test_an_unknown_key_is_refused(sealed, kid):
    assert refused(sealed.body, sealed.sig, kid=kid) == "key"


def test_the_signature_of_a_zero_key_opens_nothing(sealed):
    zero = Key(kid="", ring="web", secret=b"\0" * 32)

    assert refused(sealed.body, sign(sealed.body, zero), kid="") == "key"
    assert refused(sealed.body, sign(sealed.body, zero), kid="nobody") == "key"


def test_the_mac_of_another_domain_opens_nothing(sealed):
    bare = hmac.new(WEB.secret, sealed.body, hashlib.sha256).hexdigest()

    assert refused(sealed.body, bare) == "signature"


def test_an_entry_on_the_lane_of_another_guild_is_refused(sealed):
    assert refused(sealed.body, sealed.sig, lane=GuildId(LANE + 1)) == "lane"


def test_more_than_fits_is_refused_unread(sealed):
    large = sealed.body + b" " * MAX_BODY_BYTES

    assert refused(large) == "size"
    assert refused(b"[" * MAX_BODY_BYTES) == "form"


# -- forgeries with a key: a stolen key still makes nothing but canonical requests of its ring -----------------------


def test_a_web_key_cannot_speak_as_guard_nor_guard_as_the_dashboard(a, noon):
    for source in Source:
        for key in (WEB, GUARD):
            if source in SOURCES_OF_RING[key.ring]:
                sealed = seal(a(source=source), key, noon)
                assert open_envelope(sealed.body, key.kid, sealed.sig, keys=KEYS, lane=LANE).request.source is source
                assert refused(sealed.body, kid="g1" if key is WEB else "w1") == "source"
            else:
                with pytest.raises(Malformed):
                    seal(a(source=source), key, noon)


def test_every_source_has_exactly_one_ring():
    assert sorted(source for ring in SOURCES_OF_RING.values() for source in ring) == sorted(Source)


def test_a_dropped_or_an_added_field_is_refused(sealed):
    raw = json.loads(sealed.body)
    for name in raw:
        less = {key: value for key, value in raw.items() if key != name}
        assert refused(json.dumps(less, sort_keys=True, separators=(",", ":")).encode()) == "form"
    assert refused(changed(sealed, extra=1)) == "form"
    assert refused(changed(sealed, params={"delete_window_s": 60, "extra": 1})) == "form"


def test_a_field_given_twice_is_refused(sealed):
    twice = sealed.body.replace(b'{"action":"ban",', b'{"action":"ban","action":"ban",')
    other = sealed.body.replace(b'{"action":"ban",', b'{"action":"kick","action":"ban",')

    assert refused(twice) == "form"
    assert refused(other) == "form"


def test_another_spelling_of_the_same_request_is_refused(sealed):
    body = sealed.body
    raw = json.loads(body)
    spellings = [
        body + b" ",
        b" " + body,
        body + b"\n",
        b"\xef\xbb\xbf" + body,
        body.replace(b":", b": ", 1),
        body.replace(b'"spam"', b'"\\u0073pam"'),
        json.dumps(dict(reversed(raw.items())), separators=(",", ":")).encode(),
        body.decode().encode("utf-16"),
    ]
    for spelling in spellings:
        assert spelling != body
        assert refused(spelling) == "form"


@pytest.mark.parametrize(
    "fields",
    [
        {"guild_id": int(LANE)},
        {"guild_id": f" {LANE}"},
        {"guild_id": f"+{LANE}"},
        {"guild_id": f"0{LANE}"},
        {"guild_id": "110_000_000_000_000_001"},
        {"target_id": "١٣"},
        {"target_id": "9" * 5000},
        {"target_id": None},
        {"target_id": ["1"]},
        {"moderator_id": True},
        {"request_id": "0192F5A0-0000-7000-8000-000000000001"},
        {"request_id": "0192f5a0000070008000000000000001"},
        {"request_id": "{0192f5a0-0000-7000-8000-000000000001}"},
        {"request_id": "x"},
        {"action": "Ban"},
        {"action": "destroy"},
        {"action": ["ban"]},
        {"source": "discord "},
        {"reason": " spam "},
        {"reason": None},
        {"reason": ["spam"]},
        {"reason": "a\u0000b"},
        {"reason": "x" * (MAX_REASON + 1)},
        {"params": [["delete_window_s", 60]]},
        {"params": None},
        {"params": {"delete_window_s": 60.0}},
        {"params": {"delete_window_s": True}},
        {"params": {"delete_window_s": "60"}},
        {"params": {"delete_window_s": 604_801}},
        {"params": {"duration": 60}},
        {"params": {"for_case": 1}},
        {"issued_at": 1.5},
        {"issued_at": "0"},
        {"issued_at": None},
        {"issued_at": True},
        {"issued_at": 10**18},
        {"expires_at": 10**400},
        {"expires_at": -(10**18)},
        {"v": 2},
        {"v": True},
        {"v": "1"},
    ],
)
def test_a_value_in_any_other_form_is_refused(sealed, fields):
    assert refused(changed(sealed, **fields)) == "form"


@pytest.mark.parametrize(
    "number", [b"60.0", b"6e1", b"NaN", b"Infinity", b"-Infinity", b"1" * 5000, b"060", b"-0", b"0x3c"]
)
def test_no_number_but_a_whole_one_in_its_one_spelling(sealed, number):
    assert refused(sealed.body.replace(b":60}", b":" + number + b"}")) == "form"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"1", b'"x"', b"\xff\xfe", b"{" * 20_000, b'{"a":' * 4000, b'"\\ud800"'],
)
def test_what_is_no_request_is_refused(body):
    assert refused(body) == "form"


def test_a_lone_surrogate_is_refused(sealed):
    assert refused(sealed.body.replace(b'"spam"', b'"\\ud800"')) == "form"
    assert refused(sealed.body.replace(b'"spam"', b'"\xed\xa0\x80"')) == "form"


# -- fuzz: nothing but EnvelopeRefused ever comes out ----------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["action", "expires_at", "guild_id", "issued_at", "moderator_id", "params"]
    + ["reason", "request_id", "source", "target_id", "v"]
)


def opens_or_refuses(body: bytes, kid: str, sig: str) -> None:
    try:
        verified = open_envelope(body, kid, sig, keys=KEYS, lane=LANE)
    except EnvelopeRefused:
        return  # one of the two that are allowed
    assert verified.body == body
    assert seal(verified.request, KEYS[kid], verified.expires_at).body == body


@given(body=st.binary(max_size=400), kid=st.text(max_size=5), sig=st.text(max_size=70))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_and_nothing_else_is_raised(body, kid, sig):
    with pytest.raises(EnvelopeRefused):
        open_envelope(body, kid, sig, keys=KEYS, lane=LANE)


@given(body=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_signed_bytes_open_or_are_refused(body):
    opens_or_refuses(body, "w1", sign(body))


@given(fields=st.dictionaries(names, json_values, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_signed_values_open_as_they_stand_or_are_refused(fields):
    raw = {
        "action": "ban",
        "expires_at": 1_767_358_800_000,
        "guild_id": str(LANE),
        "issued_at": 1_767_355_200_000,
        "moderator_id": "120000000000000002",
        "params": {},
        "reason": "spam",
        "request_id": "0192f5a0-0000-7000-8000-000000000001",
        "source": "dashboard",
        "target_id": "130000000000000003",
        "v": 1,
    } | fields
    body = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    opens_or_refuses(body, "w1", sign(body))
