"""What each role may at most, by scope, and the refusal that names a missing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.identity import Scope
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.app.rights import require_role
from services.gateway.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.gateway.ports import Principal

_OF_ROLE = {
    Role.PROVIDER: frozenset({Scope.READ, Scope.TRADE, Scope.MONEY, Scope.ADMIN}),
    Role.ENTERPRISE: frozenset({Scope.READ, Scope.TRADE, Scope.MONEY, Scope.ADMIN}),
    Role.REGULATOR: frozenset({Scope.READ, Scope.GOVERN, Scope.ADMIN}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.MONEY, Scope.GOVERN, Scope.ADMIN}),
}


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return all that a key of a participant in this role may have."""
    return _OF_ROLE[role]


def require_scope(principal: Principal, needed: Scope) -> None:
    """Let only those act whose key has the scope.

    Raises:
        ForbiddenError: naming the scope that is missing and those that the caller has; or the
            roles, if nobody of the caller's role can have it.
    """
    if needed not in scopes_of(principal.role):
        require_role(principal, *(role for role in Role if needed in scopes_of(role)))
    if needed in principal.scopes:
        return
    has = listed(principal.scopes)
    raise ForbiddenError(
        "auth.missing_scope",
        Message(
            f"scope: must include {needed.value}, was {has}; a key of the "
            "same participant with scope admin can grant it",
            f"权限范围：须包含 {needed.value}，实为 {has}；本方具有 admin 范围的密钥可授予",
        ),
        field="scope",
        value=has,
        allowed=needed.value,
    )


def require_grantable(principal: Principal, role: Role, wanted: Iterable[Scope]) -> None:
    """Let nobody grant more than the role may, nor more than he has himself.

    The operator grants what the role may: it admits participants.

    Raises:
        ValidationError: naming the scopes that may be granted.
    """
    allowed = scopes_of(role)
    if principal.role is not Role.OPERATOR:
        allowed &= principal.scopes
    over = set(wanted) - allowed
    if not over:
        return
    raise ValidationError(
        "validation.scopes",
        Message(
            f"scopes: must be of {listed(allowed)}, was {listed(over)}; nobody grants more than "
            "the role may, or than he has",
            f"scopes：须取自 {listed(allowed)}，实为 {listed(over)}；"
            "不得超出角色权限或授予者自身权限",
        ),
        field="scopes",
        value=listed(over),
        allowed=listed(allowed),
    )


def listed(scopes: Iterable[Scope]) -> str:
    """Return scopes as a list in a fixed order."""
    wanted = set(scopes)
    return ", ".join(scope.value for scope in Scope if scope in wanted) or "none"
