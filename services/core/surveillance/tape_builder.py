"""From the events of one market to the tapes of its days.

Events come from several topics, in any order between them, and some come twice: everything is
kept by its own id, and a day is read once its rounds are whole.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas import events
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import (
    PERIOD_SECONDS,
    TERMINAL_STATES,
    Priority,
    Side,
    period_of,
    pool_key,
)
from services.core.eligibility import resolve_alternatives
from services.core.surveillance.tape import (
    Act,
    ActKind,
    Allocation,
    Curve,
    Round,
    Status,
    Tape,
    Terms,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from schemas.market import Market

DAY_MS = 24 * 3600 * 1000
# The longest horizon is a week: what is older and has not been answered since never will be.
_UNANSWERED_DAYS_MAX = 8

WATCHED: tuple[type[events.Event], ...] = (
    events.MarketDefined,
    events.OfferSubmitted,
    events.OfferAmended,
    events.OrderCancelled,
    events.DemandSubmitted,
    events.DemandAmended,
    events.OrderStatusChanged,
    events.RoundSealed,
    events.RoundCleared,
    events.RoundPrices,
    events.AllocationMade,
    events.RoundClosed,
)
"""Events of a market that make its tape."""

_Message = (
    events.OfferSubmitted
    | events.OfferAmended
    | events.DemandSubmitted
    | events.DemandAmended
    | events.OrderCancelled
)


def milliseconds(instant: datetime) -> int:
    """Return an instant as milliseconds since 1970."""
    return int(instant.timestamp() * 1000)


def subject_of(event: events.Event) -> str:
    """Return what an event is kept and forgotten with: its order, round, market or itself."""
    if isinstance(event, events.AllocationMade):
        # It outlives its round: what an offer has sold is not to be had again.
        return f"allocation:{event.allocation_id}"
    order_id, round_id = getattr(event, "order_id", None), getattr(event, "round_id", None)
    if order_id is not None:
        return f"order:{order_id}"
    if round_id is not None:
        return f"round:{round_id}"
    assert isinstance(event, events.MarketDefined), f"{type(event).__name__} makes no tape"
    return f"market:{event.market.id}"


@dataclass(slots=True)
class _Order:
    messages: dict[str, tuple[int, _Message]] = field(default_factory=dict)
    statuses: dict[int, Status] = field(default_factory=dict)
    acts: dict[str, Act] = field(default_factory=dict)
    # As matching tells it; a message of somebody else about the order was refused.
    owner: str = ""

    @property
    def is_over(self) -> bool:
        last = self.statuses[max(self.statuses)] if self.statuses else None
        return last is not None and last.state in TERMINAL_STATES

    @property
    def last_ms(self) -> int:
        told = [at_ms for at_ms, _ in self.messages.values()]
        return max([*told, *(status.at_ms for status in self.statuses.values())])


@dataclass(slots=True)
class _Round:
    sealed: events.RoundSealed | None = None
    cleared: events.RoundCleared | None = None
    closed: events.RoundClosed | None = None
    prices: dict[int, events.RoundPrices] = field(default_factory=dict)
    made: dict[str, events.AllocationMade] = field(default_factory=dict)
    is_whole: bool = False


class TapeBuilder:
    """Keeps what is needed of one market's events.

    Args:
        market_id: The market.
    """

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self._market: Market | None = None
        self._orders: dict[str, _Order] = defaultdict(_Order)
        self._rounds: dict[str, _Round] = defaultdict(_Round)
        self._earlier: dict[str, events.AllocationMade] = {}

    def add(self, event: events.Event, event_id: str, at_ms: int) -> None:
        """Take in an event of the market; one that came before changes nothing.

        Args:
            event: One of `WATCHED`.
            event_id: Its id.
            at_ms: When it happened on the market's clock.
        """
        match event:
            case events.MarketDefined():
                self._market = event.market
            case events.OrderStatusChanged():
                order = self._orders[event.order_id]
                order.owner = event.participant_id
                order.statuses[event.sequence] = Status(
                    event.order_id, at_ms, event.state, event.round_id or ""
                )
            case events.RoundSealed():
                self._rounds[event.round_id].sealed = event
            case events.RoundCleared():
                self._rounds[event.round_id].cleared = event
            case events.RoundClosed():
                self._rounds[event.round_id].closed = event
            case events.RoundPrices():
                self._rounds[event.round_id].prices[event.part] = event
            case events.AllocationMade():
                self._rounds[event.round_id].made[event.allocation_id] = event
            case (
                events.OfferSubmitted()
                | events.OfferAmended()
                | events.DemandSubmitted()
                | events.DemandAmended()
                | events.OrderCancelled()
            ):
                self._orders[event.order_id].messages.setdefault(event_id, (at_ms, event))
            case _:
                raise AssertionError(type(event).__name__)

    def whole_rounds(self) -> dict[str, events.RoundClosed]:
        """Return the rounds of which everything has come, by id."""
        return {
            round_id: item.closed
            for round_id, item in self._rounds.items()
            if item.closed is not None and self._is_whole(round_id, item)
        }

    def days(self) -> list[int]:
        """Return the days that have a whole round, earliest first."""
        whole = self.whole_rounds().values()
        return sorted({milliseconds(closed.market_time) // DAY_MS for closed in whole})

    def tape(self, day: int, owners: Mapping[str, str]) -> Tape:
        """Return what there is of a day.

        Args:
            day: Days since 1970.
            owners: Participant -> beneficial owner.
        """
        market = self._market
        assert market is not None, "a round is cleared after its market was defined"
        closed = {
            round_id: found
            for round_id, found in self.whole_rounds().items()
            if milliseconds(found.market_time) // DAY_MS == day
        }
        end_ms = (day + 1) * DAY_MS
        acts = [act for act in self._acts(market) if act.at_ms < end_ms]
        statuses = [
            status
            for order in self._orders.values()
            for status in order.statuses.values()
            if status.at_ms < end_ms
        ]
        rounds = [Round(key, one.seq, milliseconds(one.market_time)) for key, one in closed.items()]
        made = [item for key in closed for item in self._rounds[key].made.values()]
        return Tape(
            market_id=self.market_id,
            day=day,
            acts=tuple(sorted(acts, key=lambda act: (act.at_ms, act.version == 0, act.version))),
            statuses=tuple(sorted(statuses, key=lambda item: item.at_ms)),
            allocations=tuple(map(_allocation, made)),
            rounds=tuple(sorted(rounds, key=lambda item: item.seq)),
            curves=tuple(curve for key in closed for curve in _curves(self._rounds[key])),
            earlier=tuple(map(_allocation, self._before(min(map(_seq, closed), default=0)))),
            owners=dict(owners),
            regions={zone.id: zone.region for zone in market.zones},
        )

    def _before(self, seq: int) -> Iterator[events.AllocationMade]:
        """Yield the allocations of rounds before this one, whether they were let go or not."""
        yield from self._earlier.values()
        for round_id, item in self._rounds.items():
            if _seq(round_id) < seq:
                yield from item.made.values()

    def forget(self, day: int) -> list[str]:
        """Drop a day that is over, with the orders that ended in it; return their subjects."""
        end_ms = (day + 1) * DAY_MS
        over = [
            _seq(round_id)
            for round_id, item in self._rounds.items()
            if item.closed is not None and milliseconds(item.closed.market_time) < end_ms
        ]
        # After a restart a round that was let go is there again with its allocations alone.
        rounds = [one for one in self._rounds if _seq(one) <= max(over, default=-1)]
        old_ms = end_ms - _UNANSWERED_DAYS_MAX * DAY_MS
        orders = [
            order_id
            for order_id, order in self._orders.items()
            if (order.is_over and order.last_ms < end_ms)
            or (not order.statuses and order.last_ms < old_ms)
        ]
        made = dict(self._earlier)
        for round_id in rounds:
            made |= self._rounds.pop(round_id).made
        for order_id in orders:
            del self._orders[order_id]
        self._earlier = {
            key: item
            for key, item in made.items()
            if milliseconds(item.periods[-1].start) >= end_ms
        }
        return [
            *(f"round:{one}" for one in rounds),
            *(f"order:{one}" for one in orders),
            *(f"allocation:{one}" for one in made if one not in self._earlier),
        ]

    def _is_whole(self, round_id: str, item: _Round) -> bool:
        # Once whole it stays so; asked for at every batch, a day's rounds are not gone through.
        item.is_whole = item.is_whole or self._has_all(round_id, item)
        return item.is_whole

    def _has_all(self, round_id: str, item: _Round) -> bool:
        if item.sealed is None or item.cleared is None or self._market is None:
            return False
        if len(item.made) < item.cleared.allocations:
            return False
        parts = next(iter(item.prices.values())).parts if item.prices else 1
        if item.cleared.allocations and len(item.prices) < parts:
            return False
        # The states that a round led to are written after it; with them all earlier ones are read.
        return all(
            any(one.round_id == round_id for one in self._orders[made.demand_id].statuses.values())
            for made in item.made.values()
        )

    def _acts(self, market: Market) -> Iterator[Act]:
        for order in self._orders.values():
            for event_id, (at_ms, message) in order.messages.items():
                if order.owner not in {"", message.participant_id}:
                    continue
                if event_id not in order.acts:
                    order.acts[event_id] = _act(message, at_ms, market)
                yield order.acts[event_id]


def _seq(round_id: str) -> int:
    return int(round_id.rpartition(":")[2])


def _act(message: _Message, at_ms: int, market: Market) -> Act:
    side = Side.OFFER if message.order_id.startswith("off_") else Side.DEMAND
    if isinstance(message, events.OrderCancelled):
        kind, version, terms = ActKind.CANCEL, 0, None
    elif isinstance(message, events.OfferAmended | events.DemandAmended):
        kind, version = ActKind.AMEND, message.expected_version + 1
        terms = _terms(message.terms, market)
    else:
        kind, version, terms = ActKind.SUBMIT, 1, _terms(message.terms, market)
    return Act(message.order_id, message.participant_id, side, kind, at_ms, version, terms)


def _terms(terms: OfferTerms | DemandTerms, market: Market) -> Terms:
    if isinstance(terms, OfferTerms):
        first, end = period_of(terms.start), period_of(terms.end)
        return Terms(
            pools=(pool_key(terms.zone, terms.chip),),
            first=first,
            end=end,
            chips=terms.chips,
            chip_hours=terms.chips * (end - first),
            price=terms.ask,
            is_block=terms.block,
        )
    found = resolve_alternatives(terms, market)
    return Terms(
        pools=tuple(sorted({pool for one in found for pool in one.pools})),
        first=period_of(terms.earliest),
        end=period_of(terms.deadline),
        chips=max((one.chips or max(one.chips_by_period, default=0) for one in found), default=0),
        chip_hours=max((one.chips * one.duration or one.chip_hours for one in found), default=0),
        price=max((one.limit for one in terms.alternatives), default=0),
        alike=_alike(terms),
    )


def _alike(terms: DemandTerms) -> str:
    """Return what a plain demand is but for its limit; empty if it is not plain."""
    bound = (
        terms.budget,
        terms.data_zone,
        terms.latency_ms_max,
        terms.exclusive_group,
        terms.linked_to,
    )
    if (
        len(terms.alternatives) > 1
        or terms.priority is not Priority.STANDARD
        or any(value is not None for value in bound)
        or terms.traffic_gb_per_chip_hour
    ):
        return ""
    plain = terms.alternatives[0].model_copy(update={"limit": 0})
    window = f"{terms.earliest.isoformat()}|{terms.deadline.isoformat()}"
    return f"{plain.model_dump_json()}|{terms.shape.model_dump_json()}|{window}"


def _allocation(made: events.AllocationMade) -> Allocation:
    return Allocation(
        allocation_id=made.allocation_id,
        round_id=made.round_id,
        demand_id=made.demand_id,
        enterprise_id=made.enterprise_id,
        offer_id=made.offer_id,
        offer_version=made.offer_version,
        provider_id=made.provider_id,
        pool=made.pool,
        periods=tuple((period_of(one.start), one.chips, one.price) for one in made.periods),
    )


def _curves(item: _Round) -> Iterator[Curve]:
    for event in item.prices.values():
        first = int(event.first_period.timestamp()) // PERIOD_SECONDS
        for curve in event.pools:
            # Without what was traded there is no price to judge.
            if len(curve.chips) == len(curve.prices):
                yield Curve(event.round_id, curve.pool, first, curve.prices, curve.chips)
