"""Checks of prices, payments, states, regrets and welfare of a round.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from suanli.check_allowances import Spent, check_claim, check_unused
from suanli.check_feasible import Cleared, chip_hours
from suanli.check_formats import Allocation, Demand, Offer, Outcome
from suanli.check_links import cells_of, charge, check_link_regret, tariffs
from suanli.check_report import NOTHING, show


def check_rule_1(cleared: Cleared) -> None:
    """Check that nobody trades at a loss: blocks over the whole run, all others in every period."""
    log = cleared.log
    for id_, alternative in cleared.used.items():
        parts, where = cleared.demand_parts[id_], f"result.demands[{id_}]"
        if cleared.demands[id_].shape == "block":
            payment = _paid(cleared, id_)
            most = alternative.limit * cleared.demand_hours[id_]
            if payment > most:
                log.add("rule_1.block", f"{where}.payment", f"<= {most}", show(payment))
            continue
        if cleared.demands[id_].moves is not None:
            _check_sender(cleared, id_, alternative.limit)
            continue
        for item in parts:
            price, t = _extreme_price(cleared, item, highest=True)
            if price > alternative.limit:
                at = f"{where}[{item.pool}][{t}]"
                log.add("rule_1.demand", at, f"<= {alternative.limit}", show(price))
    if any(row.premium for row in cleared.result.shares):
        # What offers receive is the price and the premium: `check_shares` looks at both.
        return
    for id_, parts in cleared.offer_parts.items():
        ask = cleared.offers[id_].ask
        for item in parts:
            price, t = _extreme_price(cleared, item, highest=False)
            if price < ask:
                log.add("rule_1.offer", f"result.offers[{id_}][{t}]", f">= {ask}", show(price))


def check_rule_2(cleared: Cleared) -> None:
    """Check that buyers pay for each pool and period what its offers receive.

    The buyers' side counts chips where the demand takes them, the offers' side where the offer
    stands; the stated totals must agree as well.
    """
    log, book = cleared.log, cleared.book
    due = {pool: [0] * book.periods for pool in book.pools}
    for parts in cleared.demand_parts.values():
        for item in parts:
            for t, chips in enumerate(item.chips, start=item.start - book.first):
                due[item.pool][t] += chips
    for id_, parts in cleared.offer_parts.items():
        row = due[cleared.offers[id_].pool]
        for item in parts:
            for t, chips in enumerate(item.chips, start=item.start - book.first):
                row[t] -= chips
    for pool, row in due.items():
        for t, chips in enumerate(row):
            if chips:
                money = chips * cleared.result.prices[pool][t]
                log.add("rule_2.cell", f"{pool}[{book.first + t}]", "0", show(money))
    paid = sum(outcome.payment for outcome in cleared.result.demands)
    received = sum(outcome.payment for outcome in cleared.result.offers)
    # What goes over links is paid to those who run them and to the account of rents.
    received += sum(charge(cleared, id_) for id_ in cleared.sent)
    log.differ("rule_2.total", "result.offers", paid, received)


def check_orders(cleared: Cleared) -> None:
    """Check that every order of the book has one outcome, with its state and money."""
    result, log = cleared.result, cleared.log
    for i, (demand, outcome) in enumerate(zip(cleared.book.demands, result.demands, strict=False)):
        if outcome.id == demand.id:
            _check_demand_outcome(cleared, demand, outcome)
        else:
            where = f"result.demands[{i}].id"
            log.add("order.outcome", where, show(demand.id), show(outcome.id))
    log.differ("order.count", "result.demands", len(cleared.book.demands), len(result.demands))
    for i, (offer, outcome) in enumerate(zip(cleared.book.offers, result.offers, strict=False)):
        if outcome.id == offer.id:
            _check_offer_outcome(cleared, offer, outcome)
        else:
            log.add("order.outcome", f"result.offers[{i}].id", show(offer.id), show(outcome.id))
    log.differ("order.count", "result.offers", len(cleared.book.offers), len(result.offers))


def check_regret(
    cleared: Cleared,
    demands: list[int],
    offers: list[int],
    links: list[int],
    allowances: list[int],
) -> int:
    """Check every regret and their sum; return the sum as it should be, micro-yuan.

    Args:
        cleared: The round.
        demands: Best surplus of every demand of the book at the clearing prices.
        offers: The same of every offer.
        links: What each link could gain beyond its tariff.
        allowances: What each allowance counts at its prices.
    """
    log = cleared.log
    total = 0
    realised: dict[str, int] = {}
    taken = Spent(cleared)
    for id_, alternative in cleared.used.items():
        spent = _paid(cleared, id_) + taken.of(id_)
        realised[id_] = alternative.limit * cleared.demand_hours[id_] - spent
    rows = zip(cleared.book.demands, demands, cleared.result.demands, strict=False)
    for demand, best, outcome in rows:
        regret = max(0, best - realised.get(demand.id, 0))
        total += regret
        if regret != outcome.regret:
            where = f"result.demands[{demand.id}].regret"
            log.add("regret.order", where, show(regret), show(outcome.regret))
        if outcome.reason == "paradoxically_rejected" and regret == 0:
            log.add("order.reason", f"result.demands[{demand.id}].reason", "regret > 0", "0")
    given = zip(cleared.book.offers, offers, cleared.result.offers, strict=False)
    for offer, best, outcome in given:
        parts = cleared.offer_parts.get(offer.id, ())
        ask = cleared.asks[offer.id]
        got = sum(_payment(cleared, item) - ask * chip_hours(item) for item in parts)
        regret = max(0, best - got)
        total += regret
        log.differ("regret.order", f"result.offers[{offer.id}].regret", regret, outcome.regret)
    total += check_link_regret(cleared, links)
    total += check_unused(cleared, allowances)
    log.differ("regret.total", "result.total_regret", total, cleared.result.total_regret)
    return total


def welfare_of(cleared: Cleared) -> int | None:
    """Return limit values less asks and tariffs; None if a demand's alternative is unknown."""
    if len(cleared.used) < len(cleared.demand_hours):
        return None
    value = sum(item.limit * cleared.demand_hours[id_] for id_, item in cleared.used.items())
    cost = sum(
        cleared.offers[id_].ask * sum(map(chip_hours, parts))
        for id_, parts in cleared.offer_parts.items()
    )
    return value - cost - tariffs(cleared)


