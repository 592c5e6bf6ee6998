"""Who may offer what: providers chips of their own, once, enterprises what they bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.orders import OfferTerms
from schemas.types import Role, period_of, period_text, pool_key
from services.core.errors import Message, ValidationError
from services.gateway.app.rights import require_role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.api import AllocationView
    from schemas.orders import DemandTerms
    from services.gateway.ports import Principal


def require_offers(principal: Principal, wanted: Sequence[OfferTerms | DemandTerms]) -> None:
    """Let enterprises offer only if something of it resells an allocation.

    Raises:
        ForbiddenError: naming the caller's role and those that may.
    """
    offers = [terms for terms in wanted if isinstance(terms, OfferTerms)]
    if offers and all(terms.resale_of is None for terms in offers):
        require_role(principal, Role.PROVIDER)


def check_bought(
    principal: Principal, terms: OfferTerms, found: AllocationView | None, now_period: int
) -> None:
    """Check that an offer resells what its owner bought, or nothing if that is a provider.

    What of it is offered on already, and whether it may be sold on at all, the ledger says.

    Args:
        principal: Who offers.
        terms: The offer's terms.
        found: The allocation that it names, if there is one.
        now_period: The period that is running.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    if principal.role is Role.PROVIDER:
        if terms.resale_of is not None:
            allowed = Message("null: you offer chips of your own", "null(供给方只报自有芯片)")
            raise _refused("resale_of", terms.resale_of, allowed)
        return
    if terms.resale_of is None:
        raise _refused("resale_of", "null", Message("an allocation", "一项分配"))
    if found is None or found.enterprise_id != principal.participant_id:
        allowed = Message("an allocation that you bought", "自己买到的分配")
        raise _refused("resale_of", terms.resale_of, allowed)
    pool = pool_key(terms.zone, terms.chip)
    if pool != found.pool:
        zone, _, chip = found.pool.partition("/")
        field, bought = ("zone", zone) if terms.zone != zone else ("chip", chip)
        raise _refused(field, getattr(terms, field), Message(bought, bought))
    chips: dict[int, int] = {period_of(item.start): item.chips for item in found.periods}
    for period in range(
        max(period_of(terms.start), now_period + 1), max(period_of(terms.end), now_period + 1)
    ):
        if period not in chips:
            first, past = (period_text(at) for at in (min(chips), max(chips) + 1))
            allowed = Message(f"within {first} to {past}", f"在 {first} 至 {past} 之内")
            raise _refused("start, end", period_text(period), allowed)
        if terms.chips > chips[period]:
            most = f"{chips[period]} ({period_text(period)})"
            raise _refused("chips", str(terms.chips), Message(f"at most {most}", f"至多 {most}"))


def check_stated(terms: OfferTerms, other: str | None) -> None:
    """Check that an offer says how many chips there are where another market could sell them, too.

    Args:
        terms: The offer's terms; a resale's allocation says it.
        other: Another market that trades in the pool, if there is one.

    Raises:
        ValidationError: naming that market and what to say.
    """
    if other is None or terms.capacity_chips is not None or terms.resale_of is not None:
        return
    pool = pool_key(terms.zone, terms.chip)
    raise ValidationError(
        "validation.capacity_chips",
        Message(
            f"capacity_chips must be the number of chips that {terms.resource_code} has in {pool} "
            f"in all, since {other} trades there, too, was null; what offers with the same code "
            "sell is then sold once over all markets",
            f"{other} 也交易 {pool}，故 capacity_chips 须为 {terms.resource_code} 在该资源池的"
            "芯片总数，实际为 null；同一编码的报价在各市场合计只售一次",
        ),
        field="capacity_chips",
        value="null",
        allowed=f"at least {terms.chips}",
    )


def _refused(field: str, value: str, allowed: Message) -> ValidationError:
    return ValidationError(
        "validation.resale",
        Message(
            f"{field} must be {allowed.en}, was {value}",
            f"{field} 应为{allowed.zh}，实际为 {value}",
        ),
        field=field,
        value=value,
        allowed=allowed.en,
    )
