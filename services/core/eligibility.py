"""Which orders a market takes, what a demand may cost, and which pools can serve it.

Pure functions over the wire's frozen terms (`schemas.orders`, `schemas.market`). Periods are
absolute hours since the Unix epoch; money is micro-yuan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.types import period_of, period_start, period_text, pool_key
from services.core.book import Alternative, Pool
from services.core.errors import Message, ValidationError
from services.core.link_terms import zones_with_ways
from services.core.phases import last_instant, next_cut, periods_ahead, periods_given

if TYPE_CHECKING:
    from schemas.market import ChipClass, Market
    from schemas.orders import Alternative as AlternativeTerms
    from schemas.orders import DemandTerms, OfferTerms

_MILLI = 1000


def pools_of(market: Market) -> tuple[Pool, ...]:
    """Return every pool (zone x chip class) of a market, sorted by key."""
    pools = [
        Pool(
            key=pool_key(zone.id, chip.id),
            zone=zone.id,
            region=zone.region,
            chip=chip.id,
            domestic=chip.domestic,
            tflops=chip.tflops,
        )
        for zone in market.zones
        for chip in market.chips
    ]
    return tuple(sorted(pools, key=lambda pool: pool.key))


def validate_offer(terms: OfferTerms, market: Market, now_period: int) -> None:
    """Check an offer against the market's rules.

    Args:
        terms: The offer's terms, already valid by the contract.
        market: The market that it is for.
        now_period: The period that is running on the market's clock.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    zones = sorted(zone.id for zone in market.zones)
    chips = sorted(chip.id for chip in market.chips)
    _check_known("zone", terms.zone, zones)
    _check_known("chip", terms.chip, chips)
    _check_chips("chips", terms.chips, market)
    _check_price("ask", terms.ask, market)
    if terms.mobilisation_price is not None:
        _check_price("mobilisation_price", terms.mobilisation_price, market)
    _check_window(
        "end",
        period_of(terms.end),
        earliest=_first_given(market, now_period) + 1,
        now_period=now_period,
        market=market,
        first=period_of(terms.start),
    )


