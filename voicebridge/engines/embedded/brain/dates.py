"""Days and times of day as people say them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from voicebridge.engines.embedded.brain.numbers import number_words, read_number, read_ordinal, say_ordinal

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_FEASTS = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "boxing day": (12, 26),
    "new year's eve": (12, 31), "new years eve": (12, 31), "new year's day": (1, 1), "new years day": (1, 1),
    "new year's": (1, 1), "new years": (1, 1), "new year": (1, 1), "the new year": (1, 1), "halloween": (10, 31),
    "valentine's day": (2, 14), "valentines day": (2, 14), "saint patrick's day": (3, 17), "april fools day": (4, 1),
}  # fmt: skip
_SPANS = {"day": 1, "week": 7, "fortnight": 14}
_NUMBER = r"(?:an?|\d{1,4}|[a-z]+(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?)"
_MONTH = "|".join((*MONTHS, *(name[:3] for name in MONTHS), "sept"))
_DAY = r"(?:\d{1,2}(?:st|nd|rd|th)?|[a-z]+(?:[ -][a-z]+)?(?:st|nd|rd|th))"
_WEEKDAY = "|".join(WEEKDAYS)
_RELATIVE = {
    "the day after tomorrow": 2, "day after tomorrow": 2, "the day before yesterday": -2, "day before yesterday": -2,
    "tomorrow": 1, "yesterday": -1, "today": 0, "tonight": 0,
}  # fmt: skip
_PATTERN = re.compile(
    rf"\b(?:(?P<relative>{'|'.join(_RELATIVE)})"
    r"|(?P<iso>\d{4}-\d{2}-\d{2})|(?P<slash>\d{1,2}/\d{1,2}/\d{4})"
    rf"|(?P<feast>{'|'.join(map(re.escape, _FEASTS))})"
    rf"|(?:the )?(?P<d1>{_DAY})(?: of|,)? (?P<m1>{_MONTH})\b,?(?: (?P<y1>\d{{4}}))?"
    rf"|(?P<m2>{_MONTH}) (?:the )?(?P<d2>{_DAY})\b,?(?: (?P<y2>\d{{4}}))?"
    rf"|(?:on )?(?P<which>next|this|last|coming)? ?(?P<weekday>{_WEEKDAY})"
    rf"|in (?P<n1>{_NUMBER}) (?P<u1>day|week|fortnight|month|year)s?"
    rf"|(?P<n2>{_NUMBER}) (?P<u2>day|week|fortnight|month|year)s? (?P<dir>from (?:now|today)|ago|later)"
    r"|(?P<period>next|last) (?P<pu>week|month|year))\b"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where in the lower-cased text it stands."""

    value: str
    start: int
    end: int


def find_day(text: str, today: date) -> tuple[date, int, int] | None:
    """The first day named in `text` and its span; days without a year are the next to come."""
    lowered = text.lower()
    for match in _PATTERN.finditer(lowered):
        try:
            day = _read(match, today)
        except (ValueError, OverflowError):
            continue
        if day is not None:
            return day, match.start(), match.end()
    return None


def _read(match: re.Match[str], today: date) -> date | None:
    got = match.groupdict()
    if got["relative"]:
        return today + timedelta(days=_RELATIVE[got["relative"]])
    if got["iso"]:
        return date.fromisoformat(got["iso"])
    if got["slash"]:
        first, second, year = map(int, got["slash"].split("/"))
        return date(year, first, second) if first <= 12 else date(year, second, first)
    if got["feast"]:
        return _upcoming(*_FEASTS[got["feast"]], today)
    if got["m1"] or got["m2"]:
        return _of_month(got["d1"] or got["d2"], got["m1"] or got["m2"], got["y1"] or got["y2"], today)
    if got["weekday"]:
        return _weekday(got["which"], WEEKDAYS.index(got["weekday"]), today)
    if got["period"]:
        return _shift(today, 1 if got["period"] == "next" else -1, got["pu"])
    count = _count(got["n1"] or got["n2"])
    if count is None:
        return None
    return _shift(today, -count if got["dir"] == "ago" else count, got["u1"] or got["u2"])


def _count(words: str) -> int | None:
    if words in ("a", "an"):
        return 1
    parts = number_words(words)
    hit = read_number(parts, 0)
    return int(hit[0]) if hit and hit[1] == len(parts) and hit[0].denominator == 1 and hit[0] < 100_000 else None


def _upcoming(month: int, day: int, today: date) -> date:
    this_year = date(today.year, month, day)
    return this_year if this_year >= today else date(today.year + 1, month, day)


def _of_month(day: str, month: str, year: str | None, today: date) -> date | None:
    number = int(day) if day.isdigit() else read_ordinal(day)
    if number is None:
        return None
    which = next(index for index, name in enumerate(MONTHS, 1) if name.startswith(month[:3]))
    return date(int(year), which, number) if year else _upcoming(which, number, today)


