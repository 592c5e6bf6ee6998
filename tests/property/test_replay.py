"""Whatever happens, the log alone gives back every book that a round sealed, byte for byte."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.policies import MarketPolicySet
from services.core.intake import decide
from services.core.past_books import book_at, sealed_books
from services.core.replay import MarketLog, Read, Round, Status
from services.core.verdicts import Story, Verdict
from services.matching.ports import SealedRound
from tests.property.examples import examples
from tests.property.market_world import MARKET, START, World, clear_greedy_of
from tests.property.test_order_lives import OrderLives

pytestmark = pytest.mark.timeout(240)
TOPICS = ("policies", "offers", "demand", "holds")
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


class RecordingWorld(World):
    """A market that also keeps what its topics would hold."""

    def __init__(self) -> None:
        super().__init__()
        defined = events.MarketDefined(market=MARKET)
        self.inputs: dict[str, list[Read]] = {topic: [] for topic in TOPICS}
        for offset, event in enumerate((defined, HALF)):
            read = Read("policies", offset, f"policy {offset}", "", "", START, event)
            self.inputs["policies"].append(read)
        self.desk.set_policy(HALF)
        self.told: list[Status] = []
        self.rounds: list[Round] = []
        self._ends = dict.fromkeys(TOPICS, 0)

    def matching_reads_offers(self) -> None:
        if self.offers_read < len(self.offers_log):
            self._read("offers", self.offers_log[self.offers_read], "")
        super().matching_reads_offers()

    def matching_reads_demand(self) -> None:
        if self.demand_read < len(self.demand_log):
            self._read("demand", self.demand_log[self.demand_read], "")
        super().matching_reads_demand()

    def matching_reads_holds(self) -> None:
        if self.holds_read < len(self.ledger.holds_log):
            cause, event = self.ledger.holds_log[self.holds_read]
            self._read("holds", event, cause)
        super().matching_reads_holds()

    def log(self) -> MarketLog:
        """Return the market's log."""
        partitions = dict.fromkeys(TOPICS, 0)
        return MarketLog(MARKET.id, self.inputs, self.told, self.rounds, partitions)

    def _read(self, topic: str, event: events.Event, cause: str) -> None:
        reads = self.inputs[topic]
        offset = len(reads)
        reads.append(Read(topic, offset, f"{topic} {offset}", cause, "", self.now, event))
        self.reading = reads[-1]

    def _decide(self, event: events.Event, story: Story) -> Verdict:
        wanted = {getattr(event, "order_id", "")}
        wanted.add(getattr(getattr(event, "terms", None), "linked_to", None) or "")
        self.desk.recall(self.orders[name] for name in wanted if name in self.orders)
        decision = decide(self.desk.view(self.now), event, story)
        known = self.orders.get(getattr(event, "order_id", ""))
        sequence = 0 if known is None else known.sequence
        for order in decision.orders:
            if order.sequence != sequence:
                fact = (order.state, order.version, order.why.code)
                self.told.append(Status(self.reading.event_id, self.now, *fact))
            sequence = order.sequence
        return super()._decide(event, story)

    def _check_round(self, sealed: SealedRound) -> None:
        super()._check_round(sealed)
        manifest = tuple(
            events.OffsetRange(topic=topic, partition=0, start=self._ends[topic], end=len(reads))
            for topic, reads in self.inputs.items()
        )
        self._ends = {topic: len(reads) for topic, reads in self.inputs.items()}
        told = events.RoundSealed(
            round_id=sealed.round_id,
            market_id=MARKET.id,
            seq=sealed.seq,
            epoch=1,
            market_time=sealed.market_time,
            manifest=manifest,
            book_digest=sealed.book_digest,
            rules_digest=sealed.rules_digest,
            offers=0,
            demands=0,
        )
        result = clear_greedy_of(sealed).result
        self.rounds.append(Round(told, result, self.closed_ids[sealed.round_id]))


class Replays(OrderLives):
    """Orders live as they do there; then the log is read once more."""

    def __init__(self) -> None:
        super().__init__()
        self.world: RecordingWorld = RecordingWorld()

    def teardown(self) -> None:
        super().teardown()
        log = self.world.log()
        found = list(sealed_books(log))
        assert [one.digest for one in found] == [one.sealed_digest for one in found]
        assert len(found) == len(log.rounds)
        live = {order.id: order for order in self.world.orders.values() if order.is_live}
        then = book_at(log, self.world.now)
        assert then is not None
        assert not then.differing
        assert {order.id for order in then.orders} <= live.keys()


TestReplays = Replays.TestCase
TestReplays.settings = examples(15, steps=40, slow=True)
