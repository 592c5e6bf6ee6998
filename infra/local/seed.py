"""Fill a new local exchange with a market, participants and orders to talk to."""

from __future__ import annotations

import asyncio
import json
import shlex
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.demo import world
from infra.demo.day import build_day
from suanli import operations as ops
from suanli.client import AsyncClient
from suanli.errors import ApiError

if TYPE_CHECKING:
    from pathlib import Path

    from infra.demo.day import Action
    from infra.local.exchange import Exchange

_ORDERS_MAX = 150
_ROUND_EVERY_S = 60
_SANDBOX_ROUND_EVERY_S = 10
# Robots trade in a sandbox, so that it needs no more than a beginning.
_SANDBOX_ORDERS_MAX = 20
_DEPOSIT = 10_000_000 * world.MICRO
_MARKET_WAIT_S = 30.0


def seed(exchange: Exchange, clients: Path) -> bool:
    """Define the market, admit participants, place orders, and keep each one's key.

    Writes one ``ROLE.env`` and one ``PARTICIPANT.json`` per participant into ``clients``. An
    exchange that has a market of its own already, as a demo leaves it, is left as it is: then the
    operator's key alone is written.

    Args:
        exchange: A running exchange.
        clients: Folder to create.

    Returns:
        Whether it was seeded.
    """
    is_empty = asyncio.run(_is_empty(exchange))
    clients.mkdir(mode=0o700)
    if is_empty:
        asyncio.run(_seed(exchange, clients))
    else:
        _write(clients, exchange, "operator", "operator", exchange.config.operator_key)
    return is_empty


async def _is_empty(exchange: Exchange) -> bool:
    async with AsyncClient(exchange.api_url, exchange.config.operator_key) as operator:
        found: dict[str, Any] = await operator.send(ops.read("/v1/markets", limit=1))
    return not found["items"]


async def _seed(exchange: Exchange, clients: Path) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    is_sandbox = exchange.config.is_sandbox
    every_s = _SANDBOX_ROUND_EVERY_S if is_sandbox else _ROUND_EVERY_S
    day = build_day(now, demands=_SANDBOX_ORDERS_MAX if is_sandbox else _ORDERS_MAX, seed=7)
    operator_key = exchange.config.operator_key
    async with AsyncClient(exchange.api_url, operator_key) as operator:
        market = world.market(round_every_s=every_s, effort=4, horizon_periods=72)
        await operator.send(ops.Operation("POST", "/v1/markets", body=market))
        keys = await _register(operator, day.enterprises)
        await _until_market_is_known(operator)
    keys["operator"] = ("operator", operator_key)
    for participant, (role, key) in keys.items():
        _write(clients, exchange, participant, role, key)
    # Whatever the hour of the day that the trace has: a newcomer wants orders in the book now.
    orders = [item for item in day.actions if item.kind in {"offer", "demand"}]
    gate = asyncio.Semaphore(8)
    async with AsyncExitStack() as stack:
        clients_by_id = {
            participant: await stack.enter_async_context(AsyncClient(exchange.api_url, key))
            for participant, (_, key) in keys.items()
        }
        await asyncio.gather(
            *(_place(clients_by_id[item.participant_id], item, gate) for item in orders)
        )


async def _register(
    operator: AsyncClient, enterprises: tuple[tuple[str, str], ...]
) -> dict[str, tuple[str, str]]:
    wanted = [(item.id, "provider", item.name, item.resource_code) for item in world.PROVIDERS]
    wanted += [
        (name, "enterprise", title, f"CN.11.0108.{name.upper()}") for name, title in enterprises
    ]
    wanted.append(("jjj-regulator", "regulator", "京津冀算力监管 Regulator", "CN.11.0000.JJJ-REG"))
    keys: dict[str, tuple[str, str]] = {}
    for participant, role, name, code in wanted:
        reply: dict[str, Any] = await operator.send(ops.register(participant, role, name, code))
        keys[participant] = (role, str(reply["api_key"]))
        if role == "enterprise":
            await operator.send(ops.deposit(participant, _DEPOSIT, "seed"))
    return keys


async def _until_market_is_known(operator: AsyncClient) -> None:
    async with asyncio.timeout(_MARKET_WAIT_S):
        while True:
            try:
                await operator.send(ops.read(f"/v1/markets/{world.MARKET_ID}"))
            except ApiError:
                await asyncio.sleep(0.2)
            else:
                return


async def _place(client: AsyncClient, item: Action, gate: asyncio.Semaphore) -> None:
    side = "offers" if item.kind == "offer" else "demand"
    body = item.body
    if item.kind == "demand":
        earliest = datetime.fromisoformat(body["earliest"])
        deadline = datetime.fromisoformat(body["deadline"])
        # The window keeps its length and moves to the next hours.
        first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        body = body | {
            "earliest": first.isoformat(),
            "deadline": (first + (deadline - earliest)).isoformat(),
        }
    async with gate:
        try:
            await client.send(ops.submit(side, world.MARKET_ID, body, item.key))
        except ApiError as error:
            # An offer whose window ended at dawn is of no use at noon; anything else is a fault.
            if error.code != "validation.window_past":
                raise


def _write(clients: Path, exchange: Exchange, participant: str, role: str, key: str) -> None:
    url = exchange.api_url
    facts = {"participant_id": participant, "role": role, "api_url": url, "api_key": key}
    path = clients / f"{participant}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    shell = clients / f"{role}.env"
    if not shell.exists():
        shell.touch(mode=0o600)
        facts = {
            "SUANLI_API_URL": url,
            "SUANLI_API_KEY": key,
            # Known from here, and not from the gateway that serves the heads.
            "SUANLI_LOG_KEY": exchange.log_verifier,
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in facts.items()]
        shell.write_text("".join(lines), encoding="utf-8")
