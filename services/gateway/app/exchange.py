"""Participants, keys, deposits, markets, policies and deliveries."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from schemas import events
from schemas.api import MarketView, ParticipantCreated, ParticipantView
from schemas.codec import derive_id
from schemas.identity import KeyNew
from schemas.surveillance import ParticipantOwned
from schemas.types import Role, period_of, period_start
from services.core.errors import Message, ValidationError
from services.gateway.app.envelopes import canonical, derive, make_envelope, make_receipt
from services.gateway.app.keys import OPERATOR_ID, new_key
from services.gateway.app.once import make_intent
from services.gateway.app.policies import concerns_halt, next_version
from services.gateway.app.rights import require_own, require_role
from services.gateway.app.scopes import scopes_of
from services.gateway.errors import ConflictError, must_be, not_found
from services.gateway.ports import Sent

if TYPE_CHECKING:
    from schemas.api import (
        AllocationView,
        DeliveryNew,
        DepositNew,
        ParticipantNew,
        Receipt,
    )
    from schemas.codec import Envelope
    from schemas.market import Market
    from schemas.policies import PolicyNew
    from services.gateway.app.keys import KeyCommands
    from services.gateway.app.once import Once
    from services.gateway.ports import (
        Directory,
        Log,
        MarketClock,
        Markets,
        Principal,
        Reports,
        Signer,
    )


class ExchangeCommands:
    """Writes what the operator, the regulator and providers tell beside orders.

    Args:
        log: Where events are written.
        once: Runs intents that move money.
        directory: Participants.
        keys: Makes a further key of a participant that is admitted again.
        markets: Markets and policies.
        reports: Allocations.
        clock: The market's clock.
        signer: Signs receipts; ``None`` leaves them unsigned.
    """

    def __init__(
        self,
        log: Log,
        once: Once,
        directory: Directory,
        keys: KeyCommands,
        markets: Markets,
        reports: Reports,
        clock: MarketClock,
        signer: Signer | None,
    ) -> None:
        self._log = log
        self._once = once
        self._directory = directory
        self._keys = keys
        self._markets = markets
        self._reports = reports
        self._clock = clock
        self._signer = signer

    async def register(
        self, principal: Principal, new: ParticipantNew, traceparent: str
    ) -> ParticipantCreated:
        """Admit a participant and return its first key, which is shown this once.

        Raises:
            ForbiddenError: if the caller is not the operator.
            ConflictError: if the id is taken by another.
        """
        require_role(principal, Role.OPERATOR)
        known = await self._directory.participant(new.participant_id)
        if new.participant_id == OPERATOR_ID or (known and not _same(known, new)):
            raise _taken(new.participant_id)
        if known is not None:
            # The reply with the first key may have been lost; it cannot be shown again.
            made = await self._keys.add(
                principal, new.participant_id, _first_key("repeat", new.role)
            )
            return ParticipantCreated(participant=known, api_key=made.api_key)
        data = _registered(new)
        # Given out again after a crash, so the body is part of the id.
        event_id = derive_id("gateway", "registered", canonical(data.model_dump(mode="json")))
        sent = await self._send(data, event_id, principal, new.participant_id, traceparent)
        view = ParticipantView(
            **new.model_dump(), status="active", registered_at=sent.envelope.occurred_at
        )
        stored, api_key = new_key(_first_key("first", new.role), principal.key_id)
        await self._directory.put_participant(view, sent.position.offset, stored)
        return ParticipantCreated(
            participant=view, api_key=api_key, receipt=make_receipt(sent, self._signer)
        )

    async def deposit(
        self, principal: Principal, participant_id: str, new: DepositNew, key: str, traceparent: str
    ) -> Receipt:
        """Record money that arrived for a participant.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such participant.
        """
        require_role(principal, Role.OPERATOR)

        async def plan() -> Envelope:
            if await self._directory.participant(participant_id) is None:
                raise not_found("participant_id", participant_id)
            deposit_id = derive("dep_", principal.participant_id, key)
            data = events.DepositRecorded(
                deposit_id=deposit_id,
                participant_id=participant_id,
                amount=new.amount,
                reference=new.reference,
            )
            return self._envelope(
                data,
                derive_id("gateway", "deposit", deposit_id),
                principal,
                deposit_id,
                traceparent,
            )

        intent = make_intent(
            key,
            "deposit",
            {"participant_id": participant_id, **new.model_dump(mode="json")},
        )
        return await self._once.one(principal.participant_id, intent, plan)

    async def define_market(
        self, principal: Principal, market: Market, traceparent: str
    ) -> Receipt:
        """Put a market in force from its next round, in place of what it was.

        Raises:
            ForbiddenError: if the caller is not the operator.
        """
        require_role(principal, Role.OPERATOR)
        data = events.MarketDefined(market=market)
        event_id = derive_id("gateway", "market", secrets.token_hex(16))
        sent = await self._send(data, event_id, principal, market.id, traceparent)
        view = MarketView(market=market, defined_at=sent.envelope.occurred_at)
        await self._markets.put_market(view, sent.position.offset)
        return make_receipt(sent, self._signer)

    async def set_policy(self, principal: Principal, new: PolicyNew, traceparent: str) -> Receipt:
        """Set the next version of a policy; the operator may halt a market, and lift a halt.

        Raises:
            ForbiddenError: if the caller is not the regulator, nor the operator with a halt.
            NotFoundError: if the market is not known.
            ConflictError: if the version does not follow the latest one.
            ValidationError: if the market cannot honour it.
        """
        require_role(principal, Role.REGULATOR, Role.OPERATOR)
        view = await self._markets.market(new.market_id)
        if view is None:
            raise not_found("market_id", new.market_id)
        known, last_round = await self._markets.all_policies(new.market_id)
        if not concerns_halt(new, known):
            require_role(principal, Role.REGULATOR)
        data = next_version(new, principal.participant_id, view.market, known, last_round)
        event_id = derive_id("gateway", "policy", data.market_id, data.policy_id, str(data.version))
        sent = await self._send(data, event_id, principal, data.policy_id, traceparent)
        await self._markets.put_policy(data, sent.envelope.occurred_at)
        return make_receipt(sent, self._signer)

    async def report_delivery(
        self, principal: Principal, new: DeliveryNew, key: str, traceparent: str
    ) -> Receipt:
        """Tell what was delivered of an allocation.

        Raises:
            ForbiddenError: if the caller is not a provider.
            NotFoundError: if the caller has no such allocation.
            ValidationError: if a period is not allocated, not over, or told twice, or the
                chips are more than allocated.
            ConflictError: if a period was reported before.
        """
        require_role(principal, Role.PROVIDER)

        async def plan() -> Envelope:
            allocation = await self._reports.allocation(new.allocation_id)
            if allocation is None:
                raise not_found("allocation_id", new.allocation_id)
            require_own(principal, allocation.provider_id, "allocation_id", new.allocation_id)
            delivery_id = derive("dlv_", principal.participant_id, key)
            try:
                _check_delivery(new, allocation, period_of(self._clock.now()))
            except ConflictError:
                # After a crash between the log and the reply, it was this report that told them.
                if not await self._reports.is_reported(new.allocation_id, delivery_id):
                    raise
            data = events.DeliveryReported(
                delivery_id=delivery_id,
                allocation_id=new.allocation_id,
                market_id=allocation.market_id,
                provider_id=principal.participant_id,
                periods=new.periods,
            )
            event_id = derive_id("gateway", "delivery", delivery_id)
            return self._envelope(data, event_id, principal, new.allocation_id, traceparent)

        intent = make_intent(key, "delivery", new.model_dump(mode="json"))
        return await self._once.one(principal.participant_id, intent, plan)

    def _envelope(
        self,
        data: events.Event,
        event_id: str,
        principal: Principal,
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

    async def _send(
        self,
        data: events.Event,
        event_id: str,
        principal: Principal,
        correlation_id: str,
        traceparent: str,
    ) -> Sent:
        envelope = self._envelope(data, event_id, principal, correlation_id, traceparent)
        (position,) = await self._log.send([envelope])
        return Sent(envelope, position)


def _first_key(label: str, role: Role) -> KeyNew:
    # It makes all others, so it may do what its role may.
    return KeyNew(label=label, scopes=tuple(sorted(scopes_of(role))))


def _registered(new: ParticipantNew) -> events.ParticipantRegistered:
    # Without an owner it is the event that it always was, so that its id stays what it was.
    if new.beneficial_owner is None:
        return events.ParticipantRegistered(**new.model_dump(exclude={"beneficial_owner"}))
    return ParticipantOwned.model_validate(new.model_dump())


def _same(known: ParticipantView, new: ParticipantNew) -> bool:
    fields = new.model_dump()
    return all(getattr(known, name) == value for name, value in fields.items())


def _taken(participant_id: str) -> ConflictError:
    return ConflictError(
        "participant_exists",
        Message(
            f"participant_id: must be a new one, was {participant_id}; "
            f"a further key is made at /v1/participants/{participant_id}/keys",
            f"participant_id：须为新的编号，实为 {participant_id}；"
            f"可在 /v1/participants/{participant_id}/keys 新建密钥",
        ),
        field="participant_id",
        value=participant_id,
        allowed="an id that is not taken",
    )


def _check_delivery(new: DeliveryNew, allocation: AllocationView, now_period: int) -> None:
    allocated = {period_of(item.start): item.chips for item in allocation.periods}
    delivered = {period_of(item.start) for item in allocation.delivered}
    first, last = min(allocated), max(allocated)
    seen: set[int] = set()
    for index, item in enumerate(new.periods):
        field = f"periods.{index}"
        period = period_of(item.start)
        iso = item.start.isoformat()
        if period not in allocated or period in seen:
            span = (period_start(first).isoformat(), period_start(last).isoformat())
            allowed = Message(
                f"a period of the allocation ({span[0]} to {span[1]}), each once",
                f"该分配的时段（{span[0]} 至 {span[1]}），每个一次",
            )
            raise _refused("validation.period_unknown", f"{field}.start", iso, allowed)
        if period >= now_period:
            running = period_start(now_period).isoformat()
            allowed = Message(f"before the running period {running}", f"当前时段 {running} 之前")
            raise _refused("validation.period_not_over", f"{field}.start", iso, allowed)
        if item.chips > allocated[period]:
            most = allocated[period]
            allowed = Message(f"0 to {most}, the chips allocated", f"0 至 {most}，即已分配的芯片数")
            raise _refused("validation.too_many_chips", f"{field}.chips", str(item.chips), allowed)
        if period in delivered:
            raise ConflictError(
                "period_reported",
                Message(
                    f"{field}.start: must be a period that was not reported, was {iso}",
                    f"{field}.start：该时段已上报过，实为 {iso}",
                ),
                field=f"{field}.start",
                value=iso,
                allowed="a period that was not reported",
            )
        seen.add(period)


def _refused(code: str, field: str, value: str, allowed: Message) -> ValidationError:
    message = must_be(field, value, allowed)
    return ValidationError(code, message, field=field, value=value, allowed=allowed.en)
