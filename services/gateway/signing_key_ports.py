"""What the use cases of signing keys need of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schemas.signing_keys import SigningKeyView


class SigningKeys(Protocol):
    """The keys that participants sign their own records with."""

    async def put(
        self, participant_id: str, key_id: str, public: bytes, active_max: int
    ) -> SigningKeyView | None:
        """Register a key; return it as it is, ``None`` if there are too many that count."""
        ...

    async def keys(self, participant_id: str) -> list[SigningKeyView]:
        """Return a participant's keys, newest first."""
        ...

    async def revoke(self, participant_id: str, key_id: str) -> SigningKeyView | None:
        """Revoke a key for good; ``None`` if it is not the participant's."""
        ...


class Answerable(Protocol):
    """The topics on which participants are answered."""

    async def ensure(self, participant_id: str) -> None:
        """Create a participant's topic if it is missing; raise if that fails."""
        ...
