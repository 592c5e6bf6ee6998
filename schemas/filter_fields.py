"""What each list of the API can be filtered by; `schemas.filters` tells how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from schemas.filters import Field
from schemas.types import OrderState, Priority, Role, Shape

ListName = Literal[
    "offers",
    "demand",
    "history",
    "rounds",
    "prices",
    "statistics",
    "indices",
    "windows",
    "allocations",
    "findings",
    "participants",
    "markets",
    "policies",
    "entries",
    "settlements",
    "settlement-terms",
    "refusals",
    "statement-entries",
    "cases",
]

_STATES = tuple(state.value for state in OrderState)
_ORDER: Final[tuple[Field, ...]] = (
    Field("order_id", "text", "order_id"),
    Field("market_id", "text", "market_id"),
    Field("participant_id", "text", "participant_id"),
    Field("state", "text", "state", _STATES),
    Field("version", "number", "version"),
    Field("round_id", "text", "round_id"),
    Field("submitted_at", "instant", "submitted_at"),
    Field("updated_at", "instant", "updated_at"),
    Field("chip_hours_allocated", "number", "chip_hours_allocated"),
    Field("chip_hours_left", "number", "chip_hours_left"),
)
_POOL: Final[tuple[Field, ...]] = (
    Field("pool", "text", "pool"),
    Field("zone", "text", "pool", part=0),
    Field("chip", "text", "pool", part=1),
)


def _fields(kind: Literal["text", "number", "money", "instant", "flag"], names: str) -> list[Field]:
    return [Field(name, kind, name) for name in names.split()]


_FIELDS: Final[dict[ListName, Iterable[Field]]] = {
    "offers": (
        *_ORDER,
        Field("zone", "text", "terms.zone"),
        Field("chip", "text", "terms.chip"),
        Field("chips", "number", "terms.chips"),
        Field("price", "money", "terms.ask"),
        Field("start", "instant", "terms.start"),
        Field("end", "instant", "terms.end"),
        Field("block", "flag", "terms.block"),
        Field("mobilisable", "flag", "terms.mobilisable"),
    ),
    "demand": (
        *_ORDER,
        Field("shape", "text", "terms.shape.type", tuple(item.value for item in Shape)),
        Field("zone", "text", "terms.alternatives.*.zones.*"),
        Field("region", "text", "terms.alternatives.*.regions.*"),
        Field("chip", "text", "terms.alternatives.*.chips_any_of.*"),
        Field("price", "money", "terms.alternatives.*.limit"),
        Field("start", "instant", "terms.earliest"),
        Field("end", "instant", "terms.deadline"),
        Field("priority", "text", "terms.priority", tuple(item.value for item in Priority)),
        Field("budget", "money", "terms.budget"),
    ),
    "history": (
        *_fields("text", "event_id kind round_id"),
        Field("state", "text", "state", _STATES),
        *_fields("number", "version"),
        *_fields("money", "amount"),
        *_fields("instant", "occurred_at recorded_at"),
    ),
    "rounds": (
        *_fields("text", "round_id market_id"),
        Field("state", "text", "state", ("sealed", "cleared", "closed")),
        Field("status", "text", "status", ("optimal", "feasible", "fallback")),
        *_fields("number", "seq offers demands demands_filled allocations chip_hours gap_ppm"),
        *_fields("money", "welfare payment"),
        *_fields("instant", "market_time"),
        *_fields("flag", "verified"),
    ),
    "prices": (
        *_POOL,
        *_fields("instant", "period"),
        *_fields("money", "price last low high average"),
        *_fields("number", "chips offered chips_total"),
        *_fields("text", "round_id"),
    ),
    "statistics": (
        *_fields("text", "pool chip region"),
        *_fields("instant", "start"),
        *_fields("money", "last min max average value"),
        *_fields("number", "volume"),
    ),
    "indices": (
        *_fields("text", "chip region"),
        *_fields("instant", "start carried_from"),
        *_fields("money", "index"),
        *_fields("number", "volume change_ppm"),
    ),
    "windows": (
        *_fields("text", "chip region"),
        *_fields("instant", "start"),
        *_fields("money", "ask_min limit_max"),
        *_fields("number", "offers offered_chips demands wanted_chips"),
    ),
    "allocations": (
        *_fields("text", "allocation_id market_id round_id demand_id offer_id"),
        *_fields("text", "enterprise_id provider_id"),
        *_POOL,
        *_fields("money", "payment"),
        Field("price", "money", "periods.*.price"),
        Field("chips", "number", "periods.*.chips"),
        Field("period", "instant", "periods.*.start"),
        *_fields("instant", "made_at"),
    ),
    "findings": (
        *_fields("text", "finding_id market_id round_id kind"),
        *_fields("flag", "ok"),
        *_fields("instant", "raised_at"),
    ),
    "participants": (
        *_fields("text", "participant_id name resource_code beneficial_owner"),
        Field("role", "text", "role", tuple(item.value for item in Role)),
        Field("status", "text", "status", ("active", "suspended")),
        *_fields("instant", "registered_at"),
    ),
    "markets": (
        Field("market_id", "text", "market.id"),
        Field("zone", "text", "market.zones.*.id"),
        Field("region", "text", "market.zones.*.region"),
        Field("cloud", "text", "market.zones.*.cloud"),
        Field("chip", "text", "market.chips.*.id"),
        Field("vendor", "text", "market.chips.*.vendor"),
        *_fields("instant", "defined_at"),
    ),
    "policies": (
        Field("policy_id", "text", "policy.policy_id"),
        Field("market_id", "text", "policy.market_id"),
        Field("kind", "text", "policy.rule.kind"),
        Field("version", "number", "policy.version"),
        Field("in_force_from_round", "number", "policy.in_force_from_round"),
        Field("state", "text", "state"),
        *_fields("instant", "set_at"),
    ),
    "entries": (
        *_fields("text", "entry_id kind purpose"),
        Field("layer", "text", "layer", ("posted", "pending")),
        *_fields("money", "amount balance"),
        *_fields("text", "market_id round_id order_id pending_id"),
        *_fields("number", "leaf_index"),
        *_fields("instant", "occurred_at recorded_at"),
    ),
    "settlements": (
        *_fields("text", "settlement_id allocation_id market_id round_id demand_id"),
        *_fields("text", "enterprise_id provider_id"),
        *_fields("flag", "lapsed"),
        *_fields("money", "paid"),
        *_fields("instant", "settled_at"),
    ),
    "settlement-terms": (
        *_fields("text", "market_id"),
        *_fields("number", "version in_force_from_round"),
        *_fields("instant", "set_at"),
    ),
    "refusals": (
        *_fields("text", "order_ref participant_id"),
        *_fields("money", "amount"),
        *_fields("instant", "refused_at"),
    ),
    "statement-entries": (
        *_fields("text", "entry_id account kind purpose"),
        *_fields("money", "amount balance link_tariff link_rent"),
        *_fields("text", "market_id round_id order_id"),
        *_fields("number", "leaf_index"),
        *_fields("instant", "occurred_at recorded_at"),
    ),
    "cases": (
        *_fields("text", "case_id market_id day kind"),
        Field("severity", "text", "severity", ("low", "medium", "high")),
        Field("state", "text", "state", ("open", "under-review", "closed")),
        *_fields("instant", "raised_at"),
    ),
}

FIELDS: Final[Mapping[ListName, tuple[Field, ...]]] = {
    name: tuple(fields) for name, fields in _FIELDS.items()
}
