"""What was told of a round beside its file, held against it: shares, prices, use of links.

Standard library alone, from ``docs/reference/round-file.md``. Who reads prices from the topic or
the API does not read the file; so what they read has to be what the file proves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Json = dict[str, Any]


class Differs(NamedTuple):
    """Where what was told is not what the file says.

    Attributes:
        where: Field, for example ``shares[domestic].premium`` or ``pools[bj/a].prices[495021]``,
            an hour since 1970.
        wanted: What the file says.
        found: What was told.
    """

    where: str
    wanted: object
    found: object


def share_rules(book: Json) -> list[Json]:
    """Return the domestic shares that bind a book; none binds an urgent round."""
    if book.get("mobilisation") is not None:
        return []
    return [one for one in book.get("policies", []) if one["kind"] == "domestic_share"]


def shares_of(file: Json) -> list[Json]:
    """Return the domestic shares of a verified round file as ``/v1/shares`` tells them."""
    book, result = file["book"], file["result"]
    rules = {rule["id"]: rule for rule in share_rules(book)}
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


def prices_of(file: Json) -> list[Json]:
    """Return prices, traded and offered chips of each pool as ``suanli.round.prices.v1`` does."""
    book, result = file["book"], file["result"]
    first, periods = int(book["first_period"]), int(book["periods"])
    traded = {pool["key"]: [0] * periods for pool in book["pools"]}
    offered = {pool["key"]: [0] * periods for pool in book["pools"]}
    for total, rows in ((traded, result["allocations"]), (offered, book["offers"])):
        for row in rows:
            curve = total[row["pool"]]
            for at, chips in enumerate(row["chips"], int(row["start"]) - first):
                if 0 <= at < periods:
                    curve[at] += chips
    return [
        {"pool": pool, "prices": curve, "chips": traded[pool], "offered": offered[pool]}
        for pool, curve in result["prices"].items()
    ]


def links_of(file: Json) -> list[Json]:
    """Return prices and use of each link as ``suanli.round.links.v1`` tells them."""
    of_book = {link["key"]: link for link in file["book"].get("links", [])}
    told = []
    for row in file["result"].get("links", []):
        link = of_book[row["key"]]
        one = {name: link[name] for name in ("source", "destination", "tariff", "capacity")}
        told.append(one | {"prices": row["prices"], "used": row["used"]})
    return told


def compare_shares(file: Sequence[Json], told: Sequence[Json] | None) -> list[Differs]:
    """Return where the shares that were told of a round are not those of its file.

    Args:
        file: As `shares_of` returns them.
        told: As ``/v1/shares`` tells them, ``None`` if nothing was told.
    """
    wanted = {str(row["policy_id"]): row for row in file}
    return _compare("shares", wanted, [(str(row["policy_id"]), row) for row in told or ()])


def compare_prices(file: Sequence[Json], told: Iterable[Json], first: int) -> list[Differs]:
    """Return where the prices that were told of a round are not those of its file.

    Args:
        file: As `prices_of` returns them.
        told: Rows of ``suanli.round.prices.v1``. The first events of that kind told no chips.
        first: The file's first period.
    """
    wanted = {str(row["pool"]): row for row in file}
    found = []
    for row in told:
        one = wanted.get(str(row["pool"]), {})
        untold = {name: one.get(name, []) for name in ("chips", "offered") if not row[name]}
        found.append((str(row["pool"]), row | untold))
    return _compare("pools", wanted, found, first)


def compare_links(file: Sequence[Json], told: Iterable[Json], first: int) -> list[Differs]:
    """Return where prices and use of links that were told of a round are not those of its file.

    Args:
        file: As `links_of` returns them.
        told: Rows of ``suanli.round.links.v1``.
        first: The file's first period.
    """
    wanted = {_link(row): row for row in file}
    return _compare("links", wanted, [(_link(row), row) for row in told], first)


def _link(row: Json) -> str:
    return f"{row['source']}>{row['destination']}"


def _compare(
    name: str, wanted: Mapping[str, Json], told: Sequence[tuple[str, Json]], first: int = 0
) -> list[Differs]:
    """Return where rows differ by their keys; a curve differs where it does so first."""
    found = dict(told)
    if len(found) < len(told):
        return [Differs(name, len(wanted), len(told))]
    problems = []
    for key in sorted(wanted.keys() | found.keys()):
        where, one, other = f"{name}[{key}]", wanted.get(key), found.get(key)
        if one is None or other is None:
            problems.append(Differs(where, *("there" if row else None for row in (one, other))))
            continue
        problems += [
            _differs(f"{where}.{field}", one.get(field), other.get(field), first)
            for field in sorted(one.keys() | other.keys())
            if one.get(field) != other.get(field)
        ]
    return problems


def _differs(where: str, wanted: object, found: object, first: int) -> Differs:
    if not isinstance(wanted, list) or not isinstance(found, list):
        return Differs(where, wanted, found)
    if len(wanted) != len(found):
        return Differs(f"{where}.length", len(wanted), len(found))
    at = next(n for n, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1])
    return Differs(f"{where}[{first + at}]", wanted[at], found[at])
