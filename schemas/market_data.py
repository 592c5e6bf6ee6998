"""Public market data of the API: statistics, indices, and the book by delivery window."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from schemas.base import Count, Model, Money, PeriodStart, PoolName, Price, RoundId, Slug

GroupName = Literal["market", "region", "chip", "chip-region", "pool"]
WindowName = Literal["hour", "day"]
LEVELS_MAX = 1000


class StatisticView(Model):
    """What trades for delivery in a window cost; without any, prices are null, never zero."""

    market_id: Slug
    pool: PoolName | None = Field(default=None, description="If grouped by pool")
    chip: Slug | None = Field(default=None, description="If grouped by chip class or pool")
    region: Slug | None = Field(default=None, description="If grouped by region or pool")
    start: PeriodStart
    end: PeriodStart
    last: Price | None = Field(
        description="Of the latest round that traded here, weighted by chips, rounded down"
    )
    last_round_id: RoundId | None
    min: Price | None
    max: Price | None
    average: Price | None = Field(description="value / volume, rounded down")
    volume: Count = Field(description="Chip-hours traded, all rounds")
    value: Money = Field(description="Price times chips of all trades, micro-yuan")
    tflops_hours: Count = Field(description="Volume times dense TFLOPS of the chips")


class IndexView(Model):
    """Index of a chip class in a region: what its trades for delivery in a window cost.

    ``index`` = sum of price x chips / sum of chips over all trades for delivery in the window,
    in whole micro-yuan per chip-hour, rounded down. A window without a trade carries the index of
    the latest window with one, of at most 168 hours before; without that it is null.
    """

    market_id: Slug
    chip: Slug
    region: Slug
    start: PeriodStart
    end: PeriodStart
    index: Price | None
    carried_from: PeriodStart | None = Field(
        description="Window that the index is carried from; null if it is of this one's own trades"
    )
    change_ppm: Annotated[StrictInt, Field(ge=-1_000_000, le=10**16)] | None = Field(
        description="Against the window before, millionths, rounded down; null without one"
    )
    per_pflops_hour: Money | None = Field(
        description="index x 1000 / TFLOPS of the chip class, rounded down"
    )
    volume: Count = Field(description="Chip-hours traded for this window; 0 if carried")


class WindowView(Model):
    """What is on offer and wanted of a chip class in a region, in one delivery window."""

    market_id: Slug
    chip: Slug
    region: Slug
    start: PeriodStart
    end: PeriodStart
    offers: Count
    offered_chips: Count = Field(description="Most chips on offer at once in the window")
    offered_chip_hours: Count
    ask_min: Price | None = Field(description="Cheapest; null if nothing is on offer")
    demands: Count = Field(description="Demands that could be served here, at least in part")
    wanted_chip_hours: Count = Field(
        description="Most that they could take in the window; one counts in every window it fits"
    )
    limit_max: Price | None = Field(description="Dearest; null if nothing is wanted")


class StepView(Model):
    """Chip-hours at one price, and at it or better."""

    price: Price
    chip_hours: Count
    cumulative: Count = Field(description="At this price or better")


class WindowDepthView(Model):
    """Both sides of the book in a delivery window, level by level; nobody is named."""

    market_id: Slug
    chip: Slug | None = None
    region: Slug | None = None
    pool: PoolName | None = None
    start: PeriodStart
    end: PeriodStart
    supply: Annotated[tuple[StepView, ...], Field(max_length=LEVELS_MAX)] = Field(
        description="Cheapest first"
    )
    demand: Annotated[tuple[StepView, ...], Field(max_length=LEVELS_MAX)] = Field(
        description="Dearest first"
    )
    is_whole: StrictBool = Field(
        description="Whether all levels are shown, at most `levels` a side"
    )


class CurveStep(Model):
    """Chip-hours that would be offered or wanted at a price."""

    price: Price
    chip_hours: Count


class BookCurvesView(Model):
    """Aggregated curves of a chip class in a region and a delivery window; nobody is named."""

    market_id: Slug
    chip: Slug
    region: Slug
    start: PeriodStart
    end: PeriodStart
    supply: Annotated[tuple[CurveStep, ...], Field(max_length=LEVELS_MAX)] = Field(
        description="Chip-hours offered at this ask or less, rising"
    )
    demand: Annotated[tuple[CurveStep, ...], Field(max_length=LEVELS_MAX)] = Field(
        description="Chip-hours wanted at this limit or more, falling in price"
    )
    crossing: Price | None = Field(
        description="Lowest ask at which supply meets what is wanted at that price; null if the "
        "curves do not meet. No clearing price: packages and other windows are left out"
    )
    is_whole: StrictBool = Field(
        description="Whether every step is shown; else steps of 1,000 remain, each one exact"
    )


ExportTable = Literal["orders", "allocations", "prices", "rounds"]
ExportFormat = Literal["parquet", "csv", "arrow"]


class ExportView(Model):
    """A table of a market's day that can be fetched as a file."""

    market_id: Slug
    day: str = Field(description="UTC, by the market's clock")
    table: ExportTable
    public: StrictBool = Field(description="Else: your own rows; regulator and operator, all")
    final: StrictBool = Field(description="The day is over: its files are the same for good")
    checkpoint_size: Count | None = Field(
        description="First head of the log that covers the day; null until it is over"
    )
    checkpoint_root: str | None
    paths: tuple[str, ...] = Field(description="One for each format")
