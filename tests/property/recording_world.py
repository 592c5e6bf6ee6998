"""A market in memory that keeps what its topics would hold, so that its log can be read again."""

from __future__ import annotations

from schemas import events
from schemas.policies import MarketPolicySet, PolicyRule
from services.core.intake import decide
from services.core.market_log import MarketLog, Read, Round, Status
from services.core.past_books import sealed_books
from services.core.verdicts import Story, Verdict
from services.matching.ports import SealedRound
from tests.property.market_world import MARKET, START, World, clear_greedy_of

TOPICS = ("policies", "offers", "demand", "holds")


class RecordingWorld(World):
    """A market that also keeps what its topics would hold.

    Args:
        policies: Policies that are in force from the beginning.
    """

    def __init__(self, *policies: MarketPolicySet) -> None:
        super().__init__()
        defined = events.MarketDefined(market=MARKET)
        self.inputs: dict[str, list[Read]] = {topic: [] for topic in TOPICS}
        for offset, event in enumerate((defined, *policies)):
            read = Read("policies", offset, f"policy {offset}", "", "", START, event)
            self.inputs["policies"].append(read)
        for policy in policies:
            self.desk.set_policy(policy)
        self.told: list[Status] = []
        self.rounds: list[Round] = []
        self._begins = self._ends = dict.fromkeys(TOPICS, 0)

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

    def rule(self, policy_id: str, rule: PolicyRule | None) -> None:
        """Set the next version of a policy, in force for what orders are for now."""
        known = [version for name, version in self.desk.policies if name == policy_id]
        policy = MarketPolicySet(
            market_id=MARKET.id,
            policy_id=policy_id,
            version=max(known, default=0) + 1,
            in_force_from_round=self.desk.next_round + (self.sealed is not None),
            rule=rule,
            reason="As the case has it",
            set_by="regulator",
        )
        self._read("policies", policy, "")
        assert self.desk.set_policy(policy)
        self._commit()

    def log(self) -> MarketLog:
        """Return the market's log."""
        partitions = dict.fromkeys(TOPICS, 0)
        return MarketLog(MARKET.id, self.inputs, self.told, self.rounds, partitions)

    def check_replay(self) -> MarketLog:
        """Return the log, after every book of it and every status was found to follow from it."""
        log = self.log()
        found = list(sealed_books(log))
        assert [one.digest for one in found] == [one.sealed_digest for one in found]
        assert [one.differing for one in found] == [()] * len(log.rounds)
        return log

    def _read(self, topic: str, event: events.Event, cause: str) -> None:
        reads = self.inputs[topic]
        offset = len(reads)
        reads.append(Read(topic, offset, f"{topic} {offset}", cause, "", self.now, event))

    def _judge(self, event: events.Event, story: Story) -> Verdict:
        wanted = {getattr(event, "order_id", "")}
        wanted.add(getattr(getattr(event, "terms", None), "linked_to", None) or "")
        self.desk.recall(self.orders[name] for name in wanted if name in self.orders)
        decision = decide(self.desk.view(self.now), event, story)
        known = self.orders.get(getattr(event, "order_id", ""))
        sequence = 0 if known is None else known.sequence
        for order in decision.orders:
            if order.sequence != sequence:
                fact = (order.state, order.version, order.why.code)
                self.told.append(Status(story.event_id, self.now, *fact))
            sequence = order.sequence
        return super()._judge(event, story)

    def seal(self, minutes: int) -> None:
        begins = self.sealed is None
        super().seal(minutes)
        if begins:
            self._begins, self._ends = (
                self._ends,
                {topic: len(reads) for topic, reads in self.inputs.items()},
            )

    def _check_round(self, sealed: SealedRound) -> None:
        super()._check_round(sealed)
        manifest = tuple(
            events.OffsetRange(topic=topic, partition=0, start=self._begins[topic], end=end)
            for topic, end in self._ends.items()
        )
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
