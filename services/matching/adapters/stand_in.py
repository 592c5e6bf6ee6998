"""The result of a round that was not cleared: nothing is allocated, every order stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.core.allowance_rows import AllowanceOutcome
from services.core.book import (
    Certificate,
    DemandOutcome,
    LinkOutcome,
    OfferOutcome,
    Reason,
    Result,
)
from services.core.codec import book_to_dict, result_to_dict
from services.core.premiums import untouched_shares
from suanli.checker import most_gained

if TYPE_CHECKING:
    from services.core.book import Book


def nothing_cleared(book: Book, book_digest: str, rules_digest: str) -> Result:
    """Return the result that allocates nothing, for when not even its regrets can be worked out.

    Its bound is what all demand together is worth: true for any clearing, at prices of zero, and
    no less than the one that the checker finds there. Links cost their tariffs.
    """
    reason = Reason("not_cleared")
    zeros = (0,) * book.periods
    prices = tuple((pool.key, zeros) for pool in book.pools)
    tariffs = tuple((link.key, (link.tariff,) * book.periods) for link in book.links)
    shares = untouched_shares(book)
    return Result(
        market=book.market,
        round_id=book.round_id,
        book_digest=book_digest,
        rules_digest=rules_digest,
        status="feasible",
        welfare=0,
        allocations=(),
        prices=prices,
        demands=tuple(
            DemandOutcome(demand.id, "open", None, 0, 0, 0, 0, reason) for demand in book.demands
        ),
        offers=tuple(OfferOutcome(offer.id, "open", 0, 0, 0, 0, reason) for offer in book.offers),
        certificate=Certificate(
            prices,
            _worth(book),
            link_prices=tariffs,
            premiums=tuple((row.policy, 0) for row in shares),
            allowance_prices=tuple((row.key, zeros) for row in book.allowances),
        ),
        total_regret=0,
        links=tuple(LinkOutcome(key, curve, zeros, 0) for key, curve in tariffs),
        shares=shares,
        allowances=tuple(AllowanceOutcome(row.key, zeros, zeros, 0) for row in book.allowances),
    )


def nothing_cleared_and_bounded(book: Book, book_digest: str, rules_digest: str) -> Result:
    """Return the result that allocates nothing, with what everybody misses by it.

    The checker works regrets and bound out: whoever clears was wrong, or did not answer.
    """
    bare = nothing_cleared(book, book_digest, rules_digest)
    demands, offers, bound = most_gained(book_to_dict(book), result_to_dict(bare))
    return replace(
        bare,
        demands=tuple(
            replace(row, regret=most) for row, most in zip(bare.demands, demands, strict=True)
        ),
        offers=tuple(
            replace(row, regret=most) for row, most in zip(bare.offers, offers, strict=True)
        ),
        certificate=replace(bare.certificate, bound=bound),
        total_regret=sum(demands) + sum(offers),
    )


def _worth(book: Book) -> int:
    return sum(
        max(
            item.limit * (item.chips * item.duration or item.chip_hours)
            for item in demand.alternatives
        )
        for demand in book.demands
    )
