"""Kept values come back as they were, and only kinds that may be made are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from schemas.types import OrderState
from services.core.book_audit import BookFault
from services.core.market_log import Read, Status
from services.kit.snapshots import dumps, loads
from tests.unit.ledger import world as w

ALLOWED = ("schemas", "services.core")
NOW = datetime(2026, 11, 27, 3, 30, 0, 5, tzinfo=UTC)


class Mine(StrEnum):
    """An enumeration of no allowed package."""

    ONE = "one"


@dataclass(frozen=True)
class Ours:
    """A class of no allowed package."""

    amount: int


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**80,
        "text 文字 \x00",
        NOW,
        OrderState.OPEN,
        (1, ("a", None)),
        [1, [2]],
        {("link", 3): 4, "b": {5: []}},
        {1, 2},
        frozenset({"x"}),
        BookFault("lost", "off_1", "text"),
        Status("evt", NOW, OrderState.FILLED, 2, "why"),
        Read("offers", 7, "evt", "", "story", NOW, w.registered("lab")),
    ],
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    found = loads(dumps(value), ALLOWED)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [1.5, b"bytes", object(), {"a": 0.1}, (object,)])
def test_what_is_of_another_kind_is_not_kept(value: object) -> None:
    with pytest.raises(TypeError, match="kind that can be written"):
        dumps(value)


@pytest.mark.parametrize("value", [Mine.ONE, Ours(1)])
def test_no_class_is_made_that_is_not_of_an_allowed_package(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be of schemas, services\.core"):
        loads(dumps(value), ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        '{"c":["services.core.book_audit:BookFault",["lost"]]}',
        '{"c":["services.core.book_audit:Nothing",[]]}',
        '{"c":["services.core.nowhere:Nothing",[]]}',
        '{"c":["services.core.book_audit:hashlib.sha256",[]]}',
        '{"c":["services.core.replay:book_at",[]]}',
        '{"e":["schemas.types:OrderState","no state"]}',
        '{"m":["schemas.events:ParticipantRegistered","{}"]}',
        '{"x":1}',
        '{"u":[1],"l":[2]}',
        "{",
    ],
)
def test_a_text_that_was_not_written_so_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - by many hands
        loads(text, ALLOWED)
