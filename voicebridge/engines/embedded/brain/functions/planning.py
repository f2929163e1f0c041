"""From an utterance to calls: which functions, with which arguments, and what still has to be asked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from voicebridge.engines.embedded.brain.functions.filling import amend, answer, fill, settle, to_json
from voicebridge.engines.embedded.brain.functions.schema import Function, Slot
from voicebridge.engines.embedded.brain.functions.selection import Match, Selector, clause_spans
from voicebridge.engines.embedded.brain.types import Call, Turn
from voicebridge.engines.embedded.brain.words import join, plain, split_name

_OWN_REQUEST = 0.08  # how far over the threshold a later clause must be to be a request of its own
_FITS = 0.08  # what words that fill every required argument add to a function's score
_MOST_CALLS = 8
_CANCEL = re.compile(
    r"(?:no )?(?:never ?mind|forget (?:it|that|about it)|cancel(?: (?:it|that))?|stop|nothing"
    r"|leave it|no thanks?(?: you)?)"
)
_FOLLOW = re.compile(
    r"^(?:and|what about|how about|and what about|and how about|also|now|the same for|same for"
    r"|then|no|nope|sorry|actually|i meant"
    r"|i mean|rather|instead|or|make (?:it|that)|in|for|at|to|on)\b"
)
_AGAIN = re.compile(
    r"(?:(?:do|try|check|run|play|roll|start|send) (?:(?:it|that) )?(?:again|once more)|again|once more|refresh"
    r"|check again|try again|one more time)"
)
_SWALLOWS = re.compile(
    r"\b(?:saying|that says|remind me|telling|tell|let \w+ know|translate|search|note)\b", re.IGNORECASE
)


@dataclass(slots=True)
class Plan:
    """Functions with the argument values known so far, in the order they were asked for."""

    parts: list[tuple[Function, dict[str, Any]]] = field(default_factory=list)

    def missing(self) -> tuple[int, Slot] | None:
        """The first required slot without a value and the part it belongs to."""
        for index, (function, values) in enumerate(self.parts):
            waiting = settle(function, values).missing
            if waiting:
                return index, waiting[0]
        return None

    def question(self) -> str:
        """What to ask next; empty when nothing is missing."""
        gap = self.missing()
        return "" if gap is None else question(gap[1])

    def calls(self) -> list[Call]:
        """The calls, without repetitions."""
        made = [
            Call(function.name, to_json(values))
            for function, known in self.parts
            for values in settle(function, known).calls()
        ]
        return list(dict.fromkeys(made))[:_MOST_CALLS]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user does not want what was being asked about."""


