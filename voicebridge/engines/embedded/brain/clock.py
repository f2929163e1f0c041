"""Questions about the time and the calendar, answered from the moment given with the request."""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, datetime, timedelta
from fractions import Fraction

from voicebridge.engines.embedded.brain.dates import MONTHS, find_day, find_time, read_now, say_day, say_time
from voicebridge.engines.embedded.brain.numbers import number_words, read_number, say_number
from voicebridge.engines.embedded.brain.words import core

_TIME = re.compile(
    r"(?:what is the (?:current |exact |local )?time|what time (?:is it|it is|do we have)|do you have the time|the time"
    r"|current time|time|what does the clock say|got the time|have you got the time|and the time|what about the time)"
    r"(?: (?:is it|it is|now|here|today|currently|at the moment|there|right now|please))*"
)
_TIME_AT = re.compile(r"what (?:time is it|is the (?:current |local )?time) (?:in|at) (?P<place>[a-z ]{2,40})")
_DATE = re.compile(
    r"(?:(?:what|which) (?:day|date) (?:is it|it is|is today|are we|do we have)|what is (?:the"
    r"|today's|todays) (?:current )?date"
    r"|what is today|the date|today's date|what day of the week is it|(?:what|which) weekday is it|which day is it"
    r"|what is the day|and the date|what about the date|what is the day today)(?: (?:is it|it "
    r"is|now|here|today|currently))*"
)
_YEAR = re.compile(r"(?:what|which) (year|month|week) (?:is it|are we in|is this|do we have)(?: now| currently)?")
_DAYS_DATE = re.compile(
    r"what is (?P<day>tomorrow|yesterday)(?:(?:'?s)? (?:date|day))?|what is the date of (?P<of>tomorrow|yesterday)"
)
_DAY_OF = re.compile(
    r"(?:what|which) (?:day|date|weekday|day of the week)(?: of the week)?(?: is| was| will it "
    r"be| will be| does| did)?(?: it)?"
    r"|what is the (?:date|day|weekday)|when is|on (?:what|which) (?:day|weekday) (?:is|was"
    r"|does|did)|and|what about|how about"
)
_COUNT = re.compile(r"how (many (?P<unit>days|weeks|months)|long)\b.*?\b(?P<way>until|till|to|before|since|ago|from)\b")
_AHEAD = re.compile(
    r"what time (?:will it be|was it|is it) (?:in )?(?P<n>.+?) (?P<unit>minutes?|hours?)(?P<ago> ago)?(?: from now)?"
)
_LEAP = re.compile(r"(?:is|was|will) (?P<year>\d{4}|it|this year|this)(?: be)? a leap year")
ONLY_HERE = "I only know the time here."
NO_CLOCK = "I was not given the time, so I can not tell."


def answer_clock(text: str, now: str) -> str | None:
    """A spoken answer to a question about time or calendar; None when the text asks for none."""
    line = core(text)[:200]
    moment = read_now(now)
    if moment is None:
        return NO_CLOCK if _TIME.fullmatch(line) or _DATE.fullmatch(line) or _YEAR.fullmatch(line) else None
    if _TIME.fullmatch(line):
        return f"It is {say_time(moment)}."
    if _DATE.fullmatch(line):
        return f"Today is {say_day(moment.date())}."
    if match := _YEAR.fullmatch(line):
        return _year(match[1], moment)
    if match := _TIME_AT.fullmatch(line):
        return f"{ONLY_HERE} It is {say_time(moment)}."
    if match := _LEAP.fullmatch(line):
        return _leap(match["year"], moment.year)
    if match := _AHEAD.fullmatch(line):
        return _ahead(match, moment)
    if match := _COUNT.match(line):
        return _count(line, match, moment)
    if match := _DAYS_DATE.fullmatch(line):
        line = f"when is {match['day'] or match['of']}"
    return _day_of(line, moment.date()) or _part_of_day(line, moment)


def follow_clock(text: str, now: str) -> str | None:
    """Answer "And tomorrow?" after a question about the calendar."""
    line = core(text)[:80]
    moment = read_now(now)
    match = re.match(r"(?:and|what about|how about|and what about) ", line)
    if moment is None or match is None:
        return None
    rest = line[match.end() :]
    found = find_day(rest, moment.date())
    if found and found[2] - found[1] >= len(rest.removeprefix("on ")) - 4:
        return _say_which(rest[found[1] : found[2]], found[0], moment.date())
    return None


def _year(what: str, moment: datetime) -> str:
    if what == "year":
        return f"It is {moment.year}."
    if what == "month":
        return f"It is {MONTHS[moment.month - 1].capitalize()}."
    return f"It is week {say_number(moment.isocalendar().week)} of the year."


def _leap(words: str, this_year: int) -> str:
    year = int(words) if words.isdigit() else this_year
    return f"{'Yes' if isleap(year) else 'No'}, {year} is {'' if isleap(year) else 'not '}a leap year."


