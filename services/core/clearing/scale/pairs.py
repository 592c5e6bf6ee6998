"""Pair offers with demands of a large selection, as `services.core.clearing.pairing` does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.core.book import Allocation
from services.core.clearing.scale.board import (
    CELLS_LOW,
    CHIPS,
    DURATION,
    FIRST,
    LAST,
    POOL,
    POOLS_LOW,
    ROW,
    RUN_HIGH,
    RUN_LOW,
    START,
    WIDTH,
    Board,
)
from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.layout import Layout

AnyArray = npt.NDArray[Any]


def offer_use(
    layout: Layout, used: AnyArray, taken: tuple[int, ...], pools: Iterable[int] | None = None
) -> AnyArray:
    """Return the chips that each offer of the book gives in each period.

    Divisible offers are used in the order of their supply curve: ask, then rounds waited, then
    the hash of round and order.

    Args:
        layout: The book.
        used: P x T chips used, and GB of links.
        taken: Block offers taken.
        pools: Those whose divisible offers are wanted; by default all.
    """
    supplies, book = layout.supplies, layout.whole
    given = np.zeros((len(book.offers), book.periods), dtype=np.int64)
    left = used.copy()
    for b in taken:
        given[layout.block_offer[b]] = supplies.block_chips[b]
        left[supplies.block_pool[b]] -= supplies.block_chips[b]
    for p in range(layout.shape[0]) if pools is None else pools:
        for k in range(int(supplies.step_ptr[p]), int(supplies.step_ptr[p + 1])):
            for o in layout.step_offers[k]:
                given[o] = np.minimum(left[p], layout.offer_chips[o])
                left[p] -= given[o]
    assert pools is not None or not left.any()
    return given


class Fragments(NamedTuple):
    """Allocations as arrays, sorted by demand, offer and start.

    Attributes:
        demand: Position in the book.
        offer: Position in the book.
        first: First period, relative to the horizon.
        low: First entry in ``chips``.
        high: The entry after its last one.
        level: Whether all its chips are as many as the first.
        chips: Chips of each period, fragment by fragment.
    """

    demand: AnyArray
    offer: AnyArray
    first: AnyArray
    low: AnyArray
    high: AnyArray
    level: AnyArray
    chips: AnyArray


def pair(layout: Layout, board: Board, given: AnyArray) -> Fragments:
    """Return the allocations of a selection; nearly all of it without the interpreter's lock.

    Args:
        layout: The book.
        board: The selection.
        given: Chips of each offer, from `offer_use`.
    """
    user_ptr, users = _users(board, layout.pools)
    pool_at = {pool.key: p for p, pool in enumerate(layout.book.pools)}
    pool_of = np.array([pool_at[offer.pool] for offer in layout.book.offers], dtype=np.int64)
    order = np.argsort(pool_of, kind="stable")
    offer_ptr = np.searchsorted(pool_of[order], np.arange(layout.pools + 1))
    entries = _pair(board, given, user_ptr, users, offer_ptr, order)
    return _fragments(layout, entries)


def allocations(layout: Layout, found: Fragments) -> tuple[Allocation, ...]:
    """Return fragments as the allocations of a result."""
    book, chips = layout.book, found.chips
    rows = zip(
        found.demand.tolist(), found.offer.tolist(), (found.first + book.first_period).tolist(),
        found.low.tolist(), found.high.tolist(), chips[found.low].tolist(), found.level.tolist(),
        strict=True,
    )  # fmt: skip
    return tuple(
        Allocation(
            book.demands[d].id, book.offers[o].id, book.offers[o].pool, t,
            (count,) * (high - low) if same else tuple(chips[low:high].tolist()),
        )
        for d, o, t, low, high, count, same in rows
    )  # fmt: skip


def _users(board: Board, pools: int) -> tuple[AnyArray, AnyArray]:
    """Return the demands with chips in each pool, ascending."""
    blocks = np.flatnonzero(
        (board.demands[:, ROW] >= 0) & (board.demands[:, RUN_LOW] < board.demands[:, RUN_HIGH])
    )
    demand = [blocks]
    pool = [board.runs[board.demands[blocks, ROW], POOL]]
    for d in np.flatnonzero(
        (board.demands[:, ROW] >= 0) & (board.demands[:, RUN_LOW] == board.demands[:, RUN_HIGH])
    ).tolist():
        low, width = board.spreads[board.demands[d, ROW], [POOLS_LOW, WIDTH]].tolist()
        demand.append(np.full(width, d))
        pool.append(board.pools_of[low : low + width])
    demands, where = np.concatenate(demand), np.concatenate(pool)
    order = np.lexsort((demands, where))
    ptr = np.searchsorted(where[order], np.arange(pools + 1))
    return ptr.astype(np.int64), demands[order].astype(np.int64)


@compiled
def _wanted(board: Board, d: int, p: int, row: AnyArray) -> None:
    """Write the chips that an accepted demand uses of a pool in each period."""
    r = board.demands[d, ROW]
    row[:] = 0
    if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
        start = board.demands[d, START]
        row[start : start + board.runs[r, DURATION]] = board.demands[d, CHIPS]
        return
    first, width = board.spreads[r, FIRST], board.spreads[r, WIDTH]
    for n in range(width):
        if board.pools_of[board.spreads[r, POOLS_LOW] + n] == p:
            cell = board.spreads[r, CELLS_LOW] + n
            for t in range(first, board.spreads[r, LAST]):
                row[t] = board.granted[cell]
                cell += width


@allocating
def _pair(
    board: Board,
    given: AnyArray,
    user_ptr: AnyArray,
    users: AnyArray,
    offer_ptr: AnyArray,
    offers: AnyArray,
) -> AnyArray:
    """Return (demand, offer, period, chips); pairs last as far as both sides do."""
    pools, periods = board.room.shape
    entries = np.zeros((8 * len(users) + 64, 4), dtype=np.int64)
    count = 0
    for p in range(pools):
        first, last = user_ptr[p], user_ptr[p + 1]
        begin, end = offer_ptr[p], offer_ptr[p + 1]
        give = np.zeros(end - begin, dtype=np.int64)
        kept_low, kept_high = count, count
        wants = np.zeros((last - first, periods), dtype=np.int64)
        for u in range(first, last):
            _wanted(board, users[u], p, wants[u - first])
        # Period by period, so that a period's wants lie side by side.
        by_period = wants.T.copy()
        for t in range(periods):
            needed = count + kept_high - kept_low + last - first + len(give)
            if needed > len(entries):
                longer = np.zeros((2 * needed, 4), dtype=np.int64)
                longer[:count] = entries[:count]
                entries = longer
            for o in range(begin, end):
                give[o - begin] = given[offers[o], t]
            want = by_period[t]
            now = count
            count = _keep_pairs(entries, kept_low, kept_high, count, t, want, give)
            count = _pair_rest(entries, now, count, t, want, give)
            kept_low, kept_high = now, count
        _globalise(entries, users, offers, first, begin, count)
    return entries[:count]


@compiled
def _keep_pairs(
    entries: AnyArray, low: int, high: int, count: int, t: int, want: AnyArray, give: AnyArray
) -> int:
    """Carry the pairs of the period before over as far as both sides last."""
    for n in range(low, high):
        u, o = entries[n, 0], entries[n, 1]
        same = min(entries[n, 3], want[u], give[o])
        if same > 0:
            entries[count, 0], entries[count, 1] = u, o
            entries[count, 2], entries[count, 3] = t, same
            count += 1
            want[u] -= same
            give[o] -= same
    return count


@compiled
def _pair_rest(
    entries: AnyArray, low: int, count: int, t: int, want: AnyArray, give: AnyArray
) -> int:
    """Pair what is left, both sides in their order."""
    kept = count
    o = 0
    for u in range(len(want)):
        while want[u] > 0:
            while give[o] == 0:
                o += 1
            chips = min(want[u], give[o])
            want[u] -= chips
            give[o] -= chips
            at = count
            for n in range(low, kept):
                if entries[n, 0] == u and entries[n, 1] == o:
                    at = n
            if at == count:
                entries[at, 0], entries[at, 1], entries[at, 2], entries[at, 3] = u, o, t, 0
                count += 1
            entries[at, 3] += chips
    return count


@compiled
def _globalise(
    entries: AnyArray, users: AnyArray, offers: AnyArray, first: int, begin: int, count: int
) -> None:
    """Replace the local numbers of a pool, marked by a period below zero once done."""
    n = count - 1
    while n >= 0 and entries[n, 2] >= 0:
        entries[n, 0] = users[first + entries[n, 0]]
        entries[n, 1] = offers[begin + entries[n, 1]]
        entries[n, 2] = -1 - entries[n, 2]
        n -= 1


def _fragments(layout: Layout, entries: AnyArray) -> Fragments:
    """Join entries of one pair in consecutive periods."""
    demand, offer, period = entries[:, 0], entries[:, 1], -1 - entries[:, 2]
    book = layout.book
    # One key instead of three columns: a third of the time of a sort by each in turn.
    key = (demand * len(book.offers) + offer) * book.periods + period
    order = np.argsort(key, kind="stable")
    key, chips = key[order], entries[order, 3]
    if not len(key):
        return Fragments(key, key, key, key, key, key, chips)
    # The next period of the same pair has the next key; so might the first of the next pair.
    new = np.ones(len(key), dtype=bool)
    new[1:] = (key[1:] != key[:-1] + 1) | (key[1:] % book.periods == 0)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(key))
    pairs, first = np.divmod(key[starts], book.periods)
    level = np.minimum.reduceat(chips, starts) == np.maximum.reduceat(chips, starts)
    demands, offers = np.divmod(pairs, len(book.offers))
    return Fragments(demands, offers, first, starts, ends, level, chips)
