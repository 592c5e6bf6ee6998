"""Whatever happens, the log alone gives back every book that a round sealed, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis.stateful import rule

from schemas.policies import MarketPolicySet, TradingHalt
from services.core.past_books import book_at
from tests.property.examples import examples
from tests.property.market_world import MARKET
from tests.property.recording_world import RecordingWorld
from tests.property.test_order_lives import OrderLives

pytestmark = pytest.mark.timeout(240)
# What an enterprise has of earlier rounds stands in the books, so it must follow from the log.
HALF = MarketPolicySet.model_validate(
    {
        "market_id": MARKET.id,
        "policy_id": "half",
        "version": 1,
        "in_force_from_round": 1,
        "rule": {"kind": "largest_share", "share_bp": 5_000},
        "reason": "Two enterprises want all of it",
        "set_by": "regulator",
    }
)
# In a pause and in a halt the freeze of the market does not hold, and the log has to tell when.
BREAKER = MarketPolicySet.model_validate(
    HALF.model_dump()
    | {"policy_id": "breaker"}
    | {"rule": {"kind": "circuit_breaker", "move_bp": 1_000, "pause_s": 3_000}}
)


class Replays(OrderLives):
    """Orders live as they do there, with halts and pauses; then the log is read once more."""

    def __init__(self) -> None:
        super().__init__()
        self.world: RecordingWorld = RecordingWorld(HALF, BREAKER)

    @rule()
    def halt(self) -> None:
        self.world.rule("halt", TradingHalt(kind="trading_halt"))

    @rule()
    def lift(self) -> None:
        self.world.rule("halt", None)

    def teardown(self) -> None:
        super().teardown()
        log = self.world.check_replay()
        live = {order.id: order for order in self.world.orders.values() if order.is_live}
        then = book_at(log, self.world.now)
        assert then is not None
        assert not then.differing
        assert {order.id for order in then.orders} <= live.keys()


TestReplays = Replays.TestCase
TestReplays.settings = examples(15, steps=40, slow=True)
