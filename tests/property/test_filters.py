"""The filter language: what is printed reads back the same, and nothing breaks the parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.filter_fields import FIELDS
from schemas.filters import TERMS_MAX, VALUES_MAX, Field, Filter, FilterError, Term, parse

SAMPLE = (
    Field("name", "text", "name"),
    Field("state", "text", "state", ("open", "part-filled")),
    Field("chips", "number", "chips"),
    Field("price", "money", "price"),
    Field("start", "instant", "start"),
    Field("block", "flag", "block"),
    Field("tags", "text", "inner.*.tags.*"),
    Field("zone", "text", "pool", part=0),
)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "filters.md"
BY_NAME = {field.name: field for field in SAMPLE}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
INSTANTS = st.datetimes(datetime(2021, 1, 1), datetime(2099, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda found: (
        (found.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    )
)


def values(field: Field) -> st.SearchStrategy[str | int | bool]:
    match field.kind:
        case "text":
            return st.sampled_from(field.choices) if field.choices else TEXTS
        case "flag":
            return st.booleans()
        case "instant":
            return INSTANTS
        case _:
            return st.integers(-(2**63) + 1, 2**63 - 1)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    field = draw(st.sampled_from(SAMPLE))
    ordered = () if field.kind in ("text", "flag") else ("<", "<=", ">", ">=")
    op = draw(st.sampled_from(("=", "!=", "in", *ordered)))
    found = draw(st.lists(values(field), min_size=1, max_size=4 if op == "in" else 1))
    return Term(field.name, op, tuple(found))


@given(st.lists(terms(), max_size=6))
def test_a_printed_filter_reads_back_as_the_same_filter(found: list[Term]) -> None:
    one = Filter(tuple(found), BY_NAME)
    again = parse(str(one), SAMPLE)
    assert again == one
    assert str(again) == str(one)


@given(st.text(max_size=60) | st.text('namechips=<>!(),in "\\0123', max_size=60))
def test_any_text_is_a_filter_or_an_error_that_names_its_column(text: str) -> None:
    found, error = None, None
    try:
        found = parse(text, SAMPLE)
    except FilterError as caught:
        error = caught
    if error is None:
        assert parse(str(found), SAMPLE) == found
    else:
        assert 1 <= error.column <= len(text) + 1
        assert error.allowed
        assert error.allowed_zh


@pytest.mark.parametrize(
    ("text", "column", "allowed"),
    [
        ("colour=red", 1, "one of name, state, chips"),
        ("chips>=many", 8, "a whole number"),
        ("chips>=12 price~5", 16, "one of = != < <= > >= in"),
        ("name<5", 5, "one of = != in"),
        ("state=closed", 7, "one of open, part-filled"),
        ("state in (open", 15, "a comma or )"),
        ("chips=1.5", 7, "a whole number"),
        ("chips=99999999999999999999", 7, "a whole number"),
        ("start>=2026-11-24", 8, "an instant such as"),
        ("price=1.2345678yuan", 7, "micro-yuan such as"),
        ("block=yes", 7, "true or false"),
        ('name="a"chips=1', 9, "a blank or the end"),
        ("name=", 6, "a word, or a text in double quotes"),
        (" ".join(["chips=1"] * (TERMS_MAX + 1)), 8 * TERMS_MAX + 1, f"at most {TERMS_MAX} terms"),
        (f"chips in (1{',1' * VALUES_MAX})", 2 * VALUES_MAX + 10, f"at most {VALUES_MAX} values"),
        ("name=" + "a" * 2000, 2001, "at most 2000 characters"),
    ],
)
def test_an_error_points_at_the_column_and_says_what_is_read_there(
    text: str, column: int, allowed: str
) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, SAMPLE)
    assert caught.value.column == column
    assert caught.value.allowed.startswith(allowed)


def test_yuan_are_exact_micro_yuan() -> None:
    assert parse("price>=9.5yuan", SAMPLE).terms[0].values == (9_500_000,)
    assert parse("price=-0.000001yuan", SAMPLE).terms[0].values == (-1,)


def test_an_item_without_a_value_meets_no_term_about_it() -> None:
    for text in ("chips!=5", "chips=5", "chips>=0", "chips in (1,5)"):
        assert not parse(text, SAMPLE).matches({"chips": None})
        assert not parse(text, SAMPLE).matches({})


def test_of_several_values_one_must_meet_a_term_and_none_the_opposite() -> None:
    item = {"inner": [{"tags": ["a"]}, {"tags": ["b", "c"]}], "pool": "bj-1/h800"}
    for text in ("tags=a", "tags in (x,c)", "tags!=x", "zone=bj-1", ""):
        assert parse(text, SAMPLE).matches(item), text
    for text in ("tags=x", "tags!=b", "tags=a tags=x", "zone=h800"):
        assert not parse(text, SAMPLE).matches(item), text


def test_every_list_names_its_fields_once_and_in_the_language() -> None:
    for name, fields in FIELDS.items():
        names = [field.name for field in fields]
        assert len(set(names)) == len(names), name
        for one in names:
            if one != "in":
                with pytest.raises(FilterError):
                    parse(f"{one}~", fields)


def test_the_reference_page_tells_of_every_list_and_field() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`/v1/" in line]
    assert len(rows) == len(FIELDS)
    for row, fields in zip(rows, FIELDS.values(), strict=True):
        assert [field.name for field in fields if f"`{field.name}`" not in row] == []
