"""What can go wrong when talking to the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import httpx


class SuanliError(Exception):
    """Base of the client's errors."""


class FieldError(SuanliError):
    """Something that the client itself refuses.

    Attributes:
        field: What is wrong.
        value: What was found.
        allowed: What would do, in English and Chinese.
    """

    def __init__(self, field: str, value: str, allowed: tuple[str, str]) -> None:
        """Keep the parts; the text is in both languages."""
        super().__init__(
            f"{field}: must be {allowed[0]}, was {value}\n{field}:须为{allowed[1]},实为 {value}"
        )
        self.field = field
        self.value = value
        self.allowed = allowed


class SignInError(SuanliError):
    """An issuer refused, or did not answer.

    Attributes:
        code: OAuth's word for it, such as ``access_denied``; ``silent`` if it did not answer.
        issuer: Which issuer.
    """

    def __init__(self, issuer: str, code: str, detail: str = "") -> None:
        """Keep the parts."""
        super().__init__(f"{issuer}: {code}{': ' + detail if detail else ''}")
        self.issuer = issuer
        self.code = code
        self.detail = detail


class UnreachableError(SuanliError):
    """The exchange did not answer."""

    def __init__(self, base_url: str, detail: str) -> None:
        """Say where it was looked for and what to check."""
        super().__init__(
            f"no answer from {base_url} ({detail}): is the exchange running, is the address right?"
        )


class ApiError(SuanliError):
    """The exchange refused a call.

    Attributes:
        status: HTTP status.
        code: Stable code of the problem.
        detail: Sentence in the client's language.
        errors: One entry per offending field: field, value, allowed, en, zh.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None
    ) -> None:
        """Keep the parts; the text is the detail with its code."""
        super().__init__(f"{detail} [{code}]")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or []

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Return the error of a problem+json reply, or of any other refusal."""
        try:
            problem = response.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            return cls(response.status_code, "http_error", response.text[:200] or "no body")
        return cls(
            response.status_code,
            str(problem.get("code", "http_error")),
            str(problem.get("detail") or problem.get("title") or "refused"),
            problem.get("errors"),
        )