def _weekday(which: str | None, weekday: int, today: date) -> date:
    ahead = (weekday - today.weekday()) % 7
    if which == "last":
        return today - timedelta(days=(today.weekday() - weekday) % 7 or 7)
    if which == "next" or ahead == 0:
        return today + timedelta(days=ahead or 7)
    return today + timedelta(days=ahead)


def _shift(today: date, count: int, unit: str) -> date:
    if unit in _SPANS:
        return today + timedelta(days=count * _SPANS[unit])
    months = today.year * 12 + today.month - 1 + count * (12 if unit == "year" else 1)
    for day in range(today.day, 27, -1):
        try:
            return date(months // 12, months % 12 + 1, day)
        except ValueError:
            continue
    return date(months // 12, months % 12 + 1, min(today.day, 28))


_HOURS = {
    word: value
    for value, word in enumerate(
        ["twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
    )
}
_HOUR = rf"(?:\d{{1,2}}|{'|'.join(_HOURS)})"
_SPOKEN_MINUTE = (
    r"(?:oh (?:one|two|three|four|five|six|seven|eight|nine)|ten|fifteen|twenty(?:[ -]five)?|thirty(?:[ -]five)?"
    r"|forty(?:[ -]five)?|fifty(?:[ -]five)?)"
)
_HALF_DAY = r"(?:\s*(?P<half>a\.?m\b\.?|p\.?m\b\.?|in the morning|in the afternoon|in the evening|at night|tonight))"
_CLOCK = tuple(
    re.compile(form)
    for form in (
        r"\b(?P<word>noon|midday|midnight)\b",
        rf"\b(?P<side>half past|quarter past|quarter to) (?P<hour>{_HOUR})\b{_HALF_DAY}?",
        rf"\b(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)\b{_HALF_DAY}?",
        rf"\b(?P<hour>{_HOUR})(?: (?P<spoken>{_SPOKEN_MINUTE}|[0-5]\d))?(?: o'?clock)?{_HALF_DAY}",
        rf"\b(?P<hour>{_HOUR}) o'?clock\b",
        rf"\b(?:at|by|until|till|around|before|after|from) (?P<hour>{_HOUR}) (?P<spoken>{_SPOKEN_MINUTE}|[0-5]\d)\b",
        (
            rf"\b(?:at|by|until|till|around) (?P<hour>{_HOUR})\b(?! (?:people|persons|guests|percent"
            rf"|dollars|euros|degrees))"
        ),
        rf"^(?P<hour>{_HOUR})(?: (?P<spoken>{_SPOKEN_MINUTE}))?$",
    )
)


def find_time(text: str) -> Found | None:
    """The first time of day in `text` as "HH:MM"; a bare hour from 1 to 6 is taken as afternoon."""
    lowered = text.lower()
    for form in _CLOCK:
        match = form.search(lowered)
        if match is None:
            continue
        value = _clock(match.groupdict(), lowered)
        if value is not None:
            return Found(value, match.start(), match.end())
    return None


def _clock(got: dict[str, str | None], text: str) -> str | None:
    if got.get("word"):
        return "00:00" if got["word"] == "midnight" else "12:00"
    hour_words = got["hour"] or "0"
    hour = int(hour_words) if hour_words.isdigit() else _HOURS[hour_words]
    hour = 12 if hour_words == "twelve" else hour
    minute = int(got.get("minute") or 0) if got.get("minute") else _minute(got.get("spoken"))
    side = got.get("side")
    if side:
        minute = 30 if side == "half past" else 15 if side == "quarter past" else 45
        hour -= side == "quarter to"
    half = got.get("half") or ""
    if half.startswith("p") or any(word in half for word in ("afternoon", "evening", "night")):
        hour = hour + 12 if hour < 12 else hour
    elif half:
        hour = 0 if hour == 12 else hour
    elif (1 <= hour <= 6 and not hour_words.startswith("0") and "morning" not in text) or (
        7 <= hour <= 11 and re.search(r"\b(?:evening|tonight|night)\b", text)
    ):
        hour += 12
    return f"{hour:02d}:{minute:02d}" if 0 <= hour <= 23 and 0 <= minute <= 59 else None


def _minute(spoken: str | None) -> int:
    if not spoken:
        return 0
    if spoken.isdigit():
        return int(spoken)
    hit = read_number(number_words(spoken.removeprefix("oh ")), 0)
    return int(hit[0]) if hit else 0


def say_day(day: date, *, year: bool = True) -> str:
    """For example "Saturday, November 21st, 2026"."""
    number = say_ordinal(day.day) if day.day >= 20 else f"{day.day}{_ending(day.day)}"
    words = f"{WEEKDAYS[day.weekday()].capitalize()}, {MONTHS[day.month - 1].capitalize()} {number}"
    return f"{words}, {day.year}" if year else words


def _ending(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def say_time(moment: datetime) -> str:
    """For example "3:05 PM"."""
    return f"{moment.hour % 12 or 12}:{moment.minute:02d} {'AM' if moment.hour < 12 else 'PM'}"


def read_now(now: str) -> datetime | None:
    """The moment in an ISO 8601 text; None when it is none."""
    try:
        return datetime.fromisoformat(now)
    except ValueError:
        return None
