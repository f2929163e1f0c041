"""Moonshine base with int8 matrices: converted once (some 10 s, 1.4 GB of memory at most, 142 MB kept).

As shipped the model dequantises its weights again for every token, which is ten times slower.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from voicebridge.engines.embedded import models
from voicebridge.engines.embedded.converted import kept
from voicebridge.engines.embedded.onnx_session import session_options
from voicebridge.errors import EngineError


def converted(cache: Path) -> tuple[Path, Path]:
    """The encoder and the decoder, in `cache`. Raises `EngineError` where voicebridge[stt-base] is not installed."""
    encoder, decoder = models.MOONSHINE_BASE_ENCODER.verified(), models.MOONSHINE_BASE_DECODER.verified()

    def make(directory: Path) -> None:
        convert(encoder, directory / "encoder.onnx")
        convert(decoder, directory / "decoder.onnx")

    name = f"moonshine-base-en-{models.MOONSHINE_BASE_DECODER.sha256[:8]}-onnxruntime-{onnxruntime.__version__}"
    directory = kept(cache / name, make)
    return directory / "encoder.onnx", directory / "decoder.onnx"


def convert(source: Path, target: Path) -> None:
    """From onnxruntime's own format to ONNX, its constants folded to floats, its matrices quantised again."""
    try:
        import onnx  # noqa: PLC0415 (an extra)
        from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 (needs onnx)
    except ImportError as error:
        raise EngineError("Moonshine base needs onnx: install voicebridge[stt-base].", code="model_missing") from error
    plain, folded = target.with_suffix(".plain"), target.with_suffix(".folded")
    _save_as(source, plain, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    model = onnx.load(str(plain))
    _name_subgraphs(model.graph.node)
    onnx.save(model, str(plain))
    _save_as(plain, folded, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    quantize_dynamic(
        str(folded),
        str(target),
        op_types_to_quantize=["MatMul"],
        weight_type=QuantType.QInt8,
        extra_options={"EnableSubgraph": True},
    )
    plain.unlink()
    folded.unlink()


def _save_as(source: Path, target: Path, level: onnxruntime.GraphOptimizationLevel) -> None:
    options = session_options()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    format_of_source = "ORT" if source.suffix == ".ort" else "ONNX"
    options.add_session_config_entry("session.load_model_format", format_of_source)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _name_subgraphs(nodes: Any) -> None:
    """Give the branches of every If a name: ONNX demands it, the format it comes from has none."""
    for number, node in enumerate(nodes):
        for attribute in node.attribute:
            if attribute.HasField("g") and not attribute.g.name:
                attribute.g.name = f"{attribute.name}_{number}"
