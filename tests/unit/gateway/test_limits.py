"""How much each caller may ask for."""

from __future__ import annotations

import pytest

from schemas.types import Role
from services.gateway.app.limits import Limit, Limits, OwnShares, network_of
from services.gateway.errors import LimitError
from services.gateway.ports import Principal
from tests.unit.gateway.bad_inputs import offer
from tests.unit.gateway.memory import KEYS, MemoryGateway

READS, WRITES = Limit("reads", 10.0, 20), Limit("writes", 1.0, 5)
ANONYMOUS = Limit("anonymous", 2.0, 4)
WHO = Principal("provider-1", Role.PROVIDER, "key_a")


class Clock:
    """A steady clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def limits(clock: Clock, shares: OwnShares | None = None) -> Limits:
    return Limits(
        shares or OwnShares(clock), reads=READS, writes=WRITES, anonymous=ANONYMOUS, now_s=clock
    )


async def spent(gates: list[Limits], times: int, *, writes: bool = False) -> int:
    """Return how many of so many requests are taken, turn by turn."""
    taken = 0
    for number in range(times):
        try:
            await gates[number % len(gates)].known(WHO, writes=writes, body_bytes=0)
        except LimitError:
            continue
        taken += 1
    return taken


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_gateways_together_give_out_the_burst_and_then_the_rate(count: int) -> None:
    clock = Clock()
    shares = OwnShares(clock)
    gates = [limits(clock, shares) for _ in range(count)]
    assert await spent(gates, 100) == READS.burst
    for _ in range(20):
        clock.now_s += 1.0
        assert await spent(gates, 100) == READS.per_s


async def test_reads_and_writes_and_participants_are_counted_apart() -> None:
    gate = limits(Clock())
    assert await spent([gate], 100, writes=True) == WRITES.burst
    assert await spent([gate], 100) == READS.burst
    other = Principal("provider-2", Role.PROVIDER, "key_b")
    assert await gate.known(other, writes=True, body_bytes=0) is not None


async def test_a_large_write_counts_as_many_and_never_as_more_than_there_can_be() -> None:
    clock = Clock()
    gate = limits(clock)
    assert await gate.known(WHO, writes=True, body_bytes=3 * 4096) is not None
    with pytest.raises(LimitError) as refused:
        await gate.known(WHO, writes=True, body_bytes=2 * 4096)
    assert refused.value.wait_s == 2
    clock.now_s += 5
    assert await gate.known(WHO, writes=True, body_bytes=10**9) is not None


async def test_whoever_waits_as_long_as_told_is_taken() -> None:
    clock = Clock()
    gate = limits(clock)
    for body in (0, 4096, 3 * 4096, 0, 4096):
        await spent([gate], 100, writes=True)
        with pytest.raises(LimitError) as refused:
            await gate.known(WHO, writes=True, body_bytes=body)
        clock.now_s += refused.value.wait_s
        assert await gate.known(WHO, writes=True, body_bytes=body) is not None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("a socket", "elsewhere"),
        ("", "elsewhere"),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_the_answer_tells_where_one_stands_and_when_to_ask_again() -> None:
    clock = Clock()
    gateway = MemoryGateway(limits=limits(clock))
    headers = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"}
    async with gateway.http() as http:
        first = await http.post(
            "/v1/offers", json=offer(), headers=headers | {"Idempotency-Key": "k0"}
        )
        assert first.status_code == 202
        assert first.headers["ratelimit-policy"] == '"writes";q=5;w=5'
        assert first.headers["ratelimit"] == '"writes";r=4;t=1'
        bad = await http.post("/v1/offers", json={}, headers=headers | {"Idempotency-Key": "k"})
        assert (bad.status_code, bad.headers["ratelimit"]) == (422, '"writes";r=3;t=2')
        for number in range(1, 4):
            await http.post(
                "/v1/offers", json=offer(), headers=headers | {"Idempotency-Key": f"k{number}"}
            )
        over = await http.post(
            "/v1/offers",
            json=offer(),
            headers=headers | {"Idempotency-Key": "k9", "Accept-Language": "zh"},
        )
        assert (over.status_code, over.json()["code"]) == (429, "rate_limited")
        assert over.headers["retry-after"] == "1"
        assert over.headers["ratelimit"] == '"writes";r=0;t=1'
        assert "重试" in over.json()["detail"]
        assert (await http.get("/v1/offers", headers=headers)).status_code == 200
        clock.now_s += 1
        again = await http.post(
            "/v1/offers", json=offer(), headers=headers | {"Idempotency-Key": "k9"}
        )
        assert again.status_code == 202


async def test_nobody_known_is_counted_by_address_and_health_never_is() -> None:
    gateway = MemoryGateway(limits=limits(Clock()))
    wrong = {"Authorization": "Bearer sk_guess"}
    async with gateway.http() as http:
        # A header that nobody asked for does not hide where it comes from.
        paths = [("/v1/markets", {}), ("/v1/markets", wrong), ("/v1/offers", wrong)]
        statuses = [(await http.get(path, headers=sent)).status_code for path, sent in paths * 3]
        assert statuses == [200, 200, 401, 200, 429, 429, 429, 429, 429]
        for path in ("/livez", "/readyz", "/metrics", "/docs") * 5:
            assert (await http.get(path)).status_code == 200
        mine = {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"}
        assert (await http.get("/v1/offers", headers=mine)).status_code == 200
