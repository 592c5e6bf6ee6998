"""Models of prices; generated from the contract by `make gen`."""

from typing import NotRequired, TypedDict


class PriceView(TypedDict):
    """Price of a pool in a period: latest, and over all rounds that priced it."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: str
    """Pool as zone/chip."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    price: int | None
    # Clearing price of the latest round; null where that round traded nothing and nothing was
    # on offer, or it would be zero.

    chips: int
    """Chips traded in the round that set the price."""

    offered: int
    """Chips offered in the round that set the price."""
    round_id: str

    last: NotRequired[int | None]
    """Of the latest trade; null if none."""
    last_round_id: NotRequired[str | None]

    low: int | None
    """Lowest price that traded; null if none did."""

    high: int | None
    """Highest price that traded; null if none did."""

    average: NotRequired[int | None]
    """Weighted by chips traded, rounded down; null if none were."""

    chips_total: int
    """Chips traded in this period, all rounds."""


class DepthLevel(TypedDict):
    """Chips at a price."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""
    chips: int
    orders: int


class PoolDepth(TypedDict):
    """What is on offer in a pool, and which demand could use it."""

    pool: str
    """Pool as zone/chip."""
    offers: int

    offered_chips: int
    """Sum over open offers, as stated in their terms."""

    asks: list[DepthLevel]
    """Cheapest first, at most 20 levels."""

    demands: int
    """Open demands that may use this pool."""

    limits: list[DepthLevel]
    """Dearest first, at most 20 levels; a demand counts in every pool it may use."""


class BookView(TypedDict):
    """The open orders of a market in numbers."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    offers: int
    demands: int

    demands_waiting: int
    """Accepted, waiting for their hold."""
    pools: list[PoolDepth]


class IndicativePriceView(TypedDict):
    """What a chip-hour would cost if the book stayed as it was."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: str
    """Pool as zone/chip."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""

    low: int
    """Lowest of all books that were cleared for the indication."""

    high: int
    """Highest of all books that were cleared for the indication."""

    seq: int
    """Number of the round to come."""

    as_of: str
    """UTC instant, ISO 8601."""


class LinkPriceView(TypedDict):
    """A link in a period of delivery: as the latest round left it, and over all rounds."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    source: str
    """Lower-case letters, digits and hyphens, at most 64."""

    destination: str
    """Lower-case letters, digits and hyphens, at most 64."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    round_id: str
    """Latest round that had the period in its horizon."""

    tariff: int
    """Micro-yuan per GB."""

    price: int
    """At least the tariff; what is above it is congestion."""

    gb: int
    """GB that the latest round gave away."""

    gb_left: int
    """GB left after it."""

    gb_total: int
    """GB given away by all rounds."""

    rent_total: int
    """Congestion rent of all rounds, micro-yuan."""


class StatisticView(TypedDict):
    """What trades for delivery in a window cost; without any, prices are null, never zero."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: NotRequired[str | None]
    """If grouped by pool."""

    chip: NotRequired[str | None]
    """If grouped by chip class or pool."""

    region: NotRequired[str | None]
    """If grouped by region or pool."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    last: int | None
    """Of the latest round that traded here, weighted by chips, rounded down."""
    last_round_id: str | None
    min: int | None
    max: int | None

    average: int | None
    """value / volume, rounded down."""

    volume: int
    """Chip-hours traded, all rounds."""

    value: int
    """Price times chips of all trades, micro-yuan."""

    tflops_hours: int
    """Volume times dense TFLOPS of the chips."""


class IndexView(TypedDict):
    """Index of a chip class in a region: what its trades for delivery in a window cost."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chip: str
    """Lower-case letters, digits and hyphens, at most 64."""

    region: str
    """Lower-case letters, digits and hyphens, at most 64."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""
    index: int | None

    carried_from: str | None
    """Window that the index is carried from; null if it is of this one's own trades."""

    change_ppm: int | None
    """Against the window before, millionths, rounded down; null without one."""

    per_pflops_hour: int | None
    """index x 1000 / TFLOPS of the chip class, rounded down."""

    volume: int
    """Chip-hours traded for this window; 0 if carried."""


class WindowView(TypedDict):
    """What is on offer and wanted of a chip class in a region, in one delivery window."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chip: str
    """Lower-case letters, digits and hyphens, at most 64."""

    region: str
    """Lower-case letters, digits and hyphens, at most 64."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""
    offers: int

    offered_chips: int
    """Most chips on offer at once in the window."""
    offered_chip_hours: int

    ask_min: int | None
    """Cheapest; null if nothing is on offer."""

    demands: int
    """Demands that could be served here, at least in part."""

    wanted_chip_hours: int
    """Most that they could take in the window; one counts in every window it fits."""

    limit_max: int | None
    """Dearest; null if nothing is wanted."""


class StepView(TypedDict):
    """Chip-hours at one price, and at it or better."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""
    chip_hours: int

    cumulative: int
    """At this price or better."""


class WindowDepthView(TypedDict):
    """Both sides of the book in a delivery window, level by level; nobody is named."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    chip: NotRequired[str | None]
    region: NotRequired[str | None]
    pool: NotRequired[str | None]

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    supply: list[StepView]
    """Cheapest first."""

    demand: list[StepView]
    """Dearest first."""

    is_whole: bool
    """Whether all levels are shown, at most `levels` a side."""


class CurveStep(TypedDict):
    """Chip-hours that would be offered or wanted at a price."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""
    chip_hours: int


class BookCurvesView(TypedDict):
    """Aggregated curves of a chip class in a region and a delivery window; nobody is named."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    chip: str
    """Lower-case letters, digits and hyphens, at most 64."""

    region: str
    """Lower-case letters, digits and hyphens, at most 64."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    supply: list[CurveStep]
    """Chip-hours offered at this ask or less, rising."""

    demand: list[CurveStep]
    """Chip-hours wanted at this limit or more, falling in price."""

    crossing: int | None
    # Lowest ask at which supply meets what is wanted at that price; null if the curves do not
    # meet. No clearing price: packages and other windows are left out.

    is_whole: bool
    """Whether every step is shown; else steps of 1,000 remain, each one exact."""
