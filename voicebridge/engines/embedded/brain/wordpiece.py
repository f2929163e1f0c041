"""BERT's uncased WordPiece tokens, as all-MiniLM-L6-v2 was trained on them."""

from __future__ import annotations

import gzip
import hashlib
import unicodedata
from functools import lru_cache
from importlib.resources import files

from voicebridge.errors import EngineError

VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_LONGEST_WORD = 100
_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2FA1F), (0xF900, 0xFAFF))


def _is_cjk(code: int) -> bool:
    return any(low <= code <= high for low, high in _CJK)


def _is_punctuation(char: str) -> bool:
    # BERT counts every non-alphanumeric ASCII sign as punctuation, also those that Unicode calls symbols.
    return (char.isascii() and char.isprintable() and not char.isalnum() and char != " ") or unicodedata.category(
        char
    ).startswith("P")


def split_words(text: str) -> list[str]:
    """Lower-cased words without accents; punctuation and Chinese characters stand alone."""
    pieces: list[str] = []
    for char in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(char)
        if category == "Mn" or (category.startswith("C") and char not in "\t\n\r"):
            continue
        if _is_punctuation(char) or _is_cjk(ord(char)):
            pieces.append(f" {char} ")
        else:
            pieces.append(char)
    return "".join(pieces).split()


class WordPiece:
    """Greedy longest-match-first pieces; `encode` gives ids with [CLS] and [SEP]."""

    def __init__(self, vocabulary: list[str]) -> None:
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._unknown = self._ids["[UNK]"]
        self._first = self._ids["[CLS]"]
        self._last = self._ids["[SEP]"]

    def encode(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids, [CLS] and [SEP] included."""
        ids: list[int] = []
        for word in split_words(text):
            ids += self._pieces(word)
            if len(ids) >= limit - 2:
                break
        return [self._first, *ids[: limit - 2], self._last]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        ids: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                found = self._ids.get(prefix + word[start:end])
                if found is not None:
                    ids.append(found)
                    start = end
                    break
            else:
                return [self._unknown]
        return ids


@lru_cache(maxsize=1)
def bert_wordpiece() -> WordPiece:
    """The tokenizer with the vocabulary that ships in `data/`; EngineError when the file is damaged."""
    raw = gzip.decompress((files(__package__) / "data" / "bert-uncased-vocab.txt.gz").read_bytes())
    if hashlib.sha256(raw).hexdigest() != VOCABULARY_SHA256:
        raise EngineError("the brain's vocabulary file is damaged: reinstall voicebridge", code="model_file_damaged")
    return WordPiece(raw.decode("utf-8").splitlines())
