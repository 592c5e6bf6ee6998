"""What many people look at at once is made once."""

from __future__ import annotations

import asyncio

from services.gateway.adapters.pages.remembering import Remembering


async def test_a_thousand_that_ask_at_once_have_it_made_once_and_again_when_it_changes() -> None:
    now_s = 0.0
    kept = Remembering(lambda: now_s)
    made: list[int] = []

    async def make() -> int:
        await asyncio.sleep(0)
        made.append(len(made))
        return made[-1]

    found = await asyncio.gather(*(kept.get(("a",), make) for _ in range(1_000)))
    assert (set(found), made) == ({0}, [0])
    now_s = 1.5
    assert await kept.get(("a",), make) == 1

    # What took long is kept for longer.
    async def slowly() -> int:
        nonlocal now_s
        now_s += 3
        return await make()

    assert await kept.get(("b",), slowly, times=4) == 2
    now_s += 11
    assert await kept.get(("b",), slowly, times=4) == 2
    # By a mark it is kept for as long as the mark stays, and is no other thing of that name.
    same = await asyncio.gather(*(kept.while_same(("a",), "x", make) for _ in range(1_000)))
    now_s = 1_000.0
    assert {*same, await kept.while_same(("a",), "x", make)} == {3}
    assert await kept.while_same(("a",), "y", make) == 4
    for number in range(300):
        await kept.while_same(("many", number), "x", make)
    assert len(kept._same) <= 100
