"""Worked examples of events about links."""

from __future__ import annotations

from typing import Any

from schemas import events, links

LINKS: dict[type[events.Event], dict[str, Any]] = {
    links.RoundLinks: {
        "round_id": "jjj-spot:7",
        "market_id": "jjj-spot",
        "first_period": "2026-11-24T08:00:00.000000Z",
        "part": 0,
        "parts": 1,
        "links": [
            {
                "source": "beijing-yizhuang",
                "destination": "zhangjiakou",
                "tariff": 30_000,
                "prices": [42_000, 30_000],
                "used": [5_000, 1_200],
                "capacity": [5_000, 9_000],
            }
        ],
    }
}
