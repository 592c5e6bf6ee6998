"""Models of markets; generated from the contract by `make gen`."""

from typing import Any, Literal, NotRequired, TypedDict


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


class PolicySet(TypedDict):
    """A policy as versioned data; bodies of kinds are fixed when the market honours them."""

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    kind: Literal["domestic_share", "mobilisation", "guard_rails", "regional_integration"]

    version: int
    """Version of the order's terms."""
    in_force_from_round: int
    parameters: dict[str, Any]
    reason: str


class PolicyView(TypedDict):
    """A policy's latest version."""

    policy: PolicySet

    set_at: str
    """UTC instant, ISO 8601."""


class PolicyNew(TypedDict):
    """A policy as the regulator sets it."""

    policy_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    kind: Literal["domestic_share", "mobilisation", "guard_rails", "regional_integration"]

    version: int
    """Version of the order's terms."""
    in_force_from_round: int
    parameters: dict[str, Any]
    reason: str


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
