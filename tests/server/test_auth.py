from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from starlette.requests import HTTPConnection

from voicebridge.config import fingerprint, hash_key
from voicebridge.errors import Forbidden, Unauthorized
from voicebridge.server.auth import (
    Authenticator,
    Ephemeral,
    StandardKey,
    claim,
    credential,
    new_run_key,
    select_subprotocol,
)
from voicebridge.server.tokens import TokenSigner, new_grant
from voicebridge.state import InMemoryState

NOW = 1_000_000.0
KEY = "sk-test-key"
ISSUER = fingerprint(hash_key(KEY))
SIGNER = TokenSigner("s" * 32)


def connection(
    headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = (), query: str = ""
) -> HTTPConnection:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return HTTPConnection(
        {"type": "websocket", "headers": raw, "subprotocols": list(subprotocols), "query_string": query.encode()}
    )


def authenticator(*keys: str, allow_query: bool = False, now: float = NOW) -> Authenticator:
    return Authenticator([hash_key(key) for key in keys], SIGNER, lambda: now, allow_query=allow_query)


def ephemeral(*, issuer: str = ISSUER, single_use: bool = False) -> str:
    grant = new_grant(
        kind="realtime", minted_in="ga", session={}, ttl_s=60, single_use=single_use, issuer=issuer, now_wall=NOW
    )
    return SIGNER.mint(grant, NOW)


@pytest.mark.parametrize(
    ("headers", "subprotocols", "query", "found"),
    [
        ({"Authorization": "Bearer k1"}, (), "", "k1"),
        ({"authorization": "bearer  k1 "}, (), "", "k1"),
        ({"Authorization": "Basic k1"}, (), "", None),
        ({"Authorization": "Bearer "}, (), "", None),
        ({"Authorization": "Bearer"}, (), "", None),
        ({"api-key": "k2"}, (), "", "k2"),
        ({"Authorization": "Bearer k1", "api-key": "k2"}, ("realtime", "openai-insecure-api-key.k3"), "", "k1"),
        ({}, ("realtime", "openai-insecure-api-key.k3", "openai-beta.realtime-v1"), "", "k3"),
        ({}, ("openai-insecure-api-key.",), "", None),
        ({}, ("realtime",), "", None),
        ({}, (), "api_key=k4", None),
        ({}, (), "", None),
    ],
)
def test_the_key_is_found_where_clients_put_it(
    headers: Mapping[str, str], subprotocols: Sequence[str], query: str, found: str | None
) -> None:
    assert credential(connection(headers, subprotocols, query)) == found


@pytest.mark.parametrize("query", ["api_key=k4", "api-key=k4&model=m"])
def test_the_query_counts_only_if_allowed(query: str) -> None:
    assert credential(connection(query=query), allow_query=True) == "k4"
    with pytest.raises(Unauthorized):
        authenticator("k4").identify(connection(query=query))
    assert authenticator("k4", allow_query=True).identify(connection(query=query))


def test_configured_keys_are_standard_keys() -> None:
    both = authenticator("other", KEY)
    assert both.identify(connection({"Authorization": f"Bearer {KEY}"})) == StandardKey(ISSUER)
    assert both.identify_key("other") == StandardKey(fingerprint(hash_key("other")))


def test_no_key_is_refused_without_a_code_and_a_wrong_one_with_it() -> None:
    with pytest.raises(Unauthorized) as caught:
        authenticator(KEY).identify(connection())
    assert caught.value.code is None
    for wrong in ("x", KEY + "x", KEY[:-1], "sk-another-long-wrong-key", hash_key(KEY)):
        with pytest.raises(Unauthorized) as caught:
            authenticator(KEY).identify_key(wrong)
        assert caught.value.code == "invalid_api_key"
        assert wrong not in caught.value.message


def test_without_configured_keys_nobody_gets_in() -> None:
    for key in ("", "x", ephemeral()):
        with pytest.raises(Unauthorized):
            authenticator().identify_key(key)


def test_ephemeral_keys_are_recognised() -> None:
    offered = ["realtime", f"openai-insecure-api-key.{ephemeral()}"]
    identity = authenticator(KEY).identify(connection(subprotocols=offered))
    assert isinstance(identity, Ephemeral)
    assert identity.fingerprint == ISSUER


def test_ephemeral_keys_die_with_the_key_that_asked_for_them() -> None:
    with pytest.raises(Unauthorized, match="no longer valid"):
        authenticator("new-key").identify_key(ephemeral())


def test_an_expired_ephemeral_key_still_tells_whose_call_it_began() -> None:
    late = authenticator(KEY, now=NOW + 10_000)
    with pytest.raises(Unauthorized) as caught:
        late.identify_key(ephemeral())
    assert caught.value.code == "ephemeral_key_expired"
    identity = late.identify(connection({"Authorization": f"Bearer {ephemeral()}"}), expired_too=True)
    assert isinstance(identity, Ephemeral)
    with pytest.raises(Unauthorized):
        late.identify_key(ephemeral() + "x", expired_too=True)


def test_ephemeral_keys_open_sessions_and_nothing_else() -> None:
    keys = authenticator(KEY)
    with pytest.raises(Forbidden):
        keys.require_standard(connection({"Authorization": f"Bearer {ephemeral()}"}))
    assert keys.require_standard(connection({"Authorization": f"Bearer {KEY}"})) == StandardKey(ISSUER)


async def test_of_many_simultaneous_uses_of_a_single_use_key_one_succeeds() -> None:
    state = InMemoryState(lambda: NOW)
    identity = authenticator(KEY).identify_key(ephemeral(single_use=True))
    outcomes = await asyncio.gather(*(claim(identity, state) for _ in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unauthorized)]
    assert outcomes.count(None) == 1
    assert len(refused) == 49
    assert {error.code for error in refused} == {"ephemeral_key_used"}


async def test_other_keys_are_used_again_and_again() -> None:
    state = InMemoryState(lambda: NOW)
    for key in (KEY, ephemeral()):
        for _ in range(3):
            await claim(authenticator(KEY).identify_key(key), state)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["realtime"], "realtime"),
        (["openai-insecure-api-key.k", "realtime"], "realtime"),
        (["openai-insecure-api-key.k", "openai-beta.realtime-v1", "realtime"], "realtime"),
        (["openai-insecure-api-key.k", "openai-beta.realtime-v1"], "openai-beta.realtime-v1"),
        (["openai-insecure-api-key.k"], None),
    ],
)
def test_the_key_is_never_the_chosen_subprotocol(offered: list[str], chosen: str | None) -> None:
    assert select_subprotocol(offered) == chosen


def test_run_keys_are_long_and_different() -> None:
    keys = {new_run_key() for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) > 40 for key in keys)
