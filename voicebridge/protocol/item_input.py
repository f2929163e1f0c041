"""Conversation items as clients write them (protocol 2.9): checked, then turned into our own items.

Both spellings of assistant content (`output_text` and beta's `text`, `output_audio` and `audio`) are taken in both
dialects, and a user's `text` is taken for `input_text`: old clients mix them up.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from voicebridge.protocol.model import BRANCH, BY_TYPE, ClientModel, branch

StatusInput: TypeAlias = Literal["in_progress", "completed", "incomplete"] | None


class InputText(ClientModel):
    type: Literal["input_text", "text"]
    text: str


class InputAudio(ClientModel):
    """Base64 audio in the session's input format, or what was said, or both."""

    type: Literal["input_audio"]
    audio: str | None = None
    transcript: str | None = None

    @model_validator(mode="after")
    def _has_something(self) -> InputAudio:
        if self.audio is None and self.transcript is None:
            raise PydanticCustomError("missing_member", "audio", {"member": "audio"})
        return self


class InputImage(ClientModel):
    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = "auto"


class OutputText(ClientModel):
    type: Literal["output_text", "text"]
    text: str


class OutputAudio(ClientModel):
    """The assistant's own speech, as history: only the words are kept (protocol 2.9)."""

    type: Literal["output_audio", "audio"]
    audio: str | None = None
    transcript: str | None = None


UserPart: TypeAlias = Annotated[
    Annotated[InputText, branch("input_text")]
    | Annotated[InputText, branch("text")]
    | Annotated[InputAudio, branch("input_audio")]
    | Annotated[InputImage, branch("input_image")],
    BY_TYPE,
]
AssistantPart: TypeAlias = Annotated[
    Annotated[OutputText, branch("output_text")]
    | Annotated[OutputText, branch("text")]
    | Annotated[OutputAudio, branch("output_audio")]
    | Annotated[OutputAudio, branch("audio")],
    BY_TYPE,
]


class _ItemInput(ClientModel):
    id: str | None = Field(default=None, min_length=1, max_length=512)
    object: Literal["realtime.item"] | None = None
    status: StatusInput = None


class SystemMessageInput(_ItemInput):
    type: Literal["message"]
    role: Literal["system"]
    content: list[InputText]


class UserMessageInput(_ItemInput):
    type: Literal["message"]
    role: Literal["user"]
    content: list[UserPart]


class AssistantMessageInput(_ItemInput):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[AssistantPart]


class UnknownRoleMessageInput(_ItemInput):
    """Never valid: it gives a missing or misspelt role its own error."""

    type: Literal["message"]
    role: Literal["system", "user", "assistant"]
    content: list[dict[str, Any]]


class FunctionCallInput(_ItemInput):
    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str | None = None


class FunctionCallOutputInput(_ItemInput):
    type: Literal["function_call_output"]
    call_id: str
    output: str


class ItemReferenceInput(ClientModel):
    """An item of the conversation, by its id. Only in `response.create`."""

    type: Literal["item_reference"]
    id: str
    object: str | None = None


def _kind(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    if kind != "message":
        return BRANCH + kind if isinstance(kind, str) else None
    role = item.get("role")
    return f"{BRANCH}message/{role}" if role in ("system", "user", "assistant") else BRANCH + "message/unknown"


_Item = (
    Annotated[SystemMessageInput, branch("message/system")]
    | Annotated[UserMessageInput, branch("message/user")]
    | Annotated[AssistantMessageInput, branch("message/assistant")]
    | Annotated[UnknownRoleMessageInput, branch("message/unknown")]
    | Annotated[FunctionCallInput, branch("function_call")]
    | Annotated[FunctionCallOutputInput, branch("function_call_output")]
)

ItemInput: TypeAlias = Annotated[_Item, Discriminator(_kind)]
ContextInput: TypeAlias = Annotated[
    _Item | Annotated[ItemReferenceInput, branch("item_reference")], Discriminator(_kind)
]
