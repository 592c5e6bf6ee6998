"""What the gateway's use cases need of the world about keys, limits and acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.identity import AdminActView, KeyView, Scope
    from services.gateway.ports import Principal


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is stored.

    Attributes:
        key_id: Its name.
        sha256: Hash of the secret.
        label: What it is for.
        scopes: What it may do.
        days: Days of life, by the wall clock.
        made_by: Key that made it.
    """

    key_id: str
    sha256: bytes
    label: str
    scopes: frozenset[Scope]
    days: int
    made_by: str


class Credentials(Protocol):
    """Keys, and whose they are."""

    async def by_key(self, sha256: bytes) -> Principal | None:
        """Return whose key has this hash, unless it is revoked or expired."""
        ...

    def forget(self) -> None:
        """Look everybody up again: something about a participant is different."""
        ...

    async def add_key(self, participant_id: str, new: NewKey) -> KeyView:
        """Store the hash of a new key."""
        ...

    async def keys(self, participant_id: str) -> list[KeyView]:
        """Return a participant's keys."""
        ...

    async def revoke_key(self, participant_id: str, key_id: str) -> KeyView | None:
        """Revoke a key for good; ``None`` if it is not the participant's."""
        ...


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was asked for under a scope that is recorded."""

    principal: Principal
    scope: Scope
    act: str
    object: str
    body_sha256: str | None


class Acts(Protocol):
    """The record of acts; nothing in it changes."""

    async def begin(self, act: Act) -> int:
        """Record that an act was asked for, before it is done; return its number."""
        ...

    async def end(self, act_id: int, status: int) -> None:
        """Record how it was answered."""
        ...

    async def acts(
        self,
        *,
        participant_id: str | None,
        since: datetime | None,
        before: int | None,
        limit: int,
    ) -> list[AdminActView]:
        """Return acts, latest first, with numbers below ``before``."""
        ...


class Shares(Protocol):
    """Token buckets that all gateways share."""

    async def take(
        self, bucket: str, wanted: int, rate_per_s: float, burst: int
    ) -> tuple[int, float]:
        """Take up to ``wanted`` tokens; return (taken, left), 0 taken if not one is there."""
        ...
