"""Links and orders kept out: what is spoilt in a round with them is found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suanli.check_formats import canonical_sha256
from suanli.checker import verify_round_file
from tests.unit.sdk import linked, rounds

FILE = linked.round_file()


def codes(path: tuple[Any, ...], value: object) -> set[str]:
    """Return what is wrong with the round once a value is another, its digests right."""
    file = rounds.changed(FILE, path, value)
    file["result"]["book_digest"] = canonical_sha256(file["book"])
    return {problem.code for problem in verify_round_file(json.dumps(file).encode()).problems}


def test_the_round_is_right_and_its_link_is_full_with_a_rent() -> None:
    assert verify_round_file(json.dumps(FILE).encode()).ok
    first = FILE["result"]["links"][0]
    assert (first["key"], first["used"][0]) == ("z1>z2", 6)
    assert first["prices"][0] > 70 == first["prices"][1]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("book", "links", 0, "capacity", 0), 5, "link.capacity"),
        (("book", "links", 0, "capacity"), [6, 3], "book.link_periods"),
        (("book", "links", 0, "source"), "z3", "book.link_key"),
        (("book", "links", 0, "tariff"), 80, "link.price"),
        (("book", "links"), [], "demand.route"),
        (("book", "demands", 0, "moves", "traffic_gb"), 3, "link.capacity"),
        (("book", "demands", 0, "moves", "data_gb"), 1, "book.moves"),
        (("book", "demands", 2, "moves", "data_zone"), "z9", "demand.route"),
        (("result", "links", 0, "used", 0), 5, "link.used"),
        (("result", "links", 0, "prices", 1), 69, "link.price"),
        (("result", "links", 0, "prices", 1), 71, "order.payment"),
        (("result", "links", 0, "regret"), 1, "regret.order"),
        (("result", "links"), [], "link.outcomes"),
        (("result", "demands", 0, "payment"), 13_199, "order.payment"),
        (("result", "certificate", "link_prices", "z1>z2", 0), 0, "certificate.bound"),
        (("result", "certificate", "link_prices"), {}, "price.pool"),
        (("book", "kept_out", "offers", 0, "ask"), 6_000, "policy.kept_out"),
        (("book", "kept_out", "demands", 0, "id"), "dem_a", "policy.kept_out"),
        (("book", "policies"), [], "policy.kept_out"),
    ],
)
def test_each_spoilt_number_about_links_is_named(
    path: tuple[Any, ...], value: object, code: str
) -> None:
    assert code in codes(path, value)
