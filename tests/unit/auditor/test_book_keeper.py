"""What the comparison of books keeps: only what changed is written, and what is torn is dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.auditor.book_keeper import BookKeeper
from services.core.book_audit import BookFault
from services.kit.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.auditor.book_parts import Difference, Place, Row
    from services.kit.records import Positions

START = datetime(2026, 11, 27, tzinfo=UTC)
AT: Positions = {("offers", 0): 7}
ONE, OTHER = BookFault("lost", "off_1", "x"), BookFault("terms", "off_2", "y")
KNOWN: dict[Place, object] = {
    ("m", "replay._orders", "off_1"): ONE,
    ("m", "replay._sent", ("link", 3)): 4,
    ("m", "replay._held", ("e-1", "bj-1/t4")): (490_000, (4, 0, 2)),
    ("m", "replay._told", "evt"): [ONE],
    ("", "done", "m:1"): True,
}


class Memory:
    """A `PartStore` of this process."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Row] = {}
        self.let_go: dict[tuple[str, str, str], bytes] = {}
        self.head: tuple[str, Positions, int, bytes, datetime] | None = None
        self.written: list[int] = []

    async def checkpoint(self) -> tuple[str, Positions, int, bytes, datetime] | None:
        """Return what was kept."""
        return self.head

    async def parts(self) -> AsyncIterator[Sequence[Row]]:
        """Yield one at a time."""
        for place, row in self.rows.items():
            if place not in self.let_go:
                yield [row]

    async def over(
        self, market_id: str, name: str, keys: Sequence[str]
    ) -> Sequence[tuple[Row, bytes]]:
        """Return those of some parts that were let go."""
        places = [(market_id, name, key) for key in keys]
        return [(self.rows[at], self.let_go[at]) for at in places if at in self.let_go]

    async def keep(
        self,
        version: str,
        positions: Positions,
        changed: Difference,
        times: tuple[datetime, datetime],
        *,
        is_first: bool,
    ) -> None:
        """Write it."""
        if is_first:
            self.rows.clear()
            self.let_go.clear()
        for gone in changed.dropped:
            del self.rows[gone]
        self.rows |= {row[:3]: row for row in changed.put}
        for row in changed.put:
            self.let_go.pop(row[:3], None)
        self.let_go |= {row[:3]: row[3] for row in changed.over}
        self.head = (version, positions, changed.count, changed.digest, times[0])
        self.written.append(len(changed.put) + len(changed.dropped))


def keeper(store: Memory, version: str = "v1", trust_h: float = 1) -> BookKeeper:
    return BookKeeper(
        store,
        ManualClock(START),
        version=version,
        every_s=30,
        trust=timedelta(hours=trust_h),
    )


async def test_what_was_kept_is_found_by_the_next_life_and_only_changes_are_written() -> None:
    store = Memory()
    first = keeper(store)
    assert await first.find() is None
    await first.keep(AT, KNOWN.items())
    await first.keep(AT, KNOWN.items())
    second = keeper(store)
    assert await second.find() == (AT, KNOWN)
    # Values that were made anew and say the same are not written again.
    same = KNOWN | {("m", "replay._orders", "off_1"): BookFault("lost", "off_1", "x")}
    await second.keep(AT, same.items())
    changed = same | {("m", "replay._orders", "off_2"): OTHER, ("m", "replay._told", "evt"): []}
    del changed["m", "replay._sent", ("link", 3)]
    await second.keep({("offers", 0): 8}, changed.items())
    assert store.written == [5, 3]
    assert await keeper(store).find() == ({("offers", 0): 8}, changed)


@pytest.mark.parametrize(
    "harm", ["changed", "gone", "added", "unreadable", "version", "age", "never"]
)
async def test_what_does_not_fit_is_dropped_and_written_whole_again(harm: str) -> None:
    store = Memory()
    await keeper(store).keep(AT, KNOWN.items())
    place, row = next(iter(store.rows.items()))
    assert store.head is not None
    version, positions, count, digest, read_from = store.head
    if harm == "changed":
        store.rows[place] = (*row[:3], row[3].replace("off_1", "off_9"))
    elif harm == "gone":
        del store.rows[place]
    elif harm == "added":
        store.rows["m", "replay._orders", '"z"'] = ("m", "replay._orders", '"z"', "1")
    elif harm == "unreadable":
        store.rows[place] = (*row[:3], '{"c":["os:system",["x"]]}')
    elif harm == "age":
        read_from -= timedelta(hours=2)
    store.head = (version, positions, count, digest, read_from)
    second = keeper(store, "v2" if harm == "version" else "v1", trust_h=0 if harm == "never" else 1)
    assert await second.find() is None
    second.forget()
    await second.keep(AT, KNOWN.items())
    assert await keeper(store, "v2" if harm == "version" else "v1").find() == (AT, KNOWN)


async def test_an_order_that_is_over_is_taken_up_only_once_it_is_named_and_must_fit_then() -> None:
    store = Memory()
    place: Place = ("m", "replay._orders", "off_1")
    await keeper(store).keep(AT, KNOWN.items(), [place])
    second = keeper(store)
    assert await second.recall("m", ["off_1"]) == [], "nothing is known before it was found"
    found = await second.find()
    assert found is not None
    assert found[1] == {at: value for at, value in KNOWN.items() if at != place}
    recalled: list[object] = [*await second.recall("m", ["off_1", "off_9"])]
    assert recalled == [ONE]
    # Named again, it is kept as any other; and let go again.
    await second.keep(AT, KNOWN.items())
    assert await keeper(store).find() == (AT, KNOWN)
    await second.keep(AT, KNOWN.items(), [place])
    recalled = [*await second.recall("m", ["off_1"])]
    assert recalled == [ONE]
    row = store.rows["m", "replay._orders", '"off_1"']
    store.rows[row[:3]] = (*row[:3], row[3].replace("lost", "terms"))
    with pytest.raises(ValueError, match="does not fit its digest"):
        await second.recall("m", ["off_1"])
    # Whoever reads the log from its beginning needs none of it.
    second.forget()
    assert await second.recall("m", ["off_1"]) == []


async def test_what_cannot_be_written_is_not_kept_and_asked_for_no_more() -> None:
    store = Memory()
    one = keeper(store)
    await one.keep(AT, {("m", "replay._new", None): 0.5}.items())
    assert store.head is None
    assert not one.is_due
