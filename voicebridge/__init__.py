"""voicebridge: a realtime voice server that speaks the OpenAI Realtime API."""

__version__ = "0.1.0"
