"""What the demo's day left behind, as plain values: input of figures, checks and report.

Money is micro-yuan, prices micro-yuan per chip-hour, as the API tells them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Json = dict[str, Any]
Phrase = tuple[str, str]
"""A text in English and Chinese."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An order or a change of one as it was sent.

    Attributes:
        kind: ``offer``, ``demand``, ``amend`` or ``cancel``.
        participant_id: Who sent it.
        key: Its idempotency key (that of the order, for a change).
        outcome: ``accepted`` (it is on the log), ``refused`` (with a reason) or ``lost``
            (no answer however often it was tried).
        order_id: The order, if there is one.
        code: Code of the refusal, ``""`` if it was accepted.
        http_ms: Time from the last try to its reply.
        sent_at: Real instant of the first try.
        tries: How often it was sent.
    """

    kind: str
    participant_id: str
    key: str
    outcome: str
    order_id: str | None
    code: str
    http_ms: float
    sent_at: datetime
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """An order that is wrong on purpose, and what became of it.

    Attributes:
        name: What is wrong with it.
        refused: Whether the exchange refused it as it should.
        where: ``gateway`` (at once) or ``book`` (by intake or the ledger, with a state).
        code: Code of the refusal.
        said: The refusal's sentence.
    """

    name: Phrase
    refused: bool
    where: str
    code: str
    said: Phrase


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the independent checker said of a round file, downloaded from the API.

    Attributes:
        round_id: The round.
        ok: Whether it obeys every rule.
        problems: Number of problems found.
        detail: The first of them, ``""`` if there is none.
        gap_ppm: Gap as recomputed, ``None`` if it could not be.
        check_ms: Time the check took.
        file_bytes: Size of the file.
    """

    round_id: str
    ok: bool
    problems: int
    detail: str
    gap_ppm: int | None
    check_ms: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Money:
    """Turnovers and balances of the ledger's journal, micro-yuan.

    Attributes:
        deposited: Money that arrived.
        held: Reserved by holds over the day.
        captured: Taken from holds into escrow by rounds.
        released: Reserved and free again without having been spent.
        paid: Paid from escrow to providers.
        fees: Fees on those payments.
        escrow: Balance of escrow: bought, not yet delivered.
        enterprises: Balance of all enterprises together.
        providers: Balance of all providers together.
        reserved: Still reserved by open holds.
        captured_by_round: What each round captured.
        entries: Journal entries, each a leaf of the log.
        refunded: Given back from escrow for hours that were not delivered.
        links_by_round: Tariffs and congestion rents that each round paid for links.
        charges_by_round: What imported supply is charged for each round's premiums.
        charges_due: Those of them that are not settled yet.
        credited: Received by domestic supply out of the policy fund.
        fund: Balance of the policy fund.
        fund_least: The least that it ever was.
    """

    deposited: int
    held: int
    captured: int
    released: int
    paid: int
    fees: int
    escrow: int
    enterprises: int
    providers: int
    reserved: int
    captured_by_round: Mapping[str, int]
    entries: int
    refunded: int = 0
    links_by_round: Mapping[str, int] = field(default_factory=dict)
    charges_by_round: Mapping[str, int] = field(default_factory=dict)
    charges_due: int = 0
    credited: int = 0
    fund: int = 0
    fund_least: int = 0

    @property
    def charges(self) -> int:
        """Return what imported supply is charged for premiums, settled or not."""
        return sum(self.charges_by_round.values())

    @property
    def links(self) -> int:
        """Return what was paid for links."""
        return sum(self.links_by_round.values())


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """Memory of a process.

    Attributes:
        name: Its name.
        peak_bytes: Most that was seen, shared pages counted once.
        starts: How often it was started.
        running: Whether it ran at the end.
    """

    name: str
    peak_bytes: int
    starts: int
    running: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """What the ledger's own audit found.

    Attributes:
        ok: Whether the books are right.
        lines: One line per check.
    """

    ok: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkLoss:
    """Capacity that the link between two zones lost for a time, both ways.

    Attributes:
        ends: The zones.
        whole_gb: GB per hour before and after.
        left_gb: GB per hour meanwhile.
        since: Instant of the market's clock at which it was lost.
        until: The same at which it was back, ``None`` if it was not.
    """

    ends: tuple[str, str]
    whole_gb: int
    left_gb: int
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the end of the day is judged and told by.

    Attributes:
        market: Definition of the market.
        start: First instant of the day.
        hours: Its length.
        speed: Market seconds per real second.
        rounds: `RoundView` of every round, oldest first.
        offers: `OfferView` of every offer.
        demands: `DemandView` of every demand.
        allocations: `AllocationView` of every allocation.
        published_at: Real instant at which matching published each round, by round id.
        findings: `FindingView` of every finding.
        attempts: What was sent for the day.
        trials: What was wrong on purpose.
        trial_orders: Ids of the orders that were taken on the way to that.
        resent: Orders sent a second time with the same key: (order id then, order id again).
        delivered: Deliveries that providers reported.
        refused_deliveries: Codes of those that the exchange did not take.
        verdicts: By round id.
        money: From the ledger.
        audit: The ledger's own.
        dead_letters: Records that nobody could take.
        lag: Records that a service had yet to read when the day was closed, by service.
        processes: Memory, by process.
        peak_bytes: Most memory of all processes at one time.
        killed: Services that were killed on purpose, in order.
        took_s: Real seconds of each phase.
        links: `LinkPriceView` of every link and hour that a round told of.
        loss: What a link lost for a time, ``None`` if nothing.
        emergency: `ReportView` of the register of emergency use, empty if there was none.
        policies: `PolicyView` of every version of the day's policies, by version.
        shares: `RoundShares` of every round that was asked for a domestic share, oldest first.
    """

    market: Json
    start: datetime
    hours: int
    speed: float
    rounds: tuple[Json, ...]
    offers: tuple[Json, ...]
    demands: tuple[Json, ...]
    allocations: tuple[Json, ...]
    published_at: Mapping[str, datetime]
    findings: tuple[Json, ...]
    attempts: tuple[Attempt, ...]
    trials: tuple[Trial, ...]
    trial_orders: tuple[str, ...]
    resent: tuple[tuple[str, str], ...]
    delivered: int
    refused_deliveries: tuple[str, ...]
    verdicts: Mapping[str, Verdict]
    money: Money
    audit: Audit
    dead_letters: int
    lag: Mapping[str, int]
    processes: tuple[ProcessUse, ...]
    peak_bytes: int
    killed: tuple[str, ...] = ()
    took_s: Mapping[str, float] = field(default_factory=dict)
    emergency: Json = field(default_factory=dict)
    links: tuple[Json, ...] = ()
    loss: LinkLoss | None = None
    policies: tuple[Json, ...] = ()
    shares: tuple[Json, ...] = ()
