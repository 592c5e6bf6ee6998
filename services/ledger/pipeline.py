"""One batch is decided while the one before it is committed; commits stay one after the other.

What is decided on is what is stored and, on top of it, what is about to be. If the commit fails,
so does whatever was decided on it: the writer then reads again what is stored.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from services.ledger.journal import entry_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.kit.kafka import Positions
    from services.ledger.ports import Store
    from services.ledger.state import Batch, Keys, View


# A commit has a dozen answers to wait for, each of which would else wait 5 ms for the decision
# beside it.
_SWITCH_S = 0.0005
# A batch of 5,000 transfers makes 50,000 values, none of them in a cycle, and two batches are there
# at a time; by default the collector looks through all that is cached again and again, which is a
# quarter of the client's time.
_COLLECT_AFTER = (200_000, 20, 1_000)


def tune_interpreter() -> None:
    """Set up the process for deciding one batch while another is committed."""
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_COLLECT_AFTER)


class Pipeline:
    """The store, one commit ahead.

    Args:
        store: The database, under the writer's lease.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ahead: Batch | None = None
        self._commit: asyncio.Task[None] | None = None

    async def load(self, keys: Keys) -> View:
        """Return what is stored about these keys once the commit under way is done.

        Raises:
            StoreFailedError: if the database does not answer, or the commit under way failed.
        """
        is_alone = not keys.reversed and not keys.erased
        if self._ahead is not None and not (is_plain(self._ahead) and is_alone):
            await self.drain()
        ahead = self._ahead
        view = await self._store.load(keys)
        return view if ahead is None else overlaid(view, ahead, keys)

    async def commit(
        self, batch: Batch, before: Positions, after: Positions, done: Callable[[], None]
    ) -> None:
        """Begin to commit a batch, after the one before was committed.

        Args:
            batch: What to write.
            before: Positions that are stored then.
            after: Positions to store.
            done: Called once it is committed.

        Raises:
            StoreFailedError: if the commit before failed.
            StaleWriterError: if another writer has taken over.
        """
        # In a thread, so that the commit under way goes on meanwhile.
        await asyncio.to_thread(self._store.prepare, batch)
        await self.drain()

        async def run() -> None:
            await self._store.commit(batch, before, after)
            self._ahead = None
            done()

        self._ahead = batch
        self._commit = asyncio.create_task(run(), name="ledger-commit")

    async def drain(self) -> None:
        """Wait for the commit under way.

        Raises:
            StoreFailedError: if it failed.
            StaleWriterError: if another writer has taken over.
        """
        commit, self._commit = self._commit, None
        if commit is not None:
            # Also if the waiter is cancelled: a commit is never left to itself.
            try:
                await asyncio.shield(commit)
            except asyncio.CancelledError:
                await asyncio.wait([commit])
                raise

    async def forget(self) -> None:
        """Wait for the commit under way, however it ends, and drop what was to be."""
        commit, self._commit, self._ahead = self._commit, None, None
        if commit is not None:
            # Why it failed is known, or of no use any more.
            await asyncio.gather(commit, return_exceptions=True)
        self._store.forget()


def is_plain(batch: Batch) -> bool:
    """Tell whether all that a batch changes can be laid over what is loaded beside it.

    Rounds, settlements, terms and capacities change sums that the database works out; they are
    waited for.
    """
    return not (
        batch.rounds
        or batch.allocations
        or batch.settlements
        or batch.terms
        or batch.money_orders
        or batch.erasures
        or batch.held_new
        or batch.held_moved
        or batch.raises
        or batch.waiting
        or batch.waited
        or batch.halts
    )


def overlaid(view: View, batch: Batch, keys: Keys) -> View:
    """Return a view with what a plain batch makes of it, whether or not it was loaded with it."""
    accounts = {account.id: account for account in batch.accounts_new}
    accounts |= {account.id: account for _, account in batch.accounts_moved}
    people = {item.id: item for item in batch.participants}
    demands = {item.order_id: item for item in batch.demands}
    offers = dict(view.offers)
    for item in batch.offers:
        if item.offer_id in keys.offers and item not in offers.get(item.offer_id, ()):
            offers[item.offer_id] = (*offers.get(item.offer_id, ()), item)
    asked = batch.entries if keys.transfers else ()
    digests = {
        entry.transfer.id: entry_digest(entry)
        for entry in asked
        if entry.transfer.id in keys.transfers
    }
    return replace(
        view,
        # All of them: allocations and reversals name accounts that the keys do not.
        accounts=view.accounts | accounts,
        participants=view.participants
        | {name: people[name] for name in keys.participants & people.keys()},
        demands=view.demands | {name: demands[name] for name in keys.demands & demands.keys()},
        offers=offers,
        transfers=view.transfers | digests,
    )
