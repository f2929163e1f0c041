"""The client's functions: which one an utterance asks for, its arguments from the words, its result in words."""
