"""What each policy of a round cost: its book, cleared again without the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.policy_costs import Gains, PolicyCost
from services.core.book_policies import without
from services.core.clearing.clear import clear
from services.core.policy_rows import LARGEST
from services.core.policy_study.bound import bound_of
from services.core.policy_study.gains import gains_of

if TYPE_CHECKING:
    from services.core.book import Book, Result, Rules


def policy_costs(book: Book, rules: Rules, result: Result) -> tuple[PolicyCost, ...]:
    """Return what each policy of a round's book cost, sorted by id.

    The book is cleared without one policy at a time, under the same rules, so their costs do not
    add up where two bind together. Pure, as `clear` is.

    Args:
        book: The round's book, with the orders that its policies keep out.
        rules: Its rules.
        result: What was published for it.
    """
    with_it = gains_of(book, result)
    found = []
    for policy in book.policies:
        free = without(book, policy.id)
        without_it = gains_of(free, clear(free, rules))
        cost = cost_between(
            with_it,
            without_it,
            policy_id=policy.id,
            version=policy.version,
            kind=policy.kind,
            offers=len(book.kept_out.offers) - len(free.kept_out.offers),
            demands=len(book.kept_out.demands) - len(free.kept_out.demands),
        )
        if policy.kind == LARGEST:
            cost = cost.model_copy(update={"bound": bound_of(book, result, policy.id)})
        found.append(cost)
    return tuple(found)


def cost_between(
    with_it: Gains,
    without_it: Gains,
    *,
    policy_id: str,
    version: int,
    kind: str,
    offers: int,
    demands: int,
) -> PolicyCost:
    """Return what a policy costs by two clearings, and what it can be given their gaps.

    The best clearing with the policy lies between the welfare found and the most there can be,
    and so does the best one without; their difference lies between the two extremes.

    Args:
        with_it: The clearing with the policy.
        without_it: The clearing without.
        policy_id: Its id.
        version: Its version.
        kind: What kind of rule it is.
        offers: Offers that it keeps out.
        demands: Demands that it keeps out.
    """
    least = without_it.welfare - with_it.welfare_most
    most = without_it.welfare_most - with_it.welfare
    assert least <= without_it.welfare - with_it.welfare <= most
    return PolicyCost(
        policy_id=policy_id,
        version=version,
        kind=kind,
        offers_kept_out=offers,
        demands_kept_out=demands,
        with_it=with_it,
        without_it=without_it,
        cost=without_it.welfare - with_it.welfare,
        cost_least=least,
        cost_most=most,
        within_gap=least < most and least <= 0 <= most,
    )
