"""The brain: one conversation in, one answer out. It keeps nothing between calls but cached embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property

from voicebridge.engines.embedded.brain import smalltalk
from voicebridge.engines.embedded.brain.arithmetic import CannotCompute, compare, last_result, work_out
from voicebridge.engines.embedded.brain.clock import ONLY_HERE, answer_clock, follow_clock
from voicebridge.engines.embedded.brain.dates import read_now
from voicebridge.engines.embedded.brain.embeddings import Embedder, load_embedder
from voicebridge.engines.embedded.brain.facts import (
    NAME_KEY,
    Fact,
    acknowledge,
    answer_fact,
    correction,
    facts_in,
    is_question,
    remembered,
    told_last,
)
from voicebridge.engines.embedded.brain.functions.planning import Cancelled, Plan, Planner, follow_up
from voicebridge.engines.embedded.brain.functions.results import recall_result, speak_results
from voicebridge.engines.embedded.brain.functions.schema import Function, read_function
from voicebridge.engines.embedded.brain.functions.selection import Selector
from voicebridge.engines.embedded.brain.instructions import Directives, read_directives
from voicebridge.engines.embedded.brain.languages import foreign, greeting_in, only_english
from voicebridge.engines.embedded.brain.memory import answer_memory
from voicebridge.engines.embedded.brain.recall import find_sentence
from voicebridge.engines.embedded.brain.style import shape
from voicebridge.engines.embedded.brain.texts import UPSTREAM
from voicebridge.engines.embedded.brain.types import BrainAsk, BrainStep, Call, Say, Turn
from voicebridge.engines.embedded.brain.units import convert
from voicebridge.engines.embedded.brain.wordplay import answer_wordplay, echo
from voicebridge.engines.embedded.brain.words import LONGEST, as_sentence, core, plain, tidy, turn_around

_MOST_TURNS = 200
_MOST_TOOLS = 64
_MOST_RESUMED = 5  # questions in a row that one request can lead to
_GUARDED = 0.25  # how far over the threshold a function must be where the brain has an answer of its own
_EMBEDDED: tuple[str, ...] = ("installed",)
_UNKNOWN = (
    f"I do not know that. I am the small built-in brain. {UPSTREAM}",
    "I am sorry, that is beyond me.",
    "I do not know. I can do sums, tell the time, or call your application's functions.",
    f"I can not answer that. {UPSTREAM}",
)
_NOT_CAUGHT = (
    "Sorry, I did not catch that.",
    "I did not understand that. Could you say it again?",
    "I am sorry, could you repeat that?",
)
_TOLD = ("I see.", "Thank you for telling me.", "I will keep that in mind.")


@dataclass(frozen=True)
class _Scene:
    """One request, looked at from all sides."""

    ask: BrainAsk
    turns: tuple[Turn, ...]
    directives: Directives
    functions: tuple[Function, ...]
    moment: datetime | None

    @cached_property
    def last_user(self) -> int | None:
        return next((index for index in range(len(self.turns) - 1, -1, -1) if self.turns[index].kind == "user"), None)

    @cached_property
    def answered(self) -> bool:
        """Whether nothing new was said since the last answer."""
        return self.last_user is None or any(turn.kind == "assistant" for turn in self.turns[self.last_user + 1 :])

    @cached_property
    def text(self) -> str:
        return "" if self.last_user is None else self.turns[self.last_user].text

    @cached_property
    def before(self) -> tuple[Turn, ...]:
        return self.turns[: self.last_user or 0]

    @cached_property
    def said(self) -> list[str]:
        """The assistant's turns."""
        return [turn.text for turn in self.turns if turn.kind == "assistant"]

    @cached_property
    def heard(self) -> list[str]:
        """The user's turns before this one."""
        return [turn.text for turn in self.before if turn.kind == "user"]

    @cached_property
    def result(self) -> Fraction | None:
        """What "that" means in a sum."""
        return last_result(self.heard)

    @cached_property
    def facts(self) -> list[Fact]:
        return remembered(self.heard)


