"""Errors of the domain: stable code, field, value, what is allowed, in two languages.

Codes are grouped by the stage that raises them: ``auth.*``, ``validation.*``, ``hold.*``,
``match.*``, ``settle.*``. Programmer errors are assertions and are not found here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A text for people in English and Chinese.

    Attributes:
        en: English sentence.
        zh: The same sentence in Chinese.
    """

    en: str
    zh: str


class DomainError(Exception):
    """An operating error that a person can act on.

    Args:
        code: Stable code such as ``validation.off_tick``.
        message: What is wrong and what would do, in both languages.
        field: Path of the offending field, ``""`` if none.
        value: The offending value as text, cut to 200 characters.
        allowed: What would have been accepted, ``""`` if not stated.
    """

    code: str

    def __init__(
        self, code: str, message: Message, *, field: str = "", value: str = "", allowed: str = ""
    ) -> None:
        """Keep the parts; ``str(error)`` is the English sentence."""
        super().__init__(message.en)
        self.code = code
        self.message = message
        self.field = field
        self.value = value[:200]
        self.allowed = allowed


class ValidationError(DomainError):
    """An input does not fit the contract or the market's rules."""


class AuthError(DomainError):
    """The caller is unknown, or may not do this."""


class HoldError(DomainError):
    """Money could not be reserved, or a reservation was used wrongly."""


class MatchError(DomainError):
    """A round could not be cleared or its result did not pass the checker."""


class SettleError(DomainError):
    """A booking breaks a rule of the ledger."""
