"""Clear a large book: layout, ascent, search, prices, outcomes; the same rules as a small one's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.allowance_rows import AllowanceOutcome
from services.core.book import Book, Certificate, LinkOutcome, PriceCurve, Result, Rules
from services.core.clearing.allowance_reasons import Shares
from services.core.clearing.certificate import offer_surpluses
from services.core.clearing.outcome import offer_outcomes
from services.core.clearing.scale.ascent import Ascended, ascend
from services.core.clearing.scale.board import BASE, USED, Board, set_up, value_of
from services.core.clearing.scale.layout import Layout, lay_out
from services.core.clearing.scale.pairs import allocations, offer_use, pair
from services.core.clearing.scale.pricing import find_prices
from services.core.clearing.scale.report import demand_outcomes
from services.core.clearing.scale.respond import Responder
from services.core.clearing.scale.search import PARTS, Search
from services.core.clearing.why_not import left_of
from services.core.codec import book_digest, rules_digest

AnyArray = npt.NDArray[Any]

MOVES_PER_EFFORT = 60_000
"""Moves that take about a second of one core of 2024, whatever the size of the book."""

# Starts that the ascent looks at in about a tenth of a second of one core.
_STARTS_PER_EFFORT = 36_000_000
PHASES = 12
"""Phases of the search; pools are dealt anew in each."""
# Orders of insertion to begin with: wide and sure ones first, or all by what a chip-hour gains.
_SURE_PERCENTS = (10, 100)
# The temperature at which a fall is taken begins at the value of so many chip-hours.
_HOT_HOURS = 4
# More moves for each demand have the time to climb out of deeper valleys: so many make it hotter by
# one more such value.
_MOVES_WARM = 100
_HOT_MAX = 16


@dataclass(frozen=True, slots=True)
class Selected:
    """What a search ended with.

    Attributes:
        board: The selection.
        taken: Block offers taken, as positions in `Supplies.block_pool`.
    """

    board: Board
    taken: tuple[int, ...]


def clear_large(
    book: Book, rules: Rules, *, digest: str | None = None, search: bool = True
) -> Result:
    """Clear a book too large for a solver.

    Args:
        book: What may trade; its money fits 64 bits (`fits_machine_integers`).
        rules: Tick, seed and effort.
        digest: The book's digest where it is known.
        search: Whether to spend the effort; else the first selection stands.

    Returns:
        A result whose ``status`` is ``optimal`` only if its bound equals its welfare.
    """
    layout = lay_out(book, rules)
    responder = Responder(layout)
    ascended = ascend(layout, responder, rules.ascent_steps, at_least(layout, rules.effort))
    selected = select(layout, ascended.prices, rules.effort if search else 0)
    return tell(layout, selected, responder, ascended, digest)


def tell(
    layout: Layout,
    selected: Selected,
    responder: Responder,
    ascended: Ascended,
    digest: str | None,
) -> Result:
    """Return a selection as a result: its prices, the bound, and every order's outcome.

    Args:
        layout: The book.
        selected: The selection.
        responder: Best responses to prices.
        ascended: Prices to start from, and their bound.
        digest: The book's digest where it is known.
    """
    board, taken = selected.board, selected.taken
    priced = find_prices(layout, board, responder, ascended.prices, taken)
    book, pools, offered = layout.book, layout.pools, len(layout.book.offers)
    sent = layout.lanes.capacity - board.links
    given = offer_use(layout, np.concatenate([board.cells[:, :, USED], sent]), taken)
    welfare = welfare_of(layout, selected)
    bound, curve = min(
        (ascended.bound, 1, ascended.prices), (priced.bound, 0, priced.prices), key=lambda c: c[:2]
    )[::2]
    assert bound >= welfare
    left = left_of(book, priced.prices[:pools], list(given[:offered]))
    with ThreadPoolExecutor(1) as aside:
        # Pairing is nearly all compiled code and sorts, outcomes are the interpreter's: together
        # they keep two cores busy.
        pairing = aside.submit(pair, layout, board, given[:offered])
        demands = demand_outcomes(layout, board, priced.prices, priced.answer.surplus, left)
        fragments = pairing.result()
    regrets = _offer_regrets(layout, priced.prices, given)
    offers = offer_outcomes(book, list(given[:offered]), priced.prices[:pools], regrets[:offered])
    links, allowances = _outcomes_beyond(layout, priced.prices, sent, regrets)
    demands = Shares(book, layout.supplies.capacity, priced.prices, allowances).told(demands)
    assert sum(row.payment for row in demands) == sum(row.revenue for row in offers) + int(
        (layout.without_allowances(priced.prices)[pools:] * sent).sum()
    )
    return Result(
        market=book.market,
        round_id=book.round_id,
        book_digest=digest or book_digest(book),
        rules_digest=rules_digest(layout.rules),
        status="optimal" if bound == welfare else "feasible",
        welfare=welfare,
        allocations=allocations(layout, fragments),
        prices=_curves(layout, priced.prices),
        demands=demands,
        offers=offers,
        certificate=certificate_of(layout, curve, bound),
        total_regret=sum(row.regret for row in demands) + sum(regrets),
        links=links,
        allowances=allowances,
    )


def certificate_of(layout: Layout, prices: AnyArray, bound: int) -> Certificate:
    """Return P x T whole prices and their bound as a certificate."""
    beyond, links = _curves_beyond(layout, prices), len(layout.book.links)
    return Certificate(
        prices=_curves(layout, prices),
        bound=bound,
        link_prices=beyond[:links],
        allowance_prices=beyond[links:],
    )


def welfare_of(layout: Layout, selected: Selected) -> int:
    """Return the welfare of a selection at the asks of the layout, micro-yuan."""
    supplies = layout.supplies
    cost = sum(
        int(supplies.block_ask[b]) * int(supplies.block_chips[b].sum()) for b in selected.taken
    )
    return int(value_of(selected.board, True)) - cost  # noqa: FBT003 - compiled code has no keywords


def at_least(layout: Layout, effort: int) -> int:
    """Return the steps of the ascent that a part of the effort pays, however little they gain."""
    spreads = layout.spreads
    starts = int(layout.blocks.starts.sum()) + int(spreads.cell_ptr[-1])
    return effort * _STARTS_PER_EFFORT // max(1, starts)


def select(
    layout: Layout,
    prices: AnyArray,
    effort: int,
    watch: Callable[[Board], None] = lambda _: None,
) -> Selected:
    """Search for a selection.

    Args:
        layout: The book.
        prices: P x T whole prices that steer (the certificate's).
        effort: Search budget, see `MOVES_PER_EFFORT`.
        watch: Shown the selection once the first one is there, and after every phase.
    """
    search, taken = begin(layout, prices)
    moves, hot = heat(layout, search, effort)
    for phase in range(PHASES if moves else 0):
        watch(search.board)
        anneal_phase(search, phase, moves, hot)
    # What the parts could not try: what was dealt to another part, and what seemed hopeless.
    search.insert()
    watch(search.board)
    return Selected(search.board, taken)


def begin(layout: Layout, prices: AnyArray) -> tuple[Search, tuple[int, ...]]:
    """Return a first selection, and the block offers taken.

    Args:
        layout: The book.
        prices: P x T whole prices that steer.
    """
    supplies = layout.supplies
    # A block offer that gains at the ascent's prices is taken, if it comes to be used whole.
    taken = tuple(
        b
        for b, (pool, ask, chips) in enumerate(
            zip(supplies.block_pool, supplies.block_ask, supplies.block_chips, strict=True)
        )
        if int((chips * (prices[pool] - ask)).sum()) >= 0
    )
    while True:
        with ThreadPoolExecutor(len(_SURE_PERCENTS)) as threads:
            each = partial(_inserted, layout, prices, taken)
            # In their order, so that the first of equals is taken whoever ends first.
            search = max(
                threads.map(each, _SURE_PERCENTS),
                key=lambda found: int(value_of(found.board, False)),  # noqa: FBT003
            )
        left = used_whole(layout, search.board, taken)
        if left == taken:
            return search, taken
        taken = left


def used_whole(layout: Layout, board: Board, taken: tuple[int, ...]) -> tuple[int, ...]:
    """Return the block offers taken of which every chip is used."""
    supplies = layout.supplies
    idle = board.cells[:, :, BASE] > board.cells[:, :, USED]
    return tuple(
        b for b in taken
        if not (idle[supplies.block_pool[b]] & (supplies.block_chips[b] > 0)).any()
    )  # fmt: skip


def heat(layout: Layout, search: Search, effort: int) -> tuple[int, int]:
    """Return how many moves a phase has in each part, and the temperature of the first.

    Args:
        layout: The book.
        search: Its search.
        effort: Search budget, see `MOVES_PER_EFFORT`.
    """
    moves = effort * MOVES_PER_EFFORT // (PHASES * PARTS)
    if not layout.demands:
        return moves, 0
    share = min(_HOT_MAX, max(1, moves * PHASES * PARTS // (_MOVES_WARM * layout.demands)))
    return moves, _HOT_HOURS * share * int(np.median(search.limit))


def anneal_phase(search: Search, phase: int, moves: int, hot: int) -> None:
    """Make the moves of a phase, the temperature falling with the phases."""
    search.anneal(moves, hot * (PHASES - phase) // PHASES, hot * (PHASES - phase - 1) // PHASES)


def _inserted(
    layout: Layout, prices: AnyArray, taken: tuple[int, ...], sure_percent: int
) -> Search:
    search = Search(layout, set_up(layout, prices, taken))
    search.insert(sure_percent)
    return search


def _offer_regrets(layout: Layout, prices: AnyArray, given: AnyArray) -> list[int]:
    at = {pool.key: p for p, pool in enumerate(layout.whole.pools)}
    most = offer_surpluses(layout.whole, prices)
    regrets = []
    for o, offer in enumerate(layout.whole.offers):
        realised = int((given[o] * (prices[at[offer.pool]] - offer.ask)).sum())
        regrets.append(max(0, most[o] - realised))
    return regrets


def _curves(layout: Layout, prices: AnyArray) -> tuple[PriceCurve, ...]:
    return tuple(
        (pool.key, tuple(row))
        for pool, row in zip(layout.book.pools, prices[: layout.pools].tolist(), strict=True)
    )


def _curves_beyond(layout: Layout, prices: AnyArray) -> tuple[PriceCurve, ...]:
    keys = [row.key for row in layout.book.links] + [row.key for row in layout.book.allowances]
    rows = prices[layout.pools :].tolist()
    return tuple((key, tuple(row)) for key, row in zip(keys, rows, strict=True))


def _outcomes_beyond(
    layout: Layout, prices: AnyArray, sent: AnyArray, regrets: list[int]
) -> tuple[tuple[LinkOutcome, ...], tuple[AllowanceOutcome, ...]]:
    used, missed = sent.tolist(), regrets[len(layout.book.offers) :]
    rows = [
        (key, curve, tuple(used[n]), missed[n])
        for n, (key, curve) in enumerate(_curves_beyond(layout, prices))
    ]
    count = len(layout.book.links)
    return (
        tuple(LinkOutcome(*row) for row in rows[:count]),
        tuple(AllowanceOutcome(*row) for row in rows[count:]),
    )
