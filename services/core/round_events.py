"""The events that tell of a round: sealed, cleared, prices, file, allocations, statuses.

Large contents are cut into parts here, so that no event passes the limit of a message.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from schemas import events, links, shares
from schemas.base import MONEY_MAX_MICRO_YUAN
from schemas.types import period_start
from services.core.link_charges import link_charges
from services.core.order_left import chip_hours_left
from services.core.premiums import missed_worth
from services.core.reasons import Why, why
from services.core.round_outcome import periods_of, prices_by_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.market import Market
    from services.core.book import Book, Pool, Result
    from services.core.orders import DemandOrder, Order

RoundPart: TypeAlias = (
    events.AllocationMade | links.LinkCharged | shares.PremiumAssigned | events.HoldAdjusted
)
"""A record of a round on ``allocations``; `RoundClosed` makes the set whole."""
# Half of what a message may be, so that the last pool of a part cannot pass the limit.
_PRICES_BYTES_MAX = 32 * 1024
_POOLS_MAX = links.LINKS_MAX
CurveT = TypeVar("CurveT", events.PoolCurve, links.LinkCurve)


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What the events of a round share.

    Attributes:
        market: The market.
        round_id: Id of the round.
        seq: Its number.
        market_time: Instant of the seal on the market's clock.
        book: Its book.
        result: Its result.
        status: ``optimal``, ``feasible`` or ``fallback``.
        result_digest: SHA-256 of the result's canonical JSON.
        solve_ms: Real milliseconds that solving and checking took.
    """

    market: Market
    round_id: str
    seq: int
    market_time: datetime
    book: Book
    result: Result
    status: str
    result_digest: str
    solve_ms: int


def wire_reason(reason: Why) -> events.Reason:
    """Return a reason as the wire carries it."""
    return events.Reason(code=reason.code, en=reason.en, zh=reason.zh, params=dict(reason.params))


def status_event(
    order: Order, market: Market, first_period: int, round_id: str | None = None
) -> events.OrderStatusChanged:
    """Return the status of an order as it is.

    Args:
        order: The order, after its change.
        market: Its market.
        first_period: First period that it can still trade in.
        round_id: Round that changed it, ``None`` at intake.
    """
    return events.OrderStatusChanged(
        order_id=order.id,
        market_id=order.market_id,
        participant_id=order.participant_id,
        side=order.side,
        version=order.version,
        state=order.state,
        reason=wire_reason(order.why),
        sequence=order.sequence,
        round_id=round_id,
        chip_hours_allocated=order.chip_hours,
        chip_hours_left=chip_hours_left(order, market, first_period),
    )


def cleared_event(facts: RoundFacts) -> events.RoundCleared:
    """Return a round's result in numbers."""
    book, result = facts.book, facts.result
    pools = {pool.key: pool for pool in book.pools}
    hours = _chip_hours_by_pool(result)
    # The exact bound stands in the round file; the wire's money has a limit of its own.
    bound = min(result.certificate.bound, MONEY_MAX_MICRO_YUAN)
    worth = result.welfare - missed_worth(book, result.shares)
    gap_ppm = (bound - worth) * 1_000_000 // bound if bound else 0
    states = [outcome.state for outcome in result.demands]
    reasons = [outcome.reason.code for outcome in result.demands]
    return events.RoundCleared(
        round_id=facts.round_id,
        market_id=facts.market.id,
        seq=facts.seq,
        market_time=facts.market_time,
        status=facts.status,  # type: ignore[arg-type]
        welfare=result.welfare,
        bound=bound,
        gap_ppm=gap_ppm,
        total_regret=min(result.total_regret, MONEY_MAX_MICRO_YUAN),
        payment=sum(outcome.payment for outcome in result.demands),
        chip_hours=sum(hours.values()),
        chip_hours_domestic=sum(n for key, n in hours.items() if pools[key].domestic),
        tflops_hours=sum(n * pools[key].tflops for key, n in hours.items()),
        tflops_hours_domestic=_tflops_hours_domestic(hours, pools),
        offers=len(book.offers),
        demands=len(book.demands),
        demands_filled=states.count("filled"),
        demands_part_filled=states.count("part-filled"),
        paradoxically_rejected=reasons.count("paradoxically_rejected"),
        allocations=len(result.allocations),
        result_digest=facts.result_digest,
        solve_ms=facts.solve_ms,
    )


