"""Which policies are in force in a round, what keeps a new one out, and what they keep out.

A policy's versions are kept apart by market. In force is, of each policy, the latest version whose
round has come; a version without a rule withdraws it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from schemas.policies import (
    CircuitBreaker,
    DomesticShare,
    LargestShare,
    PriceLimits,
    TradingHalt,
)
from services.core.book import BookPolicy
from services.core.eligibility import chip_fits
from services.core.errors import Message, ValidationError
from services.core.orders import OfferOrder, noted
from services.core.policy_rows import LARGEST, LIMITS, SHARE, PriceRanges
from services.core.reasons import why_refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.market import Market
    from schemas.orders import DemandTerms, OfferTerms
    from schemas.policies import MarketPolicySet, PolicyRule
    from services.core.orders import Order

_NONE: Mapping[str, int] = MappingProxyType({})
KEPT_OUT = "price_limits"
"""Code of the reason of an order that waits beyond the limits of prices."""


NOT_IN_BOOKS = ("circuit_breaker", "trading_halt")
"""Kinds of rules that no book carries: they keep rounds from being run, and move none."""


def in_force(policies: Iterable[MarketPolicySet], seq: int) -> list[MarketPolicySet]:
    """Return the policies in force in a round, sorted by id."""
    latest: dict[str, MarketPolicySet] = {}
    for policy in policies:
        known = latest.get(policy.policy_id)
        if policy.in_force_from_round <= seq and (known is None or policy.version > known.version):
            latest[policy.policy_id] = policy
    return [latest[name] for name in sorted(latest) if latest[name].rule is not None]


def halt_of(policies: Iterable[MarketPolicySet], seq: int) -> MarketPolicySet | None:
    """Return the policy that keeps a round from being run, if one does."""
    found = in_force(policies, seq)
    return next((policy for policy in found if isinstance(policy.rule, TradingHalt)), None)


def rows_of(
    policies: Iterable[MarketPolicySet], seq: int, accounts: Mapping[str, int] = _NONE
) -> tuple[BookPolicy, ...]:
    """Return the policies of a round as its book carries them, sorted by id.

    Args:
        policies: Versions of a market's policies.
        seq: Number of the round.
        accounts: TFLOPS-hours that rounds before missed of each domestic share.
    """
    rows = []
    for policy in in_force(policies, seq):
        rule = policy.rule
        if isinstance(rule, PriceLimits):
            params = (("cap", rule.cap), ("chip", rule.chip or ""), ("floor", rule.floor))
            rows.append(BookPolicy(policy.policy_id, policy.version, LIMITS, params))
        elif isinstance(rule, DomesticShare):
            share: tuple[tuple[str, int | str], ...] = (
                ("carried", accounts.get(policy.policy_id, 0)),
                ("premium_max", rule.premium_max),
                ("region", rule.region or ""),
                ("share_bp", rule.share_bp),
            )
            rows.append(BookPolicy(policy.policy_id, policy.version, SHARE, share))
        elif isinstance(rule, LargestShare):
            largest = (
                ("chip", rule.chip or ""),
                ("chips_free", rule.chips_free),
                ("region", rule.region or ""),
                ("share_bp", rule.share_bp),
            )
            rows.append(BookPolicy(policy.policy_id, policy.version, LARGEST, largest))
    return tuple(rows)


# --- a new version --------------------------------------------------------------------------


def check_policy(
    policy: MarketPolicySet, market: Market, known: Sequence[MarketPolicySet], last_round: int
) -> None:
    """Check the next version of a policy against its market.

    Args:
        policy: The version; its number follows the latest one.
        market: The market.
        known: All versions of all policies of the market.
        last_round: Number of the last round that was sealed.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    versions = [item for item in known if item.policy_id == policy.policy_id]
    least = max([last_round + 1, *(item.in_force_from_round for item in versions)])
    if policy.in_force_from_round < least:
        raise _error(
            "validation.round_past",
            "in_force_from_round",
            str(policy.in_force_from_round),
            Message(f"at least {least}", f"至少 {least}"),
        )
    if policy.rule is None:
        if not versions or max(versions, key=lambda item: item.version).rule is None:
            raise _error(
                "validation.no_policy",
                "rule",
                "null",
                Message("a rule, as there is none to withdraw", "一条规则(没有可撤销的政策)"),
            )
        return
    check_rule(policy.rule, market)
    for other in in_force(known, policy.in_force_from_round):
        if other.policy_id != policy.policy_id and _scope(other) == _scope(policy):
            raise _error(
                "validation.policy_exists",
                "policy_id",
                policy.policy_id,
                Message(
                    f"{other.policy_id}, which rules the same",
                    f"{other.policy_id}(已规定同一事项)",
                ),
            )


