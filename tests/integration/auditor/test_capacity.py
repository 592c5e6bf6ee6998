"""Chips that are sold twice over two markets, or sold on by who did not buy them, are found."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest

from schemas import events
from services.auditor.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.auditor.wire import Wire
from tests.integration.migrating import schema_before
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration

OTHER = "other"


def sold(
    seq: int, offer: str, provider: str, enterprise: str, chips: int, market: str = w.MARKET
) -> events.AllocationMade:
    """Return ten chips or so for the hours 1 and 2."""
    hours = [(1, chips, w.YUAN), (2, chips, w.YUAN)]
    return w.allocated(seq, f"d-{enterprise}", enterprise, offer, provider, hours, market=market)


def rounds(seq: int, market: str, *made: events.AllocationMade) -> Sequence[events.Event]:
    return w.round_bodies(seq, made, market=market)


def resale(name: str, owner: str, source: str, market: str = w.MARKET) -> events.OfferSubmitted:
    return w.offered(name, owner, 10, start=1, hours=3, market=market, resale_of=source)


async def found(
    wire: Wire, offers: Sequence[events.Event], told: Sequence[Sequence[events.Event]]
) -> dict[str, tuple[str, Sequence[str]]]:
    """Return (code, problems) by round, once all rounds were compared with all offers."""
    await wire.say(*offers)
    async with wire.auditing():
        await wire.until("SELECT count(*) FROM offer_terms", lambda n: n == len(offers))
        for one in told:
            await wire.say(*one)
        await wire.until(
            "SELECT count(*) FROM round_audit WHERE capacity_compared", lambda n: n == len(told)
        )
        return {
            one.round_id or "": (one.summary.code, one.problems)
            for one in await wire.findings()
            if one.summary.code.startswith("round.")
        }


async def test_chips_that_are_sold_twice_over_all_markets_are_found(wire: Wire) -> None:
    first = sold(1, "a", "cloud", "lab", 6)
    # Ten chips in all, offered in two markets; a third offer of it comes once there are twelve.
    # The lab sells on what it bought, in the other market, and one of it a second time.
    offers = [
        w.offered("a", "cloud", 10, capacity_chips=10),
        w.offered("b", "cloud", 10, capacity_chips=10, market=OTHER),
        w.offered("c", "cloud", 10, capacity_chips=12),
        resale("r", "lab", first.allocation_id, OTHER),
        resale("s", "lab", first.allocation_id),
    ]
    right = [
        rounds(1, w.MARKET, first),
        rounds(1, OTHER, sold(1, "b", "cloud", "mill", 4, OTHER)),
        rounds(2, w.MARKET, sold(2, "c", "cloud", "farm", 2)),
        rounds(2, OTHER, sold(2, "r", "lab", "mill", 6, OTHER)),
    ]
    assert await found(wire, offers, right) == {}
    over = rounds(3, OTHER, sold(3, "b", "cloud", "farm", 1, OTHER))
    again = rounds(3, w.MARKET, sold(3, "s", "lab", "farm", 1))
    told = await found(wire, offers, [*right, over, again])
    assert {code for code, _ in told.values()} == {"round.shared"}
    assert told.keys() == {f"{OTHER}:3", f"{w.MARKET}:3"}
    for round_id, text in (
        (f"{OTHER}:3", "cloud/CN.11.0108.BJ01-A910B/bj-1/a910b {}: 13 chips sold over all"),
        (f"{w.MARKET}:3", f"{first.allocation_id} {{}}: 7 chips sold over all"),
    ):
        hours = [w.hour(at).isoformat().replace("+00:00", "Z") for at in (1, 2)]
        assert [one.split(" markets")[0] for one in told[round_id][1]] == list(
            map(text.format, hours)
        )


async def test_resales_of_what_was_not_bought_and_too_long_chains_are_found(wire: Wire) -> None:
    sale = sold(1, "o0", "e0", "e1", 10)
    offers: list[events.Event] = [w.offered("o0", "e0", 10)]
    told = [rounds(1, w.MARKET, sale)]
    for n in range(1, 9):
        # Each buyer sells on, in one market or the other; the ninth sale is one too many.
        market = OTHER if n % 2 else w.MARKET
        offers.append(resale(f"o{n}", f"e{n}", sale.allocation_id, market))
        sale = sold(n + 1, f"o{n}", f"e{n}", f"e{n + 1}", 10, market)
        told.append(rounds(n + 1, market, sale))
    # Somebody else sells it on once more, and sells what nobody ever bought.
    invented = w.allocation_id("x")
    for market, source in (("y", sale.allocation_id), ("z", invented)):
        offers.append(resale(market, "thief", source, market))
        told.append(rounds(1, market, sold(1, market, "thief", "mill", 1, market)))
    wrong = await found(wire, offers, told)
    assert {code for code, _ in wrong.values()} == {"round.resold"}
    texts = {round_id: problems for round_id, (_, problems) in wrong.items()}
    assert texts.keys() == {f"{w.MARKET}:9", "y:1", "z:1"}
    assert "sold through 9 sales, at most 8 may be" in texts[f"{w.MARKET}:9"][0]
    assert "sold by thief, bought by e9" in texts["y:1"][0]
    assert f"resells {invented}: there is no such allocation" in texts["z:1"][0]


async def test_allocations_of_before_are_read_again(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0009_shared_capacity") as before:
        await before.conn.execute(
            "INSERT INTO consumer_offset (topic, partition, next_offset, epoch) "
            "VALUES ('rounds', 0, 9, 1), ('allocations', 0, 9, 1)"
        )
        await before.upgrade()
        rows = await before.conn.fetch("SELECT topic FROM consumer_offset")
        assert [row["topic"] for row in rows] == ["rounds"]
        with pytest.raises(asyncpg.CheckViolationError):
            await before.conn.execute("INSERT INTO capacity_shared VALUES ('c', 'h', -1, 1)")
