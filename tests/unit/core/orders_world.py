"""Orders and views for the tests of order lives, with every field at a plain value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas import events
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from services.core.eligibility import max_spend
from services.core.intake import decide
from services.core.stops import Stops
from services.core.verdicts import Decision, Story, Verdict, View

if TYPE_CHECKING:
    from services.core.orders import Order
    from services.core.verdicts import HoldAnswer

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
OFFER_ID = "off_" + "a" * 26
OTHER_OFFER_ID = "off_" + "b" * 26
DEMAND_ID = "dem_" + "a" * 26
OTHER_ID = "dem_" + "b" * 26
MARKET = Market.model_validate(
    {
        "id": "jjj",
        "name_en": "Beijing-Tianjin-Hebei",
        "name_zh": "京津冀",
        "zones": [
            {"id": "bj-1", "region": "beijing", "name_en": "B", "name_zh": "京", "cloud": "a"},
            {"id": "he-1", "region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "b"},
        ],
        "chips": [
            {"id": "t4", "name": "T4", "vendor": "NVIDIA", "domestic": False}
            | {"memory_gb": 16, "tflops": 65, "lot": 4},
        ],
        "rules": {"tick": 100, "horizon_periods": 24},
    }
)
OFFER = {
    "zone": "bj-1",
    "chip": "t4",
    "chips": 8,
    "start": "2026-11-24T09:00:00Z",
    "end": "2026-11-24T17:00:00Z",
    "ask": 1_000_000,
    "resource_code": "CN.11.0108.BJ01-T4",
}
DEMAND = {
    "shape": {"type": "flow", "chips": 4},
    "alternatives": [{"chips_any_of": ["t4"], "limit": 2_000_000}],
    "earliest": "2026-11-24T09:00:00Z",
    "deadline": "2026-11-24T13:00:00Z",
}


def offer(order_id: str = OFFER_ID, owner: str = "p-1", **terms: object) -> events.OfferSubmitted:
    """Return an offer with some terms replaced."""
    return events.OfferSubmitted(
        order_id=order_id,
        market_id="jjj",
        participant_id=owner,
        terms=OfferTerms.model_validate(OFFER | terms),
    )


def demand(
    order_id: str = DEMAND_ID, owner: str = "e-1", **terms: object
) -> events.DemandSubmitted:
    """Return a demand with some terms replaced."""
    return events.DemandSubmitted(
        order_id=order_id,
        market_id="jjj",
        participant_id=owner,
        terms=DemandTerms.model_validate(DEMAND | terms),
    )


def amended_offer(version: int, owner: str = "p-1", **terms: object) -> events.OfferAmended:
    """Return new terms for the offer."""
    return events.OfferAmended(
        order_id=OFFER_ID,
        market_id="jjj",
        participant_id=owner,
        expected_version=version,
        terms=OfferTerms.model_validate(OFFER | terms),
    )


def amended_demand(version: int, owner: str = "e-1", **terms: object) -> events.DemandAmended:
    """Return new terms for the demand."""
    return events.DemandAmended(
        order_id=DEMAND_ID,
        market_id="jjj",
        participant_id=owner,
        expected_version=version,
        terms=DemandTerms.model_validate(DEMAND | terms),
    )


def placed(version: int = 1, amount: int | None = None, through: int = 0) -> events.HoldPlaced:
    """Return the ledger's yes, for what the plain demand needs."""
    return events.HoldPlaced(
        hold_id="h",
        order_id=DEMAND_ID,
        market_id="jjj",
        participant_id="e-1",
        version=version,
        amount=max_spend(demand().terms) if amount is None else amount,
        booked_through_seq=through,
    )


def refused(version: int = 1, needed: int | None = None) -> events.HoldRefused:
    """Return the ledger's no."""
    return events.HoldRefused(
        order_id=DEMAND_ID,
        market_id="jjj",
        participant_id="e-1",
        version=version,
        needed=max_spend(demand().terms) if needed is None else needed,
        free=5,
        reason=events.Reason(code="hold.insufficient_funds", en="no", zh="不足"),
    )


class Records:
    """Orders that grow as events are judged, one after another."""

    def __init__(self, *before: events.Event, market: Market = MARKET, now: datetime = NOW) -> None:
        self.market = market
        self.now = now
        self.is_mid_cycle = False
        self.stops = Stops()
        self.orders: dict[str, Order] = {}
        self.stash: dict[str, dict[str, HoldAnswer]] = {}
        self.groups: dict[str, str] = {}
        self._offset = 0
        for event in before:
            self.judge(event)

    def judge(self, event: events.Event, event_id: str = "", cause: str = "") -> Decision:
        """Judge an event and take over what it does."""
        blocks = {
            order.participant_id: order.id
            for order in self.orders.values()
            if order.is_live and getattr(order.terms, "block", False)
        }
        view = View(
            self.market,
            self.now,
            self.orders,
            self.stash,
            self.groups,
            blocks,
            is_mid_cycle=self.is_mid_cycle,
            stops=self.stops,
        )
        self._offset += 1
        story = Story(event_id or f"event {self._offset}", cause, "story", self._offset)
        decision = decide(view, event, story)
        for order in decision.orders:
            self.orders[order.id] = order
        for answer in decision.drop:
            del self.stash[answer.order_id][answer.cause]
        if decision.put is not None:
            self.stash.setdefault(decision.put.order_id, {})[decision.put.cause] = decision.put
        return decision

    def verdict(self, event: events.Event, cause: str = "") -> Verdict:
        """Judge an event and return its verdict alone."""
        return self.judge(event, cause=cause).verdict
