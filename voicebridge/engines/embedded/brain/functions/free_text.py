"""Values of slots that take any words: by a cue ("saying …", "called …"), else what the utterance leaves."""

from __future__ import annotations

import re
from typing import Any

from voicebridge.engines.embedded.brain.functions.schema import Function, Slot
from voicebridge.engines.embedded.brain.functions.wording import Wording
from voicebridge.engines.embedded.brain.words import STOPWORDS, stem

LANGUAGES = {
    "english": "en", "spanish": "es", "french": "fr", "german": "de", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "chinese": "zh", "mandarin": "zh", "japanese": "ja", "korean": "ko", "russian": "ru",
    "arabic": "ar", "hindi": "hi", "turkish": "tr", "polish": "pl", "swedish": "sv", "danish": "da",
    "norwegian": "no", "finnish": "fi", "greek": "el", "czech": "cs", "hungarian": "hu", "ukrainian": "uk",
    "vietnamese": "vi", "thai": "th", "hebrew": "he", "latin": "la",
}  # fmt: skip
_CURRENCIES = {
    r"(?:us |american )?dollars?|usd|bucks": "USD",
    r"euros?|eur": "EUR",
    r"(?:british |sterling )?pounds?|gbp|quid": "GBP",
    r"(?:japanese )?yen|jpy": "JPY",
    r"swiss francs?|chf|francs?": "CHF",
    r"(?:indian )?rupees?|inr": "INR",
    r"(?:chinese )?yuan|cny|renminbi": "CNY",
    r"(?:mexican )?pesos?|mxn": "MXN",
    r"canadian dollars?|cad": "CAD",
    r"australian dollars?|aud": "AUD",
    r"bitcoins?|btc": "BTC",
}
_REST = r"[:,]?\s+(.+)$"
_CUES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"text|phrase|sentence|word|words",
        (
            (
                r"\b(?:how (?:do|would|can) (?:you|i|we) say|translate)\s+(?:the (?:word|phrase"
                r"|sentence)s? )?([^\x00]+?)(?:\s+(?:in|into|to)\b.*)?$"
            ),
        ),
    ),
    (
        r"message|body|text|content|note|comment|description|sms",
        (
            rf"\b(?:saying|that says|which says|to say|reading|says|the message|the text)(?: that)?{_REST}",
            rf"\b(?:telling|tell|let) (?:him|her|them|[A-Z]\w+)(?: know)?(?: that)?{_REST}",
            rf"\b(?:note|message|comment|memo)(?: down)?(?: that|:){_REST}",
            r":\s+(.+)$",
        ),
    ),
    (
        r"query|search|keyword|term|topic|question|subject",
        (
            (
                rf"\b(?:search(?: (?:the web|online|the internet|google))?(?: for)?|look (?:up|for)|google"
                rf"|find(?: me)?){_REST}"
            ),
            r"\b(?:about|for|on)\s+(.+)$",
        ),
    ),
    (
        r"reminder|task|todo|title|what|message|text|content|note|label|subject",
        (
            r"\bremind (?:me|us)\s*(?:\x00+\s*)?(?:to|about|that)?\s+([^\x00]+)",
            r"\b(?:task|reminder|to-?do)(?: called| to|:)?\s+(?:to )?([^\x00]+)",
        ),
    ),
    (r"artist|author|band|singer|composer|director", (r"\bby\s+([^\x00]+)$",)),
    (
        r"title|name|label|song|track|list|playlist|subject",
        (r"\b(?:called|named|titled|entitled|labell?ed)\s+([^\x00]+)",),
    ),
    (r"topping|ingredient|extra|side|feature|tag", (r"\b(?:with|plus|including)\s+([^\x00]+)",)),
    (r"reason|purpose|occasion", (r"\b(?:because(?: of)?|due to|reason is)\s+([^\x00]+)$",)),
)
_VERBS = frozenset(
    [
        "add", "see", "visit", "reserve", "put", "set", "create", "make", "start", "play", "show", "find", "search",
        "look", "book", "order", "buy", "send", "write", "read", "open", "close", "turn", "switch", "tell", "ask",
        "schedule", "plan", "remind", "call", "text", "message", "email", "note", "take", "track", "check", "get",
        "give", "want", "need", "translate", "convert", "calculate", "run", "cancel", "delete", "remove", "change",
        "update", "what", "is", "how", "much", "many", "there", "do", "does", "will",
    ]
)  # fmt: skip
_EDGE = STOPWORDS | {
    "new",
    "another",
    "some",
    "song",
    "track",
    "item",
    "called",
    "named",
    "saying",
    "want",
    "mean",
    "means",
}


def quoted(slot: Slot, wording: Wording) -> str | None:
    """Words in quotation marks, which name a text better than any cue."""
    if slot.role not in ("text", "thing"):
        return None
    match = wording.find(r"(?:\"([^\"\x00]+)\"|(?<!\w)'([^'\x00]+(?:'\w[^'\x00]*)*)'(?!\w))")
    return wording.take(match.start(), match.end()) if match else None


