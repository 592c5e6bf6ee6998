"""Models of webhooks; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

# What an endpoint may be told: a stream and a kind of its events.
Told: TypeAlias = Literal[
    "orders.status",
    "orders.fill",
    "rounds.sealed",
    "rounds.cleared",
    "rounds.closed",
    "prices.prices",
]


class WebhookView(TypedDict):
    """An endpoint without its secret."""

    url: str
    """Where messages go, on a host that the operator allows."""

    events: list[Told]
    """What it is told; of orders your own, for the regulator and the operator all."""

    market_id: NotRequired[str | None]
    """Only of this market."""
    description: NotRequired[str]
    webhook_id: str
    participant_id: str
    state: Literal["active", "disabled"]

    disabled_because: NotRequired[Literal["owner", "failing", "gone"] | None]
    """`failing`: it failed for too many days; `gone`: it answered 410."""

    position: str
    """All up to here is delivered or not wanted."""

    failures: int
    """On end."""
    failing_since: NotRequired[str | None]

    next_attempt_at: NotRequired[str | None]
    """After a failure."""

    created_at: str
    """UTC instant, ISO 8601."""


class WebhookNew(TypedDict):
    """An endpoint that is told what happens."""

    url: str
    """Where messages go, on a host that the operator allows."""

    events: list[Told]
    """What it is told; of orders your own, for the regulator and the operator all."""

    market_id: NotRequired[str | None]
    """Only of this market."""
    description: NotRequired[str]


class WebhookCreated(TypedDict):
    """An endpoint with its new secret, which is shown this once."""

    webhook: WebhookView

    secret: str
    """`whsec_` and Base64; signs messages as Standard Webhooks describes."""

    old_secret_until: NotRequired[str | None]
    """Until then messages are signed with the old secret too."""


class WebhookChange(TypedDict):
    """An endpoint as it is to be; nothing is lost between."""

    url: str
    """Where messages go, on a host that the operator allows."""

    events: list[Told]
    """What it is told; of orders your own, for the regulator and the operator all."""

    market_id: NotRequired[str | None]
    """Only of this market."""
    description: NotRequired[str]

    state: NotRequired[Literal["active", "disabled"]]
    """`active` again goes on where it stopped."""


class WebhookAttempt(TypedDict):
    """How an endpoint took a message."""

    message_id: str
    """`webhook-id`."""

    is_taken: bool
    """Whether it answered 2xx in time."""

    status: NotRequired[int | None]
    """HTTP status of its answer."""
    error: NotRequired[
        Literal[
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
        | None
    ]
    duration_ms: int


class WebhookDeliveryView(TypedDict):
    """A message and its last attempt."""

    message_id: str
    """`webhook-id`."""

    is_taken: bool
    """Whether it answered 2xx in time."""

    status: NotRequired[int | None]
    """HTTP status of its answer."""
    error: NotRequired[
        Literal[
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
        | None
    ]
    duration_ms: int
    type: str
    attempts: int

    first_at: str
    """UTC instant, ISO 8601."""

    last_at: str
    """UTC instant, ISO 8601."""
