"""What a round moves beside its prices, by its file: premiums of shares and charges for links.

Standard library alone, from ``docs/reference/round-file.md``. What was told of a round and what
the journal booked of it are held against this.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from suanli.check_booking import RoundSays, allocations_of, facts_of, payments_of
from suanli.check_formats import read_book, read_result
from suanli.check_links import Ways, cells_of
from suanli.check_report import Log
from suanli.check_shares import Total
from suanli.check_told import share_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suanli.check_booking import Allocated, Facts
    from suanli.check_formats import Allocation

Json = dict[str, Any]
_ID_CHARACTERS = 26
_HOUR_S = 3600


def says_of(file: Json) -> RoundSays:
    """Return what a verified round file says of money.

    Raises:
        ValueError: if it is no round file.
    """
    links, tariffs, rents = _links_of(file)
    return RoundSays(
        str(file["result"]["round_id"]),
        payments_of(file),
        allocations_of(file),
        _premiums_of(file),
        links,
        tariffs,
        rents,
    )


def allocation_id_of(round_id: str, place: Allocated) -> str:
    """Return the id under which an allocation of a round is told."""
    demand, offer, pool, start = place
    text = "\n".join((round_id, demand, offer, pool, str(start)))
    digest = hashlib.sha256(text.encode()).digest()
    return "al_" + base64.b32encode(digest).decode().lower()[:_ID_CHARACTERS]


def premium_hours_of(file: Json) -> dict[str, dict[str, int]]:
    """Return allocation -> hour -> what its provider receives beside the price.

    A charge is negative; what has no premium is left out.
    """
    round_id = str(file["result"]["round_id"])
    return {
        allocation_id_of(round_id, place): {_hour(period): amount for period, _, amount in moved}
        for place, moved in _amounts(file)
    }


def _hour(period: int) -> str:
    return datetime.fromtimestamp(period * _HOUR_S, UTC).isoformat().replace("+00:00", "Z")


def _premiums_of(file: Json) -> dict[Allocated, Facts]:
    return {place: facts_of(moved) for place, moved in _amounts(file)}


def _amounts(file: Json) -> Iterator[tuple[Allocated, list[tuple[int, int, int]]]]:
    """Yield the premiums of each allocation that has some, as (period, 1, amount)."""
    book, result = file["book"], file["result"]
    rows = {row["policy"]: row for row in result.get("shares", []) if row["premium"]}
    pools = {pool["key"]: pool for pool in book["pools"]}
    priced = [(rule["params"]["region"], rows[rule["id"]]) for rule in share_rules(book)
              if rule["id"] in rows]  # fmt: skip
    resold = {offer["id"] for offer in book["offers"] if offer.get("resale")}
    for item in result["allocations"] if priced else ():
        if item["offer"] in resold:
            continue
        pool = pools[item["pool"]]
        amounts = [
            sum(
                Total(row["tflops_hours"], row["tflops_hours_domestic"]).amount(
                    domestic=pool["domestic"],
                    tflops_hours=chips * pool["tflops"],
                    premium=row["premium"],
                )
                for region, row in priced
                if region in {"", pool["region"]}
            )
            for chips in item["chips"]
        ]
        place = (item["demand"], item["offer"], item["pool"], item["start"])
        moved = [(t, 1, amount) for t, amount in enumerate(amounts, item["start"]) if amount]
        if moved:
            yield place, moved


def _links_of(
    file: Json,
) -> tuple[dict[tuple[str, str], Facts], dict[str, int], dict[str, int]]:
    """Return what demands pay for each link, and in all as tariffs and as rents."""
    if not file["result"].get("links"):
        return {}, {}, {}
    log = Log()
    book, result = read_book(file["book"], log), read_result(file["result"], log)
    if book is None or result is None:
        raise ValueError(log.problems[0].detail_en)
    ways = Ways(book)
    parts: dict[str, list[Allocation]] = {}
    for item in result.allocations:
        parts.setdefault(item.demand, []).append(item)
    prices = {row.key: row.prices for row in result.links}
    links: dict[tuple[str, str], Facts] = {}
    tariffs: dict[str, int] = {}
    rents: dict[str, int] = {}
    for demand in book.demands:
        taken = cells_of(parts.get(demand.id, []), book.first)
        use = ways.use(demand, taken) if taken else None
        rows: dict[str, list[tuple[int, int, int]]] = {}
        for (key, t), gb in (use or {}).items():
            if gb:
                rows.setdefault(key, []).append((book.first + t, gb, prices[key][t]))
                paid = gb * ways.tariff[key]
                rent = gb * prices[key][t] - paid
                tariffs[demand.id] = tariffs.get(demand.id, 0) + paid
                rents[demand.id] = rents.get(demand.id, 0) + rent
        links.update({(demand.id, key): facts_of(moved) for key, moved in rows.items()})
    return links, tariffs, rents