def prices_events(facts: RoundFacts) -> list[events.RoundPrices]:
    """Return the clearing prices with what was traded and offered, cut into parts."""
    curves = _pool_curves(facts.book, facts.result)
    parts = _cut_by_size(curves)
    return [
        events.RoundPrices(
            round_id=facts.round_id,
            market_id=facts.market.id,
            first_period=period_start(facts.book.first_period),
            part=part,
            parts=len(parts),
            pools=tuple(pools),
        )
        for part, pools in enumerate(parts)
    ]


def links_events(facts: RoundFacts) -> list[links.RoundLinks]:
    """Return the prices and use of links, cut into parts; none for a market without links."""
    of_book = {link.key: link for link in facts.book.links}
    curves = [
        links.LinkCurve(
            source=of_book[outcome.key].source,
            destination=of_book[outcome.key].destination,
            tariff=of_book[outcome.key].tariff,
            prices=outcome.prices,
            used=outcome.used,
            capacity=of_book[outcome.key].capacity,
        )
        for outcome in facts.result.links
    ]
    parts = _cut_by_size(curves)
    return [
        links.RoundLinks(
            round_id=facts.round_id,
            market_id=facts.market.id,
            first_period=period_start(facts.book.first_period),
            part=part,
            parts=len(parts),
            links=tuple(found),
        )
        for part, found in enumerate(parts)
        if found
    ]


def allocation_id_of(round_id: str, demand: str, offer: str, pool: str, start: int) -> str:
    """Return an allocation's id, derived from what it is, so that a repeat is the same."""
    text = "\n".join((round_id, demand, offer, pool, str(start)))
    digest = hashlib.sha256(text.encode()).digest()
    return "al_" + base64.b32encode(digest).decode().lower()[:26]


def allocation_events(
    facts: RoundFacts, orders: Mapping[str, Order]
) -> list[events.AllocationMade]:
    """Return a round's allocations with their prices, numbered from 0.

    Args:
        facts: The round.
        orders: The book's orders as they were when it was sealed, by id.
    """
    prices = prices_by_pool(facts.result)
    alternatives = {item.id: item.alternative for item in facts.result.demands}
    made = []
    for index, item in enumerate(facts.result.allocations):
        periods = periods_of(item, prices, facts.book.first_period)
        demand, offer = orders[item.demand], orders[item.offer]
        alternative = alternatives[item.demand]
        assert alternative is not None, f"{item.demand}: allocated without an alternative"
        made.append(
            events.AllocationMade(
                allocation_id=allocation_id_of(
                    facts.round_id, item.demand, item.offer, item.pool, item.start
                ),
                round_id=facts.round_id,
                market_id=facts.market.id,
                index=index,
                demand_id=demand.id,
                enterprise_id=demand.participant_id,
                demand_version=demand.version,
                offer_id=offer.id,
                provider_id=offer.participant_id,
                offer_version=offer.version,
                pool=item.pool,
                alternative=alternative,
                periods=tuple(
                    events.AllocatedPeriod(start=period_start(period), chips=chips, price=price)
                    for period, chips, price in periods
                ),
                payment=sum(chips * price for _, chips, price in periods),
            )
        )
    return made


