"""A large book cleared step by step, while its asks are moved by premiums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import Book, Certificate, Result, Rules
from services.core.clearing.links import with_links
from services.core.clearing.resold import pools_of_resales, take_off_resales
from services.core.clearing.scale.ascent import Ascended, Supply, ascend
from services.core.clearing.scale.board import USED, set_up
from services.core.clearing.scale.carry import carry
from services.core.clearing.scale.engine import (
    PHASES,
    Selected,
    anneal_phase,
    at_least,
    begin,
    certificate_of,
    heat,
    select,
    tell,
    used_whole,
)
from services.core.clearing.scale.layout import Layout, lay_out, supplies_of
from services.core.clearing.scale.pairs import offer_use
from services.core.clearing.scale.respond import Responder
from services.core.clearing.scale.search import Search
from services.core.clearing.share_aim import Try
from services.core.clearing.share_ascent import Answer

AnyArray = npt.NDArray[Any]

_NO_BOUND = 2**62


class LargeEngine:
    """Clears one large book at asks that move; see `services.core.clearing.share_search.Engine`.

    Args:
        book: What may trade, in the order of a result.
        rules: Tick, seed and effort.
        digest: The book's digest.
        search: Whether to spend the effort; else first selections stand.
    """

    def __init__(self, book: Book, rules: Rules, digest: str, *, search: bool) -> None:
        self._layout = self._own = lay_out(book, rules)
        self._responder = self._own_responder = Responder(self._layout)
        self._rules, self._digest, self._searches = rules, digest, search
        self._supply = Supply(self._layout.supplies)
        self.capacity = self._layout.supplies.capacity
        self.lowest = self._layout.lanes.lowest(self._layout.shape)
        self.tops = self._layout.lanes.tops(self._layout.shape)
        self.parts = PHASES if search else 0
        self._start = Ascended(np.zeros(self._layout.shape, dtype=np.int64), _NO_BOUND, 0)
        self._search: Search | None = None
        self._taken: tuple[int, ...] = ()

    def start(self) -> AnyArray:
        """Return P x T prices of a small D at the book's own asks."""
        steps = at_least(self._layout, self._rules.effort)
        self._start = ascend(self._layout, self._responder, self._rules.ascent_steps, steps)
        return self._start.prices

    def answer(self, paid: AnyArray, received: AnyArray) -> Answer:
        """Answer to whole prices that demand pays and offers receive."""
        answer = self._own_responder.answer(paid)
        offered, sold = self._supply.answer(received)
        return Answer(float(answer.total + offered), answer.load, sold)

    def certified(self, prices: AnyArray) -> Certificate:
        """Return the bound at whole prices and the book's own asks."""
        bound = self._own_responder.answer(prices).total + self._supply.answer(prices)[0]
        return certificate_of(self._own, prices, bound)

    def plain(self) -> None:
        """Search at the book's own asks, with all the effort."""
        effort = self._rules.effort if self._searches else 0
        selected = select(self._layout, self._start.prices, effort)
        self._hold(Search(self._layout, selected.board), selected.taken)

    def move(self, book: Book, prices: AnyArray) -> None:
        """Go on at other asks, from the selection that there is.

        Args:
            book: The book with its asks moved.
            prices: P x T whole prices that steer.
        """
        self._start = Ascended(prices, _NO_BOUND, 0)
        old = self._search
        chips = [offer.chips for offer in book.offers]
        if chips != [offer.chips for offer in self._layout.book.offers]:
            self._layout, old = lay_out(book, self._rules), None
            self._responder = Responder(self._layout)
        else:
            self._layout = _with_asks(self._layout, book)
        if old is None or not self._searches:
            self._hold(*begin(self._layout, prices))
            return
        held, taken = old.board, self._taken
        while True:
            board = set_up(self._layout, prices, taken)
            carry(held, board)
            old.board = board
            old.insert()
            left = used_whole(self._layout, board, taken)
            if left == taken:
                break
            taken = left
        self._hold(old, taken)

    def improve(self, part: int) -> None:
        """Spend a part of the effort; the last of them, and any beyond, without heat."""
        search = self._held()
        if not self._searches:
            return
        moves, hot = heat(self._layout, search, self._rules.effort)
        if moves:
            anneal_phase(search, min(part, PHASES - 1), moves, hot if part < PHASES else 0)
        if part >= PHASES - 1:
            search.insert()

    def trim(self, tries: Sequence[Try]) -> int:  # noqa: ARG002 - as others do
        """Return that of the selection there is: the moves of this search keep no sums in view."""
        return 0

    def hours(self) -> list[int]:
        """Return the chip-hours used of each pool, what is sold on aside."""
        used = self._held().board.cells[:, :, USED]
        hours: list[int] = used.sum(axis=1).tolist()
        pools = pools_of_resales(self._layout.book)
        if pools:
            given = offer_use(self._layout, used, self._taken, pools)
            take_off_resales(self._layout.book, given, hours)
        return hours

    def told(self) -> Result:
        """Return the selection as a result, at the asks that it was found at."""
        selected = Selected(self._held().board, self._taken)
        return tell(self._layout, selected, self._responder, self._start, self._digest)

    def _hold(self, search: Search, taken: tuple[int, ...]) -> None:
        self._search, self._taken = search, taken

    def _held(self) -> Search:
        assert self._search is not None, "asks are moved before anything is asked"
        return self._search


def _with_asks(layout: Layout, book: Book) -> Layout:
    """Return the layout of a book of which the asks alone are others."""
    book = replace(layout.book, offers=book.offers)
    whole = with_links(book)
    pool_at = {pool.key: p for p, pool in enumerate(whole.pools)}
    supplies, block_offer, step_offers, offer_chips = supplies_of(whole, pool_at, layout.lanes)
    return replace(
        layout,
        book=book,
        whole=whole,
        supplies=supplies,
        block_offer=block_offer,
        step_offers=step_offers,
        offer_chips=offer_chips,
    )
