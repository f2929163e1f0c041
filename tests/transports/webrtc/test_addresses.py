from __future__ import annotations

import ipaddress

import ifaddr
import pytest
from aioice import Candidate
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.errors import ConfigError
from voicebridge.transports.webrtc import addresses
from voicebridge.transports.webrtc.addresses import Advertised, candidates, usable_addresses


def adapter(name: str, *texts: str) -> ifaddr.Adapter:
    ips = [ifaddr.IP((text, 0, 0) if ":" in text else text, 24, name) for text in texts]
    return ifaddr.Adapter(name, name, ips)


MACHINE = [
    adapter("lo", "127.0.0.1", "::1"),
    adapter("eth0", "10.1.2.3", "fd00::2", "fe80::1", "2a00:1450::2"),
    adapter("wlan0", "169.254.1.1", "192.168.1.9"),
    adapter("ppp0", "8.8.4.4"),
]


def hosts(
    bound: list[str], advertised: list[Advertised], port: int = 5000, *, advertise_local: bool = False
) -> list[tuple[str, int]]:
    return [(one.host, one.port) for one in candidates(bound, port, advertised, advertise_local=advertise_local)]


def test_public_addresses_come_first_and_loopback_last_and_link_local_not_at_all() -> None:
    assert usable_addresses(MACHINE, []) == [
        "2a00:1450::2", "8.8.4.4", "10.1.2.3", "fd00::2", "192.168.1.9", "127.0.0.1", "::1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("interfaces", "used"),
    [
        (["eth0"], ["2a00:1450::2", "10.1.2.3", "fd00::2"]),
        (["192.168.0.0/16", "lo"], ["192.168.1.9", "127.0.0.1", "::1"]),
        (["10.1.2.3"], ["10.1.2.3"]),
        (["fd00::/8"], ["fd00::2"]),
        (["eth1"], []),
    ],
)
def test_interfaces_are_chosen_by_name_address_or_network(interfaces: list[str], used: list[str]) -> None:
    assert usable_addresses(MACHINE, interfaces) == used


def test_a_filter_that_leaves_nothing_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"webrtc\.interfaces = \['no-such'\].*127\.0\.0\.1") as caught:
        addresses.local_addresses(["no-such"])
    assert caught.value.param == "webrtc.interfaces"


def test_a_machine_with_very_many_addresses_offers_some_of_them_and_loopback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bridges = [adapter(f"br-{n}", f"172.18.{n}.1") for n in range(40)]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [adapter("lo", "127.0.0.1"), *bridges])
    used = addresses.local_addresses()
    assert len(used) == addresses.MAX_ADDRESSES
    assert used[-1] == "127.0.0.1"
    assert "choose with webrtc.interfaces" in caplog.text


def test_without_advertised_addresses_those_that_are_bound_are_offered() -> None:
    assert hosts(["10.1.2.3", "127.0.0.1"], []) == [("10.1.2.3", 5000), ("127.0.0.1", 5000)]


def test_advertised_addresses_stand_for_private_ones_of_their_family() -> None:
    bound = ["8.8.4.4", "10.1.2.3", "fd00::2", "127.0.0.1"]
    offered = hosts(bound, [Advertised("203.0.113.7")])
    assert offered == [("203.0.113.7", 5000), ("8.8.4.4", 5000), ("fd00::2", 5000), ("127.0.0.1", 5000)]


def test_private_addresses_can_be_kept_beside_advertised_ones() -> None:
    offered = hosts(["10.1.2.3", "127.0.0.1"], [Advertised("203.0.113.7")], advertise_local=True)
    assert offered == [("203.0.113.7", 5000), ("10.1.2.3", 5000), ("127.0.0.1", 5000)]


def test_an_advertised_port_may_be_another_one() -> None:
    assert hosts(["10.1.2.3"], [Advertised("203.0.113.7", 40000)]) == [("203.0.113.7", 40000)]


def test_an_address_is_offered_once() -> None:
    assert hosts(["127.0.0.1"], [Advertised("127.0.0.1")]) == [("127.0.0.1", 5000)]


def test_candidates_are_written_as_clients_read_them() -> None:
    (candidate,) = candidates(["fd00::2"], 5000, [], advertise_local=False)
    read = Candidate.from_sdp(candidate.as_sdp())
    assert (read.host, read.port, read.type, read.transport, read.component) == ("fd00::2", 5000, "host", "udp", 1)
    assert read.priority == candidate.priority


@settings(deadline=None)
@given(
    st.lists(st.ip_addresses().map(str), min_size=1, max_size=16, unique=True),
    st.lists(st.builds(Advertised, st.ip_addresses().map(str), st.none() | st.integers(1, 65535)), max_size=4),
)
def test_priorities_fall_strictly_and_loopback_is_below_all_others(
    bound: list[str], advertised: list[Advertised]
) -> None:
    offered = candidates(bound, 5000, advertised, advertise_local=False)
    loopback = [one.priority for one in offered if ipaddress.ip_address(one.host).is_loopback]
    others = [one.priority for one in offered if not ipaddress.ip_address(one.host).is_loopback]
    assert loopback == sorted(set(loopback), reverse=True)
    assert others == sorted(set(others), reverse=True)
    assert not loopback or not others or max(loopback) < min(others)
    assert all(0 < one.priority < 2**31 for one in offered)


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("203.0.113.7", "203.0.113.7", None), ("203.0.113.7:1", "203.0.113.7", 1), ("a.example", "a.example", None),
        ("a.example:9", "a.example", 9), ("2001:db8::7", "2001:db8::7", None), ("[2001:db8::7]", "2001:db8::7", None),
        ("[2001:db8::7]:9", "2001:db8::7", 9),
    ],
)  # fmt: skip
def test_a_port_may_follow_an_advertised_address(entry: str, host: str, port: int | None) -> None:
    assert addresses.split_port(entry) == (host, port)


async def test_names_are_resolved_and_addresses_stay() -> None:
    assert await addresses.resolve(["203.0.113.7:9"]) == [Advertised("203.0.113.7", 9)]
    assert Advertised("127.0.0.1", 9) in await addresses.resolve(["localhost:9"])


async def test_a_name_that_does_not_exist_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"no-such-host\.invalid cannot be resolved") as caught:
        await addresses.resolve(["no-such-host.invalid"])
    assert caught.value.param == "webrtc.advertised_addresses"
