"""The output side of a session: one response writes to the conversation, others run aside (protocol 2.13, S12)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from voicebridge.core.asking import asked
from voicebridge.core.conversation import Conversation, Entry
from voicebridge.core.engine_io import EngineOutput, Recognised
from voicebridge.core.io import CancelResponse, Emit, Output, Speech, StartResponse
from voicebridge.core.items import Sounds
from voicebridge.core.responses import ResponseInProgress
from voicebridge.errors import InvalidState
from voicebridge.protocol.client_events import ResponseParams
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.items import Item
from voicebridge.protocol.responses import CancelReason
from voicebridge.protocol.server_events import ItemAdded, ItemDone, RateLimit, RateLimitsUpdated
from voicebridge.protocol.session_config import RealtimeSession, SessionDefaults


@dataclass(frozen=True, slots=True)
class ResponseRules:
    """How many responses may run aside, whether a second one waits instead of failing, and what limits are told."""

    max_aside: int
    queue_second: bool
    rate_limits: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A response that waits for the one under way; `event_id` is the client's who asked for it."""

    params: ResponseParams
    sounds: Sounds
    event_id: str | None


class ConversationShelf:
    """Items of the main response enter the conversation, and clients are told (S2)."""

    def __init__(self, conversation: Conversation, ids: IdFactory) -> None:
        self._conversation = conversation
        self._ids = ids

    def added(self, entry: Entry) -> list[Output]:
        predecessor = self._conversation.add(entry)
        return [Emit(ItemAdded(event_id=self._ids.new("event"), previous_item_id=predecessor, item=entry.item))]

    def done(self, item: Item) -> list[Output]:
        predecessor = self._conversation.predecessor(item.id)
        return [Emit(ItemDone(event_id=self._ids.new("event"), previous_item_id=predecessor, item=item))]

    def spoke(self, item_id: str, samples: int) -> None:
        self._conversation.keep_spoken(item_id, samples)


class NoShelf:
    """Items of responses aside are nobody's history (S12)."""

    def added(self, entry: Entry) -> list[Output]:  # noqa: ARG002
        return []

    def done(self, item: Item) -> list[Output]:  # noqa: ARG002
        return []

    def spoke(self, item_id: str, samples: int) -> None:
        """Nothing is kept."""


class Responding:
    """Begins, feeds, cancels and closes responses."""

    def __init__(
        self, conversation: Conversation, ids: IdFactory, defaults: SessionDefaults, rules: ResponseRules
    ) -> None:
        self._conversation = conversation
        self._ids = ids
        self._defaults = defaults
        self._rules = rules
        self._main: ResponseInProgress | None = None
        self._aside: dict[str, ResponseInProgress] = {}
        self._waiting: deque[Wish] = deque()
        self.voice_locked = False

    @property
    def busy(self) -> bool:
        """Is there a response that writes to the conversation?"""
        return self._main is not None

    @property
    def busy_aside(self) -> bool:
        """Is there an out-of-band response?"""
        return bool(self._aside)

    def create(self, session: RealtimeSession, wish: Wish) -> list[Output]:
        """Begin a response. Raises ClientError; nothing has happened then."""
        params = wish.params
        if params.conversation == "none" and len(self._aside) >= self._rules.max_aside:
            raise InvalidState(
                f"Too many out-of-band responses at once: {self._rules.max_aside} may run. Wait for a 'response.done'.",
                code="rate_limit_exceeded",
            )
        if params.conversation != "none" and self._main is not None:
            if self._rules.queue_second and len(self._waiting) < self._rules.max_aside:
                self._waiting.append(wish)
                return []
            raise InvalidState(
                f"Conversation already has an active response in progress: {self._main.id}. "
                "Wait until the response is finished before sending another response.create.",
                code="conversation_already_has_active_response",
            )
        return self._begin(session, wish)

    def want(self, wish: Wish) -> None:
        """To be begun when the way is free; several such wishes are one (choice 28)."""
        if not self._waiting:
            self._waiting.append(wish)

    def next_wish(self) -> Wish | None:
        """What waited and may begin now: its turn has come."""
        return self._waiting.popleft() if self._waiting and self._main is None else None

    def _begin(self, session: RealtimeSession, wish: Wish) -> list[Output]:
        wanted = asked(
            session,
            wish.params,
            self._conversation,
            self._ids,
            self._defaults,
            wish.sounds,
            voice_locked=self.voice_locked,
        )
        if not wanted.out_of_band:
            self._conversation.check_room()
        shelf = NoShelf() if wanted.out_of_band else ConversationShelf(self._conversation, self._ids)
        response = ResponseInProgress(wanted.response, self._ids, shelf, wanted.asked_with)
        if wanted.out_of_band:
            self._aside[response.id] = response
        else:
            self._main = response
        return [*response.begin(), StartResponse(wanted.ask)]

    def make(self, response_id: str, output: EngineOutput) -> list[Output]:
        """The engine made something. For a response that is over it is late, and ignored."""
        if isinstance(output, Recognised):
            self._conversation.transcribed(output.item_id, output.transcript)
            return []
        response = self._find(response_id)
        if response is None:
            return []
        outputs = response.make(output)
        if any(isinstance(one, Speech) and not one.last for one in outputs):
            self.voice_locked = True
        if not response.closed:
            return outputs
        # cut short by a limit: the engine does not know yet
        return [*self._closed(response, outputs), CancelResponse(response_id)]

    def interrupt(self, reason: CancelReason) -> list[Output]:
        """Cancel the main response, if there is one (S6)."""
        return self._cancel(self._main, reason) if self._main is not None else []

    def cancel(self, response_id: str | None) -> list[Output]:
        """Cancel by id, or the main one. Raises InvalidState when there is nothing to cancel (protocol 2.14)."""
        response = self._main if response_id is None else self._find(response_id)
        if response is None:
            raise InvalidState("Cancellation failed: no active response found.", code="response_cancel_not_active")
        return self._cancel(response, "client_cancelled")

    def hush(self, response_ids: Iterable[str]) -> None:
        """Those that are still being made say no more (their words would never be heard)."""
        for response_id in response_ids:
            response = self._find(response_id)
            if response is not None:
                response.hush()

    def _cancel(self, response: ResponseInProgress, reason: CancelReason) -> list[Output]:
        return [*self._closed(response, response.cancel(reason)), CancelResponse(response.id)]

    def _find(self, response_id: str) -> ResponseInProgress | None:
        if self._main is not None and self._main.id == response_id:
            return self._main
        return self._aside.get(response_id)

    def _closed(self, response: ResponseInProgress, outputs: list[Output]) -> list[Output]:
        if response is self._main:
            self._main = None
        else:
            del self._aside[response.id]
        limits = self._rules.rate_limits
        if limits:
            outputs.append(Emit(RateLimitsUpdated(event_id=self._ids.new("event"), rate_limits=limits)))
        return outputs
