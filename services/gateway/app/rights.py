"""Who may do what; roles decide on kinds of acts, ownership on single things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.types import Role, Side
from services.core.errors import Message
from services.gateway.errors import ForbiddenError, not_found

if TYPE_CHECKING:
    from services.gateway.ports import Principal

ROLES_OF_SIDE = {
    Side.OFFER: (Role.PROVIDER, Role.ENTERPRISE),
    Side.DEMAND: (Role.ENTERPRISE,),
}
"""Who may have orders of a side; an enterprise offers what it bought, and nothing else."""
_ZH = {
    Role.PROVIDER: "供给方",
    Role.ENTERPRISE: "需求方",
    Role.REGULATOR: "监管方",
    Role.OPERATOR: "运营方",
}


def require_role(principal: Principal, *roles: Role) -> None:
    """Let only these roles act, and only while they are not suspended.

    Raises:
        ForbiddenError: naming the caller's role and those that may.
    """
    if principal.role not in roles:
        allowed = ", ".join(role.value for role in roles)
        allowed_zh = "、".join(_ZH[role] for role in roles)
        raise ForbiddenError(
            "auth.wrong_role",
            Message(
                f"role: must be {allowed}, was {principal.role.value}",
                f"角色：须为{allowed_zh}，实为{_ZH[principal.role]}",
            ),
            field="role",
            value=principal.role.value,
            allowed=allowed,
        )
    if not principal.active:
        raise ForbiddenError(
            "auth.suspended",
            Message(
                "status: must be active to act, was suspended; reading is still allowed",
                "状态：须为有效才能操作，实为已暂停；仍可查询",
            ),
            field="status",
            value="suspended",
            allowed="active",
        )


def require_side(principal: Principal, side: Side) -> None:
    """Let only those act who may have orders of a side.

    Raises:
        ForbiddenError: naming the caller's role and those that may.
    """
    require_role(principal, *ROLES_OF_SIDE[side])


def require_own(principal: Principal, participant_id: str, field: str, value: str) -> None:
    """Let only the owner act; to others the thing does not exist.

    Raises:
        NotFoundError: if it belongs to somebody else.
    """
    if principal.participant_id != participant_id:
        raise not_found(field, value)


def require_sight(principal: Principal, participant_id: str, field: str, value: str) -> None:
    """Let the owner, the regulator and the operator look.

    Raises:
        NotFoundError: if it belongs to somebody else.
    """
    if not principal.sees_all:
        require_own(principal, participant_id, field, value)
