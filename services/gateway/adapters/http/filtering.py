"""The query parameter ``filter`` of lists."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Query

from schemas.filter_fields import FIELDS, ListName
from schemas.filters import FILTER_CHARS_MAX, Field, Filter, FilterError, parse
from services.core.errors import Message, ValidationError

_EXAMPLES: dict[ListName, str] = {
    "offers": "chip=h800 zone in (bj-1,tj-1) price>=9.5yuan state=open",
    "demand": "shape=block priority!=urgent price<=12000000",
    "prices": "chip=h800 last>=9.5yuan",
    "rounds": "state=closed chip_hours>0",
}


def _filter_of(name: ListName) -> Callable[..., Awaitable[Filter | None]]:
    fields = FIELDS[name]
    listed = ", ".join(f"`{field.name}` ({_kind(field)})" for field in fields)
    described = Query(
        alias="filter",
        max_length=FILTER_CHARS_MAX,
        description=f"Terms that must all hold, by {listed}; see the filter language",
        examples=[_EXAMPLES.get(name, f"{fields[0].name}=a")],
    )

    async def read(text: Annotated[str | None, described] = None) -> Filter | None:
        if text is None:
            return None
        try:
            return parse(text, fields)
        except FilterError as error:
            raise ValidationError(
                "validation.filter",
                Message(
                    f"filter, {error}",
                    f"filter，第 {error.column} 列：须为 {error.allowed_zh}，实为 {error.found}",
                ),
                field="filter",
                value=f"{error.found} (column {error.column})",
                allowed=error.allowed,
            ) from None

    return read


def _kind(field: Field) -> str:
    return "/".join(field.choices) if field.choices else field.kind


def where_of(name: ListName) -> object:
    """Return the dependency that reads the filter of a list."""
    return Depends(_filter_of(name))


OffersWhere = Annotated[Filter | None, where_of("offers")]
DemandWhere = Annotated[Filter | None, where_of("demand")]
HistoryWhere = Annotated[Filter | None, where_of("history")]
RoundsWhere = Annotated[Filter | None, where_of("rounds")]
PricesWhere = Annotated[Filter | None, where_of("prices")]
StatisticsWhere = Annotated[Filter | None, where_of("statistics")]
IndicesWhere = Annotated[Filter | None, where_of("indices")]
WindowsWhere = Annotated[Filter | None, where_of("windows")]
AllocationsWhere = Annotated[Filter | None, where_of("allocations")]
FindingsWhere = Annotated[Filter | None, where_of("findings")]
ParticipantsWhere = Annotated[Filter | None, where_of("participants")]
MarketsWhere = Annotated[Filter | None, where_of("markets")]
PoliciesWhere = Annotated[Filter | None, where_of("policies")]
EntriesWhere = Annotated[Filter | None, where_of("entries")]
SettlementsWhere = Annotated[Filter | None, where_of("settlements")]
TermsWhere = Annotated[Filter | None, where_of("settlement-terms")]
RefusalsWhere = Annotated[Filter | None, where_of("refusals")]
StatementWhere = Annotated[Filter | None, where_of("statement-entries")]
CasesWhere = Annotated[Filter | None, where_of("cases")]
