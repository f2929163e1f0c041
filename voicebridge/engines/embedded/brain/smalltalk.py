"""Small talk: a table of intents, each with patterns, example phrases for the embeddings, and answers in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.engines.embedded.brain.embeddings import Embedder
from voicebridge.engines.embedded.brain.instructions import Directives
from voicebridge.engines.embedded.brain.languages import greeting_in
from voicebridge.engines.embedded.brain.style import mentions
from voicebridge.engines.embedded.brain.texts import ABOUT_SELF, CAN_DO, JOKES, POEM, STORIES, UPSTREAM
from voicebridge.engines.embedded.brain.words import as_sentence, core, plain

NEAR = 0.62  # cosine to an example phrase that counts as the same intent


@dataclass(frozen=True, slots=True)
class Intent:
    """`patterns` must match the whole plain utterance; `examples` are compared by meaning where no pattern matches."""

    name: str
    patterns: str
    examples: tuple[str, ...]
    answers: tuple[str, ...]


INTENTS: tuple[Intent, ...] = (
    Intent(
        "hello",
        (
            r"(?:(?:oh )?(?:hello|hi|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|yo"
            r"|welcome)(?: there| you| again| everyone| \w+)?\s*)+(?:nice to (?:meet|see) you)?"
        ),
        ("hello there", "good morning", "hi, nice to meet you"),
        ("",),
    ),
    Intent(
        "how_are_you",
        (
            r"(?:(?:hello|hi|hey)(?: there)? )?(?:how are you(?: doing)?|how is it going|how do you do"
            r"|how do you feel|are you (?:okay|well|fine)|how have you been|what is up)(?: today| this "
            r"morning| tonight)?"
        ),
        ("how are you doing today", "how's it going", "are you well"),
        ("I am fine, thank you. How are you?", "Everything runs as it should. And you?"),
    ),
    Intent(
        "fine_too",
        (
            r"(?:i am|i feel|we are)? ?(?:fine|good|great|very well|well|not bad|all right|alright"
            r"|doing well|doing fine)(?: too| thanks| thank you| as well| today)*"
        ),
        ("I'm doing well, thanks",),
        ("I am glad to hear that. What can I do for you?", "Good to hear. How can I help?"),
    ),
    Intent(
        "sad",
        (
            r"i (?:am|feel)(?: \w+)? (?:sad|down|bad|unhappy|terrible|lonely|depressed|not (?:well"
            r"|good)|sick|ill|tired|stressed|exhausted)(?: today| right now)?"
        ),
        ("I am feeling sad today", "I had a terrible day"),
        (
            "I am sorry to hear that. I can tell you a joke or a story, if you like.",
            "I am sorry. I am only a small program, but I am listening.",
        ),
    ),
    Intent(
        "who_are_you",
        (
            r"(?:and )?(?:who|what) (?:are|r) you(?: exactly| really)?|what is your name|(?:do you have"
            r"|have you got) a name|what (?:should|can|do) i call you|introduce yourself|who am i "
            r"(?:talking|speaking) (?:to|with)|your name|who is this|what are you called"
        ),
        ("what's your name", "who am I talking to", "please introduce yourself"),
        ("",),
    ),
    Intent(
        "about_self",
        (
            r"(?:tell me )?(?:more )?about (?:yourself|you)|tell me (?:something |everything |more "
            r")?about yourself|describe yourself|explain what you are|talk about yourself|how do you "
            r"work"
        ),
        ("tell me about yourself", "how do you work"),
        (ABOUT_SELF,),
    ),
    Intent(
        "can_do",
        (
            r"(?:what|which things) (?:can|could) (?:you|i) (?:do|ask|say)(?: for me| you| to you)?"
            r"|what are you able to do|help(?: me)?(?: out)?|how can you help(?: me)?|what do you know"
            r"|what are your (?:skills|abilities|capabilities|functions|features)|can you help(?: me)?"
            r"|i need (?:some )?help"
        ),
        ("what can you do for me", "how can you help me", "what are your capabilities"),
        (CAN_DO,),
    ),
    Intent(
        "human",
        (
            r"are you (?:a |an )?(?:real |actual )?(?:human|person|robot|bot|machine|computer|ai|real"
            r"|alive|artificial(?: intelligence)?|chat ?gpt|chatbot|llm|large language model|language "
            r"model|conscious|intelligent|program)(?: or .+)?|am i (?:talking|speaking) to a (?:human"
            r"|machine|robot|computer|person|bot)(?: or .+)?"
        ),
        ("are you a robot or a human", "are you artificial intelligence"),
        (
            (
                "I am a program: the small brain built into voicebridge. I am not a person, and not a "
                "large language model either."
            ),
        ),
    ),
    Intent(
        "maker",
        (
            r"who (?:made|built|created|programmed|wrote|developed|invented|designed|trained) you"
            r"|where (?:do|did) you come from|where are you(?: from)?|where do you live|how old are you"
            r"|when were you (?:born|made|built)|what is your age|who is your (?:creator|maker|boss)"
        ),
        ("who created you", "where do you live", "how old are you"),
        (
            (
                "I am part of voicebridge, a voice server that somebody runs for you. I live on that "
                "machine, and I have no age."
            ),
        ),
    ),
    Intent(
        "upstream",
        (
            r".*\b(?:connect|use|set up|configure|switch to|attach|plug in|get)\b.*\b(?:real model"
            r"|real llm|llm|language model|gpt|bigger model|better model|larger model|upstream|real "
            r"brain)\b.*|what model are you(?: using)?|which model (?:are you|is this)"
        ),
        ("how do I connect a real language model", "which model are you using"),
        (f"I am the small built-in brain, there is no large model behind me. {UPSTREAM}",),
    ),
    Intent(
        "thanks",
        (
            r"(?:okay |great |perfect |no |oh )*(?:thank you|thanks|thank you very much|many thanks"
            r"|thanks a lot|thank you so much|i appreciate it|cheers|much appreciated)(?: very much| "
            r"so much| a lot| for (?:your |the )?\w+(?: \w+)*| that is all| again| \w+)?"
        ),
        ("thank you very much", "thanks for your help", "I appreciate it"),
        ("You are welcome.", "My pleasure.", "Glad to help."),
    ),
    Intent(
        "goodbye",
        (
            r"(?:okay |thanks |thank you |well )*(?:good ?bye|bye|bye bye|see you|see you (?:later|soon"
            r"|tomorrow)|good night|talk to you later|have a (?:nice|good|great) \w+|i have to go(?: "
            r"now)?|that is all(?: for (?:now|today))?|farewell|take care|so long|until next time|i am "
            r"leaving)(?: now| then| \w+)*"
        ),
        ("goodbye, see you tomorrow", "I have to go now", "good night"),
        ("Goodbye!", "Goodbye, talk to you soon."),
    ),
    Intent(
        "sorry",
        (
            r"(?:i am |oh |okay )?(?:so |very )?(?:sorry|my apologies|i apologize|excuse me|my bad"
            r"|pardon me)(?: about that| for that| my mistake)?"
        ),
        ("I'm sorry about that", "my apologies"),
        ("No problem at all.", "Do not worry about it."),
    ),
    Intent(
        "joke",
        (
            r"(?:.*\b)?(?:tell|know|say|give|another|hear|one more|make)\b.*\bjokes?\b.*|(?:and )?another(?: one)?"
            r"|make me laugh|say something funny|a joke|something funny|entertain me"
        ),
        ("tell me a joke", "make me laugh"),
        JOKES,
    ),
    Intent(
        "story",
        (
            r".*\b(?:tell|read|another|want|hear|know)\b.*\b(?:story|stories|fairy tale|tale)\b.*|(?:a "
            r")?story|talk for a (?:while|minute|long time)|say something long|keep talking|read me "
            r"something"
        ),
        ("tell me a long story", "tell me a bedtime story"),
        STORIES,
    ),
    Intent(
        "poem",
        (r".*\b(?:tell|read|recite|say|write|know|give|hear)\b.*\b(?:poem|poetry|rhyme|verse)s?\b.*" r"|a poem"),
        ("recite a poem",),
        (POEM,),
    ),
    Intent(
        "sing",
        (
            r"(?:can you )?sing(?: me)?(?: a| me a| something| for me)?(?: song| lullaby)?|.*\bsing "
            r"(?:me )?(?:a|the) song\b.*"
        ),
        ("sing me a song",),
        ("I can not sing, my voice is made for speaking. But I can recite a poem.",),
    ),
    Intent(
        "hear_me",
        (
            r"(?:hello )?(?:can|do) you (?:hear|understand|follow) (?:me|what i (?:am saying|say))(?: "
            r"now| well| clearly)?|are you (?:there|listening|still there|awake|online|working)|is "
            r"(?:anybody|anyone|somebody|someone) there|do you hear me|am i (?:audible|clear)"
        ),
        ("can you hear me", "are you still there"),
        ("Yes, I can hear you.", "Yes, I am here and listening."),
    ),
    Intent(
        "testing",
        (
            r"(?:(?:this is )?(?:only |just )?(?:a )?(?:sound |mic(?:rophone)? |voice |audio )?(?:test"
            r"|testing|check)(?: test| testing| one| two| three| 1| 2| 3| check| please)*)+|mic check.*"
            r"|one two(?: three)?(?: testing| test)?"
        ),
        ("testing, one two three", "this is a microphone test"),
        ("I hear you loud and clear.", "The test arrived, word for word."),
    ),
    Intent(
        "wait",
        (
            r"(?:please )?(?:wait|hold on|hang on|one (?:moment|second|minute)|just a (?:moment|second"
            r"|minute|sec)|give me a (?:moment|second|minute)|let me think(?: about (?:it|that))?|wait "
            r"(?:a|one) (?:moment|second|minute)|a moment)(?: please)?|i am thinking"
        ),
        ("wait a moment please", "let me think about it"),
        ("Take your time.", "No hurry, I am here."),
    ),
    Intent(
        "stop",
        (
            r"(?:please )?(?:stop(?: (?:it|that|talking|speaking|please))?|be quiet|quiet|shut up"
            r"|silence|enough|that is enough|hush|stop stop)(?: now| please)?"
        ),
        ("stop talking", "be quiet now"),
        ("All right.", "Okay, I will be quiet."),
    ),
    Intent(
        "yes",
        (
            r"(?:yes|yeah|yep|yup|sure|of course|absolutely|exactly|right|correct|that is right|that "
            r"is correct|indeed|definitely|certainly|please do|yes please)(?: yes| please| it is| i do"
            r"| sure)*"
        ),
        (),
        ("All right. What would you like?", "Good. What next?"),
    ),
    Intent(
        "no",
        (
            r"(?:no|nope|nah|not really|not now|no thanks|no thank you|never mind|nothing|no no)(?: no"
            r"| thanks| thank you| i do not| not really)*"
        ),
        (),
        ("All right.", "Okay. Just tell me when you need something."),
    ),
    Intent(
        "okay",
        (
            r"(?:okay|all right|alright|fine|i see|got it|understood|cool|nice|great|good|wow"
            r"|interesting|perfect|excellent|wonderful|awesome|amazing|that is (?:nice|great|good|cool"
            r"|interesting|fine|funny|amazing|wonderful|awesome|true)|very (?:good|nice)|hm+|mhm|uh huh"
            r"|aha|really|oh|i understand|makes sense|that makes sense|well done|good job|not bad"
            r"|impressive)(?: then| thanks| okay| good| great| really| oh| wow)*"
        ),
        ("that's interesting", "I see, that makes sense"),
        ("Is there anything else?", "Good. What else can I do?"),
    ),
    Intent(
        "praise",
        (
            r"(?:i (?:like|love) you|you are (?:so |very |really |quite |pretty )?(?:good|great|smart"
            r"|clever|nice|funny|cool|awesome|amazing|helpful|the best|wonderful|brilliant|kind|sweet"
            r"|fast|quick|cute)|good (?:bot|robot|boy|girl)|you did (?:well|great|a good job))"
        ),
        ("you are very helpful", "I love you"),
        ("Thank you, that is kind of you.", "Thanks. I do what I can."),
    ),
    Intent(
        "scold",
        (
            r"(?:you are|that is|this is)(?: so| very| really| pretty)? (?:stupid|dumb|useless|bad"
            r"|terrible|annoying|wrong|slow|boring|an idiot|not (?:right|correct|true|helpful|good)"
            r"|incorrect|nonsense|rubbish)|(?:i hate you|you do not understand(?: me| anything)?|you "
            r"suck|wrong(?: answer)?|bad (?:bot|robot))"
        ),
        ("you are stupid and useless", "that is wrong"),
        (f"I am sorry. I am only a small built-in brain. {UPSTREAM}",),
    ),
    Intent(
        "not_understood",
        (
            r"i (?:do not|did not|can not) (?:understand|get it|follow)(?: you| that)?|what do you mean"
            r"|huh|that makes no sense|i am confused"
        ),
        ("I don't understand you",),
        ("I am sorry. Ask me in other words, or say repeat, and I will say it again.",),
    ),
    Intent(
        "bored",
        r"i am (?:so |very )?bored|what (?:should|can) i do(?: now)?|i have nothing to do",
        ("I am bored, what should I do",),
        ("I can tell you a story or a joke. Or ask me to count to one hundred.",),
    ),
    Intent(
        "meaning",
        r"what is the meaning of life(?: the universe and everything)?",
        ("what is the meaning of life",),
        ("That is for you to find out. The books that I was built from only say forty-two.",),
    ),
    Intent(
        "weather",
        (r".*\b(?:weather|forecast|will it rain|is it raining|is it (?:cold|warm|hot|sunny)(?: " r"outside)?)\b.*"),
        ("what's the weather like today",),
        ("I can not look up the weather by myself. An application can give me a function for it.",),
    ),
    Intent(
        "speed",
        (
            r"(?:.* )?(?:speak|talk|say (?:it|that))\b.*\b(?:slower|slowly|faster|quicker|quickly|louder|quieter)\b.*"
            r"|(?:slower|louder)(?: please)?"
        ),
        ("please speak more slowly", "talk louder"),
        ("I can not change how I speak. The application sets my voice and its speed.",),
    ),
    Intent(
        "other_topic",
        r"(?:let us )?(?:talk|speak) about something (?:else|different)|(?:let us )?change the (?:topic|subject)",
        ("let's talk about something else",),
        ("Gladly. What would you like to talk about?",),
    ),
    Intent(
        "like",
        (
            r"do you (?:like|love|enjoy|have a favorite|want|feel|think|dream|sleep|eat|have "
            r"(?:feelings|friends|a family|children)).*|what (?:is your favorite|do you (?:like|think"
            r"|want|feel)).*|how do you feel about .*"
        ),
        ("do you like music", "what is your favorite food"),
        ("I have no tastes or feelings of my own, I am a small program.",),
    ),
)


def find_intent(text: str) -> Intent | None:
    """The intent whose pattern the whole utterance matches."""
    for line in dict.fromkeys((plain(text)[:300], core(text)[:300])):
        for intent in INTENTS:
            if re.fullmatch(intent.patterns, line):
                return intent
    return None


def nearest_intent(text: str, embedder: Embedder | None) -> Intent | None:
    """The intent whose example phrases mean nearly the same, in NEAR cosine; None without an embedder."""
    if embedder is None or not 1 < len(text.split()) <= 14:
        return None
    mine = embedder.embed(core(text)[:200])
    best, found = NEAR, None
    for intent in INTENTS:
        for example in intent.examples:
            cosine = float(mine @ embedder.embed(example))
            if cosine > best:
                best, found = cosine, intent
    return found


def answer_intent(intent: Intent, directives: Directives, said_before: Sequence[str]) -> str:
    """The intent's next answer: those already given come last."""
    if intent.name == "hello":
        return greeting(directives, said_before)
    if intent.name == "who_are_you":
        return introduce(directives)
    allowed = [answer for answer in intent.answers if not mentions(answer, directives.never)] or list(intent.answers)
    used = [sum(answer in text for text in said_before) for answer in allowed]
    return allowed[used.index(min(used))]


def introduce(directives: Directives) -> str:
    """Name and role as the instructions give them; otherwise what it is."""
    role = directives.role
    if directives.name and role:
        return as_sentence(f"I am {directives.name}, {role}")
    if directives.name:
        return f"I am {directives.name}."
    if role:
        return as_sentence(f"I am {role}")
    return "I am the small built-in brain of voicebridge."


def greeting(directives: Directives, said_before: Sequence[str]) -> str:
    """The greeting line of the instructions, or one in their language, with the persona's name."""
    if directives.greeting:
        return directives.greeting
    if directives.language and directives.language != "en":
        return greeting_in(directives.language)
    ask = "May I ask your name?" if directives.ask_name else "How can I help you?"
    if said_before and not directives.greet:
        return "Hello again! How can I help you?"
    name = f" I am {directives.name}." if directives.name else ""
    return f"Hello!{name} {ask}"
