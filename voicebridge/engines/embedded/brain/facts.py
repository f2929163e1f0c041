"""What users tell about themselves, and their questions about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.engines.embedded.brain.words import as_sentence, join, plain, stem, tidy, turn_around

_END = r"(?=$|[.!?;]|,? (?:and|but) (?:my|i|what|can|could|do|tell|please|i'm)\b|,\s)"
_NAME = r"(?P<value>[^\W\d_][\w'-]*(?: (?!and\b|but\b|what\b|from\b|nice\b|i\b|please\b|what's\b)[A-Z][\w'-]*){0,2})"
_NOT_NAMES = frozenset(
    [
        "sorry", "tired", "fine", "good", "well", "happy", "sad", "here", "not", "from", "just", "so", "very",
        "glad", "ready", "back", "home", "okay", "ok", "sure", "also", "sick", "hungry", "going", "looking",
        "trying", "calling", "at", "in", "on", "the", "a", "an", "your", "my", "monday", "tuesday", "wednesday",
        "thursday", "friday", "saturday", "sunday", "english", "german", "french", "spanish", "american", "british",
        "chinese", "done", "lost", "bored", "busy", "afraid", "new", "old", "calling", "what", "who", "it", "that",
    ]
)  # fmt: skip


NAME_KEY = ("name",)
"""The key of the fact that holds the user's name."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`key` are the stems it is asked by; `spoken` says it back to the user; `value` is the bare answer."""

    key: tuple[str, ...]
    value: str
    spoken: str


def _key(words: str) -> tuple[str, ...]:
    left = [
        stem(word)
        for word in plain(words).split()
        if word not in ("the", "a", "an", "own", "of", "called", "named", "s")
    ]
    return tuple(left)


def _name_fact(match: re.Match[str]) -> Fact | None:
    value = match["value"].strip(" ,.'")
    if not value or value.lower() in _NOT_NAMES:
        return None
    value = value[0].upper() + value[1:]
    return Fact(NAME_KEY, value, f"your name is {value}")


def _generic(match: re.Match[str]) -> Fact | None:
    thing, value = match["thing"].strip().lower(), match["value"].strip(" ,.")
    if (
        not value
        or len(thing.split()) > 5
        or thing in ("name", "question", "point", "god", "pleasure", "problem", "bad", "goodness")
    ):
        return None
    if re.match(r"(?:what|who|how|not$|n't)", value.lower()) or thing.split()[0] in ("question", "point"):
        return None
    named = " called" if match["named"] else ""
    return Fact(_key(thing), value, f"your {turn_around(thing)} {match['verb'].lower()}{named} {turn_around(value)}")


_SIMPLE: tuple[tuple[str, str, str], ...] = (
    (r"\bi(?:'m| am) (?P<value>[\w-]+(?: [\w-]+)?) years? old\b", "old age", "you are {} years old"),
    (r"\bi live (?P<value>(?:in|at|on|near) .+?)" + _END, "live home address city", "you live {}"),
    (r"\bi(?:'m| am| come) from (?P<value>.+?)" + _END, "from", "you are from {}"),
    (r"\bi work (?P<value>(?:as|at|for|in) .+?)" + _END, "work job", "you work {}"),
    (r"\bi was born (?P<value>(?:in|on) .+?)" + _END, "born birthday", "you were born {}"),
    (
        r"\bi(?: really| also| do)? (?P<verb>like|love|enjoy|prefer) (?P<value>.+?)" + _END,
        "like love enjoy prefer",
        "you {verb} {}",
    ),
    (r"\bi(?: really)? (?P<verb>hate|dislike|can't stand) (?P<value>.+?)" + _END, "hate dislike", "you {verb} {}"),
    (r"\bi(?:'m| am) allergic to (?P<value>.+?)" + _END, "allergic allergy", "you are allergic to {}"),
)
_PET = re.compile(
    r"\bi have (?:an? |the )?(?P<thing>[\w ]{2,30}?),? (?:called|named|whose name is) (?P<value>[\w' -]{1,40}?)" + _END,
    re.IGNORECASE,
)
_HAVE = re.compile(
    r"\bi(?:'ve got| have)(?! to\b| a question\b| no\b| been\b| not\b| never\b| already\b| just\b) (?P<value>.+?)"
    + _END,
    re.IGNORECASE,
)
_REMEMBER = re.compile(
    (
        r"(?:^|please |can you |could you )(?:remember|don't forget|keep in mind|note)(?: that|:)? "
        r"(?P<value>(?:the|our|a|i|we|it|there)\b.+?)(?:$|[.!?])"
    ),
    re.IGNORECASE,
)
_MY_NAME = re.compile(
    (
        rf"\b(?:my (?:first |full )?name(?: is|'s)(?! not| isn't)|i(?:'m| am) called|call me|the "
        rf"name is|i go by)\s+(?:actually |not \w+,? (?:it's|but) )?{_NAME}"
    ),
    re.IGNORECASE,
)
_I_AM = re.compile(
    r"(?:^|[.!?,]\s*|\b(?:hi|hello|hey|no|actually)[, ]+)(?:[Ii]'m|[Ii] am|[Tt]his is) "
    r"(?P<value>[A-Z][a-z][\w'-]*)(?=$|[.!?,]| from\b| and\b| here\b| speaking\b)"
)
_MY = re.compile(
    r"\bmy (?P<thing>[\w'-]+(?: [\w'-]+){0,4}?) (?P<verb>is|are|was|were)(?P<named> called| named)? (?P<value>.+?)"
    + _END,
    re.IGNORECASE,
)
_NOT_NAME = re.compile(
    rf"\bmy name (?:isn't|is not) \w+[,.;]? (?:but |it's |it is |i'm |i am |my name is ){_NAME}", re.IGNORECASE
)
_CORRECTION = re.compile(
    (
        r"^(?:no|nope|actually|sorry|wait|i mean|i meant|correction)[,. ]+(?:no[, ]+)?(?:i meant "
        r"|i mean |it is |it's |make that |that's |rather )*(?P<value>[^?]{1,60}?)[.!]?$"
    ),
    re.IGNORECASE,
)
_FORGET = re.compile(
    r"^(?:please )?forget (?:my (?P<thing>[\w' ]+?)|(?P<all>everything|all (?:of )?(?:that|it)))[.!]?$", re.IGNORECASE
)


