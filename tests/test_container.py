"""The Dockerfile and the compose file do not rot: what they say is checked, their steps are taken without Docker."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aioice import Candidate, Connection, TransportPolicy

from coturn import coturn
from voicebridge.cli import _COMMANDS
from voicebridge.config import Settings
from voicebridge.config_sources import load
from voicebridge.errors import ConfigError
from voicebridge.ice_servers import IceServers
from voicebridge.transports.webrtc.addresses import NetworkSettings
from voicebridge.transports.webrtc.mux import IceSockets

ROOT = Path(__file__).parents[1]
HEALTHY_WITHIN_S = 45.0


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: `HEALTHCHECK`, its options, and the rest."""

    name: str
    options: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """Of the JSON form, or of plain text."""
        found: list[str] = json.loads(self.text) if self.text.startswith("[") else self.text.split()
        return found


def stages() -> list[list[Step]]:
    """The Dockerfile, divided at each FROM."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.partition(" ")
        options = dict(re.findall(r"--([a-z-]+)=(\S+) ", rest)) if name in {"COPY", "HEALTHCHECK", "FROM"} else {}
        text = re.sub(r"^(--[a-z-]+=\S+ +)+", "", rest) if options else rest
        if name == "FROM":
            found.append([])
        found[-1].append(Step(name, options, text.strip()))
    return found


def only(name: str, stage: int = -1) -> Step:
    (step,) = [step for step in stages()[stage] if step.name == name]
    return step


def image_environment() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(only("ENV").text))


def settings_of(env: dict[str, str]) -> Settings:
    return load(env=env).settings


class TestDockerfile:
    def test_both_stages_have_the_same_small_base(self) -> None:
        build, final = (stage[0].words[0] for stage in stages())
        assert build == final
        assert re.fullmatch(r"python:3\.\d+-slim", final)
        required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
        version = re.search(r"3\.(\d+)", final)
        assert version is not None
        assert int(version[1]) >= int(required.removeprefix(">=3."))

    def test_the_final_stage_builds_nothing_and_takes_the_installed_package_only(self) -> None:
        copied = [step for step in stages()[-1] if step.name == "COPY"]
        assert [(step.options, step.words) for step in copied] == [
            ({"from": "build"}, ["/opt/voicebridge", "/opt/voicebridge"])
        ]
        assert not any("pip" in step.text for step in stages()[-1] if step.name == "RUN")

    def test_it_does_not_run_as_root(self) -> None:
        user = only("USER").text
        assert all(int(number) > 0 for number in user.split(":"))
        made = only("RUN").text
        assert re.findall(r"--[ug]id (\d+)", made)[-2:] == user.split(":")
        steps = [step.name for step in stages()[-1]]
        assert steps.index("RUN") < steps.index("USER") < steps.index("ENTRYPOINT")

    def test_its_variables_are_settings_and_its_ports_are_those_that_are_exposed(self) -> None:
        settings = settings_of({**image_environment(), "VOICEBRIDGE_API_KEY": "k"})
        assert set(only("EXPOSE").words) == {
            f"{settings.server.port}/tcp",
            f"{settings.webrtc.udp_port_min}/udp",
        }
        assert settings.webrtc.udp_ports == (50000, 50000)
        assert settings.server.host == "0.0.0.0"  # noqa: S104  what has to be so in a container

    def test_without_a_key_it_says_which_variable_to_set(self) -> None:
        with pytest.raises(ConfigError, match="VOICEBRIDGE_API_KEY"):
            settings_of(image_environment())

    def test_its_commands_are_ours(self) -> None:
        assert only("ENTRYPOINT").words == ["voicebridge"]
        assert only("CMD").words[0] in _COMMANDS
        check = Step("", {}, only("HEALTHCHECK").text.removeprefix("CMD ")).words
        assert check[0] == "voicebridge"
        assert check[1] in _COMMANDS

    def test_what_is_copied_is_there_and_nothing_else_enters_the_context(self) -> None:
        copied = [source for step in stages()[0] if step.name == "COPY" for source in step.words[:-1]]
        assert copied
        for source in copied:
            assert (ROOT / source).exists(), source
            assert not ignored(source), source
        assert not ignored("voicebridge/cli/__init__.py")
        for kept_out in (".git", ".env", "tests", ".venv", "node_modules", "voicebridge/__pycache__/x.pyc"):
            assert ignored(kept_out), kept_out


def ignored(path: str) -> bool:
    """By .dockerignore: the last pattern that matches the path, or a directory above it, decides."""
    decided = False
    parts = path.split("/")
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.lstrip("!").removeprefix("**/")
            names = [*above, *parts] if "**/" in line else above
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                decided = not line.startswith("!")
    return decided


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: compose.yaml is NOT checked")
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read


VALUES = {"VOICEBRIDGE_API_KEY": "a key", "TURN_SECRET": "a secret of two", "PUBLIC_ADDRESS": "203.0.113.7"}


def filled_in(text: str) -> str:
    """As compose does it: each `${NAME}` and `${NAME:?why}`."""
    return re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda match: VALUES[match[1]], text)


class TestCompose:
    def settings(self, compose: dict[str, Any]) -> Settings:
        given = compose["services"]["voicebridge"]["environment"]
        return settings_of({**image_environment(), **{name: filled_in(value) for name, value in given.items()}})

    def test_values_that_have_no_default_are_demanded_with_the_reason(self) -> None:
        text = re.sub(r"^\s*#.*\n", "", (ROOT / "compose.yaml").read_text(), flags=re.MULTILINE)
        assert set(re.findall(r"\$\{(\w+)", text)) == set(VALUES)
        assert set(re.findall(r"\$\{(\w+):\?\w+", text)) == set(VALUES)

    def test_its_variables_are_settings_and_agree_with_its_ports(self, compose: dict[str, Any]) -> None:
        settings = self.settings(compose)
        ports = compose["services"]["voicebridge"]["ports"]
        assert ports == [f"{settings.server.port}:8765", f"{settings.webrtc.udp_port_min}:50000/udp"]
        assert settings.webrtc.advertised_addresses == ("203.0.113.7",)
        assert settings.webrtc.advertise_local, "the TURN server reaches the container directly"

    def test_clients_are_sent_to_the_turn_server_that_it_starts(self, compose: dict[str, Any]) -> None:
        service = compose["services"]["turn"]
        (server,) = IceServers(self.settings(compose).webrtc).for_client(0.0)
        assert server["urls"] == ["turn:203.0.113.7:3478?transport=udp", "turn:203.0.113.7:3478?transport=tcp"]
        assert service["ports"] == ["3478:3478/udp", "3478:3478/tcp"]
        assert f"--static-auth-secret={VALUES['TURN_SECRET']}" in map(filled_in, service["command"])

    def test_the_turn_server_relays_to_voicebridge_and_nowhere_else(self, compose: dict[str, Any]) -> None:
        services = compose["services"]
        command = services["turn"]["command"]
        ours = services["voicebridge"]["networks"]["media"]["ipv4_address"]
        assert [option for option in command if option.startswith("--allowed-peer-ip")] == [f"--allowed-peer-ip={ours}"]
        assert "--denied-peer-ip=0.0.0.0-255.255.255.255" in command

    def test_it_has_no_privileges_and_writes_to_its_volume_only(self, compose: dict[str, Any]) -> None:
        service = compose["services"]["voicebridge"]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        assert service["volumes"] == [f"data:{image_environment()['VOICEBRIDGE_DATA_DIR']}"]
        assert "data" in compose["volumes"]

    @pytest.mark.parametrize(("allowed", "connects"), [("127.0.0.1", True), ("127.0.0.9", False)])
    async def test_a_real_coturn_takes_its_options_and_keeps_to_them(
        self, compose: dict[str, Any], tmp_path: Path, allowed: str, connects: bool
    ) -> None:
        options = [filled_in(option) for option in compose["services"]["turn"]["command"]]
        options = [re.sub(r"(?<=allowed-peer-ip=).*", allowed, option) for option in options]
        own = ("--listening-port", "--log-file")
        with coturn(tmp_path, [option for option in options if not option.startswith(own)]) as relay:
            (server,) = IceServers(self.settings(compose).webrtc).for_client(time.time())  # noqa: TID251  coturn's clock
            client = Connection(
                ice_controlling=True,
                turn_server=("127.0.0.1", relay.port),
                turn_username=server["username"],
                turn_password=server["credential"],
                transport_policy=TransportPolicy.RELAY,
            )
            assert await connected(client, patience_s=10.0 if connects else 1.0) is connects


async def connected(client: Connection, patience_s: float) -> bool:
    """Whether it reaches a server of ours."""
    async with IceSockets(NetworkSettings(interfaces=("127.0.0.1",))) as sockets:
        agent = sockets.agent(lambda _: None)
        client.remote_is_lite = True
        client.remote_username, client.remote_password = agent.ufrag, agent.password
        await client.gather_candidates()
        for candidate in sockets.candidates:
            await client.add_remote_candidate(Candidate.from_sdp(candidate.as_sdp()))
        await client.add_remote_candidate(None)
        try:
            async with asyncio.timeout(patience_s):
                await client.connect()
        except (TimeoutError, ConnectionError):
            return False
        finally:
            await client.close()
        return agent.connected


class TestTheSteps:
    """Those of the build stage, with other directories and without downloading what this environment has already."""

    def test_what_it_needs_is_read_from_the_project(self, tmp_path: Path) -> None:
        command = next(step.text for step in stages()[0] if step.name == "RUN").split("&&")[0]
        (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, env=with_this_python())  # noqa: S602  the Dockerfile's own
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert (tmp_path / "needed.txt").read_text().splitlines() == project["dependencies"]

    def test_the_installed_package_serves_and_says_that_it_is_healthy(self, installed: Path, tmp_path: Path) -> None:
        env = container_environment(installed, tmp_path)
        assert health(env).returncode == 1, "nothing runs yet"
        command = [*only("ENTRYPOINT").words, *only("CMD").words]
        server = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + HEALTHY_WITHIN_S  # noqa: TID251  a test's patience
            while (checked := health(env)).returncode != 0:
                assert server.poll() is None, server.stdout.read().decode() if server.stdout else ""
                assert time.monotonic() < deadline, checked  # noqa: TID251  a test's patience
                time.sleep(0.1)
            assert checked.stdout.startswith("ready")
            assert serves_from(installed, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            said, _ = server.communicate(timeout=20)
        assert server.returncode == 0, said.decode()
        assert health(env).returncode == 1

    def test_without_a_key_it_does_not_start_and_says_what_to_set(self, installed: Path, tmp_path: Path) -> None:
        env = container_environment(installed, tmp_path)
        del env["VOICEBRIDGE_API_KEY"]
        command = [*only("ENTRYPOINT").words, *only("CMD").words]
        refused = subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert refused.returncode == 2
        assert "VOICEBRIDGE_API_KEY" in refused.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What /opt/voicebridge is in the image, made by the same commands from the same files."""
    place = tmp_path_factory.mktemp("image")
    context = place / "src"
    for step in stages()[0]:
        if step.name == "COPY":
            *sources, target = step.words
            for source in sources:
                copy(ROOT / source, context / target / (Path(source).name if target.endswith("/") else ""))
    build = [step.text for step in stages()[0] if step.name == "RUN"][-1]
    isolation = "--no-build-isolation " if find_spec("hatchling") else ""
    build = build.replace("pip wheel", f"pip wheel {isolation}").replace("--no-index", "--no-index --no-deps")
    build = build.replace("/wheels", str(place / "wheels")).replace("/opt/voicebridge", str(place / "opt"))
    subprocess.run(build, shell=True, cwd=context, check=True, env=with_this_python(), capture_output=True)  # noqa: S602  the Dockerfile's own
    (packages,) = (place / "opt" / "lib").glob("python3*/site-packages")
    ours = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    (packages / "needed.pth").write_text("\n".join(map(str, ours)))
    return place / "opt"


