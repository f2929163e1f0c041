from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from coturn import SECRET, Coturn, coturn
from serving import RunningServer
from voicebridge.audio import libopus
from voicebridge.cli import doctor_webrtc, main, webrtc_probe
from voicebridge.cli.findings import Finding
from voicebridge.cli.options import Target
from voicebridge.cli.webrtc_probe import Refused, RelayAddress, Remote
from voicebridge.config import ServerSettings, Settings, WebRtcSettings
from voicebridge.ice_servers import IceServers
from voicebridge.transports.webrtc.addresses import Advertised, IceCandidate, NetworkSettings, candidates
from voicebridge.transports.webrtc.mux import IceSockets


def told(webrtc: dict[str, Any] | None = None, *, host: str = "127.0.0.1", tls: bool = False) -> Settings:
    return Settings(
        server=ServerSettings(host=host, api_keys=("k",), tls_self_signed=tls),
        webrtc=WebRtcSettings.model_validate(webrtc or {}),
    )


def grades(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.grade for finding in findings}


def own_network(settings: Settings, *, is_running: bool = False, contained: bool = False) -> list[Finding]:
    return list(doctor_webrtc.own_network(settings, is_running=is_running, contained=contained))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


class TestThisMachine:
    def test_the_defaults_are_fine(self) -> None:
        assert set(grades(own_network(told())).values()) == {"ok"}

    def test_webrtc_can_be_off(self) -> None:
        (finding,) = own_network(told({"enabled": False}))
        assert (finding.grade, finding.remedy) == ("note", "webrtc.enabled = true")

    def test_a_port_that_another_program_has_is_a_problem_that_names_the_setting(self, taken: int) -> None:
        finding = own_network(told({"udp_port_min": taken}))[0]
        assert finding.grade == "problem"
        assert "webrtc.udp_port_min" in finding.text

    def test_a_port_that_our_server_has_is_fine(self, taken: int) -> None:
        assert own_network(told({"udp_port_min": taken}), is_running=True)[0].grade == "ok"

    def test_a_port_for_the_world_outside_does_not_change_at_each_start(self) -> None:
        found = own_network(told({"advertised_addresses": ["203.0.113.7"]}))[-1]
        assert (found.grade, found.subject) == ("problem", "UDP port")
        assert "udp_port_min = 50000" in found.remedy
        in_a_container = own_network(told(host="0.0.0.0"), contained=True)[-1]  # noqa: S104  a setting, nothing binds
        assert in_a_container == found

    @pytest.mark.parametrize("wrong", [{"interfaces": ["no-such"]}, {"advertised_addresses": ["no-such.invalid"]}])
    def test_addresses_that_do_not_exist_are_a_problem(self, wrong: dict[str, Any]) -> None:
        assert grades(own_network(told(wrong))) == {"addresses": "problem"}


def offered(*hosts: str, advertised: str = "") -> tuple[IceCandidate, ...]:
    return candidates(hosts, 50000, [Advertised(advertised)] if advertised else [], advertise_local=False)


PRIVATE = offered("192.168.1.9", "127.0.0.1")


@pytest.mark.parametrize(
    ("offer", "webrtc", "host", "contained", "grade", "remedy"),
    [
        (PRIVATE, {}, "127.0.0.1", False, "ok", ""),
        (PRIVATE, {}, "0.0.0.0", False, "note", "webrtc.advertised_addresses"),  # noqa: S104  compared with
        (PRIVATE, {}, "0.0.0.0", True, "problem", "webrtc.advertised_addresses"),  # noqa: S104  compared with
        (PRIVATE, {}, "127.0.0.1", True, "note", "webrtc.advertised_addresses"),
        (offered("8.8.4.4", "127.0.0.1"), {}, "0.0.0.0", False, "ok", ""),  # noqa: S104  compared with
        (offered("10.0.0.1", advertised="203.0.113.7"), {"advertised_addresses": ["203.0.113.7"]}, "0.0.0.0", True,  # noqa: S104  compared with
         "ok", ""),
        (offered("127.0.0.1"), {}, "127.0.0.1", False, "note", ""),
        (offered("127.0.0.1"), {}, "0.0.0.0", False, "note", "webrtc.interfaces"),  # noqa: S104  compared with
    ],
)  # fmt: skip
def test_candidates_are_judged_by_who_could_reach_them(
    offer: tuple[IceCandidate, ...], webrtc: dict[str, Any], host: str, contained: bool, grade: str, remedy: str
) -> None:
    finding = doctor_webrtc.reachable_from(offer, told(webrtc, host=host), contained=contained)
    assert finding.grade == grade
    assert remedy in finding.remedy
    assert bool(remedy) == bool(finding.remedy)


