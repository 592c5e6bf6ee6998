"""Daily reports: a title, headline figures and a table, signed by the exchange."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from schemas.base import Count, Instant, Model, Name, Slug, Text
from schemas.funds import Day

REPORT_FORMAT = "suanli.report.v1"
REPORT_ROWS_MAX = 10_000

ReportKind = Literal[
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
Unit = Literal["text", "instant", "count", "chip-hours", "tflops-hours", "ppm", "micro-yuan", "us"]
Cell = StrictInt | str | None


class ReportColumn(Model):
    """A column of a report's table."""

    name: Name
    en: Name
    zh: Name
    unit: Unit


class ReportFigure(Model):
    """A headline figure."""

    name: Name
    en: Name
    zh: Name
    unit: Unit
    value: Cell


class ReportSignature(Model):
    """Ed25519 over the report's canonical JSON (sorted keys, no spaces, without ``signature``)."""

    key_id: Name
    value: Annotated[str, Field(max_length=200, description="Base64")]


class ReportView(Model):
    """A report on a market's day."""

    format: Literal["suanli.report.v1"] = "suanli.report.v1"
    kind: ReportKind
    market_id: Slug
    day: Day
    title_en: Text
    title_zh: Text
    about_en: Text
    about_zh: Text
    made_at: Instant
    is_final: StrictBool = Field(description="Whether a round of a later day has closed")
    rounds: Count = Field(description="Rounds of the day so far")
    figures: tuple[ReportFigure, ...]
    columns: tuple[ReportColumn, ...]
    rows: Annotated[tuple[tuple[Cell, ...], ...], Field(max_length=REPORT_ROWS_MAX)]
    is_whole: StrictBool = Field(description="Whether all rows are here")
    signature: ReportSignature | None = None