def _check_demand_outcome(cleared: Cleared, demand: Demand, outcome: Outcome) -> None:
    log, where = cleared.log, f"result.demands[{demand.id}]"
    hours = cleared.demand_hours.get(demand.id, 0)
    alternative = cleared.used.get(demand.id)
    if alternative is not None:
        whole = demand.shape == "block" or hours == alternative.chip_hours
        log.differ("order.state", f"{where}.state", _state(hours, whole=whole), outcome.state)
        log.differ("order.value", f"{where}.value", alternative.limit * hours, outcome.value)
    elif not hours:
        log.differ("order.state", f"{where}.state", "open", outcome.state)
        log.differ("order.value", f"{where}.value", 0, outcome.value)
    payment = _paid(cleared, demand.id)
    log.differ("order.chip_hours", f"{where}.chip_hours", hours, outcome.chip_hours)
    log.differ("order.payment", f"{where}.payment", payment, outcome.payment)
    _check_claim(cleared, demand, outcome, where)


def _check_claim(cleared: Cleared, demand: Demand, outcome: Outcome, where: str) -> None:
    """Check the reasons that state something which the round itself proves or refutes."""
    log, at = cleared.log, f"{where}.reason"
    if outcome.reason == "filled" and outcome.state != "filled":
        log.add("order.reason", at, "state filled", outcome.state)
    if outcome.reason == "linked_order_out" and (
        demand.linked_to is None or demand.linked_to in cleared.demand_hours
    ):
        log.add("order.reason", at, ("a linked demand that is out", "关联需求未成交"), NOTHING)
    if outcome.reason == "exclusive_group" and not any(
        mate != demand.id for mate in _accepted_mates(cleared, demand)
    ):
        log.add("order.reason", at, ("another member accepted", "组内另有成交"), NOTHING)
    if outcome.reason == "largest_share":
        check_claim(cleared, demand, at)


def _accepted_mates(cleared: Cleared, demand: Demand) -> Sequence[str]:
    return cleared.accepted_by_group.get((demand.participant, demand.exclusive_group or ""), ())


def _check_offer_outcome(cleared: Cleared, offer: Offer, outcome: Outcome) -> None:
    log, where = cleared.log, f"result.offers[{offer.id}]"
    parts = cleared.offer_parts.get(offer.id, ())
    hours = sum(map(chip_hours, parts))
    state = _state(hours, whole=hours == sum(offer.chips))
    revenue = sum(_payment(cleared, item) for item in parts)
    log.differ("order.state", f"{where}.state", state, outcome.state)
    log.differ("order.chip_hours", f"{where}.chip_hours", hours, outcome.chip_hours)
    log.differ("order.cost", f"{where}.cost", offer.ask * hours, outcome.value)
    log.differ("order.revenue", f"{where}.revenue", revenue, outcome.payment)
    if outcome.reason == "filled" and outcome.state != "filled":
        log.add("order.reason", f"{where}.reason", "state filled", outcome.state)


def _state(hours: int, *, whole: bool) -> str:
    if not hours:
        return "open"
    return "filled" if whole else "part-filled"


def _paid(cleared: Cleared, id_: str) -> int:
    """Return what a demand pays, for links too."""
    parts = cleared.demand_parts.get(id_, ())
    return sum(_payment(cleared, item) for item in parts) + charge(cleared, id_)


def _check_sender(cleared: Cleared, id_: str, limit: int) -> None:
    """Check that no chip of a flow or work costs more than its limit with its traffic."""
    demand, first = cleared.demands[id_], cleared.book.first
    for pool, t in sorted(cells_of(cleared.demand_parts[id_], first)):
        use = cleared.ways.use(demand, {(pool, t): 1}) or {}
        price = cleared.result.prices[pool][t]
        price += sum(gb * cleared.link_prices[key][at] for (key, at), gb in use.items())
        if price > limit:
            where = f"result.demands[{id_}][{pool}][{first + t}]"
            cleared.log.add("rule_1.demand", where, f"<= {limit}", show(price))


def _payment(cleared: Cleared, item: Allocation) -> int:
    shift = item.start - cleared.book.first
    prices = cleared.result.prices[item.pool][shift : shift + len(item.chips)]
    return sum(chips * price for chips, price in zip(item.chips, prices, strict=True))


def _extreme_price(cleared: Cleared, item: Allocation, *, highest: bool) -> tuple[int, int]:
    """Return the highest or lowest price of the periods used, and its period."""
    shift = item.start - cleared.book.first
    curve = cleared.result.prices[item.pool]
    used = [(curve[shift + i], item.start + i) for i, chips in enumerate(item.chips) if chips]
    return max(used) if highest else min(used)
