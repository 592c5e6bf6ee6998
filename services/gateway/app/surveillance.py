"""Cases of market surveillance: regulators list, read and decide; nobody else sees any."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Protocol

from schemas.codec import derive_id
from schemas.surveillance import SurveillanceCaseStateChanged
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.app.envelopes import make_envelope
from services.gateway.app.once import make_intent
from services.gateway.app.rights import require_role
from services.gateway.errors import A_DAY, ConflictError, must_be, not_found

if TYPE_CHECKING:
    from schemas.api import Receipt
    from schemas.codec import Envelope
    from schemas.filters import Filter
    from schemas.surveillance import CaseStateNew, CaseView
    from services.gateway.app.once import Once
    from services.gateway.ports import MarketClock, Principal


class Cases(Protocol):
    """Cases as last told."""

    async def case(self, case_id: str) -> CaseView | None:
        """Return a case with its changes."""
        ...

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
        """Return (sequence, case), latest first."""
        ...


class CaseWork:
    """What a regulator does with cases.

    Args:
        once: Runs intents.
        cases: Cases as last told.
        clock: The market's clock.
    """

    def __init__(self, once: Once, cases: Cases, clock: MarketClock) -> None:
        self._once = once
        self._cases = cases
        self._clock = clock

    async def case(self, principal: Principal, case_id: str) -> CaseView:
        """Return a case with its evidence and what became of it.

        Raises:
            ForbiddenError: if the caller is not a regulator.
            NotFoundError: if there is no such case.
        """
        require_role(principal, Role.REGULATOR)
        view = await self._cases.case(case_id)
        if view is None:
            raise not_found("case_id", case_id)
        return view

    async def cases(
        self,
        principal: Principal,
        *,
        market_id: str | None,
        day: str | None,
        state: str | None,
        kind: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, CaseView]]:
        """Return cases, latest first.

        Raises:
            ForbiddenError: if the caller is not a regulator.
            ValidationError: if the calendar has no such day.
        """
        require_role(principal, Role.REGULATOR)
        return await self._cases.cases(
            market_id=market_id,
            day=None if day is None else day_of(day),
            state=state,
            kind=kind,
            before=before,
            limit=limit,
            where=where,
        )

    async def change(
        self, principal: Principal, case_id: str, new: CaseStateNew, key: str, traceparent: str
    ) -> Receipt:
        """Take a case up, close it, or open it again, and say why.

        Raises:
            ForbiddenError: if the caller is not a regulator.
            NotFoundError: if there is no such case.
            ConflictError: if the case has changed since, or is in that state already.
        """
        require_role(principal, Role.REGULATOR)

        async def plan() -> Envelope:
            view = await self.case(principal, case_id)
            event_id = derive_id("gateway", "case", principal.participant_id, key)
            version = new.expected_version
            # After a crash between the log and the reply, it was this very change that was made.
            if not _has_made(view, principal.participant_id, new):
                if view.version != version:
                    raise _stale(version, view.version)
                if view.state == new.state:
                    raise _same(new.state)
            data = SurveillanceCaseStateChanged(
                case_id=case_id,
                market_id=view.market_id,
                version=version + 1,
                state=new.state,
                reason=new.reason,
                changed_by=principal.participant_id,
            )
            return make_envelope(
                data,
                event_id=event_id,
                participant_id=principal.participant_id,
                correlation_id=case_id,
                occurred_at=self._clock.now(),
                traceparent=traceparent,
            )

        intent = make_intent(key, "case_state", {"case_id": case_id, **new.model_dump(mode="json")})
        return await self._once.one(principal.participant_id, intent, plan)


def day_of(text: str) -> date:
    """Return the day of a text of that form.

    Raises:
        ValidationError: if the calendar has no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError(
            "validation.period",
            must_be("day", text, A_DAY),
            field="day",
            value=text,
            allowed=A_DAY.en,
        ) from None


def _has_made(view: CaseView, who: str, new: CaseStateNew) -> bool:
    made = (new.expected_version + 1, new.state, new.reason, who)
    return made in {(one.version, one.state, one.reason, one.changed_by) for one in view.changes}


def _stale(expected: int, current: int) -> ConflictError:
    return ConflictError(
        "stale_version",
        Message(
            f"expected_version: must be {current}, was {expected}",
            f"expected_version：须为 {current}，实为 {expected}",
        ),
        field="expected_version",
        value=str(expected),
        allowed=str(current),
    )


def _same(state: str) -> ConflictError:
    return ConflictError(
        "same_state",
        Message(
            f"state: must be another than the present one, was {state}",
            f"state：须与当前状态不同，实为 {state}",
        ),
        field="state",
        value=state,
        allowed="another state",
    )