def check_rule(rule: PolicyRule, market: Market) -> None:
    """Check that a market can honour a rule.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    if isinstance(rule, PriceLimits | CircuitBreaker | LargestShare):
        _check_known("rule.chip", rule.chip, {chip.id for chip in market.chips})
    if isinstance(rule, DomesticShare | LargestShare):
        _check_known("rule.region", rule.region, {zone.region for zone in market.zones})
    if isinstance(rule, PriceLimits):
        tick = market.rules.tick
        for name, price in (("floor", rule.floor), ("cap", rule.cap)):
            if price % tick:
                below = price // tick * tick
                allowed = Message(
                    f"a multiple of the tick {tick}, such as {below} or {below + tick}",
                    f"最小变动单位 {tick} 的整数倍,如 {below} 或 {below + tick}",
                )
                raise _error("validation.off_tick", f"rule.{name}", str(price), allowed)
        if rule.floor > rule.cap:
            allowed = Message(f"at most the cap {rule.cap}", f"不高于上限 {rule.cap}")
            raise _error("validation.floor_above_cap", "rule.floor", str(rule.floor), allowed)


def _check_known(field: str, value: str | None, known: set[str]) -> None:
    if value is not None and value not in known:
        names = ", ".join(sorted(known))
        said = Message(f"one of {names}, or left out", f"以下之一:{names};或省略")
        raise _error("validation.unknown", field, value, said)


def _scope(policy: MarketPolicySet) -> tuple[str, str]:
    rule = policy.rule
    assert rule is not None
    if isinstance(rule, DomesticShare):
        return rule.kind, rule.region or ""
    if isinstance(rule, LargestShare):
        return rule.kind, f"{rule.region or ''}/{rule.chip or ''}"
    return rule.kind, "" if isinstance(rule, TradingHalt) else rule.chip or ""


# --- prices of orders -----------------------------------------------------------------------


def check_offer_price(terms: OfferTerms, ranges: PriceRanges) -> None:
    """Check an offer's ask against the limits in force.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    most = ranges.of(terms.chip)
    if not most.floor <= terms.ask <= most.cap:
        allowed = Message(
            f"{most.floor} to {most.cap} micro-yuan, the limits for {terms.chip}",
            f"{most.floor} 至 {most.cap} 微元({terms.chip} 的价格上下限)",
        )
        raise _error("validation.price_limits", "ask", str(terms.ask), allowed)


def check_demand_price(terms: DemandTerms, market: Market, ranges: PriceRanges) -> None:
    """Check a demand's limits against the caps in force of every chip class that may serve it.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    for index, alternative in enumerate(terms.alternatives):
        caps = [
            (ranges.of(chip.id).cap, chip.id)
            for chip in market.chips
            if chip_fits(chip, alternative)
        ]
        cap, chip_id = min(caps, default=(alternative.limit, ""))
        if alternative.limit > cap:
            allowed = Message(
                f"at most {cap} micro-yuan, the cap for {chip_id}",
                f"至多 {cap} 微元({chip_id} 的价格上限)",
            )
            path = f"alternatives.{index}.limit"
            raise _error("validation.price_limits", path, str(alternative.limit), allowed)


def is_beyond(order: Order, market: Market, ranges: PriceRanges) -> ValidationError | None:
    """Return what of an order is beyond the limits, if anything is."""
    if not ranges:
        return None
    try:
        if isinstance(order, OfferOrder):
            check_offer_price(order.terms, ranges)
        else:
            check_demand_price(order.terms, market, ranges)
    except ValidationError as error:
        return error
    return None


def kept_out(
    orders: Iterable[Order], market: Market, policies: Iterable[BookPolicy]
) -> list[Order]:
    """Return live orders that limits keep out of a round, those that were not told yet."""
    ranges = PriceRanges(policies)
    told: list[Order] = []
    for order in orders if ranges else ():
        error = is_beyond(order, market, ranges)
        if error is not None and order.is_in_book and order.why.code != KEPT_OUT:
            reason = why_refused(KEPT_OUT, error)
            told.append(noted(order, reason))
    return told


def _error(code: str, field: str, value: str, allowed: Message) -> ValidationError:
    return ValidationError(
        code,
        Message(
            f"{field} must be {allowed.en}, was {value}",
            f"{field} 应为{allowed.zh},实际为 {value}",
        ),
        field=field,
        value=value,
        allowed=allowed.en,
    )