class Brain:
    """Deterministic: the same request gives the same answer, whatever was asked in between."""

    def __init__(self, embedder: Embedder | tuple[str, ...] | None = _EMBEDDED) -> None:
        """Without an argument the installed model is loaded; None makes do with shared words alone.

        Raises EngineError when the model file is not the pinned one.
        """
        self._embedder = load_embedder() if isinstance(embedder, tuple) else embedder
        self._planner = Planner(Selector(self._embedder))
        smalltalk.nearest_intent("good evening everybody", self._embedder)  # embeds the example phrases once

    def reply(self, ask: BrainAsk) -> list[BrainStep]:
        """At least one step: calls of the client's functions, or one text."""
        scene = _look(ask)
        calls = self._demanded(scene)
        if calls:
            return list(calls)
        outcome = self._results(scene) or self._commanded(scene) or self._answer(scene)
        if isinstance(outcome, Plan):
            made = [] if outcome.question() else outcome.calls()
            if made:
                return list(made)
            outcome = outcome.question() or "That is done."
        return [Say(shape(outcome, scene.directives, exact=isinstance(outcome, _Exact)))]

    # --- what comes before any understanding -------------------------------------------------------------------

    def _demanded(self, scene: _Scene) -> list[Call]:
        """Calls that tool_choice demands, unless their results are already there."""
        choice = scene.ask.tool_choice
        if choice in ("auto", "none") or not scene.functions:
            return []
        wanted = scene.functions
        if isinstance(choice, tuple):
            wanted = tuple(function for function in wanted if function.name == choice[1])
            if not wanted:
                return []
        since = scene.turns[scene.last_user or 0 :]
        made = {turn.name for turn in since if turn.kind == "call"}
        if any(turn.kind == "result" for turn in since) and (
            choice == "required" or made & {function.name for function in wanted}
        ):
            return []
        plan = self._resumed(scene, wanted) if choice == "required" else None
        if not isinstance(plan, Plan):
            plan = self._planner.forced(tidy(scene.text), wanted, scene.moment)
        return plan.calls()

    def _results(self, scene: _Scene) -> str | None:
        """The results that came in since the user last spoke."""
        since = scene.turns[0 if scene.last_user is None else scene.last_user + 1 :]
        last_said = max((index for index, turn in enumerate(since) if turn.kind == "assistant"), default=-1)
        fresh = [turn for index, turn in enumerate(since) if turn.kind == "result" and index > last_said]
        calls = [turn for turn in scene.turns if turn.kind == "call"]
        done = {turn.call_id for turn in scene.turns if turn.kind == "result"}
        waiting = sum(turn.kind == "call" and turn.call_id not in done for turn in since)
        return speak_results(calls, fresh, waiting) if fresh or waiting else None

    def _commanded(self, scene: _Scene) -> str | None:
        """What the instructions settle without looking at the user's words."""
        directives = scene.directives
        if directives.say_now and (directives.say_exactly or scene.answered or directives.say_now not in scene.said):
            return _Exact(directives.say_now)
        if directives.exact:
            return _Exact(directives.exact)
        if directives.only_greet and (scene.answered or _greet(scene) not in scene.said):
            return _greet(scene)
        if scene.answered:
            return _greet(scene) if not scene.heard and not scene.said else self._nudged(scene)
        return None

    def _nudged(self, scene: _Scene) -> str:
        """A response was asked for though nobody has said anything new."""
        if not scene.said:
            return _greet(scene)
        return "I am listening. What can I do for you?"

    # --- the user's words ----------------------------------------------------------------------------------------

    def _answer(self, scene: _Scene) -> str | Plan:
        text = tidy(scene.text)
        if not re.search(r"[^\W_]", text):
            return _by_turn(_NOT_CAUGHT, scene)
        code = foreign(text)
        if code is not None:
            return (
                greeting_in(code) + " " + only_english(code)
                if scene.directives.language == code and not scene.said
                else only_english(code)
            )
        if scene.ask.tool_choice != "none":
            resumed = self._resumed(scene, scene.functions)
            if isinstance(resumed, Cancelled):
                return "All right, never mind."
            if resumed is not None:
                return resumed
        spoken = echo(text)
        if spoken is not None and not (scene.functions and re.search(r"\btranslat", text.lower())):
            return _Exact(spoken)
        remembered_line = answer_memory(plain(text)[:300], scene.before) or answer_memory(
            core(text)[:300], scene.before
        )
        if remembered_line and not self._asks_again(scene, text):
            return remembered_line
        planned = self._planned(scene, text)
        if planned is not None:
            return planned
        answer = _told_and_asked(scene, text) or _own_answer(scene, text)
        return answer if answer is not None else self._last_resort(scene, text)

    def _asks_again(self, scene: _Scene, text: str) -> bool:
        """Whether "again" means the last call: "again" after a call means the call, after words it means the words."""
        last = next((turn for turn in reversed(scene.before) if turn.kind in ("call", "user")), None)
        return bool(
            last
            and last.kind == "call"
            and re.fullmatch(r"again|once more|one more time|(?:do|try|check) it again", plain(text))
        )

    def _bar(self, scene: _Scene, text: str) -> float:
        intent = smalltalk.find_intent(text)
        if intent is not None and intent.name == "weather":  # the brain's own answer is only an excuse
            return 0.0
        own = _own_answer(scene, text, look_only=True)
        return _GUARDED if own is not None and not own.startswith(ONLY_HERE) else 0.0

    def _planned(self, scene: _Scene, text: str) -> Plan | str | None:
        if not scene.functions or scene.ask.tool_choice == "none":
            return None
        again = follow_up(text, scene.before, scene.functions, scene.moment)
        if again is not None:
            return again
        if re.search(r"\b(?:was|were|did|again)\b", plain(text)):
            known = recall_result(plain(text), [turn for turn in scene.before if turn.kind == "result"])
            if known is not None:
                return known
        return self._planner.plan(text, scene.functions, scene.moment, self._bar(scene, text))

    def _resumed(self, scene: _Scene, functions: Sequence[Function]) -> Plan | Cancelled | None:
        """The request that the user's words complete, when the brain had asked for an argument."""
        tail: list[Turn] = []
        turns = [turn for turn in scene.turns[: (scene.last_user or -1) + 1] if turn.kind != "system"]
        for turn in reversed(turns):
            if turn.kind != ("user" if len(tail) % 2 == 0 else "assistant") or len(tail) > 2 * _MOST_RESUMED:
                break
            tail.insert(0, turn)
        if len(tail) % 2 == 0:
            tail = tail[1:]
        if len(tail) < 3 or not functions:
            return None
        bars = [self._bar(scene, turn.text) for turn in tail[::2]]
        outcome = self._planner.resume(tail, functions, scene.moment, bars)
        if isinstance(outcome, Plan) and outcome.question() and self._planner.leaves(tail[-1].text, outcome, functions):
            return None
        aside = is_question(scene.text) and (
            _fact(scene, scene.text) or _sum(scene, scene.text) or _fixed(scene, scene.text)
        )
        return None if aside else outcome

    def _last_resort(self, scene: _Scene, text: str) -> str:
        intent = smalltalk.nearest_intent(text, self._embedder)
        if intent is not None:
            return smalltalk.answer_intent(intent, scene.directives, scene.said)
        if is_question(text):
            stated = find_sentence(text, scene.directives.statements, self._embedder)
            if stated is not None:
                return as_sentence(stated)
            if re.search(r"\b(?:i|my|me|mine|we|our)\b", plain(text)):
                told = [line for line in scene.heard if not is_question(line) and len(line.split()) > 2]
                found = find_sentence(text, told, self._embedder)
                if found is not None:
                    return f"You told me: {as_sentence(turn_around(found.rstrip('.')))}"
        elif re.match(r"(?:i|my|we|our|the|it|there|he|she|they|this|that)\b", plain(text)) and len(text.split()) > 2:
            return _by_turn(_TOLD, scene)
        if len(re.findall(r"[^\W\d_]", text)) < 2:
            return _by_turn(_NOT_CAUGHT, scene)
        return _by_turn(_UNKNOWN, scene, same=lambda said: any(text in said for text in _UNKNOWN))


