"""The one table of the wire: event type <-> model <-> topic <-> key.

Producers, consumers, the generated schemas, AsyncAPI and the docs all read this table. A
version is never edited: a change of shape adds a row with the next version, and consumers go
on reading the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas import (
    capacity,
    direct,
    erasures,
    events,
    links,
    mobilisation,
    money,
    policies,
    shares,
    signing_keys,
    standing,
    surveillance,
    transparency,
)

TOPICS: dict[str, str] = {
    "offers": "Offers of providers",
    "demand": "Demand of enterprises",
    "participants": "Participants, their signing keys and orders about money; reversals, erasures",
    "policies": "Markets, policies, mobilisations, terms of settlement, and who is suspended",
    "holds": "Money reserved, captured and released for demand; chips reserved for offers",
    "allocations": "What each round allocated, whole rounds only; chips that offers need no more",
    "rounds": "Rounds: sealed, cleared, prices, round files",
    "order-status": "States of orders",
    "journal-entries": "Every booking of the ledger; what was erased is replaced under its key",
    "deliveries": "What was delivered",
    "settlements": "What deliveries were settled at; orders about money and erasures refused",
    "checkpoints": "Tree heads of the transparency log",
    "findings": "Verdicts of the auditor, and how far it is",
    "surveillance-cases": "Cases of market surveillance; for the exchange and regulators alone",
    "offers.direct": "Signed offers that providers write themselves",
    "demand.direct": "Signed demand that enterprises write themselves",
    "direct-status": "What became of signed records: a topic for each participant, "
    "direct-status.PARTICIPANT, that it alone may read",
    "dead-letters": "Records that could not be taken, with the reason (raw bytes)",
}
"""Topic name -> what is on it. Names carry a configured prefix on a shared broker."""

PER_PARTICIPANT = frozenset({"direct-status"})
"""Topics of which each participant has its own, created with its first signing key."""


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
_PARTICIPANT = "participant_id"


def _row(name: str, model: type[events.Event], topic: str, key: str, version: int = 1) -> EventType:
    return EventType(name, version, model, topic, key)


REGISTRY: tuple[EventType, ...] = (
    EventType(
        "suanli.participant.registered",
        1,
        events.ParticipantRegistered,
        "participants",
        "participant_id",
    ),
    EventType("suanli.deposit.recorded", 1, events.DepositRecorded, "participants", _PARTICIPANT),
    EventType(
        "suanli.withdrawal.ordered", 1, money.WithdrawalOrdered, "participants", _PARTICIPANT
    ),
    EventType(
        "suanli.collateral.ordered", 1, money.CollateralOrdered, "participants", _PARTICIPANT
    ),
    _row("suanli.reversal.ordered", money.ReversalOrdered, "participants", _PARTICIPANT),
    _row("suanli.market.defined", events.MarketDefined, "policies", "market.id"),
    _row("suanli.policy.set", events.PolicySet, "policies", _MARKET),
    _row("suanli.terms.set", money.SettlementTermsSet, "policies", _MARKET),
    _row("suanli.offer.submitted", events.OfferSubmitted, "offers", _MARKET),
    _row("suanli.offer.amended", events.OfferAmended, "offers", _MARKET),
    _row("suanli.offer.cancelled", events.OfferCancelled, "offers", _MARKET),
    _row("suanli.demand.submitted", events.DemandSubmitted, "demand", _MARKET),
    _row("suanli.demand.amended", events.DemandAmended, "demand", _MARKET),
    _row("suanli.demand.cancelled", events.DemandCancelled, "demand", _MARKET),
    _row("suanli.hold.placed", events.HoldPlaced, "holds", _MARKET),
    _row("suanli.hold.refused", events.HoldRefused, "holds", _MARKET),
    _row("suanli.hold.captured", events.HoldCaptured, "holds", _MARKET),
    _row("suanli.hold.released", events.HoldReleased, "holds", _MARKET),
    _row("suanli.order.status-changed", events.OrderStatusChanged, "order-status", _MARKET),
    _row("suanli.round.sealed", events.RoundSealed, "rounds", _MARKET),
    _row("suanli.round.cleared", events.RoundCleared, "rounds", _MARKET),
    _row("suanli.round.prices", events.RoundPrices, "rounds", _MARKET),
    _row("suanli.round.file-part", events.RoundFilePart, "rounds", _MARKET),
    _row("suanli.round.links", links.RoundLinks, "rounds", _MARKET),
    _row("suanli.round.shares", shares.RoundShares, "rounds", _MARKET),
    _row("suanli.market.paused", policies.MarketPaused, "rounds", _MARKET),
    _row("suanli.allocation.made", events.AllocationMade, "allocations", _MARKET),
    _row("suanli.link.charged", links.LinkCharged, "allocations", _MARKET),
    _row("suanli.premium.assigned", shares.PremiumAssigned, "allocations", _MARKET),
    _row("suanli.hold.adjusted", events.HoldAdjusted, "allocations", _MARKET),
    _row("suanli.round.closed", events.RoundClosed, "allocations", _MARKET),
    _row("suanli.delivery.reported", events.DeliveryReported, "deliveries", _MARKET),
    _row("suanli.allocation.settled", money.AllocationSettled, "settlements", _MARKET),
    _row("suanli.premium.settled", shares.PremiumSettled, "settlements", _MARKET),
    _row("suanli.money.refused", money.MoneyRefused, "settlements", _PARTICIPANT),
    EventType(
        "suanli.journal.entry-recorded",
        1,
        events.JournalEntryRecorded,
        "journal-entries",
        "entry_id",
    ),
    EventType(
        "suanli.checkpoint.published", 1, events.CheckpointPublished, "checkpoints", "origin"
    ),
    _row(
        "suanli.journal.entry-recorded",
        transparency.JournalEntrySalted,
        "journal-entries",
        "entry_id",
        version=2,
    ),
    _row(
        "suanli.checkpoint.published",
        transparency.CheckpointSigned,
        "checkpoints",
        "origin",
        version=2,
    ),
    _row("suanli.checkpoint.cosigned", transparency.CheckpointCosigned, "checkpoints", "origin"),
    _row("suanli.finding.raised", events.FindingRaised, "findings", _MARKET),
    _row("suanli.audit.progressed", transparency.AuditProgressed, "findings", _MARKET),
    _row(
        "suanli.participant.registered",
        surveillance.ParticipantOwned,
        "participants",
        _PARTICIPANT,
        version=2,
    ),
    _row(
        "suanli.surveillance.case-raised",
        surveillance.SurveillanceCaseRaised,
        "surveillance-cases",
        _MARKET,
    ),
    _row(
        "suanli.surveillance.case-state-changed",
        surveillance.SurveillanceCaseStateChanged,
        "surveillance-cases",
        _MARKET,
    ),
    _row("suanli.erasure.ordered", erasures.ErasureOrdered, "participants", _PARTICIPANT),
    _row("suanli.erasure.refused", erasures.ErasureRefused, "settlements", _PARTICIPANT),
    _row("suanli.journal.entry-erased", erasures.JournalEntryErased, "journal-entries", "entry_id"),
    _row("suanli.participant.standing-set", standing.ParticipantStandingSet, "policies", _MARKET),
    _row("suanli.mobilisation.proposed", mobilisation.MobilisationProposed, "policies", _MARKET),
    _row("suanli.mobilisation.declared", mobilisation.MobilisationDeclared, "policies", _MARKET),
    _row("suanli.mobilisation.ended", mobilisation.MobilisationEnded, "policies", _MARKET),
    _row("suanli.mobilisation.served", mobilisation.MobilisationServed, "rounds", _MARKET),
    _row("suanli.mobilisation.displaced", mobilisation.MobilisationDisplaced, "rounds", _MARKET),
    _row("suanli.direct.offer", direct.DirectOffer, "offers.direct", _MARKET),
    _row("suanli.direct.demand", direct.DirectDemand, "demand.direct", _MARKET),
    _row("suanli.policy.set", policies.MarketPolicySet, "policies", _MARKET, version=2),
    _row("suanli.direct.answered", direct.DirectAnswered, "direct-status", _PARTICIPANT),
    _row("suanli.capacity.held", capacity.CapacityHeld, "holds", _MARKET),
    _row("suanli.capacity.refused", capacity.CapacityRefused, "holds", _MARKET),
    _row("suanli.capacity.freed", capacity.CapacityFreed, "allocations", _MARKET),
    _row("suanli.capacity.wanted", capacity.CapacityWanted, "allocations", _MARKET),
    _row("suanli.capacity.freed", capacity.CapacityFreedSince, "allocations", _MARKET, version=2),
    _row("suanli.signing-key.set", signing_keys.SigningKeySet, "participants", _PARTICIPANT),
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
