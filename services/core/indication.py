"""What the next round would do with the book of now: indicative prices, and how likely orders fill.

The projected book is cleared as it stands, and again several times with a part of its orders left
out, drawn by a hash of the round, the draw and the order: the book of the cut will hold other
orders than that of now, and an order that trades in most of these books is likely to trade in that
one, too. No clock and no chance: the same book and plan give the same answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from services.core.allowances import allowances_of
from services.core.book import Rules
from services.core.book_builder import build_book, horizon_of, leaving
from services.core.clearing.size import LARGE_CHOICES, choices_of
from services.core.mobilisation import is_urgent
from services.core.phases import schedule_of
from services.core.policies import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.market import Market
    from schemas.policies import MarketPolicySet
    from services.core.book import Book, DemandOutcome, OfferOutcome, Result
    from services.core.holdings import Held
    from services.core.orders import Order

_WHOLE_PPM = 1_000_000
# Of books right after a round a quarter is left out, of books right before the next one a fiftieth:
# orders come and go until the cut (docs/benchmarks.md says how well that fits).
_LEFT_OUT_PPM_MAX, _LEFT_OUT_PPM_MIN = 250_000, 20_000
_LEFT_OUT_STEPS = 8
# Each draw costs as much as a clearing, and a clearing grows with the choices in the book.
_DRAWS, _DRAWS_MEDIUM, _DRAWS_LARGE = 8, 4, 2
_MEDIUM_CHOICES = 20_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How often a book is cleared for an indication.

    Attributes:
        draws: Books with a part left out.
        left_out_ppm: The part, in millionths of the orders.
    """

    draws: int
    left_out_ppm: int


