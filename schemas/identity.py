"""Bodies of the API about who may do what: scopes, keys, the record of what they did."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Instant, Model, Name, ParticipantId

KEY_DAYS = 365
KEY_DAYS_MAX = 730


class Scope(StrEnum):
    """What a key may do, of what the role of its participant may.

    ``read``: look, and ask for quotes. ``trade``: orders and deliveries. ``money``: deposits,
    payouts, collateral, reversals. ``govern``: markets, policies, terms of settlement, cases.
    ``admin``: participants and their keys.
    """

    READ = "read"
    TRADE = "trade"
    MONEY = "money"
    GOVERN = "govern"
    ADMIN = "admin"


Scopes = Annotated[
    tuple[Scope, ...],
    Field(min_length=1, max_length=len(Scope), description="What it may do; `read` if left out"),
]
Days = Annotated[int, Field(strict=True, ge=1, le=KEY_DAYS_MAX)]


class KeyNew(Model):
    """A further API key."""

    label: Name = "api"
    scopes: Scopes = (Scope.READ,)
    expires_in_days: Days = KEY_DAYS


class KeyView(Model):
    """An API key without the secret."""

    key_id: str
    participant_id: ParticipantId
    label: Name
    scopes: tuple[Scope, ...]
    created_at: Instant
    created_by: str | None = Field(
        default=None, description="Key or member that made it; null before that was recorded"
    )
    expires_at: Instant | None = Field(
        default=None, description="Refused from then on; null for keys from before keys expired"
    )
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None


class KeyCreated(Model):
    """A new API key; the secret is shown this once."""

    key: KeyView
    api_key: str


class AdminActView(Model):
    """Something asked for under scope `money`, `govern` or `admin`, and what became of it."""

    act_id: int = Field(description="Rises with time")
    at: Instant = Field(description="Wall clock of the exchange, UTC")
    participant_id: ParticipantId
    role: str
    credential_id: str = Field(description="`key_...`, `mbr_...` or `bootstrap`")
    scope: Scope
    act: str = Field(description="Operation, as the API's description names it")
    object: str = Field(description="Path that it was asked of")
    body_sha256: str | None = Field(default=None, description="Of the request's body")
    outcome: Literal["done", "refused", "failed", "unknown"] = Field(
        description="`unknown`: the exchange stopped before it could tell"
    )
    status: int | None = Field(default=None, description="HTTP status of the answer")
