"""Models of reports; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict


class ReportFigure(TypedDict):
    """A headline figure."""

    name: str
    en: str
    zh: str
    unit: Literal[
        "text", "instant", "count", "chip-hours", "tflops-hours", "ppm", "micro-yuan", "us"
    ]
    value: int | str | None


class ReportColumn(TypedDict):
    """A column of a report's table."""

    name: str
    en: str
    zh: str
    unit: Literal[
        "text", "instant", "count", "chip-hours", "tflops-hours", "ppm", "micro-yuan", "us"
    ]


class ReportSignature(TypedDict):
    """ReportSignature of the contract.

    Ed25519 over the report's canonical JSON (sorted keys, no spaces, without
    ``signature``).
    """

    key_id: str

    value: str
    """Base64."""


class ReportView(TypedDict):
    """A report on a market's day."""

    format: NotRequired[Literal["suanli.report.v1"]]
    kind: Literal[
        "surveillance",
        "concentration",
        "domestic-share",
        "regional-flows",
        "price-convergence",
        "emergency-use",
        "policy-costs",
        "clock",
        "linkage",
        "dead-letters",
    ]

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    day: str
    """A day of the market, UTC, such as 2026-11-24."""
    title_en: str
    title_zh: str
    about_en: str
    about_zh: str

    made_at: str
    """UTC instant, ISO 8601."""

    is_final: bool
    """Whether a round of a later day has closed."""

    rounds: int
    """Rounds of the day so far."""
    figures: list[ReportFigure]
    columns: list[ReportColumn]
    rows: list[list[int | str | None]]

    is_whole: bool
    """Whether all rows are here."""
    signature: NotRequired[ReportSignature | None]
