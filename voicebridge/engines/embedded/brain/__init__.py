"""A small, honest, deterministic conversational agent that needs no key and no network.

`types` holds what it is asked and answers, `agent.Brain` is the agent.
"""
