"""Follows the exchange through its API: rounds, book, prices; has every round verified."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from infra.demo.board import chip_of_pool, is_whole
from infra.demo.figures import price_averages
from infra.demo.verify import be_nice, verify_bytes
from suanli import operations as ops
from suanli.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.demo.board import Board
    from infra.demo.facts import Json
    from infra.demo.meter import Memory, Meter
    from suanli.client import AsyncClient

_POLL_S = 0.8
_BOOK_EVERY = 3
_MEASURE_S = 2.0
_RECENT = 4
_SHARES = 100
"""Rounds whose domestic shares are read at once: more than are closed while nobody looks."""
_AWAY = (ApiError, UnreachableError)


class Watcher:
    """Keeps a board up to date.

    Args:
        client: A client that needs no key: rounds, prices and the book are public.
        board: What to fill.
        on_closed: Called with the view of each round when it is closed, in order.
    """

    def __init__(
        self, client: AsyncClient, board: Board, on_closed: Callable[[Json], None]
    ) -> None:
        self._client = client
        self._board = board
        self._on_closed = on_closed
        self._market_id = str(board.market["id"])
        self._chip_of = chip_of_pool(board.market)
        self._next = 1
        self._to_verify: asyncio.Queue[str] = asyncio.Queue()
        # A fresh interpreter: a fork of a program with threads and connections is not safe.
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=be_nice
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until ``stop`` is set; a gateway that does not answer is asked again."""
        turn = 0
        while not stop.is_set():
            try:
                await self.step(book=turn % _BOOK_EVERY == 0)
                self._board.unreachable = False
            except _AWAY:
                self._board.unreachable = True
            turn += 1
            await asyncio.sleep(_POLL_S)

    async def step(self, *, book: bool) -> None:
        """Read what is new.

        Raises:
            UnreachableError: the gateway does not answer.
            ApiError: it cannot answer now.
        """
        path = "/v1/rounds"
        page = await self._client.send(ops.read(path, market_id=self._market_id, limit=_RECENT))
        items: list[Json] = page["items"]
        if items and items[-1]["seq"] > self._next:
            # The gateway was away for longer than a page of rounds.
            items = [item async for item in self._client.pages(path, market_id=self._market_id)]
        self._board.rounds |= {item["seq"]: item for item in items}
        if (row := self._board.rounds.get(self._next)) and is_whole(row):
            # Told before a round's file, so that they are there once the round is whole.
            page = await self._client.send(
                ops.read("/v1/shares", market_id=self._market_id, limit=_SHARES)
            )
            self._board.shares |= {item["round_id"]: item["shares"] for item in page["items"]}
        while (row := self._board.rounds.get(self._next)) and is_whole(row):
            prices = await self._client.send(ops.read(f"{path}/{row['round_id']}/prices"))
            self._board.trades.append(price_averages(prices["curves"], self._chip_of))
            self._to_verify.put_nowait(row["round_id"])
            self._on_closed(row)
            self._next += 1
        if book:
            self._board.book = await self._client.send(
                ops.read("/v1/book", market_id=self._market_id)
            )

    async def verify(self) -> None:
        """Download and verify every closed round, one after another, until cancelled."""
        while True:
            await self._verify(await self._to_verify.get())
            self._to_verify.task_done()

    async def catch_up(self) -> None:
        """Read and verify what was closed since `run` and `verify` ended."""
        await self.step(book=False)
        while not self._to_verify.empty():
            await self._verify(self._to_verify.get_nowait())
            self._to_verify.task_done()

    async def _verify(self, round_id: str) -> None:
        content = await self._file(round_id)
        loop = asyncio.get_running_loop()
        verdict = await loop.run_in_executor(self._pool, verify_bytes, round_id, content)
        self._board.verdicts[round_id] = verdict

    async def verified(self) -> None:
        """Return once every closed round has been verified."""
        await self._to_verify.join()

    def close(self) -> None:
        """End the checking process."""
        self._pool.shutdown(cancel_futures=True)

    async def _file(self, round_id: str) -> bytes:
        """Return a round's file, also from a gateway that is away for a moment."""
        while True:
            try:
                return await self._client.download(f"/v1/rounds/{round_id}/file")
            except _AWAY:
                await asyncio.sleep(_POLL_S)


async def measure(board: Board, meter: Meter, memory: Memory, stop: asyncio.Event) -> None:
    """Measure lag and memory every few seconds until ``stop`` is set."""
    while not stop.is_set():
        await asyncio.to_thread(memory.look)
        board.memory, board.peak_bytes = memory.now, memory.peak_bytes
        board.lag = await meter.lag()
        await asyncio.sleep(_MEASURE_S)
