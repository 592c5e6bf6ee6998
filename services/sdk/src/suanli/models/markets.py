"""Models of markets; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict


class PhaseView(TypedDict):
    """What orders may do now, and when the next round takes the book."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    as_of: str
    """UTC instant, ISO 8601."""

    phase: Literal["open", "freeze"]
    # `freeze`: orders may be added and improved, not withdrawn or made worse; no round to
    # freeze for, no freeze.

    until: str | None
    """When the phase ends; null while trading is halted."""

    cut_at: str | None
    """When the next round takes the book; null while trading is halted."""

    held: NotRequired[Literal["halt", "pause"] | None]
    """Why no round is run now, if none is."""

    clearing: NotRequired[str | None]
    """Round that took the book and is not published yet."""


class Zone(TypedDict):
    """One data-centre campus with one fabric."""

    id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    region: str
    """Lower-case letters, digits and hyphens, at most 64."""
    name_en: str
    name_zh: str

    cloud: str
    """Lower-case letters, digits and hyphens, at most 64."""


class Latency(TypedDict):
    """Round-trip latency between two zones, symmetric."""

    a: str
    """Lower-case letters, digits and hyphens, at most 64."""

    b: str
    """Lower-case letters, digits and hyphens, at most 64."""
    ms: int


class Link(TypedDict):
    """A directed link between zones."""

    source: str
    """Lower-case letters, digits and hyphens, at most 64."""

    destination: str
    """Lower-case letters, digits and hyphens, at most 64."""
    capacity_gb_per_period: int

    tariff: int
    """Micro-yuan per GB."""


class ChipClass(TypedDict):
    """A model of AI chip."""

    id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    name: str
    vendor: str
    domestic: bool
    memory_gb: int

    tflops: int
    """Dense FP16/BF16 TFLOPS."""

    lot: int
    """Chips per node."""


class RoundRules(TypedDict):
    """How rounds run."""

    tick: NotRequired[int]

    round_every_s: NotRequired[int]
    """Cadence on the market clock, seconds."""

    round_at_s: NotRequired[int]
    """Seconds after midnight UTC from which the cadence counts on."""

    lead_periods: NotRequired[int]
    """Periods that a round leaves out before the first that it gives (day-ahead)."""

    freeze_s: NotRequired[int]
    """Seconds before a round takes the book in which orders may only improve."""
    horizon_periods: NotRequired[int]

    effort: NotRequired[int]
    """Search budget in deterministic units."""

    price_max: NotRequired[int]
    """Highest ask or limit taken."""

    fee_ppm: NotRequired[int]
    """Fee on a provider's payment, millionths."""

    chips_max: NotRequired[int]
    """Largest order."""


class Market(TypedDict):
    """A market as data on the log; a later version replaces an earlier one."""

    id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    name_en: str
    name_zh: str
    zones: list[Zone]
    latencies: NotRequired[list[Latency]]
    links: NotRequired[list[Link]]
    chips: list[ChipClass]
    rules: NotRequired[RoundRules]


class MarketView(TypedDict):
    """A market in force."""

    market: Market

    defined_at: str
    """UTC instant, ISO 8601."""


class SettlementTermsView(TypedDict):
    """A version of a market's terms of settlement."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """Version of the order's terms."""
    in_force_from_round: int

    provider_fee_ppm: int
    """Of what a provider is paid, millionths."""

    enterprise_fee_ppm: int
    """On top of what an enterprise paid, millionths."""

    penalty_ppm: int
    """Of the price of what was not delivered, from the provider's collateral."""

    compensation_ppm: int
    """Share of the penalty taken from collateral that the enterprise gets."""

    report_within_periods: int
    """Hours after a period's end in which its delivery can be reported."""
    reason: str

    set_at: str
    """UTC instant, ISO 8601."""


class SettlementTermsNew(TypedDict):
    """Terms of settlement as the operator sets them."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """Version of the order's terms."""
    in_force_from_round: int

    provider_fee_ppm: int
    """Of what a provider is paid, millionths."""

    enterprise_fee_ppm: int
    """On top of what an enterprise paid, millionths."""

    penalty_ppm: int
    """Of the price of what was not delivered, from the provider's collateral."""

    compensation_ppm: int
    """Share of the penalty taken from collateral that the enterprise gets."""

    report_within_periods: int
    """Hours after a period's end in which its delivery can be reported."""
    reason: str


