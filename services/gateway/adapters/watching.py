"""Asks the services' health servers how they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from services.gateway.app.health import ServiceHealth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A service that is too busy to answer within this is not well.
_ANSWER_S_MAX = 2.0
_LAG = "suanli_log_lag_records"
_UNSENT = "suanli_outbox_unsent_rows"
_LOOPBACK = "127.0.0.1"


class HealthWatch:
    """`services.gateway.app.health.Watch` over HTTP.

    Args:
        watched: Name of each service -> address of its health server; or the file in which it
            tells its port, if it runs on this machine under a port that the system chose.
    """

    def __init__(self, watched: Mapping[str, str]) -> None:
        self._watched = watched

    async def look(self) -> Sequence[ServiceHealth]:
        """Return what each service says; whoever does not answer in time is silent."""
        async with httpx.AsyncClient(timeout=_ANSWER_S_MAX, trust_env=False) as http:
            asked = [self._ask(http, name, where) for name, where in self._watched.items()]
            return await asyncio.gather(*asked)

    async def _ask(self, http: httpx.AsyncClient, name: str, where: str) -> ServiceHealth:
        silent = ServiceHealth(name, "silent", {}, {}, {})
        address = where if where.startswith("http") else await asyncio.to_thread(_told, where)
        if address is None:
            return silent
        try:
            ready = await http.get(f"{address}/readyz")
            metrics = await http.get(f"{address}/metrics")
            told = ready.json()
            lags, unsent = _numbers(metrics.text)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return silent
        if not isinstance(told, dict):
            return silent
        return ServiceHealth(
            name=name,
            state="ready" if told.get("ready") is True else "not-ready",
            checks=_mapping(told.get("checks")),
            facts=_mapping(told.get("facts")),
            lags=lags,
            unsent=unsent,
        )


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _told(path: str) -> str | None:
    try:
        port = json.loads(Path(path).read_text(encoding="utf-8"))["health_port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"http://{_LOOPBACK}:{port}"


def _numbers(text: str) -> tuple[dict[str, int], int | None]:
    lags: dict[str, int] = {}
    unsent: int | None = None
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _LAG:
                lags[sample.labels.get("topic", "")] = int(sample.value)
            elif sample.name == _UNSENT:
                unsent = (unsent or 0) + int(sample.value)
    return lags, unsent
