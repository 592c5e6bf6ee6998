"""Row A8: on a synthetic day every planted abuse is found, and honest orders raise no alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.core.surveillance.cases import CaseKind, Severity
from services.core.surveillance.evaluate import evaluate
from tests.unit.core.surveillance.day import Day
from tests.unit.core.surveillance.plants import PLANTS

if TYPE_CHECKING:
    from services.core.surveillance.tape import Tape

# A self-match is a record of what happened, and happens by chance to owners on both sides.
_RECORDS = {CaseKind.SELF_MATCH}
_ORDERS = 10_000


@pytest.mark.parametrize("seed", range(2))
def test_every_planted_case_is_found_with_its_evidence_and_nothing_else(seed: int) -> None:
    day = Day(seed, _ORDERS)
    honest = day.count
    plants = [plant(day) for plant in PLANTS]
    cases = evaluate(day.tape())
    found = {(one.kind, frozenset(one.participants), frozenset(one.evidence)) for one in cases}
    for plant in plants:
        of_kind = [(one.participants, one.evidence) for one in cases if one.kind is plant.kind]
        assert (plant.kind, plant.participants, plant.evidence) in found, of_kind
    planted = {(plant.kind, plant.participants, plant.evidence) for plant in plants}
    false = [
        one
        for one in cases
        if one.kind not in _RECORDS
        and (one.kind, frozenset(one.participants), frozenset(one.evidence)) not in planted
    ]
    assert len(false) * 10_000 < honest, false


@pytest.mark.parametrize("seed", range(100, 102))
def test_an_honest_day_raises_no_alarm_in_ten_thousand_orders(seed: int) -> None:
    day = Day(seed, _ORDERS)
    alarms = [one for one in evaluate(day.tape()) if one.kind not in _RECORDS]
    assert day.count >= _ORDERS
    assert not alarms


def test_a_self_match_is_a_record_of_allocations_that_have_one_owner() -> None:
    day = Day(5, _ORDERS)
    tape = day.tape()
    (case, *_) = [one for one in evaluate(tape) if one.kind is CaseKind.SELF_MATCH]
    made = {one.allocation_id: one for one in tape.allocations}
    assert case.severity is Severity.LOW
    for allocation_id in case.evidence:
        item = made[allocation_id]
        assert tape.owner(item.provider_id) == tape.owner(item.enterprise_id) == case.subject


def test_a_case_has_the_same_id_whenever_it_is_found() -> None:
    first = {one.case_id for one in evaluate(_planted(3))}
    assert first == {one.case_id for one in evaluate(_planted(3))}
    assert all(one.startswith("sc_") and len(one) == 29 for one in first)


def test_every_case_is_told_in_both_languages() -> None:
    for case in evaluate(_planted(4)):
        told = case.summary
        assert told.code == case.kind.value
        assert "{" not in told.en + told.zh
        assert any("\u4e00" <= char <= "\u9fff" for char in told.zh)


def _planted(seed: int) -> Tape:
    day = Day(seed, 2_000)
    for plant in PLANTS:
        plant(day)
    return day.tape()