def _ahead(match: re.Match[str], moment: datetime) -> str | None:
    amount = _amount(match["n"])
    if amount is None or amount > 100_000:
        return None
    step = timedelta(minutes=float(amount) * (60 if match["unit"].startswith("hour") else 1))
    try:
        then = moment - step if match["ago"] else moment + step
    except OverflowError:
        return None
    day = "" if then.date() == moment.date() else f" on {say_day(then.date(), year=False)}"
    return f"It {'was' if match['ago'] else 'will be'} {say_time(then)}{day}."


def _amount(words: str) -> Fraction | None:
    if words in ("a", "an", "one"):
        return Fraction(1)
    if words in ("half an", "half a"):
        return Fraction(1, 2)
    parts = number_words(words)
    hit = read_number(parts, 0)
    return hit[0] if hit and hit[1] == len(parts) else None


def _count(line: str, match: re.Match[str], moment: datetime) -> str | None:
    rest = line[match.end("way") :]
    today = moment.date()
    if clock := find_time("at " + rest.strip()) if not find_day(rest, today) else None:
        return _until_time(clock.value, moment)
    if re.search(r"end of the year|year'?s? ends?", rest):
        found, name = date(today.year, 12, 31), "the end of the year"
    else:
        hit = find_day(rest, today)
        if hit is None:
            return None
        found, name = hit[0], _named(rest[hit[1] : hit[2]], hit[0])
    past = match["way"] in ("since", "ago", "from")
    if past and found > today:  # a day without a year is the last one when asking "since"
        found = _year_before(found)
        name = say_day(found)
    days = abs((found - today).days)
    if days == 0:
        return "That is today."
    return f"{_say_days(days, match['unit']).capitalize()} {'since' if past else 'until'} {name}."


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day - timedelta(days=366)


def _say_days(days: int, unit: str | None) -> str:
    if unit == "weeks":
        weeks, rest = divmod(days, 7)
        tail = f" and {_plural(rest, 'day')}" if rest else ""
        return f"it is {_plural(weeks, 'week')}{tail}"
    if unit == "months":
        return f"it is about {say_number(Fraction(days * 12, 365), 0)} months"
    return f"it is {_plural(days, 'day')}"


def _plural(count: int, word: str) -> str:
    return f"{say_number(count)} {word}{'' if count == 1 else 's'}"


def _until_time(value: str, moment: datetime) -> str:
    hour, minute = map(int, value.split(":"))
    then = moment.replace(hour=hour, minute=minute, second=0, microsecond=0)
    minutes = int((then - moment.replace(second=0, microsecond=0)).total_seconds() // 60) % 1440
    hours, rest = divmod(minutes, 60)
    parts = [_plural(hours, "hour")] * (hours > 0) + [_plural(rest, "minute")] * (rest > 0 or hours == 0)
    return f"{' and '.join(parts).capitalize()} until {say_time(then)}."


def _named(words: str, day: date) -> str:
    words = words.removeprefix("on ").strip()
    if re.search(r"christmas|year|halloween|valentine|patrick|fools|boxing", words):
        return f"{words.title().replace(chr(39) + 'S', chr(39) + 's')}, {say_day(day)}"
    return say_day(day)


def _say_which(words: str, day: date, today: date) -> str:
    verb = "was" if day < today else "is"
    words = words.removeprefix("on ").strip()
    if words in ("today", "tomorrow", "yesterday") or words.endswith(("after tomorrow", "before yesterday")):
        lead = words if words.startswith(("t", "y")) else f"the {words}"
        return f"{lead[0].upper()}{lead[1:]} {verb} {say_day(day)}."
    return f"That {verb} {say_day(day)}."


def _day_of(line: str, today: date) -> str | None:
    match = _DAY_OF.match(line)
    if match is None or match.group() in ("and", "what about", "how about"):
        return None
    rest = line[match.end() :]
    found = find_day(rest, today)
    if found is None:
        return None
    spare = rest[: found[1]] + rest[found[2] :]
    if re.sub(
        r"\b(?:the|on|it|is|be|was|fall|for|of|date|day|weekday|will|going to|a|what|which|to)\b", "", spare
    ).strip():
        return None
    return _say_which(rest[found[1] : found[2]], found[0], today)


def _part_of_day(line: str, moment: datetime) -> str | None:
    match = re.fullmatch(
        r"is it (?:already |still )?(morning|afternoon|evening|night|the weekend|weekend|\w+day)(?: (?:today|now))?",
        line,
    )
    if match is None:
        return None
    asked = match[1].removeprefix("the ")
    hour = moment.hour
    part = (
        "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening" if 18 <= hour < 22 else "night"
    )
    if asked == "weekend":
        true = moment.weekday() >= 5
    elif asked.endswith("day"):
        true = say_day(moment.date()).lower().startswith(asked)
    else:
        true = asked == part
    return f"{'Yes' if true else 'No'}, it is {say_time(moment)} on {say_day(moment.date(), year=False)}."
