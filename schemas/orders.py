"""The order language: what a provider may offer and an enterprise may ask for."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from schemas.base import (
    ChipHours,
    Chips,
    Instant,
    Model,
    Money,
    OrderId,
    PeriodStart,
    Price,
    ResourceCode,
    Slug,
)
from schemas.types import HORIZON_PERIODS_MAX, PERIOD_SECONDS, Priority


def _is_absent(value: object) -> bool:
    # A field that an offer does not use is not written, so what was told before stays as it was.
    return value is None


class OfferTerms(Model):
    """A provider's priced capacity in one pool over a delivery window.

    Divisible over periods and chips unless ``block`` is set, which makes it all or nothing.
    """

    zone: Slug
    chip: Slug
    chips: Chips
    start: PeriodStart
    end: PeriodStart = Field(description="Exclusive end of the delivery window")
    ask: Price
    block: StrictBool = Field(
        default=False, description="Taken whole in every period, or not at all"
    )
    mobilisable: StrictBool = Field(default=False, description="May be called for urgent needs")
    mobilisation_price: Price | None = Field(
        default=None, description="Agreed price of a call; needed if mobilisable"
    )
    resource_code: ResourceCode
    resale_of: Annotated[str, Field(pattern=r"^al_[a-z2-7]{26}$")] | None = Field(
        default=None, description="Allocation that this offer resells"
    )
    capacity_chips: Chips | None = Field(
        default=None,
        exclude_if=_is_absent,
        description=(
            "Chips that the resource has in the pool in all: offers that state it share them over "
            "all markets, by resource code; needed where another market trades in the pool; null = "
            "a capacity of its own"
        ),
    )
    expires_at: Instant | None = Field(
        default=None, description="Leaves the book then, if not before"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_window("start", self.start.timestamp(), "end", self.end.timestamp())
        if self.capacity_chips is not None:
            if self.resale_of is not None:
                msg = "capacity_chips: must be null for a resale, whose allocation says it"
                raise ValueError(msg)
            if self.capacity_chips < self.chips:
                msg = (
                    f"capacity_chips: must be at least chips ({self.chips}), "
                    f"was {self.capacity_chips}"
                )
                raise ValueError(msg)
        if self.mobilisable and self.mobilisation_price is None:
            msg = "mobilisation_price: needed when mobilisable is true, was null"
            raise ValueError(msg)
        return self


class Requirement(Model):
    """Chip classes by what is needed of them; every stated bound must hold."""

    memory_gb_min: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = None
    tflops_min: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = None
    domestic: StrictBool | None = None


class Alternative(Model):
    """One way to serve a demand: which chips, where, at which limit price."""

    chips_any_of: Annotated[tuple[Slug, ...], Field(max_length=64)] = Field(
        default=(), description="Chip classes by name; empty = by requirement"
    )
    requirement: Requirement | None = Field(
        default=None, description="Chip classes by need; with names, both must hold"
    )
    zones: Annotated[tuple[Slug, ...], Field(max_length=64)] = ()
    regions: Annotated[tuple[Slug, ...], Field(max_length=64)] = Field(
        default=(), description="Zones and regions are united; both empty = anywhere"
    )
    limit: Price = Field(description="Highest price, micro-yuan per chip-hour of these chips")
    equivalence_milli: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="Chips of this alternative that stand for 1000 of the demand"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.chips_any_of and self.requirement is None:
            msg = "chips_any_of: name at least one chip class or give a requirement"
            raise ValueError(msg)
        return self


class BlockShape(Model):
    """``chips`` for ``duration`` consecutive periods in one pool, all or nothing.

    A range (``chips_min`` below ``chips``) or a late deadline finds a place far more often
    than a fixed size: quantity ranges halve the welfare lost to indivisibility (Bichler, Fux,
    Goeree, "A Matter of Equality", ISR 2018).
    """

    type: Literal["block"] = "block"
    chips: Chips
    chips_min: Chips | None = Field(
        default=None, description="Least chips that still help (curtailable); null = all"
    )
    duration: Annotated[StrictInt, Field(ge=1, le=HORIZON_PERIODS_MAX)] = Field(
        description="Consecutive periods (hours)"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.chips_min is not None and self.chips_min > self.chips:
            msg = f"chips_min: must be at most chips ({self.chips}), was {self.chips_min}"
            raise ValueError(msg)
        return self


class FlowShape(Model):
    """Up to ``chips`` in each period of the window, each period for itself."""

    type: Literal["flow"] = "flow"
    chips: Chips


class WorkShape(Model):
    """``chip_hours`` in total by the deadline, at most ``chips_max`` at once."""

    type: Literal["work"] = "work"
    chip_hours: ChipHours
    chips_max: Chips


ShapeTerms = Annotated[BlockShape | FlowShape | WorkShape, Field(discriminator="type")]


class DemandTerms(Model):
    """An enterprise's priced need."""

    shape: ShapeTerms
    alternatives: Annotated[tuple[Alternative, ...], Field(min_length=1, max_length=16)]
    earliest: PeriodStart
    deadline: PeriodStart = Field(description="Everything has ended by then")
    priority: Priority = Field(default=Priority.STANDARD)
    budget: Money | None = Field(
        default=None,
        description="Most it will ever spend; caps the quantity at the limit price",
    )
    data_zone: Slug | None = Field(default=None, description="Where its data lies")
    data_gb: Annotated[StrictInt, Field(ge=0, le=10**9)] = 0
    user_zone: Slug | None = Field(default=None, description="Where its callers are")
    latency_ms_max: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = None
    traffic_gb_per_chip_hour: Annotated[StrictInt, Field(ge=0, le=10**6)] = 0
    notice_periods: Annotated[StrictInt, Field(ge=0, le=HORIZON_PERIODS_MAX)] = Field(
        default=0, description="Notice wanted before a recall (interruptible)"
    )
    exclusive_group: Slug | None = Field(
        default=None, description="At most one demand of a participant's group is accepted"
    )
    linked_to: OrderId | None = Field(
        default=None, description="Accepted only if that demand of the participant is"
    )
    resource_code: ResourceCode | None = Field(
        default=None, description="Resource identification code that the use is booked to"
    )
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_window("earliest", self.earliest.timestamp(), "deadline", self.deadline.timestamp())
        periods = int(self.deadline.timestamp() - self.earliest.timestamp()) // PERIOD_SECONDS
        shape = self.shape
        if isinstance(shape, BlockShape) and shape.duration > periods:
            msg = (
                f"shape.duration: must fit between earliest and deadline ({periods} periods), "
                f"was {shape.duration}"
            )
            raise ValueError(msg)
        if isinstance(shape, WorkShape) and shape.chip_hours > shape.chips_max * periods:
            msg = (
                f"shape.chip_hours: must be at most chips_max x periods "
                f"({shape.chips_max * periods}), was {shape.chip_hours}"
            )
            raise ValueError(msg)
        if self.latency_ms_max is not None and self.user_zone is None:
            msg = "user_zone: needed when latency_ms_max is given, was null"
            raise ValueError(msg)
        return self


def _check_window(start_name: str, start: float, end_name: str, end: float) -> None:
    if end <= start:
        msg = f"{end_name}: must be after {start_name}"
        raise ValueError(msg)
    periods = (end - start) / PERIOD_SECONDS
    if periods > HORIZON_PERIODS_MAX:
        msg = (
            f"{end_name}: must be at most {HORIZON_PERIODS_MAX} hours after {start_name}, "
            f"was {periods:.0f}"
        )
        raise ValueError(msg)