def link_events(
    facts: RoundFacts, orders: Mapping[str, Order], first_index: int
) -> list[links.LinkCharged]:
    """Return what demands pay for links, numbered on.

    Args:
        facts: The round.
        orders: The book's orders as they were when it was sealed, by id.
        first_index: Number of the first.
    """
    return [
        links.LinkCharged(
            round_id=facts.round_id,
            market_id=facts.market.id,
            index=index,
            demand_id=charge.demand,
            enterprise_id=orders[charge.demand].participant_id,
            source=charge.link.source,
            destination=charge.link.destination,
            tariff=charge.link.tariff,
            periods=tuple(
                links.LinkPeriod(start=period_start(t), gb=gb, price=price)
                for t, gb, price in charge.periods
            ),
            payment=charge.payment,
        )
        for index, charge in enumerate(link_charges(facts.book, facts.result), first_index)
    ]


def hold_events(
    facts: RoundFacts, demands: Iterable[DemandOrder], first_index: int
) -> list[events.HoldAdjusted]:
    """Return what the ledger must hold for each of these demands from now on."""
    made = []
    for index, order in enumerate(demands, first_index):
        keep = order.hold_due
        reason = why("hold_reduced", keep=keep) if keep else why("hold_not_needed")
        made.append(
            events.HoldAdjusted(
                round_id=facts.round_id,
                market_id=facts.market.id,
                index=index,
                demand_id=order.id,
                enterprise_id=order.participant_id,
                keep=keep,
                reason=wire_reason(reason),
            )
        )
    return made


def closed_event(
    facts: RoundFacts,
    whole: Sequence[RoundPart],
    offers_through: Sequence[events.OffsetRange],
    demand_through: Sequence[events.OffsetRange],
) -> events.RoundClosed:
    """Return the last record of a round on ``allocations``, which makes the set whole."""
    return events.RoundClosed(
        round_id=facts.round_id,
        market_id=facts.market.id,
        seq=facts.seq,
        count=len(whole),
        digest=set_digest(event.model_dump_json().encode() for event in whole),
        market_time=facts.market_time,
        fee_ppm=facts.market.rules.fee_ppm,
        offers_through=tuple(offers_through),
        demand_through=tuple(demand_through),
    )


def set_digest(values: Iterable[bytes]) -> str:
    """Return SHA-256 over the concatenated SHA-256 of the values, in hexadecimal."""
    whole = hashlib.sha256()
    for value in values:
        whole.update(hashlib.sha256(value).digest())
    return whole.hexdigest()


def _chip_hours_by_pool(result: Result) -> dict[str, int]:
    hours: dict[str, int] = defaultdict(int)
    for allocation in result.allocations:
        hours[allocation.pool] += sum(allocation.chips)
    return hours


def _tflops_hours_domestic(hours: Mapping[str, int], pools: Mapping[str, Pool]) -> int:
    return sum(n * pools[key].tflops for key, n in hours.items() if pools[key].domestic)


def _pool_curves(book: Book, result: Result) -> list[events.PoolCurve]:
    traded = {pool.key: [0] * book.periods for pool in book.pools}
    offered = {pool.key: [0] * book.periods for pool in book.pools}
    for allocation in result.allocations:
        _add(traded[allocation.pool], allocation.start - book.first_period, allocation.chips)
    for offer in book.offers:
        _add(offered[offer.pool], offer.start - book.first_period, offer.chips)
    return [
        events.PoolCurve(
            pool=pool, prices=prices, chips=tuple(traded[pool]), offered=tuple(offered[pool])
        )
        for pool, prices in result.prices
    ]


def _add(total: list[int], at: int, chips: Sequence[int]) -> None:
    for index, count in enumerate(chips, at):
        total[index] += count


def _cut_by_size(curves: Sequence[CurveT]) -> list[list[CurveT]]:
    parts: list[list[CurveT]] = [[]]
    size = 0
    for curve in curves:
        length = len(curve.model_dump_json())
        if parts[-1] and (size + length > _PRICES_BYTES_MAX or len(parts[-1]) == _POOLS_MAX):
            parts.append([])
            size = 0
        parts[-1].append(curve)
        size += length
    return parts
