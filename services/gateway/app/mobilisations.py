"""Declaring that a need is urgent: one proposes, a second confirms, either may withdraw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import derive_id
from schemas.mobilisation import (
    MobilisationDeclared,
    MobilisationEnded,
    MobilisationProposed,
    MobilisationScope,
    MobilisationTerms,
)
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.core.mobilisation import check_scope
from services.gateway.app.envelopes import derive, make_envelope
from services.gateway.app.once import make_intent
from services.gateway.app.rights import require_role
from services.gateway.errors import ConflictError, not_found

if TYPE_CHECKING:
    from schemas.codec import Envelope
    from schemas.events import Event
    from schemas.mobilisation import MobilisationNew, MobilisationView
    from services.gateway.app.once import Once
    from services.gateway.mobilisation_ports import Mobilisations
    from services.gateway.ports import Directory, Log, MarketClock, Markets, Principal

_MAY = (Role.REGULATOR, Role.OPERATOR)
_TWO = 2


class MobilisationWork:
    """Mobilisations of all markets.

    Args:
        log: Where they are told.
        once: Runs intents.
        mobilisations: Those that were told.
        markets: Markets.
        clock: The market's clock.
        directory: Who was admitted.
        persons: How many it takes to declare one: 1 or 2.
    """

    def __init__(
        self,
        log: Log,
        once: Once,
        mobilisations: Mobilisations,
        markets: Markets,
        clock: MarketClock,
        *,
        directory: Directory,
        persons: int,
    ) -> None:
        self._log = log
        self._once = once
        self._mobilisations = mobilisations
        self._markets = markets
        self._directory = directory
        self._clock = clock
        self._persons = persons

    async def propose(
        self, principal: Principal, new: MobilisationNew, key: str, traceparent: str
    ) -> MobilisationView:
        """State a need; where one person is enough, it is declared at once.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such market.
            ValidationError: if the terms do not fit the market, name somebody who is no enterprise
                here, or the window is past.
        """
        require_role(principal, *_MAY)
        mobilisation_id = derive("mob_", principal.participant_id, key)
        data = MobilisationProposed(
            mobilisation_id=mobilisation_id,
            market_id=new.market_id,
            terms=new.terms,
            proposed_by=principal.participant_id,
        )

        async def plan() -> Envelope:
            found = await self._markets.market(new.market_id)
            if found is None:
                raise not_found("market_id", new.market_id)
            check_scope(new.terms, found.market)
            for name in new.terms.participants:
                named = await self._directory.participant(name)
                if named is None or named.role is not Role.ENTERPRISE:
                    raise _nobody(name)
            if new.terms.end <= self._clock.now():
                raise _past(new, self._clock)
            return self._envelope(data, "proposed", principal, traceparent)

        intent = make_intent(key, "mobilisation", new.model_dump(mode="json"))
        await self._once.one(principal.participant_id, intent, plan)
        await self._mobilisations.put(data, self._clock.now())
        if self._persons < _TWO:
            return await self.confirm(principal, mobilisation_id, traceparent)
        return await self.one(principal, mobilisation_id)

    async def confirm(
        self, principal: Principal, mobilisation_id: str, traceparent: str
    ) -> MobilisationView:
        """Declare what was proposed; it is in force from the next round on. Twice is once.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such proposal.
            ConflictError: if the caller proposed it and two are needed, or it is over.
        """
        require_role(principal, *_MAY)
        known = await self._known(mobilisation_id)
        if known.state == "declared":
            return known
        if known.state != "proposed":
            raise _over(known)
        if self._persons >= _TWO and known.proposed_by == principal.participant_id:
            raise _same_person(known)
        assert isinstance(known.terms, MobilisationTerms)
        data = MobilisationDeclared(
            mobilisation_id=mobilisation_id,
            market_id=known.market_id,
            terms=known.terms,
            proposed_by=known.proposed_by,
            declared_by=principal.participant_id,
        )
        return await self._tell(data, "declared", principal, traceparent)

    async def end(
        self, principal: Principal, mobilisation_id: str, reason: str, traceparent: str
    ) -> MobilisationView:
        """Withdraw a mobilisation or its proposal; what is allocated stands. Twice is once.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such mobilisation.
            ConflictError: if it has ended by itself.
        """
        require_role(principal, *_MAY)
        known = await self._known(mobilisation_id)
        if known.state == "cancelled":
            return known
        if known.state == "ended":
            raise _over(known)
        data = MobilisationEnded(
            mobilisation_id=mobilisation_id,
            market_id=known.market_id,
            ended_by=principal.participant_id,
            reason=reason,
        )
        return await self._tell(data, "ended", principal, traceparent)

    async def one(self, principal: Principal, mobilisation_id: str) -> MobilisationView:
        """Return a mobilisation; whoever trades may know of it, and whether it names him.

        Raises:
            NotFoundError: if there is no such mobilisation.
        """
        return _seen_by(principal, await self._known(mobilisation_id))

    async def listed(
        self, principal: Principal, market_id: str | None, *, before: int | None, limit: int
    ) -> list[tuple[int, MobilisationView]]:
        """Return mobilisations, latest first; of those whom they name, each sees himself."""
        now = self._clock.now()
        found = await self._mobilisations.listed(market_id, now, before=before, limit=limit)
        return [(seq, _seen_by(principal, view)) for seq, view in found]

    async def _known(self, mobilisation_id: str) -> MobilisationView:
        found = await self._mobilisations.one(mobilisation_id, self._clock.now())
        if found is None:
            raise not_found("mobilisation_id", mobilisation_id)
        return found

    async def _tell(
        self,
        data: MobilisationDeclared | MobilisationEnded,
        act: str,
        principal: Principal,
        traceparent: str,
    ) -> MobilisationView:
        envelope = self._envelope(data, act, principal, traceparent)
        await self._log.send([envelope])
        await self._mobilisations.put(data, envelope.occurred_at)
        return await self._known(data.mobilisation_id)

    def _envelope(self, data: Event, act: str, principal: Principal, traceparent: str) -> Envelope:
        mobilisation_id = str(getattr(data, "mobilisation_id"))  # noqa: B009 - of several events
        return make_envelope(
            data,
            event_id=derive_id("gateway", "mobilisation", act, mobilisation_id),
            participant_id=principal.participant_id,
            correlation_id=mobilisation_id,
            occurred_at=self._clock.now(),
            traceparent=traceparent,
        )


def _seen_by(principal: Principal, view: MobilisationView) -> MobilisationView:
    if principal.sees_all:
        return view
    terms = view.terms.model_dump()
    terms["participants"] = {principal.participant_id} & set(view.terms.participants)
    return view.model_copy(update={"terms": MobilisationScope.model_validate(terms)})


def _nobody(name: str) -> ValidationError:
    allowed, allowed_zh = "enterprises that were admitted", "已准入的需求方"
    return ValidationError(
        "validation.mobilisation",
        Message(
            f"terms.participants must be {allowed}, was {name}",
            f"terms.participants 应为{allowed_zh},实际为 {name}",
        ),
        field="terms.participants",
        value=name,
        allowed=allowed,
    )


def _past(new: MobilisationNew, clock: MarketClock) -> ValidationError:
    now, end = (at.isoformat().replace("+00:00", "Z") for at in (clock.now(), new.terms.end))
    return ValidationError(
        "validation.mobilisation",
        Message(
            f"terms.end: must be after {now}, the market's time, was {end}",
            f"terms.end：须晚于市场时间 {now}，实为 {end}",
        ),
        field="terms.end",
        value=end,
        allowed=f"after {now}",
    )


def _over(known: MobilisationView) -> ConflictError:
    return ConflictError(
        "mobilisation.over",
        Message(
            f"mobilisation_id: must be one that is proposed or declared, was {known.state} "
            f"({known.mobilisation_id})",
            f"mobilisation_id：须为 proposed 或 declared 状态，实为 {known.state}"
            f"（{known.mobilisation_id}）",
        ),
        field="mobilisation_id",
        value=known.state,
        allowed="proposed or declared",
    )


def _same_person(known: MobilisationView) -> ConflictError:
    return ConflictError(
        "mobilisation.second_person",
        Message(
            f"confirmed by: must be another regulator or operator than proposed it, was "
            f"{known.proposed_by}",
            f"确认人：须为提出者以外的监管方或运营方，实为 {known.proposed_by}",
        ),
        field="declared_by",
        value=known.proposed_by,
        allowed="another regulator or operator than proposed it",
    )