class Planner:
    """Pure: plans from the words, and replays the dialogue to know what an answer belongs to."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector

    def plan(self, text: str, functions: Sequence[Function], now: datetime | None, bar: float) -> Plan | None:
        """None unless a function fits by at least `bar` over the threshold."""
        if not functions or not text.strip():
            return None
        groups = self._groups(text, functions, now, bar)
        return (
            _merged([(function, fill(function, words, now).values) for function, words in groups]) if groups else None
        )

    def _best(self, text: str, functions: Sequence[Function], now: datetime | None) -> Match:
        """The best match; words that give every argument a near rival needs speak for that rival."""
        ranked = self._selector.rank(text, functions)
        near = [match for match in ranked[:4] if match.score > ranked[0].score - 2 * _FITS]
        fitting = [match.better(_FITS) if _fits(match.function, text, now) else match for match in near]
        return max(fitting, key=lambda match: match.score)

    def _groups(
        self, text: str, functions: Sequence[Function], now: datetime | None, bar: float
    ) -> list[tuple[Function, str]]:
        spans = clause_spans(text)
        groups: list[tuple[Function, int, int]] = []
        if len(spans) > 1:
            for start, end in spans:
                best = self._best(text[start:end], functions, now)
                swallowed = bool(groups) and bool(_SWALLOWS.search(text[groups[-1][1] : start]))
                own = best.over >= max(bar, _OWN_REQUEST if groups else 0.0) and not swallowed
                if own and groups and best.function is groups[-1][0] and not _is_request(best):
                    own = False  # "in Paris and in Rome", "milk and eggs": one request with two values
                if own:
                    groups.append((best.function, start, end))
                elif groups:
                    groups[-1] = (groups[-1][0], groups[-1][1], end)
        whole = self._best(text, functions, now)
        if len(groups) < 2:
            function = whole.function if whole.over >= bar else groups[0][0] if groups else None
            return [(function, text)] if function else []
        return [(function, text[start:end]) for function, start, end in groups]

    def forced(self, text: str, functions: Sequence[Function], now: datetime | None) -> Plan:
        """The best function whatever its score; arguments as far as the words give them."""
        planned = self.plan(text, functions, now, bar=0.0)
        if planned is not None:
            return planned
        best = self._best(text, functions, now).function
        return Plan([(best, fill(best, text, now).values)])

    def resume(
        self, turns: Sequence[Turn], functions: Sequence[Function], now: datetime | None, bars: Sequence[float]
    ) -> Plan | Cancelled | None:
        """The plan that the last user turn completes, when the assistant had asked for an argument.

        `turns` alternate user, assistant, …, user; `bars` are the bars of the user turns.
        """
        for start in range(0, len(turns) - 2, 2):
            plan = self.plan(turns[start].text, functions, now, bars[start // 2])
            outcome = self._replay(plan, turns[start + 1 :], now) if plan else None
            if outcome is not None:
                return outcome
        return None

    def _replay(self, plan: Plan, rest: Sequence[Turn], now: datetime | None) -> Plan | Cancelled | None:
        for asked, replied in zip(rest[::2], rest[1::2], strict=False):
            gap = plan.missing()
            if gap is None or not _same_words(asked.text, plan.question()):
                return None
            if _CANCEL.fullmatch(plain(replied.text)):
                return Cancelled() if replied is rest[-1] else None
            index, slot = gap
            function, values = plan.parts[index]
            more = answer(function, slot, replied.text, now, values)
            if more is not None:
                plan.parts[index] = (function, more)
        return plan

    def leaves(self, text: str, plan: Plan, functions: Sequence[Function]) -> bool:
        """Whether the answer is rather a request of its own for another function."""
        best = self._selector.rank(text, functions)[0]
        return best.over >= 0.2 and all(best.function is not function for function, _ in plan.parts)


def _merged(parts: list[tuple[Function, dict[str, Any]]]) -> Plan:
    """Neighbouring parts for one function that only together have all it requires are one request."""
    plan = Plan()
    for function, values in parts:
        if plan.parts and plan.parts[-1][0] is function:
            known = plan.parts[-1][1]
            together = {**values, **known}
            if (settle(function, known).missing or settle(function, values).missing) and not settle(
                function, together
            ).missing:
                plan.parts[-1] = (function, together)
                continue
        plan.parts.append((function, values))
    return plan


def _fits(function: Function, text: str, now: datetime | None) -> bool:
    """Whether the words give all that the function requires, by type rather than as "the rest"."""
    typed = [slot for slot in function.slots if slot.required]
    if not typed or any(slot.role in ("text", "thing", "boolean", "person") for slot in typed):
        return False
    return not fill(function, text, now).missing


def _is_request(match: Match) -> bool:
    return match.shared >= 0.3 and not any(slot.many for slot in match.function.slots)


def follow_up(text: str, turns: Sequence[Turn], functions: Sequence[Function], now: datetime | None) -> Plan | None:
    """Understand "and in Rome?", "no, Berlin", "do it again" after a call."""
    last = next((turn for turn in reversed(turns) if turn.kind == "call"), None)
    if last is None:
        return None
    since = list(turns)[_index_of(turns, last) + 1 :]
    if sum(turn.kind == "user" for turn in since) > 2:
        return None
    function = next((function for function in functions if function.name == last.name), None)
    if function is None:
        return None
    values = read_arguments(last.text)
    line = plain(text)
    if _AGAIN.fullmatch(line):
        return Plan([(function, values)])
    if len(line.split()) > 9 or not _FOLLOW.match(line):
        return None
    changed = amend(function, text, now, values)
    return Plan([(function, changed)]) if changed is not None and changed != values else None


def _index_of(turns: Sequence[Turn], wanted: Turn) -> int:
    return max(index for index, turn in enumerate(turns) if turn is wanted)


def read_arguments(text: str) -> dict[str, Any]:
    """A call's arguments; empty when they are no JSON object."""
    try:
        values = json.loads(text[:20_000])
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _same_words(said: str, asked: str) -> bool:
    """Whether the assistant's turn holds the question, or its heard beginning."""
    said, asked = plain(said), plain(asked)
    return bool(asked) and (asked in said or (len(said) >= 6 and asked.startswith(said)))


def question(slot: Slot) -> str:
    """A natural question for one required argument."""
    name = slot.words or "value"
    if slot.choices:
        options = [split_name(str(choice)) or str(choice) for choice in slot.choices[:8]]
        return f"Which {name}: {join(options, 'or')}?"
    if slot.role == "place":
        if re.search(r"\b(?:origin|from|departure|source|pickup)\b", name):
            return "From where?"
        if re.search(r"\b(?:destination|to|arrival|target|dropoff)\b", name):
            return "Where to?"
        return f"For which {name if name not in ('where', 'place', 'location') else 'place'}?"
    asked = {
        "date": "For which day?",
        "time": "At what time?",
        "datetime": "For when? Please tell me the day and the time.",
        "duration": "For how long?",
        "email": "What is the e-mail address?",
        "phone": "What is the phone number?",
        "boolean": f"Should {name} be on? Please say yes or no.",
    }
    if slot.role in asked:
        return asked[slot.role]
    if slot.role == "person":
        return (
            "What is the name?"
            if "name" in name
            else f"Who is the {name}?"
            if name not in ("to", "who")
            else "To whom?"
        )
    if slot.role == "number":
        return _how_many(name)
    if slot.role == "code":
        return f"What is the {name}?"
    if re.search(r"\b(?:message|text|body|content|note|comment)$", name):
        return f"What should the {name} say?"
    if re.search(r"\b(?:query|search|keywords?|term)$", name):
        return "What should I look for?"
    return f"What should the {name} be?" if slot.role == "text" and not slot.many else f"Which {name}?"


def _how_many(name: str) -> str:
    if re.search(r"party size|guests|people|persons|passengers|seats", name):
        return "For how many people?"
    if name.endswith("s") or name in ("quantity", "count"):
        return f"How many{' ' + name if name.endswith('s') else ''}?"
    return f"Which {name}? Please tell me a number."
