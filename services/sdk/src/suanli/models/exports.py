"""Models of exports; generated from the contract by `make gen`."""

from typing import Literal, TypedDict


class ExportView(TypedDict):
    """A table of a market's day that can be fetched as a file."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    day: str
    """UTC, by the market's clock."""
    table: Literal["orders", "allocations", "prices", "rounds"]

    public: bool
    """Else: your own rows; regulator and operator, all."""

    final: bool
    """The day is over: its files are the same for good."""

    checkpoint_size: int | None
    """First head of the log that covers the day; null until it is over."""
    checkpoint_root: str | None

    paths: list[str]
    """One for each format."""
