"""What a process remembers of what it showed."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.codec import Envelope
from schemas.events import DemandCancelled
from services.gateway.adapters.shown import Shown
from services.gateway.ports import Position, Sent

DATA = DemandCancelled(order_id="dem_" + "a" * 26, market_id="m", participant_id="p")
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def sent(offset: int) -> Sent:
    envelope = Envelope("e", "/suanli/gateway", NOW, NOW, "p", "c", "", "", DATA)
    return Sent(envelope, Position("demand", 0, offset, sha256=""))


def test_a_place_is_good_for_once() -> None:
    shown = Shown()
    shown.add([sent(1)])
    assert [shown.take("demand", 0, 1), shown.take("demand", 0, 1)] == [True, False]
    assert not shown.take("offers", 0, 1)


def test_the_oldest_place_is_forgotten_first() -> None:
    shown = Shown(most=2)
    shown.add(map(sent, (1, 2, 3)))
    assert [shown.take("demand", 0, offset) for offset in (1, 2, 3)] == [False, True, True]
