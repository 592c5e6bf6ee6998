"""The least total regret of a result's selection, by an exact LP in fractions.

Rows for every choice of every demand come from the oracle, so nothing of the clearing's own
best responses or price search is used. Solved by the simplex method on the dual with Bland's
rule, which cannot cycle.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from schemas.types import Shape
from services.core.book import Book, Result
from services.core.clearing.oracle import options_of

Cell = tuple[str, int]


class ExactProgram:
    """min cost x, rows x >= right, x >= 0, with cost >= 0."""

    def __init__(self) -> None:
        self.cost: list[int] = []
        self.rows: list[tuple[dict[int, int], int]] = []

    def variable(self, cost: int) -> int:
        assert cost >= 0
        self.cost.append(cost)
        return len(self.cost) - 1

    def row(self, weights: dict[int, int], right: int) -> None:
        self.rows.append((weights, right))

    def least(self) -> Fraction:
        """Return the optimum: max right y, rows^T y <= cost, y >= 0, started at y = 0."""
        count, columns = len(self.cost), len(self.rows)
        table = [[Fraction(0)] * (columns + count + 1) for _ in range(count + 1)]
        for j, (weights, right) in enumerate(self.rows):
            for i, weight in weights.items():
                table[i][j] = Fraction(weight)
            table[count][j] = Fraction(-right)
        for i, cost in enumerate(self.cost):
            table[i][columns + i] = Fraction(1)
            table[i][-1] = Fraction(cost)
        basis = [columns + i for i in range(count)]
        while True:
            enter = next((j for j in range(columns + count) if table[count][j] < 0), None)
            if enter is None:
                return table[count][-1]
            ratios = [
                (table[i][-1] / table[i][enter], basis[i], i)
                for i in range(count)
                if table[i][enter] > 0
            ]
            assert ratios, "no supporting prices"
            _pivot(table, min(ratios)[2], enter)
            basis[min(ratios)[2]] = enter


def _pivot(table: list[list[Fraction]], row: int, column: int) -> None:
    divisor = table[row][column]
    table[row] = [value / divisor for value in table[row]]
    for i, line in enumerate(table):
        factor = line[column]
        if i != row and factor:
            table[i] = [a - factor * b for a, b in zip(line, table[row], strict=True)]


def least_regret(book: Book, result: Result) -> Fraction:
    """Return the least total regret of any prices that support the result's allocations."""
    given: dict[str, dict[Cell, int]] = defaultdict(lambda: defaultdict(int))
    sold: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    floor: dict[Cell, int] = defaultdict(int)
    asks = {offer.id: offer.ask for offer in book.offers}
    for row in result.allocations:
        for t, chips in enumerate(row.chips, start=row.start):
            given[row.demand][row.pool, t] += chips
            sold[row.offer][t] += chips
            floor[row.pool, t] = max(floor[row.pool, t], asks[row.offer])
    program = ExactProgram()
    price = {
        (pool.key, t): program.variable(0)
        for pool in book.pools
        for t in range(book.first_period, book.first_period + book.periods)
    }
    for offer in book.offers:
        _add_offer(program, book, offer.id, price, floor, sold[offer.id])
    chosen = {row.id: row.alternative for row in result.demands}
    for demand in book.demands:
        limits = {row.index: row.limit for row in demand.alternatives}
        use = given[demand.id]
        limit = limits[index] if (index := chosen[demand.id]) is not None else 0
        if use and demand.shape is Shape.BLOCK:
            whole = {price[cell]: -1 for cell in use}
            program.row(whole, sum(floor[cell] for cell in use) - limit * len(use))
        else:
            for cell in use:
                program.row({price[cell]: -1}, floor[cell] - limit)
        regret = program.variable(1)
        for option in options_of(book, demand, 100_000):
            weights: dict[int, int] = defaultdict(int)
            right = option.value - limit * sum(use.values())
            for sign, cells in ((1, dict(option.use)), (-1, use)):
                for cell, chips in cells.items():
                    weights[price[cell]] += sign * chips
                    right -= sign * chips * floor[cell]
            program.row({regret: 1, **weights}, right)
    return program.least()


def _add_offer(
    program: ExactProgram,
    book: Book,
    offer_id: str,
    price: dict[Cell, int],
    floor: dict[Cell, int],
    sold: dict[int, int],
) -> None:
    offer = next(row for row in book.offers if row.id == offer_id)
    cells = {
        t: chips
        for t, chips in enumerate(offer.chips, start=offer.start)
        if (offer.pool, t) in price and chips
    }
    if offer.block:
        if sold or len(cells) < sum(1 for chips in offer.chips if chips):
            return
        beyond = not book.first_period <= offer.start or (
            offer.start + len(offer.chips) > book.first_period + book.periods
        )
        if beyond or not cells:
            return
        gain = program.variable(1)
        right = sum(chips * (floor[offer.pool, t] - offer.ask) for t, chips in cells.items())
        program.row(
            {gain: 1, **{price[offer.pool, t]: -chips for t, chips in cells.items()}}, right
        )
        return
    for t, chips in cells.items():
        left = chips - sold.get(t, 0)
        if left:
            gain = program.variable(left)
            cell = (offer.pool, t)
            program.row({gain: 1, price[cell]: -1}, floor[cell] - offer.ask)
