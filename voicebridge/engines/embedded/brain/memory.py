"""Questions about the conversation itself: "what did I just say", "repeat that", "the first thing I asked"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voicebridge.engines.embedded.brain.facts import is_question
from voicebridge.engines.embedded.brain.numbers import say_number
from voicebridge.engines.embedded.brain.types import Turn
from voicebridge.engines.embedded.brain.words import as_sentence, join, stems, tidy

_SAY = r"(?:say|said|ask|asked|tell you|told you|want|wanted|mention|mentioned)"
_I_LAST = re.compile(
    r"(?:what (?:did|have) i (?:just )?(?:say|said|ask|asked|tell you|told you)(?: to you)?(?: "
    r"just now| just| before| last| a moment ago| earlier| right now)?"
    r"|what was (?:the )?last thing i (?:said|asked)(?: you)?|what was my (?:last|previous) "
    r"(?:question|message|sentence)|repeat what i (?:just )?said"
    r"|can you repeat what i said|what i (?:just )?said|the last thing i (?:said|asked))"
)
_I_BEFORE = re.compile(
    r"(?:and )?what (?:did i (?:say|ask)|was) before that|what did i say before(?: that)?|and before that"
)
_I_FIRST = re.compile(
    r"(?:what (?:was|is) )?(?:the|my) (?:very )?first (?:thing|question|message|sentence)(?: "
    r"(?:that )?i (?:said|asked|told you)(?: you)?)?"
    r"|what did i (?:say|ask)(?: you)? (?:at )?(?:first|the beginning|the start)"
)
_YOU_LAST = re.compile(
    r"(?:what did you (?:just )?say|what was that|(?:can you |could you )?(?:repeat|say) "
    r"(?:that|it|this|your answer|the answer|the last answer|yourself|the question|what you "
    r"(?:just )?said)(?: again)?"
    r"|say (?:that|it) again|repeat|again|come again|pardon(?: me)?|what|excuse me|sorry what"
    r"|i did not (?:hear|get|catch|understand) (?:that|you|it)"
    r"|once more|what was your (?:last |previous )?answer|the last thing you said|what was the "
    r"last thing you said|one more time)(?: just now| before)?"
)
_YOU_FIRST = re.compile(
    r"what (?:was|is) the first thing you said|what did you say (?:at )?first|your first (?:answer|sentence)"
)
_HOW_MANY = re.compile(
    r"how many (?P<what>questions|things|times|messages)(?: have i| did i| i)? ?(?:asked|ask"
    r"|said|say|told you|sent|spoken|talk)?.*"
)
_TALKED = re.compile(
    r"what (?:have we|did we|are we|were we) (?:been )?(?:talk(?:ed|ing)?|speak(?:ing)?"
    r"|discuss(?:ed|ing)?)(?: about)?(?: so far| until now)?|summarize (?:our|the|this) "
    r"conversation|sum up our conversation"
)
_ABOUT = re.compile(
    r"(?:what did i (?:say|tell you|mention)|did i (?:say|mention|tell you) (?:anything|something)) about (?P<topic>.+)"
)
_MENTION = re.compile(r"(?:did|have) i (?:say|said|mention|mentioned|ask|asked)(?: you)?(?: about)? (?P<topic>.+)")


def answer_memory(line: str, before: Sequence[Turn]) -> str | None:
    """`line` is the plain utterance; `before` the conversation without it. None when it does not ask about it."""
    mine = [tidy(turn.text) for turn in before if turn.kind == "user" and turn.text.strip()]
    yours = [tidy(turn.text) for turn in before if turn.kind == "assistant" and turn.text.strip()]
    if _I_LAST.fullmatch(line):
        return _quote("You said", mine[-1]) if mine else "This is the first thing you have said."
    if _I_BEFORE.fullmatch(line):
        told = [text for text in mine if not _asks_memory(text)]
        return _quote("Before that, you said", told[-2]) if len(told) > 1 else "There was nothing before that."
    if _I_FIRST.fullmatch(line):
        asked = (
            next((text for text in mine if is_question(text)), None) if "ask" in line or "question" in line else None
        )
        first = asked or (mine[0] if mine else None)
        return (
            _quote("The first thing you asked was" if asked else "The first thing you said was", first)
            if first
            else "This is the first thing you have said."
        )
    if _YOU_LAST.fullmatch(line):
        return (
            yours[-1]
            if yours and "say" not in line.split()[:4][-1:] and not line.startswith("what did")
            else (_quote("I said", yours[-1]) if yours else "I have not said anything yet.")
        )
    if _YOU_FIRST.fullmatch(line):
        return _quote("The first thing I said was", yours[0]) if yours else "I have not said anything yet."
    return _answer_counts(line, mine)


def _answer_counts(line: str, mine: list[str]) -> str | None:
    if match := _HOW_MANY.fullmatch(line):
        if " i " not in f" {line} ":
            return None
        count = sum(is_question(text) for text in mine) if match["what"] == "questions" else len(mine)
        thing = "question" if match["what"] == "questions" else "thing"
        asked = "asked" if thing == "question" else "said"
        return f"You have {asked} {say_number(count)} {thing}{'' if count == 1 else 's'} before this one."
    if _TALKED.fullmatch(line):
        if not mine:
            return "We have only just begun."
        return (
            f"{'You said, in order' if len(mine) > 1 else 'You said'}: "
            f"{join([_short(text) for text in mine[-6:]], 'and then')}."
        )
    if match := _ABOUT.fullmatch(line) or _MENTION.fullmatch(line):
        return _on_topic(match["topic"], mine)
    return None


def _asks_memory(text: str) -> bool:
    return bool(re.search(r"\bwhat did i (?:just )?say\b|\bbefore that\b", text.lower()))


def _on_topic(topic: str, mine: list[str]) -> str | None:
    wanted = set(stems(topic))
    hits = [text for text in mine if wanted and wanted & set(stems(text))]
    if hits:
        return _quote("You said", hits[-1])
    return f"You have not said anything about {topic} yet." if wanted else None


def _quote(lead: str, text: str) -> str:
    return f"{lead}: {as_sentence(text)}"


def _short(text: str) -> str:
    words = text.rstrip(".!?").split()
    return " ".join(words[:12])
