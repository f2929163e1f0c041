"""One slot's value from the words of an utterance, by the slot's type and role."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

from voicebridge.engines.embedded.brain.functions.schema import Slot
from voicebridge.engines.embedded.brain.functions.wording import Wording
from voicebridge.engines.embedded.brain.numbers import read_number
from voicebridge.engines.embedded.brain.words import split_name, stem, stems

Value: TypeAlias = Any  # a JSON value; None where nothing was found

_STOP = (
    r"(?=\s*(?:$|[,.;?!\x00]|\b(?:in|at|on|to|from|for|by|with|and|or|of|about|near|around|that"
    r"|saying|as|is|are|the|who|when|"
    r"please|today|tomorrow|tonight|now|right|this|next|will|be|like|was|it|so|via|using)\b))"
)
_SPAN = (
    r"([^\W_][\w'.&/-]*(?:\s+(?!(?:in|at|on|to|from|for|by|with|and|or|of|about|near|around"
    r"|that|saying|as|is|are|the|who|when|please|today|tomorrow|tonight|now|right|this|next"
    r"|will|be|like|was|it|so|via|using)\b)[^\W_][\w'.&/-]*){0,4})"
)
_NOT_A_PLACE = frozenset(
    [
        "next",
        "me", "you", "him", "her", "them", "us", "it", "this", "that", "my", "your", "the", "a", "an", "morning",
        "afternoon", "evening", "night", "today", "tomorrow", "here", "there", "hour", "minute", "second", "minutes",
        "hours", "seconds", "days", "people", "person", "everyone", "someone", "home", "now", "case", "fact",
        "general", "total", "full",
    ]
)  # fmt: skip
_MOST_NUMBERS = 20
_UNIT_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "day": 86400, "week": 604800}
_YES = r"\b(?:yes|yeah|yep|sure|on|true|enable|enabled|correct|activate|with|please do|of course|start|open)\b"
_NO = r"\b(?:no|nope|not|off|false|disable|disabled|deactivate|without|don't|do not|stop|close)\b"
_TENS = r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_NUMBER_WORD = (
    rf"(?:\d[\d,]*(?:\.\d+)?|{_TENS}(?:[ -]{_ONES})?|{_ONES}|ten|eleven|twelve|thirteen"
    rf"|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|hundred|thousand|million|half|zero|dozen|a (?=hundred|thousand|million|dozen|half))"
)
_NUMBER = re.compile(
    rf"\b{_NUMBER_WORD}(?:(?:[ -](?:and |point |a )?|)\b{_NUMBER_WORD})*(?: and a (?:half|quarter))?", re.IGNORECASE
)


def find_value(slot: Slot, wording: Wording, *, alone: bool) -> Value:
    """The slot's value, taken from `wording`, or None. `alone`: the utterance answers a question for this slot."""
    if slot.role in _FINDERS:
        return _FINDERS[slot.role](slot, wording, alone)
    return None


def _enum(slot: Slot, wording: Wording, _alone: bool) -> Value:
    hits: list[tuple[int, int, Any]] = []
    lowered = wording.lowered
    for choice in slot.choices:
        if isinstance(choice, bool):
            continue
        for form in _forms(choice):
            match = re.search(rf"(?<![^\W_]){form}(?![^\W_])", lowered)
            if match:
                hits.append((match.start(), match.start() - match.end(), choice))
                break
    if not hits:
        return _enum_by_stem(slot, wording)
    hits.sort(key=lambda hit: (hit[0], hit[1]))
    chosen = hits if slot.many else hits[:1]
    for start, negative_length, _ in chosen:
        wording.take(start, start - negative_length)
    values = list(dict.fromkeys(choice for _, _, choice in chosen))
    return values if slot.many else values[0]


def _forms(choice: Any) -> list[str]:
    """How an enum's value may be spoken, as patterns: "living_room" is "living room", 3 is "three"."""
    words = split_name(str(choice)) or str(choice).lower()
    forms = [re.escape(words), re.escape(str(choice).lower()), re.escape(words) + "s"]
    if re.search(r"[a-z]$", words) and words.endswith("s"):
        forms.append(re.escape(words[:-1]))
    if isinstance(choice, int) and 0 <= choice <= 20:
        forms.append(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][choice]
            if choice <= 10
            else str(choice)
        )
    spoken = {"c": "celsius", "f": "fahrenheit", "celsius": "centigrade", "en": "english", "es": "spanish",
              "fr": "french", "de": "german", "it": "italian", "zh": "chinese", "ja": "japanese", "pt": "portuguese",
              "usd": "dollars?",
              "eur": "euros?", "gbp": "(?:british )?pounds?", "jpy": "yen", "xs": "extra small", "xl": "extra large",
              "s": "small",
              "m": "medium", "l": "large", "km": "kilometers?", "mi": "miles?", "kg": "kilos?", "lb": "pounds?",
              "metric": "celsius", "imperial": "fahrenheit"}  # fmt: skip
    if words in spoken:
        forms.append(spoken[words])
    return [form for form in forms if len(form) > 1 or form.isdigit()]


