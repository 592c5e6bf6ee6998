"""Bodies of the API about webhooks, and what is sent to them."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.base import Count, Instant, Model, ParticipantId, Slug
from schemas.streams import StreamCursor

WEBHOOKS_MAX = 10
"""Endpoints of a participant: some for each of its systems."""

SECRET_OVERLAP = timedelta(hours=24)
"""Messages are signed with the old secret too for so long after a new one was made."""

_URL_CHARS_MAX = 1_000


class Told(StrEnum):
    """What an endpoint may be told: a stream and a kind of its events."""

    STATUS = "orders.status"
    FILL = "orders.fill"
    SEALED = "rounds.sealed"
    CLEARED = "rounds.cleared"
    CLOSED = "rounds.closed"
    PRICES = "prices.prices"


WebhookId = Annotated[str, StringConstraints(pattern=r"^wh_[a-z2-7]{16}$")]
MessageId = Annotated[
    str,
    StringConstraints(pattern=r"^msg_[0-9a-f]{8}-(0|[1-9][0-9]{0,17})(\.gap)?$"),
    Field(description="`webhook-id`: the same whenever the message is sent again"),
]
WebhookState = Literal["active", "disabled"]


class WebhookNew(Model):
    """An endpoint that is told what happens."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=_URL_CHARS_MAX)] = Field(
        description="Where messages go, on a host that the operator allows"
    )
    events: Annotated[tuple[Told, ...], Field(min_length=1, max_length=len(Told))] = Field(
        description="What it is told; of orders your own, for the regulator and the operator all"
    )
    market_id: Slug | None = Field(default=None, description="Only of this market")
    description: Annotated[str, StringConstraints(max_length=200)] = ""

    @field_validator("events")
    @classmethod
    def _each_once(cls, value: tuple[Told, ...]) -> tuple[Told, ...]:
        return tuple(dict.fromkeys(value))


class WebhookChange(WebhookNew):
    """An endpoint as it is to be; nothing is lost between."""

    state: WebhookState = Field(
        default="active", description="`active` again goes on where it stopped"
    )


class WebhookView(WebhookNew):
    """An endpoint without its secret."""

    webhook_id: WebhookId
    participant_id: ParticipantId
    state: WebhookState
    disabled_because: Literal["owner", "failing", "gone"] | None = Field(
        default=None,
        description="`failing`: it failed for too many days; `gone`: it answered 410",
    )
    position: StreamCursor = Field(description="All up to here is delivered or not wanted")
    failures: Count = Field(description="On end")
    failing_since: Instant | None = None
    next_attempt_at: Instant | None = Field(default=None, description="After a failure")
    created_at: Instant


class WebhookCreated(Model):
    """An endpoint with its new secret, which is shown this once."""

    webhook: WebhookView
    secret: str = Field(
        description="`whsec_` and Base64; signs messages as Standard Webhooks describes"
    )
    old_secret_until: Instant | None = Field(
        default=None, description="Until then messages are signed with the old secret too"
    )


AttemptError = Literal[
    "status",
    "redirect",
    "timeout",
    "connect",
    "tls",
    "address_forbidden",
    "host_forbidden",
    "host_unknown",
    "protocol",
]


class WebhookAttempt(Model):
    """How an endpoint took a message."""

    message_id: str = Field(description="`webhook-id`")
    is_taken: bool = Field(description="Whether it answered 2xx in time")
    status: int | None = Field(default=None, description="HTTP status of its answer")
    error: AttemptError | None = None
    duration_ms: Count


class WebhookDeliveryView(WebhookAttempt):
    """A message and its last attempt."""

    type: str
    attempts: Count
    first_at: Instant
    last_at: Instant


class WebhookMessage(Model):
    """The body of a message."""

    type: str = Field(description="`orders.status` and so on, `webhook.ping` or `webhook.gap`")
    timestamp: Instant = Field(description="Wall clock of the exchange when it was told")
    data: dict[str, Any] = Field(
        description="Of the schema that streams have for it: `OrderStatusTold`, `OrderFillTold`, "
        "`RoundTold`, `PoolPricesTold`, `WebhookGapTold`"
    )


class WebhookGapTold(Model):
    """Message `webhook.gap`: what came between was deleted before it could be told."""

    after: StreamCursor = Field(description="The last that was told")
    until: StreamCursor = Field(description="The last that is gone")


WEBHOOK_MODELS: tuple[type[Model], ...] = (WebhookMessage, WebhookGapTold)

EXAMPLE: dict[str, Any] = {
    "url": "https://hooks.haidian-lab.example/suanli",
    "events": ["orders.status", "orders.fill"],
    "description": "Scheduler of the lab",
}
