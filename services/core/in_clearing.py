"""What a sealed round may still change, and the records that therefore wait until it is published.

While a round is cleared, the market goes on taking records in. What one of them does must be the
same as if it had come after the round, since that is how whoever reads the log judges it. So a
record is judged at once if the round cannot change what its verdict depends on, and waits for the
round otherwise; and the round changes nothing but what it found at its seal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events
from services.core.intake import order_id_of
from services.core.orders import DemandOrder, OfferOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.core.book import Book
    from services.core.orders import Order


class InClearing:
    """The orders that a sealed round may change: its book, and what follows from it.

    That is demand that leaves because another of its group is accepted, demand whose hold the
    round tells the ledger of, and offers whose reserved hours it passes by.

    Args:
        book: The round's book.
        orders: The orders that are known.
        since: Ids of orders that records changed since the seal, after a restart; of those only
            what is in the book is the round's.
    """

    def __init__(
        self, book: Book, orders: Mapping[str, Order], since: frozenset[str] = frozenset()
    ) -> None:
        in_book = {*(row.id for row in book.offers), *(row.id for row in book.demands)}
        self._groups = {
            order.group
            for order_id in in_book
            if isinstance(order := orders[order_id], DemandOrder) and order.group is not None
        }
        found = {
            order.id for order in orders.values() if order.id not in since and self._follows(order)
        }
        self._ids = in_book | found
        self._waiting: set[str] = set()
        self._sellers: set[str] = set()

    def _follows(self, order: Order) -> bool:
        if isinstance(order, OfferOrder):
            return order.is_live and order.is_held
        return order.has_hold_news or (order.is_live and order.group in self._groups)

    def __contains__(self, order_id: str) -> bool:
        """Return whether what is told about an order waits."""
        return order_id in self._ids or order_id in self._waiting

    def of(self, orders: Mapping[str, Order]) -> list[Order]:
        """Return those of some orders that the round may change."""
        return [order for order_id, order in orders.items() if order_id in self._ids]

    def must_wait(self, event: events.Event, block_offers: Mapping[str, str]) -> bool:
        """Return whether an event waits for the round.

        Args:
            event: An event of the market.
            block_offers: Provider -> its live block offer.
        """
        if isinstance(event, events.HoldCaptured | events.HoldReleased):
            # They tell what the ledger did and change nothing here.
            return False
        order_id = order_id_of(event)
        if order_id is None or order_id in self:
            # What is about the market as a whole is rare and may change how the round ends.
            return True
        match event:
            case events.DemandSubmitted() | events.DemandAmended():
                name = event.terms.exclusive_group
                is_grouped = name is not None and f"{event.participant_id}/{name}" in self._groups
                return is_grouped or (event.terms.linked_to or "") in self
            case events.OfferSubmitted() | events.OfferAmended():
                seller = event.participant_id
                is_open = seller in self._sellers or block_offers.get(seller, "") in self
                return event.terms.block and is_open
            case _:
                return False

    def add(self, event: events.Event) -> None:
        """Let what depends on an event that waits, wait behind it."""
        order_id = order_id_of(event)
        if order_id is not None:
            self._waiting.add(order_id)
        if isinstance(event, events.OfferSubmitted | events.OfferAmended) and event.terms.block:
            self._sellers.add(event.participant_id)
