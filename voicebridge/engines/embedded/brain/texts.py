"""Longer pieces for those who ask for them; each takes more than half a minute to speak."""

from __future__ import annotations

STORIES = (
    (
        "Once upon a time, there was a lighthouse keeper named Mara. She lived on a small rock, far out in the sea. "
        "Every evening she climbed the one hundred and twelve steps and lit the lamp. Every "
        "morning she climbed up again and put it out. "
        "One winter night the wind was so strong that the lamp would not burn. Mara tried it again "
        "and again, but the flame died each time. "
        "Then she heard a ship's bell in the dark. It was close, and it was coming closer. "
        "Mara had no light, but she had a voice. She opened the window and began to sing, as loud as she could. "
        "On the ship, an old sailor put his hand to his ear. There is somebody singing, he said, "
        "and where somebody sings, there is land. "
        "Turn the wheel! And the ship turned, just in time, and passed the rock so closely that "
        "Mara could see the faces on the deck. "
        "In spring the sailors came back and brought her a new lamp, the best that money could buy. "
        "Mara thanked them and lit it every night. But when the wind was strong, she opened the "
        "window and sang as well, just to be sure. "
        "And the sailors say that on a stormy night you can still hear her. The end."
    ),
    (
        "There was once a clockmaker who lived in a very quiet town. He made clocks of every kind, "
        "large and small, and all of them were right. "
        "One day a girl came into his shop with a clock that ran backwards. Can you repair it, she asked. "
        "The clockmaker opened it, looked inside, and shook his head. Nothing in it is broken, he "
        "said. It simply wants to go the other way. "
        "So he put it in the window, and people began to stop and look. Some laughed. Some stayed "
        "for a long time and remembered things. "
        "The baker remembered the smell of his grandmother's kitchen. The teacher remembered her first day at school. "
        "The mayor remembered that he had once promised to plant trees in the market square. The "
        "next week he planted them. "
        "After a year the girl came back to fetch her clock. Is it right now, she asked. "
        "Twice a day, said the clockmaker, like every clock that goes its own way. But it has been "
        "more useful than all my others. "
        "The girl smiled and left it in the window. And there it still is, ticking from tomorrow "
        "to yesterday, under the shadow of the trees. The end."
    ),
)
POEM = (
    "The morning came on quiet feet and put a light in every street. It woke the baker and the "
    "bird, and no one said a single word. "
    "It looked through windows, one by one, and told the children: here's the sun. It touched "
    "the river and the hill, and for a moment all was still. "
    "Then doors and bells and wheels began, a whistle blew, a small dog ran, and what had been "
    "so soft and slow became a day, as days will go. "
    "But evening knows the way as well. It waits until the last church bell, and then it walks "
    "the morning's street and leaves again, on quiet feet."
)
JOKES = (
    "Why did the clock go back four seconds? Because it was still hungry.",
    "I would tell you a joke about silence, but it goes without saying.",
    "What do you call a fish without an eye? A fsh.",
    "Why was the computer cold? It left its windows open.",
)
ABOUT_SELF = (
    "I am the small brain that is built into voicebridge, and I run on the server itself. I "
    "need no key and no network, and nothing you say leaves the machine for me. "
    "I am not a large language model. I am a set of rules, together with a small model that "
    "compares the meaning of sentences. "
    "So I am quick, and I give the same answer to the same words every time, but I know very little about the world. "
    "What can I do? I can tell you the time and the date, and count the days until a holiday. "
    "I can add, multiply, take percentages and roots, and convert units. "
    "I can spell, count, and repeat what you say. I remember what you told me in this "
    "conversation, for example your name or your favorite color. "
    "If the application that you are using offers functions, I can call them for you. I listen "
    "for what they need, I ask when something is missing, and I read you the result. "
    "I can also tell a joke or a story, and you can interrupt me at any time, just like now. "
    "When I do not know something, I say so. And if you want a real conversation about the "
    "world, connect a real model as voicebridge's README says, and a larger one will answer "
    "in my place."
)
CAN_DO = (
    "I can tell the time and the date, do sums, convert units, spell, count and repeat. I "
    "remember what you tell me during our conversation, "
    "I can call the functions that your application offers, and I can tell a story."
)
UPSTREAM = "How to connect a real model is in voicebridge's README."