@dataclass(frozen=True, slots=True)
class IndicatedPrice:
    """The indicative price of a pool in a period in which something is offered.

    Attributes:
        pool: Pool.
        period: Period.
        price: Price if the book stays as it is, micro-yuan per chip-hour.
        low: Lowest price of all books that were cleared.
        high: Highest.
    """

    pool: str
    period: int
    price: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely the next round fills an order.

    Attributes:
        order_id: The order.
        filled_ppm: Likelihood that all of it is filled that the round can give, in millionths.
        share_ppm: Share of it that is expected to be.
        books: Books that it is taken from.
    """

    order_id: str
    filled_ppm: int
    share_ppm: int
    books: int


@dataclass(frozen=True, slots=True)
class Indication:
    """What a projected book was found to do.

    Attributes:
        prices: By pool and period.
        likelihoods: Of each order in the book, by id.
    """

    prices: tuple[IndicatedPrice, ...]
    likelihoods: tuple[Likelihood, ...]


def projected_book(
    market: Market,
    orders: Sequence[Order],
    policies: Iterable[MarketPolicySet],
    seq: int,
    now: datetime,
    suspended: Mapping[str, str],
    held: Held = MappingProxyType({}),
) -> Book:
    """Return the book that the next ordinary round would take if nothing else came.

    Args:
        market: The market.
        orders: Live orders.
        policies: All versions of all policies of the market.
        seq: Number of that round.
        now: Instant of the market's clock.
        suspended: Participant that may not trade -> why.
        held: What accounts have, for the largest shares among the policies.
    """
    cut_at = schedule_of(market.rules, now).cut_at
    horizon = horizon_of(market, seq, cut_at)
    parents = {order.id: order for order in orders}
    kept = [order for order in orders if not is_urgent(order)]
    gone = {
        order.id for order in leaving(kept, parents, {}, cut_at, horizon.first, suspended)
    }  # fmt: skip
    staying = [order for order in kept if order.id not in gone]
    rules = rows_of(policies, seq)
    return build_book(market, staying, parents, horizon, policies=rules, held=held)


def plan_of(book: Book, market: Market, now: datetime) -> Plan:
    """Return how an indication of a book is made at an instant of the market's clock."""
    schedule = schedule_of(market.rules, now)
    left = (schedule.cut_at - now).total_seconds() / market.rules.round_every_s
    # In steps, so that a book that stays as it is need not be cleared anew with every second.
    steps = min(_LEFT_OUT_STEPS, int(left * _LEFT_OUT_STEPS) + 1)
    left_out = max(_LEFT_OUT_PPM_MIN, _LEFT_OUT_PPM_MAX * steps // _LEFT_OUT_STEPS)
    choices = choices_of(book)
    draws = _DRAWS if choices < _MEDIUM_CHOICES else _DRAWS_MEDIUM
    return Plan(draws if choices < LARGE_CHOICES else _DRAWS_LARGE, left_out)


def indicate(
    book: Book, tick: int, plan: Plan, solve: Callable[[Book, Rules], Result]
) -> Indication:
    """Return what a book and its draws come to.

    Args:
        book: The projected book.
        tick: The market's tick.
        plan: How many draws, and how much each leaves out.
        solve: Clears a book.
    """
    rules = Rules(tick=tick, effort=1)
    books = [book, *(_drawn(book, n, plan.left_out_ppm) for n in range(plan.draws))]
    found = [(one, solve(one, rules)) for one in books]
    return Indication(_prices(found), _likelihoods(book, [result for _, result in found]))


def _drawn(book: Book, number: int, left_out_ppm: int) -> Book:
    def stays(order_id: str) -> bool:
        text = f"{book.round_id}\n{number}\n{order_id}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return drawn % _WHOLE_PPM >= left_out_ppm

    demands = {row.id: row for row in book.demands if stays(row.id)}
    # What is linked to one that is left out cannot be accepted.
    while lost := [row.id for row in demands.values() if row.linked_to not in {None, *demands}]:
        for order_id in lost:
            del demands[order_id]
    offers = tuple(row for row in book.offers if stays(row.id))
    drawn = replace(book, offers=offers, demands=tuple(demands.values()))
    # A share is one of what is there, which is less.
    return replace(drawn, allowances=allowances_of(drawn))


def _prices(found: Sequence[tuple[Book, Result]]) -> tuple[IndicatedPrice, ...]:
    cells: dict[tuple[str, int], list[int]] = {}
    for book, result in found:
        offered = {
            (offer.pool, period)
            for offer in book.offers
            for period, chips in enumerate(offer.chips, offer.start)
            if chips
        }
        curves = dict(result.prices)
        for pool, period in offered:
            price = curves[pool][period - book.first_period]
            # What nobody wants has no price; a draw can only narrow what the whole book offers.
            if price and (book is found[0][0] or (pool, period) in cells):
                cells.setdefault((pool, period), []).append(price)
    return tuple(
        IndicatedPrice(pool, period, prices[0], min(prices), max(prices))
        for (pool, period), prices in sorted(cells.items())
    )


def _likelihoods(book: Book, found: Sequence[Result]) -> tuple[Likelihood, ...]:
    wanted = {row.id: sum(row.chips) for row in book.offers}
    for row in book.demands:
        wanted[row.id] = max(
            item.chips * item.duration or item.chip_hours for item in row.alternatives
        )
    filled: dict[str, list[tuple[int, int]]] = {order_id: [] for order_id in wanted}
    for result in found:
        outcomes: list[OfferOutcome | DemandOutcome] = [*result.offers, *result.demands]
        for outcome in outcomes:
            share = min(_WHOLE_PPM, outcome.chip_hours * _WHOLE_PPM // wanted[outcome.id])
            whole = _WHOLE_PPM if outcome.state == "filled" else 0
            filled[outcome.id].append((whole, share))
    return tuple(
        Likelihood(
            order_id=order_id,
            filled_ppm=_mean([whole for whole, _ in rows]),
            share_ppm=_mean([share for _, share in rows]),
            books=len(rows),
        )
        for order_id, rows in sorted(filled.items())
    )


def _mean(values: Sequence[int]) -> int:
    """Return the mean, with half a hit and half a miss added: a few books prove nothing for sure.

    It is the mean of the posterior under Jeffreys' prior for a share.
    """
    return (sum(values) + _WHOLE_PPM // 2) // (len(values) + 1)


def plan_to_dict(plan: Plan) -> dict[str, int]:
    """Return a plan as JSON."""
    return {"draws": plan.draws, "left_out_ppm": plan.left_out_ppm}


def indication_to_dict(found: Indication) -> dict[str, Any]:
    """Return an indication as JSON."""
    return {
        "prices": [[row.pool, row.period, row.price, row.low, row.high] for row in found.prices],
        "likelihoods": [
            [row.order_id, row.filled_ppm, row.share_ppm, row.books] for row in found.likelihoods
        ],
    }


def indication_from_dict(told: Mapping[str, Any]) -> Indication:
    """Return an indication from its JSON."""
    return Indication(
        tuple(IndicatedPrice(*row) for row in told["prices"]),
        tuple(Likelihood(*row) for row in told["likelihoods"]),
    )
