from __future__ import annotations

import pytest

from voicebridge.config import DEFAULT_INSTRUCTIONS
from voicebridge.engines.embedded.brain.instructions import read_directives


@pytest.mark.parametrize(
    ("instructions", "attribute", "value"),
    [
        ("You are Ada, the receptionist of the Hotel Bristol.", "name", "Ada"),
        ("You are Ada, the receptionist of the Hotel Bristol.", "role", "the receptionist of the Hotel Bristol"),
        ("You are a friendly assistant named Max.", "name", "Max"),
        ("Your name is Robo.", "name", "Robo"),
        ("You are a helpful assistant.", "name", ""),
        ("Always answer with exactly 'pong'.", "exact", "pong"),
        ("Respond only with the word yes.", "exact", "yes"),
        ("Answer with exactly: I am here", "exact", "I am here"),
        ("Respond only in English.", "exact", ""),
        ("Respond only with short sentences.", "exact", ""),
        ("Say exactly: The quick brown fox.", "say_now", "The quick brown fox."),
        ("Say: 'Hello, this is Acme.'", "say_now", "Hello, this is Acme."),
        ("Tell the user that the shop is closed.", "say_now", "The shop is closed."),
        ("Ask the user how they are.", "say_now", "How are you?"),
        ("Greet the user with: 'Welcome to Acme!'", "greeting", "Welcome to Acme!"),
        ('Begin the conversation with "Good day, sir".', "greeting", "Good day, sir"),
        ("Greet the user in Spanish.", "language", "es"),
        ("You are Ada. Greet callers in German and be polite.", "language", "de"),
        ("Start every answer with 'Certainly'.", "prefix", "Certainly"),
        ("End every answer with 'Have a nice day.'", "suffix", "Have a nice day."),
        ("Be brief.", "brief", True),
        ("Keep your answers short and friendly.", "brief", True),
        ("Never mention silence, clocks or fish.", "never", ("silence", "clocks", "fish")),
        ("Ask for the user's name first.", "ask_name", True),
        ("The pool opens at nine. You are Ada.", "statements", ["The pool opens at nine."]),
    ],
)
def test_instructions_that_can_be_followed(instructions: str, attribute: str, value: object) -> None:
    assert getattr(read_directives(instructions), attribute) == value


def test_the_default_instructions_cut_no_answer_short() -> None:
    assert not read_directives(DEFAULT_INSTRUCTIONS).brief


def test_later_system_messages_and_the_response_override() -> None:
    found = read_directives("Your name is Eva.", ("Your name is Ada. Be brief.",))
    assert found.name == "Eva"
    assert found.brief
