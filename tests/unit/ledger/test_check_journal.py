"""The journal that the ledger writes, checked from outside; and every way to falsify it, found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.openings import log_entry
from suanli.check_journal import Journal, Outcome
from tests.unit.ledger import world as w

Json = dict[str, Any]


@pytest.fixture(scope="module")
def journal() -> list[bytes]:
    """Return the entries of holds, an amended hold, a round, a delivery and a withdrawal."""
    return [record.value for record in w.whole_journal()]


def heads_of(entries: list[bytes]) -> dict[int, str]:
    """Return honest heads of every size."""
    heads, frontier = {}, Frontier()
    for entry in entries:
        frontier = frontier.extend([leaf_hash(log_entry(entry))])
        heads[frontier.size] = frontier.root().hex()
    return heads


def check(entries: list[bytes], heads: dict[int, str]) -> dict[str, Outcome]:
    found = Journal(heads)
    for place, entry in enumerate(entries):
        found.add(place, entry)
    return {outcome.code: outcome for outcome in found.outcomes()}


def broken(entries: list[bytes], heads: dict[int, str]) -> set[str]:
    return {code for code, outcome in check(entries, heads).items() if not outcome.ok}


def test_a_journal_as_the_ledger_writes_it_passes_every_check(journal: list[bytes]) -> None:
    found = check(journal, heads_of(journal))
    assert not [problem for outcome in found.values() for problem in outcome.problems]
    assert found["log"].checked == len(journal)
    assert found["holds"].checked == 2
    kinds = {json.loads(entry)["kind"] for entry in journal}
    assert {"single", "hold", "post", "void"} <= kinds


def changed(entry: bytes, change: Callable[[Json], object]) -> bytes:
    body = json.loads(entry)
    change(body)
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def at(entries: list[bytes], kind: str) -> int:
    return next(n for n, entry in enumerate(entries) if json.loads(entry)["kind"] == kind)


def test_any_changed_entry_is_found_by_the_heads_alone(journal: list[bytes]) -> None:
    heads = heads_of(journal)
    for place, entry in enumerate(journal):
        other = [*journal]
        other[place] = entry.replace(b'"purpose":"', b'"purpose":"x')
        assert broken(other, heads) == {"log"}


def test_a_missing_a_doubled_and_two_swapped_entries_are_found(journal: list[bytes]) -> None:
    heads = heads_of(journal)
    assert "log" in broken(journal[:-1], heads)
    assert "log" in broken([*journal, journal[-1]], heads)
    assert "log" in broken([journal[1], journal[0], *journal[2:]], heads)


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("single", lambda body: body["postings"][0].update(amount=7), "sums"),
        ("single", lambda body: body.update(amount=body["amount"] + 1), "sums"),
        ("hold", lambda body: body["postings"].pop(), "sums"),
        ("single", lambda body: body["postings"][0].update(balance_after=1), "balances"),
        ("single", lambda body: body["postings"][0].update(account_version=9), "balances"),
        ("post", lambda body: body.update(pending_id=body["entry_id"]), "holds"),
        ("post", lambda body: body.update(leaf_index=0), "log"),
        ("void", lambda body: body.pop("postings"), "log"),
    ],
)
def test_a_journal_that_was_falsified_before_it_was_signed_is_found(
    journal: list[bytes], kind: str, change: Callable[[Json], object], code: str
) -> None:
    other = [*journal]
    place = at(journal, kind)
    other[place] = changed(journal[place], change)
    assert code in broken(other, heads_of(other))


def test_a_balance_below_zero_is_found_although_all_sums_are_zero(journal: list[bytes]) -> None:
    def spend(body: Json) -> None:
        # The deposit of 100 yuan becomes one of a single micro-yuan, rightly summed.
        body["amount"] = 1
        for posting in body["postings"]:
            sign = 1 if posting["amount"] > 0 else -1
            posting.update(amount=sign, balance_after=sign)

    place = at(journal, "single")
    other = [*journal]
    other[place] = changed(journal[place], spend)
    assert "free" in broken(other, heads_of(other))
