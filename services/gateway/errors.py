"""What the gateway refuses, and why; `adapters.http.problems` maps the classes to statuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.errors import AuthError, DomainError, Message, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnauthenticatedError(AuthError):
    """No key, or none that is known."""


class ForbiddenError(AuthError):
    """The caller is known, and may not do this."""


class NotFoundError(DomainError):
    """There is no such thing, or none that the caller may see."""


class ConflictError(DomainError):
    """The thing is not in the state that the request supposes."""


class GoneError(DomainError):
    """What was asked for is not kept any more."""


class TooLargeError(ValidationError):
    """The request, or the event that it would become, is larger than is taken."""


class MediaTypeError(ValidationError):
    """The body is not in a format that is read."""


class SlowError(DomainError):
    """The request did not arrive in its time."""


class BusyError(DomainError):
    """The same intent is under way; ask again."""


class UnavailableError(DomainError):
    """The log or the store cannot be reached; nothing is known to be done, ask again."""


class LimitError(DomainError):
    """The caller asks for more than its share; it may ask again a little later."""

    def __init__(
        self,
        code: str,
        message: Message,
        *,
        field: str,
        value: str,
        allowed: str,
        wait_s: int,
        headers: Mapping[str, str],
    ) -> None:
        """Keep when to ask again, whole seconds, and what the answer's header tells."""
        super().__init__(code, message, field=field, value=value, allowed=allowed)
        self.wait_s = wait_s
        self.headers = dict(headers)


@dataclass(frozen=True, slots=True)
class Fault:
    """One of several things that are wrong with a request.

    Attributes:
        field: Path of the field.
        value: What was found, cut to 200 characters.
        allowed: What would have been accepted.
        message: Both together as a sentence in both languages.
        code: Stable code of this fault.
    """

    field: str
    value: str
    allowed: str
    message: Message
    code: str = ""


class FaultsError(ValidationError):
    """Several things are wrong; all are listed, the first is the summary."""

    def __init__(self, code: str, message: Message, faults: tuple[Fault, ...]) -> None:
        """Keep all faults, at least one."""
        assert faults
        first = faults[0]
        super().__init__(code, message, field=first.field, value=first.value, allowed=first.allowed)
        self.faults = faults


A_DAY = Message("a day that is there, such as 2026-11-24", "存在的日期，如 2026-11-24")
"""What a day must be."""


A_TRADER = Message("a provider or enterprise", "供给方或需求方")
"""What a participant must be who has orders."""


def must_be(field: str, value: str, allowed: Message) -> Message:
    """Return the sentence for a field that has another value than it may have."""
    gap = " " if allowed.zh[:1].isascii() else ""
    return Message(
        f"{field}: must be {allowed.en}, was {value}",
        f"{field}：须为{gap}{allowed.zh}，实为 {value}",
    )


def not_found(field: str, value: str, value_zh: str | None = None) -> NotFoundError:
    """Return the error for a thing that is not there, or not the caller's to see.

    Args:
        field: What was named.
        value: What it was.
        value_zh: The same in Chinese, if it has words and is not an id alone.
    """
    found_zh = value if value_zh is None else value_zh
    return NotFoundError(
        "not_found",
        Message(
            f"{field}: must be one that exists and that you may see, was {value[:200]}",
            f"{field}：须为存在且您有权查看的对象，实为 {found_zh[:200]}",
        ),
        field=field,
        value=value,
        allowed="one that exists and that you may see",
    )
