"""The book, the rules and the result of a round, as immutable values.

A `Book` is everything that a clearing may look at: pools, offers with the chips that each
period still has, and demands whose requirements, equivalences and budgets have been resolved
(see `services.core.eligibility`). `clear` maps (book, rules) to a `Result`. The JSON forms of
the three are the file formats ``suanli.book.v1``, ``suanli.rules.v1`` and ``suanli.result.v1``;
`services.core.codec` converts, and ``schemas/json/`` holds their JSON Schemas.

Periods are absolute hours since the Unix epoch, prices are micro-yuan per chip-hour, money is
micro-yuan, quantities are whole chips.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.types import Shape
from services.core.allowance_rows import AllowanceOutcome, BookAllowance
from services.core.holding_rows import BookHolding


@dataclass(frozen=True, slots=True)
class Pool:
    """Zone x chip class.

    Attributes:
        key: ``zone/chip``.
        zone: Campus with one fabric.
        region: Region that the zone belongs to.
        chip: Name of the chip class.
        domestic: Whether the chip is domestic.
        tflops: Dense FP16/BF16 TFLOPS of one chip, rounded to a whole number.
    """

    key: str
    zone: str
    region: str
    chip: str
    domestic: bool
    tflops: int


@dataclass(frozen=True, slots=True)
class BookOffer:
    """What is left of one offer.

    Attributes:
        id: Order id.
        participant: The provider.
        version: Version of the order's terms.
        pool: Key of its pool.
        ask: Least price, micro-yuan per chip-hour, on the tick.
        start: First period.
        chips: Chips left in each period from ``start`` on; an entry may be 0.
        block: Taken whole in every period, or not at all.
        rounds_waited: Rounds it has been in without trading.
        resale: Whether it sells on what a round gave before.
    """

    id: str
    participant: str
    version: int
    pool: str
    ask: int
    start: int
    chips: tuple[int, ...]
    block: bool = False
    rounds_waited: int = 0
    resale: bool = False


@dataclass(frozen=True, slots=True)
class BookLink:
    """What is left of a directed link between zones.

    Attributes:
        key: ``source>destination``.
        source: Zone that it leads from.
        destination: Zone that it leads to.
        tariff: What its operator gets, micro-yuan per GB.
        capacity: GB left in each period of the horizon.
    """

    key: str
    source: str
    destination: str
    tariff: int
    capacity: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """What a demand sends over links.

    Attributes:
        data_zone: Where its data lies, ``None`` if it has none to move.
        data_gb: Data that has to be in the zone that serves before a run starts there; blocks of
            one fixed size alone have any.
        user_zone: Where its callers are, ``None`` if they do not matter.
        traffic_gb: GB per chip-hour from the zone that serves to its callers.
    """

    data_zone: str | None = None
    data_gb: int = 0
    user_zone: str | None = None
    traffic_gb: int = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to serve a demand; a demand uses at most one of its alternatives.

    Attributes:
        index: Position in the demand's own list (alternatives that fit nothing are left out,
            so indices may have gaps).
        pools: Keys of the pools it may use, sorted, at least one.
        limit: Highest price, micro-yuan per chip-hour of this alternative's chips.
        chips: ``block``: chips of the run. ``flow``/``work``: 0.
        chips_min: ``block``: least chips of the run (equal to ``chips`` if not curtailable).
        duration: ``block``: consecutive periods of the run. Else 0.
        earliest: First period that may be used.
        deadline: Period before which everything must have ended (exclusive).
        chips_by_period: ``flow``/``work``: most chips in each period of
            ``[earliest, deadline)``, over its pools together. ``block``: empty.
        chip_hours: ``flow``/``work``: most chip-hours in all. ``block``: 0.
    """

    index: int
    pools: tuple[str, ...]
    limit: int
    earliest: int
    deadline: int
    chips: int = 0
    chips_min: int = 0
    duration: int = 0
    chips_by_period: tuple[int, ...] = ()
    chip_hours: int = 0


@dataclass(frozen=True, slots=True)
class BookDemand:
    """What is left of one demand.

    Attributes:
        id: Order id.
        participant: The enterprise.
        version: Version of the order's terms.
        shape: ``block``, ``flow`` or ``work``.
        alternatives: Mutually exclusive, sorted by index, at least one.
        rounds_waited: Rounds it has been in without being accepted.
        exclusive_group: At most one demand of a group is accepted; ``None`` if in none.
        linked_to: Id of a demand *of this book* that must be accepted (any quantity) for this
            one to be; ``None`` if free. A link to a demand accepted in an earlier round is
            resolved to ``None``; a link to a demand that cannot be accepted keeps the demand
            out of the book.
        moves: What it sends over links, ``None`` if nothing.
    """

    id: str
    participant: str
    version: int
    shape: Shape
    alternatives: tuple[Alternative, ...]
    rounds_waited: int = 0
    exclusive_group: str | None = None
    linked_to: str | None = None
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class BookMobilisation:
    """What an urgent round serves.

    Attributes:
        id: Id of the mobilisation.
        price_cap: Highest limit of its demand, micro-yuan per chip-hour.
    """

    id: str
    price_cap: int


