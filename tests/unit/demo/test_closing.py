"""The end of the day: one more round comes, and no other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from infra.demo import closing
from infra.demo.board import Board
from suanli.client import AsyncClient

Json = dict[str, Any]


@dataclass
class FakeBoard:
    """A board of which the test needs the closed rounds alone."""

    market: Json = field(default_factory=lambda: {"id": "jjj-spot"})
    closed: list[Json] = field(default_factory=lambda: [{"seq": 1}])


@dataclass
class FakeClient:
    """Tells of two rounds, of which the board hears that the second is closed at its third call."""

    board: FakeBoard
    calls: int = 0

    async def send(self, _call: object) -> Json:
        self.calls += 1
        if self.calls == 3:
            self.board.closed.append({"seq": 2})
        return {"items": [{"seq": 2}]}


def test_the_market_is_not_defined_anew_while_a_round_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closing, "_POLL_S", 0.0)
    board = FakeBoard()
    client = FakeClient(board)
    waited = closing.none_under_way(cast("AsyncClient", client), cast("Board", board))
    asyncio.run(waited)
    assert (client.calls, len(board.closed)) == (3, 2)
