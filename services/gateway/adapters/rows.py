"""Rows of the gateway's schema as bodies of the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from schemas.api import (
    AllocationView,
    CurveView,
    DemandAmend,
    DemandView,
    EntryView,
    FindingView,
    HoldView,
    MarketView,
    OfferAmend,
    OfferView,
    OrderEvent,
    ParticipantView,
    PriceView,
    RoundFileView,
    RoundView,
)
from schemas.events import DeliveredPeriod, Reason
from schemas.identity import KeyView
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import Side, period_of, period_start
from services.core.holdings import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from services.core.holding_rows import Run

_RECEIVED = Reason(
    code="received",
    en="On the log; waiting for its verdict.",
    zh="已写入日志，等待受理。",
)
_CLEARED_FIELDS = (
    "status",
    "welfare",
    "bound",
    "gap_ppm",
    "total_regret",
    "payment",
    "chip_hours",
    "chip_hours_domestic",
    "tflops_hours",
    "tflops_hours_domestic",
    "demands_filled",
    "demands_part_filled",
    "paradoxically_rejected",
    "allocations",
    "result_digest",
    "solve_ms",
)


def order_view(row: asyncpg.Record) -> OfferView | DemandView:
    """Return an order with its terms, its wished amendment and, for demand, its hold."""
    common: dict[str, Any] = {
        "order_id": row["order_id"],
        "side": row["side"],
        "market_id": row["market_id"],
        "participant_id": row["participant_id"],
        "state": row["state"],
        "version": row["version"],
        "reason": Reason.model_validate_json(row["reason"]) if row["reason"] else _RECEIVED,
        "submitted_at": row["submitted_at"],
        "updated_at": row["updated_at"],
        "round_id": row["round_id"],
        "chip_hours_allocated": row["chip_hours_allocated"],
        "chip_hours_left": row["chip_hours_left"],
        "cancel_requested_at": row["cancel_requested_at"],
        "partition": row["log_partition"],
        "offset": row["log_offset"],
    }
    wished = row["amendment_terms"]
    if row["side"] == Side.OFFER:
        return OfferView(
            **common,
            terms=OfferTerms.model_validate_json(row["terms"]),
            amendment=wished
            and OfferAmend(
                expected_version=row["amendment_version"] - 1,
                terms=OfferTerms.model_validate_json(wished),
            ),
        )
    return DemandView(
        **common,
        terms=DemandTerms.model_validate_json(row["terms"]),
        amendment=wished
        and DemandAmend(
            expected_version=row["amendment_version"] - 1,
            terms=DemandTerms.model_validate_json(wished),
        ),
        hold=row["hold_state"]
        and HoldView(
            state=row["hold_state"],
            version=row["hold_version"],
            amount=row["hold_amount"] or 0,
            needed=row["hold_needed"],
            free=row["hold_free"],
        ),
    )


def terms_of(row: asyncpg.Record) -> OfferTerms | DemandTerms:
    """Return an order's terms."""
    if row["side"] == Side.OFFER:
        return OfferTerms.model_validate_json(row["terms"])
    return DemandTerms.model_validate_json(row["terms"])


def order_event(row: asyncpg.Record) -> OrderEvent:
    """Return something that happened to an order."""
    fields = {name: row[name] for name in OrderEvent.model_fields if name != "reason"}
    reason = row["reason"]
    return OrderEvent(**fields, reason=reason and Reason.model_validate_json(reason))


def participant_view(row: asyncpg.Record) -> ParticipantView:
    """Return a participant."""
    return ParticipantView(**{name: row[name] for name in ParticipantView.model_fields})


def key_view(row: asyncpg.Record) -> KeyView:
    """Return a key without its secret."""
    return KeyView(**{name: row[name] for name in KeyView.model_fields})


def market_view(row: asyncpg.Record) -> MarketView:
    """Return a market."""
    return MarketView(market=Market.model_validate_json(row["body"]), defined_at=row["defined_at"])


def round_view(row: asyncpg.Record) -> RoundView:
    """Return a round; what is not known yet is null."""
    sealed = json.loads(row["sealed"]) if row["sealed"] else {}
    cleared = json.loads(row["cleared"]) if row["cleared"] else {}
    state: Literal["sealed", "cleared", "closed"] = "cleared" if cleared else "sealed"
    if row["closed_at"]:
        state = "closed"
    return RoundView(
        round_id=row["round_id"],
        market_id=row["market_id"],
        seq=row["seq"],
        state=state,
        market_time=row["market_time"],
        offers=cleared.get("offers", sealed.get("offers", 0)),
        demands=cleared.get("demands", sealed.get("demands", 0)),
        **{name: cleared.get(name) for name in _CLEARED_FIELDS},
        book_digest=sealed.get("book_digest"),
        rules_digest=sealed.get("rules_digest"),
        manifest=sealed.get("manifest", ()),
        verified=row["verified"],
        file=RoundFileView(
            state=row["file_state"], sha256=row["file_sha256"], bytes=row["file_bytes"]
        ),
    )


def curve_view(row: asyncpg.Record) -> CurveView:
    """Return a curve."""
    return CurveView(
        kind=row["kind"],
        pool=row["pool"],
        first_period=period_start(row["first_period"]),
        prices=row["prices"],
        chips=row["chips"],
        offered=row["offered"],
    )


def price_view(row: asyncpg.Record) -> PriceView:
    """Return the price of a pool in a period."""
    average = row["average"]
    return PriceView(
        market_id=row["market_id"],
        pool=row["pool"],
        period=period_start(row["period"]),
        price=row["price"],
        chips=row["chips"],
        offered=row["offered"],
        round_id=row["round_id"],
        last=row["last"],
        last_round_id=row["last_round_id"],
        low=row["low"],
        high=row["high"],
        average=None if average is None else int(average),
        chips_total=row["chips_total"],
    )


def allocation_view(row: asyncpg.Record) -> AllocationView:
    """Return an allocation with what was delivered of it."""
    fields = {
        name: row[name]
        for name in AllocationView.model_fields
        if name not in ("periods", "delivered", "resold")
    }
    delivered = json.loads(row["delivered"]) if row["delivered"] else []
    return AllocationView(
        **fields,
        periods=json.loads(row["periods"]),
        delivered=tuple(
            DeliveredPeriod(start=period_start(item["period"]), chips=item["chips"])
            for item in delivered
        ),
        resold=tuple(json.loads(row["resold"] or "[]")),
    )


def entry_view(row: asyncpg.Record, sign: int) -> EntryView:
    """Return a posting as the participant sees it."""
    signed = {"amount": sign * row["amount"], "balance": sign * row["balance_after"]}
    fields = {name: row[name] for name in EntryView.model_fields if name not in signed}
    return EntryView(**fields, **signed)


def finding_view(row: asyncpg.Record) -> FindingView:
    """Return a verdict of the auditor."""
    return FindingView(
        finding_id=row["finding_id"],
        market_id=row["market_id"],
        round_id=row["round_id"],
        kind=row["kind"],
        ok=row["ok"],
        summary=Reason.model_validate_json(row["summary"]),
        problems=json.loads(row["problems"]),
        raised_at=row["raised_at"],
    )


def held(found: Iterable[asyncpg.Record]) -> dict[tuple[str, str], Run]:
    """Return what accounts have of pools."""
    return runs_of(
        (row["participant_id"], row["pool"], period_of(row["start"]), row["chips"]) for row in found
    )