def validate_demand(terms: DemandTerms, market: Market, now_period: int) -> None:
    """Check a demand against the market's rules.

    Args:
        terms: The demand's terms, already valid by the contract.
        market: The market that it is for.
        now_period: The period that is running on the market's clock.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    _check_supported(terms)
    zones = [zone.id for zone in market.zones]
    if terms.user_zone is not None:
        _check_known("user_zone", terms.user_zone, zones)
    if terms.data_zone is not None:
        _check_known("data_zone", terms.data_zone, zones)
    _check_chips("shape", _chips_most(terms), market)
    needed = terms.shape.duration if terms.shape.type == "block" else 1
    _check_window(
        "deadline",
        period_of(terms.deadline),
        earliest=_first_given(market, now_period) + needed,
        now_period=now_period,
        market=market,
        first=period_of(terms.earliest),
    )
    for index, alternative in enumerate(terms.alternatives):
        _check_alternative(f"alternatives.{index}", alternative, terms, market)
    if max_spend(terms) == 0:
        raise _budget_too_small(terms)


def max_spend(terms: DemandTerms) -> int:
    """Return the most that a demand can ever cost, micro-yuan; the ledger holds this.

    It is the dearest alternative's limit price times its quantity, the quantity capped by the
    budget at that price. 0 if the budget pays for no alternative.
    """
    return max(
        alternative.limit * _quantity(alternative, terms).chip_hours
        for alternative in terms.alternatives
    )


def resolve_alternatives(terms: DemandTerms, market: Market) -> tuple[Alternative, ...]:
    """Return the alternatives that some pool of the market could serve.

    Requirements become pools, equivalences and the budget become quantities. An alternative
    that no pool fits, or that the budget cannot pay, is left out.
    """
    resolved = []
    for index, alternative in enumerate(terms.alternatives):
        pools = _eligible_pools(alternative, terms, market)
        if not pools:
            continue
        item = _resolve_quantity(index, alternative, terms, pools)
        if item is not None:
            resolved.append(item)
    return tuple(resolved)


class _Quantity(NamedTuple):
    """What an alternative may get at most: nothing if the budget pays for none of it.

    Attributes:
        chips: Chips of a block; 0 of another shape.
        chips_min: The least that a block takes; 0 of another shape.
        at_once: Chips of a flow or of work in one period; 0 of a block.
        chip_hours: Of all.
    """

    chips: int
    chips_min: int
    at_once: int
    chip_hours: int


_NOTHING = _Quantity(0, 0, 0, 0)


def _quantity(alternative: AlternativeTerms, terms: DemandTerms) -> _Quantity:
    shape, limit = terms.shape, alternative.limit
    # A limit of zero never spends, so no budget binds it.
    hours_paid = None if terms.budget is None or limit == 0 else terms.budget // limit
    if shape.type == "block":
        chips = _scaled(shape.chips, alternative)
        chips_min = _scaled(shape.chips_min or shape.chips, alternative)
        if hours_paid is not None:
            chips = min(chips, hours_paid // shape.duration)
        if chips < chips_min:
            return _NOTHING
        return _Quantity(chips, chips_min, 0, chips * shape.duration)
    at_once = _scaled(shape.chips if shape.type == "flow" else shape.chips_max, alternative)
    chip_hours = at_once * (period_of(terms.deadline) - period_of(terms.earliest))
    if shape.type == "work":
        chip_hours = min(chip_hours, _scaled(shape.chip_hours, alternative))
    if hours_paid is not None:
        chip_hours = min(chip_hours, hours_paid)
    return _Quantity(0, 0, at_once, chip_hours)


def _resolve_quantity(
    index: int, alternative: AlternativeTerms, terms: DemandTerms, pools: tuple[str, ...]
) -> Alternative | None:
    shape = terms.shape
    found = _quantity(alternative, terms)
    if found.chip_hours == 0:
        return None
    earliest, deadline = period_of(terms.earliest), period_of(terms.deadline)
    if shape.type == "block":
        return Alternative(
            index=index,
            pools=pools,
            limit=alternative.limit,
            earliest=earliest,
            deadline=deadline,
            chips=found.chips,
            chips_min=found.chips_min,
            duration=shape.duration,
        )
    return Alternative(
        index=index,
        pools=pools,
        limit=alternative.limit,
        earliest=earliest,
        deadline=deadline,
        chips_by_period=(found.at_once,) * (deadline - earliest),
        chip_hours=found.chip_hours,
    )


def _scaled(quantity: int, alternative: AlternativeTerms) -> int:
    return -(-quantity * alternative.equivalence_milli // _MILLI)


def _chips_most(terms: DemandTerms) -> int:
    shape = terms.shape
    chips = shape.chips_max if shape.type == "work" else shape.chips
    return max(_scaled(chips, alternative) for alternative in terms.alternatives)


def _eligible_pools(
    alternative: AlternativeTerms, terms: DemandTerms, market: Market
) -> tuple[str, ...]:
    zones = _eligible_zones(alternative, terms, market)
    chips = [chip.id for chip in market.chips if chip_fits(chip, alternative)]
    return tuple(sorted(pool_key(zone, chip) for zone in zones for chip in chips))


def _eligible_zones(alternative: AlternativeTerms, terms: DemandTerms, market: Market) -> list[str]:
    anywhere = not alternative.zones and not alternative.regions
    reached = zones_with_ways(terms, market)
    zones = [
        zone.id
        for zone in market.zones
        if (anywhere or zone.id in alternative.zones or zone.region in alternative.regions)
        and (reached is None or zone.id in reached)
    ]
    if terms.latency_ms_max is None or terms.user_zone is None:
        return zones
    latency_ms = latencies_from(terms.user_zone, market)
    # A pair that the market does not list is unknown, and unknown is not good enough.
    return [zone for zone in zones if latency_ms.get(zone, 10**9) <= terms.latency_ms_max]


def latencies_from(zone: str, market: Market) -> dict[str, int]:
    """Return the latency in ms from a zone to each zone that the market lists for it."""
    latency_ms = {zone: 0}
    for item in market.latencies:
        if item.a == zone:
            latency_ms[item.b] = item.ms
        elif item.b == zone:
            latency_ms[item.a] = item.ms
    return latency_ms


def chip_fits(chip: ChipClass, alternative: AlternativeTerms) -> bool:
    """Tell whether a chip class may serve an alternative, wherever it stands."""
    if alternative.chips_any_of and chip.id not in alternative.chips_any_of:
        return False
    need = alternative.requirement
    if need is None:
        return True
    return (
        (need.memory_gb_min is None or chip.memory_gb >= need.memory_gb_min)
        and (need.tflops_min is None or chip.tflops >= need.tflops_min)
        and (need.domestic is None or chip.domestic == need.domestic)
    )


def _check_supported(terms: DemandTerms) -> None:
    shape = terms.shape
    is_fixed = shape.type == "block" and shape.chips_min in (None, shape.chips)
    if terms.data_gb and not is_fixed:
        raise _error(
            "validation.data_of_blocks",
            "data_gb",
            str(terms.data_gb),
            Message(
                "0 unless the shape is a block of one size (chips_min null); what divides sends "
                "traffic_gb_per_chip_hour",
                "0(仅固定数量的整块需求可有数据;可分割需求请用 traffic_gb_per_chip_hour)",
            ),
        )
    for zone, gb, zone_name in (
        (terms.data_zone, terms.data_gb, "data_zone"),
        (terms.user_zone, terms.traffic_gb_per_chip_hour, "user_zone"),
    ):
        if gb and zone is None:
            allowed = Message("a zone where GB are sent", "有数据或流量时必须指定区域")
            raise _error("validation.zone_missing", zone_name, "null", allowed)


def _check_alternative(
    path: str, alternative: AlternativeTerms, terms: DemandTerms, market: Market
) -> None:
    _check_price(f"{path}.limit", alternative.limit, market)
    for field, names, known in (
        ("chips_any_of", alternative.chips_any_of, [chip.id for chip in market.chips]),
        ("zones", alternative.zones, [zone.id for zone in market.zones]),
        ("regions", alternative.regions, [zone.region for zone in market.zones]),
    ):
        for name in names:
            _check_known(f"{path}.{field}", name, known)
    fits = any(chip_fits(chip, alternative) for chip in market.chips)
    if not fits or not _eligible_zones(alternative, terms, market):
        raise _no_pool(path, alternative, terms, market)


def _no_pool(
    path: str, alternative: AlternativeTerms, terms: DemandTerms, market: Market
) -> ValidationError:
    fitting = sorted(chip.id for chip in market.chips if chip_fits(chip, alternative))
    if not fitting:
        most_gb = max(chip.memory_gb for chip in market.chips)
        most_tflops = max(chip.tflops for chip in market.chips)
        allowed = Message(
            f"memory_gb_min up to {most_gb}, tflops_min up to {most_tflops}, that one chip has",
            f"同一种芯片所能满足的 memory_gb_min(至多 {most_gb})与 tflops_min(至多 {most_tflops})",
        )
        value = alternative.model_dump_json(include={"chips_any_of", "requirement"})
        return _error("validation.no_chip_fits", f"{path}.requirement", value, allowed)
    reached = zones_with_ways(terms, market)
    if reached is not None and not any(
        _eligible_zones(alternative, terms.model_copy(update={"latency_ms_max": None}), market)
    ):
        names = ", ".join(sorted(reached)) or "-"
        value = ", ".join((*alternative.zones, *alternative.regions)) or "any"
        reach = Message(f"within reach of its links: {names}", f"链路可达的区域({names})")
        return _error("validation.no_route", f"{path}.zones", value, reach)
    latency_ms = latencies_from(terms.user_zone, market) if terms.user_zone else {}
    by_zone = ", ".join(f"{zone} {ms} ms" for zone, ms in sorted(latency_ms.items()))
    return _error(
        "validation.no_zone_fits",
        "latency_ms_max",
        str(terms.latency_ms_max),
        Message(f"by zone: {by_zone}", f"不低于各区域时延之一({by_zone})"),
    )


def _check_known(field: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        names = ", ".join(sorted(set(allowed)))
        said = Message(f"one of {names}", f"以下之一:{names}")
        raise _error("validation.unknown", field, value, said)


def _check_chips(field: str, chips: int, market: Market) -> None:
    most = market.rules.chips_max
    if chips > most:
        allowed = Message(f"at most {most} chips", f"至多 {most} 卡")
        raise _error("validation.too_many_chips", field, str(chips), allowed)


def _check_price(field: str, price: int, market: Market) -> None:
    tick, most = market.rules.tick, market.rules.price_max
    if price % tick:
        below = price // tick * tick
        allowed = Message(
            f"a multiple of the tick {tick}, such as {below} or {below + tick}",
            f"最小变动单位 {tick} 的整数倍,如 {below} 或 {below + tick}",
        )
        raise _error("validation.off_tick", field, str(price), allowed)
    if price > most:
        allowed = Message(f"at most {most} micro-yuan per chip-hour", f"至多每卡时 {most} 微元")
        raise _error("validation.price_out_of_range", field, str(price), allowed)


def _first_given(market: Market, now_period: int) -> int:
    """Return the first period that a round may give after the begin of the running period."""
    if not market.rules.lead_periods:
        return now_period + 1
    return periods_given(market.rules, next_cut(market.rules, period_start(now_period))).start


def _check_window(
    field: str, end: int, *, earliest: int, now_period: int, market: Market, first: int
) -> None:
    if end < earliest:
        least, began = period_text(earliest), period_text(now_period)
        allowed = Message(
            f"at least {least}; the running period began {began}",
            f"不早于 {least}(当前时段始于 {began})",
        )
        raise _error("validation.window_past", field, period_text(end), allowed)
    horizon = periods_ahead(market.rules, last_instant(period_start(now_period + 1))).stop
    if first >= horizon:
        ends = period_text(horizon)
        allowed = Message(
            f"start before {ends}, where the market's horizon ends",
            f"早于 {ends}(市场交付期限的终点)",
        )
        raise _error("validation.window_beyond_horizon", field, period_text(first), allowed)


def _budget_too_small(terms: DemandTerms) -> ValidationError:
    shape = terms.shape
    hours = shape.duration if shape.type == "block" else 1
    least = min(
        alternative.limit
        * hours
        * (_scaled(shape.chips_min or shape.chips, alternative) if shape.type == "block" else 1)
        for alternative in terms.alternatives
    )
    if least == 0:
        above = Message("above 0", "大于 0")
        return _error("validation.no_money", "alternatives.0.limit", "0", above)
    allowed = Message(f"at least {least} micro-yuan", f"至少 {least} 微元")
    return _error("validation.budget_too_small", "budget", str(terms.budget), allowed)


def _error(code: str, field: str, value: str, allowed: Message) -> ValidationError:
    return ValidationError(
        code,
        Message(
            en=f"{field} must be {allowed.en}, was {value}",
            zh=f"{field} 应为{allowed.zh},实际为 {value}",
        ),
        field=field,
        value=value,
        allowed=allowed.en,
    )
