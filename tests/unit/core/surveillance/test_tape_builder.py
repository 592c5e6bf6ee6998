"""The tape is made of events in any order, once each, and lets go of what is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas import events
from schemas.types import OrderState, Role, Side
from services.core.surveillance.evaluate import evaluate
from services.core.surveillance.tape import ActKind
from services.core.surveillance.tape_builder import DAY_MS, TapeBuilder, milliseconds, subject_of
from tests.integration.matching.desk import MARKET, START, demand, offer
from tests.unit.core.surveillance.story import (
    DAY,
    allocation,
    fed,
    one_round,
    round_of,
    status,
)

OWNERS = {"p-a": "one", "e-a": "one"}


def test_a_day_is_the_same_in_whatever_order_its_events_come() -> None:
    story = one_round()
    tape = fed(*story).tape(DAY, OWNERS)
    assert fed(*reversed(story)).tape(DAY, OWNERS) == tape
    assert fed(*story, *story).tape(DAY, OWNERS).allocations == tape.allocations
    assert [act.kind for act in tape.acts] == [ActKind.SUBMIT] * 2
    assert [case.kind for case in evaluate(tape)] == ["self_match"]
    (terms,) = [act.terms for act in tape.acts if act.side is Side.DEMAND]
    assert terms is not None
    assert (terms.pools, terms.chip_hours) == (("bj-1/a910b", "he-1/a910b"), 8)


def test_a_round_waits_until_everything_of_it_has_come() -> None:
    story = one_round()
    for missing in range(len(story)):
        event = story[missing][0]
        rest = [item for at, item in enumerate(story) if at != missing]
        needed = not isinstance(event, events.OfferSubmitted | events.DemandSubmitted) and not (
            isinstance(event, events.OrderStatusChanged) and event.round_id is None
        )
        assert (fed(*rest).days() == []) == needed, type(event).__name__


def test_what_an_offer_sold_before_is_not_to_be_had_again() -> None:
    end = (START + timedelta(hours=40)).isoformat()
    cheap, dear = offer("a", end=end), offer("b", end=end, ask=1_500_000)
    first, second = demand("a"), demand("b")
    later = START + timedelta(days=1)
    hour = 26
    at_ms = milliseconds(START)
    story: list[tuple[events.Event, int]] = [(events.MarketDefined(market=MARKET), at_ms - 9_000)]
    for order in (cheap, dear, first, second):
        story += [(order, at_ms - 5_000), (status(order, OrderState.OPEN), at_ms - 4_000)]
    days = (
        round_of(1, START, (allocation(1, first, cheap, hour),)),
        round_of(2, later, (allocation(2, second, dear, hour),)),
    )
    builder = fed(*story)
    for day, (found, need) in enumerate(zip(days, (first, second), strict=True)):
        for number, event in enumerate(found):
            builder.add(event, f"r{day}-{number}", at_ms + day * DAY_MS)
        filled = status(need, OrderState.FILLED, sequence=2, round_id=f"{MARKET.id}:{day + 1}")
        builder.add(filled, f"s{day}", at_ms + day * DAY_MS)
    before = builder.tape(DAY + 1, {})
    assert [one.offer_id for one in before.earlier] == [cheap.order_id]
    assert not [one for one in evaluate(before) if one.kind == "favouritism"]
    gone = builder.forget(DAY)
    assert subject_of(days[0][3]) not in gone
    assert f"round:{MARKET.id}:1" in gone
    after = builder.tape(DAY + 1, {})
    assert (after.earlier, after.rounds) == (before.earlier, before.rounds)
    # The demand that was filled is let go; the offer may still sell.
    assert {act.order_id for act in before.acts} - {act.order_id for act in after.acts} == {
        first.order_id
    }
    # Once its hours are over, it goes too.
    assert subject_of(days[0][3]) in builder.forget(DAY + 1)


@pytest.mark.parametrize("role", [Role.PROVIDER])
def test_an_event_that_makes_no_tape_is_an_error_of_the_program(role: Role) -> None:
    event = events.ParticipantRegistered(participant_id="p", role=role, name="p")
    with pytest.raises(AssertionError):
        TapeBuilder("jjj").add(event, "e", 0)


def test_a_message_about_an_order_of_somebody_else_is_not_on_the_tape() -> None:
    cancelled = events.OfferCancelled(
        order_id=offer("a").order_id, market_id=MARKET.id, participant_id="stranger"
    )
    story = [*one_round(), (cancelled, milliseconds(START) - 1_000)]
    assert fed(*story).tape(DAY, OWNERS) == fed(*one_round()).tape(DAY, OWNERS)