@pytest.mark.parametrize(
    ("url", "host", "tls", "grade"),
    [
        (None, "127.0.0.1", False, "ok"),
        (None, "0.0.0.0", False, "note"),  # noqa: S104  compared with
        (None, "0.0.0.0", True, "ok"),  # noqa: S104  compared with
        ("http://localhost:8765/v1", "0.0.0.0", False, "ok"),  # noqa: S104  compared with
        ("http://192.168.1.9:8765/v1", "127.0.0.1", False, "note"),
        ("https://192.168.1.9:8765/v1", "127.0.0.1", False, "ok"),
    ],
)
def test_pages_get_a_microphone_in_secure_contexts_only(url: str | None, host: str, tls: bool, grade: str) -> None:
    target = Target(url, "k", None) if url else None
    assert doctor_webrtc.page(told(host=host, tls=tls), target).grade == grade


def test_containers_are_known_by_what_they_leave_lying_about(tmp_path: Path) -> None:
    assert not doctor_webrtc.in_container({}, tmp_path)
    assert doctor_webrtc.in_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert doctor_webrtc.in_container({}, tmp_path)


def test_a_missing_libopus_costs_quality_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_webrtc.libopus_found().grade == "ok"
    monkeypatch.setattr(libopus, "library_version", lambda: None)
    assert doctor_webrtc.libopus_found().grade == "note"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("stun:a.example", RelayAddress("stun", "a.example", 3478, "udp")),
        ("turn:a.example:99?transport=tcp", RelayAddress("turn", "a.example", 99, "tcp")),
        ("turns:a.example", RelayAddress("turns", "a.example", 5349, "tcp")),
        ("turn:[2001:db8::7]:99", RelayAddress("turn", "2001:db8::7", 99, "udp")),
    ],
)
def test_urls_of_relays_are_read(url: str, address: RelayAddress) -> None:
    assert webrtc_probe.relay_address(url) == address


def test_answers_are_read() -> None:
    sdp = (
        "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 9 203.0.113.7 50000 typ host\r\n"
        "a=candidate:2 1 tcp 9 203.0.113.7 9 typ host tcptype passive\r\na=candidate:nonsense\r\n"
        "a=candidate:1 1 udp 9 203.0.113.7 50000 typ host\r\n"
    )
    assert webrtc_probe.read_answer(sdp) == Remote("abcd", "secret", (("203.0.113.7", 50000),))
    with pytest.raises(Refused, match="no ICE credentials"):
        webrtc_probe.read_answer("v=0\r\n")


@pytest.fixture
async def sockets() -> AsyncIterator[IceSockets]:
    async with IceSockets(NetworkSettings(interfaces=("127.0.0.1",))) as bound:
        yield bound


def remote_of(sockets: IceSockets, *more: tuple[str, int]) -> Remote:
    agent = sockets.agent(lambda _: None)
    return Remote(agent.ufrag, agent.password, (("127.0.0.1", sockets.port), *more))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc_probe, "_RETRANSMISSIONS", 0)


async def ways(remote: Remote, *, here: bool = True) -> list[Finding]:
    return [finding async for finding in doctor_webrtc.ways(remote, here=here)]


