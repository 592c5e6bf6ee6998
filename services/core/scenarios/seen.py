"""Whether what a scenario says must be seen is seen: each sentence, and what was found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.scenarios import (
    SeeCost,
    SeeHours,
    SeeLink,
    SeeOrders,
    SeePivotal,
    SeePrice,
    SeeServedIn,
    SeeShare,
    SeeUrgent,
)
from schemas.types import period_of
from services.core.policy_study.cost import policy_costs
from services.core.scenarios.play import name_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.scenarios import See
    from services.core.scenarios.play import Played

_MICRO = 1_000_000
_WHOLE_BP = 10_000
_DIGITS = 10_000
"""Four digits after the point: ticks are no finer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A sentence of a scenario.

    Attributes:
        say: The sentence.
        holds: Whether it is so.
        found: What is so.
    """

    say: str
    holds: bool
    found: str


def seen(played: Played) -> Iterator[Seen]:
    """Yield each sentence about a round, and whether it holds."""
    for want in played.wanted.see:
        holds, found = _look(want, played)
        yield Seen(want.say, holds, found)


def _look(want: See, played: Played) -> tuple[bool, str]:
    match want:
        case SeeOrders():
            return _orders(want, played)
        case SeeServedIn():
            return _served_in(want, played)
        case SeeHours():
            return _chip_hours(want, played)
        case SeePrice():
            return _price(want, played)
        case SeeUrgent():
            return _urgent(want, played)
        case SeeLink():
            return _link(want, played)
        case SeeCost():
            return _cost(want, played)
        case SeeShare():
            return _share(want, played)
        case SeePivotal():
            return _pivotal(want, played)


def _orders(want: SeeOrders, played: Played) -> tuple[bool, str]:
    found = {name: _state(name, played) for name in want.names}
    told = ", ".join(f"{name} {state}" for name, state in found.items())
    return set(found.values()) == {want.state}, told


def _state(name: str, played: Played) -> str:
    order_id = played.ids.get(name, "")
    states = {row.id: row.state for row in played.result.demands}
    states |= {row.id: row.state for row in played.result.offers}
    states |= dict.fromkeys((row.id for row in played.book.kept_out.demands), "kept_out")
    states |= dict.fromkeys((row.id for row in played.book.kept_out.offers), "kept_out")
    return states.get(order_id, "not_there")


def _served_in(want: SeeServedIn, played: Played) -> tuple[bool, str]:
    regions = {pool.key: pool.region for pool in played.book.pools}
    order_id = played.ids.get(want.name)
    found = {regions[row.pool] for row in played.result.allocations if row.demand == order_id}
    return found == set(want.regions), ", ".join(sorted(found)) or "nowhere"


def _chip_hours(want: SeeHours, played: Played) -> tuple[bool, str]:
    pools = {pool.key: (pool.region, pool.chip, pool.zone) for pool in played.book.pools}
    order_id = played.ids.get(want.of)
    hours = sum(
        sum(row.chips)
        for row in played.result.allocations
        if order_id in {row.demand, row.offer}
        or want.of in pools[row.pool]
        or want.of in {played.owners[row.demand], played.owners[row.offer]}
    )
    return want.at_least <= hours <= want.at_most, f"{hours} chip-hours"


def _price(want: SeePrice, played: Played) -> tuple[bool, str]:
    curve = dict(played.result.prices).get(want.pool, ())
    at = period_of(want.period) - played.book.first_period
    if not 0 <= at < len(curve):
        return False, "no such pool and period"
    return want.at_least <= curve[at] <= want.at_most, _yuan(curve[at])


def _urgent(want: SeeUrgent, played: Played) -> tuple[bool, str]:
    served = played.book.mobilisation
    if want.mobilisation is None:
        return served is None, "an ordinary round" if served is None else "an urgent round"
    holds = served is not None and served.id == name_id("mob", want.mobilisation)
    if holds:
        return True, f"an urgent round, of {want.mobilisation}"
    return False, "an ordinary round" if served is None else "an urgent round of another"


def _link(want: SeeLink, played: Played) -> tuple[bool, str]:
    row = next((row for row in played.result.links if row.key == want.link), None)
    if row is None:
        used, dearer = 0, 0
    else:
        tariff = next(link.tariff for link in played.book.links if link.key == want.link)
        used, dearer = sum(row.used), sum(price > tariff for price in row.prices)
    holds = want.gb_at_least <= used <= want.gb_at_most
    holds &= want.congested is None or want.congested == (dearer > 0)
    return holds, f"{used} GB, congested in {dearer} periods"


def _cost(want: SeeCost, played: Played) -> tuple[bool, str]:
    costs = policy_costs(played.book, played.rules, played.result)
    found = next((one for one in costs if one.policy_id == want.policy), None)
    if found is None:
        return False, "not in force"
    return want.at_least <= found.cost <= want.at_most, _yuan(found.cost)


def _share(want: SeeShare, played: Played) -> tuple[bool, str]:
    found = next((row for row in played.result.shares if row.policy == want.policy), None)
    if found is None:
        return False, "not in force"
    whole = found.tflops_hours
    share_bp = found.tflops_hours_domestic * _WHOLE_BP // whole if whole else 0
    holds = want.bp_at_least <= share_bp <= want.bp_at_most
    holds &= want.premium_at_least <= found.premium <= want.premium_at_most
    holds &= want.kept == (found.shortfall == 0)
    missed = f", {found.shortfall} TFLOPS-hours missed" if found.shortfall else ""
    told = f"{share_bp / 100:.2f} % at {_yuan(found.premium)} per TFLOPS-hour{missed}"
    return holds, told


def _yuan(micro_yuan: int) -> str:
    whole, rest = divmod(abs(micro_yuan), _MICRO)
    sign = "-" if micro_yuan < 0 else ""
    return f"{sign}{whole:,}.{rest * _DIGITS // _MICRO:04d} yuan"


def _pivotal(want: SeePivotal, played: Played) -> tuple[bool, str]:
    book, owners = played.book, played.owners
    supply: dict[tuple[str, int], int] = defaultdict(int)
    for offer in book.offers:
        if owners[offer.id] != want.participant:
            for period, chips in enumerate(offer.chips, offer.start):
                supply[offer.pool, period] += chips
    bought: dict[tuple[str, int], int] = defaultdict(int)
    for row in played.result.allocations:
        for period, chips in enumerate(row.chips, row.start):
            bought[row.pool, period] += chips
    short = sum(chips > supply[at] for at, chips in bought.items())
    return (short > 0) == want.holds, f"needed in {short} of {len(bought)} pools and periods"
