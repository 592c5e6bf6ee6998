"""What a round moves beside its prices, by its file: premiums of shares and charges for links.

Standard library alone, from ``docs/reference/round-file.md``. What was told of a round and what
the journal booked of it are held against this.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from suanli.check_booking import RoundSays, allocations_of, facts_of, payments_of
from suanli.check_formats import read_book, read_result
from suanli.check_links import Ways, cells_of
from suanli.check_report import Log
from suanli.check_shares import Total

if TYPE_CHECKING:
    from suanli.check_booking import Allocated, Facts
    from suanli.check_formats import Allocation

Json = dict[str, Any]
_ID_CHARACTERS = 26


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


def shares_of(file: Json) -> list[Json]:
    """Return the domestic shares of a verified round file as ``/v1/shares`` tells them."""
    book, result = file["book"], file["result"]
    rules = {rule["id"]: rule for rule in _rules_of(book)}
    premiums = result["certificate"].get("premiums", {})
    told = []
    for row in result.get("shares", []):
        rule = rules[row["policy"]]
        one = {name: value for name, value in row.items() if name != "policy"}
        one |= {name: rule["params"][name] for name in ("share_bp", "premium_max")}
        one |= {"policy_id": rule["id"], "version": rule["version"]}
        one |= {"region": rule["params"]["region"] or None}
        told.append(one | {"premium_certified": premiums[rule["id"]]})
    return told


class Differs(NamedTuple):
    """Where what was told of domestic shares is not what the file says.

    Attributes:
        where: Field, for example ``shares[domestic].premium``.
        wanted: What the file says.
        found: What was told.
    """

    where: str
    wanted: object
    found: object


def compare_shares(file: list[Json], told: list[Json] | None) -> list[Differs]:
    """Return where the shares that were told of a round are not those of its file.

    Args:
        file: As `shares_of` returns them.
        told: As ``/v1/shares`` tells them, ``None`` if nothing was told.
    """
    wanted = {str(row["policy_id"]): row for row in file}
    found = {str(row["policy_id"]): row for row in told or ()}
    if told is not None and len(found) < len(told):
        return [Differs("shares", len(wanted), len(told))]
    problems = []
    for policy in sorted(wanted.keys() | found.keys()):
        where, one, other = f"shares[{policy}]", wanted.get(policy), found.get(policy)
        if one is None or other is None:
            problems.append(Differs(where, *("there" if row else None for row in (one, other))))
            continue
        problems += [
            Differs(f"{where}.{name}", one.get(name), other.get(name))
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)
        ]
    return problems


def allocation_id_of(round_id: str, place: Allocated) -> str:
    """Return the id under which an allocation of a round is told."""
    demand, offer, pool, start = place
    text = "\n".join((round_id, demand, offer, pool, str(start)))
    digest = hashlib.sha256(text.encode()).digest()
    return "al_" + base64.b32encode(digest).decode().lower()[:_ID_CHARACTERS]


def _rules_of(book: Json) -> list[Json]:
    # None binds an urgent round.
    if book.get("mobilisation") is not None:
        return []
    return [one for one in book.get("policies", []) if one["kind"] == "domestic_share"]


def _premiums_of(file: Json) -> dict[Allocated, Facts]:
    book, result = file["book"], file["result"]
    rows = {row["policy"]: row for row in result.get("shares", []) if row["premium"]}
    if not rows:
        return {}
    pools = {pool["key"]: pool for pool in book["pools"]}
    priced = [(rule["params"]["region"], rows[rule["id"]]) for rule in _rules_of(book)
              if rule["id"] in rows]  # fmt: skip
    found = {}
    for item in result["allocations"]:
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
            found[place] = facts_of(moved)
    return found


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
