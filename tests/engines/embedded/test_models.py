from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.models import ModelFile, ModelPackage
from voicebridge.errors import EngineError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    """A model file in a package that is on the path but cannot be imported."""
    package = tmp_path / "fancy_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "weights.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    owner = ModelPackage("fancy-model", "1.2.3", "fancy_model", "MIT")
    return ModelFile("fancy", "tests", owner, "weights.bin", hashlib.sha256(b"weights").hexdigest())


def test_an_intact_file_is_found_without_importing_its_package(file: ModelFile) -> None:
    assert file.verified().read_bytes() == b"weights"


def test_a_changed_file_is_refused_naming_the_package_to_install_again(file: ModelFile) -> None:
    file.verified().write_bytes(b"other")
    with pytest.raises(EngineError, match=r"fancy-model==1\.2\.3.*sha256 differs.*--force-reinstall"):
        file.verified()


def test_a_missing_file_is_reported(file: ModelFile) -> None:
    file.verified().unlink()
    with pytest.raises(EngineError, match=r"weights\.bin is missing.*fancy-model==1\.2\.3"):
        file.verified()


def test_a_missing_package_of_an_extra_names_the_extra(file: ModelFile) -> None:
    optional = replace(file, package=replace(file.package, module="no_such_package", extra="stt-best"))
    assert optional.location is None
    with pytest.raises(EngineError, match=r"voicebridge\[stt-best\]"):
        optional.verified()


def test_every_file_is_listed_once_with_a_whole_hash() -> None:
    assert len({file.sha256 for file in models.EVERY_FILE}) == len(models.EVERY_FILE)
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in models.EVERY_FILE)


@pytest.mark.models
def test_all_that_voicebridge_needs_is_installed_and_intact() -> None:
    assert [status.file.name for status in models.inventory() if status.required and not status.intact] == []
