"""Mobilisations: which are in force, whom they cover, and which serves next.

A mobilisation has rounds of its own. In each cycle of a market, the urgent demand of each that is
in force is cleared first, against all supply in its scope and the reserve at its agreed price; the
ordinary round follows on what is left. So each stage has a book, prices and a certificate of its
own, and "served before all other" is a matter of which book an order is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.types import OrderState, Priority, period_of, period_start, pool_key
from services.core.eligibility import resolve_alternatives
from services.core.errors import Message, ValidationError
from services.core.orders import DemandOrder, Order, moved
from services.core.reasons import why_refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from schemas.market import Market
    from schemas.mobilisation import MobilisationDeclared, MobilisationTerms
    from schemas.orders import DemandTerms


def in_force(
    known: Iterable[MobilisationDeclared], first_period: int
) -> tuple[MobilisationDeclared, ...]:
    """Return the mobilisations that still have periods to give, in the order of service."""
    alive = [one for one in known if period_of(one.terms.end) > first_period]
    return tuple(sorted(alive, key=_order_of))


def _order_of(one: MobilisationDeclared) -> tuple[int, datetime, str]:
    return one.terms.rank, one.terms.start, one.mobilisation_id


def stages_after(
    active: tuple[MobilisationDeclared, ...],
    known: Mapping[str, MobilisationDeclared],
    served: str,
) -> Iterator[MobilisationDeclared]:
    """Yield the mobilisations that are still to be served before the ordinary round.

    Args:
        active: Those in force, in the order of service.
        known: All that were declared and not withdrawn, by id.
        served: The one that the last round served, empty if it was an ordinary round. One that
            was withdrawn since ends the cycle: the ordinary round has waited long enough.
    """
    if not served:
        yield from active
    elif served in known:
        last = _order_of(known[served])
        yield from (one for one in active if _order_of(one) > last)


def scope_of(one: MobilisationDeclared, market: Market) -> frozenset[str]:
    """Return the keys of the pools that a mobilisation may use."""
    terms = one.terms
    anywhere = not terms.zones and not terms.regions
    return frozenset(
        pool_key(zone.id, chip.id)
        for zone in market.zones
        if anywhere or zone.id in terms.zones or zone.region in terms.regions
        for chip in market.chips
        if not terms.chips or chip.id in terms.chips
    )


def is_urgent(order: Order) -> bool:
    """Tell whether an order asks to be served before all other."""
    return isinstance(order, DemandOrder) and order.terms.priority is Priority.URGENT


def check_scope(terms: MobilisationTerms, market: Market) -> None:
    """Check that what a mobilisation names is of the market.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    for field, named, known in (
        ("terms.zones", terms.zones, {zone.id for zone in market.zones}),
        ("terms.regions", terms.regions, {zone.region for zone in market.zones}),
        ("terms.chips", terms.chips, {chip.id for chip in market.chips}),
    ):
        for name in named:
            if name not in known:
                names = ", ".join(sorted(known))
                raise _refusal(field, name, f"one of {names}", f"以下之一:{names}")
    tick = market.rules.tick
    if terms.price_cap % tick:
        raise _refusal(
            "terms.price_cap",
            str(terms.price_cap),
            f"a multiple of the tick {tick}",
            f"最小变动单位 {tick} 的整数倍",
        )


def check_urgent(
    terms: DemandTerms,
    participant_id: str,
    market: Market,
    active: tuple[MobilisationDeclared, ...],
) -> None:
    """Check that a mobilisation in force covers a demand that asks to be urgent.

    Args:
        terms: The demand's terms, valid for the market.
        participant_id: Whose it is.
        market: The market.
        active: Its mobilisations in force.

    Raises:
        ValidationError: with the field, its value and what would do; of several mobilisations,
            what the one says that it fits best.
    """
    if terms.priority is not Priority.URGENT:
        return
    faults = [_fault(terms, participant_id, market, one) for one in active]
    if None in faults:
        return
    steps = [fault for fault in faults if fault is not None]
    if steps:
        raise max(steps, key=lambda fault: fault[0])[1]
    raise _refusal(
        "priority",
        "urgent",
        "standard or interruptible while no mobilisation of the market is in force",
        " standard 或 interruptible(当前市场没有生效的动员)",
    )


def _fault(
    terms: DemandTerms, participant_id: str, market: Market, one: MobilisationDeclared
) -> tuple[int, ValidationError] | None:
    """Return what keeps a mobilisation from covering a demand, and how far it fitted."""
    name = one.mobilisation_id
    if participant_id not in one.terms.participants:
        return 0, _refusal(
            "priority",
            "urgent",
            f"standard or interruptible for all whom {name} does not name",
            f" standard 或 interruptible(动员 {name} 未列入该参与方)",
        )
    start, end = period_of(one.terms.start), period_of(one.terms.end)
    shape = terms.shape
    needed = shape.duration if shape.type == "block" else 1
    low, high = max(start, period_of(terms.earliest)), min(end, period_of(terms.deadline))
    if high - low < needed:
        span = f"{_iso(one.terms.start)} - {_iso(one.terms.end)}"
        return 1, _refusal(
            "deadline",
            _iso(terms.deadline),
            f"such that {needed} hours lie within {span} ({name})",
            f"使 {needed} 小时落在 {span} 之内的时刻({name})",
        )
    scope = scope_of(one, market)
    fitting = [
        item for item in resolve_alternatives(terms, market) if not scope.isdisjoint(item.pools)
    ]
    if not fitting:
        pools = ", ".join(sorted(scope)[:5])
        return 2, _refusal(
            "alternatives",
            ", ".join((*terms.alternatives[0].zones, *terms.alternatives[0].chips_any_of)) or "any",
            f"of the pools {pools} ({name})",
            f"资源池 {pools} 之内({name})",
        )
    cap = one.terms.price_cap
    dear = [item for item in fitting if item.limit > cap]
    if dear:
        return 3, _refusal(
            f"alternatives.{dear[0].index}.limit",
            str(dear[0].limit),
            f"at most the cap {cap} of {name}",
            f"不高于动员 {name} 的价格上限 {cap}",
        )
    return None


def no_longer_urgent(
    orders: Iterable[Order], market: Market, active: tuple[MobilisationDeclared, ...]
) -> list[Order]:
    """Return the urgent demand that no mobilisation in force covers, as it leaves.

    It is not made standard demand: whoever stated a price for an emergency states another one.
    """
    left: list[Order] = []
    for order in orders:
        if not isinstance(order, DemandOrder) or not is_urgent(order):
            continue
        try:
            check_urgent(order.terms, order.participant_id, market, active)
        except ValidationError as error:
            reason = why_refused("not_urgent", error)
            left.append(moved(order, OrderState.CANCELLED, reason))
    return left


def _iso(at: datetime) -> str:
    return period_start(period_of(at)).isoformat().replace("+00:00", "Z")


def _refusal(field: str, value: str, allowed: str, allowed_zh: str) -> ValidationError:
    return ValidationError(
        "validation.mobilisation",
        Message(
            f"{field} must be {allowed}, was {value}", f"{field} 应为{allowed_zh},实际为 {value}"
        ),
        field=field,
        value=value,
        allowed=allowed,
    )
