"""The state of an audit of books in parts, to be kept part by part and gone on with.

A part is a named value: an entry of a mapping or a set under its key, anything else whole. Values
are frozen or small, so that a part that is the same object as before need not be written again.
All attributes are taken as they are there: one that is added to the replay is kept without a word
here, and one that cannot be written is seen by whoever writes it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from services.core.book_audit import BookAudit
from services.core.market_log import INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from services.core.book import Book

ORDERS = "replay._orders"
"""Name of the parts that are orders, under their ids."""

Part = tuple[str, object]
"""(name of an attribute, key in it; ``None`` for all of it)."""

# Lists of records are shared with the audit; what of the audit is made from its market is not kept.
_SHARED = ("_log", "_queues", "_stages")
_GIVEN = ("market_id", "_partitions", "_replay", "_inputs")


def parts_of(audit: BookAudit) -> Iterator[tuple[Part, object]]:
    """Yield all that a market's audit knows, part by part."""
    own = vars(audit)
    replay = own["_replay"]
    state = vars(replay)
    for name in own.keys() - set(_GIVEN):
        yield from _split(f"audit.{name}", own[name])
    for name in state.keys() - set(_SHARED):
        yield from _split(f"replay.{name}", _small(state[name]) if name == "_book" else state[name])
    for name, value in vars(state["_stages"]).items():
        yield from _split(f"stages.{name}", value)
    for topic in INPUTS:
        queue = state["_queues"][topic]
        assert queue.next == 0, "what was judged is dropped with each round"
        yield from _split(f"early.{topic}", queue.early)
        for record in own["_inputs"][topic]:
            yield (f"inputs.{topic}", record.offset), record


def audit_of(
    market_id: str, partitions: Mapping[str, int], parts: Mapping[Part, object]
) -> BookAudit:
    """Return an audit that goes on where `parts_of` left another.

    Args:
        market_id: The market.
        partitions: As `BookAudit` takes them.
        parts: What `parts_of` gave.

    Raises:
        KeyError: if a part is of something that there is not.
    """
    audit = BookAudit(market_id, partitions)
    own = vars(audit)
    state = vars(own["_replay"])
    stages = vars(state["_stages"])
    inputs: dict[str, dict[int, object]] = defaultdict(dict)
    for (name, key), value in parts.items():
        place, _, attribute = name.partition(".")
        if place == "inputs":
            assert isinstance(key, int)
            inputs[attribute][key] = value
        elif place == "early":
            state["_queues"][attribute].early.add(key)
        else:
            _put({"audit": own, "replay": state, "stages": stages}[place], attribute, key, value)
    for topic, found in inputs.items():
        own["_inputs"][topic].extend(found[offset] for offset in sorted(found))
    return audit


def _split(name: str, value: object) -> Iterator[tuple[Part, object]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield (name, key), one
    elif isinstance(value, set | frozenset):
        for one in value:
            yield (name, one), True
    else:
        yield (name, None), value


def _put(into: dict[str, object], name: str, key: object, value: object) -> None:
    held = into[name]
    if isinstance(held, dict):
        held[key] = value
    elif isinstance(held, set):
        held.add(key)
    elif isinstance(held, frozenset):
        into[name] = held | {key}
    else:
        into[name] = value


def _small(book: Book | None) -> Book | None:
    """Return what is needed of the last round's book once the round is settled: its policies."""
    return None if book is None else replace(book, offers=(), demands=())
