from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicebridge.engines.embedded.brain.embeddings import MODEL_PACKAGE, load_embedder
from voicebridge.engines.embedded.brain.wordpiece import bert_wordpiece, split_words
from voicebridge.errors import EngineError


def test_a_damaged_model_file_names_the_package_to_reinstall(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(EngineError, match=MODEL_PACKAGE):
        load_embedder(path)


def test_words_are_split_as_bert_does() -> None:
    assert split_words("Caf\u00e9, it's 5\u20ac!\n\u4f60\u597d") == [
        "cafe",
        ",",
        "it",
        "'",
        "s",
        "5\u20ac",
        "!",
        "\u4f60",
        "\u597d",
    ]


def test_pieces_are_those_of_the_published_vocabulary() -> None:
    # "[CLS] what ' s the weather in paris ? [SEP]" and a word that has to be cut: "una ##ffa ##ble"
    assert bert_wordpiece().encode("What's the weather in Paris?", 64) == [
        101,
        2054,
        1005,
        1055,
        1996,
        4633,
        1999,
        3000,
        1029,
        102,
    ]
    assert len(bert_wordpiece().encode("unaffable", 64)) == 5
    assert len(bert_wordpiece().encode("word " * 500, 64)) == 64


@pytest.mark.models
def test_sentences_of_like_meaning_are_near() -> None:
    embedder = load_embedder()
    assert embedder is not None
    rain, weather, money = (
        embedder.embed(text) for text in ("Is it raining in Rome?", "Get the current weather", "Transfer money")
    )
    assert float(np.linalg.norm(rain)) == pytest.approx(1, abs=1e-5)
    assert rain @ weather > rain @ money + 0.15
