"""Which demands of a large book only the rent of a full link keeps out, in compiled code.

The same question as `services.core.clearing.link_reasons.link_full`, with the same answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import Reason
from services.core.clearing.link_reasons import full_reason
from services.core.clearing.scale.board import ROW, Board, prefix_sums
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.lanes import (
    DATA_GB,
    DATA_LANE,
    GB,
    HOPS,
    LANE,
    LINKS,
    most_chips,
    sent_cost,
)
from services.core.clearing.scale.layout import Blocks, Layout, Spreads
from services.core.routes import crossing

AnyArray = npt.NDArray[Any]

# Columns of what the scan finds: what is over the limit, row (-1 if none), start or period, chips,
# and the lane of a flow or work.
_OVER, _ROW, _START, _CHIPS, _LANE = 0, 1, 2, 3, 4
_COLUMNS = 5


def rented_places(layout: Layout, board: Board, prices: AnyArray) -> dict[int, Reason]:
    """Return why demands stayed out that have a place whose links' rents alone are too dear.

    Args:
        layout: The book.
        board: The selection.
        prices: P x T clearing prices, those of links among them.
    """
    lanes, book = layout.lanes, layout.book
    if not book.links or not lanes.legs:
        return {}
    found = np.full((layout.demands, _COLUMNS), -1, dtype=np.int64)
    out = np.flatnonzero(board.demands[:, ROW] < 0)
    prices = layout.without_allowances(prices)
    above = prices - lanes.lowest(layout.shape)
    above[: layout.pools] = 0
    _scan(
        layout.blocks, layout.spreads, layout.supplies.room, layout.supplies.smallest,
        prefix_sums(lanes.rows(prices)), prefix_sums(lanes.rows(above)), out, found,
    )  # fmt: skip
    reasons = {}
    for d in np.flatnonzero(found[:, _ROW] >= 0).tolist():
        over, row, start, chips, lane = found[d].tolist()
        if layout.blocks.ptr[d] < layout.blocks.ptr[d + 1]:
            sends, duration = layout.blocks.sends[row].tolist(), int(layout.blocks.duration[row])
            sent = [(sends[DATA_LANE], t, gb) for t, gb in crossing(sends[DATA_GB], start, 0)]
            if sends[GB]:
                traffic = sends[GB] * chips
                sent += [(sends[LANE], t, traffic) for t in range(start, start + duration)]
        else:
            sent = [(lane, start, int(layout.spreads.gb[row]))]
        rents: dict[str, int] = {}
        for at, t, gb in sent:
            legs = lanes.table[at]
            for link, weight in legs[LINKS : LINKS + 2 * legs[HOPS]].reshape(-1, 2).tolist():
                if link < len(book.links):
                    key, rent = book.links[link].key, int(above[layout.pools + link, t])
                    rents[key] = rents.get(key, 0) + gb * weight * rent
        reasons[d] = full_reason(rents, over)
    return reasons


@compiled
def _scan(
    blocks: Blocks,
    spreads: Spreads,
    room: AnyArray,
    smallest: AnyArray,
    sums: AnyArray,
    above: AnyArray,
    out: AnyArray,
    found: AnyArray,
) -> None:
    for d in out:
        for r in range(blocks.ptr[d], blocks.ptr[d + 1]):
            if blocks.sends[r, GB] > 0 or blocks.sends[r, DATA_GB] > 0:
                _scan_run(blocks, smallest, sums, above, r, found[d])
        for r in range(spreads.ptr[d], spreads.ptr[d + 1]):
            for n in range(spreads.pool_ptr[r], spreads.pool_ptr[r + 1]):
                if spreads.lanes[n] >= 0:
                    _scan_cells(spreads, room, sums, above, r, n, found[d])


@compiled
def _scan_run(
    blocks: Blocks, smallest: AnyArray, sums: AnyArray, above: AnyArray, r: int, found: AnyArray
) -> None:
    p, duration, sends = blocks.pool[r], blocks.duration[r], blocks.sends
    for s in range(blocks.first[r], blocks.first[r] + blocks.starts[r]):
        chips = most_chips(smallest, sends, r, p, s, duration, blocks.chips[r])
        if chips < blocks.least[r]:
            continue
        rent = sent_cost(above, sends, r, s, duration, chips)
        over = (sums[p, s + duration] - sums[p, s] - blocks.limit[r] * duration) * chips
        over += sent_cost(sums, sends, r, s, duration, chips)
        if 0 < rent > over and (found[_ROW] < 0 or over < found[_OVER]):
            found[_OVER], found[_ROW], found[_START], found[_CHIPS] = over, r, s, chips


@compiled
def _scan_cells(
    spreads: Spreads,
    room: AnyArray,
    sums: AnyArray,
    above: AnyArray,
    r: int,
    n: int,
    found: AnyArray,
) -> None:
    p, lane, gb = spreads.pools[n], spreads.lanes[n], spreads.gb[r]
    for t in range(spreads.first[r], spreads.last[r]):
        wanted = spreads.chips[spreads.chip_ptr[r] + t - spreads.first[r]]
        if wanted == 0 or room[p, t] == 0 or room[lane, t] < gb:
            continue
        rent = gb * (above[lane, t + 1] - above[lane, t])
        over = sums[p, t + 1] - sums[p, t] - spreads.limit[r]
        over += gb * (sums[lane, t + 1] - sums[lane, t])
        if 0 < rent > over and (found[_ROW] < 0 or over < found[_OVER]):
            found[_OVER], found[_ROW], found[_START] = over, r, t
            found[_CHIPS], found[_LANE] = 1, lane
