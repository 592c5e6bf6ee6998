"""Reads the round file and its three formats, field by field, into plain values.

Standard library only. Nothing here raises on bad input: what is wrong goes to the log.
See docs/reference/round-file.md for the formats.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from suanli.check_fields import (
    ALLOCATION,
    ALLOWANCE,
    ALTERNATIVE,
    BOOK,
    BOOK_MAY,
    CERTIFICATE,
    CERTIFICATE_MAY,
    DEMAND,
    DEMAND_OUTCOME,
    HOLDING,
    KEPT_OUT,
    LARGEST_PARAMS,
    LIMITS_PARAMS,
    LINK,
    LINK_OUTCOME,
    MOBILISATION,
    MOVES,
    OFFER,
    OFFER_MAY,
    OFFER_OUTCOME,
    POLICY,
    POOL,
    REASON,
    RESULT,
    RESULT_MAY,
    ROUND,
    RULES,
    RULES_MAY,
    SHARE_OUTCOME,
    SHARE_PARAMS,
    all_closed,
    closed,
    each,
)
from suanli.check_held import Allowance, Holding
from suanli.check_report import Log, show

DOUBLES_MAX: Final = 10
"""Fields given twice that are listed."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of the book; see ``suanli.book.v1``."""

    id: str
    participant: str
    pool: str
    ask: int
    start: int
    chips: list[int]
    block: bool
    resale: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """One alternative of a demand; see ``suanli.book.v1``."""

    index: int
    pools: list[str]
    limit: int
    earliest: int
    deadline: int
    chips: int
    chips_min: int
    duration: int
    chips_by_period: list[int]
    chip_hours: int


@dataclass(frozen=True, slots=True)
class Moves:
    """What a demand sends over links; see ``suanli.book.v1``."""

    data_zone: str | None
    data_gb: int
    user_zone: str | None
    traffic_gb: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the book; see ``suanli.book.v1``."""

    key: str
    source: str
    destination: str
    tariff: int
    capacity: list[int]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in force; see ``suanli.book.v1``."""

    id: str
    kind: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand of the book; see ``suanli.book.v1``."""

    id: str
    participant: str
    shape: str
    alternatives: list[Alternative]
    exclusive_group: str | None
    linked_to: str | None
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """The order book; see ``suanli.book.v1``."""

    market: str
    round_id: str
    first: int
    periods: int
    pools: list[str]
    pool_parts: list[tuple[str, str]]
    offers: list[Offer]
    demands: list[Demand]
    links: list[Link] = field(default_factory=list)
    price_cap: int | None = None
    policies: list[Policy] = field(default_factory=list)
    supplies: dict[str, tuple[str, bool, int]] = field(default_factory=dict)
    """Pool -> region, whether its chips are domestic, TFLOPS of one chip."""
    kept_offers: list[Offer] = field(default_factory=list)
    kept_demands: list[Demand] = field(default_factory=list)
    held: list[Holding] = field(default_factory=list)
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The period after the horizon."""
        return self.first + self.periods