def _enum_by_stem(slot: Slot, wording: Wording) -> Value:
    said = set(stems(wording.lowered.replace("\x00", " ")))
    for choice in slot.choices:
        wanted = {stem(word) for word in split_name(str(choice)).split()}
        if wanted and not isinstance(choice, bool) and wanted <= said:
            return [choice] if slot.many else choice
    return None


def _boolean(slot: Slot, wording: Wording, alone: bool) -> Value:
    lowered = wording.lowered
    named = [
        word
        for word in slot.words.split()
        if word not in ("is", "on", "off", "the", "enabled", "state", "include", "with")
    ]
    if not alone and named and not any(re.search(rf"\b{re.escape(word)}", lowered) for word in named):
        return _switch(slot, lowered)
    if re.search(_NO, lowered):
        return False
    if alone:
        return True if re.search(_YES, lowered) else None
    return True if named or re.search(_YES, lowered) else None


def _switch(slot: Slot, lowered: str) -> Value:
    """Read on or off: "turn the lights off" sets a required on/off slot whatever it is called."""
    if not slot.required and not re.search(r"\b(?:on|state|power|enabled|active)\b", slot.words):
        return None
    if re.search(r"\b(?:off|disable|deactivate)\b", lowered):
        return False
    return True if re.search(r"\b(?:on|enable|activate)\b", lowered) else None


def _numbers(wording: Wording) -> list[tuple[Fraction, int, int]]:
    found: list[tuple[Fraction, int, int]] = []
    for match in _NUMBER.finditer(wording.lowered):
        words = re.findall(r"\d[\d,]*(?:\.\d+)?|[^\W\d_]+", match.group().replace("-", " "))
        hit = read_number(words, 0)
        if hit:
            sign = -1 if re.search(r"(?:\bminus |\bnegative |-)$", wording.lowered[: match.start()]) else 1
            found.append((sign * hit[0], match.start(), match.end()))
        if len(found) == _MOST_NUMBERS:
            break
    return found


def _as_number(value: Fraction, slot: Slot) -> Value:
    if slot.kind == "integer" and value.denominator != 1:
        return None
    if (slot.low is not None and value < slot.low) or (slot.high is not None and value > slot.high):
        return None
    return int(value) if value.denominator == 1 else float(value)


def _number(slot: Slot, wording: Wording, alone: bool) -> Value:
    """The number next to a word of the slot's name or description; else the first one left."""
    found = _numbers(wording)
    if not found:
        if slot.kind == "integer" and re.search(r"\b(?:for|just) (?:me|myself|one)\b", wording.lowered):
            return _as_number(Fraction(1), slot)
        if alone or slot.required:
            return None
        return None
    wanted = {stem(word) for word in re.findall(r"[a-z]+", f"{slot.words} {slot.about.lower()}") if len(word) > 2}
    if re.search(r"party|guest|people|person|passenger|seat|attendee|size", f"{slot.words} {slot.about.lower()}"):
        wanted |= {"people", "person", "guest", "seat", "adult", "passenger"}
    units = {
        "percent": r"\s*(?:%|percent)",
        "amount": r"\s*(?:dollar|euro|pound|\u20ac)",
        "degree": r"\s*(?:degree|\u00b0)",
    }

    def nearness(entry: tuple[Fraction, int, int]) -> int:
        around = (
            wording.lowered[max(0, entry[1] - 24) : entry[1]].split()[-2:] + wording.lowered[entry[2] :].split()[:2]
        )
        score = sum(2 for word in around if stem(word.strip(",.?!\x00")) in wanted)
        rest = wording.lowered[entry[2] :]
        return score + sum(1 for key, unit in units.items() if key in " ".join(wanted) and re.match(unit, rest))

    best = max(found, key=nearness)
    if nearness(best) == 0 and not (slot.required or alone or _single_number(slot)):
        return None
    chosen = found if slot.many else [best]
    values = [value for value in (_as_number(entry[0], slot) for entry in chosen) if value is not None]
    for _, start, end in chosen:
        wording.take(start, end)
    return (values or None) if slot.many else (values[0] if values else None)