@dataclass(frozen=True, slots=True)
class BookPolicy:
    """A policy in force.

    Attributes:
        id: Its id in the market.
        version: Its version.
        kind: ``price_limits``, ``domestic_share`` or ``largest_share``.
        params: What it says, sorted by name. Limits: ``chip`` (empty for every class that has no
            limits by name), ``floor`` and ``cap`` (micro-yuan per chip-hour). A share: see
            `ShareRule` and `LargestShare` in `services.core.policy_rows`.
    """

    id: str
    version: int
    kind: str
    params: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Orders that the policies of a book keep out of it; nothing of a clearing depends on them.

    Attributes:
        offers: Sorted by id.
        demands: Sorted by id; each is kept out itself, or is linked to one that is.
    """

    offers: tuple[BookOffer, ...] = ()
    demands: tuple[BookDemand, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """All open orders of one market at a log position.

    Attributes:
        market: Market id.
        round_id: The round that this book is for.
        first_period: First period of the horizon.
        periods: Number of periods of the horizon, 1 to 168.
        pools: Sorted by key.
        offers: Sorted by id.
        demands: Sorted by id.
        links: Sorted by key; empty if no demand of the book sends anything.
        mobilisation: The mobilisation whose urgent demand alone is in the book, ``None`` in an
            ordinary round.
        policies: Those in force in the round, sorted by id.
        kept_out: What would be in the book without them; in an urgent round, nothing is named.
        held: What rounds before gave of what largest shares count, sorted by key.
        allowances: What participants may get whose orders could exceed it, sorted by key.
    """

    market: str
    round_id: str
    first_period: int
    periods: int
    pools: tuple[Pool, ...]
    offers: tuple[BookOffer, ...]
    demands: tuple[BookDemand, ...]
    links: tuple[BookLink, ...] = ()
    mobilisation: BookMobilisation | None = None
    policies: tuple[BookPolicy, ...] = ()
    kept_out: KeptOut = KeptOut()
    held: tuple[BookHolding, ...] = ()
    allowances: tuple[BookAllowance, ...] = ()


PriceCurve = tuple[str, tuple[int, ...]]
"""A pool key and its price in each period of the horizon."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything besides the book that a clearing depends on.

    Attributes:
        tick: Prices are multiples of this many micro-yuan.
        seed: Seeds the solver and the last tie-break.
        effort: Search budget in deterministic units, each about a second of one core of 2024
            (never measured in seconds, so that a result does not depend on the machine).
        ascent_steps: Most steps of the price ascent of the certificate.
        start_prices: Where the ascent of a large book starts: the last certificate's prices, for
            the periods of this book. Empty, and for pools not named: at the asks.
    """

    tick: int = 100
    seed: int = 1
    effort: int = 4
    ascent_steps: int = 400
    start_prices: tuple[PriceCurve, ...] = ()


@dataclass(frozen=True, slots=True)
class Allocation:
    """One offer-demand pairing.

    Attributes:
        demand: Demand id.
        offer: Offer id.
        pool: Pool of both.
        start: First period.
        chips: Chips in each period from ``start`` on; first and last are above 0.
    """

    demand: str
    offer: str
    pool: str
    start: int
    chips: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an order left the round as it did.

    Attributes:
        code: Stable code, for example ``filled``, ``price_below_clearing``, ``no_capacity``,
            ``gang_does_not_fit``, ``paradoxically_rejected``, ``exclusive_group``,
            ``linked_order_out``, ``ask_above_clearing``, ``no_demand``.
        params: Numbers and keys that its sentence needs, sorted by name.
    """

    code: str
    params: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class DemandOutcome:
    """How a demand leaves the round.

    Attributes:
        id: Demand id.
        state: ``filled`` (block accepted, or all chip-hours of a flow/work), ``part-filled``,
            or ``open``.
        alternative: Index of the alternative used, ``None`` if none.
        chip_hours: Chip-hours allocated.
        value: Limit value of what was allocated, micro-yuan.
        payment: What it pays at the clearing prices, links included, micro-yuan.
        regret: What it would still have gained at the clearing prices, those of allowances
            included, micro-yuan: best surplus of any choice it had, less what it got; never
            negative.
        reason: Why.
    """

    id: str
    state: str
    alternative: int | None
    chip_hours: int
    value: int
    payment: int
    regret: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class OfferOutcome:
    """How an offer leaves the round.

    Attributes:
        id: Offer id.
        state: ``filled`` (nothing left in any period), ``part-filled`` or ``open``.
        chip_hours: Chip-hours allocated.
        cost: Ask value of what was allocated, micro-yuan.
        revenue: What it is paid at the clearing prices, micro-yuan.
        regret: Best surplus at the clearing prices less the surplus it got, micro-yuan.
        reason: Why.
    """

    id: str
    state: str
    chip_hours: int
    cost: int
    revenue: int
    regret: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Certificate:
    """Prices that bound the welfare of every possible clearing (weak duality).

    Attributes:
        prices: One curve per pool, sorted by key, non-negative integers (any, no tick).
        bound: D at these prices, micro-yuan, as `market.md` 4 defines it.
        link_prices: One curve per link of the book, sorted by key, micro-yuan per GB.
        premiums: Premium of each domestic share of the book, sorted by policy, micro-yuan per
            TFLOPS-hour, at most its cap; empty where there is none.
        allowance_prices: One curve per allowance of the book, sorted by key, micro-yuan per
            chip-hour.
    """

    prices: tuple[PriceCurve, ...]
    bound: int
    link_prices: tuple[PriceCurve, ...] = ()
    premiums: tuple[tuple[str, int], ...] = ()
    allowance_prices: tuple[PriceCurve, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """How a link leaves the round.

    Attributes:
        key: Its key.
        prices: Price in each period of the horizon, micro-yuan per GB, at least its tariff.
        used: GB that go over it in each period.
        regret: What its capacity could have gained at these prices beyond the tariff, less what
            it did, micro-yuan.
    """

    key: str
    prices: tuple[int, ...]
    used: tuple[int, ...]
    regret: int


@dataclass(frozen=True, slots=True)
class ShareOutcome:
    """What a domestic share asked of the round, and what came of it.

    Attributes:
        policy: Id of the policy.
        premium: Premium, micro-yuan per TFLOPS-hour; 0 if the share came by itself.
        split_bp: Part of the premium that asks of imported chips were moved by, basis points.
        tflops_hours: TFLOPS-hours allocated where the policy rules.
        tflops_hours_domestic: Those on domestic chips.
        shortfall: TFLOPS-hours that are missed; above 0 only at the cap of the premium.
        account: What is missed of all rounds so far and was not made good by one beyond the share.
        charges: What imported supply pays into the policy fund, micro-yuan.
        credits: What domestic supply receives out of it, micro-yuan, at most the charges.
    """

    policy: str
    premium: int
    split_bp: int
    tflops_hours: int
    tflops_hours_domestic: int
    shortfall: int
    account: int
    charges: int
    credits: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a clearing decided.

    Attributes:
        market: Market id of the book.
        round_id: Round id of the book.
        book_digest: SHA-256 (hex) of the book's canonical JSON.
        rules_digest: SHA-256 (hex) of the rules' canonical JSON.
        status: ``optimal`` (proven best among price-supported selections) or ``feasible``.
        welfare: Limit values less asks of everything allocated and tariffs of links, micro-yuan.
        allocations: Sorted by demand, offer, start.
        prices: Clearing prices, one curve per pool, sorted by key, on the tick.
        demands: One outcome per demand of the book, same order.
        offers: One outcome per offer of the book, same order.
        certificate: The bound and the prices that prove it.
        total_regret: Sum of all regrets, micro-yuan.
        support_loss: How much more welfare the best selection had that the search met and had to
            refuse because no prices support it, micro-yuan; 0 if it met none. A book too large
            for a solver is searched among supported selections alone, and shows 0; so does a
            round whose asks a premium moved.
        links: One outcome per link of the book, same order.
        shares: One outcome per domestic share of the book, sorted by policy; none in an urgent
            round, which no share binds.
        allowances: One outcome per allowance of the book, same order.
    """

    market: str
    round_id: str
    book_digest: str
    rules_digest: str
    status: str
    welfare: int
    allocations: tuple[Allocation, ...]
    prices: tuple[PriceCurve, ...]
    demands: tuple[DemandOutcome, ...]
    offers: tuple[OfferOutcome, ...]
    certificate: Certificate
    total_regret: int = field(default=0)
    support_loss: int = field(default=0)
    links: tuple[LinkOutcome, ...] = ()
    shares: tuple[ShareOutcome, ...] = ()
    allowances: tuple[AllowanceOutcome, ...] = ()
