"""What a delivered and an undelivered hour cost whom, in whole micro-yuan.

An allocation was paid into escrow when its round was booked. Settling a period takes it out
again to the last micro-yuan: delivered chips go to the provider less the fee, the rest goes
back to the enterprise. Fees, penalty and compensation are rounded down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MILLION = 1_000_000
REPORT_PERIODS = 72
"""Hours in which a delivery can be reported where no terms say otherwise: a long weekend."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of settlement that a round was booked under.

    Attributes:
        provider_fee_ppm: Of what a provider is paid.
        enterprise_fee_ppm: Of what an enterprise paid for delivered chips, on top of it.
        penalty_ppm: Of the price of what was not delivered.
        compensation_ppm: Share of the penalty taken from collateral that the enterprise gets.
        report_periods: Periods after a period's end in which it can be reported.
        version: Of the terms, ``None`` where the market's rules alone apply.
    """

    provider_fee_ppm: int
    enterprise_fee_ppm: int = 0
    penalty_ppm: int = 0
    compensation_ppm: int = 0
    report_periods: int = REPORT_PERIODS
    version: int | None = None

    def due(self, period: int) -> int:
        """Return the first period of the market's clock in which a report comes too late."""
        return period + 1 + self.report_periods


@dataclass(frozen=True, slots=True)
class Settled:
    """A period as it is settled: ``delivered`` of ``chips`` at ``price`` each.

    ``premium`` is what the provider receives for all its chips beside the price; a charge, which
    is due of chips that were not delivered, too, is negative.
    """

    period: int
    chips: int
    price: int
    delivered: int
    premium: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Where the money of settled periods goes.

    Attributes:
        paid: Price of what was delivered, the provider's fee included.
        provider_fee: Part of it that the exchange keeps.
        enterprise_fee: What the enterprise owes the exchange on top.
        refund: Price of what was not delivered.
        penalty: What the provider owes for that.
        credit: What the policy fund pays for what was delivered.
        charge: What the provider pays for a premium, of what was delivered.
        charge_missed: The same, of what was not.
    """

    paid: int
    provider_fee: int
    enterprise_fee: int
    refund: int
    penalty: int
    credit: int = 0
    charge: int = 0
    charge_missed: int = 0


@dataclass(frozen=True, slots=True)
class Levy:
    """A charge on somebody who may not have it all.

    Attributes:
        taken: What is taken now.
        owed: The rest, a debt.
    """

    taken: int
    owed: int


def split(periods: Iterable[Settled], terms: Terms) -> Split:
    """Return where the money of periods goes that are settled together."""
    paid = refund = credit = charge = charge_missed = 0
    for item in periods:
        assert 0 <= item.delivered <= item.chips, "no more is delivered than was allocated"
        paid += item.delivered * item.price
        refund += (item.chips - item.delivered) * item.price
        if item.premium > 0:
            credit += item.premium * item.delivered // item.chips
        else:
            due = -(item.premium * item.delivered // item.chips)
            assert due <= item.delivered * item.price, "a charge is at most the price"
            charge += due
            charge_missed += -item.premium - due
    return Split(
        paid=paid,
        # No fee on what is only passed on.
        provider_fee=part(paid - charge, terms.provider_fee_ppm),
        enterprise_fee=part(paid, terms.enterprise_fee_ppm),
        refund=refund,
        penalty=part(refund, terms.penalty_ppm),
        credit=credit,
        charge=charge,
        charge_missed=charge_missed,
    )


def part(amount: int, ppm: int) -> int:
    """Return millionths of an amount, rounded down: in favour of who pays them."""
    assert amount >= 0
    assert 0 <= ppm <= MILLION
    return amount * ppm // MILLION


def levy(amount: int, free: int) -> Levy:
    """Return what of a charge is there; nothing is ever taken below zero."""
    taken = min(amount, max(0, free))
    return Levy(taken, amount - taken)
