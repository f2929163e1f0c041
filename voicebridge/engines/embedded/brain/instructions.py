"""The instructions that the brain can truly follow, read from the session's and the response's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from voicebridge.engines.embedded.brain.languages import NAMES
from voicebridge.engines.embedded.brain.words import as_sentence, sentences, tidy

_LONGEST = 16_000
_QUOTED = r"(?:\"(?P<q1>[^\"]{1,800})\"|(?<!\w)'(?P<q2>(?:[^']|'(?=\w)){1,800})'(?!\w))"
_VALUE = rf"\s*:?\s*(?:{_QUOTED}|(?P<bare>[^\n\"]{{1,400}}?)(?=[.!?]?\s*$|[.!?]\s|\n))"
_LANGUAGES = "|".join(NAMES)
_WORD = r"(?:the (?:exact )?(?:words?|phrase|sentence|text|message|following|line) )?"
_WHOM = (
    r"(?: to)?(?: the| your| each| every| all| a)? ?(?:users?|callers?|customers?|visitors?"
    r"|guests?|them|everyone|people|person)?"
)


@dataclass(slots=True)
class Directives:
    """What the instructions ask for. Empty values: nothing was asked."""

    name: str = ""
    role: str = ""
    say_now: str = ""
    say_exactly: bool = False
    exact: str = ""
    greet: bool = False
    only_greet: bool = False
    greeting: str = ""
    language: str = ""
    prefix: str = ""
    suffix: str = ""
    brief: bool = False
    never: tuple[str, ...] = ()
    ask_name: bool = False
    statements: list[str] = field(default_factory=list)


def read_directives(instructions: str, system: Sequence[str] = ()) -> Directives:
    """Later texts override earlier ones; the instructions of this response come first in rank for `say_now`."""
    found = Directives()
    for text in (*system, instructions):
        # Newlines separate instructions; everything else about the layout is noise.
        lines = "\n".join(tidy(line) for line in text[:_LONGEST].splitlines())
        if lines.strip():
            _read(lines, found)
    return found


def _take(pattern: str, text: str, *, flags: int = re.IGNORECASE) -> tuple[str, bool, str] | None:
    """The value after a cue, whether it was quoted, and the text without it."""
    match = re.search(pattern, text, flags)
    if match is None:
        return None
    got = match.groupdict()
    quoted = got.get("q1") or got.get("q2")
    value = (quoted or got.get("bare") or "").strip(" :-")
    return value, bool(quoted), text[: match.start()] + " " + text[match.end() :]


def _read(text: str, found: Directives) -> None:
    found.say_now = _say_now(text.strip(), found) or ""
    if found.say_now or found.only_greet:
        return
    for reader in (_read_edges, _read_exact, _read_greeting, _read_never):
        text = reader(text, found)
    lowered = text.lower()
    if re.search(
        r"\b(?:be|keep|stay|answers?|respon(?:d|ses?)|repl(?:y|ies)|very|speak)\b[^.\n]*\b(?:brief"
        r"|briefly|short|concise|concisely|terse|succinct)\b"
        r"|\bone (?:short )?sentence\b|\bin (?:a )?few words\b",
        lowered,
    ):
        found.brief = True
    if re.search(r"\bask\b[^.\n]{0,40}\bname\b|\bfind out\b[^.\n]{0,30}\bname\b", lowered):
        found.ask_name = True
    if match := re.search(
        rf"\b(?:speak|talk|answer|respond|reply|converse|communicate|write)\b[^.\n]{{0,30}}?\b({_LANGUAGES})\b", lowered
    ):
        found.language = NAMES[match[1]]
    _read_persona(text, found)
    _read_statements(text, found)


def _say_now(text: str, found: Directives) -> str | None:
    """The whole instruction is "Say …": that is the answer, whatever the user said."""
    match = re.match(
        r"(?:please |now |just )*(?P<verb>say|speak|announce|pronounce|repeat|read(?: aloud| "
        r"out(?: loud)?)?)(?P<exact>(?: exactly| only| just| verbatim| aloud"
        r"| out loud| this| (?:the )?following(?: words?| text| sentence| phrase)?| the (?:words?"
        r"|phrase|sentence|text)|,? word for word)*)"
        r"(?: to (?:the |your )?(?:user|caller|customer|them))?(?:,? (?:and )?nothing "
        r"else)?(?P<colon>\s*:)?\s*(?P<rest>\S.*)$",
        text,
        re.IGNORECASE | re.DOTALL,
    )
    if match is None:
        return _tell_or_ask(text, found)
    rest = match["rest"].strip()
    quoted = re.match(_QUOTED, rest)
    if match["verb"].lower() == "speak" and not match["colon"] and not quoted:
        return None  # "speak only German" is a manner
    found.say_exactly = True
    if quoted:
        return (
            None
            if re.match(r"[\s,]*(?:at the (?:end|beginning|start)|first|when|if|after|before)\b", rest[quoted.end() :])
            else quoted[1] or quoted[2]
        )
    if match["exact"].strip() or match["colon"]:
        return rest.strip("\"'")
    found.say_exactly = False
    return _say_loosely(rest, found)


def _say_loosely(rest: str, found: Directives) -> str | None:
    first = sentences(rest)[0] if sentences(rest) else rest
    bare = re.sub(
        r"\s+(?:to|for) (?:the |our |your )?(?:users?|callers?|customers?|visitors?|them|everyone).*$",
        "",
        first,
        flags=re.IGNORECASE,
    ).strip(" .!")
    if match := re.match(
        rf"(?:hello|hi|good (?:morning|day|evening|afternoon)|welcome)\b(?:.*\bin ({_LANGUAGES})\b)?",
        bare,
        re.IGNORECASE,
    ):
        if match[1]:
            found.language = NAMES[match[1].lower()]
        found.only_greet = found.greet = True
        return None
    if re.match(r"(?:good)?bye|farewell", bare, re.IGNORECASE):
        return "Goodbye!"
    if len(bare.split()) > 12 or re.match(
        r"(?:something|anything|what|how|an?|that|nothing|when|if|it|your|the)\b", bare, re.IGNORECASE
    ):
        return None
    return as_sentence(bare)


def _tell_or_ask(text: str, found: Directives) -> str | None:
    whole = sentences(text)
    if len(whole) != 1:
        return None
    line = whole[0].strip(" .!")
    whom = r"(?:the |your )?(?:user|caller|customer|them|him|her|person)"
    if match := re.fullmatch(rf"(?:please )?(?:tell|inform|let) {whom}(?: know)? that (.+)", line, re.IGNORECASE):
        return as_sentence(_to_you(match[1]))
    if re.search(r"\b(?:first|before|always|every)\b", line, re.IGNORECASE):
        return None
    if match := re.fullmatch(rf"(?:please )?ask (?:{whom} )?(.+)", line, re.IGNORECASE):
        return _ask_user(match[1])
    if re.match(r"(?:please )?(?:greet|welcome|introduce yourself)\b", line, re.IGNORECASE) and len(line.split()) <= 14:
        found.only_greet = found.greet = True
        _read_greeting(text, found)
    return None


def _to_you(words: str) -> str:
    words = re.sub(r"\b(?:they are|he is|she is)\b", "you are", words, flags=re.IGNORECASE)
    words = re.sub(r"\b(?:they|them|he|him|she)\b", "you", words, flags=re.IGNORECASE)
    return re.sub(r"\b(?:their|his|her)\b", "your", words, flags=re.IGNORECASE)


def _ask_user(words: str) -> str:
    asked = _to_you(words)
    if re.match(r"(?:for )?your name\b", asked, re.IGNORECASE):
        return "May I ask your name?"
    if re.match(r"how (?:you are|are you)", asked, re.IGNORECASE):
        return "How are you?"
    if asked.startswith("for "):
        return f"May I ask for {asked[4:]}?"
    return f"May I ask {asked}?"


def _read_edges(text: str, found: Directives) -> str:
    """First and last words of every answer."""
    answers = (
        r"(?: all| each| every| always)*(?: of)?(?: your| the)? ?(?:answers?|responses?|replies"
        r"|reply|messages?|sentences?|turns?)[^.\"':\n]{0,30}?"
    )
    for attribute, verbs, side in (
        ("prefix", "start|begin|open|prefix|preface", "beginning|start"),
        ("suffix", "end|finish|close|conclude", "end"),
    ):
        for pattern in (
            rf"\b(?:{verbs}){answers} (?:with|by saying|in) {_WORD}{_VALUE}",
            rf"\b(?:always )?(?:say|add|put|append|include) {_WORD}{_QUOTED} (?:at|to) the (?:{side})\b[^.\n]*",
        ):
            taken = _take(pattern, text)
            if (
                taken
                and taken[0]
                and (taken[1] or len(taken[0].split()) <= 8)
                and not re.match(r"(?:an?|your|their) ", taken[0].lower())
            ):
                setattr(found, attribute, taken[0])
                text = taken[2]
                break
    return text


def _read_exact(text: str, found: Directives) -> str:
    for pattern in (
        (
            r"\b(?:(?P<only>always|only|just|must) )?(?:answer|respond|reply)(?: to [\w ]{1,30}?| "
            r"always| only| every time)? (?:with|by saying)"
            rf"(?P<exactly>(?: exactly| only| just| nothing but)*) ?(?P<word>{_WORD}){_VALUE}"
        ),
        (
            rf"\b(?:only ever|always only|(?P<only>always|only)) say(?P<exactly>(?: exactly| only)*) "
            rf"(?P<word>{_WORD}){_VALUE}"
        ),
        rf"\b(?:answer|respond|reply) (?P<exactly>only )(?P<word>){_VALUE}",
        rf"\bsay (?P<exactly>exactly|only|nothing but) (?P<word>{_WORD}){_VALUE}",
    ):
        match = re.search(pattern, text, re.IGNORECASE)
        if match is None:
            continue
        value, quoted, without = _take(pattern, text) or ("", False, text)
        strong = bool(match["exactly"].strip() or match.groupdict().get("only")) and _literal(value)
        if value and (quoted or strong or "exactly" in match["exactly"] or match["word"]):
            found.exact = value
            return without
    return text


def _literal(value: str) -> bool:
    """Words meant as they stand, not a manner of answering ("only in English", "only short sentences")."""
    if len(value.split()) > 8 or re.search(
        r"\b(?:sentences?|words|answers?|tone|style|language|emojis?|rhymes?)$", value.lower()
    ):
        return False
    return not re.match(
        (
            r"(?:in|an?|the|if|when|to|about|short|brief|json|facts?|questions?|what|that|how|please"
            r"|one|two|at|sentences?|words|using|one-word|your|their|correct|true|simple|only)\b"
        ),
        value.lower(),
    )


def _read_greeting(text: str, found: Directives) -> str:
    if match := re.search(
        rf"\b(?:greet\w*|welcome|say (?:hello|hi)|introduce yourself)\b[^.\n]*?\bin ({_LANGUAGES})\b",
        text,
        re.IGNORECASE,
    ):
        found.greet, found.language = True, NAMES[match[1].lower()]
    for pattern in (
        rf"\b(?:greet|welcome){_WHOM}[\w ,]{{0,30}}?(?: with| by saying|:) ?{_WORD}{_VALUE}",
        (
            rf"\b(?:begin|start|open) (?:the |every |each |a )?(?:conversation|call|chat|session"
            rf"|dialogue)s? (?:with|by saying) {_WORD}{_VALUE}"
        ),
        rf"\byour (?:first|opening) (?:message|line|sentence|words|greeting) (?:is|are|must be|should be) {_VALUE}",
        (
            rf"\b(?:say|use) {_QUOTED},? (?:first|when the (?:call|conversation) (?:starts|begins)|at "
            rf"the (?:start|beginning) of the (?:call|conversation))"
        ),
        rf"\b(?:use the greeting|greeting line|greeting) ?(?:is|:) ?{_VALUE}",
    ):
        taken = _take(pattern, text)
        if (
            taken
            and taken[0]
            and (taken[1] or not re.match(r"(?:an?|the|your|their|his|her|great|warm|some)\b", taken[0].lower()))
        ):
            found.greet, found.greeting = True, taken[0]
            return taken[2]
    if re.search(
        r"\b(?:greet|welcome)(?:ing)? (?:the|your|each|every|callers?|users?|customers?|them|people)\b",
        text,
        re.IGNORECASE,
    ):
        found.greet = True
    return text


def _read_never(text: str, found: Directives) -> str:
    pattern = (
        r"\b(?:never|do not|don't|avoid)(?: ever)? (?:mention(?:ing)?|say(?:ing)?|us(?:e|ing)"
        r"|talk(?:ing)? about|speak(?:ing)? of|discuss(?:ing)?|reveal)"
        r"(?: the (?:words?|names?|topics?))?\s+(?P<what>[^.\n;]{1,120})"
    )
    banned: list[str] = []
    for match in re.finditer(pattern, text, re.IGNORECASE):
        for part in re.split(r",|\bor\b|\band\b", match["what"]):
            word = part.strip(" \"'").removeprefix("any ").strip()
            if 0 < len(word.split()) <= 4 and not re.match(r"(?:that|anything|more|your|you|it)\b", word.lower()):
                banned.append(word)
    if banned:
        found.never = tuple(banned[:10])
    return re.sub(pattern, " ", text, flags=re.IGNORECASE)


def _read_persona(text: str, found: Directives) -> None:
    name = r"(?P<name>(?:Dr\.? |Captain |Professor )?[A-Z][\w-]*(?: (?!You\b|Your\b)[A-Z][\w-]*)?)"
    for pattern in (
        rf"\b[Yy]our name is {name}",
        rf"\b(?:[Cc]all yourself|[Ii]ntroduce yourself as|[Nn]amed|[Cc]alled) {name}",
        rf"\b[Yy]ou(?: are|'re) {name}(?=[,.;!\n ]|$)",
        rf"\b(?:[Aa]ct as|[Pp]retend to be|[Pp]lay the (?:role|part) of) {name}(?=[,.;!\n]|$)",
    ):
        match = re.search(pattern, text)
        if match and match["name"] not in ("A", "An", "The", "AI", "NOT", "I"):
            found.name = match["name"]
            break
    role = re.search(
        r"\b(?:[Yy]ou(?: are|'re)|[Aa]ct as|[Pp]retend to be)(?: [A-Z][\w-]*(?: [A-Z][\w-]*)?,)? "
        r"(?P<role>(?:an?|the) [^.,;!?\n]{2,80}?)"
        r"(?=\s+(?:who|that|which|named|called|and)\b|[.,;!?\n]|$)",
        text,
    )
    if role:
        found.role = role["role"].strip()


def _read_statements(text: str, found: Directives) -> None:
    """Sentences that tell something ("The shop opens at nine"), to be quoted when the user asks for it."""
    for sentence in sentences(text)[:80]:
        words = sentence.split()
        told = re.search(
            (
                r"\b(?:is|are|was|were|opens?|closes?|costs?|has|have|can|starts?|ends?|offers?|sells?"
                r"|includes?|takes?|lasts?)\b"
            ),
            sentence,
        )
        order = re.match(
            r"(?:you|your|be|always|never|do|don't|if|when|please|keep|use|answer|ask|say|greet|speak|respond)\b",
            sentence.lower(),
        )
        secret = re.search(r"\b(?:secret|confidential|password|internal)\b", sentence.lower())
        if told and not order and not secret and 3 <= len(words) <= 40:
            found.statements.append(sentence)