def is_question(text: str) -> bool:
    """Whether it asks: a question mark, or a question's first word."""
    return text.rstrip().endswith("?") or bool(
        re.match(
            (
                r"(?:what|who|whose|where|when|why|how|which|do|does|did|can|could|is|are|am|will|would"
                r"|should|have|has|tell me)\b"
            ),
            plain(text),
        )
    )


def facts_in(text: str) -> list[Fact]:
    """What one user turn tells about the user."""
    text = tidy(text)[:1000]
    if match := _NOT_NAME.search(text) or _MY_NAME.search(text) or _I_AM.search(text):
        named = _name_fact(match)
        found = [named] if named else []
    else:
        found = []
    asked_to_remember = re.match(
        r"(?:please )?(?:can|could|will|would) you (?:please )?(?:remember|note|keep in mind)\b", text, re.IGNORECASE
    )
    if is_question(text) and not found and not asked_to_remember:
        return []
    found += [fact for match in _MY.finditer(text) if (fact := _generic(match))]
    for pattern, key, spoken in _SIMPLE:
        if match := re.search(pattern, text, re.IGNORECASE):
            value = match["value"].strip(" ,.")
            verb = match.groupdict().get("verb") or ""
            if value and not re.match(r"(?:to know|to ask|you to|it|that|this|if)\b", value.lower()):
                found.append(
                    Fact(
                        tuple(stem(word) for word in key.split()),
                        value,
                        spoken.format(turn_around(value), verb=verb.lower()),
                    )
                )
    if match := _PET.search(text):
        thing, called = match["thing"].strip(), match["value"].strip()
        verb = "are" if thing.endswith("s") else "is"
        found.append(Fact(_key(thing), called, f"your {thing} {verb} called {called}"))
    elif match := _HAVE.search(text):
        value = match["value"].strip(" ,.")
        found.append(Fact(("hav", *_key(value)[-2:]), value, f"you have {turn_around(value)}"))
    if not found and (match := _REMEMBER.search(text)):
        found.append(Fact(_key(match["value"])[:6], match["value"], turn_around(match["value"].strip())))
    return found


def remembered(turns: Sequence[str]) -> list[Fact]:
    """All facts of the user's turns; later ones replace earlier ones, corrections and "forget" are obeyed."""
    facts: dict[tuple[str, ...], Fact] = {}
    last: Fact | None = None
    for text in turns[-200:]:
        if match := _FORGET.match(tidy(text)[:200]):
            key = NAME_KEY if match["thing"] == "name" else _key(match["thing"] or "")
            facts = {} if match["all"] else {known: fact for known, fact in facts.items() if known != key}
            last = None
            continue
        fresh = facts_in(text)
        if not fresh and last is not None and (corrected := correction(text, last)):
            fresh = [corrected]
        for fact in fresh:
            facts[_slot_of(fact)] = fact
        last = fresh[-1] if fresh else last if is_question(text) else None
    return list(facts.values())


def told_last(turns: Sequence[str]) -> Fact | None:
    """The fact that a correction would mean: told just before, or before the questions just asked."""
    for text in reversed(turns[-4:]):
        if fresh := facts_in(text):
            return fresh[-1]
        if not is_question(text):
            return None
    return None


def _slot_of(fact: Fact) -> tuple[str, ...]:
    """Likes and possessions add up; everything else replaces what it was before."""
    return (
        (*fact.key, fact.value.lower())
        if fact.key[:1] in (("lik",), ("hat",), ("hav",), ("like",), ("hate",))
        else fact.key
    )


