"""Plays a scenario: its events become a log, and each round is what a market makes of that log.

Books come from `services.core.replay`, the same that rebuilds a market's books from its log, so a
scenario is cleared as the exchange would clear it. The ledger says yes to every hold.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas import events
from schemas.mobilisation import MobilisationDeclared
from schemas.orders import DemandTerms, OfferTerms
from schemas.policies import MarketPolicySet
from schemas.types import OrderState
from services.core.book_builder import rules_of
from services.core.clearing.clear import clear
from services.core.market_log import INPUTS, MarketLog, Read, Round, Status
from services.core.replay import Replay
from services.core.round_pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from schemas.market import Market
    from schemas.scenarios import Scenario, ScenarioRound
    from services.core.book import Book, Result, Rules

_MONEY = 10**16
_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Played:
    """A round of a scenario.

    Attributes:
        wanted: What the scenario says of it.
        book: Its book.
        rules: Its rules.
        result: What came of it.
        ids: Name of an order -> its id.
        owners: Id of an order -> whose it is.
    """

    wanted: ScenarioRound
    book: Book
    rules: Rules
    result: Result
    ids: dict[str, str]
    owners: dict[str, str]


def play(scenario: Scenario) -> Iterator[Played]:
    """Yield the rounds of a scenario; pure, so that it always plays the same.

    An urgent round is one of them: a round of the scenario that comes at the same instant as one
    before it goes on where that left off.
    """
    log = _Log(scenario)
    replay = Replay(log.whole())
    for seq, (wanted, sealed) in enumerate(log.rounds, 1):
        replay.take_window(sealed)
        assert replay.market is not None, "the market is defined first"
        book = replay.freeze(seq, wanted.at)
        rules = rules_of(replay.market, book, Pace())
        result = clear(book, rules)
        replay.settle(Round(sealed, result, f"round {seq}"))
        yield Played(wanted, book, rules, result, log.ids, log.owners)


def name_id(prefix: str, name: str) -> str:
    """Return the id that stands for a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:26]}"


@dataclass(slots=True)
class _Log:
    """The events of a scenario as the log would have them, in the order in which they were sent."""

    scenario: Scenario
    ids: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    rounds: list[tuple[ScenarioRound, events.RoundSealed]] = field(default_factory=list)
    _inputs: dict[str, list[Read]] = field(default_factory=lambda: {name: [] for name in INPUTS})
    _statuses: list[Status] = field(default_factory=list)

    def whole(self) -> MarketLog:
        """Return the log."""
        market = self.scenario.market
        at = self.scenario.rounds[0].at
        self._say("policies", events.MarketDefined(market=market), at)
        versions: dict[str, int] = {}
        for seq, wanted in enumerate(self.scenario.rounds, 1):
            if wanted.cut:
                market = _cut(market, {(link.source, link.destination) for link in wanted.cut})
                self._say("policies", events.MarketDefined(market=market), wanted.at)
            self._rules(wanted, seq, versions)
            self._orders(wanted)
            self.rounds.append((wanted, self._sealed(seq, wanted.at)))
        partitions = dict.fromkeys(INPUTS, 0)
        return MarketLog(market.id, self._inputs, self._statuses, (), partitions)

    def _rules(self, wanted: ScenarioRound, seq: int, versions: dict[str, int]) -> None:
        market_id = self.scenario.market.id
        for policy in wanted.policies:
            version = versions[policy.policy_id] = versions.get(policy.policy_id, 0) + 1
            told = MarketPolicySet(
                market_id=market_id,
                policy_id=policy.policy_id,
                version=version,
                in_force_from_round=seq,
                rule=policy.rule,
                reason="As the scenario has it",
                set_by="regulator",
            )
            self._say("policies", told, wanted.at)
        for need in wanted.mobilisations:
            declared = MobilisationDeclared(
                mobilisation_id=name_id("mob", need.name),
                market_id=market_id,
                terms=need.terms,
                proposed_by="regulator",
                declared_by="operator",
            )
            self._say("policies", declared, wanted.at)

    def _orders(self, wanted: ScenarioRound) -> None:
        market_id, defaults = self.scenario.market.id, self.scenario.defaults
        for order in wanted.offers:
            offer = events.OfferSubmitted(
                order_id=self._named("off", order.name, order.by),
                market_id=market_id,
                participant_id=order.by,
                terms=OfferTerms.model_validate(defaults.offer | order.terms),
            )
            self._say("offers", offer, wanted.at)
        for order in wanted.demands:
            demand = events.DemandSubmitted(
                order_id=self._named("dem", order.name, order.by),
                market_id=market_id,
                participant_id=order.by,
                terms=DemandTerms.model_validate(defaults.demand | order.terms),
            )
            cause = self._say("demand", demand, wanted.at)
            hold = events.HoldPlaced(
                hold_id=f"hold {order.name}",
                order_id=demand.order_id,
                market_id=market_id,
                participant_id=order.by,
                version=1,
                amount=_MONEY,
            )
            self._say("holds", hold, wanted.at, cause)

    def _named(self, prefix: str, name: str, owner: str) -> str:
        order_id = self.ids[name] = name_id(prefix, name)
        self.owners[order_id] = owner
        return order_id

    def _say(self, topic: str, event: events.Event, at: datetime, cause: str = "") -> str:
        records = self._inputs[topic]
        event_id = f"{topic} {len(records)}"
        records.append(Read(topic, len(records), event_id, cause, "scenario", at, event))
        # The instant alone is of use: it is the market's time when the record is judged.
        self._statuses.append(Status(event_id, at, OrderState.OPEN, 1, ""))
        return event_id

    def _sealed(self, seq: int, at: datetime) -> events.RoundSealed:
        market_id = self.scenario.market.id
        manifest = tuple(
            events.OffsetRange(topic=topic, partition=0, start=0, end=len(records))
            for topic, records in self._inputs.items()
        )
        return events.RoundSealed(
            round_id=f"{market_id}:{seq}",
            market_id=market_id,
            seq=seq,
            epoch=1,
            market_time=at,
            manifest=manifest,
            book_digest=_DIGEST,
            rules_digest=_DIGEST,
            offers=0,
            demands=0,
        )


def _cut(market: Market, gone: set[tuple[str, str]]) -> Market:
    links = tuple(
        link.model_copy(update={"capacity_gb_per_period": 0})
        if (link.source, link.destination) in gone
        else link
        for link in market.links
    )
    return market.model_copy(update={"links": links})
