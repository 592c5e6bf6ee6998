"""A market's day as files: the same bytes for good, under the checkpoint that covers it."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from schemas import events
from schemas.types import OrderState
from services.gateway.adapters.exports import ExportFiles
from services.gateway.app.exports import Wanted
from tests.integration.gateway.conftest import Gateway, Market, offer
from tests.integration.gateway.test_book_windows import opened
from tests.integration.gateway.test_reports import MARKET, allocation, closed, entry, prices, sealed

Json = dict[str, Any]
DAY = "2026-11-24"
PATH = f"/v1/exports/{DAY}/{MARKET}"
ROOT = "ab" * 32
POSTINGS = [("bank:cny", "posted", 5), ("cny:a", "posted", -5)]


async def over(market: Market) -> None:
    """Let a day happen and be over: a round, an order and a journal entry come after it."""
    gateway = market.gateway
    mine = (await gateway.submit("offers", offer(), market.provider, "o1")).json()
    other = await gateway.admit("provider-2", "provider")
    await gateway.submit("offers", offer(chips=8), other, "o2")
    await gateway.publish(sealed(), prices("jingjinji:1", [200, 0], [2, 0]), allocation(), closed())
    await gateway.publish(opened(mine, "offer", "provider-1", 0), entry(0, "single", POSTINGS))
    gateway.clock.set(gateway.clock.now().replace(day=25))
    later = closed().model_copy(
        update={
            "round_id": "jingjinji:2",
            "seq": 2,
            "market_time": datetime.fromisoformat("2026-11-25T00:00:00Z"),
        }
    )
    filled = opened(mine, "offer", "provider-1", 0).model_copy(
        update={"sequence": 2, "state": OrderState.FILLED}
    )
    head = events.CheckpointPublished(origin="test", size=2, root=ROOT)
    await gateway.publish(later, filled, entry(1, "single", POSTINGS), head)


async def listed(gateway: Gateway) -> list[Json]:
    reply = await gateway.call("GET", f"/v1/exports?market_id={MARKET}&day={DAY}")
    assert reply.status_code == 200, reply.text
    return list(reply.json()["items"])


async def finished(market: Market) -> None:
    await over(market)
    await market.gateway.eventually(
        lambda: listed(market.gateway),
        lambda rows: len(rows) == 4 and all(row["final"] for row in rows),
    )


async def test_a_closed_day_is_the_same_bytes_each_time_in_each_format(market: Market) -> None:
    gateway = market.gateway
    await finished(market)
    for table in ("orders", "allocations", "prices", "rounds"):
        found = {}
        for suffix in ("parquet", "csv", "arrow"):
            path = f"{PATH}/{table}.{suffix}"
            reply = await gateway.call("GET", path, key=market.regulator)
            assert reply.status_code == 200, reply.text
            sha256 = hashlib.sha256(reply.content).hexdigest()
            assert reply.headers["x-content-sha256"] == sha256
            assert reply.headers["etag"] == f'"{sha256}"'
            assert reply.headers["x-checkpoint-root"] == ROOT
            assert reply.headers["x-checkpoint-size"] == "2"
            found[suffix] = reply.content
            rest = await gateway.call(
                "GET",
                path,
                key=market.regulator,
                headers={"Range": "bytes=10-", "If-Range": reply.headers["etag"]},
            )
            assert (rest.status_code, rest.content) == (206, reply.content[10:])
        whole = pyarrow.parquet.read_table(io.BytesIO(found["parquet"]))
        assert whole.equals(pa.ipc.open_file(found["arrow"]).read_all())
        rows = list(csv.reader(io.StringIO(found["csv"].decode())))
        assert rows[0] == whole.column_names
        assert len(rows) - 1 == whole.num_rows > 0
    # Another instance, or this one after a restart, makes the same bytes.
    files = ExportFiles(gateway.pool, gateway.pool, None)
    day = datetime.fromisoformat(DAY).date()
    again = await files.make(Wanted(MARKET, day, "prices", "parquet", None, final=True))
    first = await gateway.call("GET", f"{PATH}/prices.parquet")
    assert (again.sha256, again.rows) == (first.headers["x-content-sha256"], 2)


async def test_rows_are_the_callers_own_and_no_price_is_null(market: Market) -> None:
    gateway = market.gateway
    await finished(market)

    async def rows(table: str, key: str) -> list[Json]:
        reply = await gateway.call("GET", f"{PATH}/{table}.parquet", key=key)
        assert reply.status_code == 200, reply.text
        found: list[Json] = pyarrow.parquet.read_table(io.BytesIO(reply.content)).to_pylist()
        return found

    assert [row["participant_id"] for row in await rows("orders", market.provider)] == [
        "provider-1"
    ]
    # As it was when the day ended, not as it is now.
    assert [row["state"] for row in await rows("orders", market.provider)] == ["open"]
    assert len(await rows("orders", market.regulator)) == 2
    assert await rows("orders", market.enterprise) == []
    assert [row["price"] for row in await rows("allocations", market.enterprise)] == [100]
    stranger = await gateway.admit("enterprise-2", "enterprise")
    assert await rows("allocations", stranger) == []
    assert [row["price"] for row in await rows("prices", stranger)] == [200, None]
    for table, status in (("orders", 401), ("allocations", 401), ("prices", 200), ("rounds", 200)):
        reply = await gateway.http.get(f"{PATH}/{table}.csv")
        assert reply.status_code == status


async def test_a_day_that_is_not_over_is_made_anew_and_has_no_checkpoint(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(sealed(), prices("jingjinji:1", [200], [2]), closed())
    (first, *_) = await gateway.eventually(lambda: listed(gateway), bool)
    assert (first["final"], first["checkpoint_size"]) == (False, None)
    reply = await gateway.call("GET", f"{PATH}/prices.csv")
    assert reply.headers["x-export-final"] == "false"
    assert reply.headers["cache-control"] == "no-store"
    assert "x-checkpoint-size" not in reply.headers
    pages: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/exports?market_id={MARKET}&limit=1{cursor}"
        page = (await gateway.call("GET", path)).json()
        pages += [item["table"] for item in page["items"]]
        following = page["next_cursor"]
        cursor = None if following is None else f"&cursor={following}"
    assert pages == ["allocations", "orders", "prices", "rounds"]


async def test_what_is_no_export_is_refused_by_name(market: Market) -> None:
    for path, status, field in (
        (f"/v1/exports/2026-11-23/{MARKET}/prices.csv", 404, "day"),
        (f"/v1/exports/2026-02-30/{MARKET}/prices.csv", 422, "day"),
        ("/v1/exports/2026-11-24/nowhere/prices.csv", 404, "market_id"),
        (f"/v1/exports/2026-11-24/{MARKET}/prices.xlsx", 422, "format"),
        (f"/v1/exports/2026-11-24/{MARKET}/secrets.csv", 422, "table"),
    ):
        reply = await market.gateway.call("GET", path)
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (status, field), path
