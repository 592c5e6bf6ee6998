"""Whether new terms only improve an order: what could be done with it before still can be.

That is what everybody else relies on who acts in the freeze, the last phase before a round takes
the book: a price that was seen there may get better and does not vanish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.types import period_of
from services.core.eligibility import resolve_alternatives
from services.core.order_left import unbudgeted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.market import Market
    from schemas.orders import BlockShape, DemandTerms, OfferTerms, ShapeTerms
    from services.core.book import Alternative
    from services.core.orders import DemandOrder, OfferOrder

Worse = tuple[str, str, str]
"""(field, what it had to be, what it was)."""


def worse_offer(order: OfferOrder, terms: OfferTerms) -> Worse | None:
    """Return what makes an offer worse for others under new terms, ``None`` if nothing does."""
    old = order.terms
    return _first(
        (
            _same("zone", old.zone, terms.zone),
            _same("chip", old.chip, terms.chip),
            _same("resale_of", old.resale_of, terms.resale_of),
            _most("ask", old.ask, terms.ask),
            _least("chips", old.chips, terms.chips),
            _no_later("start", old.start, terms.start),
            _no_earlier("end", old.end, terms.end),
            # What could be taken in part still can be.
            _most("block", old.block, terms.block),
            _least("mobilisable", old.mobilisable, terms.mobilisable),
            _call_price(old, terms),
            _expiry(old.expires_at, terms.expires_at),
        )
    )


def worse_demand(order: DemandOrder, terms: DemandTerms, market: Market) -> Worse | None:
    """Return what makes a demand worse for others under new terms, ``None`` if nothing does.

    Compared is what the terms in force still want, since new terms want theirs beside what was
    allocated before.
    """
    old = order.terms
    if terms.shape.type != old.shape.type:
        return "shape", old.shape.type, terms.shape.type
    return _first(
        (
            *_shapes(old.shape, terms.shape, sum(chips for _, chips in order.allocated)),
            _no_later("earliest", old.earliest, terms.earliest),
            _no_earlier("deadline", old.deadline, terms.deadline),
            _same("priority", old.priority.value, terms.priority.value),
            _same("notice_periods", old.notice_periods, terms.notice_periods),
            _same("data_zone", old.data_zone, terms.data_zone),
            _most("data_gb", old.data_gb, terms.data_gb),
            _same("user_zone", old.user_zone, terms.user_zone),
            _most(
                "traffic_gb_per_chip_hour",
                old.traffic_gb_per_chip_hour,
                terms.traffic_gb_per_chip_hour,
            ),
            _freed("exclusive_group", old.exclusive_group, terms.exclusive_group),
            _freed("linked_to", old.linked_to, terms.linked_to),
            _expiry(old.expires_at, terms.expires_at),
        )
    ) or _first(_alternatives(order, terms, market))


def _first(found: Iterable[Worse | None]) -> Worse | None:
    return next((item for item in found if item is not None), None)


def _shapes(old: ShapeTerms, new: ShapeTerms, taken: int) -> list[Worse | None]:
    if old.type == "block" and new.type == "block":
        return [
            _least("shape.chips", old.chips, new.chips),
            # More chips, all or nothing, find a place where fewer did only if fewer still do.
            _most("shape.chips_min", _chips_min(old), _chips_min(new)),
            _same("shape.duration", old.duration, new.duration),
        ]
    if old.type == "work" and new.type == "work":
        return [
            _least("shape.chip_hours", old.chip_hours - taken, new.chip_hours),
            _least("shape.chips_max", old.chips_max, new.chips_max),
        ]
    assert old.type == "flow"
    assert new.type == "flow"
    return [_least("shape.chips", old.chips, new.chips)]


def _chips_min(shape: BlockShape) -> int:
    return shape.chips if shape.chips_min is None else shape.chips_min


def _alternatives(order: DemandOrder, terms: DemandTerms, market: Market) -> list[Worse | None]:
    """Compare alternatives in their order; further ones may follow."""
    unlimited = terms.model_copy(update={"budget": None})
    new = {item.index: item for item in resolve_alternatives(unlimited, market)}
    left = None if order.terms.budget is None else order.terms.budget - order.spent
    taken = sum(chips for _, chips in order.allocated)
    found: list[Worse | None] = []
    for item in unbudgeted(order, market):
        # A part-filled demand goes on with the one alternative that it was given.
        index = item.index if order.alternative is None else 0
        path = f"alternatives.{index}"
        other = new.get(index)
        if other is None or not set(item.pools) <= set(other.pools):
            pools = () if other is None else other.pools
            found.append((path, ", ".join(item.pools)[:500], ", ".join(pools)[:500] or "-"))
            continue
        found += [
            _least(f"{path}.limit", item.limit, other.limit),
            _most(f"{path}.equivalence_milli", item.chips_min, other.chips_min),
            # A higher limit that the same budget pays for less often asks for less.
            _least("budget", _hours(item, left, taken), _hours(other, terms.budget, 0)),
        ]
    return found


def _hours(item: Alternative, budget: int | None, taken: int) -> int:
    """Return the chip-hours that an alternative asks for, as its money pays for them."""
    hours = (item.chips * item.duration or item.chip_hours) - taken
    return hours if budget is None or item.limit == 0 else min(hours, budget // item.limit)


def _call_price(old: OfferTerms, new: OfferTerms) -> Worse | None:
    if not old.mobilisable or old.mobilisation_price is None or new.mobilisation_price is None:
        return None
    return _most("mobilisation_price", old.mobilisation_price, new.mobilisation_price)


def _same(field: str, old: object, new: object) -> Worse | None:
    return None if old == new else (field, _text(old), _text(new))


def _freed(field: str, old: object, new: object) -> Worse | None:
    return None if new is None else _same(field, old, new)


def _least(field: str, old: int, new: int) -> Worse | None:
    return None if new >= old else (field, f"≥ {_text(old)}", _text(new))


def _most(field: str, old: int, new: int) -> Worse | None:
    return None if new <= old else (field, f"≤ {_text(old)}", _text(new))


def _no_later(field: str, old: datetime, new: datetime) -> Worse | None:
    return None if period_of(new) <= period_of(old) else (field, f"≤ {_text(old)}", _text(new))


def _no_earlier(field: str, old: datetime, new: datetime) -> Worse | None:
    is_kept = period_of(new) >= period_of(old)
    return None if is_kept else (field, f"≥ {_text(old)}", _text(new))


def _expiry(old: datetime | None, new: datetime | None) -> Worse | None:
    if new is None or (old is not None and new >= old):
        return None
    return "expires_at", "null" if old is None else f"≥ {_text(old)}", _text(new)


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    iso = getattr(value, "isoformat", None)
    return str(iso()).replace("+00:00", "Z") if iso is not None else str(value)
