"""Models of rounds; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict


class OffsetRange(TypedDict):
    """A contiguous run of records of one partition, ``end`` exclusive."""

    topic: str
    partition: int
    start: int
    end: int


class ManifestSignature(TypedDict):
    """The exchange's signature of a round's manifest."""

    key_id: str

    signature: str
    """Base64."""


class RoundFileView(TypedDict):
    """Where a round's file stands; ``ok`` once all parts are here and the hash agrees."""

    state: Literal["none", "partial", "ok", "corrupt"]
    sha256: NotRequired[str | None]
    bytes: NotRequired[int | None]


class RoundView(TypedDict):
    """A round in numbers."""

    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    seq: int
    state: Literal["sealed", "cleared", "closed"]

    market_time: str
    """UTC instant, ISO 8601."""
    status: NotRequired[Literal["optimal", "feasible", "fallback"] | None]
    offers: NotRequired[int]
    demands: NotRequired[int]
    demands_filled: NotRequired[int | None]
    demands_part_filled: NotRequired[int | None]
    paradoxically_rejected: NotRequired[int | None]
    allocations: NotRequired[int | None]
    welfare: NotRequired[int | None]
    bound: NotRequired[int | None]
    gap_ppm: NotRequired[int | None]
    total_regret: NotRequired[int | None]
    payment: NotRequired[int | None]
    chip_hours: NotRequired[int | None]
    chip_hours_domestic: NotRequired[int | None]
    tflops_hours: NotRequired[int | None]
    tflops_hours_domestic: NotRequired[int | None]
    solve_ms: NotRequired[int | None]
    book_digest: NotRequired[str | None]
    rules_digest: NotRequired[str | None]
    result_digest: NotRequired[str | None]

    manifest: NotRequired[list[OffsetRange]]
    """Records of the log that were taken in since the round before."""

    manifest_signature: NotRequired[ManifestSignature | None]
    """Null: the exchange has no key for receipts."""

    verified: NotRequired[bool | None]
    """The auditor's verdict; null = none."""
    file: RoundFileView


class CurveView(TypedDict):
    """Prices of a pool in one round, one per period from ``first_period``."""

    kind: Literal["clearing"]

    pool: str
    """Pool as zone/chip."""

    first_period: str
    """Start of a period: a full hour, UTC, ISO 8601."""
    prices: list[int]
    chips: NotRequired[list[int]]
    offered: NotRequired[list[int]]


class RoundPricesView(TypedDict):
    """All curves of a round."""

    round_id: str
    curves: list[CurveView]
