"""Functions and utterances that no word list and no threshold was tuned on."""

from __future__ import annotations

from engines.embedded.brain.evaluation_set import TEXT, tool

VOLUME = tool(
    "set_volume", "Set the speaker volume", ["level"], level={"type": "integer", "minimum": 0, "maximum": 100}
)
APPOINTMENT = tool(
    "schedule_appointment",
    "Schedule an appointment with a doctor",
    ["doctor", "date"],
    doctor=TEXT,
    date={"type": "string", "format": "date"},
    time=TEXT,
)
NAVIGATE = tool("navigate_to", "Start navigation to a destination", ["destination"], destination=TEXT)
NEWS = tool("get_news", "Get the latest news headlines about a topic", [], topic=TEXT)
LOCK = tool(
    "lock_door",
    "Lock or unlock a door",
    ["door", "action"],
    door={"type": "string", "enum": ["front", "back", "garage"]},
    action={"type": "string", "enum": ["lock", "unlock"]},
)
BALANCE = tool(
    "get_account_balance",
    "Look up the balance of a bank account",
    ["account"],
    account={"type": "string", "enum": ["checking", "savings"]},
)
TRANSFER = tool(
    "transfer_money",
    "Transfer money to another person",
    ["amount", "recipient"],
    amount={"type": "number"},
    recipient=TEXT,
)
PIZZA = tool(
    "order_pizza",
    "Order a pizza",
    ["size"],
    size={"type": "string", "enum": ["small", "medium", "large"]},
    toppings={"type": "array", "items": TEXT},
    quantity={"type": "integer", "default": 1},
)
TRAIN = tool("train_departures", "List the next trains leaving a station", ["station"], station=TEXT)
VACUUM = tool("start_vacuum", "Start the robot vacuum cleaner in a room", ["room"], room=TEXT)
PASSWORD = tool("reset_password", "Reset the user's password and send a link by e-mail", ["email"], email=TEXT)
DEFINE = tool("lookup_word", "Look up the definition of a word in the dictionary", ["word"], word=TEXT)

HOLDOUT_TOOLS = (VOLUME, APPOINTMENT, NAVIGATE, NEWS, LOCK, BALANCE, TRANSFER, PIZZA, TRAIN, VACUUM, PASSWORD, DEFINE)

HOLDOUT_POSITIVE: tuple[tuple[str, str], ...] = (
    ("Set the volume to 40", "set_volume"),
    ("Make it louder, level eighty", "set_volume"),
    ("Turn the sound down to ten percent", "set_volume"),
    ("I can hardly hear the music, turn it up", "set_volume"),
    ("I need to see Doctor Smith on Monday", "schedule_appointment"),
    ("Make an appointment with Dr. Jones for Friday at ten", "schedule_appointment"),
    ("Can I get an appointment tomorrow?", "schedule_appointment"),
    ("Book me in with the dentist next week", "schedule_appointment"),
    ("Take me to the airport", "navigate_to"),
    ("Navigate to Central Park", "navigate_to"),
    ("How do I get to the train station?", "navigate_to"),
    ("Give me directions to 5 Main Street", "navigate_to"),
    ("What's in the news?", "get_news"),
    ("Any headlines about football?", "get_news"),
    ("Tell me the latest news on the election", "get_news"),
    ("What happened in the world today?", "get_news"),
    ("Lock the front door", "lock_door"),
    ("Is the garage open? Please unlock it", "lock_door"),
    ("Open the back door lock", "lock_door"),
    ("Make sure that the front door is locked", "lock_door"),
    ("How much money do I have in my savings account?", "get_account_balance"),
    ("What's my checking balance?", "get_account_balance"),
    ("Tell me my account balance", "get_account_balance"),
    ("How much is left in savings?", "get_account_balance"),
    ("Send 50 dollars to Peter", "transfer_money"),
    ("Transfer twenty euros to Maria", "transfer_money"),
    ("I owe John 15 dollars, pay him", "transfer_money"),
    ("Wire one hundred pounds to my landlord", "transfer_money"),
    ("I'd like a large pizza with mushrooms", "order_pizza"),
    ("Order two small pizzas", "order_pizza"),
    ("Get me a medium pizza with ham and olives", "order_pizza"),
    ("I'm hungry, I want pizza", "order_pizza"),
    ("When does the next train leave from Cologne?", "train_departures"),
    ("Trains from Paddington", "train_departures"),
    ("Show me departures at Grand Central", "train_departures"),
    ("What trains go from Utrecht in the next hour?", "train_departures"),
    ("Vacuum the living room", "start_vacuum"),
    ("Start the robot in the kitchen", "start_vacuum"),
    ("The floor in the hall is dirty, clean it", "start_vacuum"),
    ("Send the vacuum cleaner to the bedroom", "start_vacuum"),
    ("I forgot my password", "reset_password"),
    ("Reset my password, my mail is anna@example.com", "reset_password"),
    ("I can't log in any more, I need a new password", "reset_password"),
    ("Please send me a password reset link", "reset_password"),
    ("What does serendipity mean?", "lookup_word"),
    ("Define entropy", "lookup_word"),
    ("Look up the word ubiquitous", "lookup_word"),
    ("What's the definition of irony?", "lookup_word"),
)

HOLDOUT_NEGATIVE: tuple[str, ...] = (
    "Hi, how are you doing?",
    "I am called Robert",
    "What did you say?",
    "Could you say that again?",
    "Seven times eight",
    "What's the date today?",
    "What day was yesterday?",
    "Do you know a joke?",
    "Can you spell banana?",
    "Count from one to twenty",
    "My favourite food is lasagne",
    "What's my favourite food?",
    "I'm fine, thanks",
    "You're welcome",
    "See you tomorrow",
    "Who invented the telephone?",
    "How tall is Mount Everest?",
    "Which planet is the largest?",
    "Why do cats purr?",
    "I have two children",
    "That's not what I meant",
    "I think so too",
    "Maybe later",
    "What a beautiful day",
    "My car is blue",
    "I was in Paris last year",
    "Are you listening?",
    "How many legs does a spider have?",
    "When did the second world war end?",
    "Do you have feelings?",
    "Please speak more slowly",
    "I don't like Mondays",
    "It's my birthday today",
    "What's your favourite colour?",
    "Is there life on Mars?",
    "Let's talk about something else",
    "I've been working all day",
    "Never mind",
    "Tell me about yourself",
    "What's fifteen percent of two hundred?",
)