def copy(source: Path, target: Path) -> None:
    """A file, or the files of a directory, as far as .dockerignore lets them."""
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        if not ignored(str(path.relative_to(ROOT))):
            place = target / path.relative_to(source) if source.is_dir() else target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


def with_this_python() -> dict[str, str]:
    """`python` and `pip` are those that run the tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def container_environment(installed: Path, home: Path) -> dict[str, str]:
    """The image's, with ports and places of this test. The engine is the one without models."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        udp_port = str(probe.getsockname()[1])
    return {
        **image_environment(),
        "PATH": f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VOICEBRIDGE_API_KEY": "a key",
        "VOICEBRIDGE_DATA_DIR": str(home / "data"),
        "VOICEBRIDGE_SERVER__PORT": "0",
        "VOICEBRIDGE_WEBRTC__UDP_PORT_MIN": udp_port,
        "VOICEBRIDGE_WEBRTC__UDP_PORT_MAX": udp_port,
        "VOICEBRIDGE_WEBRTC__ADVERTISED_ADDRESSES": "203.0.113.7",
        "VOICEBRIDGE_ENGINE__KIND": "scripted",
    }


def health(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = Step("", {}, only("HEALTHCHECK").text.removeprefix("CMD ")).words
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=10, check=False)


def serves_from(installed: Path, pid: int) -> bool:
    """Is it the installed package that runs, and not this checkout?"""
    command = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().split("\0")
    return any(word.startswith(str(installed)) for word in command)
