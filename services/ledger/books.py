"""The working copy of a batch: reads fall through to what is stored, writes are collected.

A round is booked on a fork, which is merged if the whole round keeps the rules and thrown
away if not, so that nothing of a round is ever booked by half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

from schemas.codec import Envelope, derive_id
from services.core.postings import Account, Hold, Transfer, TransferKind, book
from services.ledger.journal import cause_of
from services.ledger.state import (
    UNIT,
    About,
    Entry,
    View,
    cny_account,
    debt_account,
    escrow_account,
    has_floor,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from schemas.events import Event
    from services.ledger.capacity_state import Capacity, OfferVersion, Raise
    from services.ledger.erasure_state import Erasable, ErasureOrder
    from services.ledger.state import (
        Allocation,
        Booked,
        DemandHold,
        Halt,
        Input,
        MoneyOrder,
        OpenPeriod,
        Participant,
        RoundRow,
        Settlement,
        TermsRow,
    )

SOURCE = "/suanli/ledger"
_NOTHING = About()


KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Overlay(Generic[KeyT, ValueT]):
    """A mapping over another that it never writes to.

    `collections.ChainMap` is the same and several times slower at what is done here most.

    Args:
        stored: What lies at the bottom; only read.
        parent: What lies in between.
    """

    __slots__ = ("_parent", "_stored", "changed")

    def __init__(
        self, stored: dict[KeyT, ValueT], parent: Overlay[KeyT, ValueT] | None = None
    ) -> None:
        self.changed: dict[KeyT, ValueT] = {}
        self._stored = stored
        self._parent = parent

    def get(self, key: KeyT) -> ValueT | None:
        """Return the newest value, ``None`` if there is none."""
        layer: Overlay[KeyT, ValueT] | None = self
        while layer is not None:
            if key in layer.changed:
                return layer.changed[key]
            if layer._parent is None:  # noqa: SLF001 - of its own kind
                return layer._stored.get(key)  # noqa: SLF001
            layer = layer._parent  # noqa: SLF001
        return None

    def items(self) -> list[tuple[KeyT, ValueT]]:
        """Return all pairs with their newest values, as of now."""
        below = self._stored if self._parent is None else dict(self._parent.items())
        return list({**below, **self.changed}.items())

    def __getitem__(self, key: KeyT) -> ValueT:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: KeyT) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: KeyT, value: ValueT) -> None:
        self.changed[key] = value


class Books:
    """Everything that a batch reads and changes."""

    def __init__(self, view: View, recorded_at: datetime) -> None:
        self.recorded_at = recorded_at
        self.stored = view
        self.accounts: Overlay[str, Account] = Overlay(view.accounts)
        self.participants: Overlay[str, Participant] = Overlay(view.participants)
        self.demands: Overlay[str, DemandHold] = Overlay(view.demands)
        self.offers: Overlay[str, tuple[OfferVersion, ...]] = Overlay(view.offers)
        self.used: Overlay[tuple[str, int], int] = Overlay(view.used)
        self.capacities: Overlay[tuple[str, int], Capacity] = Overlay(view.capacities)
        self.held: Overlay[tuple[str, int], int] = Overlay(view.held)
        self.asked: Overlay[str, int] = Overlay(view.asked)
        self.allocations: Overlay[str, Allocation] = Overlay(view.allocations)
        self.rounds: Overlay[str, bytes] = Overlay(view.rounds)
        self.last_seq: Overlay[str, int] = Overlay(view.last_seq)
        self.deliveries: Overlay[str, bytes] = Overlay(view.deliveries)
        self.transfers: Overlay[UUID, bytes] = Overlay(view.transfers)
        self.halts: Overlay[str, Halt] = Overlay(view.halts)
        # A settled period is None: it is not there, whatever lies below.
        self.open: Overlay[tuple[str, int], OpenPeriod | None] = Overlay({**view.open})
        self.passable: Overlay[tuple[str, int], int] = Overlay(view.passable)
        # Allocation -> those that were sold on from it.
        self.resold: Overlay[str, tuple[str, ...]] = Overlay(_resold(view.allocations))
        self.terms: Overlay[str, tuple[TermsRow, ...]] = Overlay(view.terms)
        self.money_orders: Overlay[str, MoneyOrder] = Overlay(view.money_orders)
        self.booked: Overlay[UUID, Booked] = Overlay(view.booked)
        self.erasures: Overlay[str, ErasureOrder] = Overlay(view.erasures)
        self.erasable: Overlay[UUID, Erasable] = Overlay(view.erasable)
        self.entries: list[Entry] = []
        self.events: list[Envelope] = []
        self.rounds_new: list[RoundRow] = []
        self.allocations_new: list[Allocation] = []
        self.settlements_new: list[Settlement] = []
        self.terms_new: list[TermsRow] = []
        self.offers_new: list[OfferVersion] = []
        self.resales: list[Input] = []
        self.raises_new: list[Raise] = []

    _MAPS = (
        "accounts",
        "participants",
        "demands",
        "offers",
        "used",
        "capacities",
        "held",
        "asked",
        "allocations",
        "rounds",
        "last_seq",
        "deliveries",
        "transfers",
        "halts",
        "open",
        "passable",
        "resold",
        "terms",
        "money_orders",
        "booked",
        "erasures",
        "erasable",
    )
    _LISTS = (
        "entries",
        "events",
        "rounds_new",
        "allocations_new",
        "settlements_new",
        "terms_new",
        "offers_new",
        "resales",
        "raises_new",
    )

    def fork(self) -> Self:
        """Return a copy whose changes stay its own until it is merged."""
        child = object.__new__(type(self))
        child.recorded_at, child.stored = self.recorded_at, self.stored
        for name in self._MAPS:
            setattr(child, name, Overlay({}, getattr(self, name)))
        for name in self._LISTS:
            setattr(child, name, [])
        return child

    def merge(self, child: Self) -> None:
        """Take over the changes of a fork of this."""
        for name in self._MAPS:
            changed = getattr(child, name).changed
            if changed:
                getattr(self, name).changed.update(changed)
        for name in self._LISTS:
            getattr(self, name).extend(getattr(child, name))

    def resold_of(self, allocation_id: str) -> list[Allocation]:
        """Return the allocations that were sold on from one, by id."""
        return [self.allocations[name] for name in sorted(self.resold.get(allocation_id) or ())]

    def account(self, name: str) -> Account:
        """Return an account, made on first use."""
        found = self.accounts.get(name)
        if found is None:
            found = self.accounts[name] = Account(name, UNIT, floor_zero=has_floor(name))
        return found

    def free(self, participant_id: str) -> int:
        """Return what a participant has and has not reserved."""
        account = self.accounts.get(cny_account(participant_id))
        return account.free() if account is not None else 0

    def owed(self, participant_id: str) -> int:
        """Return what a participant owes the exchange."""
        account = self.accounts.get(debt_account(participant_id))
        return account.debits_posted - account.credits_posted if account is not None else 0

    def transfer(
        self,
        kind: TransferKind,
        ids: tuple[UUID, str, str],
        amount: int,
        envelope: Envelope,
        purpose: str,
        *,
        hold: Hold | None = None,
        about: About = _NOTHING,
        reverses: UUID | None = None,
    ) -> None:
        """Book one transfer.

        Args:
            kind: What it does.
            ids: Its id, the account debited, the account credited.
            amount: Micro-yuan; 0 for `void` and `expire`.
            envelope: The event that causes it.
            purpose: Why, for the journal.
            hold: The open hold that it resolves.
            about: What it is about.
            reverses: The transfer that it takes back.

        Raises:
            HoldError: if there is too little free or the hold does not fit.
            SettleError: if an amount is out of bounds.
        """
        transfer_id, debit, credit = ids
        transfer = Transfer(
            transfer_id, kind, debit, credit, UNIT, amount, hold.id if hold else None, reverses
        )
        gave, got, postings = book(transfer, self.account(debit), self.account(credit), hold)
        self.accounts[debit], self.accounts[credit] = gave, got
        self.entries.append(
            Entry(
                transfer,
                postings,
                purpose,
                envelope.occurred_at,
                cause_of(envelope),
                hold.amount if hold else None,
                about.market_id,
                about.round_id,
                about.order_id,
                hold.expires_at if hold else about.expires_at,
            )
        )

    def emit(self, event: Event, cause: Envelope, *parts: str, participant: str = "") -> None:
        """Queue an event caused by another; its id follows from ``parts`` and the cause."""
        self.events.append(
            Envelope(
                id=derive_id(type(event).__name__, *parts, cause.id),
                source=SOURCE,
                occurred_at=cause.occurred_at,
                recorded_at=self.recorded_at,
                participant_id=participant or "exchange",
                correlation_id=cause.correlation_id,
                causation_id=cause_of(cause),
                traceparent=cause.traceparent,
                data=event,
            )
        )


def _resold(allocations: dict[str, Allocation]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, item in allocations.items():
        if item.resale_of is not None:
            found[item.resale_of] = (*found.get(item.resale_of, ()), name)
    return found


def open_hold(demand: DemandHold) -> Hold | None:
    """Return the open hold of a demand, if it has one."""
    if demand.hold_id is None:
        return None
    return Hold(
        demand.hold_id,
        cny_account(demand.participant_id),
        escrow_account(demand.market_id),
        UNIT,
        demand.amount,
        demand.expires_at,
    )
