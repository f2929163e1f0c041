"""Which language a user writes in, and the few sentences the brain has in languages it does not understand."""

from __future__ import annotations

import re

NAMES = {
    "spanish": "es", "french": "fr", "german": "de", "chinese": "zh", "mandarin": "zh", "italian": "it",
    "portuguese": "pt", "dutch": "nl", "japanese": "ja", "english": "en", "russian": "ru", "korean": "ko",
    "polish": "pl", "swedish": "sv", "turkish": "tr", "hindi": "hi", "espa\u00f1ol": "es", "fran\u00e7ais": "fr",
    "deutsch": "de", "\u4e2d\u6587": "zh", "italiano": "it",
}  # fmt: skip
GREETINGS = {
    "en": "Hello! How can I help you?",
    "es": "\u00a1Hola! \u00bfEn qu\u00e9 puedo ayudarle?",
    "fr": "Bonjour ! Comment puis-je vous aider ?",
    "de": "Hallo! Wie kann ich Ihnen helfen?",
    "zh": "\u4f60\u597d\uff01\u6211\u80fd\u5e2e\u60a8\u4ec0\u4e48\uff1f",
    "it": "Buongiorno! Come posso aiutarla?",
    "pt": "Ol\u00e1! Como posso ajudar?",
    "nl": "Hallo! Hoe kan ik u helpen?",
    "ja": (
        "\u3053\u3093\u306b\u3061\u306f\u3002\u3069\u306e\u3088\u3046\u306a\u3054\u7528\u4ef6\u3067"
        "\u3057\u3087\u3046\u304b\u3002"
    ),
    "ru": (
        "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439\u0442\u0435! "
        "\u0427\u0435\u043c \u043c\u043e\u0433\u0443 \u043f\u043e\u043c\u043e\u0447\u044c?"
    ),
    "ko": "\uc548\ub155\ud558\uc138\uc694! \ubb34\uc5c7\uc744 \ub3c4\uc640\ub4dc\ub9b4\uae4c\uc694?",
    "pl": "Dzie\u0144 dobry! W czym mog\u0119 pom\u00f3c?",
    "sv": "Hej! Hur kan jag hj\u00e4lpa dig?",
    "tr": "Merhaba! Size nas\u0131l yard\u0131mc\u0131 olabilirim?",
    "hi": (
        "\u0928\u092e\u0938\u094d\u0924\u0947! \u092e\u0948\u0902 \u0906\u092a\u0915\u0940 "
        "\u0915\u0948\u0938\u0947 \u092e\u0926\u0926 \u0915\u0930 \u0938\u0915\u0924\u093e "
        "\u0939\u0942\u0901?"
    ),
}
ONLY_ENGLISH = {
    "es": "Lo siento, solo entiendo ingl\u00e9s. Por favor, hable en ingl\u00e9s.",
    "fr": "D\u00e9sol\u00e9, je ne comprends que l'anglais. Parlez anglais, s'il vous pla\u00eet.",
    "de": "Es tut mir leid, ich verstehe nur Englisch. Bitte sprechen Sie Englisch.",
    "zh": "\u5bf9\u4e0d\u8d77\uff0c\u6211\u53ea\u61c2\u82f1\u8bed\u3002\u8bf7\u7528\u82f1\u8bed\u8bf4\u3002",
}
_OTHERWISE = "I am sorry, I only understand English."
_MARKS = {
    "es": "hola gracias por favor qu\u00e9 que est\u00e1 est\u00e1s c\u00f3mo como d\u00f3nde donde "
    "cu\u00e1l tiempo hace hoy buenos buenas d\u00edas"
    " tardes noches el los las una es soy tengo quiero puedo puedes me llamo yo t\u00fa usted "
    "se\u00f1or muy bien hora son",
    "fr": "bonjour bonsoir merci salut s'il vous pla\u00eet quel quelle quelles est heure il fait "
    "comment allez \u00e7a va je suis j'ai veux"
    " peux pouvez tu nous les des une le la et o\u00f9 est-ce que qu'est-ce m'appelle temps "
    "aujourd'hui bien oui non mon ma",
    "de": "hallo guten tag morgen abend danke bitte wie geht es ihnen dir wer wo wann warum ist das "
    "der die und ich bin habe kann"
    " k\u00f6nnen sie du wir nicht ein eine uhr sp\u00e4t wetter heute hei\u00dfe mein meine "
    "auf mir viel was gut ja nein",
}
_SETS = {code: frozenset(words.split()) for code, words in _MARKS.items()}
_ENGLISH = frozenset(
    [
        "the", "a", "is", "are", "am", "i", "you", "my", "your", "what", "where", "when", "who", "how", "do", "does",
        "can", "could", "please", "to", "of", "and", "in", "on", "for", "it", "this", "that", "me", "no", "be",
        "tell", "say", "was", "not", "have", "has", "with", "at", "as", "so", "we", "he", "she", "they", "hello",
        "hi", "thanks", "die", "was", "war", "also", "in", "an", "man",
    ]
)  # fmt: skip
_SCRIPTS = (
    ("zh", r"[\u4e00-\u9fff]"),
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("other", r"[\u0370-\u03ff\u0590-\u06ff\u0900-\u0dff\u0e00-\u0eff]"),
)


def foreign(text: str) -> str | None:
    """The language of a text that is not English: "es", "fr", "de", "zh" or "other"; None where it may be English."""
    sample = text[:400]
    letters = sum(char.isalpha() for char in sample)
    if re.search(_SCRIPTS[1][1], sample):
        return "other"
    for code, pattern in _SCRIPTS:
        if letters and len(re.findall(pattern, sample)) * 2 > letters:
            return code if code == "zh" else "other"
    words = re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", sample.lower())
    if not words:
        return None
    counts = {code: sum(word in marks for word in words) for code, marks in _SETS.items()}
    best = max(counts, key=lambda code: counts[code])
    english = sum(word in _ENGLISH for word in words)
    if counts[best] >= 2 and counts[best] > english and counts[best] * 2 >= len(words):
        return best
    return (
        best
        if len(words) == 1 and words[0] in ("hola", "bonjour", "danke", "gracias", "merci", "hallo", "salut", "bonsoir")
        else None
    )


def only_english(code: str) -> str:
    """The honest sentence in the user's language, and in English where there is none."""
    return ONLY_ENGLISH.get(code, _OTHERWISE)


def greeting_in(code: str) -> str:
    return GREETINGS.get(code, GREETINGS["en"])
