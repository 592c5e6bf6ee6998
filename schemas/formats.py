"""File formats of a clearing: book, rules, result and round file.

These models are the committed JSON Schemas. The core reads the formats without pydantic
(`services.core.codec`), the independent checker without either; a test holds all three to the
same files.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints

from schemas.base import Model
from schemas.types import HORIZON_PERIODS_MAX

_TEXT_MAX = 256
_ROWS_MAX = 1_000_000
_ALTERNATIVES_MAX = 16
_POOLS_MAX = 10_000
_LINKS_MAX = 4_096
_PERIOD_MAX = 10_000_000
_PRICE_MAX = 10_000_000_000
_INT_MAX = 2**63 - 1

_POLICIES_MAX = 256

Key = Annotated[str, StringConstraints(min_length=1, max_length=_TEXT_MAX)]
Text = Annotated[str, StringConstraints(max_length=_TEXT_MAX)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Natural = Annotated[StrictInt, Field(ge=0, le=_INT_MAX)]
Amount = Annotated[StrictInt, Field(ge=-_INT_MAX, le=_INT_MAX, description="Micro-yuan")]
Price = Annotated[StrictInt, Field(ge=0, le=_PRICE_MAX, description="Micro-yuan per chip-hour")]
Period = Annotated[
    StrictInt, Field(ge=0, le=_PERIOD_MAX, description="Hours since 1970-01-01T00:00Z")
]
Chips = Annotated[StrictInt, Field(ge=0, le=100_000_000, description="Whole chips")]
ChipsByPeriod = Annotated[tuple[Chips, ...], Field(max_length=HORIZON_PERIODS_MAX)]
Curves = Annotated[
    dict[Key, Annotated[tuple[Price, ...], Field(max_length=HORIZON_PERIODS_MAX)]],
    Field(max_length=_POOLS_MAX, description="Pool key -> price of each period of the horizon"),
]


class PoolRow(Model):
    """Zone x chip class."""

    key: Key
    zone: Key
    region: Key
    chip: Key
    domestic: StrictBool
    tflops: Natural


class OfferRow(Model):
    """What is left of one offer."""

    id: Key
    participant: Key
    version: Natural
    pool: Key
    ask: Price
    start: Period
    chips: ChipsByPeriod
    block: StrictBool
    rounds_waited: Natural
    resale: StrictBool = Field(
        default=False, description="Whether it sells on what a round gave before; else absent"
    )


Gb = Annotated[StrictInt, Field(ge=0, le=1_000_000_000, description="GB")]
GbByPeriod = Annotated[tuple[Gb, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]


class LinkRow(Model):
    """What is left of one link."""

    key: Key
    source: Key
    destination: Key
    tariff: Annotated[StrictInt, Field(ge=0, le=_PRICE_MAX, description="Micro-yuan per GB")]
    capacity: GbByPeriod


class MovesRow(Model):
    """What a demand sends over links."""

    data_zone: Key | None
    data_gb: Gb
    user_zone: Key | None
    traffic_gb: Gb


class AllowanceRow(Model):
    """What one participant may get of a chip class under a largest share."""

    key: Key
    policy: Key
    chip: Key
    participant: Key
    pools: Annotated[tuple[Key, ...], Field(min_length=1, max_length=_POOLS_MAX)]
    capacity: Annotated[tuple[Natural, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]


class HoldingRow(Model):
    """What rounds before gave of a pool, where a largest share counts it."""

    participant: Annotated[
        str,
        StringConstraints(max_length=_TEXT_MAX),
        Field(
            description="Empty for all that rounds gave and that no offer of the book sells on",
        ),
    ]
    pool: Key
    start: Period
    chips: Annotated[tuple[Natural, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]


class AlternativeRow(Model):
    """One way to serve a demand."""

    index: Annotated[StrictInt, Field(ge=0, le=10**6)]
    pools: Annotated[tuple[Key, ...], Field(min_length=1, max_length=_POOLS_MAX)]
    limit: Price
    earliest: Period
    deadline: Period
    chips: Chips
    chips_min: Chips
    duration: Annotated[StrictInt, Field(ge=0, le=HORIZON_PERIODS_MAX)]
    chips_by_period: ChipsByPeriod
    chip_hours: Natural


class DemandRow(Model):
    """What is left of one demand."""

    id: Key
    participant: Key
    version: Natural
    shape: Literal["block", "flow", "work"]
    alternatives: Annotated[
        tuple[AlternativeRow, ...], Field(min_length=1, max_length=_ALTERNATIVES_MAX)
    ]
    rounds_waited: Natural
    exclusive_group: Key | None
    linked_to: Key | None
    moves: MovesRow | None = None


class MobilisationRow(Model):
    """What an urgent round serves: no demand of the book has a limit above the cap."""

    id: Key
    price_cap: Natural


class PolicyRow(Model):
    """A policy in force."""

    id: Key
    version: Natural
    kind: Literal["price_limits", "domestic_share", "largest_share"]
    params: Annotated[dict[Key, Amount | Text], Field(max_length=8)]


class KeptOutRows(Model):
    """Orders that the policies of a book keep out of it."""

    offers: Annotated[tuple[OfferRow, ...], Field(max_length=_ROWS_MAX)]
    demands: Annotated[tuple[DemandRow, ...], Field(max_length=_ROWS_MAX)]


class BookFile(Model):
    """All open orders of one market at a log position."""

    format: Literal["suanli.book.v1"]
    market: Key
    round_id: Key
    first_period: Period
    periods: Annotated[StrictInt, Field(ge=1, le=HORIZON_PERIODS_MAX)]
    pools: Annotated[tuple[PoolRow, ...], Field(max_length=_POOLS_MAX)]
    offers: Annotated[tuple[OfferRow, ...], Field(max_length=_ROWS_MAX)]
    demands: Annotated[tuple[DemandRow, ...], Field(max_length=_ROWS_MAX)]
    links: Annotated[tuple[LinkRow, ...], Field(max_length=_LINKS_MAX)] = ()
    mobilisation: MobilisationRow | None = None
    policies: Annotated[tuple[PolicyRow, ...], Field(max_length=_POLICIES_MAX)] = ()
    kept_out: KeptOutRows | None = None
    held: Annotated[tuple[HoldingRow, ...], Field(max_length=_ROWS_MAX)] = ()
    allowances: Annotated[tuple[AllowanceRow, ...], Field(max_length=_ROWS_MAX)] = ()


class RulesFile(Model):
    """Everything besides the book that a clearing depends on."""

    format: Literal["suanli.rules.v1"]
    tick: Annotated[StrictInt, Field(ge=1, le=10**9)]
    seed: Natural
    effort: Natural
    ascent_steps: Natural
    start_prices: Curves = Field(default_factory=dict)


class AllocationRow(Model):
    """One offer-demand pairing."""

    demand: Key
    offer: Key
    pool: Key
    start: Period
    chips: Annotated[tuple[Chips, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]


class ReasonRow(Model):
    """Why an order left the round as it did."""

    code: Key
    params: Annotated[dict[Key, Amount | Key], Field(max_length=32)]


class DemandOutcomeRow(Model):
    """How a demand leaves the round."""

    id: Key
    state: Literal["filled", "part-filled", "open"]
    alternative: Natural | None
    chip_hours: Natural
    value: Amount
    payment: Amount
    regret: Amount
    reason: ReasonRow


class OfferOutcomeRow(Model):
    """How an offer leaves the round."""

    id: Key
    state: Literal["filled", "part-filled", "open"]
    chip_hours: Natural
    cost: Amount
    revenue: Amount
    regret: Amount
    reason: ReasonRow


class CertificateRow(Model):
    """Prices that bound the welfare of every possible clearing."""

    prices: Curves
    bound: Amount
    link_prices: Curves = Field(default_factory=dict)
    premiums: Annotated[
        dict[Key, Natural],
        Field(max_length=_POLICIES_MAX, description="Policy -> micro-yuan per TFLOPS-hour"),
    ] = Field(default_factory=dict)
    allowance_prices: Curves = Field(default_factory=dict)


class LinkOutcomeRow(Model):
    """How a link leaves the round."""

    key: Key
    prices: Annotated[tuple[Price, ...], Field(max_length=HORIZON_PERIODS_MAX)]
    used: GbByPeriod
    regret: Amount


class AllowanceOutcomeRow(Model):
    """How an allowance leaves the round; nobody pays its prices."""

    key: Key
    prices: Annotated[tuple[Price, ...], Field(max_length=HORIZON_PERIODS_MAX)]
    used: Annotated[tuple[Natural, ...], Field(max_length=HORIZON_PERIODS_MAX)]
    regret: Amount


class ShareOutcomeRow(Model):
    """What a domestic share asked of the round, and what came of it."""

    policy: Key
    premium: Annotated[StrictInt, Field(ge=0, le=_INT_MAX, description="Per TFLOPS-hour")]
    split_bp: Annotated[StrictInt, Field(ge=0, le=10_000)]
    tflops_hours: Natural
    tflops_hours_domestic: Natural
    shortfall: Annotated[StrictInt, Field(ge=0, le=_INT_MAX, description="TFLOPS-hours")]
    account: Annotated[StrictInt, Field(ge=0, le=_INT_MAX, description="TFLOPS-hours")]
    charges: Amount
    credits: Amount


class ResultFile(Model):
    """What a clearing decided."""

    format: Literal["suanli.result.v1"]
    market: Key
    round_id: Key
    book_digest: Digest
    rules_digest: Digest
    status: Literal["optimal", "feasible"]
    welfare: Amount
    allocations: Annotated[tuple[AllocationRow, ...], Field(max_length=_ROWS_MAX)]
    prices: Curves
    demands: Annotated[tuple[DemandOutcomeRow, ...], Field(max_length=_ROWS_MAX)]
    offers: Annotated[tuple[OfferOutcomeRow, ...], Field(max_length=_ROWS_MAX)]
    certificate: CertificateRow
    total_regret: Amount
    support_loss: Amount = 0
    links: Annotated[tuple[LinkOutcomeRow, ...], Field(max_length=_LINKS_MAX)] = ()
    shares: Annotated[tuple[ShareOutcomeRow, ...], Field(max_length=_POLICIES_MAX)] = ()
    allowances: Annotated[tuple[AllowanceOutcomeRow, ...], Field(max_length=_ROWS_MAX)] = ()


class RoundFile(Model):
    """A round as anyone can verify it: book, rules and result."""

    format: Literal["suanli.round.v1"]
    book: BookFile
    rules: RulesFile
    result: ResultFile


FORMATS: dict[str, type[BaseModel]] = {
    "suanli.book.v1": BookFile,
    "suanli.rules.v1": RulesFile,
    "suanli.result.v1": ResultFile,
    "suanli.round.v1": RoundFile,
}
"""Format name -> model; ``schemas.generate`` writes their schemas."""
