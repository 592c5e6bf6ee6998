"""State and reason of every order of a large book, from the tables of its clearing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.types import OrderState, Shape
from services.core.book import BookDemand, DemandOutcome, Reason
from services.core.clearing.link_reasons import no_way
from services.core.clearing.outcome import never_fits, reason_of, with_hints
from services.core.clearing.scale.board import CHIPS, DURATION, GROUP, POOL, ROW, START, Board
from services.core.clearing.scale.layout import Layout
from services.core.clearing.scale.losers import cheapest_places, hints_of
from services.core.clearing.scale.pricing import payments
from services.core.clearing.scale.rents import rented_places
from services.core.clearing.why_not import Left
from services.core.routes import Routes

AnyArray = npt.NDArray[Any]


def demand_outcomes(
    layout: Layout, board: Board, prices: AnyArray, surplus: AnyArray, left: Left
) -> tuple[DemandOutcome, ...]:
    """Return the outcome of every demand, in book order.

    Args:
        layout: The book.
        board: The selection.
        prices: P x T clearing prices, micro-yuan.
        surplus: Best surplus of each demand at these prices.
        left: What the clearing leaves, for what would have let the others trade.
    """
    paid = np.zeros(layout.demands, dtype=np.int64)
    value = np.zeros(layout.demands, dtype=np.int64)
    payments(board, prices, paid, value)
    regret = np.maximum(0, surplus - (value - paid))
    if layout.book.allowances:
        # Nobody pays for an allowance: what it is worth stays with its participant.
        payments(board, layout.without_allowances(prices), paid, value)
    places, dear = cheapest_places(layout, prices)
    full = rented_places(layout, board, prices)
    losers = _Losers(layout, board, places, dear, full)
    winners = _Winners(layout, board)
    reasons: list[Reason] = []
    accepted: list[tuple[str, int | None, int]] = []
    rows = zip(board.demands[:, ROW].tolist(), layout.book.demands, regret.tolist(), strict=True)
    for d, (row, demand, missed) in enumerate(rows):
        if row < 0:
            accepted.append((OrderState.OPEN.value, None, 0))
            reasons.append(losers.reason(d, demand, missed))
        else:
            state, alternative, hours, reason = winners.outcome(d, demand, row)
            accepted.append((state, alternative, hours))
            reasons.append(reason)
    told = with_hints(layout.rules.tick, layout.book.demands, reasons, hints_of, left)
    columns = zip(
        layout.book.demands, accepted, value.tolist(), paid.tolist(), regret.tolist(), told,
        strict=True,
    )  # fmt: skip
    return tuple(
        DemandOutcome(demand.id, state, alternative, hours, worth, price, missed, reason)
        for demand, (state, alternative, hours), worth, price, missed, reason in columns
    )


class _Winners:
    def __init__(self, layout: Layout, board: Board) -> None:
        self._first = layout.book.first_period
        self._keys = [pool.key for pool in layout.book.pools]
        self._start = board.demands[:, START].tolist()
        self._chips = board.demands[:, CHIPS].tolist()
        self._pool, self._duration = board.runs[:, POOL].tolist(), board.runs[:, DURATION].tolist()
        self._run_alternative = layout.blocks.alternative.tolist()
        self._spread_alternative = layout.spreads.alternative.tolist()

    def outcome(self, d: int, demand: BookDemand, row: int) -> tuple[str, int, int, Reason]:
        """Return state, alternative, chip-hours and reason of an accepted demand."""
        chips = self._chips[d]
        if demand.shape is not Shape.BLOCK:
            alternative = demand.alternatives[self._spread_alternative[row]]
            if chips == alternative.chip_hours:
                reason = reason_of("filled", {"chip_hours": chips})
                return OrderState.FILLED.value, alternative.index, chips, reason
            params: dict[str, int | str] = {"asked": alternative.chip_hours, "chip_hours": chips}
            reason = reason_of("part_filled", params)
            return OrderState.PART_FILLED.value, alternative.index, chips, reason
        alternative = demand.alternatives[self._run_alternative[row]]
        params = {
            "chips": chips,
            "pool": self._keys[self._pool[row]],
            "start": self._first + self._start[d],
        }
        hours = chips * self._duration[row]
        if chips < alternative.chips:
            reason = reason_of("curtailed", params | {"asked": alternative.chips})
        else:
            reason = reason_of("filled", params)
        return OrderState.FILLED.value, alternative.index, hours, reason


class _Losers:
    def __init__(
        self,
        layout: Layout,
        board: Board,
        places: AnyArray,
        dear: AnyArray,
        full: dict[int, Reason],
    ) -> None:
        self._full = full
        self._routes = Routes(layout.book.links)
        self._layout = layout
        self._board = board
        self._keys = [pool.key for pool in layout.book.pools]
        self._places, self._dear = places.tolist(), dear.tolist()
        self._limits = layout.blocks.limit.tolist(), layout.spreads.limit.tolist()
        self._alternative = layout.blocks.alternative.tolist(), layout.spreads.alternative.tolist()

    def reason(self, d: int, demand: BookDemand, regret: int) -> Reason:
        """Return why a demand stayed out."""
        if self._places[d][0] < 0:
            blocked = no_way(self._layout.book, self._routes, demand)
            return blocked or never_fits(self._layout.book, self._layout.supplies.capacity, demand)
        bonds, rows = self._layout.bonds, self._board.demands
        group, parent = int(rows[d, GROUP]), int(bonds.parent[d])
        if group >= 0:
            for n in range(int(bonds.member_ptr[group]), int(bonds.member_ptr[group + 1])):
                other = int(bonds.member[n])
                if rows[other, ROW] >= 0:
                    return reason_of(
                        "exclusive_group", {"other": self._layout.book.demands[other].id}
                    )
        if parent >= 0 and rows[parent, ROW] < 0:
            return reason_of("linked_order_out", {"parent": self._layout.book.demands[parent].id})
        if self._dear[d][0] >= 0:
            return reason_of("asks_above_limit", self._params(demand, self._dear[d]))
        if regret == 0 and d in self._full:
            return self._full[d]
        params = self._params(demand, self._places[d])
        if regret > 0:
            return reason_of("paradoxically_rejected", params | {"regret": regret})
        code = "at_the_margin" if params["price"] == params["limit"] else "price_below_clearing"
        return reason_of(code, params)

    def _params(self, demand: BookDemand, place: list[int]) -> dict[str, int | str]:
        row, pool, start, price = place
        spread = demand.shape is not Shape.BLOCK
        alternative = demand.alternatives[self._alternative[spread][row]]
        return {
            "alternative": alternative.index,
            "limit": self._limits[spread][row],
            "pool": self._keys[pool],
            "price": price,
            "start": self._layout.book.first_period + start,
        }
