"""The life of an order, for its owner and for those who see all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.life import LifeStep, LogPlace
from services.core.order_life import life_of
from services.gateway.app.rights import require_sight
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from services.core.order_life import Step
    from services.gateway.life_ports import Lives
    from services.gateway.ports import Principal

# Of each kind. An order lives for a week and has a few events in a round at most.
_HAPPENINGS_MAX = 10_000


class LifeReading:
    """Reads lives of orders.

    Args:
        lives: Where they are.
    """

    def __init__(self, lives: Lives) -> None:
        self._lives = lives

    async def life(self, principal: Principal, order_id: str) -> list[LifeStep]:
        """Return all that happened to an order, oldest first.

        Raises:
            NotFoundError: if nothing did, or it is somebody else's.
        """
        owner = await self._lives.owner(order_id)
        if owner is None:
            raise not_found("order_id", order_id)
        require_sight(principal, owner, "order_id", order_id)
        steps = life_of(await self._lives.happenings(order_id, _HAPPENINGS_MAX))
        return [_view(number, step) for number, step in enumerate(steps, start=1)]


def _view(number: int, step: Step) -> LifeStep:
    item = step.happening
    place = None
    if item.topic is not None and item.partition is not None and item.offset is not None:
        place = LogPlace(topic=item.topic, partition=item.partition, offset=item.offset)
    return LifeStep.model_validate(
        {
            "step": number,
            "kind": item.kind,
            "code": step.code,
            "event_id": item.event_id or None,
            "correlation_id": item.correlation_id or None,
            "causation_id": item.cause or None,
            "place": place,
            "round_id": item.round_id,
            "allocation_id": item.allocation_id,
            "counter_order_id": item.counter_order_id,
            "resale_of": item.resale_of,
            "resale_order_id": item.resale_order_id,
            "entry_id": item.entry_id,
            "leaf_index": item.leaf_index,
            "purpose": item.purpose,
            "version": step.version,
            "state": step.state,
            "amount": item.amount,
            "held": step.held,
            "chip_hours": item.chip_hours,
            "chip_hours_allocated": step.allocated,
            "chip_hours_left": step.left,
            "reason": item.reason,
            "occurred_at": item.occurred_at,
            "recorded_at": item.recorded_at,
        }
    )
