"""Errors over HTTP: problem details (RFC 9457) with every wrong field, in two languages."""

from typing import Annotated

from pydantic import Field

from schemas.base import Model

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldError(Model):
    """One thing that is wrong, and what would do."""

    field: str = Field(description="Path of the field, such as `terms.ask`; empty = the whole")
    value: str = Field(description="What was found, cut to 200 characters")
    allowed: str = Field(description="What would have been accepted")
    en: str
    zh: str
    code: str = Field(default="", description="Stable code, such as `validation.off_tick`")


class Problem(Model):
    """Why a request was refused (RFC 9457), for programs and for people."""

    type: str = Field(description="`urn:suanli:problem:<code>`")
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: str = Field(description="Stable code, such as `auth.wrong_role`")
    detail: str = Field(description="In the language that `Accept-Language` asks for")
    detail_en: str
    detail_zh: str
    errors: tuple[FieldError, ...] = ()
    docs: str = Field(description="Page that explains the code")
    incident: str | None = Field(
        default=None, description="Quote this to the operator; only for faults of the exchange"
    )
