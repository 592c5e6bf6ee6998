"""The open orders of a market as columns: brought up to date by what changed, kept as bytes.

To read the terms of 100,000 orders takes many seconds, and to add up their columns milliseconds. So
what an order's terms mean for the book is worked out once; the columns outlive the process.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from schemas.orders import OfferTerms
from schemas.types import period_of, pool_key
from services.core.eligibility import resolve_alternatives

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.market import Market
    from schemas.orders import DemandTerms

    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]

# What the columns hold, and how they follow from terms: to be raised when either changes.
_FORMAT = 1
_MILLI = 1000
# Half the time of the best packing, for a tenth more bytes.
_PACKING_LEVEL = 1
_LEVEL_COLUMNS = 8
_TAKEN_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Fresh:
    """An open order as it was just read.

    Attributes:
        order_id: The order.
        terms_id: Event that brought its terms.
        terms: Its terms.
        left: Chip-hours left of a demand.
        taken: Chips by period that are allocated of an offer.
    """

    order_id: str
    terms_id: str
    terms: OfferTerms | DemandTerms
    left: int
    taken: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Levels:
    """What orders offer or want: a row for each alternative, those of an order best first.

    Attributes:
        order: Number of the order.
        pools: Number of the set of pools that it is in or may use.
        price: Ask or limit.
        chips: Most at once.
        hours: Most chip-hours in all of a demand, of these chips.
        milli: Chips that stand for 1,000 of the demand.
        first: First period.
        end: Period after the last.
    """

    order: IntArray
    pools: IntArray
    price: IntArray
    chips: IntArray
    hours: IntArray
    milli: IntArray
    first: IntArray
    end: IntArray


@dataclass(frozen=True, slots=True)
class Taken:
    """Chips that rounds allocated of offers, by the offer's number and period."""

    order: IntArray
    period: IntArray
    chips: IntArray


@dataclass(frozen=True, slots=True)
class Columns:
    """The open orders of a market.

    Attributes:
        ids: The orders, by number.
        terms_ids: Events that brought their terms.
        is_offer: Which side each stands on.
        left: Chip-hours left of each demand.
        levels: What they offer or want.
        taken: What is allocated of offers.
        sets: Sets of pools, by number.
    """

    ids: tuple[str, ...]
    terms_ids: tuple[str, ...]
    is_offer: BoolArray
    left: IntArray
    levels: Levels
    taken: Taken
    sets: tuple[tuple[str, ...], ...]


def no_columns() -> Columns:
    """Return a book without orders."""
    return Columns(
        ids=(),
        terms_ids=(),
        is_offer=np.zeros(0, dtype=np.bool_),
        left=np.zeros(0, dtype=np.int64),
        levels=Levels(*_table((), _LEVEL_COLUMNS)),
        taken=Taken(*_table((), _TAKEN_COLUMNS)),
        sets=(),
    )


def _table(rows: Sequence[tuple[int, ...]], width: int) -> tuple[IntArray, ...]:
    table = np.array(rows, dtype=np.int64).reshape(len(rows), width)
    return tuple(np.ascontiguousarray(column) for column in table.T)


# --- up to date ---------------------------------------------------------------------------------


def updated(
    columns: Columns, gone: Collection[str], fresh: Sequence[Fresh], market: Market
) -> Columns:
    """Return a book without some orders and with others as they were just read.

    Args:
        columns: The book.
        gone: Orders that it had, to be dropped; those that are read anew among them.
        fresh: Orders to be added.
        market: The market.
    """
    kept = _without(columns, gone)
    if not fresh:
        return kept
    sets = {pools: number for number, pools in enumerate(kept.sets)}
    levels: list[tuple[int, ...]] = []
    taken: list[tuple[int, int, int]] = []
    for number, order in enumerate(fresh, start=len(kept.ids)):
        levels += _levels(number, order.terms, market, sets)
        taken += [(number, period, chips) for period, chips in order.taken.items()]
    return Columns(
        ids=(*kept.ids, *(order.order_id for order in fresh)),
        terms_ids=(*kept.terms_ids, *(order.terms_id for order in fresh)),
        is_offer=np.append(kept.is_offer, [isinstance(one.terms, OfferTerms) for one in fresh]),
        left=np.append(kept.left, np.array([one.left for one in fresh], dtype=np.int64)),
        levels=Levels(*_joined(kept.levels, Levels.__slots__, _table(levels, _LEVEL_COLUMNS))),
        taken=Taken(*_joined(kept.taken, Taken.__slots__, _table(taken, _TAKEN_COLUMNS))),
        sets=tuple(sets),
    )


def _levels(
    number: int,
    terms: OfferTerms | DemandTerms,
    market: Market,
    sets: dict[tuple[str, ...], int],
) -> list[tuple[int, ...]]:
    if isinstance(terms, OfferTerms):
        pools = sets.setdefault((pool_key(terms.zone, terms.chip),), len(sets))
        window = period_of(terms.start), period_of(terms.end)
        return [(number, pools, terms.ask, terms.chips, 0, _MILLI, *window)]
    found = []
    window = period_of(terms.earliest), period_of(terms.deadline)
    for item in resolve_alternatives(terms, market):
        chips = item.chips or max(item.chips_by_period)
        hours = item.chips * item.duration or item.chip_hours
        milli = terms.alternatives[item.index].equivalence_milli
        pools = sets.setdefault(item.pools, len(sets))
        found.append((number, pools, item.limit, chips, hours, milli, *window))
    # Dearest first, of equal ones the larger.
    return sorted(found, key=lambda row: (-row[2], -row[4]))


