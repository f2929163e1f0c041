"""Base classes of everything that has a JSON form, and the two meanings of "nothing".

What we *send*: a member that is null on the wire is declared `X | None`; a member that must be left out when there is
no value is declared `Maybe[X]` (protocol 3.1: agents-js rejects null where it expects absence, and the reverse).
What we *receive*: members that were not sent are not in `model_fields_set`, so null and absence stay distinct.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


def _is_none(value: object) -> bool:
    return value is None


Maybe = Annotated[T | None, Field(exclude_if=_is_none)]


class ServerModel(BaseModel):
    """Something we send. Frozen; built once, serialised once, never validated again inside."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ClientModel(BaseModel):
    """Something a client sends: JSON types are taken literally, unknown members are reported."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    def sent(self, member: str) -> bool:
        """Was the member in the JSON, null included?"""
        return member in self.model_fields_set
