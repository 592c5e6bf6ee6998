"""Suspending a participant, and letting it trade again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from schemas import events
from schemas.codec import derive_id
from schemas.standing import ParticipantStandingSet
from schemas.surveillance import ParticipantOwned
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.app.envelopes import make_envelope, make_receipt
from services.gateway.app.rights import require_role
from services.gateway.errors import not_found
from services.gateway.ports import Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.api import ParticipantView, Receipt
    from schemas.standing import StandingNew
    from services.gateway.ports import Directory, Log, MarketClock, Markets, Principal, Signer

_PAGE = 500
_TRADERS = (Role.PROVIDER, Role.ENTERPRISE)


class Standing:
    """Whether participants may trade.

    Args:
        log: Where it is told.
        directory: Participants.
        markets: Each is told, since each clears by what is in its own part of the log.
        clock: The market's clock.
        signer: Signs receipts; ``None`` leaves them unsigned.
        forget: Called once a standing is another, so that it counts from the next request on;
            other instances remember callers for a second.
    """

    def __init__(
        self,
        log: Log,
        directory: Directory,
        markets: Markets,
        clock: MarketClock,
        signer: Signer | None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._directory = directory
        self._markets = markets
        self._clock = clock
        self._signer = signer
        self._forget = forget

    async def set(
        self, principal: Principal, participant_id: str, new: StandingNew, traceparent: str
    ) -> Receipt:
        """Suspend a participant or let it trade again; to do so twice is to do it once.

        From here on its requests are refused and the ledger holds no money for it; its open
        orders leave each market's book at the next round, and what is allocated stands.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such participant.
            ValidationError: if it does not trade.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        known = await self._directory.participant(participant_id)
        if known is None:
            raise not_found("participant_id", participant_id)
        if known.role not in _TRADERS:
            raise _no_trader(known)
        told: list[events.Event] = [_registered(known, new.status)]
        told += [
            ParticipantStandingSet(
                market_id=market_id,
                participant_id=participant_id,
                status=new.status,
                reason=new.reason,
            )
            for market_id in await self._market_ids()
        ]
        # All again at a repeat: it may have been cut off in the middle.
        act = secrets.token_hex(16)
        sending = [
            make_envelope(
                data,
                event_id=derive_id("gateway", "standing", act, str(number)),
                participant_id=principal.participant_id,
                correlation_id=act,
                occurred_at=self._clock.now(),
                traceparent=traceparent,
            )
            for number, data in enumerate(told)
        ]
        positions = await self._log.send(sending)
        sent = Sent(sending[0], positions[0])
        view = known.model_copy(update={"status": new.status})
        await self._directory.put_participant(view, sent.position.offset, None)
        self._forget()
        return make_receipt(sent, self._signer)

    async def _market_ids(self) -> list[str]:
        found: list[str] = []
        while True:
            after = found[-1] if found else None
            views = await self._markets.markets(after=after, limit=_PAGE)
            found += [view.market.id for view in views]
            if len(views) < _PAGE:
                return found


def _registered(known: ParticipantView, status: str) -> events.ParticipantRegistered:
    fields = known.model_dump(exclude={"registered_at", "beneficial_owner"}) | {"status": status}
    if known.beneficial_owner is None:
        return events.ParticipantRegistered.model_validate(fields)
    return ParticipantOwned.model_validate(fields | {"beneficial_owner": known.beneficial_owner})


def _no_trader(known: ParticipantView) -> ValidationError:
    return ValidationError(
        "validation.no_trader",
        Message(
            f"participant_id: must be a provider or an enterprise, was {known.participant_id} "
            f"({known.role.value}); of others the keys are revoked",
            f"participant_id：须为供给方或需求方，实为 {known.participant_id}"
            f"（{known.role.value}）；其他角色请吊销密钥",
        ),
        field="participant_id",
        value=f"{known.participant_id} ({known.role.value})",
        allowed="a provider or an enterprise",
    )
