"""What matching and the ledger tell of orders: states, and money or chips held for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused, CapacityWanted
from services.gateway.adapters import intents
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn

_HOLD_KINDS: dict[type[events.Event], tuple[str, str]] = {
    events.HoldPlaced: ("hold_placed", "amount"),
    events.HoldRefused: ("hold_refused", "needed"),
    events.HoldCaptured: ("hold_captured", "captured"),
    events.HoldReleased: ("hold_released", "released"),
}
HOLDS = tuple(_HOLD_KINDS)
_CAPACITY_KINDS: dict[type[events.Event], str] = {
    CapacityWanted: "capacity_wanted",
    CapacityHeld: "capacity_held",
    CapacityRefused: "capacity_refused",
}
CAPACITIES = tuple(_CAPACITY_KINDS)
# Where a row of a hold has its version.
_HOLD_VERSION = 4


async def put_holds(conn: Conn, batch: list[Sent]) -> None:
    """Show what the ledger holds for orders, and add it to their histories."""
    for wave in _waves([_hold_row(sent) for sent in _in_log_order(batch)]):
        for versioned in (True, False):
            rows = [row for row in wave if (row[_HOLD_VERSION] is not None) is versioned]
            if rows:
                await conn.execute(SQL.put_holds, *_columns(rows), versioned)
    await intents.put_events(conn, [_hold_event(sent) for sent in batch])


async def put_capacities(conn: Conn, batch: list[Sent]) -> None:
    """Add to the histories of offers that share chips what was asked, and if it was reserved."""
    await intents.put_events(conn, [_capacity_event(sent) for sent in batch])


def _capacity_event(sent: Sent) -> tuple[Any, ...]:
    data: Any = sent.envelope.data
    reason = getattr(data, "reason", None)
    told = (data.version, None, reason and reason.model_dump_json())
    none = (None,) * 5
    head = (sent.envelope.id, data.order_id, _CAPACITY_KINDS[type(data)])
    return (*head, *told, *none, sent.envelope.causation_id, *intents.origin(sent))


def _waves(rows: Sequence[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """Return rows in as few groups as hold each order, their first column, at most once.

    One statement cannot touch a row twice; the groups keep the order of each order's rows.
    """
    waves: list[list[tuple[Any, ...]]] = []
    seen: dict[str, int] = {}
    for row in rows:
        at = seen[row[0]] = seen.get(row[0], -1) + 1
        if at == len(waves):
            waves.append([])
        waves[at].append(row)
    return waves


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _in_log_order(batch: list[Sent]) -> list[Sent]:
    return sorted(batch, key=lambda sent: (sent.position.partition, sent.position.offset))


def _hold_row(sent: Sent) -> tuple[Any, ...]:
    data: Any = sent.envelope.data
    version = amount = needed = free = None
    if isinstance(data, events.HoldRefused):
        state, version, needed, free = "refused", data.version, data.needed, data.free
    elif isinstance(data, events.HoldPlaced):
        state, version, amount = "placed", data.version, data.amount
    else:
        state, amount = ("placed" if data.kept else "released"), data.kept
    return (
        data.order_id,
        data.market_id,
        data.participant_id,
        state,
        version,
        amount,
        needed,
        free,
        sent.position.offset,
        sent.envelope.occurred_at,
    )


def _hold_event(sent: Sent) -> tuple[Any, ...]:
    data: Any = sent.envelope.data
    kind, amount = _HOLD_KINDS[type(data)]
    reason = getattr(data, "reason", None)
    held = data.amount if isinstance(data, events.HoldPlaced) else getattr(data, "kept", None)
    return (
        sent.envelope.id,
        data.order_id,
        kind,
        getattr(data, "version", None),
        None,
        reason and reason.model_dump_json(),
        getattr(data, "round_id", None),
        getattr(data, amount),
        held,
        None,
        None,
        sent.envelope.causation_id,
        *intents.origin(sent),
    )


async def put_statuses(conn: Conn, batch: list[Sent]) -> None:
    """Show in which states orders are, and add it to their histories."""
    states, history = [], []
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.OrderStatusChanged)
        reason = data.reason.model_dump_json()
        cause, occurred_at = sent.envelope.causation_id, sent.envelope.occurred_at
        states.append(
            (
                data.order_id,
                data.side.value,
                data.market_id,
                data.participant_id,
                data.state.value,
                data.version,
                cause,
                reason,
                data.sequence,
                data.round_id,
                data.chip_hours_allocated,
                data.chip_hours_left,
                occurred_at,
            )
        )
        fact = (data.version, data.state.value, reason, data.round_id, None, None)
        left = (data.chip_hours_allocated, data.chip_hours_left)
        history.append(
            (sent.envelope.id, data.order_id, "status", *fact, *left, cause, *intents.origin(sent))
        )
    for wave in _waves(states):
        await conn.execute(SQL.put_statuses, *_columns(wave))
    await intents.put_events(conn, history)
