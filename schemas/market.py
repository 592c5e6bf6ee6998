"""What a market is: zones, links, chip classes and the rules of its rounds."""

from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from schemas.base import ChipsOrNone, Model, Name, Price, Slug
from schemas.types import HORIZON_PERIODS_MAX


class Zone(Model):
    """One data-centre campus with one fabric."""

    id: Slug
    region: Slug
    name_en: Name
    name_zh: Name
    cloud: Slug


class Latency(Model):
    """Round-trip latency between two zones, symmetric."""

    a: Slug
    b: Slug
    ms: Annotated[StrictInt, Field(ge=0, le=10_000)]


class Link(Model):
    """A directed link between zones."""

    source: Slug
    destination: Slug
    capacity_gb_per_period: Annotated[StrictInt, Field(ge=0, le=10**9)]
    tariff: Annotated[StrictInt, Field(ge=0, le=10**12, description="Micro-yuan per GB")]


class ChipClass(Model):
    """A model of AI chip."""

    id: Slug
    name: Name
    vendor: Name
    domestic: StrictBool
    memory_gb: Annotated[StrictInt, Field(ge=1, le=10_000)]
    tflops: Annotated[StrictInt, Field(ge=1, le=1_000_000, description="Dense FP16/BF16 TFLOPS")]
    lot: Annotated[StrictInt, Field(ge=1, le=1024, description="Chips per node")]


def _is_default(value: object) -> bool:
    # A rule that a market does not use is not written, so what was told before stays as it was.
    return value == 0


class RoundRules(Model):
    """How rounds run."""

    tick: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 100
    round_every_s: Annotated[StrictInt, Field(ge=1, le=86_400)] = Field(
        default=900, description="Cadence on the market clock, seconds"
    )
    round_at_s: Annotated[StrictInt, Field(ge=0, le=86_399)] = Field(
        default=0,
        exclude_if=_is_default,
        description="Seconds after midnight UTC from which the cadence counts on",
    )
    lead_periods: Annotated[StrictInt, Field(ge=0, le=HORIZON_PERIODS_MAX)] = Field(
        default=0,
        exclude_if=_is_default,
        description="Periods that a round leaves out before the first that it gives (day-ahead)",
    )
    freeze_s: Annotated[StrictInt, Field(ge=0, le=86_399)] = Field(
        default=0,
        exclude_if=_is_default,
        description="Seconds before a round takes the book in which orders may only improve",
    )
    horizon_periods: Annotated[StrictInt, Field(ge=1, le=HORIZON_PERIODS_MAX)] = 72
    effort: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        default=4, description="Search budget in deterministic units"
    )
    price_max: Price = Field(default=1_000_000_000, description="Highest ask or limit taken")
    fee_ppm: Annotated[StrictInt, Field(ge=0, le=200_000)] = Field(
        default=0, description="Fee on a provider's payment, millionths"
    )
    chips_max: ChipsOrNone = Field(default=100_000, description="Largest order")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.round_at_s >= self.round_every_s:
            msg = (
                f"round_at_s: must be below round_every_s ({self.round_every_s}), which counts on "
                f"from it, was {self.round_at_s}"
            )
            raise ValueError(msg)
        if self.freeze_s >= self.round_every_s:
            msg = (
                f"freeze_s: must be below round_every_s ({self.round_every_s}), so that every "
                f"round has an open phase, was {self.freeze_s}"
            )
            raise ValueError(msg)
        return self


class Market(Model):
    """A market as data on the log; a later version replaces an earlier one."""

    id: Slug
    name_en: Name
    name_zh: Name
    zones: Annotated[tuple[Zone, ...], Field(min_length=1, max_length=64)]
    latencies: Annotated[tuple[Latency, ...], Field(max_length=2016)] = ()
    links: Annotated[tuple[Link, ...], Field(max_length=256)] = ()
    chips: Annotated[tuple[ChipClass, ...], Field(min_length=1, max_length=64)]
    rules: RoundRules = RoundRules()

    @model_validator(mode="after")
    def _check(self) -> Self:
        zones = [zone.id for zone in self.zones]
        chips = [chip.id for chip in self.chips]
        for label, ids in (("zones", zones), ("chips", chips)):
            if len(set(ids)) != len(ids):
                msg = f"{label}: ids must differ, was {sorted(ids)}"
                raise ValueError(msg)
        ends = [end for item in self.latencies for end in (item.a, item.b)]
        ends += [end for link in self.links for end in (link.source, link.destination)]
        unknown = sorted(set(ends) - set(zones))
        if unknown:
            msg = f"latencies/links: zones must be among {zones}, was {unknown}"
            raise ValueError(msg)
        return self