class PriceLimits(TypedDict):
    """The lowest ask and the highest ask, limit and clearing price of a chip class."""

    kind: Literal["price_limits"]

    chip: NotRequired[str | None]
    """Every chip class if left out."""

    floor: NotRequired[int]
    """Micro-yuan per chip-hour, on the tick."""

    cap: int
    """Micro-yuan per chip-hour, on the tick."""


class TradingHalt(TypedDict):
    """TradingHalt of the contract.

    No round is run while it is in force; orders are taken, and the next round calls them
    all.
    """

    kind: Literal["trading_halt"]


class CircuitBreaker(TypedDict):
    """Pauses the market when a round's prices are too far from those of the rounds before it."""

    kind: Literal["circuit_breaker"]

    chip: NotRequired[str | None]
    """Every chip class together if left out."""

    move_bp: int
    """Rise or fall that is borne, in hundredths of a percent."""

    rounds: NotRequired[int]
    """Rounds looked back on."""

    pause_s: int
    """Seconds without a round."""

    chip_hours_min: NotRequired[int]
    """Chip-hours traded again below which nothing is compared."""


class DomesticShare(TypedDict):
    """Least share of the TFLOPS-hours allocated in a region that domestic chips supply."""

    kind: Literal["domestic_share"]

    region: NotRequired[str | None]
    """Every region if left out."""

    share_bp: int
    """Of 10,000 for all."""

    premium_max: int
    """Micro-yuan per TFLOPS-hour."""


class LargestShare(TypedDict):
    """The largest share of a chip class that one participant may get in any period of a round."""

    kind: Literal["largest_share"]

    chip: NotRequired[str | None]
    """Each chip class by itself if left out."""

    region: NotRequired[str | None]
    """All regions together if left out."""

    share_bp: int
    """Of 10,000 for all."""

    chips_free: NotRequired[int]
    """Chips that everybody may have in any case."""


class MarketPolicySet(TypedDict):
    """A version of a policy: in force from the round named on, withdrawn if it has no rule."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """Version of the order's terms."""

    in_force_from_round: int
    """Number of a round."""
    rule: PriceLimits | TradingHalt | CircuitBreaker | DomesticShare | LargestShare | None

    reason: str
    """Why, for everybody to read."""
    set_by: str


class PolicyView(TypedDict):
    """A version of a policy, and whether it is in force."""

    policy: MarketPolicySet
    state: Literal["coming", "in_force", "past"]

    set_at: str
    """UTC instant, ISO 8601."""


class PolicyNew(TypedDict):
    """The next version of a policy, as a regulator sets it."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """One more than the latest version in this market."""

    in_force_from_round: NotRequired[int | None]
    """The next round if left out."""

    rule: PriceLimits | TradingHalt | CircuitBreaker | DomesticShare | LargestShare | None
    """Null withdraws the policy."""

    reason: str
    """Why, for everybody to read."""


class MarketPaused(TypedDict):
    """A circuit breaker paused a market after a round; orders are taken, no round is run."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    round_id: str
    seq: int

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """Version of the order's terms."""
    chip: NotRequired[str | None]

    chip_hours: int
    """Traded again, of hours that were traded before."""

    value: int
    """What they cost in this round."""

    reference: int
    """What they would have cost at the prices they last had."""

    move_bp: int
    """What the policy bears."""

    since: str
    """UTC instant, ISO 8601."""

    until: str
    """UTC instant, ISO 8601."""


class ShareOfRound(TypedDict):
    """What a domestic share asked of a round, and what came of it."""

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    version: int
    """Version of the order's terms."""

    region: str | None
    """Null: every region of the market."""

    share_bp: int
    """Least share, of 10,000 for all."""

    premium_max: int
    """Micro-yuan per TFLOPS-hour."""

    premium: int
    """0 if the share came by itself."""

    premium_certified: int
    """Of the certificate's bound."""

    split_bp: int
    """Part of the premium that imported asks rose by."""

    tflops_hours: int
    """TFLOPS-hours."""

    tflops_hours_domestic: int
    """TFLOPS-hours."""

    shortfall: int
    """Missed, at the cap of the premium."""

    account: int
    """Missed by rounds so far and not made good since."""

    charges: int
    """What imported supply pays."""

    credits: int
    """What domestic supply receives, at most the charges."""


class RoundShares(TypedDict):
    """What domestic shares asked of a round; none is told where no policy asks one."""

    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    seq: int

    market_time: str
    """UTC instant, ISO 8601."""
    shares: list[ShareOfRound]