@pytest.mark.usefixtures("_impatient")
class TestWaysToTheServer:
    async def test_a_candidate_that_answers_checks_is_fine_and_the_others_are_noted(
        self, sockets: IceSockets, taken: int
    ) -> None:
        answering, silent = await ways(remote_of(sockets, ("127.0.0.1", taken)))
        assert (answering.grade, silent.grade) == ("ok", "note")
        assert "connected in" in answering.text
        assert str(taken) in silent.text

    async def test_a_server_that_no_check_reaches_has_a_problem(self, taken: int) -> None:
        (finding,) = await ways(Remote("u", "p", (("127.0.0.1", taken),)))
        assert finding.grade == "problem"
        assert f"-p {taken}:{taken}/udp" in finding.remedy

    async def test_somebody_elses_answer_does_not_count(self, sockets: IceSockets) -> None:
        remote = remote_of(sockets)
        (finding,) = await ways(Remote(remote.ufrag, "another password", remote.candidates))
        assert finding.grade == "problem"

    async def test_loopback_of_another_machine_is_not_tried(self, sockets: IceSockets) -> None:
        (finding,) = await ways(remote_of(sockets), here=False)
        assert finding.grade == "problem"
        assert "offers no address" in finding.text


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


def servers(relay: Coturn, secret: str = SECRET) -> list[dict[str, Any]]:
    values = {"stun_urls": [f"stun:localhost:{relay.port}"], "turn_urls": [relay.url], "turn_secret": secret}
    return IceServers(WebRtcSettings.model_validate(values)).for_client(time.time(), "doctor")  # noqa: TID251  coturn's clock


async def relays(servers: list[dict[str, Any]], remote: Remote | None) -> list[Finding]:
    return [finding async for finding in doctor_webrtc.relays(servers, remote)]


@pytest.mark.usefixtures("_impatient")
class TestRelays:
    async def test_each_is_asked_with_the_credentials_of_clients(self, relay: Coturn) -> None:
        found = await relays(servers(relay), None)
        assert grades(found) == {"STUN": "ok", "TURN": "ok"}

    async def test_a_call_through_the_relay_is_tried(self, relay: Coturn, sockets: IceSockets) -> None:
        _, found = await relays(servers(relay), remote_of(sockets))
        assert found.grade == "ok"
        assert "reaches the server at 127.0.0.1 in" in found.text

    async def test_a_relay_that_does_not_reach_the_server_is_a_problem(self, relay: Coturn, taken: int) -> None:
        _, found = await relays(servers(relay), Remote("u", "p", (("127.0.0.1", taken),)))
        assert found.grade == "problem"
        assert "does not reach the server" in found.text

    async def test_another_secret_is_a_problem_that_names_the_setting(self, relay: Coturn) -> None:
        found = (await relays(servers(relay, "another"), None))[-1]
        assert found.grade == "problem"
        assert "webrtc.turn_secret" in found.remedy

    async def test_silence_and_names_that_do_not_exist_are_problems(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webrtc_probe, "PATIENCE_S", 0.1)
        urls = [f"turn:127.0.0.1:{taken}", "turn:no-such.invalid", f"turn:127.0.0.1:{taken}?transport=tcp"]
        found = await relays([{"urls": urls, "username": "u", "credential": "p"}], None)
        assert [finding.grade for finding in found] == ["problem"] * 3
        silent = await relays([{"urls": ["stun:no-such.invalid", f"stun:127.0.0.1:{taken}", "stuns:a.example"]}], None)
        assert [finding.grade for finding in silent] == ["problem", "problem", "note"]


async def test_a_server_that_does_not_answer_is_a_problem(taken: int) -> None:
    target = Target(f"http://127.0.0.1:{taken}/v1", "k", None)
    found = [finding async for finding in doctor_webrtc.running_server(target, [])]
    assert grades(found) == {"running server": "problem", "TURN": "ok"}


def test_a_running_server_is_called(scripted_server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    before = scripted_server.tasks()
    status = main(["doctor", "webrtc", "--url", scripted_server.url, "--key", scripted_server.api_key])
    said = capsys.readouterr().out
    assert "answers an offer" in said
    assert "127.0.0.1 UDP" in said
    assert "connected in" in said
    assert status == 0, said
    asyncio.run(until_it_has(scripted_server, before))


async def until_it_has(server: RunningServer, tasks: int) -> None:
    """The call that was opened is gone again."""
    while server.tasks() > tasks:  # noqa: ASYNC110  what is waited for raises no event
        await asyncio.sleep(0.05)


def test_a_wrong_key_is_a_problem(scripted_server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "webrtc", "--url", scripted_server.url, "--key", "sk-wrong"]) == 1
    assert "--key" in capsys.readouterr().out
