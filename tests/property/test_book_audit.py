"""The audit of books: silent about an honest market, and exact about a dishonest one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from schemas.types import OrderState
from services.core.book_audit import BookAudit, RoundBook
from services.core.codec import book_to_dict
from services.core.market_log import MarketLog, Status
from services.core.orders import Order
from services.core.past_books import sealed_books
from tests.property.examples import examples
from tests.property.recording_world import TOPICS
from tests.property.test_replay import Replays

pytestmark = pytest.mark.timeout(240)
Json = dict[str, Any]


def read_again(log: MarketLog) -> BookAudit:
    """Return an audit that has read all that a log holds."""
    audit = BookAudit(log.market_id, dict.fromkeys(TOPICS, 0))
    for reads in log.inputs.values():
        for read in reads:
            audit.read(read)
    for status in log.statuses:
        audit.tell(status)
    return audit


def round_books(log: MarketLog) -> list[RoundBook]:
    """Return what the rounds' files say."""
    return [
        RoundBook(one.sealed, one.closed_id, book_to_dict(then.book), one.result, is_verified=True)
        for one, then in zip(log.rounds, sealed_books(log), strict=True)
    ]


def faults(log: MarketLog, books: list[RoundBook]) -> list[tuple[str, str, str]]:
    """Return (round, code, order) of everything that an audit finds."""
    audit, found = read_again(log), []
    for one in books:
        checked = audit.check(one)
        audit.accept(checked)
        found += [(checked.round_id, fault.code, fault.order_id) for fault in checked.faults]
    return found


def faults_of_the_forgetful(log: MarketLog, books: list[RoundBook]) -> list[tuple[str, str, str]]:
    """Return what an audit finds that lets go of each order that is over, after every round."""
    audit = BookAudit(log.market_id, dict.fromkeys(TOPICS, 0))
    for status in log.statuses:
        audit.tell(status)
    found: list[tuple[str, str, str]] = []
    kept: dict[str, Order] = {}
    waiting = {topic: list(reads) for topic, reads in log.inputs.items()}
    for one in books:
        ends = {item.topic: item.end for item in one.sealed.manifest}
        for topic, reads in waiting.items():
            while reads and reads[0].offset < ends.get(topic, 0):
                audit.read(reads.pop(0))
        audit.recall([kept[order_id] for order_id in audit.named(one) if order_id in kept])
        checked = audit.check(one)
        audit.accept(checked)
        found += [(checked.round_id, fault.code, fault.order_id) for fault in checked.faults]
        over = audit.over()
        kept |= {order.id: order for order in over}
        audit.forget(over)
    return found


def leave_out(book: Json, at: int) -> str:
    """Take an offer out of a book."""
    gone: str = book["offers"].pop(at)["id"]
    return gone


def invent(book: Json, at: int) -> str:
    """Put in an offer that nobody made."""
    made = copy.deepcopy(book["offers"][at]) | {"id": "off_" + "z" * 26}
    book["offers"].append(made)
    return str(made["id"])


def make_cheaper(book: Json, at: int) -> str:
    """Let an offer ask for less than its provider does."""
    book["offers"][at]["ask"] += 1
    return str(book["offers"][at]["id"])


PLANTS: dict[str, Callable[[Json, int], str]] = {
    "lost": leave_out,
    "invented": invent,
    "terms": make_cheaper,
}


class BookAudits(Replays):
    """Orders live as they do there; then all rounds are audited, as they were and tampered with."""

    @initialize(seed=st.integers(0, 2**32))
    def choose(self, seed: int) -> None:
        self.seed = seed

    def teardown(self) -> None:
        super().teardown()
        log = self.world.log()
        books = round_books(log)
        assert faults(log, books) == []
        assert faults_of_the_forgetful(log, books) == []
        self._tampered(log, books)
        self._given_otherwise(log, books)
        self._skipped(log, books)
        self._told_otherwise(log, books)

    def _tampered(self, log: MarketLog, books: list[RoundBook]) -> None:
        with_offers = [n for n, one in enumerate(books) if one.book["offers"]]
        if not with_offers:
            return
        n = with_offers[self.seed % len(with_offers)]
        for code, plant in PLANTS.items():
            book = copy.deepcopy(books[n].book)
            order_id = plant(book, self.seed % len(book["offers"]))
            wrong = [*books[:n], replace(books[n], book=book), *books[n + 1 :]]
            # Told once, and the rounds after it are as honest as they were.
            assert faults(log, wrong) == [(books[n].sealed.round_id, code, order_id)]
            assert faults_of_the_forgetful(log, wrong) == faults(log, wrong)

    def _given_otherwise(self, log: MarketLog, books: list[RoundBook]) -> None:
        holding = [n for n, one in enumerate(books) if one.book.get("held")]
        if not holding:
            return
        n = holding[self.seed % len(holding)]
        book = copy.deepcopy(books[n].book)
        row = book["held"][self.seed % len(book["held"])]
        row["chips"][0] += 1
        wrong = [*books[:n], replace(books[n], book=book), *books[n + 1 :]]
        assert faults(log, wrong) == [(books[n].sealed.round_id, "terms", "")]

    def _skipped(self, log: MarketLog, books: list[RoundBook]) -> None:
        n = self.seed % len(books)
        sealed = books[n].sealed
        first = sealed.manifest[0]
        moved = first.model_copy(update={"start": first.start + 1, "end": first.end + 1})
        manifest = (moved, *sealed.manifest[1:])
        wrong = replace(books[n], sealed=sealed.model_copy(update={"manifest": manifest}))
        audit = read_again(log)
        for one in books[:n]:
            audit.accept(audit.check(one))
        assert "manifest" in {fault.code for fault in audit.check(wrong).faults}

    def _told_otherwise(self, log: MarketLog, books: list[RoundBook]) -> None:
        causes = [status.cause for status in log.statuses]
        sure = [
            n
            for n, one in enumerate(log.statuses)
            if one.state is OrderState.ACCEPTED and causes.count(one.cause) == 1
        ]
        if not sure:
            return
        n = sure[self.seed % len(sure)]
        wrong: Status = replace(log.statuses[n], state=OrderState.REJECTED)
        told = [*log.statuses[:n], wrong, *log.statuses[n + 1 :]]
        found = faults(replace(log, statuses=told), books)
        assert "status" in {code for _, code, _ in found}, found


TestBookAudits = BookAudits.TestCase
TestBookAudits.settings = examples(10, steps=40, slow=True)