class _Exact(str):
    """A text that must not be touched."""

    __slots__ = ()


def _look(ask: BrainAsk) -> _Scene:
    turns = tuple(
        turn
        if len(turn.text) <= LONGEST or turn.kind in ("result", "call")
        else Turn(turn.kind, turn.text[:LONGEST], turn.name, turn.call_id)
        for turn in ask.context[-_MOST_TURNS:]
    )
    system = [turn.text for turn in turns if turn.kind == "system"]
    directives = read_directives(ask.instructions, system)
    functions = tuple(read_function(tool) for tool in ask.tools[:_MOST_TOOLS])
    return _Scene(ask, turns, directives, functions, read_now(ask.now))


def _by_turn(answers: Sequence[str], scene: _Scene, same: Callable[[str], bool] | None = None) -> str:
    """Another wording each time, decided by how often one was given before."""
    given = sum(same(said) if same else any(answer in said for answer in answers) for said in scene.said)
    return answers[given % len(answers)]


def _greet(scene: _Scene) -> str:
    return smalltalk.greeting(scene.directives, scene.said)


def _own_answer(scene: _Scene, text: str, *, look_only: bool = False) -> str | None:
    """What the brain can answer without the client's functions. `look_only` asks whether, not what."""
    for answer in (_fact, _sum, _fixed, _letters, _small_talk, _told):
        found = answer(scene, text)
        if found is not None:
            return found
    return None if look_only else _follow(scene, text)