def by_cue(slot: Slot, wording: Wording, *, early: bool) -> Any:
    """`early` looks only for cues after which everything belongs to the slot, whatever it looks like."""
    if "language" in slot.words:
        return _language(slot, wording)
    if "currency" in slot.words or "currency" in slot.about.lower()[:40]:
        return _currency(slot, wording)
    for names, cues in _CUES[:2] if early else _CUES:
        if not re.search(rf"\b(?:{names})s?\b", slot.words):
            continue
        for cue in cues:
            match = wording.find(cue)
            if match and (early or "\x00" not in match[1]) and match[1].strip(" .?!,\x00"):
                return _as_value(slot, wording.take(match.start(1), match.end(1)))
    if not early and (match := wording.find(rf"\b{re.escape(slot.words)}(?: is| of|:)? ([^\x00]+?)(?: and |,|$)")):
        words = [word for word in match[1].lower().split() if word not in _EDGE]
        if words and slot.role == "thing":
            return _as_value(slot, wording.take(match.start(1), match.end(1)))
    return None


def _language(slot: Slot, wording: Wording) -> Any:
    hits = re.finditer(rf"\b(?:(in|to|into|from)\s+)?({'|'.join(LANGUAGES)})\b", wording.lowered)
    source = re.search(r"\b(?:source|from|original)\b", slot.words)
    for match in hits:
        if (match[1] == "from") == bool(source):
            wording.take(match.start(), match.end())
            named = match[2].capitalize()
            return (
                LANGUAGES[match[2]] if re.search(r"\b(?:iso|code)\b", f"{slot.words} {slot.about.lower()}") else named
            )
    return None


def _currency(slot: Slot, wording: Wording) -> Any:
    spans: list[tuple[int, int, str]] = []
    for pattern, code in _CURRENCIES.items():
        spans += [
            (m.start(), m.end(), code) for m in re.finditer(rf"\b(?:{pattern})\b|\b{code.lower()}\b", wording.lowered)
        ]
    spans += [(m.start(), m.end(), m.group()) for m in re.finditer(r"\b[A-Z]{3}\b", wording.text)]
    spans.sort(key=lambda span: (span[0], -span[1]))
    into = bool(re.search(r"\b(?:to|target|quote|into|destination)\b", slot.words))
    for start, end, code in spans:
        after = bool(re.search(r"\b(?:to|into|in)\s+$", wording.lowered[:start]))
        if after == into or (not after and not re.search(r"\b(?:to|from|target|source|base|quote)\b", slot.words)):
            wording.take(start, end)
            return code
    return None


def remainder(function: Function, slot: Slot, wording: Wording, *, alone: bool) -> Any:
    """What is left of the utterance without the words that only name the function."""
    if alone:
        words = " ".join(wording.left())
        words = re.sub(
            r"^(?:it is|it's|it should be|that would be|to|for|in|at|the|say|make it)\s+(?=\S)",
            "",
            words,
            flags=re.IGNORECASE,
        )
        return _as_value(slot, words) if words else None
    vocabulary = {
        stem(word) for word in re.findall(r"[a-z]+", f"{function.words} {slot.words} {function.about.lower()}")
    }
    own = {stem(word) for word in slot.words.split()}  # "the living room" keeps its last word for a slot called room
    best = ""
    for piece in wording.left():
        trimmed = _trim(piece.split(), vocabulary, own)
        if len(trimmed) > len(best):
            best = trimmed
    if not best:
        return None
    at = wording.text.find(best)
    if at >= 0:
        wording.take(at, at + len(best))
    return _as_value(slot, best)


def _trim(words: list[str], vocabulary: set[str], own: set[str]) -> str:
    def empty(word: str) -> bool:
        bare = re.sub(r"[^\w'-]", "", word.lower()).removesuffix("'s")
        return bare in _EDGE or bare in _VERBS or stem(bare) in vocabulary

    def loose(word: str) -> bool:
        bare = re.sub(r"[^\w'-]", "", word.lower()).removesuffix("'s")
        return bare in _EDGE or stem(bare) in vocabulary

    verb_seen = False
    start, end = 0, len(words)
    while start < end and (loose(words[start]) or (empty(words[start]) and not verb_seen)):
        verb_seen = verb_seen or not loose(words[start]) or stem(words[start].lower()) in vocabulary
        start += 1
    while end > start and loose(words[end - 1]) and stem(words[end - 1].lower()) not in own:
        end -= 1
    return " ".join(words[start:end]).strip(" ,.?!;:")


def _as_value(slot: Slot, words: str) -> Any:
    words = words.strip(" \t\"'.,;:").removesuffix("?").removesuffix("'s")
    if not words:
        return None
    if slot.many:
        parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", words)
        return [re.sub(r"^(?:some|a|an|the)\s+", "", part).strip() for part in parts if part.strip()][:50]
    return words
