from __future__ import annotations

import struct
from typing import Any

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.errors import CapacityReached
from voicebridge.transports.webrtc import ice
from voicebridge.transports.webrtc.ice import IceAgent, IceLite, Path

HOME: Path = (0, ("198.51.100.1", 4001))
AWAY: Path = (0, ("198.51.100.2", 4002))
OTHER_SOCKET: Path = (1, ("198.51.100.1", 4001))
OVER_IPV6: Path = (1, ("2001:db8::9", 4003, 0, 0))


class Wire:
    """What was sent where, and a clock."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Path]] = []
        self.ice = IceLite(lambda data, path: self.sent.append((data, path)))
        self.now = 0.0

    def call(self) -> Call:
        received: list[bytes] = []
        return Call(self, self.ice.agent(received.append, self.now), received)

    def deliver(self, data: bytes, path: Path = HOME) -> list[tuple[bytes, Path]]:
        """The answers."""
        del self.sent[:]
        self.ice.datagram(data, path, self.now)
        return list(self.sent)


class Call:
    def __init__(self, wire: Wire, agent: IceAgent, received: list[bytes]) -> None:
        self.wire, self.agent, self.received = wire, agent, received
        self.credentials = agent.ufrag, agent.password

    def check(
        self, path: Path = HOME, *, nominate: bool = False, credentials: tuple[str, str] | None = None, **more: Any
    ) -> stun.Message | None:
        ufrag, password = credentials or (self.agent.ufrag, self.agent.password)
        request = binding_request(ufrag, nominate=nominate, **more)
        request.add_message_integrity(password.encode())
        answers = self.wire.deliver(bytes(request), path)
        if not answers:
            return None
        ((data, to),) = answers
        assert to == path
        response = stun.parse_message(data)
        assert response.transaction_id == request.transaction_id
        assert response.check_message_integrity(password.encode())
        assert "FINGERPRINT" in response.attributes
        return response

    def reached_at(self) -> Path | None:
        """Where data for the client goes."""
        del self.wire.sent[:]
        self.agent.send(b"\x80")
        return self.wire.sent[0][1] if self.wire.sent else None


def binding_request(ufrag: str, *, nominate: bool = False, **more: Any) -> stun.Message:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, more.pop("transaction", None))
    request.attributes.update({"USERNAME": f"{ufrag}:theirs", "PRIORITY": 1, "ICE-CONTROLLING": 7, **more})
    if nominate:
        request.attributes["USE-CANDIDATE"] = None
    return request


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.mark.parametrize("path", [HOME, OVER_IPV6])
def test_a_check_is_answered_with_the_address_it_came_from(wire: Wire, path: Path) -> None:
    response = wire.call().check(path)
    assert response is not None
    assert response.message_class is stun.Class.RESPONSE
    assert response.attributes["XOR-MAPPED-ADDRESS"] == path[1][:2]


def test_credentials_are_as_long_as_the_standard_asks(wire: Wire) -> None:
    agent = wire.call().agent
    assert len(agent.ufrag) >= 4
    assert len(agent.password) >= 22


def test_before_the_client_has_chosen_its_first_address_is_used(wire: Wire) -> None:
    call = wire.call()
    assert call.reached_at() is None
    assert wire.ice.counters.unsent == 1
    call.check(HOME)
    call.check(AWAY)
    assert call.reached_at() == HOME
    assert call.agent.remote == HOME[1]


def test_the_address_that_the_client_chose_last_is_used(wire: Wire) -> None:
    call = wire.call()
    call.check(HOME, nominate=True)
    call.check(AWAY)
    assert call.reached_at() == HOME
    call.check(AWAY, nominate=True)
    assert call.reached_at() == AWAY
    call.check(OTHER_SOCKET, nominate=True)
    assert call.reached_at() == OTHER_SOCKET


def test_a_client_whose_address_changed_without_its_knowing_is_followed(wire: Wire) -> None:
    call = wire.call()
    call.check(HOME, nominate=True)
    wire.now = 5.0
    call.check(AWAY)
    assert call.reached_at() == HOME
    wire.now = 10.0
    call.check(AWAY)
    assert call.reached_at() == AWAY


def test_being_connected_is_told_once_and_after_the_answer(wire: Wire) -> None:
    call = wire.call()
    told: list[int] = []
    call.agent.on_connected = lambda: told.append(len(wire.sent))
    assert not call.agent.connected
    call.check(HOME)
    call.check(AWAY, nominate=True)
    assert told == [1]
    assert call.agent.connected


def test_the_last_check_is_known(wire: Wire) -> None:
    wire.now = 3.0
    call = wire.call()
    assert call.agent.last_check_at == 3.0
    wire.now = 8.0
    call.check(HOME, credentials=(call.agent.ufrag, "wrong"))
    assert call.agent.last_check_at == 3.0
    call.check(HOME)
    assert call.agent.last_check_at == 8.0


def test_everything_but_stun_from_its_addresses_reaches_the_call(wire: Wire) -> None:
    call = wire.call()
    wire.deliver(b"\x16early")
    call.check(HOME)
    call.check(AWAY)
    for data in (b"\x16dtls", b"\x80rtp", b"", b"\x00\x01too short for STUN"):
        wire.deliver(data, AWAY)
    assert call.received == [b"\x16dtls", b"\x80rtp", b"", b"\x00\x01too short for STUN"]
    assert wire.ice.counters.unrouted == 1
    assert not wire.sent


def test_calls_do_not_hear_one_another(wire: Wire) -> None:
    first, second = wire.call(), wire.call()
    first.check(HOME)
    second.check(AWAY)
    wire.deliver(b"\x80one", HOME)
    wire.deliver(b"\x80two", AWAY)
    assert (first.received, second.received) == ([b"\x80one"], [b"\x80two"])
    assert (first.reached_at(), second.reached_at()) == (HOME, AWAY)


def test_the_same_remote_address_at_another_of_our_sockets_is_another_path(wire: Wire) -> None:
    first, second = wire.call(), wire.call()
    first.check(HOME)
    second.check(OTHER_SOCKET)
    assert (first.reached_at(), second.reached_at()) == (HOME, OTHER_SOCKET)


def test_an_address_that_a_call_is_using_is_not_taken_away_by_another(wire: Wire) -> None:
    """Its owner may have been forged by somebody who has a call of his own."""
    first, second = wire.call(), wire.call()
    first.check(HOME, nominate=True)
    wire.now = 5.0
    assert second.check(HOME) is None
    assert wire.ice.counters.contested == 1
    wire.deliver(b"\x80", HOME)
    assert (first.received, second.received) == ([b"\x80"], [])


def test_an_address_that_is_not_used_any_more_moves_to_the_call_that_authenticates_it(wire: Wire) -> None:
    before, after = wire.call(), wire.call()
    before.check(HOME, nominate=True)
    wire.now = 7.0
    after.check(HOME)
    wire.deliver(b"\x80", HOME)
    assert (before.received, after.received) == ([], [b"\x80"])
    assert (before.reached_at(), after.reached_at()) == (None, HOME)
    assert not before.agent.connected


def test_a_call_that_lost_its_address_takes_the_next_one(wire: Wire) -> None:
    before, after = wire.call(), wire.call()
    before.check(HOME, nominate=True)
    wire.now = 7.0
    after.check(HOME)
    before.check(AWAY)
    assert before.reached_at() == AWAY


def test_a_closed_call_is_not_answered_and_gets_nothing(wire: Wire) -> None:
    call = wire.call()
    call.check(HOME)
    call.agent.close()
    wire.deliver(b"\x80", HOME)
    assert call.received == []
    assert call.check(HOME) is None
    assert call.reached_at() is None
    call.agent.close()


def test_closing_leaves_the_address_to_the_call_that_took_it(wire: Wire) -> None:
    before, after = wire.call(), wire.call()
    before.check(HOME)
    wire.now = 7.0
    after.check(HOME)
    before.agent.close()
    wire.deliver(b"\x80", HOME)
    assert after.received == [b"\x80"]


class TestStrangers:
    """Nobody who does not know the password gets an answer, or anything else."""

    def test_a_wrong_password(self, wire: Wire) -> None:
        call = wire.call()
        assert call.check(credentials=(call.agent.ufrag, "x" * 32)) is None
        assert not call.agent.connected
        assert wire.ice.counters.unauthenticated == 1

    def test_a_call_that_does_not_exist(self, wire: Wire) -> None:
        call = wire.call()
        assert call.check(credentials=("nobody", call.agent.password)) is None

    def test_the_password_of_another_call(self, wire: Wire) -> None:
        first, second = wire.call(), wire.call()
        assert first.check(credentials=(first.agent.ufrag, second.agent.password)) is None

    def test_no_signature(self, wire: Wire) -> None:
        request = binding_request(wire.call().agent.ufrag)
        assert not wire.deliver(bytes(request))
        request.add_fingerprint()
        assert not wire.deliver(bytes(request))

    def test_no_name(self, wire: Wire) -> None:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.add_message_integrity(wire.call().agent.password.encode())
        assert not wire.deliver(bytes(request))

    def test_what_follows_the_signature_does_not_count(self, wire: Wire) -> None:
        call = wire.call()
        call.check(HOME, nominate=True)
        request = binding_request(call.agent.ufrag)
        request.add_message_integrity(call.agent.password.encode())
        del request.attributes["FINGERPRINT"]
        request.attributes["USE-CANDIDATE"] = None
        assert wire.deliver(bytes(request), AWAY)
        assert call.reached_at() == HOME

    def test_a_check_overheard_and_sent_again_from_elsewhere(self, wire: Wire) -> None:
        call = wire.call()
        request = binding_request(call.agent.ufrag, nominate=True)
        request.add_message_integrity(call.agent.password.encode())
        assert wire.deliver(bytes(request), HOME)
        assert not wire.deliver(bytes(request), AWAY)
        assert call.reached_at() == HOME
        assert wire.ice.counters.replayed == 1
        assert wire.deliver(bytes(request), HOME), "the client itself may repeat it"

    @pytest.mark.parametrize(
        ("method", "message_class"),
        [
            (stun.Method.BINDING, stun.Class.RESPONSE), (stun.Method.BINDING, stun.Class.ERROR),
            (stun.Method.BINDING, stun.Class.INDICATION), (stun.Method.ALLOCATE, stun.Class.REQUEST),
        ],
    )  # fmt: skip
    def test_stun_that_asks_for_no_check(self, wire: Wire, method: stun.Method, message_class: stun.Class) -> None:
        call = wire.call()
        message = stun.Message(method, message_class, attributes={"USERNAME": f"{call.agent.ufrag}:theirs"})
        message.add_message_integrity(call.agent.password.encode())
        assert not wire.deliver(bytes(message))
        assert wire.ice.counters.not_checks == 1


def test_a_client_that_wants_us_to_lead_is_told_that_we_cannot(wire: Wire) -> None:
    call = wire.call()
    request = binding_request(call.agent.ufrag)
    del request.attributes["ICE-CONTROLLING"]
    request.attributes["ICE-CONTROLLED"] = 7
    request.add_message_integrity(call.agent.password.encode())
    ((data, _),) = wire.deliver(bytes(request))
    response = stun.parse_message(data)
    assert response.error_code == 487
    assert response.check_message_integrity(call.agent.password.encode())
    assert not call.agent.connected
    assert call.check(HOME) is not None, "it may change its role and try again"


class TestRestart:
    def test_both_credentials_are_good_until_the_new_ones_have_chosen_a_path(self, wire: Wire) -> None:
        call = wire.call()
        old = call.credentials
        call.check(HOME, nominate=True)
        call.agent.restart()
        assert (call.agent.ufrag, call.agent.password) != old
        assert call.check(HOME, credentials=old)
        assert call.check(AWAY)
        assert call.reached_at() == HOME, "the path stays while the new one is being looked for"
        assert call.check(AWAY, nominate=True)
        assert call.reached_at() == AWAY
        assert call.check(HOME, credentials=old) is None
        wire.deliver(b"\x80late, by the old path", HOME)
        assert call.received == [b"\x80late, by the old path"]

    def test_old_credentials_may_still_move_the_path_before(self, wire: Wire) -> None:
        call = wire.call()
        old = call.credentials
        call.check(HOME, nominate=True)
        call.agent.restart()
        call.check(AWAY, nominate=True, credentials=old)
        assert call.reached_at() == AWAY

    def test_a_restart_that_was_not_used_is_replaced_by_the_next(self, wire: Wire) -> None:
        call = wire.call()
        first = call.credentials
        call.agent.restart()
        second = call.agent.ufrag, call.agent.password
        call.agent.restart()
        assert call.check(HOME, credentials=second) is None
        assert call.check(HOME, credentials=first)
        assert call.check(HOME, nominate=True)
        call.agent.restart()
        assert call.check(HOME, credentials=first) is None

    def test_a_call_that_has_ended_gets_no_new_credentials(self, wire: Wire) -> None:
        call = wire.call()
        call.agent.close()
        call.agent.restart()
        assert call.check() is None
        assert not wire.ice._credentials

    def test_a_closed_call_keeps_none_of_its_credentials(self, wire: Wire) -> None:
        call = wire.call()
        old = call.credentials
        call.agent.restart()
        call.agent.close()
        assert call.check(credentials=old) is None
        assert call.check() is None


class TestBounds:
    def test_addresses_of_one_call(self, wire: Wire) -> None:
        call = wire.call()
        call.check(HOME, nominate=True)
        for port in range(1000):
            call.check((0, ("203.0.113.1", port)))
        assert len(wire.ice.routes) == ice.MAX_PATHS
        assert call.reached_at() == HOME
        wire.deliver(b"\x80", (0, ("203.0.113.1", 999)))
        wire.deliver(b"\x80", (0, ("203.0.113.1", 0)))
        assert call.received == [b"\x80"]

    def test_checks_that_are_remembered(self, wire: Wire) -> None:
        call = wire.call()
        for _ in range(ice.MAX_REMEMBERED_CHECKS * 2):
            call.check(HOME)
        assert len(call.agent._seen) == ice.MAX_REMEMBERED_CHECKS

    def test_calls(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ice, "MAX_AGENTS", 2)
        calls = [wire.call(), wire.call()]
        with pytest.raises(CapacityReached):
            wire.call()
        calls[0].agent.close()
        wire.call()

    def test_nothing_is_kept_of_closed_calls(self, wire: Wire) -> None:
        for _ in range(50):
            call = wire.call()
            call.check(HOME, nominate=True)
            call.agent.restart()
            call.check(AWAY, nominate=True)
            call.agent.close()
        assert not wire.ice.routes
        assert not wire.ice._credentials


def test_a_call_that_fails_does_not_cost_the_others_anything_and_is_logged_once(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this call is broken")

    broken = Call(wire, wire.ice.agent(fail, 0.0), [])
    broken.agent.on_connected = fail
    assert broken.check(HOME)
    for _ in range(3):
        wire.deliver(b"\x80", HOME)
    assert wire.ice.counters.failed == 4
    assert len(caplog.records) == 1
    assert "this call is broken" in caplog.text


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_never_answered_and_never_raises(data: bytes) -> None:
    wire = Wire()
    wire.call()
    assert not wire.deliver(data)


@settings(deadline=None)
@given(
    st.sampled_from([0x0001, 0x0003, 0x0101, 0x0011]),
    st.lists(
        st.tuples(st.sampled_from([*stun.ATTRIBUTES_BY_TYPE, 0xC057, 0x0010]), st.binary(max_size=30)), max_size=6
    ),
    st.integers(-4, 4),
)
def test_made_up_stun_is_never_answered_and_never_raises(
    message_type: int, attributes: list[tuple[int, bytes]], wrong_by: int
) -> None:
    wire = Wire()
    call = wire.call()
    body = b""
    for kind, value in attributes:
        content = f"{call.agent.ufrag}:x".encode() if kind == 0x0006 else value
        body += struct.pack("!HH", kind, len(content)) + content + bytes(-len(content) % 4)
    header = struct.pack("!HHI", message_type, max(0, len(body) + wrong_by), stun.COOKIE) + bytes(12)
    assert not wire.deliver(header + body)
    assert not call.agent.connected


@settings(deadline=None)
@given(st.data())
def test_a_check_changed_anywhere_under_its_signature_is_never_answered(data: st.DataObject) -> None:
    wire = Wire()
    call = wire.call()
    request = binding_request(call.agent.ufrag, nominate=True)
    request.add_message_integrity(call.agent.password.encode())
    octets = bytearray(bytes(request))
    position = data.draw(st.integers(0, len(octets) - 1 - stun.FINGERPRINT_LENGTH))
    octets[position] ^= data.draw(st.integers(1, 255))
    assert not wire.deliver(bytes(octets))
    assert not call.agent.connected
