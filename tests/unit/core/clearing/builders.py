"""Short ways to write books by hand: one hour is a period, period 0 is the book's first."""

from __future__ import annotations

from schemas.types import Shape
from services.core.book import (
    Alternative,
    Book,
    BookDemand,
    BookOffer,
    DemandOutcome,
    OfferOutcome,
    Pool,
    Result,
)

FIRST = 490_000


def pool(zone: str = "bj", chip: str = "a910b") -> Pool:
    return Pool(f"{zone}/{chip}", zone, "beijing", chip, domestic=True, tflops=320)


def offer(
    name: str,
    chips: tuple[int, ...],
    ask: int,
    *,
    start: int = 0,
    zone: str = "bj",
    block: bool = False,
    waited: int = 0,
) -> BookOffer:
    return BookOffer(
        f"off_{name}", f"p_{name}", 1, f"{zone}/a910b", ask, FIRST + start, chips, block, waited
    )


def run(
    chips: int,
    duration: int,
    limit: int,
    *,
    window: tuple[int, int] = (0, 4),
    least: int | None = None,
    zones: tuple[str, ...] = ("bj",),
    index: int = 0,
) -> Alternative:
    return Alternative(
        index=index,
        pools=tuple(f"{zone}/a910b" for zone in zones),
        limit=limit,
        earliest=FIRST + window[0],
        deadline=FIRST + window[1],
        chips=chips,
        chips_min=chips if least is None else least,
        duration=duration,
    )


def cells(
    chips: int,
    limit: int,
    *,
    hours: int | None = None,
    window: tuple[int, int] = (0, 4),
    zones: tuple[str, ...] = ("bj",),
    index: int = 0,
) -> Alternative:
    periods = window[1] - window[0]
    return Alternative(
        index=index,
        pools=tuple(f"{zone}/a910b" for zone in zones),
        limit=limit,
        earliest=FIRST + window[0],
        deadline=FIRST + window[1],
        chips_by_period=(chips,) * periods,
        chip_hours=chips * periods if hours is None else hours,
    )


def demand(
    name: str,
    *alternatives: Alternative,
    shape: Shape = Shape.BLOCK,
    group: str | None = None,
    linked_to: str | None = None,
    waited: int = 0,
) -> BookDemand:
    return BookDemand(
        f"dem_{name}",
        "enterprise",
        1,
        shape,
        alternatives,
        waited,
        group,
        None if linked_to is None else f"dem_{linked_to}",
    )


def book(
    offers: list[BookOffer],
    demands: list[BookDemand],
    *,
    periods: int = 4,
    zones: tuple[str, ...] = ("bj",),
) -> Book:
    return Book(
        "bjtjhb",
        "bjtjhb:7",
        FIRST,
        periods,
        tuple(pool(zone) for zone in sorted(zones)),
        tuple(sorted(offers, key=lambda row: row.id)),
        tuple(sorted(demands, key=lambda row: row.id)),
    )


def _outcomes(result: Result) -> list[DemandOutcome | OfferOutcome]:
    return [*result.demands, *result.offers]


def codes(result: Result) -> dict[str, str]:
    """Return the reason code of every order by its name."""
    return {row.id[4:]: row.reason.code for row in _outcomes(result)}


def hours(result: Result) -> dict[str, int]:
    """Return the chip-hours of every order by its name."""
    return {row.id[4:]: row.chip_hours for row in _outcomes(result)}


def prices(result: Result, zone: str = "bj") -> tuple[int, ...]:
    """Return the price curve of a zone's pool."""
    return dict(result.prices)[f"{zone}/a910b"]