def _single_number(slot: Slot) -> bool:
    return bool(
        re.search(
            r"\b(?:quantity|count|amount|number|level|percent|percentage|temperature|volume|brightness)\b", slot.words
        )
    )


def _duration(slot: Slot, wording: Wording, alone: bool) -> Value:
    unit_names = "|".join(_UNIT_SECONDS)
    seconds = Fraction(0)
    spans: list[tuple[int, int]] = []
    for value, start, end in _numbers(wording) or ():
        match = re.match(rf"[\s-]*(?P<unit>{unit_names})s?\b(?P<half> and a half)?", wording.lowered[end:])
        if match:
            amount = value + (Fraction(1, 2) if match["half"] else 0)
            seconds += amount * _UNIT_SECONDS[match["unit"]]
            spans.append((start, end + match.end()))
    if not spans and (
        match := re.search(rf"\b(?P<a>half an?|an?|quarter of an) (?P<unit>{unit_names})\b", wording.lowered)
    ):
        factor = {"half a": Fraction(1, 2), "half an": Fraction(1, 2), "quarter of an": Fraction(1, 4)}.get(
            match["a"], Fraction(1)
        )
        seconds = factor * _UNIT_SECONDS[match["unit"]]
        spans.append((match.start(), match.end()))
    if not spans:
        return _number(slot, wording, alone) if slot.kind != "string" and (alone or slot.required) else None
    spoken = " ".join(wording.text[start:end].strip() for start, end in spans)
    for start, end in spans:
        before = re.search(r"\b(?:for|in)\s+(?:an?\s+)?$", wording.lowered[:start])
        wording.take(before.start() if before else start, end)
    if slot.kind == "string":
        return spoken
    return _as_number(seconds / _slot_unit(slot), slot)


def _slot_unit(slot: Slot) -> int:
    for text in (slot.words, slot.about.lower()):
        for unit, size in _UNIT_SECONDS.items():
            if len(unit) > 3 and re.search(rf"\b{unit}s?\b", text):
                return size
    return 60 if slot.words.endswith("min") or "minutes" in slot.about.lower() else 1


def _day(slot: Slot, wording: Wording, _alone: bool) -> Value:
    day = wording.take_day()
    return [day] if day and slot.many else day


def _time(_slot: Slot, wording: Wording, _alone: bool) -> Value:
    return wording.take_time()


def _moment(_slot: Slot, wording: Wording, _alone: bool) -> Value:
    now = wording.now
    if now is None:
        return None
    if relative := re.search(r"\bin (?:an? |half an? |[\w-]+ )(?:minute|hour)s?\b", wording.lowered):
        whole = Slot("", "seconds", "", "integer", "duration", required=False)
        inner = Wording(wording.text[relative.start() : relative.end()], now)
        if seconds := _duration(whole, inner, alone=True):
            wording.take(relative.start(), relative.end())
            return _iso(now.timestamp() + min(int(seconds), 10**8), wording)
    day, time = wording.take_day(), wording.take_time()
    if day is None and time is None:
        return None
    offset = now.isoformat()[19:] if now.tzinfo and not now.microsecond else ""
    return f"{day or now.date().isoformat()}T{time or '09:00'}:00{offset}"


def _iso(stamp: float, wording: Wording) -> str:
    assert wording.now is not None  # noqa: S101 - the caller has looked
    return type(wording.now).fromtimestamp(stamp, wording.now.tzinfo).isoformat(timespec="seconds")


def _pattern(pattern: str) -> Callable[[Slot, Wording, bool], Value]:
    def finder(slot: Slot, wording: Wording, _alone: bool) -> Value:
        match = wording.find(pattern)
        if match is None:
            return None
        value = wording.take(match.start(), match.end())
        return [value] if slot.many else value

    return finder


def _prepositions(slot: Slot) -> tuple[str, ...]:
    words = f"{slot.words}"
    if re.search(r"\b(?:origin|from|source|departure|start|pickup)\b", words):
        return ("from", "leaving", "departing")
    if re.search(r"\b(?:destination|to|target|arrival|dropoff|end)\b", words):
        return ("to", "into", "towards", "for")
    if slot.role == "person":
        return ("to", "with", "for", "named", "from", "by", "call", "phone", "ring", "text", "message", "email",
                "invite",                 "dial", "tell", "is", "remind")  # fmt: skip
    return ("in", "for", "at", "near", "around", "to", "of", "from")


