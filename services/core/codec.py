"""Book, rules and result to JSON values and back; canonical JSON and digests.

The formats are ``suanli.book.v1``, ``suanli.rules.v1``, ``suanli.result.v1`` and the round file
``suanli.round.v1`` that holds one of each (`schemas.formats`, ``schemas/json/``). Reading lives in
`services.core.file_reading`; users of the formats import both ways from here.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from services.core.allowance_rows import allowances_to_dict, outcomes_to_dict
from services.core.file_reading import (
    BOOK_FORMAT,
    RESULT_FORMAT,
    ROUND_FORMAT,
    RULES_FORMAT,
    book_from_dict,
    check_on_tick,
    result_from_dict,
    round_from_dict,
    rules_from_dict,
)
from services.core.holding_rows import holdings_to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.book import (
        Alternative,
        Book,
        BookDemand,
        KeptOut,
        OfferOutcome,
        PriceCurve,
        Reason,
        Result,
        Rules,
    )
    from services.core.reading import Json

__all__ = [
    "BOOK_FORMAT",
    "RESULT_FORMAT",
    "ROUND_FORMAT",
    "RULES_FORMAT",
    "book_digest",
    "book_from_dict",
    "book_to_dict",
    "canonical_json",
    "check_on_tick",
    "digest",
    "result_digest",
    "result_from_dict",
    "result_to_dict",
    "round_from_dict",
    "round_to_dict",
    "rules_digest",
    "rules_from_dict",
    "rules_to_dict",
]


def canonical_json(value: Json) -> bytes:
    """Return canonical JSON: UTF-8, sorted keys, no blanks, no floats."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: Json) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def book_digest(book: Book) -> str:
    """Return the digest of a book, whatever the order of its rows."""
    return digest(book_to_dict(book))


def rules_digest(rules: Rules) -> str:
    """Return the digest of the rules."""
    return digest(rules_to_dict(rules))


def result_digest(result: Result) -> str:
    """Return the digest of a result."""
    return digest(result_to_dict(result))


def book_to_dict(book: Book) -> dict[str, Json]:
    """Return the JSON value of a book, rows sorted."""
    # Absent where nothing is sent over links, as in every file from before there were any.
    links = [
        {
            "key": link.key,
            "source": link.source,
            "destination": link.destination,
            "tariff": link.tariff,
            "capacity": list(link.capacity),
        }
        for link in sorted(book.links, key=lambda link: link.key)
    ]
    return (
        ({"links": links} if links else {})
        | _mobilisation_to_dict(book)
        | _policies_to_dict(book)
        | _kept_out_to_dict(book)
        | holdings_to_dict(book.held)
        | allowances_to_dict(book.allowances)
        | {
            "format": BOOK_FORMAT,
            "market": book.market,
            "round_id": book.round_id,
            "first_period": book.first_period,
            "periods": book.periods,
            "pools": [
                {
                    "key": pool.key,
                    "zone": pool.zone,
                    "region": pool.region,
                    "chip": pool.chip,
                    "domestic": pool.domestic,
                    "tflops": pool.tflops,
                }
                for pool in sorted(book.pools, key=lambda pool: pool.key)
            ],
            **_orders_to_dict(book),
        }
    )


def _orders_to_dict(rows: Book | KeptOut) -> dict[str, Json]:
    return {
        "offers": [
            {
                "id": offer.id,
                "participant": offer.participant,
                "version": offer.version,
                "pool": offer.pool,
                "ask": offer.ask,
                "start": offer.start,
                "chips": list(offer.chips),
                "block": offer.block,
                "rounds_waited": offer.rounds_waited,
            }
            # Absent from what is sold for the first time, as from every file before resales had it.
            | ({"resale": True} if offer.resale else {})
            for offer in sorted(rows.offers, key=lambda offer: offer.id)
        ],
        "demands": [_demand_to_dict(row) for row in sorted(rows.demands, key=lambda d: d.id)],
    }


def _kept_out_to_dict(book: Book) -> dict[str, Json]:
    # Absent where policies keep nothing out.
    told = book.kept_out
    return {"kept_out": _orders_to_dict(told)} if told.offers or told.demands else {}


def _mobilisation_to_dict(book: Book) -> dict[str, Json]:
    # Absent in ordinary rounds, as in every file from before there were any others.
    if book.mobilisation is None:
        return {}
    told = {"id": book.mobilisation.id, "price_cap": book.mobilisation.price_cap}
    return {"mobilisation": told}


def _policies_to_dict(book: Book) -> dict[str, Json]:
    # Absent where none is in force, as in every file from before there were any.
    rows = [
        {"id": row.id, "version": row.version, "kind": row.kind, "params": dict(row.params)}
        for row in sorted(book.policies, key=lambda row: row.id)
    ]
    return {"policies": rows} if rows else {}


def _by_index(demand: BookDemand) -> Sequence[Alternative]:
    # Most demands have one alternative, and a book may have a hundred thousand demands.
    rows = demand.alternatives
    return rows if len(rows) == 1 else sorted(rows, key=lambda row: row.index)


