"""Utterances with the function they ask for. Even rows chose the threshold, odd rows are held out."""

from __future__ import annotations

from typing import Any

from voicebridge.core.engine_io import FunctionTool

TEXT: dict[str, Any] = {"type": "string"}


def tool(name: str, description: str, required: list[str], /, **properties: dict[str, Any]) -> FunctionTool:
    return FunctionTool(name, description, {"type": "object", "properties": properties, "required": required})


WEATHER = tool(
    "get_weather",
    "Get the current weather for a location",
    ["location"],
    location={"type": "string", "description": "City and country"},
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
LIGHT = tool(
    "control_light",
    "Turn a light in a room on or off",
    ["room", "state"],
    room={"type": "string", "enum": ["kitchen", "living_room", "bedroom"]},
    state={"type": "string", "enum": ["on", "off"]},
    brightness={"type": "integer", "minimum": 0, "maximum": 100},
)
TIMER = tool(
    "set_timer", "Start a countdown timer", ["duration_seconds"], duration_seconds={"type": "integer"}, label=TEXT
)
ALARM = tool(
    "set_alarm",
    "Set an alarm clock to wake the user",
    ["time"],
    time={"type": "string", "description": "HH:MM"},
    date={"type": "string", "format": "date"},
)
MESSAGE = tool(
    "send_message", "Send a text message to a contact", ["recipient", "message"], recipient=TEXT, message=TEXT
)
TABLE = tool(
    "book_table",
    "Reserve a table at a restaurant",
    ["party_size", "time"],
    restaurant=TEXT,
    party_size={"type": "integer"},
    date=TEXT,
    time=TEXT,
)
MUSIC = tool("play_music", "Play a song", ["song"], song=TEXT, artist=TEXT)
SHOPPING = tool(
    "add_to_shopping_list", "Add items to the shopping list", ["items"], items={"type": "array", "items": TEXT}
)
TRANSLATE = tool(
    "translate", "Translate text into another language", ["text", "target_language"], text=TEXT, target_language=TEXT
)
MONEY = tool(
    "convert_currency",
    "Convert an amount of money between currencies",
    ["amount", "from_currency", "to_currency"],
    amount={"type": "number"},
    from_currency=TEXT,
    to_currency=TEXT,
)
FLIGHTS = tool(
    "search_flights",
    "Find flights between two cities",
    ["origin", "destination"],
    origin=TEXT,
    destination=TEXT,
    date={"type": "string", "format": "date"},
)
REMINDER = tool(
    "create_reminder", "Create a reminder", ["text"], text=TEXT, when={"type": "string", "format": "date-time"}
)
ORDER = tool("track_order", "Look up the status of a customer's order", ["order_number"], order_number=TEXT)
HEATING = tool(
    "set_thermostat",
    "Set the target temperature of the heating",
    ["temperature"],
    temperature={"type": "number"},
    mode={"type": "string", "enum": ["heat", "cool", "off"]},
)
STOCK = tool("get_stock_price", "Get the latest stock price of a company", ["symbol"], symbol=TEXT)
HANDOVER = tool("transfer_to_human", "Transfer the caller to a human agent", [], reason=TEXT)
HANG_UP = tool("end_call", "Hang up and end the phone call", [])

TOOLS = (
    WEATHER,
    LIGHT,
    TIMER,
    ALARM,
    MESSAGE,
    TABLE,
    MUSIC,
    SHOPPING,
    TRANSLATE,
    MONEY,
    FLIGHTS,
    REMINDER,
    ORDER,
    HEATING,
    STOCK,
    HANDOVER,
    HANG_UP,
)

POSITIVE: tuple[tuple[str, str], ...] = (
    ("What's the weather in Paris?", "get_weather"),
    ("Is it raining in London?", "get_weather"),
    ("How warm is it in Berlin in celsius?", "get_weather"),
    ("Do I need an umbrella in Oslo today?", "get_weather"),
    ("weather in Rome please", "get_weather"),
    ("Will it be sunny in Madrid?", "get_weather"),
    ("Turn off the kitchen light", "control_light"),
    ("Bedroom lights on", "control_light"),
    ("Make it dark in the living room", "control_light"),
    ("Switch on the lamp in the bedroom", "control_light"),
    ("It's too dark in the kitchen", "control_light"),
    ("Could you switch the living room light off", "control_light"),
    ("Set a timer for ten minutes", "set_timer"),
    ("Count down five minutes for my eggs", "set_timer"),
    ("Start a 30 second timer", "set_timer"),
    ("Timer for one hour please", "set_timer"),
    ("Let me know when a quarter of an hour is over", "set_timer"),
    ("Give me a two minute countdown", "set_timer"),
    ("Wake me up at seven tomorrow", "set_alarm"),
    ("Set an alarm for 6:30 am", "set_alarm"),
    ("I have to get up at five in the morning", "set_alarm"),
    ("Alarm at half past eight", "set_alarm"),
    ("Can you wake me at noon?", "set_alarm"),
    ("Put the alarm clock to six o'clock", "set_alarm"),
    ("Send a message to Anna saying I will be late", "send_message"),
    ("Text Bob that dinner is ready", "send_message"),
    ("Tell my mother I'm on my way", "send_message"),
    ("Message Peter: the meeting is cancelled", "send_message"),
    ("Let Maria know that I can't come", "send_message"),
    ("Write an SMS to John saying happy birthday", "send_message"),
    ("Book a table for four at 7 pm", "book_table"),
    ("Reserve a table for two at Luigi's tonight at eight", "book_table"),
    ("I'd like a reservation for six people at half past seven", "book_table"),
    ("We want to eat out on Friday at 8 pm, two people", "book_table"),
    ("Get us a table at the Italian place for three", "book_table"),
    ("Can I make a dinner reservation?", "book_table"),
    ("Play Yesterday by the Beatles", "play_music"),
    ("I want to hear some jazz", "play_music"),
    ("Put on Bohemian Rhapsody", "play_music"),
    ("Play my favourite song", "play_music"),
    ("Let's listen to Mozart", "play_music"),
    ("Start some music", "play_music"),
    ("Add milk and eggs to my shopping list", "add_to_shopping_list"),
    ("We need bread and butter, put it on the list", "add_to_shopping_list"),
    ("Put bananas on the shopping list", "add_to_shopping_list"),
    ("I have to buy toothpaste", "add_to_shopping_list"),
    ("We're out of coffee, add it to the groceries", "add_to_shopping_list"),
    ("Shopping list: apples", "add_to_shopping_list"),
    ("Translate good morning to French", "translate"),
    ("How do you say thank you in Spanish?", "translate"),
    ("What's the German word for butterfly?", "translate"),
    ("Translate I love you into Italian", "translate"),
    ("How would I say where is the station in Japanese", "translate"),
    ("Say cheese in French for me, translated", "translate"),
    ("Convert 100 dollars to euros", "convert_currency"),
    ("How much is fifty euros in pounds?", "convert_currency"),
    ("What is 20 yen worth in dollars?", "convert_currency"),
    ("Exchange rate for 10 pounds in euros", "convert_currency"),
    ("Change 5 francs into dollars", "convert_currency"),
    ("How many euros do I get for 200 dollars?", "convert_currency"),
    ("Find me a flight from Berlin to London on Friday", "search_flights"),
    ("I want to fly to Rome from Vienna", "search_flights"),
    ("Are there any flights from Oslo to Paris tomorrow?", "search_flights"),
    ("Look for a plane from Madrid to Lisbon", "search_flights"),
    ("I need to travel by air from Rome to Berlin", "search_flights"),
    ("Flights from New York to Boston", "search_flights"),
    ("Remind me to water the plants tomorrow", "create_reminder"),
    ("Don't let me forget to call my sister", "create_reminder"),
    ("Remind me in 20 minutes to check the oven", "create_reminder"),
    ("I must remember to pay the rent on Friday", "create_reminder"),
    ("Set a reminder for the dentist on Monday", "create_reminder"),
    ("Please remind me about the meeting", "create_reminder"),
    ("Where is my order 12345?", "track_order"),
    ("Has my package been shipped? The number is AB-9921", "track_order"),
    ("Track order number 77", "track_order"),
    ("When will my parcel arrive?", "track_order"),
    ("I'd like to know the status of my order", "track_order"),
    ("My delivery hasn't arrived yet", "track_order"),
    ("Set the temperature to 21 degrees", "set_thermostat"),
    ("It's too cold in here, make it 23 degrees", "set_thermostat"),
    ("Turn the heating down to 18", "set_thermostat"),
    ("Heat the house to twenty degrees", "set_thermostat"),
    ("Turn up the thermostat", "set_thermostat"),
    ("Switch the heating to cool mode at 19", "set_thermostat"),
    ("What's the stock price of Apple?", "get_stock_price"),
    ("How is TSLA doing on the market?", "get_stock_price"),
    ("How much is a share of Microsoft?", "get_stock_price"),
    ("Price of AAPL", "get_stock_price"),
    ("What are Google shares trading at?", "get_stock_price"),
    ("Check the Amazon stock", "get_stock_price"),
    ("Let me talk to a real person", "transfer_to_human"),
    ("I want to speak with a human agent", "transfer_to_human"),
    ("Connect me to an operator", "transfer_to_human"),
    ("Put me through to customer service", "transfer_to_human"),
    ("Can I talk to someone from support?", "transfer_to_human"),
    ("Get me your supervisor", "transfer_to_human"),
    ("Hang up please", "end_call"),
    ("End the call now", "end_call"),
    ("You can disconnect now", "end_call"),
    ("Please terminate this call", "end_call"),
)

NEGATIVE: tuple[str, ...] = (
    "Hello there",
    "How are you today?",
    "What's your name?",
    "My name is Anna",
    "What's my name?",
    "Thank you very much",
    "What is two plus two?",
    "What time is it?",
    "What day is it today?",
    "Tell me a joke",
    "Tell me a story",
    "Spell necessary",
    "Count to ten",
    "What did I just say?",
    "Repeat that please",
    "Who was Napoleon?",
    "What is the capital of France?",
    "I like chocolate",
    "My favourite colour is green",
    "My dog is called Rex",
    "I am very tired",
    "That's nice",
    "Yes",
    "No",
    "Okay",
    "Are you a robot?",
    "Who made you?",
    "I live in Berlin",
    "What is the meaning of life?",
    "Can you hear me?",
    "Testing, one two three",
    "Good night",
    "I'm sorry",
    "How old are you?",
    "Which is bigger, three or five?",
    "How many days until Christmas?",
    "What is photosynthesis?",
    "Who wrote Hamlet?",
    "You are very funny",
    "I don't understand",
    "Wait a moment",
    "Let me think about it",
    "The cat sat on the mat",
    "How do airplanes fly?",
    "My brother is a doctor",
    "What's the square root of 81?",
    "Do you like music?",
    "I went to the cinema yesterday",
    "I had pasta for dinner",
    "Is 17 prime?",
    "What should I cook tonight?",
    "Why is the sky blue?",
    "I am twenty five years old",
    "Say exactly: hello world",
    "Who is the president?",
    "What can you do?",
    "It was raining yesterday",
    "I love the summer",
    "I bought a new lamp",
    "My flight was awful",
)
