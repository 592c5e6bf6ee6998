from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanli.checker import verify, verify_round_file
from tests.unit.sdk import rounds

BOOK, RULES, RESULT = rounds.hand_made()
STATES = ("filled", "part-filled", "open")

# What nothing can check is the wording: which code names the reason best (some are refuted, see
# test_checker), its parameters, and whether the solver proved its result to be the best one.
FREE_TEXT = {"reason", "status"}


def perturbed(path: tuple[Any, ...], value: object) -> Iterator[object]:
    """Yield other values for a leaf: near ones of its type, and every other JSON type."""
    free = bool(FREE_TEXT.intersection(path))
    if type(value) is int:
        if not free:
            yield from (value + 1, value - 1, value * 2 + 1, value + 100, -value - 1)
        yield from (float(value), float("nan"), str(value) if not free else [], 2**63, 10**5000)
    elif type(value) is str:
        if not free:
            yield from (value + "x", value[:-1] + ("0" if value[-1:] != "0" else "1"))
        yield from ("\ud800", "\x1b[2J", "a" * 300)
        if path[-1] == "state":
            yield from (state for state in STATES if state != value)
        if "params" not in path:
            yield from ("", 1)
    elif value is None:
        yield from (0, 1, "", False)
    yield from (True, [], [[]], {}, {"x": 1}) if value not in ({}, []) else (True, 1, [1])
    if value is not None:
        yield None


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(*leaf, id=".".join(map(str, leaf[0]))) for leaf in rounds.paths(RESULT)],
)
def test_verify_catches_a_change_of_any_leaf_of_the_result(
    path: tuple[Any, ...], value: object
) -> None:
    for other in perturbed(path, value):
        report = verify(BOOK, RULES, rounds.changed(RESULT, path, other))
        assert not report.ok, f"{other!r} instead of {value!r}"
        assert report.problems


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(*leaf, id=".".join(map(str, leaf[0]))) for leaf in rounds.paths([BOOK, RULES])],
)
def test_verify_catches_a_change_of_any_leaf_of_the_book_and_the_rules(
    path: tuple[Any, ...], value: object
) -> None:
    others = [value + 1] if type(value) is int else [f"{value}x", None, 3]
    for other in others:
        if other is not value:
            book, rules = rounds.changed({"x": [BOOK, RULES]}, ("x", *path), other)["x"]
            assert not verify(book, rules, RESULT).ok


def nodes(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every element of a list and every field of an object."""
    items = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from nodes(item, (*path, key))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=".".join(map(str, path)))
        for path in nodes(RESULT)
        if "params" not in path[:-1]
    ],
)
def test_verify_catches_anything_left_out_or_said_twice(path: tuple[Any, ...]) -> None:
    holder: Any = copy.deepcopy(RESULT)
    root = holder
    for key in path[:-1]:
        holder = holder[key]
    item = holder[path[-1]]
    if isinstance(holder, list):
        holder.insert(path[-1], item)
        assert not verify(BOOK, RULES, root).ok
        del holder[path[-1]]
    else:
        holder["unknown"] = item
        assert not verify(BOOK, RULES, root).ok
        del holder["unknown"]
    assert verify(BOOK, RULES, root).ok
    del holder[path[-1]]
    assert not verify(BOOK, RULES, root).ok


def test_verify_catches_outcomes_that_change_places() -> None:
    for name in ("demands", "offers", "allocations"):
        result = {**RESULT, name: RESULT[name][::-1]}
        assert not verify(BOOK, RULES, result).ok


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NODES = [("book", *p) for p in nodes(BOOK)] + [("result", *p) for p in nodes(RESULT)]


@given(book=JSON, rules=JSON, result=JSON)
@settings(max_examples=100, deadline=None)
def test_verify_never_raises_on_arbitrary_json(book: object, rules: object, result: object) -> None:
    report = verify(book, rules, result)
    assert not report.ok
    assert report.problems


@given(changes=st.lists(st.tuples(st.sampled_from(NODES), JSON), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_verify_never_raises_on_a_round_with_arbitrary_parts(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    document: Any = {"book": BOOK, "rules": RULES, "result": RESULT}
    for path, value in changes:
        # An earlier change may have replaced the part that this one is inside of.
        with contextlib.suppress(KeyError, IndexError, TypeError):
            document = rounds.changed(document, path, value)
    verify(document["book"], document["rules"], document["result"])


INTEGERS = st.sampled_from([0, 1, 2, 3, 4, 999, 1000, 1001, 1002, 1003, 2000, 2**62, 2**63 - 1])
INT_LEAVES = [("book", *p) for p, v in rounds.paths(BOOK) if type(v) is int] + [
    ("result", *p) for p, v in rounds.paths(RESULT) if type(v) is int
]


@given(changes=st.lists(st.tuples(st.sampled_from(INT_LEAVES), INTEGERS), min_size=1, max_size=6))
@settings(max_examples=400, deadline=None)
def test_verify_never_raises_on_well_formed_rounds_with_other_numbers(
    changes: list[tuple[tuple[Any, ...], int]],
) -> None:
    document: Any = {"book": BOOK, "result": RESULT}
    for path, value in changes:
        document = rounds.changed(document, path, value)
    verify(document["book"], RULES, document["result"])


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_verify_round_file_never_raises_on_arbitrary_bytes(data: bytes) -> None:
    assert not verify_round_file(data).ok
