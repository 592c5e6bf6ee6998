"""Many askers, few calls: each gets its own answer, whatever happens to the others."""

from __future__ import annotations

import asyncio

import pytest

from services.kit.batching import Batcher


class Server:
    """Serves batches when it is told to.

    Args:
        opened: Whether it serves at once.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        if opened:
            self.gate.set()

    async def serve(self, items: list[str]) -> list[str | Exception]:
        """Answer each in upper case; refuse ``bad``, and fail on ``worse``."""
        self.batches.append(items)
        await self.gate.wait()
        if "worse" in items:
            raise ConnectionError("lost")
        return [ValueError(item) if item == "bad" else item.upper() for item in items]


def _batcher(server: Server) -> Batcher[str, str]:
    return Batcher(server.serve, lambda item: [item])


async def _asked(batcher: Batcher[str, str], items: list[str]) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(batcher.ask(item)) for item in items]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def _until(server: Server, count: int) -> None:
    async with asyncio.timeout(5):
        while len(server.batches) < count:  # noqa: ASYNC110 - until the clock has told
            await asyncio.sleep(0.001)


async def test_whoever_comes_while_a_batch_is_under_way_goes_with_the_next() -> None:
    server = Server()
    batcher = _batcher(server)
    tasks = [(await _asked(batcher, [item]))[0] for item in "abcdefg"]
    server.gate.set()
    assert await asyncio.gather(*tasks) == list("ABCDEFG")
    assert server.batches == [["a"], ["b", "c", "d", "e", "f", "g"]]


async def test_a_batch_that_takes_long_holds_up_no_other() -> None:
    server = Server()
    batcher = _batcher(server)
    tasks = await _asked(batcher, ["slow"])
    tasks += await _asked(batcher, ["b", "c"])
    await _until(server, 2)
    tasks += await _asked(batcher, ["d"])
    assert server.batches == [["slow"], ["b", "c"]]
    server.gate.set()
    assert await asyncio.gather(*tasks) == ["SLOW", "B", "C", "D"]
    assert server.batches == [["slow"], ["b", "c"], ["d"]]
    # Afterwards one at a time is enough again, and whoever comes as a batch ends is served.
    server.gate.clear()
    tasks = await _asked(batcher, ["e"])
    tasks += await _asked(batcher, ["f"])
    server.gate.set()
    assert await tasks[0] == "E"
    assert await batcher.ask("g") == "G"
    assert await tasks[1] == "F"


async def test_a_second_slow_batch_is_gone_round_as_well() -> None:
    """The lane that opened beside a slow batch ends, and another opens for who comes later."""
    gates = {"slow": asyncio.Event()}
    served: list[list[str]] = []

    async def serve(items: list[str]) -> list[str | Exception]:
        served.append(items)
        if items[0] in gates:
            await gates[items[0]].wait()
        return [*items]

    batcher: Batcher[str, str] = Batcher(serve, lambda item: [item])
    slow = (await _asked(batcher, ["slow"]))[0]
    for name in "abc":
        async with asyncio.timeout(5):
            assert await batcher.ask(name) == name
    gates["slow"].set()
    assert await slow == "slow"
    assert served == [["slow"], ["a"], ["b"], ["c"]]


async def test_two_items_about_the_same_are_never_in_one_batch() -> None:
    server = Server()
    batcher = _batcher(server)
    tasks = [(await _asked(batcher, [item]))[0] for item in ("a", "b", "c", "c", "d")]
    server.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "C", "D"]
    assert ["b", "c", "d"] in server.batches
    assert ["c"] in server.batches


async def test_a_refused_item_fails_alone_and_a_lost_batch_fails_whole() -> None:
    server = Server()
    batcher = _batcher(server)
    tasks = [(await _asked(batcher, [item]))[0] for item in ("worse", "x", "bad", "good")]
    server.gate.set()
    lost, fine, refused, good = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(lost, ConnectionError)
    assert (fine, good) == ("X", "GOOD")
    assert isinstance(refused, ValueError)
    # It goes on after a failure.
    assert await batcher.ask("again") == "AGAIN"


async def test_an_asker_that_is_cancelled_takes_no_other_with_it() -> None:
    server = Server()
    batcher = _batcher(server)
    tasks = [(await _asked(batcher, [item]))[0] for item in "abcd"]
    tasks[2].cancel()
    server.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [found[0], found[1], found[3]] == ["A", "B", "D"]
    assert isinstance(found[2], asyncio.CancelledError)


async def test_a_large_batch_is_cut() -> None:
    server = Server()
    batcher = _batcher(server)
    names = [f"n{number}" for number in range(600)]
    tasks = await _asked(batcher, names)
    server.gate.set()
    assert await asyncio.gather(*tasks) == [name.upper() for name in names]
    assert max(map(len, server.batches)) == 256


@pytest.mark.parametrize("count", [1, 5])
async def test_nobody_waits_for_company(count: int) -> None:
    server = Server(opened=True)
    batcher = _batcher(server)
    for _ in range(count):
        assert await batcher.ask("a") == "A"
    assert server.batches == [["a"]] * count
