"""What the gateway reads of rounds, money and the journal, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.api import (
    AccountView,
    AllocationView,
    EntryView,
    FindingView,
    PriceView,
    RoundPricesView,
    RoundView,
)
from schemas.audit import AuditView, JournalEntryView, LogHeadView
from schemas.filters import Filter
from schemas.funds import (
    AccountKind,
)
from schemas.types import period_of
from services.core.holding_rows import Run
from services.core.holdings import runs_of
from services.core.orders import Order

TOLD_AT = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)


@dataclass
class MemoryReports:
    """A market in which no round was held yet, but for the allocations that a test puts in."""

    made: dict[str, AllocationView] = field(default_factory=dict)

    async def rounds(
        self,
        *,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[RoundView]:
        return []

    async def held(self, market_id: str, participant_id: str, now: datetime) -> Mapping[str, Run]:
        nets: dict[int, dict[tuple[str, str, int], int]] = {}
        for made in self.made.values():
            sign = (made.enterprise_id == participant_id) - (made.provider_id == participant_id)
            net = nets.setdefault(int(made.round_id.rpartition(":")[2]), {})
            for item in made.periods if made.market_id == market_id else ():
                if item.start > now:
                    key = participant_id, made.pool, period_of(item.start)
                    net[key] = net.get(key, 0) + sign * item.chips
        chips: dict[tuple[str, str, int], int] = {}
        for _, net in sorted(nets.items()):
            chips |= {key: max(0, chips.get(key, 0) + count) for key, count in net.items()}
        some = [(*key, count) for key, count in sorted(chips.items()) if count > 0]
        return {pool: run for (_, pool), run in runs_of(some).items()}

    async def open_demand(self, market_id: str, participant_id: str) -> Sequence[Order]:
        return ()

    async def round(self, round_id: str) -> RoundView | None:
        return None

    async def round_prices(self, round_id: str) -> RoundPricesView:
        return RoundPricesView(round_id=round_id, curves=())

    async def file_part(self, round_id: str, part: int) -> bytes | None:
        return None

    async def prices(
        self,
        market_id: str,
        *,
        pool: str | None,
        first: int,
        end: int,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[PriceView]:
        return []

    async def allocations(
        self,
        *,
        participant_id: str | None,
        market_id: str | None,
        round_id: str | None,
        order_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, AllocationView]]:
        return list(enumerate(self.made.values()))

    async def allocation(self, allocation_id: str) -> AllocationView | None:
        return self.made.get(allocation_id)

    async def is_reported(self, allocation_id: str, delivery_id: str) -> bool:
        return False

    async def account(self, participant_id: str) -> AccountView:
        return AccountView(
            participant_id=participant_id,
            account=f"cny:{participant_id}",
            unit="CNY-micro",
            posted=0,
            held=0,
            free=0,
            entries=0,
        )

    async def entries(
        self,
        participant_id: str,
        *,
        account: AccountKind,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, EntryView]]:
        return []

    async def journal(self, *, after: int | None, limit: int) -> list[JournalEntryView]:
        return []

    async def log_heads(self, *, before: int | None, limit: int) -> list[LogHeadView]:
        return []

    async def audit(self) -> AuditView | None:
        counts = AuditView.model_fields.keys() - {"told_at", "head_root", "head_told_at"}
        return AuditView.model_validate({"told_at": TOLD_AT, **dict.fromkeys(counts, 0)})

    async def findings(
        self,
        *,
        market_id: str | None,
        round_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, FindingView]]:
        return []
