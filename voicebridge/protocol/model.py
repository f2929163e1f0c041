"""Base classes of everything that has a JSON form, and the two meanings of "nothing".

What we *send*: a member that is null on the wire is declared `X | None`; a member that must be left out when there is
no value is declared `Maybe[X]` (protocol 3.1: agents-js rejects null where it expects absence, and the reverse).
What we *receive*: members that were not sent are not in `model_fields_set`, so null and absence stay distinct.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

T = TypeVar("T")


def _is_none(value: object) -> bool:
    return value is None


Maybe = Annotated[T | None, Field(exclude_if=_is_none)]


BRANCH = "branch:"
"""Before the tag of every branch of a union of client models: pydantic names branches in the paths of its errors, and a
member of the JSON may be called like a branch (`{"type": "text", "text": …}`)."""


def branch(name: str) -> Tag:
    return Tag(BRANCH + name)


def _type_of(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return BRANCH + kind if isinstance(kind, str) else None


BY_TYPE = Discriminator(_type_of)
"""Chooses a union's branch by the member `type`."""


class ServerModel(BaseModel):
    """Something we send. Frozen; built once, serialised once, never validated again inside."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ClientModel(BaseModel):
    """Something a client sends: JSON types are taken literally, unknown members are reported."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    def sent(self, member: str) -> bool:
        """Was the member in the JSON, null included?"""
        return member in self.model_fields_set