def _place(slot: Slot, wording: Wording, alone: bool) -> Value:
    for preposition in _prepositions(slot):
        for match in re.finditer(
            rf"\b{preposition}\s+(?:the (?:city|town) of )?(?:the |my |our )?{_SPAN}", wording.text, re.IGNORECASE
        ):
            words = match[1].lower().split()
            if not words or words[0] in _NOT_A_PLACE or _NUMBER.fullmatch(match[1].lower()):
                continue
            return _several(slot, wording, match.start(), match.start(1), match.end(1))
    directed = len(_prepositions(slot)) < 5  # "to Rome" must not become the origin
    if slot.role == "place" and (alone or not directed) and (name := _capitalised(wording)):
        return _several(slot, wording, name[0], name[0], name[1])
    if slot.role == "person" and (slot.required or alone) and (name := _capitalised(wording)):
        return _several(slot, wording, name[0], name[0], name[1])
    return None


_COMPANION = re.compile(
    r"(\s*,\s*(?:and |or )?|\s+(?:and|or)\s+)(?:(?:in|for|at|to|with)\s+)?([A-Z][\w'.-]*(?:\s+[A-Z][\w'.-]*){0,3})"
)


def _several(slot: Slot, wording: Wording, start: int, first: int, end: int) -> Value:
    """The name at [first, end) and, where they follow, its companions: "Paris, Rome and Oslo", "Paris, France"."""
    common = re.search(r"\b(?:the|my|our)\s+$", wording.lowered[start:first])  # "the airport" is no name
    names = [_titled(wording.text[first:end], proper=common is None)]
    listed = False
    while match := _COMPANION.match(wording.text, end):
        names.append(match[2].strip(".,"))
        listed = listed or bool(re.search(r"and|or", match[1]))
        end = match.end()
    wording.take(start, end)
    if not listed and slot.role == "place":
        names = [", ".join(names)]  # "Paris, France" is one place
    if slot.many or len(names) == 1:
        return names if slot.many else names[0]
    return Several(names)


class Several(list[str]):
    """More values than the slot holds: one call for each."""


def _titled(name: str, *, proper: bool = True) -> str:
    name = name.strip(" .,?!;:")
    if not proper:
        return name
    return name.title().replace("'S", "'s") if name.islower() else name


_ONLY_TIME = r"(?:[\s.,?!\x00]|today|tomorrow|tonight|now|please|instead|then|this \w+|next \w+|on \w+day|at \w+)*"


def _capitalised(wording: Wording) -> tuple[int, int] | None:
    """A name by its capital letters; the first word of the sentence does not count unless nothing else is there."""
    pattern = r"(?<![\w'])[A-Z][\w'-]*(?:\s+(?:(?:de|la|of|the|van|von)\s+)?[A-Z][\w'-]*)*"
    matches = [
        m for m in re.finditer(pattern, wording.text) if m.group() not in ("I", "I'm", "I'd", "I'll", "I've", "OK")
    ]
    later = [match for match in matches if match.start() > 0]
    if later:
        return later[0].start(), later[0].end()
    if matches and re.fullmatch(_ONLY_TIME, wording.text[matches[0].end() :], re.IGNORECASE):
        return matches[0].start(), matches[0].end()
    return None


def _code(slot: Slot, wording: Wording, _alone: bool) -> Value:
    if re.search(r"\b(?:number|id|code|reference|sku|identifier)\b", slot.words):
        match = wording.find(r"(?<![\w-])(?=[\w-]*\d)[A-Za-z]{0,6}-?\d[\w-]*")
        if match:
            return wording.take(match.start(), match.end())
    if match := re.search(r"(?<![\w'])[A-Z]{2,6}(?![\w'])", wording.text):
        return wording.take(match.start(), match.end())
    return None


_FINDERS: dict[str, Callable[[Slot, Wording, bool], Value]] = {
    "enum": _enum,
    "boolean": _boolean,
    "number": _number,
    "duration": _duration,
    "date": _day,
    "time": _time,
    "datetime": _moment,
    "place": _place,
    "person": _place,
    "email": _pattern(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "phone": _pattern(r"\+?\d[\d ()/-]{4,}\d"),
    "url": _pattern(r"(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?"),
    "code": _code,
}
