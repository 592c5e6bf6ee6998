"""The gateway's ports to the transparency log and to money, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from schemas.api import MarketView
from schemas.dead_letters import DeadLetterView, LetterState
from schemas.erasures import ErasureView
from schemas.events import Event
from schemas.filters import Filter
from schemas.funds import (
    InvoiceLine,
    InvoiceView,
    MoneyOrderView,
    RefusalView,
    SettlementTermsView,
    SettlementView,
    StatementEntry,
    StatementView,
)
from schemas.mobilisation import (
    MobilisationDeclared,
    MobilisationEnded,
    MobilisationProposed,
    MobilisationView,
)
from schemas.money import SettlementTermsSet
from schemas.policies import MarketPaused, MarketPolicySet, PolicyView
from schemas.policy_costs import (
    PolicySimulationNew,
    PolicySimulationView,
    RoundPolicyCosts,
    SimulatedRound,
    SimulationTotals,
)
from schemas.shares import RoundShares
from schemas.surveillance import CaseView
from schemas.types import period_start, pool_key
from services.gateway.app.convergence_report import LinkDay, PeriodPrice
from services.gateway.app.day_reports import DayOf, Timeline
from services.gateway.app.emergency_report import DisplacedRow, DisplacementRow, EmergencyRow
from services.gateway.app.policy_cost_report import CostRow
from services.gateway.app.report_tables import (
    CaseRow,
    ClockRow,
    FlowRow,
    LetterRow,
    LinkageRow,
    TradeRow,
)
from services.gateway.dead_letter_ports import Note, Place
from services.gateway.erasure_ports import ErasableEntry
from services.gateway.ports import Sent, SignedHead
from services.kit.records import Record


class MemoryCases:
    """Surveillance without a case."""

    async def case(self, case_id: str) -> CaseView | None:
        return None

    async def cases(
        self,
        *,
        market_id: str | None,
        day: date | None,
        state: str | None,
        kind: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, CaseView]]:
        return []


class MemoryErasures:
    """A journal without an entry that could be erased."""

    async def entry(self, entry_id: str) -> ErasableEntry | None:
        return None

    async def one(self, erasure_id: str) -> ErasureView | None:
        return None

    async def listed(self, *, before: int | None, limit: int) -> list[tuple[int, ErasureView]]:
        return []


@dataclass
class MemoryMarkets:
    """Markets and policies."""

    views: dict[str, MarketView] = field(default_factory=dict)
    policies_set: list[MarketPolicySet] = field(default_factory=list)

    async def market(self, market_id: str) -> MarketView | None:
        return self.views.get(market_id)

    async def markets(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[MarketView]:
        return [self.views[name] for name in sorted(self.views) if after is None or name > after][
            :limit
        ]

    async def definitions(
        self, market_id: str, *, before: int | None, limit: int
    ) -> list[tuple[int, MarketView]]:
        known = self.views.get(market_id)
        return [] if known is None or before is not None or not limit else [(0, known)]

    async def pools_elsewhere(self, market_id: str) -> dict[str, str]:
        return {
            pool_key(zone.id, chip.id): name
            for name, view in sorted(self.views.items(), reverse=True)
            if name != market_id
            for zone in view.market.zones
            for chip in view.market.chips
        }

    async def put_market(self, view: MarketView, offset: int) -> None:
        self.views[view.market.id] = view

    async def policies(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        state: str | None = None,
        where: Filter | None = None,
    ) -> list[PolicyView]:
        return []

    async def all_policies(self, market_id: str) -> tuple[list[MarketPolicySet], int]:
        return [item for item in self.policies_set if item.market_id == market_id], 0

    async def shares(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[RoundShares]:
        return []

    async def pauses(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[MarketPaused]:
        return []

    async def put_policy(self, policy: MarketPolicySet, set_at: datetime) -> None:
        self.policies_set.append(policy)

    async def mobilised(self, market_id: str, now: datetime) -> list[MobilisationDeclared]:
        return []


class MemoryDeadLetters:
    """A register without a letter."""

    async def listed(
        self, *, before: int | None, state: LetterState | None, topic: str | None, limit: int
    ) -> list[tuple[int, DeadLetterView]]:
        return []

    async def one(self, place: Place) -> DeadLetterView | None:
        return None

    async def decide(
        self,
        place: Place,
        act: Literal["redriven", "discarded"],
        reason: str,
        decided_by: str,
        at: datetime,
    ) -> None:
        return None

    @asynccontextmanager
    async def copying(self, place: Place) -> AsyncIterator[Note | None]:
        yield None


class NoTopics:
    """Topics that hold nothing."""

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        return None

    async def send_again(self, record: Record, letter_id: str) -> str:
        raise AssertionError


class MemoryMobilisations:
    """Mobilisations that were told; state by what was told last."""

    def __init__(self) -> None:
        self._views: dict[str, MobilisationView] = {}

    async def put(self, data: Event, at: datetime) -> None:
        if isinstance(data, MobilisationProposed):
            view = MobilisationView(state="proposed", proposed_at=at, **dict(data))
            self._views.setdefault(data.mobilisation_id, view)
        elif isinstance(data, MobilisationDeclared):
            self._change(data, state="declared", declared_by=data.declared_by, declared_at=at)
        elif isinstance(data, MobilisationEnded):
            told = {"ended_by": data.ended_by, "ended_reason": data.reason, "ended_at": at}
            self._change(data, state="cancelled", **told)

    def _change(self, data: MobilisationDeclared | MobilisationEnded, **update: object) -> None:
        known = self._views[data.mobilisation_id]
        self._views[data.mobilisation_id] = known.model_copy(update=update)

    async def one(self, mobilisation_id: str, now: datetime) -> MobilisationView | None:
        return self._views.get(mobilisation_id)

    async def listed(
        self, market_id: str | None, now: datetime, *, before: int | None, limit: int
    ) -> list[tuple[int, MobilisationView]]:
        return list(enumerate(self._views.values(), 1))[::-1][:limit]


class NoStudies:
    """Studies that found nothing, and take whatever is asked."""

    def __init__(self) -> None:
        self._asked: dict[str, PolicySimulationView] = {}

    async def costs(
        self,
        *,
        round_id: str | None,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[RoundPolicyCosts]:
        return []

    async def rounds_to_simulate(
        self, asked: PolicySimulationNew, start: datetime | None, end: datetime | None, most: int
    ) -> list[int]:
        return [1]

    async def put(
        self,
        simulation_id: str,
        asked: PolicySimulationNew,
        asked_by: str,
        asked_at: datetime,
        rounds: Sequence[int],
        *,
        most: int,
    ) -> bool:
        self._asked[simulation_id] = PolicySimulationView(
            simulation_id=simulation_id,
            asked=asked,
            asked_by=asked_by,
            asked_at=asked_at,
            state="waiting",
            rounds=len(rounds),
            rounds_done=0,
            totals=SimulationTotals(**dict.fromkeys(SimulationTotals.model_fields, 0)),
        )
        return True

    async def simulations(
        self,
        *,
        simulation_id: str | None,
        market_id: str | None,
        before: int | None,
        limit: int,
    ) -> list[tuple[int, PolicySimulationView]]:
        found = enumerate(self._asked.values(), 1)
        return [one for one in found if simulation_id in {None, one[1].simulation_id}]

    async def simulated_rounds(
        self, simulation_id: str, *, after: int, limit: int
    ) -> list[SimulatedRound]:
        return []


class MemoryDays:
    """Days on which nothing happened."""

    async def rounds(self, day: DayOf) -> tuple[int, datetime | None]:
        return 0, None

    async def trades(self, day: DayOf) -> list[TradeRow]:
        return []

    async def flows(self, day: DayOf) -> list[FlowRow]:
        return []

    async def period_prices(self, day: DayOf) -> list[PeriodPrice]:
        return []

    async def links(self, day: DayOf) -> list[LinkDay]:
        return []

    async def policy_costs(self, day: DayOf, limit: int) -> list[CostRow]:
        return []

    async def shares(self, day: DayOf, limit: int) -> list[RoundShares]:
        return []

    async def emergencies(self, day: DayOf, limit: int) -> list[EmergencyRow]:
        return []

    async def displacements(self, day: DayOf, limit: int) -> list[DisplacementRow]:
        return []

    async def displaced(self, day: DayOf, limit: int) -> list[DisplacedRow]:
        return []

    async def clock(self, day: DayOf, timeline: Timeline, bound_us: int) -> list[ClockRow]:
        return []

    async def linkage(self, day: DayOf, limit: int) -> tuple[int, list[LinkageRow]]:
        return 0, []

    async def dead_letters(self, start: datetime, end: datetime, limit: int) -> list[LetterRow]:
        return []

    async def cases(self, day: DayOf, limit: int) -> list[CaseRow]:
        return []


class MemoryTree:
    """A transparency log without entries."""

    async def size(self) -> int:
        return 0

    async def signed_head(self, size: int) -> SignedHead | None:
        return None

    async def cosigned_heads(self, size: int, until: int, needed: int) -> list[SignedHead]:
        return []

    async def forked_at(self) -> int | None:
        return None

    async def tiles(self, names: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        return {}

    async def entries(self, first: int, end: int) -> list[bytes]:
        return []

    async def index_of(self, entry_id: str) -> int | None:
        return None


@dataclass
class MemoryFunds:
    """Terms as set; nothing was booked, settled or refused yet."""

    versions: dict[str, list[SettlementTermsView]] = field(default_factory=dict)

    async def terms(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[SettlementTermsView]:
        names = sorted(self.versions) if market_id is None else [market_id]
        found = [view for name in names for view in self.versions.get(name, ())]
        return [v for v in found if after is None or (v.market_id, v.version) > after][:limit]

    async def terms_version(self, market_id: str) -> int:
        return len(self.versions.get(market_id, ()))

    async def put_terms(self, sent: Sent) -> None:
        data = sent.envelope.data
        assert isinstance(data, SettlementTermsSet)
        view = SettlementTermsView(**dict(data), set_at=sent.envelope.occurred_at)
        self.versions.setdefault(data.market_id, []).append(view)

    async def settlements(
        self,
        *,
        participant_id: str | None,
        market_id: str | None,
        allocation_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, SettlementView]]:
        return []

    async def refusals(
        self,
        *,
        participant_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, RefusalView]]:
        return []

    async def money_order(self, order_ref: str) -> tuple[frozenset[str], MoneyOrderView] | None:
        view = MoneyOrderView(order_ref=order_ref, state="booked")
        return (frozenset({"provider-1"}), view) if order_ref.startswith("col_") else None

    async def statement(self, participant_id: str, start: int, end: int) -> StatementView:
        return StatementView(
            participant_id=participant_id,
            unit="CNY-micro",
            start=period_start(start),
            end=period_start(end),
            final=False,
            first_leaf=0,
            end_leaf=0,
            accounts=(),
            held=0,
            totals=(),
        )

    async def statement_entries(
        self,
        participant_id: str,
        start: int,
        end: int,
        *,
        after: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[StatementEntry]:
        return []

    async def invoices(
        self, participant_id: str, *, day: int | None, before: int | None, limit: int
    ) -> list[tuple[int, InvoiceView]]:
        return []

    async def invoice_lines(
        self, participant_id: str, day: int, *, after: tuple[int, str] | None, limit: int
    ) -> list[tuple[tuple[int, str], InvoiceLine]]:
        return []
