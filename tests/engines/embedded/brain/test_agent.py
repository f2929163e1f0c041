"""Golden dialogues without the embedding model: everything here must hold by words alone."""

from __future__ import annotations

import re

import pytest

from engines.embedded.brain.conversation import NOW, Conversation
from engines.embedded.brain.evaluation_set import TOOLS
from voicebridge.engines.embedded.brain.agent import Brain
from voicebridge.engines.embedded.brain.types import BrainAsk, Call, Say, Turn

Dialogue = list[tuple[str | None, str]]

DIALOGUES: dict[str, tuple[str, Dialogue]] = {
    "facts are kept, corrected and told": (
        "",
        [
            ("Hello", "Hello! How can I help you?"),
            (
                "My name is Anna and I live in Berlin.",
                "Nice to meet you, Anna. And you live in Berlin. I will remember that.",
            ),
            ("What's my name?", "Your name is Anna."),
            ("Where do I live?", "You live in Berlin."),
            ("My favourite colour is green", "Good to know: your favourite colour is green."),
            ("What is my favorite color?", "Your favourite colour is green."),
            ("No, it's blue", "Sorry, your favourite colour is blue. I have corrected that."),
            ("what's my favourite colour?", "Your favourite colour is blue."),
            ("My dog is called Rex.", "I see, your dog is called Rex. I will keep that in mind."),
            ("What's my dog's name?", "Your dog is called Rex."),
            ("What is my cat's name?", "You have not told me your cat's name yet."),
        ],
    ),
    "names are corrected": (
        "",
        [
            ("I'm Tom.", "Nice to meet you, Tom."),
            ("Actually, my name is Tim.", "Nice to meet you, Tim."),
            ("Who am I?", "Your name is Tim."),
            ("Forget my name", "All right, I have put that out of my mind."),
            ("What's my name?", "You have not told me your name yet."),
        ],
    ),
    "what was said": (
        "",
        [
            (
                "The weather is nice",
                "I can not look up the weather by myself. An application can give me a function for it.",
            ),
            ("What's two plus two?", "Two plus two is four."),
            ("What did I just say?", "You said: What's two plus two?"),
            ("What did you say?", "I said: You said: What's two plus two?"),
            ("What was the first thing I said?", "The first thing you said was: The weather is nice."),
            ("What was the first thing I asked?", "The first thing you asked was: What's two plus two?"),
            ("How many questions have I asked?", "You have asked five questions before this one."),
        ],
    ),
    "repeating": (
        "",
        [
            ("Repeat that", "I have not said anything yet."),
            ("Spell cat", "Cat: C, A, T."),
            ("Can you repeat that?", "Cat: C, A, T."),
            ("Pardon?", "Cat: C, A, T."),
        ],
    ),
    "follow-ups": (
        "",
        [
            ("what's two plus two", "Two plus two is four."),
            ("and plus three?", "Four plus three is seven."),
            ("times two", "Seven times two is fourteen."),
            ("ten divided by zero", "I can not divide by zero. Nobody can."),
            ("What's the date?", "Today is Saturday, November 21st, 2026."),
            ("And tomorrow?", "Tomorrow is Sunday, November 22nd, 2026."),
        ],
    ),
    "remembering what is asked to be remembered": (
        "",
        [
            (
                "Can you remember that my meeting is at three o'clock?",
                "All right, your meeting is at three o'clock. I will remember that.",
            ),
            ("When is my meeting?", "Your meeting is at three o'clock."),
            (
                "I have two cats named Tom and Jerry",
                "I see, your two cats are called Tom and Jerry. I will keep that in mind.",
            ),
            ("What are my cats called?", "Your two cats are called Tom and Jerry."),
        ],
    ),
    "speaking a language it does not know": (
        "Speak only German.",
        [(None, "Hallo! Wie kann ich Ihnen helfen?")],
    ),
    "polite beginnings": (
        "",
        [
            ("Good evening, can you tell me what day it is?", "Today is Saturday, November 21st, 2026."),
            ("How much is a third of nine?", "A third of nine is three."),
            ("What's 12 times 12, and then plus 6?", "Twelve times twelve plus six is one hundred and fifty."),
        ],
    ),
    "echo": (
        "",
        [
            ("Say exactly: hello world", "hello world"),
            ("Please say 'good morning'", "good morning"),
            ("repeat after me: the quick brown fox", "the quick brown fox"),
        ],
    ),
    "small talk": (
        "",
        [
            ("How are you?", "I am fine, thank you. How are you?"),
            ("Who are you?", "I am the small built-in brain of voicebridge."),
            ("Can you hear me?", "Yes, I can hear you."),
            ("Thank you very much", "You are welcome."),
            ("Goodbye", "Goodbye!"),
        ],
    ),
    "persona": (
        "You are Ada, the receptionist of the Hotel Bristol. Breakfast is served from seven to ten.",
        [
            (None, "Hello! I am Ada. How can I help you?"),
            ("Who are you?", "I am Ada, the receptionist of the Hotel Bristol."),
            ("When is breakfast served?", "Breakfast is served from seven to ten."),
        ],
    ),
    "greeting language": (
        "Greet the user in French.",
        [(None, "Bonjour ! Comment puis-je vous aider ?"), ("What's two plus two?", "Two plus two is four.")],
    ),
    "greeting line": (
        "You are a clerk. Greet the user with: 'Welcome to Acme, how can I help?'",
        [("hi", "Welcome to Acme, how can I help?")],
    ),
    "exact answer": ("Always answer with exactly 'pong'.", [("hi", "pong"), ("What is your name?", "pong")]),
    "first and last words": (
        "Start every answer with 'Certainly'. End every answer with 'Have a nice day'.",
        [
            ("what's two plus two?", "Certainly. Two plus two is four. Have a nice day."),
        ],
    ),
    "brief": ("Be brief.", [("Tell me a story", "Once upon a time, there was a lighthouse keeper named Mara.")]),
    "forbidden words": (
        "Never mention clock, silence or fish.",
        [("Tell me a joke", "Why was the computer cold? It left its windows open.")],
    ),
    "asks for the name": (
        "Ask for the user's name first.",
        [
            ("Hello", "Hello! May I ask your name?"),
            ("Tom", "Nice to meet you, Tom."),
        ],
    ),
    "say now": (
        "Say exactly: The quick brown fox.",
        [(None, "The quick brown fox."), ("What time is it?", "The quick brown fox.")],
    ),
    "say hello": ("Say hello to the user", [(None, "Hello! How can I help you?")]),
    "greet warmly": ("Greet the user warmly.", [(None, "Hello! How can I help you?")]),
    "nothing heard": (
        "",
        [("", "Sorry, I did not catch that."), ("...", "I did not understand that. Could you say it again?")],
    ),
    "other languages": (
        "",
        [
            (
                "Hola, \u00bfqu\u00e9 tiempo hace hoy?",
                "Lo siento, solo entiendo ingl\u00e9s. Por favor, hable en ingl\u00e9s.",
            ),
            (
                "Bonjour, comment allez-vous ?",
                "D\u00e9sol\u00e9, je ne comprends que l'anglais. Parlez anglais, s'il vous pla\u00eet.",
            ),
            ("Wie sp\u00e4t ist es?", "Es tut mir leid, ich verstehe nur Englisch. Bitte sprechen Sie Englisch."),
            (
                "\u4f60\u597d\u5417",
                "\u5bf9\u4e0d\u8d77\uff0c\u6211\u53ea\u61c2\u82f1\u8bed\u3002\u8bf7\u7528\u82f1\u8bed\u8bf4\u3002",
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogues(name: str, lexical: Brain) -> None:
    instructions, turns = DIALOGUES[name]
    talk = Conversation(lexical, instructions)
    assert [talk.say(asked) for asked, _ in turns] == [answer for _, answer in turns]


def test_it_says_that_it_does_not_know_and_how_to_connect_a_model(lexical: Brain) -> None:
    talk = Conversation(lexical)
    first, second = talk.say("Who was Napoleon?"), talk.say("Why is the sky blue?")
    assert "connect a real model" in first
    assert "connect a real model" not in second


@pytest.mark.parametrize("asked", ["Tell me a story", "Tell me about yourself", "Count to fifty", "Recite a poem"])
def test_long_answers_take_half_a_minute_to_speak(asked: str, lexical: Brain) -> None:
    words = re.findall(r"[\w']+", Conversation(lexical).say(asked))
    assert len(words) >= 75  # 30 s at 150 words a minute


RESULTS = {"get_weather": '{"temperature": 18, "unit": "celsius"}', "get_stock_price": '{"error": "unknown symbol"}'}


def calling(brain: Brain, choice: object = "auto") -> Conversation:
    return Conversation(brain, "", TOOLS, choice, RESULTS)  # type: ignore[arg-type]


def test_a_function_is_called_and_its_result_spoken(lexical: Brain) -> None:
    talk = calling(lexical)
    assert talk.say("What's the weather in Paris?") == "The temperature is eighteen degrees Celsius."
    assert talk.made == [("get_weather", {"location": "Paris"})]


def test_follow_ups_and_corrections_call_again_with_what_changed(lexical: Brain) -> None:
    talk = calling(lexical)
    talk.say("What's the weather in Paris in celsius?")
    talk.say("And in Rome?")
    assert talk.made == [("get_weather", {"location": "Rome", "unit": "celsius"})]
    talk.say("No, I meant Oslo")
    assert talk.made == [("get_weather", {"location": "Oslo", "unit": "celsius"})]
    talk.say("Check again")
    assert talk.made == [("get_weather", {"location": "Oslo", "unit": "celsius"})]


def test_an_earlier_result_is_remembered(lexical: Brain) -> None:
    talk = calling(lexical)
    talk.say("What's the weather in Paris?")
    assert talk.say("What was the temperature again?") == "The temperature is eighteen degrees Celsius."
    assert talk.made == []


def test_two_places_are_two_calls_in_one_response(lexical: Brain) -> None:
    talk = calling(lexical)
    spoken = talk.say("What's the weather in Paris and in Rome?")
    assert talk.made == [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "Rome"})]
    assert spoken.startswith("For Paris: The temperature")


def test_two_requests_are_two_calls(lexical: Brain) -> None:
    talk = calling(lexical)
    talk.say("Turn off the kitchen light and set a timer for ten minutes")
    assert [name for name, _ in talk.made] == ["control_light", "set_timer"]


def test_missing_arguments_are_asked_for_one_after_the_other(lexical: Brain) -> None:
    talk = calling(lexical)
    assert talk.say("Book a table at the restaurant") == "For how many people?"
    assert talk.say("For four") == "At what time?"
    talk.say("at seven thirty pm")
    assert talk.made == [("book_table", {"party_size": 4, "time": "19:30"})]


def test_an_answer_that_is_none_is_asked_for_again(lexical: Brain) -> None:
    talk = calling(lexical)
    question = talk.say("Turn on the light")
    assert question == "Which room: kitchen, living room or bedroom?"
    assert talk.say("purple") == question
    talk.say("the kitchen please")
    assert talk.made == [("control_light", {"state": "on", "room": "kitchen"})]


def test_the_question_can_be_declined(lexical: Brain) -> None:
    talk = calling(lexical)
    talk.say("Turn on the light")
    assert talk.say("Never mind") == "All right, never mind."
    assert talk.say("What time is it?") == "It is 3:05 PM."


def test_a_question_in_between_is_answered(lexical: Brain) -> None:
    talk = calling(lexical)
    talk.say("Send a text message to Bob")
    assert talk.say("What time is it?") == "It is 3:05 PM."
    assert talk.made == []


def test_failures_are_told(lexical: Brain) -> None:
    assert calling(lexical).say("What's the stock price of Apple?") == "That did not work: unknown symbol."


def test_tool_choice_none_calls_nothing(lexical: Brain) -> None:
    talk = calling(lexical, "none")
    talk.say("What's the weather in Paris?")
    assert talk.made == []


def test_tool_choice_required_calls_something_once(lexical: Brain) -> None:
    talk = calling(lexical, "required")
    talk.say("What's the weather in Paris?")
    assert talk.made == [("get_weather", {"location": "Paris"})]
    talk.say("hello there")
    assert len(talk.made) == 1


def test_a_forced_function_is_called_even_without_arguments(lexical: Brain) -> None:
    talk = calling(lexical, ("function", "send_message"))
    talk.say("hello there")
    assert [name for name, _ in talk.made] == ["send_message"]


def test_a_missing_result_is_waited_for(lexical: Brain) -> None:
    context = (Turn("user", "weather in Paris"), Turn("call", '{"location": "Paris"}', "get_weather", "c1"))
    steps = lexical.reply(BrainAsk(context, "", TOOLS, "auto", NOW, ""))
    assert steps == [Say("I am still waiting for the result.")]


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "What's two plus two?",
        "My name is Anna",
        "Tell me a joke",
        "Count to five",
        "Spell cat",
        "What day is it?",
        "Thanks",
        "Goodbye",
    ],
)
def test_small_things_call_no_function(text: str, lexical: Brain) -> None:
    steps = lexical.reply(BrainAsk((Turn("user", text),), "", TOOLS, "auto", NOW, ""))
    assert not any(isinstance(step, Call) for step in steps)


def test_a_greeting_before_a_question_is_not_in_its_way(lexical: Brain) -> None:
    assert Conversation(lexical).say("Hello there, what is 7 times 8?") == "Seven times eight is fifty-six."


def test_something_told_and_something_asked_in_one_breath_both_get_their_answer(lexical: Brain) -> None:
    answer = Conversation(lexical).say("Hi, I'm Anna. What is two plus two?")
    assert answer == "Nice to meet you, Anna. Two plus two is four."
