"""JSON values to book, rules and result: strict, closed, the first fault with its path.

Rows of a book may come in any order; they are sorted, so that one book has one digest.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar

from schemas.types import HORIZON_PERIODS_MAX, Shape
from services.core.allowance_rows import check_allowances, read_allowance, read_outcome
from services.core.book import (
    Allocation,
    Alternative,
    Book,
    BookDemand,
    BookLink,
    BookMobilisation,
    BookOffer,
    Certificate,
    DemandOutcome,
    KeptOut,
    LinkOutcome,
    Moves,
    OfferOutcome,
    Pool,
    PriceCurve,
    Reason,
    Result,
    Rules,
)
from services.core.book_policies import with_all_orders
from services.core.holding_rows import check_holdings, read_holding
from services.core.policy_rows import POLICIES_MAX, read_policy, read_premiums, read_share
from services.core.reading import (
    CHIPS_MAX,
    HOURS_MAX,
    PERIOD_MAX,
    PRICE_MAX,
    ROWS_MAX,
    Fields,
    refuse,
)
from services.core.routes import link_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.core.reading import Json

BOOK_FORMAT = "suanli.book.v1"
RULES_FORMAT = "suanli.rules.v1"
RESULT_FORMAT = "suanli.result.v1"
ROUND_FORMAT = "suanli.round.v1"

_T = TypeVar("_T")

POOLS_MAX = 10_000
LINKS_MAX = 4_096
GB_MAX = 10**9
ALTERNATIVES_MAX = 16
MONEY_MAX = 2**63 - 1
STATES = ("filled", "open", "part-filled")
STATUSES = ("feasible", "optimal")


def book_from_dict(value: Json) -> Book:
    """Read a book.

    Args:
        value: Parsed JSON.

    Returns:
        The book, rows sorted.

    Raises:
        ValidationError: Codes ``validation.type``, ``.range``, ``.field``, ``.format``,
            ``.duplicate``, ``.unknown_pool``, ``.unknown_order`` or ``.loop``.
    """
    fields = Fields(value, "book", BOOK_FORMAT)
    book = Book(
        market=fields.text("market"),
        round_id=fields.text("round_id"),
        first_period=fields.integer("first_period", 0, PERIOD_MAX),
        periods=fields.integer("periods", 1, HORIZON_PERIODS_MAX),
        pools=_sorted(fields, "pools", POOLS_MAX, _pool, lambda pool: pool.key),
        offers=_sorted(fields, "offers", ROWS_MAX, _offer, lambda offer: offer.id),
        demands=_sorted(fields, "demands", ROWS_MAX, _demand, lambda demand: demand.id),
        links=_maybe(fields, "links", LINKS_MAX, _link, lambda link: link.key),
        mobilisation=_mobilisation(fields) if "mobilisation" in fields.names() else None,
        policies=_maybe(fields, "policies", POLICIES_MAX, read_policy, lambda row: row.id),
        kept_out=_kept_out(fields.part("kept_out")) if "kept_out" in fields.names() else KeptOut(),
        held=_maybe(fields, "held", ROWS_MAX, read_holding, lambda row: row.key),
        allowances=_maybe(fields, "allowances", ROWS_MAX, read_allowance, lambda row: row.key),
    )
    fields.end()
    _check_references(book)
    _check_links(book)
    _check_cap(book)
    _check_kept_out(book)
    check_holdings(book)
    check_allowances(book)
    return book


def _kept_out(fields: Fields) -> KeptOut:
    found = KeptOut(
        offers=_sorted(fields, "offers", ROWS_MAX, _offer, lambda offer: offer.id),
        demands=_sorted(fields, "demands", ROWS_MAX, _demand, lambda demand: demand.id),
    )
    fields.end()
    return found


def _mobilisation(fields: Fields) -> BookMobilisation:
    row = fields.part("mobilisation")
    found = BookMobilisation(id=row.text("id"), price_cap=row.integer("price_cap", 0, PRICE_MAX))
    row.end()
    return found


def _sorted(
    fields: Fields, name: str, most: int, read: Callable[[Fields], _T], key: Callable[[_T], str]
) -> tuple[_T, ...]:
    rows = sorted((read(row) for row in fields.rows(name, most)), key=key)
    for before, after in itertools.pairwise(rows):
        if key(before) == key(after):
            raise refuse("validation.duplicate", f"{fields.path}.{name}", key(after), "unique keys")
    return tuple(rows)


def _maybe(
    fields: Fields, name: str, most: int, read: Callable[[Fields], _T], key: Callable[[_T], str]
) -> tuple[_T, ...]:
    return _sorted(fields, name, most, read, key) if name in fields.names() else ()


def _pool(fields: Fields) -> Pool:
    pool = Pool(
        key=fields.text("key"),
        zone=fields.text("zone"),
        region=fields.text("region"),
        chip=fields.text("chip"),
        domestic=fields.flag("domestic"),
        tflops=fields.integer("tflops", 0, 10**9),
    )
    fields.end()
    expected = f"{pool.zone}/{pool.chip}"
    if pool.key != expected:
        raise refuse("validation.range", f"{fields.path}.key", pool.key, expected)
    return pool


def _offer(fields: Fields) -> BookOffer:
    offer = BookOffer(
        id=fields.text("id"),
        participant=fields.text("participant"),
        version=fields.integer("version", 1, 10**9),
        pool=fields.text("pool"),
        ask=fields.integer("ask", 0, PRICE_MAX),
        start=fields.integer("start", 0, PERIOD_MAX),
        chips=fields.integers("chips", (1, HORIZON_PERIODS_MAX), (0, CHIPS_MAX)),
        block=fields.flag("block"),
        rounds_waited=fields.integer("rounds_waited", 0, 10**9),
        resale=fields.flag("resale") if "resale" in fields.names() else False,
    )
    fields.end()
    return offer


def _demand(fields: Fields) -> BookDemand:
    shape = Shape(fields.one_of("shape", tuple(shape.value for shape in Shape)))
    rows = fields.rows("alternatives", ALTERNATIVES_MAX, least=1)
    alternatives = sorted((_alternative(row, shape) for row in rows), key=lambda row: row.index)
    indices = [row.index for row in alternatives]
    if len(set(indices)) < len(indices):
        path = f"{fields.path}.alternatives"
        raise refuse("validation.duplicate", path, str(indices), "unique indices")
    demand = BookDemand(
        id=fields.text("id"),
        participant=fields.text("participant"),
        version=fields.integer("version", 1, 10**9),
        shape=shape,
        alternatives=tuple(alternatives),
        rounds_waited=fields.integer("rounds_waited", 0, 10**9),
        exclusive_group=fields.text_or_none("exclusive_group"),
        linked_to=fields.text_or_none("linked_to"),
        moves=_moves(fields.part("moves")) if "moves" in fields.names() else None,
    )
    fields.end()
    _check_data(fields.path, demand)
    return demand


def _moves(fields: Fields) -> Moves:
    moves = Moves(
        data_zone=fields.text_or_none("data_zone"),
        data_gb=fields.integer("data_gb", 0, GB_MAX),
        user_zone=fields.text_or_none("user_zone"),
        traffic_gb=fields.integer("traffic_gb", 0, GB_MAX),
    )
    fields.end()
    for zone, gb in (("data_zone", moves.data_gb), ("user_zone", moves.traffic_gb)):
        if (getattr(moves, zone) is None) != (gb == 0):
            allowed = "a zone where GB are sent, else null"
            raise refuse("validation.range", f"{fields.path}.{zone}", str(gb), allowed)
    return moves


def _check_data(path: str, demand: BookDemand) -> None:
    if demand.moves is None or not demand.moves.data_gb:
        return
    fixed = all(row.chips == row.chips_min for row in demand.alternatives)
    if demand.shape is not Shape.BLOCK or not fixed:
        found, allowed = demand.shape.value, "blocks of one size where there is data to move"
        raise refuse("validation.range", f"{path}.moves.data_gb", found, allowed)


def _link(fields: Fields) -> BookLink:
    link = BookLink(
        key=fields.text("key"),
        source=fields.text("source"),
        destination=fields.text("destination"),
        tariff=fields.integer("tariff", 0, PRICE_MAX),
        capacity=fields.integers("capacity", (1, HORIZON_PERIODS_MAX), (0, GB_MAX)),
    )
    fields.end()
    expected = link_key(link.source, link.destination)
    if link.key != expected:
        raise refuse("validation.range", f"{fields.path}.key", link.key, expected)
    return link


def _check_links(book: Book) -> None:
    for link in book.links:
        if len(link.capacity) != book.periods:
            path = f"book.links[{link.key}].capacity"
            raise refuse("validation.range", path, str(len(link.capacity)), str(book.periods))


def _check_cap(book: Book) -> None:
    if book.mobilisation is None:
        return
    cap = book.mobilisation.price_cap
    for demand in book.demands:
        for item in demand.alternatives:
            if item.limit > cap:
                path = f"book.demands[{demand.id}].alternatives[{item.index}].limit"
                raise refuse("validation.range", path, str(item.limit), f"at most the cap {cap}")


def _alternative(fields: Fields, shape: Shape) -> Alternative:
    earliest = fields.integer("earliest", 0, PERIOD_MAX)
    deadline = fields.integer("deadline", earliest + 1, earliest + HORIZON_PERIODS_MAX)
    window = deadline - earliest
    block = shape is Shape.BLOCK
    least, most = (1, CHIPS_MAX) if block else (0, 0)
    chips = fields.integer("chips", least, most)
    pools = fields.texts("pools", POOLS_MAX)
    by_period = (0, 0) if block else (window, window)
    row = Alternative(
        index=fields.integer("index", 0, ALTERNATIVES_MAX - 1),
        pools=tuple(sorted(pools)),
        limit=fields.integer("limit", 0, PRICE_MAX),
        earliest=earliest,
        deadline=deadline,
        chips=chips,
        chips_min=fields.integer("chips_min", least, chips),
        duration=fields.integer("duration", least, window if block else 0),
        chips_by_period=fields.integers("chips_by_period", by_period, (0, CHIPS_MAX)),
        chip_hours=fields.integer("chip_hours", 0, 0 if block else HOURS_MAX),
    )
    fields.end()
    if len(set(pools)) < len(pools):
        raise refuse("validation.duplicate", f"{fields.path}.pools", str(pools), "unique keys")
    return row


def _check_kept_out(book: Book) -> None:
    """Check that a book with all orders would be one: no order twice, links and pools known."""
    told = book.kept_out
    if not told.offers and not told.demands:
        return
    for name, known, rows in (
        ("offers", {row.id for row in book.offers}, told.offers),
        ("demands", {row.id for row in book.demands}, told.demands),
    ):
        for row in rows:
            if row.id in known:
                path = f"book.kept_out.{name}"
                raise refuse("validation.duplicate", path, row.id, "orders that are not in it")
    _check_references(with_all_orders(book))


def _check_references(book: Book) -> None:
    pools = {pool.key for pool in book.pools}
    for offer in book.offers:
        if offer.pool not in pools:
            path = f"book.offers[{offer.id}].pool"
            raise refuse("validation.unknown_pool", path, offer.pool, "a pool of the book")
    parents = {demand.id: demand.linked_to for demand in book.demands}
    free: set[str] = set()
    for demand in book.demands:
        for alternative in demand.alternatives:
            for key in alternative.pools:
                if key not in pools:
                    path = f"book.demands[{demand.id}].alternatives[{alternative.index}].pools"
                    raise refuse("validation.unknown_pool", path, key, "a pool of the book")
        _check_link(demand, parents, free)


def _check_link(demand: BookDemand, parents: dict[str, str | None], free: set[str]) -> None:
    path = f"book.demands[{demand.id}].linked_to"
    chain: list[str] = []
    node: str | None = demand.id
    while node is not None and node not in free:
        if node not in parents:
            raise refuse("validation.unknown_order", path, node, "a demand of the book")
        if node in chain:
            raise refuse("validation.loop", path, node, "links that do not lead back")
        chain.append(node)
        node = parents[node]
    free.update(chain)


def rules_from_dict(value: Json) -> Rules:
    """Read the rules.

    Args:
        value: Parsed JSON.

    Raises:
        ValidationError: As `book_from_dict`.
    """
    fields = Fields(value, "rules", RULES_FORMAT)
    rules = Rules(
        tick=fields.integer("tick", 1, 1_000_000),
        seed=fields.integer("seed", 0, 2**31 - 1),
        effort=fields.integer("effort", 0, 10_000),
        ascent_steps=fields.integer("ascent_steps", 0, 100_000),
        start_prices=_curves(fields.part("start_prices"))
        if "start_prices" in fields.names()
        else (),
    )
    fields.end()
    return rules


def check_on_tick(book: Book, rules: Rules) -> None:
    """Check that every ask is a multiple of the tick, as prices that end at an ask must be.

    Raises:
        ValidationError: Code ``validation.off_tick``.
    """
    for offer in book.offers:
        if offer.ask % rules.tick:
            path = f"book.offers[{offer.id}].ask"
            allowed = f"a multiple of {rules.tick}"
            raise refuse("validation.off_tick", path, str(offer.ask), allowed)


def result_from_dict(value: Json) -> Result:
    """Read a result (its shape only; `suanli verify` tells whether it is right).

    Args:
        value: Parsed JSON.

    Raises:
        ValidationError: As `book_from_dict`.
    """
    fields = Fields(value, "result", RESULT_FORMAT)
    certificate = fields.part("certificate")
    result = Result(
        market=fields.text("market"),
        round_id=fields.text("round_id"),
        book_digest=fields.digest("book_digest"),
        rules_digest=fields.digest("rules_digest"),
        status=fields.one_of("status", STATUSES),
        welfare=fields.integer("welfare", -MONEY_MAX, MONEY_MAX),
        allocations=tuple(_allocation(row) for row in fields.rows("allocations", 10 * ROWS_MAX)),
        prices=_curves(fields.part("prices")),
        demands=tuple(_demand_outcome(row) for row in fields.rows("demands", ROWS_MAX)),
        offers=tuple(_offer_outcome(row) for row in fields.rows("offers", ROWS_MAX)),
        certificate=Certificate(
            _curves(certificate.part("prices")),
            certificate.integer("bound", 0, MONEY_MAX),
            _curves(certificate.part("link_prices"))
            if "link_prices" in certificate.names()
            else (),
            read_premiums(certificate.part("premiums"))
            if "premiums" in certificate.names()
            else (),
            _curves(certificate.part("allowance_prices"))
            if "allowance_prices" in certificate.names()
            else (),
        ),
        total_regret=fields.integer("total_regret", 0, MONEY_MAX),
        support_loss=fields.integer("support_loss", 0, MONEY_MAX)
        if "support_loss" in fields.names()
        else 0,
        links=tuple(_link_outcome(row) for row in fields.rows_if_any("links", LINKS_MAX)),
        shares=tuple(read_share(row) for row in fields.rows_if_any("shares", POLICIES_MAX)),
        allowances=tuple(read_outcome(row) for row in fields.rows_if_any("allowances", ROWS_MAX)),
    )
    certificate.end()
    fields.end()
    return result


def _curves(fields: Fields) -> tuple[PriceCurve, ...]:
    length = (1, HORIZON_PERIODS_MAX)
    return tuple(
        (key, fields.integers(key, length, (0, PRICE_MAX))) for key in sorted(fields.names())
    )


def _allocation(fields: Fields) -> Allocation:
    row = Allocation(
        demand=fields.text("demand"),
        offer=fields.text("offer"),
        pool=fields.text("pool"),
        start=fields.integer("start", 0, PERIOD_MAX),
        chips=fields.integers("chips", (1, HORIZON_PERIODS_MAX), (0, CHIPS_MAX)),
    )
    fields.end()
    return row


def _reason(fields: Fields) -> Reason:
    params = fields.part("params")
    reason = Reason(
        fields.text("code"), tuple((name, params.scalar(name)) for name in sorted(params.names()))
    )
    fields.end()
    return reason


def _demand_outcome(fields: Fields) -> DemandOutcome:
    row = DemandOutcome(
        id=fields.text("id"),
        state=fields.one_of("state", STATES),
        alternative=fields.integer_or_none("alternative", 0, ALTERNATIVES_MAX - 1),
        chip_hours=fields.integer("chip_hours", 0, MONEY_MAX),
        value=fields.integer("value", 0, MONEY_MAX),
        payment=fields.integer("payment", 0, MONEY_MAX),
        regret=fields.integer("regret", 0, MONEY_MAX),
        reason=_reason(fields.part("reason")),
    )
    fields.end()
    return row


def _offer_outcome(fields: Fields) -> OfferOutcome:
    row = OfferOutcome(
        id=fields.text("id"),
        state=fields.one_of("state", STATES),
        chip_hours=fields.integer("chip_hours", 0, MONEY_MAX),
        cost=fields.integer("cost", 0, MONEY_MAX),
        revenue=fields.integer("revenue", 0, MONEY_MAX),
        regret=fields.integer("regret", 0, MONEY_MAX),
        reason=_reason(fields.part("reason")),
    )
    fields.end()
    return row


def _link_outcome(fields: Fields) -> LinkOutcome:
    length = (1, HORIZON_PERIODS_MAX)
    row = LinkOutcome(
        key=fields.text("key"),
        prices=fields.integers("prices", length, (0, PRICE_MAX)),
        used=fields.integers("used", length, (0, GB_MAX)),
        regret=fields.integer("regret", 0, MONEY_MAX),
    )
    fields.end()
    return row


def round_from_dict(value: Json) -> tuple[Book, Rules, Result]:
    """Read a round file.

    Args:
        value: Parsed JSON.

    Raises:
        ValidationError: As `book_from_dict`.
    """
    fields = Fields(value, "round", ROUND_FORMAT)
    parts = (
        book_from_dict(fields.value("book")),
        rules_from_dict(fields.value("rules")),
        result_from_dict(fields.value("result")),
    )
    fields.end()
    return parts
