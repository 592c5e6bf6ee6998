"""Which pools could serve a demand, and why the other zones and chip classes could not.

`services.core.eligibility` decides; this tells the decision to people, in its order of checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.eligibility import latencies_from, resolve_alternatives
from services.core.errors import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.market import ChipClass, Market, Zone
    from schemas.orders import Alternative, DemandTerms

# A reason has room for so many names.
_LISTED_MAX = 8


@dataclass(frozen=True, slots=True)
class Unfit:
    """A zone, a chip class or a budget that does not serve an alternative.

    Attributes:
        kind: ``zone``, ``chip`` or ``budget``.
        name: The zone or chip class; empty for the budget.
        code: Stable code of the reason.
        message: The reason.
    """

    kind: str
    name: str
    code: str
    message: Message


@dataclass(frozen=True, slots=True)
class Fit:
    """Where an alternative of a demand could be served.

    Attributes:
        alternative: Its index.
        pools: Pools that could serve it, by key.
        unfit: What could not, zones before chip classes.
    """

    alternative: int
    pools: tuple[str, ...]
    unfit: tuple[Unfit, ...]


def fits_of(terms: DemandTerms, market: Market) -> tuple[Fit, ...]:
    """Return for each alternative of a demand which pools fit, and why others do not."""
    pools = {item.index: item.pools for item in resolve_alternatives(terms, market)}
    return tuple(
        Fit(
            alternative=index,
            pools=pools.get(index, ()),
            unfit=tuple(_unfit(alternative, terms, market, is_paid=index in pools)),
        )
        for index, alternative in enumerate(terms.alternatives)
    )


def _unfit(
    alternative: Alternative, terms: DemandTerms, market: Market, *, is_paid: bool
) -> Iterator[Unfit]:
    latency_ms = latencies_from(terms.user_zone, market) if terms.user_zone else {}
    zones = [_zone_fault(zone, alternative, terms, latency_ms) for zone in market.zones]
    chips = [_chip_fault(chip, alternative) for chip in market.chips]
    yield from (fault for fault in (*zones, *chips) if fault is not None)
    if not is_paid and None in zones and None in chips:
        yield Unfit(
            "budget",
            "",
            "budget_too_small",
            Message(
                f"budget is {terms.budget} micro-yuan, too little for the least quantity at limit "
                f"{alternative.limit}",
                f"预算为 {terms.budget} 微元，按限价 {alternative.limit} 不足以支付最低数量",
            ),
        )


def _zone_fault(
    zone: Zone, alternative: Alternative, terms: DemandTerms, latency_ms: dict[str, int]
) -> Unfit | None:
    named = (*alternative.zones, *alternative.regions)
    if named and zone.id not in alternative.zones and zone.region not in alternative.regions:
        listed = _listed(named)
        message = Message(
            f"{zone.id} is in {zone.region}, wanted are {listed}",
            f"{zone.id} 位于 {zone.region}，要求为 {listed}",
        )
        return Unfit("zone", zone.id, "zone_not_wanted", message)
    limit = terms.latency_ms_max
    if limit is None or terms.user_zone is None:
        return None
    found = latency_ms.get(zone.id)
    if found is None:
        message = Message(
            f"{zone.id} is at an unknown latency from {terms.user_zone}, limit {limit} ms",
            f"{zone.id} 到 {terms.user_zone} 的时延未知，上限 {limit} ms",
        )
        return Unfit("zone", zone.id, "latency_unknown", message)
    if found > limit:
        message = Message(
            f"{zone.id} is {found} ms from {terms.user_zone}, limit {limit} ms",
            f"{zone.id} 到 {terms.user_zone} 的时延为 {found} ms，上限 {limit} ms",
        )
        return Unfit("zone", zone.id, "latency_too_high", message)
    return None


def _chip_fault(chip: ChipClass, alternative: Alternative) -> Unfit | None:
    if alternative.chips_any_of and chip.id not in alternative.chips_any_of:
        listed = _listed(alternative.chips_any_of)
        message = Message(
            f"{chip.id} is not among the chips wanted: {listed}",
            f"{chip.id} 不在所要求的型号之列：{listed}",
        )
        return Unfit("chip", chip.id, "chip_not_wanted", message)
    need = alternative.requirement
    if need is None:
        return None
    for found, least, unit, code in (
        (chip.memory_gb, need.memory_gb_min, "GB", "memory_too_small"),
        (chip.tflops, need.tflops_min, "TFLOPS", "too_slow"),
    ):
        if least is not None and found < least:
            message = Message(
                f"{chip.id} has {found} {unit}, at least {least} {unit} needed",
                f"{chip.id} 为 {found} {unit}，要求至少 {least} {unit}",
            )
            return Unfit("chip", chip.id, code, message)
    if need.domestic is not None and chip.domestic != need.domestic:
        origin = ("domestic", "国产") if chip.domestic else ("foreign", "国外")
        message = Message(
            f"{chip.id} is {origin[0]}, the other origin is wanted",
            f"{chip.id} 为{origin[1]}芯片，要求为另一来源",
        )
        return Unfit("chip", chip.id, "wrong_origin", message)
    return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED_MAX
    return ", ".join(names[:_LISTED_MAX]) + (f" (+{more})" if more > 0 else "")