def _joined(
    kept: Levels | Taken, names: Sequence[str], added: tuple[IntArray, ...]
) -> list[IntArray]:
    return [np.append(getattr(kept, name), more) for name, more in zip(names, added, strict=True)]


def _without(columns: Columns, gone: Collection[str]) -> Columns:
    stays = np.fromiter(
        (order_id not in gone for order_id in columns.ids), np.bool_, len(columns.ids)
    )
    if stays.all():
        return columns
    number = np.cumsum(stays) - 1
    places = np.flatnonzero(stays).tolist()
    levels, taken = columns.levels, columns.taken
    return replace(
        columns,
        ids=tuple(columns.ids[place] for place in places),
        terms_ids=tuple(columns.terms_ids[place] for place in places),
        is_offer=columns.is_offer[stays],
        left=columns.left[stays],
        levels=Levels(*_renumbered(levels, Levels.__slots__, stays, number)),
        taken=Taken(*_renumbered(taken, Taken.__slots__, stays, number)),
    )


def _renumbered(
    table: Levels | Taken, names: Sequence[str], stays: BoolArray, number: IntArray
) -> list[IntArray]:
    rows = stays[table.order]
    order, *others = (getattr(table, name)[rows] for name in names)
    return [number[order], *others]


def revised(
    columns: Columns,
    gone: Collection[str],
    left: Mapping[str, int],
    taken: Mapping[str, Mapping[int, int]],
) -> Columns:
    """Return a book without some orders, and with what is left and taken of others as now told.

    Args:
        columns: The book.
        gone: Orders that leave it.
        left: Chip-hours left by order, of orders whose terms are as they were.
        taken: Chips by period, by offer; whoever of ``left`` is not named has sold nothing.
    """
    kept = _without(columns, gone)
    told = [number for number, order_id in enumerate(kept.ids) if order_id in left]
    amounts = kept.left.copy()
    amounts[told] = [left[kept.ids[number]] for number in told]
    is_told = np.zeros(len(kept.ids), dtype=np.bool_)
    is_told[told] = True
    stays = ~is_told[kept.taken.order]
    rows = [
        (number, period, chips)
        for number in told
        for period, chips in taken.get(kept.ids[number], {}).items()
    ]
    before = Taken(*(getattr(kept.taken, name)[stays] for name in Taken.__slots__))
    used, pools = np.unique(kept.levels.pools, return_inverse=True)
    return replace(
        kept,
        left=amounts,
        taken=Taken(*_joined(before, Taken.__slots__, _table(rows, _TAKEN_COLUMNS))),
        # Sets that nobody uses any more are forgotten.
        levels=replace(kept.levels, pools=pools),
        sets=tuple(kept.sets[number] for number in used),
    )


# --- kept as bytes ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A book with how far it goes.

    Attributes:
        columns: The book.
        feed: Which numbering the number is of.
        seq: Number of the last change that it has.
    """

    columns: Columns
    feed: str
    seq: int


def packed(kept: Kept, market: Market) -> bytes:
    """Return a book as bytes."""
    columns = kept.columns
    head = {
        "format": _FORMAT,
        "market": _digest(market),
        "feed": kept.feed,
        "seq": kept.seq,
        "sets": columns.sets,
    }
    texts = {
        "head": json.dumps(head),
        "ids": "\n".join(columns.ids),
        "terms_ids": "\n".join(columns.terms_ids),
    }
    arrays: dict[str, NDArray[np.generic]] = {
        name: np.frombuffer(text.encode(), dtype=np.uint8) for name, text in texts.items()
    }
    arrays |= {"is_offer": columns.is_offer, "left": columns.left}
    for prefix, table in (("levels", columns.levels), ("taken", columns.taken)):
        for name in type(table).__slots__:
            arrays[f"{prefix}.{name}"] = getattr(table, name)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return zlib.compress(out.getvalue(), _PACKING_LEVEL)


def unpacked(body: bytes, market: Market) -> Kept | None:
    """Return a book from its bytes; ``None`` if they are of another market, or not whole."""
    try:
        with np.load(io.BytesIO(zlib.decompress(body)), allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            if (head["format"], head["market"]) != (_FORMAT, _digest(market)):
                return None
            columns = Columns(
                ids=_lines(arrays["ids"]),
                terms_ids=_lines(arrays["terms_ids"]),
                is_offer=arrays["is_offer"],
                left=arrays["left"],
                levels=Levels(*(arrays[f"levels.{name}"] for name in Levels.__slots__)),
                taken=Taken(*(arrays[f"taken.{name}"] for name in Taken.__slots__)),
                sets=tuple(tuple(pools) for pools in head["sets"]),
            )
    # What a later version of the program wrote is none of ours to read.
    except (zlib.error, ValueError, KeyError):
        return None
    return Kept(columns, str(head["feed"]), int(head["seq"]))


def _lines(text: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(text.tobytes().decode().split("\n")) if len(text) else ()


def _digest(market: Market) -> str:
    return hashlib.sha256(market.model_dump_json().encode()).hexdigest()
