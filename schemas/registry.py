"""The one table of the wire: event type <-> model <-> topic <-> key.

Producers, consumers, the generated schemas, AsyncAPI and the docs all read this table. A
version is never edited: a change of shape adds a row with the next version, and consumers go
on reading the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas import events

TOPICS: dict[str, str] = {
    "offers": "Offers of providers",
    "demand": "Demand of enterprises",
    "participants": "Participants and their deposits",
    "policies": "Markets and policies",
    "holds": "Money reserved, captured and released for demand",
    "allocations": "What each round allocated, whole rounds only",
    "rounds": "Rounds: sealed, cleared, prices, certificates, round files",
    "order-status": "States of orders",
    "journal-entries": "Every booking of the ledger",
    "deliveries": "What was delivered",
    "checkpoints": "Tree heads of the transparency log",
    "findings": "Verdicts of the auditor",
    "dead-letters": "Records that could not be taken, with the reason (raw bytes)",
}
"""Topic name -> what is on it. Names carry a configured prefix on a shared broker."""


@dataclass(frozen=True, slots=True)
class EventType:
    """A row of the registry.

    Attributes:
        name: CloudEvents ``type`` without version, for example ``suanli.offer.submitted``.
        version: Version of the body's schema.
        model: The frozen model of the body.
        topic: Where it is published.
        key: Field of the body that is the partition key.
    """

    name: str
    version: int
    model: type[events.Event]
    topic: str
    key: str

    @property
    def type(self) -> str:
        """Return the full CloudEvents type."""
        return f"{self.name}.v{self.version}"


_MARKET = "market_id"

REGISTRY: tuple[EventType, ...] = (
    EventType("suanli.participant.registered", 1, events.ParticipantRegistered, "participants", "participant_id"),
    EventType("suanli.deposit.recorded", 1, events.DepositRecorded, "participants", "participant_id"),
    EventType("suanli.market.defined", 1, events.MarketDefined, "policies", "market.id"),
    EventType("suanli.policy.set", 1, events.PolicySet, "policies", _MARKET),
    EventType("suanli.offer.submitted", 1, events.OfferSubmitted, "offers", _MARKET),
    EventType("suanli.offer.amended", 1, events.OfferAmended, "offers", _MARKET),
    EventType("suanli.offer.cancelled", 1, events.OfferCancelled, "offers", _MARKET),
    EventType("suanli.demand.submitted", 1, events.DemandSubmitted, "demand", _MARKET),
    EventType("suanli.demand.amended", 1, events.DemandAmended, "demand", _MARKET),
    EventType("suanli.demand.cancelled", 1, events.DemandCancelled, "demand", _MARKET),
    EventType("suanli.hold.placed", 1, events.HoldPlaced, "holds", _MARKET),
    EventType("suanli.hold.refused", 1, events.HoldRefused, "holds", _MARKET),
    EventType("suanli.hold.captured", 1, events.HoldCaptured, "holds", _MARKET),
    EventType("suanli.hold.released", 1, events.HoldReleased, "holds", _MARKET),
    EventType("suanli.order.status-changed", 1, events.OrderStatusChanged, "order-status", _MARKET),
    EventType("suanli.round.sealed", 1, events.RoundSealed, "rounds", _MARKET),
    EventType("suanli.round.cleared", 1, events.RoundCleared, "rounds", _MARKET),
    EventType("suanli.round.prices", 1, events.RoundPrices, "rounds", _MARKET),
    EventType("suanli.round.certificate", 1, events.RoundCertificate, "rounds", _MARKET),
    EventType("suanli.round.file-part", 1, events.RoundFilePart, "rounds", _MARKET),
    EventType("suanli.allocation.made", 1, events.AllocationMade, "allocations", _MARKET),
    EventType("suanli.hold.adjusted", 1, events.HoldAdjusted, "allocations", _MARKET),
    EventType("suanli.round.closed", 1, events.RoundClosed, "allocations", _MARKET),
    EventType("suanli.delivery.reported", 1, events.DeliveryReported, "deliveries", _MARKET),
    EventType("suanli.journal.entry-recorded", 1, events.JournalEntryRecorded, "journal-entries", "entry_id"),
    EventType("suanli.checkpoint.published", 1, events.CheckpointPublished, "checkpoints", "origin"),
    EventType("suanli.finding.raised", 1, events.FindingRaised, "findings", _MARKET),
)
"""Every event ever published; one row per version."""

BY_TYPE: dict[str, EventType] = {row.type: row for row in REGISTRY}
BY_MODEL: dict[type[events.Event], EventType] = {row.model: row for row in REGISTRY}


def key_of(event: events.Event) -> bytes:
    """Return an event's partition key."""
    value: object = event
    for part in BY_MODEL[type(event)].key.split("."):
        value = getattr(value, part)
    return str(value).encode()
