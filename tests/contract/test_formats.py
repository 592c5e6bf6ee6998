"""The file formats: what the core writes fits the committed schemas and passes the checker."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from schemas.generate import ROOT
from schemas.types import Shape
from services.core import codec
from services.core.book import Alternative, Book, BookDemand, BookOffer, Pool, Rules
from services.core.clearing.clear import clear
from services.core.errors import ValidationError
from suanli.checker import verify

FIRST = 490_000
BOOK = Book(
    market="jjj-spot",
    round_id="jjj-spot:1",
    first_period=FIRST,
    periods=4,
    pools=(Pool("bj/t4", "bj", "beijing", "t4", domestic=False, tflops=65),),
    offers=(
        BookOffer("off_a", "cloud", 1, "bj/t4", ask=100, start=FIRST, chips=(4, 4, 4, 4)),
        BookOffer("off_b", "cloud", 1, "bj/t4", 300, FIRST, (2, 2, 2, 2), block=True),
    ),
    demands=(
        BookDemand(
            "dem_a",
            "lab",
            1,
            Shape.BLOCK,
            (Alternative(0, ("bj/t4",), 500, FIRST, FIRST + 4, 3, 2, 2),),
        ),
        BookDemand(
            "dem_b",
            "app",
            1,
            Shape.FLOW,
            (Alternative(0, ("bj/t4",), 400, FIRST, FIRST + 2, 0, 0, 0, (2, 2), 3),),
            exclusive_group="g",
        ),
    ),
)
RULES = Rules()


def files() -> dict[str, dict[str, Any]]:
    """Return book, rules, result and round file of the small round, by format."""
    result = clear(BOOK, RULES)
    found: list[Any] = [
        codec.book_to_dict(BOOK),
        codec.rules_to_dict(RULES),
        codec.result_to_dict(result),
        codec.round_to_dict(BOOK, RULES, result),
    ]
    return {item["format"]: item for item in found}


@pytest.mark.parametrize("name", ["book", "rules", "result", "round"])
def test_what_the_core_writes_fits_the_committed_closed_schema(name: str) -> None:
    document = files()[f"suanli.{name}.v1"]
    path = ROOT / "json" / f"suanli.{name}.v1.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(document | {"surprise": 1})


def test_the_checker_accepts_what_the_core_writes() -> None:
    found = files()
    report = verify(found["suanli.book.v1"], found["suanli.rules.v1"], found["suanli.result.v1"])
    assert report.problems == ()
    assert report.ok


def test_a_book_survives_writing_and_reading() -> None:
    text = codec.canonical_json(codec.book_to_dict(BOOK))
    assert codec.book_from_dict(json.loads(text)) == BOOK


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"periods": 169}, "book.periods"),
        ({"periods": True}, "book.periods"),
        ({"first_period": 1.5}, "book.first_period"),
        ({"surprise": 1}, "book.surprise"),
        ({"format": "suanli.book.v2"}, "book.format"),
        ({"offers": [{}]}, "book.offers[0]"),
        ({"demands": {}}, "book.demands"),
    ],
)
def test_a_bad_book_file_is_refused_with_the_path_of_what_is_wrong(
    change: dict[str, Any], field: str
) -> None:
    document = codec.book_to_dict(BOOK) | change
    with pytest.raises(ValidationError) as caught:
        codec.book_from_dict(document)
    assert caught.value.field.startswith(field)
    assert caught.value.allowed
