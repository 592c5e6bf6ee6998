"""What a batch of records touches, so that the writer loads it and nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from schemas.capacity import CapacityFreed, CapacityWanted
from schemas.erasures import ErasureOrdered
from schemas.events import (
    DemandAmended,
    DemandSubmitted,
    DepositRecorded,
    OfferAmended,
    OfferSubmitted,
    RoundClosed,
)
from schemas.money import CollateralOrdered, ReversalOrdered
from schemas.types import period_of
from services.core.postings import derive_uuid
from services.ledger import money
from services.ledger.capacity import capacity_named
from services.ledger.deliveries import parties_of
from services.ledger.state import (
    BANK,
    Keys,
    cny_account,
    collateral_account,
    debt_account,
    escrow_account,
    fees_account,
    links_account,
    owner_of,
    penalties_account,
    policy_account,
    premiums_account,
    rents_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.events import Event
    from services.ledger.erasure_state import Erasable
    from services.ledger.state import Allocation, Booked, Input

_KEY_FIELDS = (
    ("participant_id", "participants"),
    ("enterprise_id", "participants"),
    ("provider_id", "participants"),
    ("market_id", "markets"),
    ("round_id", "rounds"),
    ("demand_id", "demands"),
    ("offer_id", "offers"),
    ("allocation_id", "allocations"),
    ("delivery_id", "deliveries"),
)
"""Field of a body -> what it is a key of; `order_id` depends on the topic."""


@dataclass(slots=True)
class _Found:
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    transfers: set[UUID] = field(default_factory=set)
    reversed: set[UUID] = field(default_factory=set)
    erased: set[UUID] = field(default_factory=set)
    lapsing: set[tuple[str, int]] = field(default_factory=set)
    capacities: set[tuple[str, int, int]] = field(default_factory=set)


def keys_of(inputs: Iterable[Input], waiting: Iterable[Input]) -> Keys:
    """Return what has to be loaded to judge these records."""
    found = _Found()
    for item in (*inputs, *waiting):
        body = item.envelope.data
        for field_name, table in _KEY_FIELDS:
            value = getattr(body, field_name, None)
            if value is not None:
                found.names[table].add(value)
        _add_by_type(found, body)
    names = found.names
    own = (cny_account, collateral_account, debt_account)
    market = (
        escrow_account,
        fees_account,
        penalties_account,
        links_account,
        rents_account,
        policy_account,
        premiums_account,
    )
    names["accounts"] = {
        BANK,
        *(name(participant) for participant in names["participants"] for name in own),
        *(name(market_id) for market_id in names["markets"] for name in market),
    }
    return Keys(
        transfers=frozenset(found.transfers),
        reversed=frozenset(found.reversed),
        erased=frozenset(found.erased),
        lapsing=frozenset(found.lapsing),
        capacities=frozenset(found.capacities),
        **{name: frozenset(ids) for name, ids in names.items()},
    )


def accounts_behind(
    allocations: Iterable[Allocation], transfers: Iterable[Booked | Erasable]
) -> frozenset[str]:
    """Return the accounts that records do not name, but what they name does."""
    names = {name for item in allocations for name in parties_of(item)}
    for booked in transfers:
        names |= {booked.debit, booked.credit}
        owners = {owner_of(booked.debit), owner_of(booked.credit)}
        names |= {debt_account(owner) for owner in owners if owner is not None}
    return frozenset(names)


def _add_by_type(found: _Found, body: Event) -> None:
    names = found.names
    match body:
        case OfferSubmitted() | OfferAmended() | CapacityWanted():
            names["offers"].add(body.order_id)
            shared = capacity_named(body)
            found.capacities |= set() if shared is None else {shared}
            if shared is not None and "/" not in shared[0]:
                names["allocations"].add(shared[0])
        case CapacityFreed():
            names["offers"].add(body.order_id)
        case DemandSubmitted() | DemandAmended():
            names["demands"].add(body.order_id)
        case DepositRecorded():
            found.transfers.add(derive_uuid("deposit", body.deposit_id))
        case RoundClosed():
            found.lapsing.add((body.market_id, period_of(body.market_time)))
        case CollateralOrdered(direction="out"):
            names["exposed"].add(body.participant_id)
        case ReversalOrdered():
            entry_id = money.entry_of(body)
            found.reversed |= set() if entry_id is None else {entry_id}
        case ErasureOrdered():
            names["erasures"].add(body.erasure_id)
            found.erased.add(UUID(body.entry_id))
        case _:
            pass
    if isinstance(body, money.ORDERS):
        names["money_orders"].add(money.order_ref(body))
