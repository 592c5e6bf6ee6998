"""What largest shares leave one account after a round, for its quotes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from services.core.allowances import Scope, WantedTogether, scopes_of
from services.core.book import Book
from services.core.clearing.presolve import IntArray
from services.core.holding_rows import Run, within

# More chips than any order asks for.
_NO_END = 2**40


@dataclass(frozen=True, slots=True)
class Own:
    """What the account that asks has already.

    Attributes:
        held: Pool -> what it has there after the round.
        wanted: What it wants with orders that are open, in the periods of the book.
    """

    held: Mapping[str, Run] = field(default_factory=dict)
    wanted: WantedTogether | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """A largest share where what is held, wanted and asked for leave least of it.

    Attributes:
        policy: Id of the rule.
        chip: The chip class.
        pool: Key of the pool.
        start: Absolute period.
        share: Chips that the rule lets one account have there.
        held: Chips that it has.
        wanted: Most chips that its open orders could get there.
        asked: Chips that the order asked about would take, were there no rule.
    """

    policy: str
    chip: str
    pool: str
    start: int
    share: int
    held: int
    wanted: int
    asked: int

    @property
    def left(self) -> int:
        """Return what is left of the share once all of it is there; below 0 what is too much."""
        return self.share - self.held - self.wanted - self.asked


@dataclass(frozen=True, slots=True)
class Limited:
    """What a largest share left where a demand would have got more without it.

    Attributes:
        policy: Id of the rule.
        chip: The chip class.
        pool: Key of the pool.
        start: Absolute period.
        largest: Chips that the account may still get there.
        held: Chips that it has there already.
    """

    policy: str
    chip: str
    pool: str
    start: int
    largest: int
    held: int

    def params(self) -> dict[str, int | str]:
        """Return what of it a reason carries."""
        return {
            "chip": self.chip,
            "held": self.held,
            "largest": self.largest,
            "policy": self.policy,
            "pool": self.pool,
            "start": self.start,
        }


class Allowed:
    """What the largest shares of a cleared book leave an account.

    The chips that are there, offered and given, are those of the book; what the account has is what
    it has after the round.

    Args:
        book: The book.
        held: Pool -> what the account has there.
        is_free: Whether it may get all, as if there were no rules.
    """

    def __init__(self, book: Book, held: Mapping[str, Run], *, is_free: bool = False) -> None:
        self._book = book
        self._scopes: dict[str, list[int]] = {}
        self._rows: list[tuple[Scope, list[int], IntArray]] = []
        for n, scope in enumerate([] if is_free else scopes_of(book)):
            has = [0] * book.periods
            for pool in scope.pools:
                self._scopes.setdefault(pool, []).append(n)
                if pool in held:
                    has = [a + b for a, b in zip(has, within(book, held[pool]), strict=True)]
            self._rows.append((scope, has, np.array(scope.left(has), dtype=np.int64)))

    @property
    def binds(self) -> bool:
        """Return whether there is any rule."""
        return bool(self._rows)

    def fork(self) -> Allowed:
        """Return a copy of which chips are taken by themselves."""
        child = copy(self)
        child._own()  # noqa: SLF001 - of its own kind
        return child

    def _own(self) -> None:
        self._rows = [(scope, has, left.copy()) for scope, has, left in self._rows]

    def room(self, pool: str) -> IntArray:
        """Return how many chips the account may still get of a pool, in each period."""
        room = np.full(self._book.periods, _NO_END, dtype=np.int64)
        for n in self._scopes.get(pool, ()):
            room = np.minimum(room, self._rows[n][2])
        return room

    def at(self, pool: str, t: int) -> int:
        """Return how many chips it may still get of a pool in a relative period."""
        return min((int(self._rows[n][2][t]) for n in self._scopes.get(pool, ())), default=_NO_END)

    def take(self, pool: str, t: int, chips: int) -> None:
        """Count chips of a pool and a relative period as taken."""
        for n in self._scopes.get(pool, ()):
            self._rows[n][2][t] -= chips

    def least(self, rows: Sequence[tuple[str, int, Sequence[int]]]) -> Limited | None:
        """Return where a rule leaves least of what an order would take of all its pools together.

        Args:
            rows: Key of a pool, absolute first period, and the chips in each period from there on;
                where there are none, nothing is limited.
        """
        found: Limited | None = None
        first = self._book.first_period
        for scope, has, left in self._rows:
            for t, pool, asked in _asked(scope, rows, first):
                most = int(left[t])
                if asked > most and (found is None or most < found.largest):
                    found = Limited(scope.policy, scope.chip, pool, first + t, most, has[t])
        return found

    def beside(
        self, rows: Sequence[tuple[str, int, Sequence[int]]], wanted: WantedTogether | None
    ) -> Beside | None:
        """Return where a rule leaves least beside what is wanted already; ``None`` if none rules.

        Args:
            rows: As `least` takes them.
            wanted: What the account wants with orders that are open.
        """
        found: Beside | None = None
        first = self._book.first_period
        for scope, has, _ in self._rows:
            most = [0] * self._book.periods if wanted is None else wanted.most(scope.pools)
            for t, pool, asked in _asked(scope, rows, first):
                rest = scope.share[t], has[t], most[t], asked
                place = Beside(scope.policy, scope.chip, pool, first + t, *rest)
                if found is None or place.left < found.left:
                    found = place
        return found


def _asked(
    scope: Scope, rows: Sequence[tuple[str, int, Sequence[int]]], first: int
) -> Iterator[tuple[int, str, int]]:
    """Yield each relative period in which rows take chips, a pool of it, and how many."""
    asked: dict[int, int] = {}
    pools: dict[int, str] = {}
    for pool, start, chips in rows:
        for t, count in enumerate(chips if pool in scope.pools else (), start - first):
            if count:
                asked[t] = asked.get(t, 0) + count
                pools.setdefault(t, pool)
    for t, count in sorted(asked.items()):
        yield t, pools[t], count
