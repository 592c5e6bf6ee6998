"""Link charges of a round: tariffs and rents leave escrow at once, and all sums are zero."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.types import Role
from services.ledger.state import escrow_account, links_account, rents_account
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import check_sums, free, posted
from tests.unit.ledger.charges import link_charged


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 100 * w.YUAN),
            w.offered("o1", "cloud", chips=10, hours=24),
            w.demanded("d1", "lab", chips=10, hours=2, limit=w.YUAN),
        )
    )
    return made


def test_round_pays_tariff_and_rent_of_links_out_of_escrow(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    chips = w.allocated(1, "d1", "lab", "o1", "cloud", [(1, 10, 600_000)])
    link = link_charged(1, "d1", "lab", 10_000, [(0, 20, 10_000), (1, 10, 30_000)])
    ledger.feed(topics.round(1, chips, link, w.kept(1, "d1", "lab", 0)))
    assert posted(ledger, links_account(w.MARKET)) == 30 * 10_000
    assert posted(ledger, rents_account(w.MARKET)) == 10 * 20_000
    assert posted(ledger, escrow_account(w.MARKET)) == chips.payment
    assert free(ledger, "lab") == 100 * w.YUAN - chips.payment - link.payment
    (captured,) = ledger.events(events.HoldCaptured)
    assert captured.captured == chips.payment + link.payment
    check_sums(ledger)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payment": 1}, "settle.link_payment"),
        ({"tariff": 40_000}, "settle.link_payment"),
        ({"enterprise_id": "cloud"}, "settle.link_demand"),
        ({"demand_id": w.demand_id("d2")}, "settle.link_demand"),
    ],
)
def test_round_with_a_wrong_link_charge_books_nothing(
    topics: w.Topics, ledger: w.MemoryLedger, change: dict[str, object], code: str
) -> None:
    chips = w.allocated(1, "d1", "lab", "o1", "cloud", [(1, 10, 600_000)])
    link = link_charged(1, "d1", "lab", 10_000, [(1, 10, 30_000)]).model_copy(update=change)
    ledger.feed(topics.round(1, chips, link, w.kept(1, "d1", "lab", 0)))
    assert [f.summary.code for f in ledger.events(events.FindingRaised)] == [code]
    assert posted(ledger, escrow_account(w.MARKET)) == 0
    check_sums(ledger)
