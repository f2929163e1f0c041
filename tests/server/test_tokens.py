from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.errors import InvalidEvent, TooLarge, Unauthorized
from voicebridge.server.tokens import MAX_TOKEN_CHARS, TokenGrant, TokenSigner, new_grant

NOW = 1_763_712_000.0
SECRET = "0123456789abcdef0123456789abcdef"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def grant(**changes: Any) -> TokenGrant:
    session = {"model": "gpt-realtime", "instructions": "Speak slowly, Zoë."}
    made = new_grant(
        kind="realtime", minted_in="ga", session=session, ttl_s=600, single_use=False, issuer="abc", now_wall=NOW
    )
    return dataclasses.replace(made, **changes)


@given(
    session=st.dictionaries(st.text(), json_values, max_size=5),
    ttl_s=st.integers(10, 7200),
    single_use=st.booleans(),
    now=st.floats(0, 4e9),
)
def test_what_was_minted_comes_back_until_it_expires(
    session: dict[str, Any], ttl_s: int, single_use: bool, now: float
) -> None:
    made = new_grant(
        kind="transcription", minted_in="beta", session=session, ttl_s=ttl_s, single_use=single_use, issuer="k",
        now_wall=now,
    )  # fmt: skip
    token = TokenSigner(SECRET).mint(made, now)
    assert token.startswith("ek_")
    assert TokenSigner(SECRET).verify(token, now) == made
    assert TokenSigner(SECRET).verify(token, made.expires_at - 0.001) == made
    with pytest.raises(Unauthorized) as caught:
        TokenSigner(SECRET).verify(token, made.expires_at)
    assert caught.value.code == "ephemeral_key_expired"


def test_a_key_of_another_secret_is_not_accepted() -> None:
    token = TokenSigner(SECRET).mint(grant(), NOW)
    with pytest.raises(Unauthorized) as caught:
        TokenSigner(SECRET + "x").verify(token, NOW)
    assert caught.value.code == "invalid_api_key"


def test_every_changed_character_is_noticed() -> None:
    signer = TokenSigner(SECRET)
    token = signer.mint(grant(), NOW)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for position in range(len(token)):
        for other in (alphabet[(alphabet.find(token[position]) + step) % 64] for step in (1, 2, 16, 32)):
            changed = token[:position] + other + token[position + 1 :]
            with pytest.raises(Unauthorized) as caught:
                signer.verify(changed, NOW)
            assert caught.value.code == "invalid_api_key"


def test_every_cut_and_every_added_character_is_noticed() -> None:
    signer = TokenSigner(SECRET)
    token = signer.mint(grant(), NOW)
    for wrong in [token[:length] for length in range(len(token))] + [token + tail for tail in ("A", "=", " ", "\n")]:
        with pytest.raises(Unauthorized):
            signer.verify(wrong, NOW)


@given(st.text() | st.text(alphabet="ek_ABCDabcd0123-_=").map("ek_".__add__) | st.text().map("ek_".__add__))
def test_anything_else_is_refused_in_the_same_way(text: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        TokenSigner(SECRET).verify(text, NOW)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("ttl_s", "code"),
    [(9, "integer_below_min_value"), (0, "integer_below_min_value"), (-1, "integer_below_min_value"),
     (7201, "integer_above_max_value")],
)  # fmt: skip
def test_lifetimes_have_limits(ttl_s: int, code: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        new_grant(kind="realtime", minted_in="ga", session={}, ttl_s=ttl_s, single_use=False, issuer="", now_wall=NOW)
    assert (caught.value.code, caught.value.param) == (code, "expires_after.seconds")
    with pytest.raises(InvalidEvent):
        TokenSigner(SECRET).mint(grant(expires_at=int(NOW) + ttl_s), NOW)


@pytest.mark.parametrize("ttl_s", [10, 7200])
def test_lifetimes_at_the_limits_are_fine(ttl_s: int) -> None:
    made = grant(expires_at=int(NOW) + ttl_s)
    assert TokenSigner(SECRET).verify(TokenSigner(SECRET).mint(made, NOW + 0.9), NOW + 1) == made


def test_ids_are_unique() -> None:
    assert len({grant().token_id for _ in range(100)}) == 100


def test_long_sessions_are_refused_and_large_repetitive_ones_fit() -> None:
    signer = TokenSigner(SECRET)
    tools = [{"name": f"tool{i}", "parameters": {"type": "object", "properties": {}}} for i in range(100)]
    assert len(signer.mint(grant(session={"tools": tools}), NOW)) < MAX_TOKEN_CHARS
    noise = "".join(chr(0x4E00 + (i * 7919) % 20_000) for i in range(20_000))
    with pytest.raises(TooLarge) as caught:
        signer.mint(grant(session={"instructions": noise}), NOW)
    assert caught.value.param == "session"
    with pytest.raises(TooLarge):
        signer.mint(grant(session={"instructions": "a" * 300_000}), NOW)


def test_the_key_itself_does_not_carry_the_secret() -> None:
    assert SECRET not in TokenSigner(SECRET).mint(grant(), NOW)
