from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from schemas.formats import RoundFile
from schemas.types import Shape
from services.core.book import Rules
from services.core.clearing.clear import clear
from services.core.codec import (
    book_digest,
    book_from_dict,
    book_to_dict,
    canonical_json,
    check_on_tick,
    round_from_dict,
    round_to_dict,
    rules_from_dict,
)
from services.core.errors import ValidationError
from tests.property.clearing.books import shuffled, small_book
from tests.unit.core.clearing.builders import book, cells, demand, offer, run

BOOK = book(
    [offer("a", (8,) * 4, 1000), offer("b", (8,) * 4, 1000, block=True)],
    [
        demand("d", run(8, 4, 3000), run(4, 2, 3000, index=2), group="g"),
        demand("e", cells(8, 3000), shape=Shape.WORK, linked_to="d"),
    ],
)
VALUE = json.loads(canonical_json(book_to_dict(BOOK)))


def test_a_book_survives_json() -> None:
    assert book_from_dict(VALUE) == BOOK


@pytest.mark.parametrize("seed", range(20))
def test_a_round_survives_json_and_fits_its_schema(seed: int) -> None:
    of = small_book(seed)
    rules = Rules(ascent_steps=5, start_prices=(("a/b", (1, 2)),) if seed % 2 else ())
    value = json.loads(canonical_json(round_to_dict(of, rules, clear(of, rules))))
    RoundFile.model_validate(value)
    again = round_from_dict(value)
    assert canonical_json(round_to_dict(*again)) == canonical_json(value)


@pytest.mark.parametrize("seed", range(5))
def test_one_book_has_one_digest_whatever_the_order_of_its_rows(seed: int) -> None:
    of = small_book(seed)
    assert book_digest(shuffled(of, seed)) == book_digest(of)
    assert book_from_dict(book_to_dict(shuffled(of, seed))) == book_from_dict(book_to_dict(of))


def set_at(value: Any, path: str, new: object) -> Any:  # noqa: ANN401 - any JSON
    changed = copy.deepcopy(value)
    node = changed
    *steps, last = path.split(".")
    for step in steps:
        node = node[int(step) if step.isdigit() else step]
    if new is None and last.startswith("-"):
        del node[last[1:]]
    else:
        node[int(last) if last.isdigit() else last] = new
    return changed


@pytest.mark.parametrize(
    ("path", "new", "code", "field"),
    [
        ("format", "suanli.book.v2", "validation.format", "book.format"),
        ("extra", 1, "validation.field", "book.extra"),
        ("-periods", None, "validation.field", "book.periods"),
        ("periods", 169, "validation.range", "book.periods"),
        ("periods", 4.0, "validation.type", "book.periods"),
        ("periods", True, "validation.type", "book.periods"),
        ("market", "", "validation.type", "book.market"),
        ("market", "a\x07b", "validation.type", "book.market"),
        ("pools.0.key", "tj/a910b", "validation.range", "book.pools[0].key"),
        ("pools", {}, "validation.type", "book.pools"),
        ("offers.0", 5, "validation.type", "book.offers[0]"),
        ("offers.0.ask", -1, "validation.range", "book.offers[0].ask"),
        ("offers.0.ask", 10**11, "validation.range", "book.offers[0].ask"),
        ("offers.0.chips.2", "8", "validation.type", "book.offers[0].chips[2]"),
        ("offers.0.block", 0, "validation.type", "book.offers[0].block"),
        ("offers.0.pool", "tj/x", "validation.unknown_pool", "book.offers[off_a].pool"),
        ("offers.1.id", "off_a", "validation.duplicate", "book.offers"),
        ("demands.0.shape", "gang", "validation.range", "book.demands[0].shape"),
        (
            "demands.0.alternatives.0.chips_min",
            9,
            "validation.range",
            "book.demands[0].alternatives[0].chips_min",
        ),
        (
            "demands.0.alternatives.0.duration",
            5,
            "validation.range",
            "book.demands[0].alternatives[0].duration",
        ),
        (
            "demands.0.alternatives.1.index",
            0,
            "validation.duplicate",
            "book.demands[0].alternatives",
        ),
        (
            "demands.1.alternatives.0.chips_by_period",
            [1],
            "validation.range",
            "book.demands[1].alternatives[0].chips_by_period",
        ),
        (
            "demands.1.linked_to",
            "dem_x",
            "validation.unknown_order",
            "book.demands[dem_e].linked_to",
        ),
        ("demands.1.linked_to", "dem_e", "validation.loop", "book.demands[dem_e].linked_to"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(
    path: str, new: object, code: str, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        book_from_dict(set_at(VALUE, path, new))
    assert (caught.value.code, caught.value.field) == (code, field)
    assert ", was " in caught.value.message.en
    assert field in caught.value.message.zh


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("tick", 0),
        ("seed", -1),
        ("effort", 10**6),
        ("ascent_steps", None),
        ("start_prices", None),
        ("start_prices", {"a/b": [1, -1]}),
        ("start_prices", {"a/b": 1}),
    ],
)
def test_wrong_rules_are_refused(path: str, new: object) -> None:
    value = {
        "format": "suanli.rules.v1",
        "tick": 100,
        "seed": 1,
        "effort": 4,
        "ascent_steps": 9,
        path: new,
    }
    with pytest.raises(ValidationError):
        rules_from_dict(value)


def test_an_ask_off_the_tick_is_refused() -> None:
    with pytest.raises(ValidationError, match="a multiple of 300, was 1000"):
        check_on_tick(BOOK, Rules(tick=300))
