"""Holds end with their demands: expired by the first round after that, never captured after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import events
from schemas.types import Role
from tests.unit.ledger import world as w
from tests.unit.ledger.balances import check_sums, free
from tests.unit.ledger.windows import within


@pytest.fixture
def ledger(topics: w.Topics) -> w.MemoryLedger:
    made = w.MemoryLedger()
    made.feed(
        topics.put(
            w.registered("lab"),
            w.registered("cloud", Role.PROVIDER),
            w.deposited("lab", 100 * w.YUAN),
            w.offered("o1", "cloud", chips=10, hours=24),
            within(w.demanded("d1", "lab", chips=10), 0, 2),
        )
    )
    return made


def entries(ledger: w.MemoryLedger) -> list[tuple[str, str]]:
    """Return (kind, purpose) of what was booked of holds, placing them aside."""
    return [
        (entry.kind, entry.purpose)
        for entry in ledger.events(events.JournalEntryRecorded)
        if entry.pending_id is not None
    ]


@pytest.mark.parametrize(
    ("at", "expires", "booked"),
    [
        (1, None, ("void", "hold_released")),
        (2, None, ("expire", "hold_expired")),
        (1, 1, ("expire", "hold_expired")),
    ],
)
def test_a_hold_is_released_before_the_end_of_its_demand_and_expires_after_it(
    topics: w.Topics, at: int, expires: int | None, booked: tuple[str, str]
) -> None:
    ledger = w.MemoryLedger()
    need = within(w.demanded("d1", "lab", chips=10), 0, 2, expires)
    ledger.feed(topics.put(w.registered("lab"), w.deposited("lab", 100 * w.YUAN), need))
    ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 0), at=w.hour(at)))
    assert entries(ledger) == [booked]
    assert free(ledger, "lab") == 100 * w.YUAN
    (told,) = ledger.events(events.HoldReleased)
    assert (told.released, told.kept) == (20 * w.YUAN, 0)
    # A hold resolves once: the same round once more, or a later one, finds nothing.
    ledger.feed(topics.round(2, w.kept(2, "d1", "lab", 0), at=w.hour(at)))
    assert entries(ledger) == [booked]
    check_sums(ledger)


@pytest.mark.parametrize("at", [1, 3])
def test_a_hold_from_before_ends_were_kept_is_released_by_the_round_that_gives_it_up(
    topics: w.Topics, ledger: w.MemoryLedger, at: int
) -> None:
    (demand,) = ledger.view.demands.values()
    ledger.view.demands[demand.order_id] = replace(demand, expires_at=None)
    ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 0), at=w.hour(at)))
    assert entries(ledger) == [("void", "hold_released")]
    assert free(ledger, "lab") == 100 * w.YUAN
    check_sums(ledger)


def test_what_a_round_keeps_after_the_end_is_held_again_and_expires_later(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.round(1, w.kept(1, "d1", "lab", 5 * w.YUAN), at=w.hour(3)))
    assert entries(ledger) == [("void", "hold_released")]
    assert free(ledger, "lab") == 95 * w.YUAN
    ledger.feed(topics.round(2, w.kept(2, "d1", "lab", 0), at=w.hour(3)))
    assert entries(ledger)[1:] == [("expire", "hold_expired")]
    check_sums(ledger)


def test_a_round_that_captures_after_the_end_is_refused_whole(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    made = w.allocated(1, "d1", "lab", "o1", "cloud", [(2, 10, 600_000)])
    ledger.feed(topics.round(1, made, w.kept(1, "d1", "lab", 0), at=w.hour(2)))
    (finding,) = ledger.events(events.FindingRaised)
    assert finding.summary.code == "settle.hold_expired"
    assert entries(ledger) == []
    check_sums(ledger)


@pytest.mark.parametrize("read", [False, True])
def test_an_amendment_that_ends_later_moves_the_end_of_the_hold(
    topics: w.Topics, ledger: w.MemoryLedger, *, read: bool
) -> None:
    longer = within(w.demand_amended("d1", "lab", chips=5), 0, 4)
    ledger.feed(topics.put(longer))
    assert entries(ledger) == [("void", "hold_replaced")]
    assert free(ledger, "lab") == 80 * w.YUAN
    made = w.allocated(1, "d1", "lab", "o1", "cloud", [(3, 10, 600_000)])
    end = topics.ends["demand", 0] - (not read)
    ledger.feed(topics.round(1, made, w.kept(1, "d1", "lab", 0), at=w.hour(3), demand_end=end))
    assert ledger.events(events.FindingRaised) == []
    assert entries(ledger)[1:] == [("post", "hold_captured")]
    check_sums(ledger)


def test_an_amendment_that_ends_earlier_leaves_the_hold_to_rounds_that_had_not_read_it(
    topics: w.Topics, ledger: w.MemoryLedger
) -> None:
    ledger.feed(topics.put(within(w.demand_amended("d1", "lab", chips=10), 0, 1)))
    assert entries(ledger) == []
    made = w.allocated(1, "d1", "lab", "o1", "cloud", [(1, 10, 600_000)])
    end = topics.ends["demand", 0] - 1
    keep = w.kept(1, "d1", "lab", 0)
    ledger.feed(topics.round(1, made, keep, at=w.hour(1), demand_end=end))
    assert ledger.events(events.FindingRaised) == []
    assert entries(ledger)[0] == ("post", "hold_captured")
    check_sums(ledger)