def _demand_to_dict(demand: BookDemand) -> dict[str, Json]:
    value = _bare_demand(demand)
    if demand.moves is not None:
        value["moves"] = {
            "data_zone": demand.moves.data_zone,
            "data_gb": demand.moves.data_gb,
            "user_zone": demand.moves.user_zone,
            "traffic_gb": demand.moves.traffic_gb,
        }
    return value


def _bare_demand(demand: BookDemand) -> dict[str, Json]:
    return {
        "id": demand.id,
        "participant": demand.participant,
        "version": demand.version,
        "shape": demand.shape.value,
        "alternatives": [
            {
                "index": row.index,
                "pools": sorted(row.pools) if len(row.pools) > 1 else list(row.pools),
                "limit": row.limit,
                "earliest": row.earliest,
                "deadline": row.deadline,
                "chips": row.chips,
                "chips_min": row.chips_min,
                "duration": row.duration,
                "chips_by_period": list(row.chips_by_period),
                "chip_hours": row.chip_hours,
            }
            for row in _by_index(demand)
        ],
        "rounds_waited": demand.rounds_waited,
        "exclusive_group": demand.exclusive_group,
        "linked_to": demand.linked_to,
    }


def rules_to_dict(rules: Rules) -> dict[str, Json]:
    """Return the JSON value of the rules."""
    value: dict[str, Json] = {
        "format": RULES_FORMAT,
        "tick": rules.tick,
        "seed": rules.seed,
        "effort": rules.effort,
        "ascent_steps": rules.ascent_steps,
    }
    # Absent, not empty, where there are none: so it was before there could be any.
    if rules.start_prices:
        value["start_prices"] = _curves_to_dict(rules.start_prices)
    return value


def result_to_dict(result: Result) -> dict[str, Json]:
    """Return the JSON value of a result."""
    # Absent where nothing was lost, as in every file from before it was told.
    loss = {"support_loss": result.support_loss} if result.support_loss else {}
    certificate: dict[str, Json] = {
        "prices": _curves_to_dict(result.certificate.prices),
        "bound": result.certificate.bound,
    }
    links: dict[str, Json] = {}
    if result.links:
        links["links"] = [
            {
                "key": row.key,
                "prices": list(row.prices),
                "used": list(row.used),
                "regret": row.regret,
            }
            for row in result.links
        ]
        certificate["link_prices"] = _curves_to_dict(result.certificate.link_prices)
    if result.shares:
        certificate["premiums"] = dict(result.certificate.premiums)
    if result.allowances:
        certificate["allowance_prices"] = _curves_to_dict(result.certificate.allowance_prices)
    return {
        "format": RESULT_FORMAT,
        "market": result.market,
        "round_id": result.round_id,
        "book_digest": result.book_digest,
        "rules_digest": result.rules_digest,
        "status": result.status,
        "welfare": result.welfare,
        "allocations": [
            {
                "demand": row.demand,
                "offer": row.offer,
                "pool": row.pool,
                "start": row.start,
                "chips": list(row.chips),
            }
            for row in result.allocations
        ],
        "prices": _curves_to_dict(result.prices),
        "demands": [
            {
                "id": row.id,
                "state": row.state,
                "alternative": row.alternative,
                "chip_hours": row.chip_hours,
                "value": row.value,
                "payment": row.payment,
                "regret": row.regret,
                "reason": _reason_to_dict(row.reason),
            }
            for row in result.demands
        ],
        "offers": [_offer_outcome_to_dict(row) for row in result.offers],
        "certificate": certificate,
        "total_regret": result.total_regret,
        **loss,
        **links,
        **_shares_to_dict(result),
        **outcomes_to_dict(result.allowances),
    }


def _offer_outcome_to_dict(row: OfferOutcome) -> dict[str, Json]:
    return {
        "id": row.id,
        "state": row.state,
        "chip_hours": row.chip_hours,
        "cost": row.cost,
        "revenue": row.revenue,
        "regret": row.regret,
        "reason": _reason_to_dict(row.reason),
    }


def _shares_to_dict(result: Result) -> dict[str, Json]:
    # Absent where none is asked, as in every file from before there were any.
    rows = [
        {
            "policy": row.policy,
            "premium": row.premium,
            "split_bp": row.split_bp,
            "tflops_hours": row.tflops_hours,
            "tflops_hours_domestic": row.tflops_hours_domestic,
            "shortfall": row.shortfall,
            "account": row.account,
            "charges": row.charges,
            "credits": row.credits,
        }
        for row in result.shares
    ]
    return {"shares": rows} if rows else {}


def round_to_dict(book: Book, rules: Rules, result: Result) -> dict[str, Json]:
    """Return the JSON value of a round file."""
    return {
        "format": ROUND_FORMAT,
        "book": book_to_dict(book),
        "rules": rules_to_dict(rules),
        "result": result_to_dict(result),
    }


def _curves_to_dict(curves: tuple[PriceCurve, ...]) -> dict[str, Json]:
    return {key: list(row) for key, row in curves}


def _reason_to_dict(reason: Reason) -> dict[str, Json]:
    return {"code": reason.code, "params": dict(reason.params)}
