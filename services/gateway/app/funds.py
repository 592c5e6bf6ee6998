"""Orders about money and what is told about it: payouts, collateral, reversals, statements."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from schemas import money
from schemas.codec import derive_id
from schemas.types import Role, period_of
from services.core.errors import Message, ValidationError
from services.gateway.app.envelopes import derive, make_envelope, make_receipt
from services.gateway.app.finality import as_final
from services.gateway.app.once import make_intent
from services.gateway.app.rights import require_own, require_role, require_sight
from services.gateway.errors import A_DAY, ConflictError, must_be, not_found
from services.gateway.ports import Sent

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.api import Receipt
    from schemas.base import Model
    from schemas.codec import Envelope
    from schemas.events import Event
    from schemas.filters import Filter
    from schemas.funds import (
        CollateralNew,
        InvoiceLine,
        InvoiceView,
        MoneyOrderView,
        RefusalView,
        ReversalNew,
        SettlementTermsNew,
        SettlementView,
        StatementEntry,
        StatementView,
        WithdrawalNew,
    )
    from services.gateway.app.finality import Finality
    from services.gateway.app.once import Once
    from services.gateway.funds_ports import Funds
    from services.gateway.ports import (
        Directory,
        Log,
        MarketClock,
        Markets,
        Principal,
        Signer,
    )

_EPOCH = date(1970, 1, 1)


class FundsCommands:
    """Writes orders about money. The ledger books or refuses them, once and for good.

    Args:
        log: Where events are written.
        once: Runs intents that move money.
        directory: Participants.
        markets: Markets.
        funds: Terms of settlement.
        clock: The market's clock.
        signer: Signs receipts; ``None`` leaves them unsigned.
    """

    def __init__(
        self,
        log: Log,
        once: Once,
        directory: Directory,
        markets: Markets,
        funds: Funds,
        clock: MarketClock,
        signer: Signer | None,
    ) -> None:
        self._log = log
        self._once = once
        self._directory = directory
        self._markets = markets
        self._funds = funds
        self._clock = clock
        self._signer = signer

    async def withdraw(
        self,
        principal: Principal,
        participant_id: str,
        new: WithdrawalNew,
        key: str,
        traceparent: str,
    ) -> Receipt:
        """Order a payout of a participant's money.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such participant.
        """
        require_role(principal, Role.OPERATOR)
        await self._require_known(participant_id)
        order_ref = derive("wdr_", principal.participant_id, key)
        data = money.WithdrawalOrdered(
            withdrawal_id=order_ref,
            participant_id=participant_id,
            amount=new.amount,
            reference=new.reference,
        )
        return await self._order(principal, data, order_ref, (key, new), traceparent)

    async def move_collateral(
        self,
        principal: Principal,
        participant_id: str,
        new: CollateralNew,
        key: str,
        traceparent: str,
    ) -> Receipt:
        """Order that money of a participant becomes collateral, or is free again.

        Raises:
            ForbiddenError: if the caller neither trades nor is the operator.
            NotFoundError: if there is no such participant, or it is another one's.
        """
        require_role(principal, Role.PROVIDER, Role.ENTERPRISE, Role.OPERATOR)
        if principal.role is not Role.OPERATOR:
            require_own(principal, participant_id, "participant_id", participant_id)
        await self._require_known(participant_id)
        order_ref = derive("col_", principal.participant_id, key)
        data = money.CollateralOrdered(
            collateral_id=order_ref,
            participant_id=participant_id,
            direction=new.direction,
            amount=new.amount,
        )
        return await self._order(principal, data, order_ref, (key, new), traceparent)

    async def reverse(
        self, principal: Principal, new: ReversalNew, key: str, traceparent: str
    ) -> Receipt:
        """Order that a booking is taken back by its mirror image.

        Raises:
            ForbiddenError: if the caller is not the operator.
        """
        require_role(principal, Role.OPERATOR)
        order_ref = derive("rev_", principal.participant_id, key)
        data = money.ReversalOrdered(
            reversal_id=order_ref,
            entry_id=new.entry_id,
            participant_id=principal.participant_id,
            reason=new.reason,
        )
        return await self._order(principal, data, order_ref, (key, new), traceparent)

    async def set_terms(
        self, principal: Principal, terms: SettlementTermsNew, traceparent: str
    ) -> Receipt:
        """Set the next version of a market's terms of settlement.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such market.
            ConflictError: if the version does not follow the latest one.
        """
        require_role(principal, Role.OPERATOR)
        if await self._markets.market(terms.market_id) is None:
            raise not_found("market_id", terms.market_id)
        wanted = await self._funds.terms_version(terms.market_id) + 1
        if terms.version != wanted:
            raise ConflictError(
                "stale_version",
                Message(
                    f"version: must be {wanted}, was {terms.version}",
                    f"version：须为 {wanted}，实为 {terms.version}",
                ),
                field="version",
                value=str(terms.version),
                allowed=str(wanted),
            )
        data = money.SettlementTermsSet(**terms.model_dump())
        event_id = derive_id("gateway", "terms", terms.market_id, str(terms.version))
        envelope = self._envelope(principal, data, event_id, terms.market_id, traceparent)
        (position,) = await self._log.send([envelope])
        sent = Sent(envelope, position)
        await self._funds.put_terms(sent)
        return make_receipt(sent, self._signer)

    async def _require_known(self, participant_id: str) -> None:
        if await self._directory.participant(participant_id) is None:
            raise not_found("participant_id", participant_id)

    async def _order(
        self,
        principal: Principal,
        data: Event,
        order_ref: str,
        asked: tuple[str, Model],
        traceparent: str,
    ) -> Receipt:
        key, new = asked
        event_id = derive_id("gateway", "money", order_ref)
        envelope = self._envelope(principal, data, event_id, order_ref, traceparent)

        async def plan() -> Envelope:
            return envelope

        arguments = {
            "participant_id": getattr(data, "participant_id", ""),
            **new.model_dump(mode="json"),
        }
        intent = make_intent(key, type(data).__name__, arguments)
        return await self._once.one(principal.participant_id, intent, plan)

    def _envelope(
        self,
        principal: Principal,
        data: Event,
        event_id: str,
        correlation_id: str,
        traceparent: str,
    ) -> Envelope:
        return make_envelope(
            data,
            event_id=event_id,
            participant_id=principal.participant_id,
            correlation_id=correlation_id,
            occurred_at=self._clock.now(),
            traceparent=traceparent,
        )


class FundsReading:
    """What callers may see of money, with their sight checked for every single thing.

    Args:
        funds: Settlements, orders about money, statements, invoices.
        finality: How far the log is final; without it, as far as it goes.
    """

    def __init__(self, funds: Funds, finality: Finality | None = None) -> None:
        self.funds = funds
        self._finality = finality

    async def _witnessed(self) -> int | None:
        return None if self._finality is None else await self._finality.size()

    async def settlements(
        self,
        principal: Principal,
        *,
        market_id: str | None,
        allocation_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, SettlementView]]:
        """Return settlements of the caller's allocations, or everybody's to those who see all."""
        found = await self.funds.settlements(
            participant_id=_own(principal),
            market_id=market_id,
            allocation_id=allocation_id,
            before=before,
            limit=limit,
            where=where,
        )
        witnessed = await self._witnessed()
        return [(seq, as_final(view, witnessed)) for seq, view in found]

    async def refusals(
        self, principal: Principal, *, before: int | None, limit: int, where: Filter | None = None
    ) -> list[tuple[int, RefusalView]]:
        """Return the caller's refused orders, or everybody's to those who see all."""
        return await self.funds.refusals(
            participant_id=_own(principal), before=before, limit=limit, where=where
        )

    async def money_order(self, principal: Principal, order_ref: str) -> MoneyOrderView:
        """Return what became of an order about money.

        Raises:
            NotFoundError: if nothing did yet, or it does not concern the caller.
        """
        found = await self.funds.money_order(order_ref)
        if found is None:
            raise not_found("order_ref", order_ref)
        concerned, view = found
        if not principal.sees_all and principal.participant_id not in concerned:
            raise not_found("order_ref", order_ref)
        return view

    async def statement(
        self, principal: Principal, participant_id: str | None, start: datetime, end: datetime
    ) -> StatementView:
        """Return a participant's accounts over a period; the caller's own if none is named.

        Raises:
            NotFoundError: if it is somebody else's.
            ValidationError: if the period does not begin before it ends.
        """
        wanted = _sighted(principal, participant_id)
        found = await self.funds.statement(wanted, *_periods(start, end))
        return as_final(found, await self._witnessed())

    async def statement_entries(
        self,
        principal: Principal,
        participant_id: str | None,
        start: datetime,
        end: datetime,
        *,
        after: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[StatementEntry]:
        """Return what was posted on a participant's accounts over a period.

        Raises:
            NotFoundError: if it is somebody else's.
            ValidationError: if the period does not begin before it ends.
        """
        wanted, (first, last) = _sighted(principal, participant_id), _periods(start, end)
        return await self.funds.statement_entries(
            wanted, first, last, after=after, limit=limit, where=where
        )

    async def invoices(
        self,
        principal: Principal,
        participant_id: str | None,
        *,
        before: int | None,
        limit: int,
    ) -> list[tuple[int, InvoiceView]]:
        """Return a participant's invoices, latest first; the caller's own if none is named.

        Raises:
            NotFoundError: if it is somebody else's.
        """
        wanted = _sighted(principal, participant_id)
        found = await self.funds.invoices(wanted, day=None, before=before, limit=limit)
        witnessed = await self._witnessed()
        return [(place, as_final(view, witnessed)) for place, view in found]

    async def invoice(
        self, principal: Principal, participant_id: str | None, day: str
    ) -> InvoiceView:
        """Return the invoice of a day.

        Raises:
            NotFoundError: if it is somebody else's, or the day has no charges.
            ValidationError: if there is no such day.
        """
        wanted = _sighted(principal, participant_id)
        found = await self.funds.invoices(wanted, day=_day(day), before=None, limit=1)
        if not found:
            raise not_found("day", day)
        return as_final(found[0][1], await self._witnessed())

    async def invoice_lines(
        self,
        principal: Principal,
        participant_id: str | None,
        day: str,
        *,
        after: tuple[int, str] | None,
        limit: int,
    ) -> list[tuple[tuple[int, str], InvoiceLine]]:
        """Return the lines of the invoice of a day, none if it has no charges.

        Raises:
            NotFoundError: if it is somebody else's.
            ValidationError: if there is no such day.
        """
        wanted = _sighted(principal, participant_id)
        return await self.funds.invoice_lines(wanted, _day(day), after=after, limit=limit)


def _own(principal: Principal) -> str | None:
    return None if principal.sees_all else principal.participant_id


def _sighted(principal: Principal, participant_id: str | None) -> str:
    wanted = participant_id or principal.participant_id
    require_sight(principal, wanted, "participant_id", wanted)
    return wanted


def _periods(start: datetime, end: datetime) -> tuple[int, int]:
    first, last = period_of(start), period_of(end)
    if first >= last:
        since = start.isoformat()
        later = Message(f"after from, {since}", f"晚于 from（{since}）")
        raise _invalid("to", end.isoformat(), later)
    return first, last


def _day(text: str) -> int:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise _invalid("day", text, A_DAY) from None


def _invalid(field: str, value: str, allowed: Message) -> ValidationError:
    message = must_be(field, value, allowed)
    return ValidationError(
        "validation.period", message, field=field, value=value, allowed=allowed.en
    )