def correction(text: str, fact: Fact) -> Fact | None:
    """Read "No, it's Hannah" right after a fact was told."""
    match = _CORRECTION.match(tidy(text)[:120])
    if match is None or len(match["value"].split()) > 5 or is_question(match["value"]):
        return None
    value = match["value"].strip(" ,.")
    if not value or value.lower() in ("thanks", "thank you", "no", "never mind", "nothing"):
        return None
    at = fact.spoken.lower().rfind(turn_around(fact.value).lower())
    spoken = f"{fact.spoken[:at]}{value}" if at >= 0 else value
    return Fact(fact.key, value, spoken)


def acknowledge(facts: Sequence[Fact], turn: int) -> str:
    """A short reply to a turn that told something."""
    fact = facts[0]
    if fact.key == NAME_KEY:
        rest = f" And {join([other.spoken for other in facts[1:]])}. I will remember that." if len(facts) > 1 else ""
        return f"Nice to meet you, {fact.value}.{rest}"
    told = join([other.spoken for other in facts])
    return (
        f"All right, {told}. I will remember that.",
        f"Good to know: {told}.",
        f"I see, {told}. I will keep that in mind.",
    )[turn % 3]


_ASK_NAME = re.compile(
    r"(?:what is my (?:first |full )?name|what my (?:first )?name is|who am i|what am i called"
    r"|my name|(?:what is|say) my name again|what did i say my name (?:is|was))(?: again| now)?"
)
_ASK_MY = re.compile(
    r"(?:what|who|where|when|which)(?: (?:color|day|time|one|food|kind))? (?:is|are|was|were) "
    r"my (?P<thing>[\w' ]{1,60}?)(?: again| called| named|'s name)?"
)
_TOLD_MY = re.compile(
    r"(?:what|who|where|when) (?:did i (?:say|tell you)(?: that)? )?my (?P<thing>[\w' "
    r"]{1,60}?)(?: (?:is|are|was|were)(?: called)?)?(?: again)?"
)
_ASK_OTHER: tuple[tuple[str, str], ...] = (
    (r"how old am i|what is my age", "old"),
    (r"where do i live|what city do i live in|which city do i live in|where is my home", "liv"),
    (r"where (?:am i|do i come) from", "from"),
    (r"where do i work|what do i do(?: for a living)?|what is my job", "work"),
    (r"(?:when|where) was i born", "born"), (r"what do i (?:like|love|enjoy|prefer)(?: (?:to )?\w+)?", "like"),
    (r"what do i (?:hate|dislike)|what do not i like", "hate"),
    (r"what am i allergic to|what are my allergies", "allergic"),
    (r"what do i have|do i have (?P<thing>.+)|how many (?P<count>.+) do i have", "hav"),
)  # fmt: skip
_ASK_ALL = re.compile(
    r"what do you (?:know|remember)(?: about me)?|what have i told you(?: about (?:me|myself))?"
    r"|what did i tell you(?: about (?:me|myself))?|tell me what you know about me"
)


def answer_fact(line: str, facts: Sequence[Fact]) -> str | None:
    """The answer to a question about the user; `line` is the plain utterance without polite words."""
    if _ASK_NAME.fullmatch(line):
        known = next((fact for fact in facts if fact.key == NAME_KEY), None)
        return f"Your name is {known.value}." if known else "You have not told me your name yet."
    if _ASK_ALL.fullmatch(line):
        if not facts:
            return "You have not told me anything about yourself yet."
        return as_sentence(f"You told me that {join([fact.spoken for fact in facts[-8:]])}")
    for pattern, key in _ASK_OTHER:
        if match := re.fullmatch(rf"(?:{pattern})(?: again)?", line):
            return _by_stem(stem(key), facts, match.groupdict())
    if match := _ASK_MY.fullmatch(line) or _TOLD_MY.fullmatch(line):
        return _about(match["thing"], facts, named=bool(re.search(r"'s name$| s name$| called$", line)))
    return None


def _by_stem(key: str, facts: Sequence[Fact], got: dict[str, str | None]) -> str:
    thing = _key(got.get("thing") or got.get("count") or "")
    hits = [fact for fact in facts if (key in fact.key or thing) and (not thing or thing[-1] in fact.key)]
    if not hits:
        return "You have not told me that yet."
    return as_sentence(join([fact.spoken for fact in hits[-5:]]))


def _about(thing: str, facts: Sequence[Fact], *, named: bool = False) -> str | None:
    key = _key(re.sub(r"'s name$| s name$| name$", "", thing) if thing != "name" else thing)
    if not key:
        return None
    exact = [fact for fact in facts if fact.key == key]
    near = exact or [
        fact for fact in facts if set(key) <= set(fact.key) or (set(fact.key) <= set(key) and fact.key != NAME_KEY)
    ]
    if near:
        return as_sentence(near[-1].spoken)
    asked = f"{thing}'s name" if named else thing
    return f"You have not told me your {asked} yet." if len(thing.split()) <= 4 else None
