"""What accounts hold: the gateway's tables say what matching's rule makes of the same rounds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

from schemas import events
from schemas.mobilisation import MobilisationServed
from schemas.types import period_start
from services.core.book import Allocation, Book, BookMobilisation, Result, Rules
from services.core.clearing.clear import clear_greedy
from services.core.holdings import Held, held_after, runs_of
from services.core.orders import OfferOrder, Order
from services.gateway.adapters.indications import PostgresIndications
from services.gateway.adapters.postgres import PostgresReports
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.test_quotes import FIRST
from tests.integration.gateway.test_reports import allocation, closed, sealed
from tests.property.market_world import order_id
from tests.unit.core.orders_world import Records, demand, offer

STORIES, ROUNDS, HOURS = 12, 6, 10
BUYERS = ("e-1", "e-2")
POOLS = ("bj-1/t4", "he-1/t4")
NOTHING = Book("m", "m:1", FIRST, HOURS, (), (), ())
RESULT: Result = clear_greedy(NOTHING, Rules())
OFFER, DEMAND = Records(offer()), Records(demand())


@dataclass
class Story:
    """Rounds of a market, what they are on the log, and what accounts hold after them."""

    market_id: str
    chance: random.Random
    held: Held = field(default_factory=dict)
    told: list[events.Event] = field(default_factory=list)

    def round(self, seq: int) -> None:
        """Let a round give chips, some of them sold on by who bought them here or elsewhere."""
        book = replace(NOTHING, market=self.market_id, first_period=FIRST + seq)
        if self.chance.random() < 0.2:
            book = replace(book, mobilisation=BookMobilisation("mob_" + "a" * 26, 100))
        known: dict[str, Order] = {}
        rows = []
        for number in range(self.chance.randint(0, 4)):
            name = f"{self.market_id} {seq} {number}"
            buyer, seller = self.chance.sample([*BUYERS, "p-1"], 2)
            if buyer == "p-1":
                buyer, seller = seller, buyer
            bought, sold = order_id("dem", name), order_id("off", name)
            known |= {bought: _demand(bought, buyer), sold: _offer(sold, seller)}
            start = book.first_period + self.chance.randrange(4)
            chips = tuple(self.chance.randint(1, 5) for _ in range(self.chance.randint(1, 4)))
            rows.append(Allocation(bought, sold, self.chance.choice(POOLS), start, chips))
        self.held = held_after(self.held, book, replace(RESULT, allocations=tuple(rows)), known)
        self._tell(seq, book, rows, known)

    def _tell(self, seq: int, book: Book, rows: list[Allocation], known: dict[str, Order]) -> None:
        at = period_start(book.first_period) - timedelta(minutes=10)
        names = {"market_id": self.market_id, "round_id": f"{self.market_id}:{seq}"}
        self.told.append(sealed().model_copy(update=names | {"seq": seq, "market_time": at}))
        if book.mobilisation is not None:
            counts = dict.fromkeys(
                ("price_cap", "demands", "demands_served", "chip_hours", "reserve_chip_hours"), 0
            )
            served = names | counts | {"market_time": at, "payment": 0, "price_max": 0}
            self.told.append(
                MobilisationServed.model_validate(
                    served | {"mobilisation_id": book.mobilisation.id}
                )
            )
        for index, row in enumerate(rows):
            hours = [
                {"start": period_start(period), "chips": chips, "price": 1}
                for period, chips in enumerate(row.chips, row.start)
            ]
            changes = {
                "allocation_id": order_id("al", row.demand),
                "index": index,
                "demand_id": row.demand,
                "offer_id": row.offer,
                "enterprise_id": known[row.demand].participant_id,
                "provider_id": known[row.offer].participant_id,
                "pool": row.pool,
                "periods": hours,
                "payment": sum(row.chips),
            }
            self.told.append(
                events.AllocationMade.model_validate(allocation().model_dump() | names | changes)
            )
        ends = {"seq": seq, "count": len(rows), "market_time": at}
        self.told.append(closed().model_copy(update=names | ends))


def _demand(name: str, owner: str) -> Order:
    (order,) = DEMAND.orders.values()
    return replace(order, id=name, participant_id=owner)


def _offer(name: str, owner: str) -> Order:
    (order,) = OFFER.orders.values()
    assert isinstance(order, OfferOrder)
    again = None if owner == "p-1" else "al_" + "a" * 26
    terms = order.terms.model_copy(update={"resale_of": again})
    return replace(order, id=name, participant_id=owner, terms=terms)


def _to_come(held: Held) -> Held:
    """Return what is left once hours are over; matching drops those of a run with its last."""
    first = FIRST + ROUNDS
    return runs_of(
        (who, pool, period, chips)
        for (who, pool), run in held.items()
        for period, chips in enumerate(run[1], run[0])
        if chips and period >= first
    )


async def test_holdings_in_the_tables_are_those_that_matching_keeps(gateway: Gateway) -> None:
    stories = [Story(f"story-{n}", random.Random(n)) for n in range(STORIES)]
    for story in stories:
        for seq in range(1, ROUNDS + 1):
            story.round(seq)
    await gateway.publish(*(event for story in stories for event in story.told))

    async def rounds() -> object:
        query = "SELECT count(*) FROM round WHERE closed_at IS NOT NULL"
        return await gateway.pool.fetchval(query)

    await gateway.eventually(rounds, lambda found: found == STORIES * ROUNDS)
    # The hours that begin after the last round's instant are those that it could still give.
    now = period_start(FIRST + ROUNDS) - timedelta(minutes=10)
    shown = PostgresIndications(gateway.pool, gateway.pool)
    reports = PostgresReports(gateway.pool, None)
    for story in stories:
        held = _to_come(story.held)
        assert held
        assert await shown.held(story.market_id, now) == held, story.market_id
        for buyer in BUYERS:
            own = {pool: run for (who, pool), run in held.items() if who == buyer}
            assert await reports.held(story.market_id, buyer, now) == own
