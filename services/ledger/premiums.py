"""Premiums of domestic shares: a round's charges are booked into the policy fund at once.

What imported supply is going to be charged is a claim from the day that the round is booked:
``premiums`` owes it to ``policy``, the fund, out of which domestic supply is credited as it
delivers. Charges of a round pay for its credits, so the fund is never below zero, whatever is
delivered and in whatever order. A charge is due of every imported chip, delivered or not, so what
``premiums`` owes is just what is not settled yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import RoundClosed
from schemas.types import period_of
from services.core.errors import Message
from services.core.postings import TransferKind, derive_uuid
from services.ledger.findings import broken
from services.ledger.state import About, policy_account, premiums_account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.codec import Envelope
    from schemas.events import AllocationMade
    from schemas.shares import PremiumAssigned
    from services.ledger.books import Books

Premiums = dict[str, dict[int, int]]
"""Allocation -> period -> micro-yuan that its provider receives; a charge is negative."""


def premiums_of(bodies: Iterable[PremiumAssigned], made: Iterable[AllocationMade]) -> Premiums:
    """Return the premiums of a round, after checking them against its allocations.

    Raises:
        SettleError: if one is of no allocation of the round, of another provider or period, comes
            twice, charges more than the price, or if credits are above charges.
    """
    allocations = {body.allocation_id: body for body in made}
    found: Premiums = {}
    for body in bodies:
        own = allocations.get(body.allocation_id)
        amounts: dict[int, int] = {period_of(item.start): item.amount for item in body.periods}
        prices: dict[int, int] = {} if own is None else {
            period_of(item.start): item.chips * item.price for item in own.periods
        }  # fmt: skip
        if (
            own is None
            or own.provider_id != body.provider_id
            or body.allocation_id in found
            or len(amounts) != len(body.periods)
            or sum(amounts.values()) != body.amount
            or any(amount < -prices.get(period, -1) for period, amount in amounts.items())
        ):
            raise broken(
                "settle.premium",
                Message(
                    f"a premium must be of an allocation of its round and charge at most its "
                    f"price, was {body.amount} of {body.allocation_id}",
                    f"溢价须属于本轮分配且收取不超过其价款,"
                    f"实际为 {body.allocation_id} 的 {body.amount}",
                ),
                "allocation_id",
                body.allocation_id,
                "an allocation of the round",
            )
        found[body.allocation_id] = amounts
    total = sum(sum(amounts.values()) for amounts in found.values())
    if total > 0:
        raise broken(
            "settle.premium_sum",
            Message(
                f"charges of a round must pay for its credits, was {total} short",
                f"一轮收取的溢价须足以支付其补贴,实际短缺 {total}",
            ),
            "amount",
            total,
            "at most 0",
        )
    return found


def assess(books: Books, envelope: Envelope, premiums: Mapping[str, Mapping[int, int]]) -> None:
    """Book the claim on a round's charges into the policy fund."""
    closed = envelope.data
    assert isinstance(closed, RoundClosed)
    charges = -sum(min(0, amount) for row in premiums.values() for amount in row.values())
    if charges:
        market = closed.market_id
        books.transfer(
            TransferKind.SINGLE,
            (
                derive_uuid("premium_assessed", closed.round_id),
                premiums_account(market),
                policy_account(market),
            ),
            charges,
            envelope,
            "premium_assessed",
            about=About(market, closed.round_id),
        )
