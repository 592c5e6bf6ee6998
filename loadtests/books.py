"""What a start of the comparison of books costs: ``python -m loadtests books 20000 200000``.

A market of so many offers, of which the last thousand are live; the others stood in one round
each and are over. What an auditor knows of it is kept in a real database and taken up by the next.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.stack import LocalStack
from schemas import events
from schemas.codec import derive_id
from schemas.market import Market
from schemas.orders import OfferTerms
from schemas.types import OrderState, period_of, period_start
from services.auditor.adapters.book_store import PostgresPartStore
from services.auditor.adapters.postgres import MIGRATIONS
from services.auditor.book_keeper import BookKeeper
from services.auditor.book_market import Market as Books
from services.auditor.book_market import market_of, parts_of_market, place_of
from services.core.book_audit import BookAudit, RoundBook
from services.core.market_log import INPUTS, Read, Status
from services.kit.clock import ManualClock
from services.kit.leases import LeaseKeeper
from services.kit.postgres import create_pool, make_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.auditor.book_parts import Place
    from services.core.book_state import Part

START = datetime(2026, 11, 24, tzinfo=UTC)
ID, SCHEMA, LEASE = "load", "loadtest_books", "auditor"
PLACES = dict.fromkeys(INPUTS, 0)
AT = {("offers", 0): 1}
LIVE = 1_000
_ZONE = {"id": "z", "region": "beijing", "name_en": "Z", "name_zh": "区", "cloud": "a"}
_CHIP = {"id": "c", "name": "C", "vendor": "V", "domestic": True, "memory_gb": 64}
MARKET = Market.model_validate(
    {
        "id": ID,
        "name_en": "Load",
        "name_zh": "负载",
        "zones": [_ZONE],
        "chips": [_CHIP | {"tflops": 320, "lot": 8}],
        "rules": {"round_every_s": 3600, "horizon_periods": 24, "effort": 1},
    }
)


def read(books: Books, topic: str, offset: int, event: events.Event, at: datetime) -> str:
    """Let a market have a record; return the event's id."""
    event_id = derive_id("load", topic, str(offset))
    books.audit.read(Read(topic, offset, event_id, "", event_id, at, event))
    return event_id


def offered(number: int, hour: int) -> events.OfferSubmitted:
    """Return an offer that is over once its hour has begun."""
    start = period_start(period_of(START) + hour)
    return events.OfferSubmitted(
        order_id=f"off_{derive_id('load', str(number))[:26].translate(_BASE32)}",
        market_id=ID,
        participant_id=f"p{number % 500}",
        terms=OfferTerms(
            zone="z",
            chip="c",
            chips=8,
            start=start,
            end=start + timedelta(hours=1),
            ask=1_000_000,
            resource_code="CN.11.0108.BJ01-A910B",
        ),
    )


# The digits that an order's id does not have.
_BASE32 = str.maketrans("0189", "wxyz")


def grown(orders: int) -> Iterator[Books]:
    """Yield a market as an auditor has it, round after round of a thousand offers."""
    books = Books(BookAudit(ID, PLACES))
    read(books, "policies", 0, events.MarketDefined(market=MARKET), START)
    ends: dict[str, int] = {}
    for seq in range(1, orders // LIVE + 1):
        at = START + timedelta(hours=seq)
        for number in range((seq - 1) * LIVE, seq * LIVE):
            event_id = read(books, "offers", number, offered(number, seq + 1), at)
            books.statuses[derive_id("status", event_id)] = event_id
            books.audit.tell(Status(event_id, at, OrderState.OPEN, 1, "in_the_book"))
        until = {"policies": 1, "offers": seq * LIVE, "demand": 0, "holds": 0}
        sealed = events.RoundSealed(
            round_id=f"{ID}:{seq}",
            market_id=ID,
            seq=seq,
            epoch=1,
            market_time=at,
            manifest=tuple(
                events.OffsetRange(topic=topic, partition=0, start=ends.get(topic, 0), end=end)
                for topic, end in until.items()
            ),
            book_digest="0" * 64,
            rules_digest="0" * 64,
            offers=LIVE,
            demands=0,
        )
        # That the file has no book is not looked at: what counts is the market after the round.
        checked = books.audit.check(RoundBook(sealed, "", {}, None, is_verified=True))
        books.audit.accept(replace(checked, faults=(), excluded=frozenset()))
        ends = until
        books.pass_on(checked.round_id)
        yield books


def known(books: Books) -> Iterator[tuple[Place, object]]:
    """Yield all parts of a market."""
    for (name, key), value in parts_of_market(books):
        yield (ID, name, key), value


async def start_cost(dsn: str, orders: int) -> str:
    """Return what is kept of so many orders, and what taking it up costs."""
    await make_ready(dsn, SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, SCHEMA, max_size=2)
    try:
        lease = LeaseKeeper(pool, LEASE, "load", 3600)
        epoch = await lease.acquire()
        assert epoch is not None
        store = PostgresPartStore(pool, lease=LEASE, epoch=epoch)

        def keeper() -> BookKeeper:
            clock, trust = ManualClock(START), timedelta(hours=24)
            return BookKeeper(store, clock, version="load", every_s=1, trust=trust)

        kept_s, keeping = 0.0, keeper()
        for books in grown(orders):
            began = time.process_time()
            over = books.audit.over()
            await keeping.keep(AT, known(books), {(ID, *place_of(order)) for order in over})
            books.audit.forget(over)
            kept_s += time.process_time() - began
        took: list[float] = []
        parts: dict[Part, object] = {}
        for _ in range(3):
            began = time.process_time()
            found = await keeper().find()
            assert found is not None, "what was kept is of this version"
            parts = {(name, key): value for (_, name, key), value in found[1].items()}
            again = market_of(ID, PLACES, parts)
            took.append(time.process_time() - began)
            assert again.next_seq == books.next_seq
        return (
            f"{orders:8d} offers  {len(parts):8d} parts taken up  start {min(took):7.3f} s of a "
            f"core  kept after each round {kept_s:6.2f} s"
        )
    finally:
        await pool.execute(f'DROP SCHEMA "{SCHEMA}" CASCADE')
        await pool.close()


def main(*sizes: str) -> Iterator[str]:
    """Measure on an embedded database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-load-"))
    folder.chmod(0o711)
    stack = LocalStack(folder / "s")
    try:
        stack.start(quiet=True)
        for orders in sizes or ("20000",):
            yield asyncio.run(start_cost(stack.postgres_dsn, int(orders)))
    finally:
        stack.wipe()
        shutil.rmtree(folder, ignore_errors=True)
