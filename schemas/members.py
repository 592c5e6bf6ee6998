"""Bodies of the API about people: members of participants, and who vouches for them."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Instant, Model, Name, ParticipantId
from schemas.identity import Scope, Scopes
from schemas.types import Role

IssuerText = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[!-~]+$", max_length=300),
    Field(description="OpenID Connect issuer, as its tokens name it in `iss`"),
]
Subject = Annotated[
    str,
    StringConstraints(pattern=r"^[ -~]{1,255}$"),
    Field(description="Who it is, as the issuer's tokens name him in `sub`"),
]
MemberId = Annotated[str, StringConstraints(pattern=r"^mbr_[a-z2-7]{16}$")]


class MemberStatus(StrEnum):
    """Whether a member may do what its scopes say."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


class MemberSetStatus(StrEnum):
    """What a member's status may be set to; to remove one is another act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class MemberNew(Model):
    """A person who may act for a participant when an issuer vouches for him."""

    issuer: IssuerText
    subject: Subject
    name: Name
    scopes: Scopes = (Scope.READ,)


class MemberChange(Model):
    """What is to be different about a member; the rest stays."""

    scopes: Scopes | None = None
    status: MemberSetStatus | None = None

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if self.scopes is None and self.status is None:
            raise ValueError("scopes: must be given, or status, was absent")
        return self


class MemberView(Model):
    """A member of a participant."""

    member_id: MemberId
    participant_id: ParticipantId
    name: Name
    issuer: IssuerText
    subject: Subject
    scopes: tuple[Scope, ...]
    status: MemberStatus
    created_at: Instant
    created_by: str = Field(description="Key or member that added it")
    last_seen_at: Instant | None = None
    removed_at: Instant | None = None


class CallerView(Model):
    """Who is calling, with what, and what it may do."""

    participant_id: ParticipantId
    role: Role
    status: str
    credential_id: str = Field(description="`key_...`, `mbr_...` or `bootstrap`")
    scopes: tuple[Scope, ...]
    member: MemberView | None = Field(default=None, description="Null for keys")


class IssuerView(Model):
    """An issuer whose tokens are taken, and what to ask it for."""

    issuer: IssuerText
    client_id: str = Field(description="Public client for `suanli login` and the pages")
    audience: str = Field(description="What `aud` of an access token must include")
    scope: str = Field(description="OAuth scope to ask for")
