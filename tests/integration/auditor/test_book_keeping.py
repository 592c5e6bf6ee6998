"""An auditor that goes on with what it kept of the books finds what one finds that reads it all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from schemas.events import DemandCancelled, MarketDefined
from services.core.market_records import TOPICS as BOOK_TOPICS
from services.kit.clock import ManualClock
from services.kit.kafka import LogReader
from tests.integration.auditor.test_books import invent, leave_out
from tests.integration.auditor.wire import Wire, codes
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settled,
)

if TYPE_CHECKING:
    import asyncpg

pytestmark = pytest.mark.integration

Kept = set[tuple[str, str, str, str]]


async def audited(wire: Wire, rounds: int, told: int) -> list[str]:
    """Let an auditor compare all rounds and end; return the codes of all findings so far."""
    began = datetime.now(UTC)
    log = LogReader(wire.settings, BOOK_TOPICS)
    await log.start({})
    ends = {f"{topic}/{part}": end for (topic, part), end in (await log.end_offsets()).items()}
    await log.stop()
    async with wire.auditing():
        await wire.until(
            "SELECT count(*) FROM finding WHERE code LIKE 'book.%'", lambda n: n == told
        )
        await wire.until(
            "SELECT json_build_array(kept_at, positions, "
            "(SELECT count(*) FROM book_part WHERE name = 'done'))::text FROM book_checkpoint",
            lambda text: _is_kept(json.loads(text), began, ends, rounds),
        )
        found = await wire.findings()
    return codes([one for one in found if one.summary.code.startswith("book.")])


def _is_kept(row: Any, began: datetime, ends: dict[str, int], rounds: int) -> bool:  # noqa: ANN401
    """Return whether a note is of this life, of all that the log has, and of so many rounds."""
    kept_at, positions, done = row
    read = {f"{topic}/{part}": at for topic, part, at in positions}
    return datetime.fromisoformat(kept_at) > began and read == ends and done == rounds


async def kept(wire: Wire) -> tuple[asyncpg.Record, Kept]:
    """Return the note's head, and its parts."""
    (head,) = await wire.rows("SELECT version, parts, digest, read_from FROM book_checkpoint")
    rows = await wire.rows("SELECT market_id, name, key, body FROM book_part")
    return head, {(row["market_id"], row["name"], row["key"], row["body"]) for row in rows}


async def test_a_start_goes_on_where_the_books_were_kept_and_finds_what_a_whole_reading_finds(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    wire.settings = wire.settings.model_copy(update={"auditor_books_keep_s": 0.1})
    async with open_process(desk.settings, ManualClock(START)) as matching:
        need = demand("a")
        await desk.say(offer("a", chips=4), offer("lost"), offer("dear", ask=9_000_000))
        # A second market, which is known no more while the log is read again for the first.
        await desk.say(MarketDefined(market=MARKET.model_copy(update={"id": "zz"})))
        await desk.say(need, hold(need))
        await settled(matching, least=5)
        await matching.run_round()
        leave_out(matching._desk)
        await matching.run_round()
        await desk.hear(2)
        assert await audited(wire, rounds=2, told=1) == ["book.lost"]
        first, _ = await kept(wire)

        more = demand("b")
        await desk.say(more, hold(more))
        await settled(matching, least=2)
        await matching.run_round()
        # Orders that no round has taken in yet are kept too.
        await desk.say(offer("late"))
        await settled(matching)
        await desk.hear(3)
        assert await audited(wire, rounds=3, told=1) == ["book.lost"]
        second, parts = await kept(wire)
        assert second["read_from"] == first["read_from"], "the log was not read again"
        assert second["digest"] != first["digest"]

        # The same from the log's beginning: with a note that was changed, and by another version.
        for spoil in (
            "UPDATE book_part SET body = replace(body, '9000000', '9000001')",
            "UPDATE book_checkpoint SET version = 'another'",
        ):
            await wire.rows(spoil)
            assert await audited(wire, rounds=3, told=1) == ["book.lost"]
            again, same = await kept(wire)
            assert again["read_from"] > second["read_from"], spoil
            assert same == parts, spoil
            assert (again["parts"], again["digest"]) == (second["parts"], second["digest"])
            second = again

        invent(matching._desk)
        await matching.run_round()
        await desk.hear(4)
        assert await audited(wire, rounds=4, told=2) == ["book.invented", "book.lost"]


async def let_go(wire: Wire) -> set[str]:
    """Return the orders that a start does not take up."""
    rows = await wire.rows("SELECT key FROM book_part WHERE over IS NOT NULL")
    return {json.loads(row["key"]) for row in rows}


async def test_an_order_that_is_over_is_taken_up_once_a_record_names_it_and_if_it_is_whole(
    desk: Desk,  # noqa: F811
    wire: Wire,
) -> None:
    wire.settings = wire.settings.model_copy(update={"auditor_books_keep_s": 0.1})
    need = demand("a")
    # Only the order as it was explains that this is refused.
    again = DemandCancelled(
        order_id=need.order_id, market_id=need.market_id, participant_id=need.participant_id
    )
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await desk.say(offer("a"), need, hold(need))
        await settled(matching, least=3)
        await matching.run_round()
        await desk.hear(1)
        assert await audited(wire, rounds=1, told=0) == []
        assert await let_go(wire) == {need.order_id}
        first, _ = await kept(wire)
        for seq, torn in ((2, False), (3, True)):
            if torn:
                await wire.rows("UPDATE book_part SET over = sha256('x') WHERE over IS NOT NULL")
            await desk.say(again)
            await settled(matching)
            await matching.run_round()
            await desk.hear(seq)
            assert await audited(wire, rounds=seq, told=0) == []
            assert await let_go(wire) == {need.order_id}
            # What does not fit makes the whole note void, and nobody guilty.
            later, _ = await kept(wire)
            assert (later["read_from"] > first["read_from"]) == torn
