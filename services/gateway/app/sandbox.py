"""What a sandbox has and an exchange of real money has not: play money for the asking."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from schemas.api import DepositNew
from schemas.types import Role
from services.gateway.app.rights import require_role
from services.gateway.errors import not_found
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from schemas.api import Receipt
    from services.gateway.app.exchange import ExchangeCommands

_BANK = Principal("operator", Role.OPERATOR, "sandbox")


async def top_up(
    exchange: ExchangeCommands,
    principal: Principal,
    amount: int,
    key: str,
    traceparent: str,
    *,
    is_sandbox: bool,
) -> Receipt:
    """Record play money of the caller's own asking, micro-yuan.

    Raises:
        NotFoundError: if this exchange is no sandbox.
        ForbiddenError: if the caller does not trade.
    """
    if not is_sandbox:
        raise not_found("path", "/v1/sandbox/top-up")
    require_role(principal, Role.ENTERPRISE, Role.PROVIDER)
    owner = principal.participant_id
    # Two participants may choose the same key; the bank's keys must differ.
    own = hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()
    new = DepositNew(amount=amount, reference=f"sandbox {own[:16]}")
    return await exchange.deposit(_BANK, owner, new, f"sandbox-{own}", traceparent)
