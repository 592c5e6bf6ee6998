"""Base model and constrained field types of the wire contract."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    StringConstraints,
)

from schemas.types import PERIOD_SECONDS

ORDER_CHIPS_MAX = 100_000
PRICE_MAX_MICRO_YUAN = 10_000_000_000
"""Ten thousand yuan per chip-hour: a thousand times the dearest published price."""
MONEY_MAX_MICRO_YUAN = 10**17
"""A hundred billion yuan; keeps every sum far inside 64 bits of the wire's consumers."""
CHIP_HOURS_MAX = ORDER_CHIPS_MAX * 168
YEAR_MIN, YEAR_MAX = 2020, 2100


class Model(BaseModel):
    """Frozen and closed: the base of everything on the wire.

    Numbers and flags are strict by their field types (no "5", 5.0 or true for 5); lists and
    enums are not, so that the same model reads JSON text and parsed JSON alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def _instant_text(value: object) -> object:
    # Lax mode would take numbers as Unix time; an instant on the wire is always a text.
    if not isinstance(value, (str, datetime)):
        msg = f"must be an ISO 8601 instant with a time zone, was {value!r}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError, not TypeError
    return value


def _utc(value: datetime) -> datetime:
    if not YEAR_MIN <= value.year <= YEAR_MAX:
        msg = f"year must be {YEAR_MIN} to {YEAR_MAX}, was {value.year}"
        raise ValueError(msg)
    return value.astimezone(UTC)


def _aligned(value: datetime) -> datetime:
    if value.timestamp() % PERIOD_SECONDS:
        msg = f"must be a full hour (UTC), was {value.isoformat()}"
        raise ValueError(msg)
    return value


def _storable(value: str) -> str:
    # JSON can carry it, text in Postgres cannot: one such record would stop every reader.
    if "\0" in value:
        msg = f"must be text without U+0000, was {value!r}"
        raise ValueError(msg)
    return value


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant_text),
    AfterValidator(_utc),
    PlainSerializer(_iso, return_type=str, when_used="json"),
    Field(description="UTC instant, ISO 8601", examples=["2026-11-24T08:00:00Z"]),
]
PeriodStart = Annotated[
    Instant,
    AfterValidator(_aligned),
    Field(description="Start of a period: a full hour, UTC, ISO 8601"),
]
Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$", max_length=64),
    Field(description="Lower-case letters, digits and hyphens, at most 64"),
]
PoolName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9-]{1,64}/[a-z0-9-]{1,64}$", max_length=129),
    Field(description="Pool as zone/chip"),
]
ParticipantId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$", max_length=64),
]
OrderId = Annotated[str, StringConstraints(pattern=r"^(off|dem)_[a-z2-7]{26}$")]
AllocationId = Annotated[str, StringConstraints(pattern=r"^al_[a-z2-7]{26}$")]
RoundId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}:[0-9]{1,12}$", max_length=77)]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(_storable),
]
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_storable)]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
ResourceCode = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9.\-]{5,62}[A-Z0-9]$"),
    Field(
        description=(
            "National resource identification code of compute-interconnection nodes "
            "(MIIT notice of 2026-02-06); capital letters, digits, dot and hyphen, 7 to 64"
        ),
        examples=["CN.11.0108.BJ01-A910B"],
    ),
]
Chips = Annotated[StrictInt, Field(ge=1, le=ORDER_CHIPS_MAX, description="Whole chips")]
ChipsOrNone = Annotated[StrictInt, Field(ge=0, le=ORDER_CHIPS_MAX, description="Whole chips")]
ChipHours = Annotated[StrictInt, Field(ge=1, le=CHIP_HOURS_MAX, description="Chip-hours")]
ChipHoursOrNone = Annotated[StrictInt, Field(ge=0, le=10**15, description="Chip-hours")]
Price = Annotated[
    StrictInt,
    Field(ge=0, le=PRICE_MAX_MICRO_YUAN, description="Micro-yuan per chip-hour, on the tick"),
]
Money = Annotated[StrictInt, Field(ge=0, le=MONEY_MAX_MICRO_YUAN, description="Micro-yuan")]
SignedMoney = Annotated[
    StrictInt,
    Field(ge=-MONEY_MAX_MICRO_YUAN, le=MONEY_MAX_MICRO_YUAN, description="Micro-yuan"),
]
Count = Annotated[StrictInt, Field(ge=0, le=10**12)]
Version = Annotated[
    StrictInt, Field(ge=1, le=1_000_000, description="Version of the order's terms")
]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ParameterValue = Annotated[StrictInt, Field(ge=-(10**18), le=10**18)] | Text
"""A number or short text that a sentence or a policy is filled in with."""