def _fact(scene: _Scene, text: str) -> str | None:
    return answer_fact(core(text)[:300], scene.facts) or answer_fact(plain(text)[:300], scene.facts)


def _fixed(scene: _Scene, text: str) -> str | None:
    """What depends on nothing but the words and the clock."""
    return compare(text) or convert(text) or answer_clock(text, scene.ask.now)


def _letters(scene: _Scene, text: str) -> str | None:
    name = next((fact.value for fact in scene.facts if fact.key == NAME_KEY), "")
    if re.fullmatch(r"(?:how do you )?spell your name", core(text)):
        text = f"spell {scene.directives.name or 'voicebridge'}"
    return answer_wordplay(text, len(scene.turns), name)


def _sum(scene: _Scene, text: str) -> str | None:
    try:
        done = work_out(text, scene.result)
    except CannotCompute as why:
        return str(why)
    return done.spoken if done else None


def _small_talk(scene: _Scene, text: str) -> str | None:
    directives = scene.directives
    intent = smalltalk.find_intent(text)
    if intent is None:
        return None
    if intent.name == "hello" and not scene.said and (directives.greet or directives.ask_name):
        return _greet(scene)
    return smalltalk.answer_intent(intent, directives, scene.said)


def _told(scene: _Scene, text: str) -> str | None:
    """An acknowledgement, when the user told something about themselves."""
    fresh = facts_in(text)
    last = told_last(scene.heard)
    if not fresh and last is not None and (corrected := correction(text, last)) is not None:
        return f"Sorry, {corrected.spoken}. I have corrected that."
    if not fresh and re.match(r"(?:please )?forget (?:my|everything|all)\b", plain(text)):
        return "All right, I have put that out of my mind."
    if not fresh and _asked_name(scene) and (named := _bare_name(text)):
        return f"Nice to meet you, {named}."
    return acknowledge(fresh, len(scene.heard)) if fresh else None


def _told_and_asked(scene: _Scene, text: str) -> str | None:
    """Something told and something asked in one breath, as in "I'm Anna. What's your name?"."""
    *told, asked = re.split(r"(?<=[.!?])\s+", text)
    answer = _own_answer(scene, asked) if told and is_question(asked) else None
    if answer is None:
        return None
    heard = _told(scene, " ".join(told))
    return f"{heard} {answer}" if heard else answer


def _asked_name(scene: _Scene) -> bool:
    return bool(scene.said) and "your name?" in scene.said[-1]


def _bare_name(text: str) -> str:
    match = re.fullmatch(
        r"(?:it's |it is |i'm |i am )?([^\W\d_][\w'-]*(?: [^\W\d_][\w'-]*){0,2})[.!]?", tidy(text), re.IGNORECASE
    )
    return match[1].title() if match and len(match[1].split()) <= 3 and not smalltalk.find_intent(text) else ""


def _follow(scene: _Scene, text: str) -> str | None:
    """Answer "And tomorrow?" after a question about the calendar."""
    last = scene.heard[-1] if scene.heard else ""
    if last and (answer_clock(last, scene.ask.now) or follow_clock(last, scene.ask.now)):
        return follow_clock(text, scene.ask.now)
    return None
