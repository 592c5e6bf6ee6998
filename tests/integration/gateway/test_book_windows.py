"""The book by delivery window: what open orders leave and want, with nobody named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas import events
from schemas.events import Reason
from schemas.market import Market as ApiMarket
from services.gateway.adapters.http import examples
from services.gateway.adapters.market_data import PostgresBooks
from services.gateway.app.book_sides import Book, groups_of
from services.gateway.app.open_books import KeptBooks, OpenOrder
from tests.integration.gateway.conftest import Market, demand, offer
from tests.integration.gateway.test_quotes import cleared
from tests.integration.gateway.test_reports import MARKET, allocation, closed, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.orders import DemandTerms, OfferTerms

Json = dict[str, Any]
DAY = "2026-11-25T"
OPEN = Reason(code="open", en="In the book.", zh="在簿。")


def opened(receipt: Json, side: str, participant: str, left: int) -> events.OrderStatusChanged:
    return events.OrderStatusChanged.model_validate(
        {
            "order_id": receipt["order_id"],
            "market_id": MARKET,
            "participant_id": participant,
            "side": side,
            "version": 1,
            "state": "open",
            "reason": OPEN,
            "sequence": 1,
            "chip_hours_left": left,
        }
    )


async def filled(market: Market) -> list[Json]:
    """Put two offers and two demands into the book; 10 chips of one offer are allocated.

    Returns the receipts, the last one's offer waits for its verdict.
    """
    gateway = market.gateway
    window = {"start": f"{DAY}08:00:00Z", "end": f"{DAY}12:00:00Z", "chip": "h800"}
    wanted = {"earliest": f"{DAY}08:00:00Z", "deadline": f"{DAY}10:00:00Z", "budget": None}
    either = [
        {"chips_any_of": ["h800"], "zones": ["bj-1"], "limit": 9_000_000},
        {"chips_any_of": ["ascend-910b"], "regions": ["beijing"], "limit": 5_000_000},
    ]
    bodies = [
        ("offers", offer(chips=64, ask=7_000_000, **window)),
        ("offers", offer(chips=8, ask=8_000_000, **window | {"end": f"{DAY}09:00:00Z"})),
        ("demand", demand(shape={"type": "flow", "chips": 30}, alternatives=either, **wanted)),
        ("demand", demand(shape={"type": "block", "chips": 16, "duration": 2},
            alternatives=either[:1], **wanted)),
        ("offers", offer(chips=100, ask=1_000_000, **window)),
    ]  # fmt: skip
    receipts = []
    for number, (side, body) in enumerate(bodies):
        key = market.provider if side == "offers" else market.enterprise
        receipts.append((await gateway.submit(side, body, key, f"k{number}")).json())
    taken = allocation().model_copy(
        update={
            "offer_id": receipts[0]["order_id"],
            "periods": (
                events.AllocatedPeriod.model_validate(
                    {"start": f"{DAY}08:00:00Z", "chips": 10, "price": 7_000_000}
                ),
            ),
        }
    )
    # The last offer has no verdict yet, so it is not in the book.
    await gateway.publish(
        sealed(),
        taken,
        closed(),
        opened(receipts[0], "offer", "provider-1", 0),
        opened(receipts[1], "offer", "provider-1", 0),
        opened(receipts[2], "demand", "enterprise-1", 60),
        opened(receipts[3], "demand", "enterprise-1", 32),
    )

    async def ready() -> int:
        return int(
            await gateway.pool.fetchval(
                "SELECT count(*) FROM orders o, round r"
                " WHERE o.state = 'open' AND r.closed_at IS NOT NULL AND"
                " EXISTS (SELECT FROM allocation)"
            )
        )

    await gateway.eventually(ready, lambda count: count == 4)
    return receipts


async def test_windows_depth_and_curves_tell_what_is_left_and_wanted(market: Market) -> None:
    gateway = market.gateway
    await filled(market)
    rows = (await gateway.call("GET", f"/v1/book/windows?market_id={MARKET}")).json()["items"]
    h800 = [row for row in rows if row["chip"] == "h800"]
    facts = ("offers", "offered_chips", "ask_min", "demands", "wanted_chip_hours", "limit_max")
    assert [tuple(row[name] for name in facts) for row in h800] == [
        (2, 62, 7_000_000, 2, 46, 9_000_000),
        (1, 64, 7_000_000, 2, 46, 9_000_000),
        (1, 64, 7_000_000, 0, 0, None),
        (1, 64, 7_000_000, 0, 0, None),
    ]
    assert {row["region"] for row in h800} == {"beijing"}
    other = [row for row in rows if row["chip"] == "ascend-910b"]
    assert [(row["offers"], row["ask_min"], row["demands"]) for row in other] == [(0, None, 1)] * 2
    days = await gateway.call(
        "GET", f"/v1/book/windows?market_id={MARKET}&window=day&filter=offers>0"
    )
    (day,) = days.json()["items"]
    assert (day["offered_chip_hours"], day["wanted_chip_hours"]) == (54 + 8 + 64 * 3, 60 + 32)

    asked = f"market_id={MARKET}&from={DAY}08:00:00Z&to={DAY}10:00:00Z"
    depth = (await gateway.call("GET", f"/v1/book/depth?{asked}&chip=h800")).json()
    steps = [(step["price"], step["chip_hours"], step["cumulative"]) for step in depth["supply"]]
    assert steps == [(7_000_000, 54 + 64, 118), (8_000_000, 8, 126)]
    assert [(step["price"], step["cumulative"]) for step in depth["demand"]] == [(9_000_000, 92)]
    assert depth["is_whole"]
    one = (await gateway.call("GET", f"/v1/book/depth?{asked}&pool=bj-1/h800&levels=1")).json()
    assert (len(one["supply"]), one["is_whole"]) == (1, False)

    curves = (await gateway.call("GET", f"/v1/book/curves?{asked}")).json()["items"]
    by_chip = {(row["chip"], row["region"]): row for row in curves}
    assert len(by_chip) == 4
    assert by_chip["h800", "beijing"]["crossing"] == 7_000_000
    assert by_chip["h800", "beijing"]["supply"][-1] == {"price": 8_000_000, "chip_hours": 126}
    assert by_chip["h800", "hebei"]["supply"] == []
    assert by_chip["ascend-910b", "beijing"]["crossing"] is None
    text = f"{rows}{depth}{curves}"
    assert not any(name in text for name in ("provider-1", "enterprise-1", "off_", "dem_"))
    paged = (await gateway.call("GET", f"/v1/book/curves?{asked}&limit=3")).json()
    rest = await gateway.call(
        "GET", f"/v1/book/curves?{asked}&limit=3&cursor={paged['next_cursor']}"
    )
    assert paged["items"] + rest.json()["items"] == curves
    assert rest.json()["next_cursor"] is None


class Unkept(PostgresBooks):
    """Open orders of a gateway that keeps nothing."""

    async def kept(self, market_id: str) -> bytes | None:
        return None


class Watched(PostgresBooks):
    """Open orders, with what was asked for."""

    asked: list[Sequence[str] | None]
    parsed: list[str]

    async def open_book(self, market_id: str, ids: Sequence[str] | None = None) -> list[OpenOrder]:
        self.asked.append(ids)
        return await super().open_book(market_id, ids)

    async def terms(self, ids: Sequence[str]) -> Mapping[str, OfferTerms | DemandTerms]:
        self.parsed += ids
        return await super().terms(ids)


def _facts(book: Book) -> tuple[object, ...]:
    names = ("price", "chips", "cap", "first", "end")
    return sorted(zip(book.columns.ids, book.columns.left.tolist(), strict=True)), [
        sorted(zip(*(getattr(side, name).tolist() for name in names), strict=True))
        for group in groups_of(book.market)
        for side in book.sides(group)
    ]


async def test_a_book_brought_up_to_date_is_the_book_read_anew(market: Market) -> None:
    gateway = market.gateway
    receipts = await filled(market)
    books = Watched(gateway.pool)
    books.asked, books.parsed = [], []
    kept = KeptBooks(books, fresh_s=0)
    terms = ApiMarket.model_validate(examples.MARKET)
    before = await kept.book(terms)
    assert len(before.columns.ids) == 4

    # One offer is gone, one sold chips, one came, and a demand wants less.
    round_id = f"{MARKET}:2"
    allocated = [events.AllocatedPeriod.model_validate(
        {"start": f"{DAY}08:00:00Z", "chips": 3, "price": 8_000_000}
    )]  # fmt: skip
    sold = {"allocation_id": "al_" + "b" * 26, "offer_id": receipts[1]["order_id"]}
    told = [
        opened(receipts[0], "offer", "provider-1", 0),
        opened(receipts[2], "demand", "enterprise-1", 30),
        opened(receipts[4], "offer", "provider-1", 0),
    ]
    changed = [{"state": "cancelled", "sequence": 2}, {"state": "part-filled", "sequence": 2}, {}]
    again = {"round_id": round_id, "seq": 2}
    await gateway.publish(
        sealed().model_copy(update=again),
        allocation().model_copy(update={"round_id": round_id, **sold, "periods": tuple(allocated)}),
        closed().model_copy(update=again),
        *(
            one.model_validate(one.model_dump() | update)
            for one, update in zip(told, changed, strict=True)
        ),
    )

    async def look() -> tuple[Book, Book]:
        anew = KeptBooks(Unkept(gateway.pool))
        return await kept.book(terms), await anew.book(terms)

    def settled(found: tuple[Book, Book]) -> bool:
        columns = found[1].columns
        left = dict(zip(columns.ids, columns.left.tolist(), strict=True))
        gone, wants, came = (receipts[at]["order_id"] for at in (0, 2, 4))
        return gone not in left and left.get(wants) == 30 and came in left

    up_to_date, anew = await gateway.eventually(
        look, lambda found: settled(found) and _facts(found[0]) == _facts(found[1])
    )
    assert _facts(up_to_date) != _facts(before)
    assert len(anew.columns.ids) == 4
    assert books.asked[0] is None
    # Five orders were told of: the demand that took the chips, which is not here, too.
    assert {len(ids or ()) for ids in books.asked[1:]} <= set(range(1, 6)), books.asked
    await restarted(market, kept, receipts, up_to_date)


async def restarted(market: Market, kept: KeptBooks, receipts: list[Json], before: Book) -> None:
    """Start again from what was kept: only what changed since is read, and no other terms."""
    gateway, terms = market.gateway, before.market
    await kept.save()
    told = opened(receipts[3], "demand", "enterprise-1", 7)
    changed = {"state": "part-filled", "sequence": 2}
    await gateway.publish(told.model_validate(told.model_dump() | changed))

    async def look() -> tuple[Book, Watched]:
        books = Watched(gateway.pool)
        books.asked, books.parsed = [], []
        return await KeptBooks(books).book(terms), books

    book, books = await gateway.eventually(look, lambda found: 7 in found[0].columns.left)
    assert books.asked == books.asked[:1] == [[receipts[3]["order_id"]]]
    assert books.parsed == []
    assert _facts(book) == _facts(await KeptBooks(Unkept(gateway.pool)).book(terms))
    # When all are listed, terms that are known by their event are not read again.
    anew = Watched(gateway.pool)
    anew.asked, anew.parsed = [], []
    await gateway.pool.execute("UPDATE stream_head SET kept_from = next_seq")
    assert _facts(await KeptBooks(anew).book(terms)) == _facts(book)
    assert (anew.asked, anew.parsed) == ([None], [])
    # A market that was defined anew, or bytes that are none, are read whole.
    other = terms.model_copy(update={"name_en": "Other"})
    assert _facts(await KeptBooks(PostgresBooks(gateway.pool)).book(other)) == _facts(book)
    await gateway.pool.execute("UPDATE kept_book SET body = 'spoilt'")
    assert _facts(await KeptBooks(PostgresBooks(gateway.pool)).book(terms)) == _facts(book)


async def test_what_is_no_window_or_pool_is_refused_by_name(market: Market) -> None:
    gateway = market.gateway
    asked = f"market_id={MARKET}&from={DAY}08:00:00Z&to={DAY}10:00:00Z"
    for path, code, field in (
        (f"/v1/book/depth?{asked}&chip=h100", "validation.choice", "chip"),
        (f"/v1/book/depth?{asked}&pool=bj-1/h800&chip=h800", "validation.choice", "pool"),
        (f"/v1/book/curves?{asked}&region=mars", "validation.choice", "region"),
        (f"/v1/book/depth?market_id={MARKET}&from={DAY}10:00:00Z&to={DAY}10:00:00Z",
            "validation.span", "to"),
        (f"/v1/book/windows?market_id={MARKET}&from={DAY}08:00:00Z&to=2027-11-25T08:00:00Z",
            "validation.span", "to"),
    ):  # fmt: skip
        problem = (await gateway.call("GET", path)).json()
        assert (problem["code"], problem["errors"][0]["field"]) == (code, field), path
    assert (await gateway.call("GET", "/v1/book/windows?market_id=nowhere")).status_code == 404


async def test_a_quote_by_window_is_that_of_a_block_over_all_of_it(market: Market) -> None:
    gateway = market.gateway
    await cleared(gateway, "jingjinji:1", chips=24)
    path = f"/v1/book/quote?market_id={MARKET}&chip=ascend-910b&region=beijing&chips=16"
    asked = f"{path}&from={DAY}08:00:00Z&to={DAY}12:00:00Z"
    found = (await gateway.call("GET", asked, key=market.enterprise)).json()
    block = demand(
        shape={"type": "block", "chips": 16, "duration": 4},
        alternatives=[
            {"chips_any_of": ["ascend-910b"], "regions": ["beijing"], "limit": 1_000_000_000}
        ],
        earliest=f"{DAY}08:00:00Z",
        deadline=f"{DAY}12:00:00Z",
        budget=None,
    )
    posted = await gateway.call("POST", "/v1/demand:quote", block, key=market.enterprise)
    assert found == posted.json()
    assert (found["state"], found["chip_hours"]) == ("filled", 64)
    assert (await gateway.http.get(asked)).status_code == 401
