"""How much each caller may ask for: token buckets, filled steadily up to a burst.

Gateways share a participant's bucket. Each draws a tenth of a second's worth at a time and spends
it without asking again, so that a busy participant costs a few statements a second and all
gateways together still give out no more than the bucket holds. Who is not known is counted by
address, by each gateway for itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from services.core.errors import Message
from services.gateway.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.gateway.identity_ports import Shares
    from services.gateway.ports import Principal

_DRAWS_PER_S = 10
_CALLERS_MAX = 10_000
# A bulk of a thousand orders must not count as one.
_BYTES_PER_TOKEN = 4_096
# What one address's network is in IPv6: a household or a machine has this many bits to itself.
_NETWORK_BITS = 64

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Limit:
    """One kind of limit.

    Attributes:
        name: As the headers call it.
        per_s: Tokens that come back each second; 0 or less: no limit.
        burst: Tokens at most.
    """

    name: str
    per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a request.

    Attributes:
        limit: The limit that the request counts under.
        left: Tokens that are left, as far as this gateway knows.
        wait_s: Seconds until a refused request would be taken; 0 if it was.
    """

    limit: Limit
    left: int
    wait_s: float = 0.0

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers."""
        limit = self.limit
        window_s = max(1, math.ceil(limit.burst / limit.per_s))
        full_in_s = math.ceil((limit.burst - self.left) / limit.per_s)
        reset_s = max(math.ceil(self.wait_s), full_in_s if self.left else 1)
        return {
            "RateLimit-Policy": f'"{limit.name}";q={limit.burst};w={window_s}',
            "RateLimit": f'"{limit.name}";r={self.left};t={reset_s}',
        }


@dataclass(slots=True)
class _Purse:
    tokens: int = 0
    left: float = 0.0
    empty_until_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    """Counts what callers ask for, and refuses what is too much.

    Args:
        shares: Buckets that all gateways share.
        reads: For what participants read.
        writes: For what they ask to be done.
        anonymous: For callers who are not known, by address.
        now_s: A steady clock, seconds.
    """

    def __init__(
        self,
        shares: Shares,
        *,
        reads: Limit,
        writes: Limit,
        anonymous: Limit,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shares
        self._own = OwnShares(now_s)
        self._reads = reads
        self._writes = writes
        self._anonymous = anonymous
        self._now_s = now_s
        self._purses: dict[str, _Purse] = {}

    async def known(
        self, principal: Principal, *, writes: bool, body_bytes: int
    ) -> Standing | None:
        """Count a participant's request; ``None`` if nothing limits it.

        Raises:
            LimitError: if it asked for too much; it says when to ask again.
        """
        limit = self._writes if writes else self._reads
        cost = 1 + (body_bytes // _BYTES_PER_TOKEN if writes else 0)
        bucket = f"{limit.name}:{principal.participant_id}"
        return await self._spend(self._shared, bucket, limit, cost)

    async def unknown(self, address: str) -> Standing | None:
        """Count a request of nobody known; ``None`` if nothing limits it.

        Raises:
            LimitError: if too much came from there; it says when to ask again.
        """
        limit = self._anonymous
        bucket = f"{limit.name}:{network_of(address)}"
        return await self._spend(self._own, bucket, limit, 1)

    async def _spend(self, shares: Shares, bucket: str, limit: Limit, cost: int) -> Standing | None:
        if limit.per_s <= 0:
            return None
        cost = min(cost, limit.burst)
        purse = _entry(self._purses, bucket, _Purse)
        if purse.tokens < cost and purse.empty_until_s <= self._now_s():
            async with purse.lock:
                # Whoever waited for the lock may find that it was filled meanwhile.
                if purse.tokens < cost and purse.empty_until_s <= self._now_s():
                    await self._draw(shares, bucket, limit, purse, cost - purse.tokens)
        if purse.tokens < cost:
            short = cost - purse.tokens - min(1.0, purse.left)
            wait_s = max(short / limit.per_s, purse.empty_until_s - self._now_s())
            raise _too_much(Standing(limit, purse.tokens, wait_s))
        purse.tokens -= cost
        return Standing(limit, purse.tokens + int(purse.left))

    async def _draw(
        self, shares: Shares, bucket: str, limit: Limit, purse: _Purse, needed: int
    ) -> None:
        wanted = max(needed, min(limit.burst, int(limit.per_s / _DRAWS_PER_S)))
        taken, purse.left = await shares.take(bucket, wanted, limit.per_s, limit.burst)
        purse.tokens += taken
        if taken < needed:
            # Nobody need be asked before a token can have come back.
            purse.empty_until_s = self._now_s() + (1.0 - min(1.0, purse.left)) / limit.per_s


class OwnShares:
    """Buckets of one process alone."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        # Bucket -> [tokens, when they were counted].
        self._buckets: dict[str, list[float]] = {}

    async def take(
        self, bucket: str, wanted: int, rate_per_s: float, burst: int
    ) -> tuple[int, float]:
        """Take up to ``wanted`` tokens; return (taken, left), 0 taken if not one is there."""
        now_s = self._now_s()
        found = _entry(self._buckets, bucket, lambda: [float(burst), now_s])
        found[0] = min(float(burst), found[0] + (now_s - found[1]) * rate_per_s)
        found[1] = now_s
        taken = min(wanted, int(found[0]))
        found[0] -= taken
        return taken, found[0]


def network_of(address: str) -> str:
    """Return what an address is counted as: itself, or its /64 in IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "elsewhere"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))


def _entry(table: dict[str, ValueT], name: str, make: Callable[[], ValueT]) -> ValueT:
    found = table.get(name)
    if found is None:
        if len(table) >= _CALLERS_MAX:
            # The oldest; whoever it is starts again with what the shared bucket holds.
            del table[next(iter(table))]
        found = table[name] = make()
    return found


def _too_much(standing: Standing) -> LimitError:
    limit = standing.limit
    wait_s = max(1, math.ceil(standing.wait_s))
    allowed = f"{limit.per_s:g} a second, {limit.burst} at once"
    return LimitError(
        "rate_limited",
        Message(
            f"rate: must be at most {allowed} ({limit.name}), was more; ask again in {wait_s} s",
            f"请求频率：每秒至多 {limit.per_s:g} 次、一次至多 {limit.burst} 次（{limit.name}），"
            f"实际超出；请在 {wait_s} 秒后重试",
        ),
        field="rate",
        value="more",
        allowed=allowed,
        wait_s=wait_s,
        headers=standing.headers(),
    )