@dataclass(frozen=True, slots=True)
class Allocation:
    """One offer-demand pairing; see ``suanli.result.v1``."""

    demand: str
    offer: str
    pool: str
    start: int
    chips: list[int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an order leaves the round; ``value``/``payment`` are an offer's cost and revenue."""

    id: str
    state: str
    alternative: int | None
    chip_hours: int
    value: int
    payment: int
    regret: int
    reason: str


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """How a link, or an allowance, leaves the round; see ``suanli.result.v1``."""

    key: str
    prices: list[int]
    used: list[int]
    regret: int


@dataclass(frozen=True, slots=True)
class Share:
    """What came of a domestic share; see ``suanli.result.v1``."""

    policy: str
    premium: int
    split_bp: int
    tflops_hours: int
    tflops_hours_domestic: int
    shortfall: int
    account: int
    charges: int
    credits: int


@dataclass(frozen=True, slots=True)
class Result:
    """What the clearing decided; see ``suanli.result.v1``."""

    market: str
    round_id: str
    book_digest: str
    rules_digest: str
    welfare: int
    total_regret: int
    support_loss: int
    allocations: list[Allocation]
    prices: dict[str, list[int]]
    demands: list[Outcome]
    offers: list[Outcome]
    certificate_prices: dict[str, list[int]]
    bound: int
    links: list[LinkOutcome]
    certificate_links: dict[str, list[int]]
    shares: list[Share]
    certificate_premiums: dict[str, int]
    allowances: list[LinkOutcome]
    certificate_allowances: dict[str, list[int]]


def canonical_sha256(value: object) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_round(source: str | Path | bytes, log: Log) -> tuple[Any, Any, Any] | None:
    """Return (book, rules, result) of a round file, unchecked; None if there are none.

    Args:
        source: Path of the file, or its bytes.
        log: Where problems go, among them fields that occur twice.
    """
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        log.add("format.unreadable", show(str(source)), ("readable", "可读"), show(str(error)))
        return None
    doubles: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs) and len(doubles) < DOUBLES_MAX:
            times = Counter(key for key, _ in pairs)
            doubles.extend(key for key, count in times.items() if count > 1)
        return value

    try:
        document = json.loads(data.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        found = show(str(error))
        log.add("format.not_json", "$", ("JSON in UTF-8", "UTF-8 编码的 JSON"), found)
        return None
    for key in doubles[:DOUBLES_MAX]:
        log.add("format.duplicate_key", "$", ("there once", "只出现一次"), show(key))
    if not closed(document, ROUND, "$", log):
        return None
    return document["book"], document["rules"], document["result"]


def read_book(value: object, log: Log) -> Book | None:
    """Return the book, or None and the problems in the log."""
    count = log.count
    if (fields := closed(value, BOOK, "book", log, may=BOOK_MAY)) is None:
        return None
    links = each(fields.get("links", []), LINK, "book.links", log)
    policies = _read_policies(fields.get("policies", []), log)
    held = each(fields.get("held", []), HOLDING, "book.held", log)
    allowances = each(fields.get("allowances", []), ALLOWANCE, "book.allowances", log)
    pools = each(fields["pools"], POOL, "book.pools", log)
    offers, demands = _read_orders(fields, "book", log)
    kept = closed(fields.get("kept_out", _NOTHING_KEPT), KEPT_OUT, "book.kept_out", log)
    kept_offers, kept_demands = _read_orders(kept or _NOTHING_KEPT, "book.kept_out", log)
    urgent = fields.get("mobilisation")
    if urgent is not None:
        closed(urgent, MOBILISATION, "book.mobilisation", log)
    if log.count > count:
        return None
    return Book(
        market=fields["market"],
        round_id=fields["round_id"],
        first=fields["first_period"],
        periods=fields["periods"],
        pools=[item["key"] for item in pools],
        pool_parts=[(item["zone"], item["chip"]) for item in pools],
        offers=offers,
        demands=demands,
        links=[Link(**item) for item in links],
        price_cap=None if urgent is None else urgent["price_cap"],
        policies=policies,
        supplies={p["key"]: (p["region"], p["domestic"], p["tflops"]) for p in pools},
        kept_offers=kept_offers,
        kept_demands=kept_demands,
        held=[Holding(**item) for item in held],
        allowances=[Allowance(**item) for item in allowances],
    )


_NOTHING_KEPT: Final[dict[str, Any]] = {"offers": [], "demands": []}


def _read_orders(fields: dict[str, Any], where: str, log: Log) -> tuple[list[Offer], list[Demand]]:
    """Return the orders of a book, or those that are kept out of it."""
    fields, moves = _apart(fields, where, log)
    rows = each(fields["offers"], OFFER, f"{where}.offers", log, may=OFFER_MAY)
    demands = each(fields["demands"], DEMAND, f"{where}.demands", log)
    known = all_closed([a for item in demands for a in item["alternatives"]], ALTERNATIVE)
    parsed = [
        _read_demand(item, f"{where}.demands[{i}]", log, known=known)
        for i, item in enumerate(demands)
    ]
    return [_read_offer(row) for row in rows], [
        demand if demand.id not in moves else replace(demand, moves=moves[demand.id])
        for demand in parsed
        if demand is not None
    ]


def _read_offer(row: dict[str, Any]) -> Offer:
    return Offer(
        row["id"], row["participant"], row["pool"], row["ask"], row["start"], row["chips"],
        row["block"], row.get("resale", False),
    )  # fmt: skip


def _apart(fields: dict[str, Any], where: str, log: Log) -> tuple[dict[str, Any], dict[str, Moves]]:
    """Return the book with what demands send taken out of them, and that by demand."""
    demands = fields["demands"]
    if not any(type(item) is dict and "moves" in item for item in demands):
        return fields, {}
    found: dict[str, Moves] = {}
    bare: list[Any] = []
    for i, item in enumerate(demands):
        if type(item) is not dict or "moves" not in item:
            bare.append(item)
            continue
        bare.append({name: value for name, value in item.items() if name != "moves"})
        moves = closed(item["moves"], MOVES, f"{where}.demands[{i}].moves", log)
        if moves is not None and type(item.get("id")) is str:
            found[item["id"]] = Moves(**moves)
    return {**fields, "demands": bare}, found


def read_tick(value: object, log: Log) -> int | None:
    """Return the tick of the rules, micro-yuan, or None and the problems in the log."""
    fields = closed(value, RULES, "rules", log, may=RULES_MAY)
    return None if fields is None else int(fields["tick"])


def read_result(value: object, log: Log) -> Result | None:
    """Return the result, or None and the problems in the log."""
    count = log.count
    if (fields := closed(value, RESULT, "result", log, may=RESULT_MAY)) is None:
        return None
    where = "result.certificate"
    certificate = closed(fields["certificate"], CERTIFICATE, where, log, may=CERTIFICATE_MAY)
    links = each(fields.get("links", []), LINK_OUTCOME, "result.links", log)
    shares = each(fields.get("shares", []), SHARE_OUTCOME, "result.shares", log)
    allowances = each(fields.get("allowances", []), LINK_OUTCOME, "result.allowances", log)
    allocations = each(fields["allocations"], ALLOCATION, "result.allocations", log)
    demands = each(fields["demands"], DEMAND_OUTCOME, "result.demands", log)
    offers = each(fields["offers"], OFFER_OUTCOME, "result.offers", log)
    for name, outcomes in (("demands", demands), ("offers", offers)):
        if not all_closed([item["reason"] for item in outcomes], REASON):
            for i, item in enumerate(outcomes):
                closed(item["reason"], REASON, f"result.{name}[{i}].reason", log)
    if log.count > count or certificate is None:
        return None
    return Result(
        market=fields["market"],
        round_id=fields["round_id"],
        book_digest=fields["book_digest"],
        rules_digest=fields["rules_digest"],
        welfare=fields["welfare"],
        total_regret=fields["total_regret"],
        support_loss=fields.get("support_loss", 0),
        allocations=[Allocation(**item) for item in allocations],
        prices=fields["prices"],
        demands=[_outcome(item, "value", "payment") for item in demands],
        offers=[_outcome(item, "cost", "revenue") for item in offers],
        certificate_prices=certificate["prices"],
        bound=certificate["bound"],
        links=[LinkOutcome(**item) for item in links],
        certificate_links=certificate.get("link_prices", {}),
        shares=[Share(**item) for item in shares],
        certificate_premiums=certificate.get("premiums", {}),
        allowances=[LinkOutcome(**item) for item in allowances],
        certificate_allowances=certificate.get("allowance_prices", {}),
    )


_PARAMS: Final = {
    "price_limits": LIMITS_PARAMS,
    "domestic_share": SHARE_PARAMS,
    "largest_share": LARGEST_PARAMS,
}


def _read_policies(rows: list[Any], log: Log) -> list[Policy]:
    """Return the policies of a book; what is wrong with them is in the log."""
    found = []
    for i, row in enumerate(rows):
        item = closed(row, POLICY, "book.policies", log, i)
        if item is None:
            continue
        params = closed(item["params"], _PARAMS[item["kind"]], f"book.policies[{i}].params", log)
        if params is not None:
            found.append(Policy(item["id"], item["kind"], params))
    return found


def _outcome(item: dict[str, Any], value: str, payment: str) -> Outcome:
    return Outcome(
        id=item["id"],
        state=item["state"],
        alternative=item.get("alternative"),
        chip_hours=item["chip_hours"],
        value=item[value],
        payment=item[payment],
        regret=item["regret"],
        reason=item["reason"]["code"],
    )


def _read_demand(item: dict[str, Any], path: str, log: Log, *, known: bool) -> Demand | None:
    """Return one demand; `known` says that its alternatives' fields have been tested."""
    alternatives, shape = item["alternatives"], item["shape"]
    if not known:
        fitting = each(alternatives, ALTERNATIVE, f"{path}.alternatives", log)
        if len(fitting) < len(alternatives):
            return None
    for i, alternative in enumerate(alternatives):
        if not _quantities_fit(alternative, shape):
            _log_quantities(alternative, shape, f"{path}.alternatives[{i}]", log)
    return Demand(
        id=item["id"],
        participant=item["participant"],
        shape=shape,
        alternatives=[Alternative(**alternative) for alternative in alternatives],
        exclusive_group=item["exclusive_group"],
        linked_to=item["linked_to"],
    )


def _quantities_fit(item: dict[str, Any], shape: str) -> bool:
    window = item["deadline"] - item["earliest"]
    if shape == "block":
        unused = item["chips_by_period"] or item["chip_hours"]
        fits = 1 <= item["chips_min"] <= item["chips"] and item["duration"] >= 1
    else:
        unused = item["chips"] or item["chips_min"] or item["duration"]
        fits = len(item["chips_by_period"]) == window
    return fits and not unused and window >= 1


def _log_quantities(item: dict[str, Any], shape: str, where: str, log: Log) -> None:
    window = item["deadline"] - item["earliest"]
    if window < 1:
        found = show(item["deadline"])
        log.add("format.range", f"{where}.deadline", f"> {show(item['earliest'])}", found)
    unused: tuple[str, ...]
    if shape == "block":
        unused = ("chips_by_period", "chip_hours")
        if not 1 <= item["chips_min"] <= item["chips"]:
            found = show(item["chips_min"])
            log.add("format.range", f"{where}.chips_min", f"1..{show(item['chips'])}", found)
        if item["duration"] < 1:
            log.add("format.range", f"{where}.duration", ">= 1", show(item["duration"]))
    else:
        unused = ("chips", "chips_min", "duration")
        if len(item["chips_by_period"]) != window:
            found = show(item["chips_by_period"])
            log.add("format.range", f"{where}.chips_by_period", f"[{show(window)}]", found)
    for name in unused:
        if item[name]:
            log.add("format.shape", f"{where}.{name}", "0 / []", show(item[name]))
