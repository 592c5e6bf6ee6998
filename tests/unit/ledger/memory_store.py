"""The ledger's store in dictionaries: a fake of the database's port, as strict as that is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from services.ledger.capacity_state import Capacity
from services.ledger.journal import entry_digest
from services.ledger.keys import accounts_behind
from services.ledger.state import Booked, OpenPeriod, View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.core.settlement import Settled
    from services.ledger.state import Batch, Entry, Keys

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def load(all_of: View, keys: Keys) -> View:
    """Return what is stored about keys, and nothing else."""
    # Exactly what was asked for, so that a key that is not asked for is found missing.
    late = {
        place[0]
        for place, found in all_of.open.items()
        for market_id, now in keys.lapsing
        if all_of.allocations[place[0]].market_id == market_id and found.due < now
        and all_of.allocations[place[0]].resale_of is None
    }  # fmt: skip
    sources = {
        version.capacity
        for offer in keys.offers
        for version in all_of.offers.get(offer, ())
        if version.capacity is not None and "/" not in version.capacity
    }
    allocations = _pick(all_of.allocations, _chains(all_of, keys.allocations | late | sources))
    resold = {one.demand_id for name, one in allocations.items() if name in keys.allocations}
    booked = _pick(all_of.booked, keys.reversed)
    behind = accounts_behind(allocations.values(), booked.values())
    return View(
        accounts=_pick(all_of.accounts, keys.accounts | behind),
        participants=_pick(all_of.participants, keys.participants),
        demands=_pick(all_of.demands, keys.demands | resold),
        offers=_pick(all_of.offers, keys.offers),
        used={k: v for k, v in all_of.used.items() if k[0] in keys.offers},
        capacities=_capacities(all_of, keys),
        held={k: v for k, v in all_of.held.items() if k[0] in keys.offers},
        asked=_pick(all_of.asked, keys.offers),
        allocations=allocations,
        open={k: v for k, v in all_of.open.items() if k[0] in allocations},
        passable={k: v for k, v in all_of.passable.items() if k[0] in sources},
        rounds=_pick(all_of.rounds, keys.rounds),
        last_seq=_pick(all_of.last_seq, keys.markets),
        halts=_pick(all_of.halts, keys.markets),
        deliveries=_pick(all_of.deliveries, keys.deliveries),
        transfers=_pick(all_of.transfers, keys.transfers),
        terms=_pick(all_of.terms, keys.markets),
        money_orders=_pick(all_of.money_orders, keys.money_orders),
        booked=booked,
        exposure={name: _exposure(all_of, name) for name in keys.exposed},
    )


def _chains(view: View, ids: Iterable[str]) -> set[str]:
    found, ends = set(ids), set(ids)
    while ends:
        below = view.allocations.values()
        ends = {item.id for item in below if item.resale_of in ends} - found
        found |= ends
    return found


def _capacities(view: View, keys: Keys) -> dict[tuple[str, int], Capacity]:
    wanted = {
        (name, period) for name, first, end in keys.capacities for period in range(first, end)
    }
    wanted |= {
        (version.capacity, place[1])
        for place in view.held
        if place[0] in keys.offers
        for version in view.offers[place[0]]
        if version.capacity is not None
    }
    return _pick(view.capacities, wanted)


def _exposure(view: View, provider: str) -> int:
    found = view.allocations
    return sum(
        -(-item.chips * item.price * found[place[0]].terms.penalty_ppm // 1_000_000)
        + max(0, -sum(p.premium for p in found[place[0]].periods if p.period == place[1]))
        for place, item in view.open.items()
        if found[place[0]].provider_id == provider
    )


def commit(view: View, batch: Batch) -> None:
    """Write a batch, and refuse what the database would."""
    for account in batch.accounts_new:
        assert account.id not in view.accounts
        view.accounts[account.id] = account
    for version, account in batch.accounts_moved:
        assert view.accounts[account.id].version == version
        view.accounts[account.id] = account
    view.participants.update({item.id: item for item in batch.participants})
    view.demands.update({item.order_id: item for item in batch.demands})
    for offer in batch.offers:
        view.offers[offer.offer_id] = (*view.offers.get(offer.offer_id, ()), offer)
    _hold_capacity(view, batch)
    for done in batch.rounds:
        view.rounds[done.round_id] = done.digest
        view.last_seq[done.market_id] = done.seq
    for allocation in batch.allocations:
        view.allocations[allocation.id] = allocation
        for item in allocation.periods:
            place = (allocation.offer_id, item.period)
            view.used[place] = view.used.get(place, 0) + item.chips
            due = allocation.terms.due(item.period)
            view.open[allocation.id, item.period] = OpenPeriod(item.chips, item.price, due)
    for settled in batch.settlements:
        view.deliveries[settled.id] = settled.body_hash
        for period_row in settled.periods:
            found = view.open.pop((settled.allocation_id, period_row.period))
            assert (found.chips, found.price) == (period_row.chips, period_row.price)
            _pass_on(view, settled.allocation_id, period_row)
    for row in batch.terms:
        view.terms[row.market_id] = (*view.terms.get(row.market_id, ()), row)
    view.money_orders.update({item.id: item for item in batch.money_orders})
    for entry in batch.entries:
        view.booked[entry.transfer.id] = booked_of(entry)
        if entry.transfer.reverses is not None:
            taken_back = view.booked[entry.transfer.reverses]
            view.booked[entry.transfer.reverses] = replace(taken_back, is_reversed=True)
        assert entry.transfer.id not in view.transfers, "a transfer is booked once"
        view.transfers[entry.transfer.id] = entry_digest(entry)
    view.halts.update({item.market_id: item for item in batch.halts})


def _pass_on(view: View, allocation: str, settled: Settled) -> None:
    passable, source = view.passable, view.allocations[allocation].resale_of
    place = (allocation, settled.period)
    passable[place] = passable.get(place, 0) + settled.delivered
    if source is not None:
        place = (source, settled.period)
        passable[place] = passable.get(place, 0) - settled.delivered


def _hold_capacity(view: View, batch: Batch) -> None:
    for asked in batch.raises:
        assert asked.asked > view.asked.get(asked.offer_id, 0)
        view.asked[asked.offer_id] = asked.asked
    for (offer, period_held), (chips, restated) in batch.held_moved.items():
        named = next(one.capacity for one in view.offers[offer] if one.version == 1)
        assert named is not None
        less = view.held[offer, period_held] - chips
        grown = [one for one in batch.raises if one.offer_id == offer and one.held]
        assert less > 0 or any(
            chips <= max(one.chips, view.held[offer, period_held])
            and one.first_period <= period_held < one.end_period
            for one in grown
        )
        there = view.capacities[named, period_held]
        view.capacities[named, period_held] = Capacity(restated or there.chips, there.held - less)
        view.held[offer, period_held] = chips
    for offer, period_held, named, stated, chips in batch.held_new:
        place = (named, period_held)
        before = view.capacities.get(place, Capacity(stated, 0)).held
        view.capacities[place] = Capacity(stated, before + chips)
        view.held[offer, period_held] = chips
    assert all(there.held <= there.chips for there in view.capacities.values())


def booked_of(entry: Entry) -> Booked:
    """Return a journal entry as it is loaded for taking it back."""
    transfer = entry.transfer
    return Booked(
        transfer.kind.value,
        entry.purpose,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        entry.market_id,
        entry.round_id,
        entry.order_id,
        is_reversed=False,
    )


def _pick(mapping: dict[KeyT, ValueT], keys: Iterable[KeyT]) -> dict[KeyT, ValueT]:
    return {key: mapping[key] for key in keys if key in mapping}
