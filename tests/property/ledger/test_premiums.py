"""Whatever is delivered, and in whatever order, the policy fund is never below zero."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.types import Role
from services.core.premiums import Supplied
from services.ledger.state import cny_account, debt_account, policy_account, premiums_account
from tests.property.examples import examples
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import check_sums, posted
from tests.unit.ledger.charges import premium_assigned

PROVIDERS = ("home", "away")
HOURS, PRICE = 3, 2 * w.YUAN


@st.composite
def rounds(draw: st.DrawFn) -> list[tuple[bool, list[int]]]:
    """Draw allocations: whether domestic, and chips of each hour."""
    row = st.tuples(st.booleans(), st.lists(st.integers(1, 7), min_size=HOURS, max_size=HOURS))
    return draw(st.lists(row, min_size=1, max_size=5))


@examples(100)
@given(
    rows=rounds(),
    premium=st.integers(0, 10_000),
    delivered=st.lists(st.tuples(st.integers(0, 4), st.integers(0, HOURS - 1), st.integers(0, 7))),
    lapses=st.booleans(),
)
def test_the_policy_fund_pays_every_credit_and_is_never_below_zero(
    rows: list[tuple[bool, list[int]]],
    premium: int,
    delivered: list[tuple[int, int, int]],
    lapses: bool,
) -> None:
    topics, ledger = w.Topics(), w.MemoryLedger()
    tflops = 100
    total = Supplied(
        tflops * sum(sum(chips) for _, chips in rows),
        tflops * sum(sum(chips) for domestic, chips in rows if domestic),
    )
    people = [w.registered("lab")] + [w.registered(name, Role.PROVIDER) for name in PROVIDERS]
    offers = [
        w.offered(f"o{n}", PROVIDERS[not domestic], chips=10, hours=24)
        for n, (domestic, _) in enumerate(rows)
    ]
    ledger.feed(topics.put(*people, w.deposited("lab", 10**6 * w.YUAN), *offers))
    made, premiums, amounts = [], [], []
    for n, (domestic, chips) in enumerate(rows):
        ledger.feed(topics.put(w.demanded(f"d{n}", "lab", chips=10, hours=HOURS, limit=10**8)))
        periods = [(hour, chips[hour], PRICE) for hour in range(HOURS)]
        made.append(w.allocated(1, f"d{n}", "lab", f"o{n}", PROVIDERS[not domestic], periods))
        row = [
            total.amount(domestic=domestic, tflops_hours=count * tflops, premium=premium)
            for count in chips
        ]
        amounts.append(row)
        if any(row):
            premiums.append(premium_assigned(made[-1], row))
    kept = [w.kept(1, f"d{n}", "lab", 0) for n in range(len(rows))]
    ledger.feed(topics.round(1, *made, *premiums, *kept))
    fund, claims = policy_account(w.MARKET), premiums_account(w.MARKET)
    assert posted(ledger, fund) == -sum(min(0, one) for row in amounts for one in row)
    open_charges = {
        (n, hour): max(0, -one) for n, row in enumerate(amounts) for hour, one in enumerate(row)
    }
    for at, (place, hour, got) in enumerate(delivered):
        n = place % len(rows)
        ledger.feed(topics.put(w.delivered(made[n], [(hour, got)], f"r{at}")))
        open_charges.pop((n, hour), None)
        assert posted(ledger, fund) >= 0
        assert posted(ledger, claims) == -sum(open_charges.values())
    if lapses:
        ledger.feed(topics.round(2, at=w.hour(HOURS + 80)))
        assert posted(ledger, claims) == 0
    assert posted(ledger, fund) >= 0
    assert posted(ledger, cny_account("home")) >= 0
    assert posted(ledger, debt_account("home")) == 0
    check_sums(ledger)
