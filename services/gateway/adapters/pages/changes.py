"""The changes that would let a demand trade, as buttons that make them in its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.types import period_start
from services.core.errors import Message
from services.gateway.adapters.pages.rendering import clock, plain_yuan

if TYPE_CHECKING:
    from schemas.events import Reason
    from services.gateway.adapters.pages.names import Names

_CLOCK = "%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class ChangeButton:
    """A change of a demand that would let it trade by itself.

    Attributes:
        value: What the form's route is told, as ``name:value``.
        label: What the button says.
    """

    value: str
    label: Message


def changes_of(reason: Reason, names: Names) -> tuple[ChangeButton, ...]:
    """Return the changes that a reason or a quote names; none for what trades already.

    Args:
        reason: Why a demand does not trade.
        names: What the buttons call pools.
    """
    params = reason.params
    found = []
    limit, chips = params.get("limit_needed"), params.get("chips_would")
    if isinstance(limit, int):
        text = f"¥{plain_yuan(limit)}"
        label = Message(f"Raise the limit to {text}", f"限价提高至 {text}")
        found.append(ChangeButton(f"limit:{limit}", label))
    if isinstance(chips, int):
        label = Message(f"Take {chips} chips at once", f"同时使用 {chips} 张")
        found.append(ChangeButton(f"chips:{chips}", label))
    for name in ("moved", "other"):
        pool, start = params.get(f"{name}_pool"), params.get(f"{name}_start")
        if isinstance(pool, str) and isinstance(start, int):
            said, at = names.pool(pool), clock(period_start(start), _CLOCK)
            label = Message(f"Allow {said} from {at}", f"允许 {said}（自 {at}）")
            found.append(ChangeButton(f"{name}:{pool}@{start}", label))
    return tuple(found)
